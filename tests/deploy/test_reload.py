"""One changed strategy of a container that hosts several: its loop is replaced, the container and the other loops live on."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import docker
import pytest

from tests.deploy.interruptions import PASSED_OVER, change, recent, transactions_over
from tests.deploy.site import (
    FAILS,
    SLEEPS,
    Site,
    assert_no_slot_is_lost_or_doubled,
    first_release,
    words_of,
)
from tests.engine.kit import wait_until

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(900)]

EVERY = timedelta(seconds=5)


@pytest.fixture(scope="module")
def hosted(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server on which one container hosts two strategies."""
    with first_release(engine, tmp_path_factory.mktemp("site"), "portfolio-together") as one:
        yield one


@pytest.fixture(autouse=True)
def _began(hosted: Site) -> None:
    """From here on slots count: each test is judged by its own."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    (hosted.kit.folder / "began").write_text(at)


def boots(one: Site, strategy: str) -> list[str]:
    """Return the boots of a strategy's loops, in order; all but the last have stopped in order."""
    lines = [line for line in one.journal(strategy) if line["event"] in {"service_start", "service_stop"}]
    begun = [str(line["boot_id"]) for line in lines if line["event"] == "service_start"]
    ended = [str(line["boot_id"]) for line in lines if line["event"] == "service_stop"]
    assert ended == begun[:-1]
    return begun


def said_last(one: Site) -> str:
    """Return the reason that `fives` gave last."""
    return [str(line["reason"]) for line in one.journal("fives") if line["event"] == "decision"][-1]


def assert_all_is_well(one: Site, words: str, *, lossless: bool = True) -> None:
    """The last transaction is over, the next deploy succeeds, and what runs is what is here."""
    wait_until(lambda: transactions_over(one), "the transaction to end by itself", 120)
    said = one.must("deploy")
    assert sorted(one.containers()) == ["supervisor", "together"]
    count = one.machine.shell(f"docker ps -aq --filter label=com.docker.compose.project={one.kit.project} | wc -l")
    assert int(count) == 2, said
    wait_until(lambda: said_last(one) == words, "the words of the newest release", 30)
    outcomes = ("succeeded",) if lossless else ("succeeded", "failed", "interrupted")
    assert_no_slot_is_lost_or_doubled(recent(one), EVERY, outcomes, () if lossless else PASSED_OVER)


def test_one_changed_line_replaces_one_loop(hosted: Site) -> None:
    """The container is the same one, the other strategy's loop too, and no slot is lost; so is the way back."""
    container, daily, fives = hosted.containers(), boots(hosted, "daily"), boots(hosted, "fives")
    first = words_of(hosted)
    words = change(hosted)
    said = hosted.must("deploy")
    assert "reload    together (changed: image; of daily, fives only those whose folders changed)" in said
    assert "untouched supervisor" in said
    assert hosted.containers() == container
    assert boots(hosted, "daily") == daily
    assert len(boots(hosted, "fives")) == len(fives) + 1
    assert "nothing to do" in hosted.must("deploy")
    assert_no_slot_is_lost_or_doubled(recent(hosted), EVERY)

    fives = boots(hosted, "fives")
    hosted.change("daily", "a quiet day", "another day")
    hosted.must("deploy")
    assert hosted.containers() == container
    assert boots(hosted, "fives") == fives
    assert len(boots(hosted, "daily")) == len(daily) + 1
    hosted.must("rollback")
    said = hosted.must("rollback")
    assert "reload    together" in said
    assert hosted.containers() == container
    wait_until(lambda: said_last(hosted) == first, "the words of the first release", 30)
    assert_all_is_well(hosted, words)


def test_a_change_that_fails_leaves_the_others_alone(hosted: Site) -> None:
    """Its first run fails: the loop of before runs again, and the other strategy has noticed nothing."""
    container, daily, release = hosted.containers(), boots(hosted, "daily"), hosted.current()
    hosted.change("fives", SLEEPS, FAILS)
    code, said = hosted.run("deploy")
    hosted.change("fives", FAILS, SLEEPS)
    assert code == 1
    assert f"did not pass its gate, and {release} runs again: together: fives: its first run failed" in said
    assert (hosted.containers(), boots(hosted, "daily")) == (container, daily)
    assert "nothing to do" in hosted.must("deploy")
    assert_all_is_well(hosted, words_of(hosted), lossless=False)
    failed = [line for line in recent(hosted) if line["event"] == "run_end" and line["outcome"] == "failed"]
    assert len(failed) == 1, "a release that was judged bad gets no further slot"


def test_a_loop_that_cannot_start_leaves_the_others_alone(hosted: Site) -> None:
    """It dies at its import, though its preflight was good: the loop of before goes on all the time."""
    container, daily, fives = hosted.containers(), boots(hosted, "daily"), boots(hosted, "fives")
    code = "import sys\nimport time\n\nif sys.argv[1:] == ['host']:\n    raise ValueError('no way')\n"
    hosted.change("fives", "import time\n", code)
    exit_code, said = hosted.run("deploy")
    hosted.change("fives", code, "import time\n")
    assert exit_code == 1
    assert "fives: cannot start: strategy.py cannot be imported: ValueError: no way" in said
    assert (hosted.containers(), boots(hosted, "daily"), boots(hosted, "fives")) == (container, daily, fives)
    assert_all_is_well(hosted, words_of(hosted))


CUTS = (
    ("kill_engine", "handing over fives"),
    ("cut_power", "waiting for the first run"),
    ("cut_power", "starting fives"),
    ("kill_program", "starting fives"),
    ("cut_power", "handing over fives"),
    ("kill_program", "handing over fives"),
)


def wait_for_a_run(one: Site, after: str) -> None:
    """Wait until a run has begun and ended from here on."""
    count = len(recent(one))
    wait_until(lambda: len(recent(one)) > count + 3, f"a run after {after}", 60)


def test_reloads_that_are_cut_off(hosted: Site) -> None:
    """One after the other: the old folders or the new ones run by themselves soon after; the next deploy goes on from there."""
    for way, point in CUTS:
        before, words = said_last(hosted), change(hosted)
        process = hosted.start("deploy")
        process.until(f"openbell: {point}")  # and not what is told of the deployment before
        if way == "kill_program":
            hosted.machine.shell(f"cd {hosted.root}/transactions && kill -KILL $(cat $(ls -td */ | head -n 1)worker)")
        else:
            getattr(hosted.machine, way)()
        said = process.end(240)
        assert "Traceback" not in said
        wait_until(lambda: transactions_over(hosted), "the transaction to end by itself", 120)
        wait_until(lambda: sorted(hosted.containers()) == ["supervisor", "together"], "both services", 60)
        wait_for_a_run(hosted, f"{way} at {point}")
        assert said_last(hosted) in {before, words}, (way, point)
    assert_all_is_well(hosted, words, lossless=False)


def test_a_container_that_is_made_anew_runs_what_its_image_has(hosted: Site) -> None:
    """After reloads, with other settings: the newer folders that another container had are no concern of it."""
    words, container = change(hosted), hosted.containers()["together"]
    hosted.must("deploy")
    assert hosted.containers()["together"] == container
    hosted.machine.shell(f"docker restart {container}")
    wait_until(lambda: said_last(hosted) == words, "the newest words after a restart", 30)
    with (hosted.kit.folder / ".env").open("a") as file:
        file.write("OPENBELL_TOGETHER_MEMORY=400m\n")
    words = change(hosted)
    said = hosted.must("deploy")
    assert "start     together (changed: image, configuration" in said
    assert hosted.containers()["together"] != container
    assert_all_is_well(hosted, words)
    words = change(hosted)
    hosted.must("deploy")
    left = hosted.machine.shell(f"ls /var/lib/docker/volumes/{hosted.kit.project}_reloads/_data").split()
    assert left == [hosted.containers()["together"][:12]]
    assert_all_is_well(hosted, words)
