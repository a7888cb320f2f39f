"""A server from the time when every strategy ran as one user: a deploy gives each its own, and a rollback goes on."""

from datetime import timedelta
from pathlib import Path

import docker
import pytest

from openbell.strategy_user import SUPERVISOR, user_id
from tests.deploy.site import Site, assert_no_slot_is_lost_or_doubled, site
from tests.engine.kit import wait_until
from tests.machine.machine import running_machine

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(900)]

EVERY = timedelta(seconds=5)


def of_then(text: str, *pairs: tuple[str, str]) -> str:
    """Return a file of the project as it was: each first text, which is there once, is the second one."""
    for now, then in pairs:
        assert text.count(now) == 1, now
        text = text.replace(now, then)
    return text


def others(one: Site, owner: int) -> list[str]:
    """Return what in the volumes of journal and state is not this user's."""
    roots = [f"/var/lib/docker/volumes/{one.kit.project}_{name}/_data/fives" for name in ("journal", "state")]
    return one.machine.shell(f"find {' '.join(roots)} ! -uid {owner} -printf '%U:%G %m %p\\n'").splitlines()


def more_runs(one: Site) -> None:
    """Wait for two more runs that succeed."""
    before = len(succeeded(one))
    wait_until(lambda: len(succeeded(one)) >= before + 2, "two more runs", 60, one.machine.container)


def succeeded(one: Site) -> list[dict[str, object]]:
    """Return the runs that have succeeded."""
    return [line for line in one.journal("fives") if line["event"] == "run_end" and line["outcome"] == "succeeded"]


def test_volumes_are_taken_over_with_all_that_is_in_them(engine: docker.DockerClient, tmp_path: Path) -> None:
    """No slot is lost or doubled by the deploy or by the rollback, and each release can write what the other left."""
    with running_machine(engine) as machine, site(engine, machine, tmp_path, ["fives"]) as one:
        dockerfile, volumes = tmp_path / "images" / "Dockerfile", tmp_path / "compose" / "volumes.yaml"
        now = {file: file.read_text() for file in (dockerfile, volumes)}
        own_user = ((' && openbell prepare-volumes "$STRATEGY"', ""), ("\nUSER strategy\n", "\nUSER openbell\n"))
        dockerfile.write_text(of_then(now[dockerfile], *own_user))
        volumes.write_text(of_then(now[volumes], ("command: [openbell, prepare-volumes]", 'command: ["true"]')))
        one.must("deploy")
        more_runs(one)
        assert others(one, SUPERVISOR) == []
        for file, text in now.items():
            file.write_text(text)
        one.must("deploy")
        more_runs(one)
        # The last run before the switch may leave SQLite's side files behind; the new loop's runs write them by their group.
        left = [line for line in others(one, user_id("fives")) if not line.endswith(("-wal", "-shm"))]
        assert left == []
        one.must("rollback")
        more_runs(one)
        busy = ("overlap", "coalesced")  # on a slow machine a run lasts longer than five seconds
        assert assert_no_slot_is_lost_or_doubled(one.journal("fives"), EVERY, reasons=busy) >= 6
