"""What the tests that need an engine share, and what becomes of them where no engine can run."""

import gc
import signal
from collections.abc import Generator, Iterator

import docker
import pytest

from tests import schedule
from tests.installed import Installed

WITH_ENGINE = ("tests/engine/", "tests/deploy/")
FIRST_USE = 900  # seconds for a test: the first that needs an image waits until it is built
LEFT_OUT = pytest.StashKey[int]()
CAME = "openbell_left_out"  # what a worker of pytest-xdist says of it to the process that sums up


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the command line say that there is no engine."""
    parser.addoption(
        "--without-engine", metavar="REASON", default="", help="leave out what needs an engine, and say so at the end"
    )


def pytest_configure() -> None:
    """Let tests send SIGINT also where the suite runs in the background: shells let such commands ignore it, and children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> schedule.SideBySide | None:
    """Run what waits beside what computes, where files are distributed among workers."""
    return schedule.SideBySide(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without Python's search for garbage: thousands of tests are made, none goes, and they are not searched later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put long files first; mark the tests that need an engine, and leave them out where there is none."""
    items.sort(key=lambda item: schedule.place(item.path.as_posix()))
    for item in items:
        if any(folder in item.path.as_posix() for folder in WITH_ENGINE):
            item.add_marker(pytest.mark.engine)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(FIRST_USE))
    if not config.getoption("--without-engine"):
        return
    left_out = [item for item in items if item.get_closest_marker("engine")]
    items[:] = [item for item in items if item not in set(left_out)]
    config.hook.pytest_deselected(items=left_out)
    config.stash[LEFT_OUT] = len(left_out)
    if hasattr(config, "workeroutput"):
        config.workeroutput[CAME] = len(left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object, error: object) -> None:
    """Take a worker's word: all of them have collected the same."""
    config, said = getattr(node, "config", None), getattr(node, "workeroutput", {})
    if isinstance(config, pytest.Config) and CAME in said:
        config.stash[LEFT_OUT] = said[CAME]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say in one line how many tests were not run, and why."""
    if reason := config.getoption("--without-engine"):
        count = config.stash.get(LEFT_OUT, 0)
        terminalreporter.write_line(f"{count} tests were not run, because they need a container engine: {reason}")


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The engine."""
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def installed(request: pytest.FixtureRequest) -> Installed:
    """What installs a program that tests need."""
    return Installed(may_be_missing=bool(request.config.getoption("--without-engine")))
