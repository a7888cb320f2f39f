"""From a bare server to a release and back, on every engine and image store that a server may have."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

import docker
import pytest

from tests.deploy.site import assert_no_slot_is_lost_or_doubled, site, words_of
from tests.deploy.test_provision import must_be_ready
from tests.machine.machine import Machine, Suite, running_machine

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(900)]

EVERY = timedelta(seconds=5)


def bare(suite: Suite) -> Callable[[docker.DockerClient], AbstractContextManager[Machine]]:
    """A server that `make provision` has made of one with sshd and nothing else."""

    @contextmanager
    def machine(engine: docker.DockerClient) -> Iterator[Machine]:
        with running_machine(engine, suite) as one:
            must_be_ready(one)
            yield one

    return machine


def containerd(engine: docker.DockerClient) -> AbstractContextManager[Machine]:
    """A server whose engine keeps its images in containerd's store."""
    return running_machine(engine, "trixie", store="containerd")


@pytest.mark.parametrize(
    "server", [bare("bookworm-bare"), bare("trixie-bare"), containerd], ids=["20.10", "26.1", "26.1-containerd"]
)
def test_from_nothing_to_a_release_and_back(
    engine: docker.DockerClient,
    tmp_path: Path,
    server: Callable[[docker.DockerClient], AbstractContextManager[Machine]],
) -> None:
    """Provision, deploy, the same again, one line, a broken release, and back: and no slot is lost or run twice."""
    with server(engine) as machine, site(engine, machine, tmp_path, ["fives"]) as one:
        one.must("deploy")
        first, words = one.current(), words_of(one)
        assert "nothing to do: this is what runs there" in one.must("deploy")

        one.change("fives", words, "one line changed")
        one.must("deploy")
        second, running = one.current(), one.containers()
        assert second != first
        assert "one line changed" in machine.docker("exec", running["fives"], "cat", "/strategy/strategy.py")

        one.change("fives", "import time\n", "import time\n\n__import__('no_such_module')\n")
        code, said = one.run("deploy")
        assert code == 1
        assert "No module named 'no_such_module'" in said
        assert (one.current(), one.containers()) == (second, running)

        one.must("rollback")
        assert one.current() == first
        assert words in machine.docker("exec", one.containers()["fives"], "cat", "/strategy/strategy.py")
        assert_no_slot_is_lost_or_doubled(one.journal("fives"), EVERY)
