"""The runner in its real container: one loop a strategy, handing over, stalls, full disks, wild strategies."""

import json
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import docker
import pytest
from docker.models.containers import Container
from testcontainers.compose import DockerCompose

from openbell.runner.startup import IMPORT_WITHIN, WATCHDOG
from openbell.strategy_user import user_id
from tests.engine.kit import Kit, answer, ask, events, make_kit, operate, removed_afterwards, start, wait_until


@pytest.fixture(scope="module")
def images(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """The images of the strategies used here; no service is left running."""
    kit = make_kit(tmp_path_factory.mktemp("runner"), ["feed", "hung_import", "stalled", "ticker", "wild"])
    with removed_afterwards(engine, kit.project):
        DockerCompose(kit.folder, build=True, wait=False).start()
        DockerCompose(kit.folder).stop()
        yield kit


class Strategies:
    """Starts containers of one strategy with volumes of their own, and removes them."""

    def __init__(self, engine: docker.DockerClient, kit: Kit) -> None:
        self._engine = engine
        self._kit = kit
        self._name = f"{kit.project}-{uuid.uuid4().hex[:6]}"
        self._started: list[Container] = []

    def start(self, strategy: str, *, tmpfs: dict[str, str] | None = None) -> Container:
        """Start one more container of the strategy on the same volumes."""
        places = [place for place in ("journal", "state", "control") if f"/{place}" not in (tmpfs or {})]
        container = start(
            self._engine,
            self._kit.image(strategy),
            f"{self._name}-{len(self._started)}",
            {f"{self._name}-{place}": f"/{place}" for place in places},
            tmpfs=tmpfs or {},
        )
        self._started.append(container)
        return container

    def remove(self) -> None:
        """Remove all containers and volumes."""
        for container in self._started:
            container.remove(force=True)
        for volume in self._engine.volumes.list(filters={"name": self._name}):
            volume.remove(force=True)


@pytest.fixture
def strategies(engine: docker.DockerClient, images: Kit) -> Iterator[Strategies]:
    """A starter of containers."""
    starter = Strategies(engine, images)
    yield starter
    starter.remove()


def lines(container: Container, strategy: str) -> list[dict[str, object]]:
    """Return the journal, as the container itself sees it."""
    code, output = answer(container, "openbell", "journal", strategy, "--since", "1d")
    # Before the first line there is no journal to read.
    return [json.loads(line) for line in output.splitlines()] if code == 0 else []


def logged(container: Container, text: str) -> bool:
    """Tell whether the container's log has a text."""
    return text in container.logs().decode(errors="replace")


def ended(container: Container, strategy: str, count: int) -> bool:
    """Tell whether the journal has so many ends of runs."""
    return len(events(lines(container, strategy), "run_end")) >= count


def test_a_second_loop_waits_for_the_first_and_takes_over(strategies: Strategies) -> None:
    """Two containers on one volume: the second says who holds the strategy, and no slot is lost or run twice at the swap."""
    first = strategies.start("ticker")
    wait_until(lambda: ended(first, "ticker", 2), "two runs", 30, first)
    second = strategies.start("ticker")
    wait_until(lambda: logged(second, "runs this strategy; waiting until it ends"), "the second to wait", 30, second)
    assert logged(second, f"on {first.id[:12] if first.id else ''}"), "it names the container that holds the strategy"
    ends = len(events(lines(first, "ticker"), "run_end"))
    first.stop(timeout=30)
    wait_until(lambda: ended(second, "ticker", ends + 3), "runs of the second", 30, second)
    slots = [datetime.fromisoformat(str(end["slot"])) for end in events(lines(second, "ticker"), "run_end")]
    assert [later - earlier for earlier, later in pairwise(slots)] == [timedelta(seconds=2)] * (len(slots) - 1)
    assert len({end["boot_id"] for end in events(lines(second, "ticker"), "run_end")}) == 2


def test_a_pause_survives_a_restart(strategies: Strategies) -> None:
    """A paused bot stays paused in the next container, its slots carry the reason, and it can be resumed."""
    first = strategies.start("ticker")
    wait_until(lambda: ended(first, "ticker", 1), "a run", 30, first)
    assert operate(first, "openbell", "pause", "ticker", "--reason", "earnings week")[0] == 0
    first.stop(timeout=30)
    second = strategies.start("ticker")
    boot = wait_until(lambda: events(lines(second, "ticker"), "service_start")[1:], "the second start", 30, second)[0][
        "boot_id"
    ]

    def skips() -> list[dict[str, object]]:
        return [line for line in events(lines(second, "ticker"), "slot_skipped") if line["boot_id"] == boot]

    skip = wait_until(lambda: skips()[1:] or None, "skipped slots", 30, second)[-1]
    assert (skip["reason"], skip["pause_reason"], skip["outcome"]) == ("paused", "earnings week", "skipped")
    assert not [line for line in events(lines(second, "ticker"), "run_start") if line["boot_id"] == boot]
    assert operate(second, "openbell", "resume", "ticker")[0] == 0
    wait_until(
        lambda: [end for end in events(lines(second, "ticker"), "run_end") if end["boot_id"] == boot],
        "a run",
        30,
        second,
    )


@pytest.mark.parametrize(
    "strategy,place,seconds",
    [
        pytest.param("hung_import", "strategy.py", IMPORT_WITHIN, marks=pytest.mark.deploy_long),  # two minutes
        ("stalled", "Timeout (0:00:25)!", WATCHDOG),
    ],
)
def test_a_loop_that_stops_turning_ends_itself(
    strategies: Strategies, strategy: str, place: str, seconds: float
) -> None:
    """A hung import, and a thread that holds the interpreter: in time the process is gone, with its stack in the log."""
    started = time.monotonic()
    container = strategies.start(strategy)
    answer = container.wait(timeout=seconds + 60)
    assert answer["StatusCode"] != 0
    assert time.monotonic() - started < seconds + 40, "the stall began a few seconds after the start"
    log = container.logs().decode(errors="replace")
    assert f"Timeout ({timedelta(seconds=seconds)})!" in log
    assert "most recent call first" in log
    assert place in log


@pytest.mark.parametrize("full", [pytest.param("journal", marks=pytest.mark.deploy_long), "state"])
def test_a_full_disk_stops_the_trading_and_nothing_else(strategies: Strategies, full: str) -> None:
    """Without a heartbeat or a claim no run starts; the loop says so, stays up, and goes on when there is room."""
    tmpfs = {
        f"/{full}": f"uid={user_id('ticker')},size=1m"
    }  # it belongs to the strategy, as its folder in the volume does
    container = strategies.start("ticker", tmpfs=tmpfs)
    wait_until(lambda: ended(container, "ticker", 1), "a run", 30, container)
    container.exec_run(["sh", "-c", f"cat /dev/zero > /{full}/filler"])
    wait_until(
        lambda: logged(container, "no run starts until journal and state can be written again"),
        "the line",
        30,
        container,
    )
    runs = len(events(lines(container, "ticker"), "run_start"))
    time.sleep(5)  # two slots pass
    assert len(events(lines(container, "ticker"), "run_start")) <= runs + 1
    container.reload()
    assert container.status == "running"
    ask(container, "rm", f"/{full}/filler")
    wait_until(lambda: ended(container, "ticker", runs + 1), "a run after there is room again", 30, container)
    written = lines(container, "ticker")
    assert len(events(written, "service_start")) == 1, "it has not been restarted"
    ends = [str(end["slot"]) for end in events(written, "run_end")]
    assert len(ends) == len(set(ends))


WORDS = {
    "raise": ("failed", "RuntimeError: the feed said no"),
    "exit": ("failed", "sys.exit(7)"),
    "segfault": ("failed", "SIGSEGV"),
    "leak": ("failed", "more memory than"),
    "fork": ("succeeded", ""),
    "flood": ("succeeded", "left out"),
    "deaf": ("timed_out", "longer than its timeout of 3 s"),
    "threads": ("succeeded", "poller"),
    "elsewhere": ("succeeded", ""),
    "mute": ("succeeded", "last words"),
    "garbage": ("succeeded", "it is not used"),
}


def test_wild_strategies_harm_nobody_else(strategies: Strategies) -> None:
    """Whatever a bot does, the calm one beside it runs at each of its slots, and the journal has it in clear words."""
    container = strategies.start("wild")
    wait_until(lambda: ended(container, "wild", 1), "the calm bot's first run", 30, container)
    for bot in WORDS:
        operate(container, "openbell", "run-now", "--bot", bot)
    written = lines(container, "wild")
    for bot, (outcome, words) in WORDS.items():
        mine = [line for line in written if line.get("bot") == bot]
        assert [line["outcome"] for line in events(mine, "run_end")] == [outcome], mine
        assert words in json.dumps(mine), mine
    hung = next(line for line in events(written, "error") if line["bot"] == "deaf")
    assert "in deaf" in str(hung["traceback"]), "the stack that it hung in"
    assert len(events(written, "service_start")) == 1
    calm = [
        datetime.fromisoformat(str(line["slot"]))
        for line in written
        if line.get("bot") == "calm" and line["event"] == "run_end"
    ]
    assert [later - earlier for earlier, later in pairwise(calm)] == [timedelta(seconds=2)] * (len(calm) - 1)
    assert {line["outcome"] for line in written if line.get("bot") == "calm" and line["event"] == "run_end"} == {
        "succeeded"
    }
    processes = ask(container, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert processes.count("openbell run") <= 3, "nothing is left of the process that one of them forked"


def test_a_stream_runs_always_beats_and_orders_once_for_an_event(strategies: Strategies) -> None:
    """A stream that fails is started again, one that falls silent is killed and started again; its orders stay single."""
    container = strategies.start("feed")

    def of_stream(event: str) -> list[dict[str, object]]:
        return [line for line in events(lines(container, "feed"), event) if line["bot"] == "feed"]

    wait_until(lambda: len(of_stream("decision")) >= 3, "three orders", 30, container)
    assert of_stream("run_start")[0]["trigger"] == "stream"
    ask(container, "touch", "/state/feed/fail")
    wait_until(lambda: len(of_stream("decision")) >= 6, "the events to arrive again", 30, container)
    assert "the feed was cut" in str(of_stream("error")[0]["error"])
    assert [line.get("repeated", False) for line in of_stream("decision")] == [False] * 3 + [True] * 3
    assert len({line["order_id"] for line in of_stream("decision")}) == 3
    ask(container, "touch", "/state/feed/silent")
    wait_until(
        lambda: [end for end in of_stream("run_end") if end["outcome"] == "timed_out"], "the kill", 30, container
    )
    assert "has not beaten for its timeout of 4 s" in str(of_stream("error")[1]["error"])
    assert "in numbers" in str(of_stream("error")[1]["traceback"]), "the stack that it was silent in"
    ask(container, "rm", "/state/feed/silent")
    wait_until(lambda: len(of_stream("run_start")) >= 3, "the third start", 30, container)
    assert operate(container, "openbell", "pause", "feed", "--reason", "maintenance")[0] == 0
    wait_until(lambda: len(of_stream("run_end")) >= 3, "the pause to end the stream", 30, container)
    assert of_stream("run_end")[-1]["outcome"] == "succeeded"
    assert operate(container, "openbell", "resume", "feed")[0] == 0
    wait_until(lambda: len(of_stream("run_start")) >= 4, "the stream to go on", 90, container)
    container.stop(timeout=30)
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 0
    container.start()
    written = wait_until(
        lambda: len(of_stream("run_end")) >= 4 and lines(container, "feed"), "the last end", 30, container
    )
    assert isinstance(written, list)
    assert [line["outcome"] for line in of_stream("run_end")] == ["failed", "timed_out", "succeeded", "succeeded"]
    slots = [
        datetime.fromisoformat(str(end["slot"])) for end in events(written, "run_end") if end["bot"] == "feed_clock"
    ]
    boots = {str(line["boot_id"]) for line in events(written, "service_start")}
    assert len(boots) == 2
    assert len(slots) == len(set(slots)), "the bot with slots beside it has one run for each"
