"""The host's command line."""

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from io import StringIO

import pytest

from deploy import target
from deploy.__main__ import COMMANDS, _help, command
from deploy.cli import operate
from deploy.cli.arguments import options
from deploy.cli.operate import must_run
from deploy.docker.engine import Service
from deploy.errors import CommandError
from deploy.settings import Settings
from deploy.target import LocalTarget

PULSE = Service("pulse", "openbell/pulse:local", "running", "starting", 0, 0)
GONE = Service("gone", "openbell/gone:local", "exited", "", 0, 0)


class Two(LocalTarget):
    """A machine with one container that runs and one that does not."""

    def services(self) -> tuple[Service, ...]:
        """No engine is asked."""
        return (GONE, PULSE)


class TwoThere(Two):
    """The same on a host."""

    option, start = " HOST=vps", "make deploy HOST=vps"


class Terminal(StringIO):
    """Standard input, with or without a person at it."""

    def __init__(self, text: str, *, is_tty: bool) -> None:
        super().__init__(text)
        self._is_tty = is_tty

    def isatty(self) -> bool:
        """Tell whether a person is there."""
        return self._is_tty


def test_what_runs_may_be_asked() -> None:
    """A container that is not healthy yet can be run in."""
    must_run("pulse", Two(Settings()))


@pytest.mark.parametrize("name", ["gone", "never_was"])
@pytest.mark.parametrize("where,start", [(Two(Settings()), "make up"), (TwoThere(Settings()), "make deploy HOST=vps")])
def test_what_does_not_run_is_one_clear_line(name: str, where: LocalTarget, start: str) -> None:
    """It says what to do there, and what runs."""
    with pytest.raises(CommandError, match=f"^{name} does not run: start it with `{start}`; what runs: pulse$"):
        must_run(name, where)


def test_ctrl_c_in_a_run_says_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The loop has the run: only its printing has ended."""

    class Interrupted(Two):
        def services(self) -> tuple[Service, ...]:
            return (*super().services(), replace(PULSE, name="supervisor"))

        def run(self, command: object) -> int:
            raise KeyboardInterrupt

    monkeypatch.setattr(target, "place", lambda _host, settings: nullcontext(Interrupted(settings)))
    assert operate.run(Settings(), options("run", ["STRATEGY=pulse"], {})) == 130
    (line,) = capsys.readouterr().err.split("\n", 1)[1].splitlines()
    assert line == "openbell: a run that has started goes on; `make journal STRATEGY=pulse SINCE=1h` shows how it ends"


@pytest.mark.parametrize(
    "words, answer, is_tty, asked",
    [
        ([], "y", True, ["--dry-run", ""]),
        ([], "n", True, ["--dry-run"]),
        ([], "", False, ["--dry-run"]),
        (["YES=1"], "", False, ["--dry-run", ""]),
    ],
)
def test_a_past_slot_is_shown_and_asked_about_before_it_is_run(
    monkeypatch: pytest.MonkeyPatch, words: list[str], answer: str, asked: list[str], *, is_tty: bool
) -> None:
    """Without a person or YES=1 nothing is run; what is run is the slot that was shown."""
    ran: list[tuple[str, ...]] = []

    class Noted(Two):
        def services(self) -> tuple[Service, ...]:
            return (*super().services(), replace(PULSE, name="supervisor"))

        def run(self, command: object) -> int:
            ran.append(command.arguments)  # type: ignore[attr-defined]
            return 0

    monkeypatch.setattr(target, "place", lambda _host, settings: nullcontext(Noted(settings)))
    monkeypatch.setattr("sys.stdin", Terminal(answer + "\n", is_tty=is_tty))
    given = options("run", ["STRATEGY=pulse", "SLOT=2026-11-20T09:35", *words], {})
    refused = len(asked) == 1
    with pytest.raises(CommandError, match="nothing was changed") if refused else nullcontext():
        assert operate.run(Settings(), given) == 0
    slot = ("run-now", "--slot=2026-11-20T09:35")
    assert ran == [(*slot, "--dry-run") if one else slot for one in asked]


def test_every_command_says_what_it_does() -> None:
    """`python -m deploy help` has a line for each."""
    text = " ".join(_help().split())
    for function in map(command, COMMANDS):
        assert function.__doc__
        assert " ".join(function.__doc__.split()) in text


@pytest.mark.parametrize("name", ["check", "next", "new", "ps", "journal", "pause", "backtest", "up"])
def test_a_command_loads_no_library_before_it_needs_it(name: str) -> None:
    """Docker's library and structlog take longer to load than such a command takes."""
    slow = "{'docker', 'requests', 'structlog', 'asyncio', 'rich.traceback'}"
    code = f"import sys; from deploy.__main__ import command; command({name!r}); print(sorted({slow} & sys.modules.keys()))"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
