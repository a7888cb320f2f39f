"""What a person sees at the end of `make up`."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytz

from deploy.docker.engine import Service, in_words, service
from deploy.status_table import Hints, overview, slot
from deploy.supervisor_client import BotStatus, parse
from deploy.table import aligned

PAGE = Hints("http://127.0.0.1:8080")
WELL = Service("pulse", "openbell/pulse:local", "running", "healthy", 0, 0, strategies=("pulse",))
CRASHING = Service("broken", "openbell/broken:local", "restarting", "unhealthy", 7, 3, "no such zone")
BOT = BotStatus(
    strategy="ma_crossover",
    timezone="America/New_York",
    id="ma_crossover",
    status="up",
    last_slot=datetime(2026, 11, 20, 14, 35, tzinfo=UTC),
    last_outcome="succeeded",
    next_slot=datetime(2026, 11, 23, 14, 35, tzinfo=UTC),
    reason="",
)


def test_everything_is_in_one_text() -> None:
    """Services, bots with both zones, and the address."""
    text = overview([WELL], [BOT], PAGE, pytz.timezone("Europe/Berlin"))
    assert text.splitlines() == [
        "SERVICE  STATE    RESTARTS  IMAGE",
        "pulse    healthy  0         openbell/pulse:local",
        "",
        "BOT           STATUS  LAST SLOT                         OUTCOME    NEXT SLOT",
        "ma_crossover  up      Fri 20 Nov 09:35 EST (15:35 CET)  succeeded  Mon 23 Nov 09:35 EST (15:35 CET)",
        "",
        "Status page: http://127.0.0.1:8080",
    ]


def test_a_container_that_is_not_well_says_why() -> None:
    """Its last line is the one that a person would look for."""
    text = overview([WELL, CRASHING], [], PAGE, None)
    assert "broken: restarting (3); it wrote last: no such zone" in text
    assert "pulse: " not in text


def test_a_bot_that_is_not_well_says_why() -> None:
    """The supervisor's reason stands under the table."""
    down = BotStatus("a", "UTC", "a", "down", None, "missed", None, "the 09:35 slot was missed")
    assert "a: down: the 09:35 slot was missed" in overview([WELL], [down], PAGE, None)
    assert "up: " not in overview([WELL], [replace(BOT, reason="ran 09:35:00 EST in 31 ms")], PAGE, None)


def test_a_manual_run_that_failed_is_said() -> None:
    """It stands under the table although the bot itself is well."""
    said = "the manual run of Fri 20 Nov 12:00:20 UTC failed (4 in a row): ValueError: no"
    (tried,) = parse({"strategies": [{"name": "a", "bots": [{"id": "a", "status": "new", "manual_failure": said}]}]})
    assert f"\n\na: {said}\n\nStatus page:" in overview([WELL], [tried], PAGE, None)


def test_a_supervisor_that_does_not_answer_hides_nothing() -> None:
    """The services are shown, and what to do."""
    text = overview([WELL], None, PAGE, None)
    assert "pulse" in text
    assert "does not answer" in text


def test_the_hints_are_for_the_machine_that_is_shown() -> None:
    """What is on a host is started and looked into with HOST, and its page is behind a tunnel."""
    hints = Hints("make dashboard HOST=vps", "make deploy HOST=vps", " HOST=vps")
    assert overview([], None, hints, None) == "Nothing runs: start it with `make deploy HOST=vps`."
    unanswered = "The supervisor does not answer: see `make logs STRATEGY=supervisor HOST=vps`."
    assert overview([WELL], None, hints, None).endswith(unanswered)
    assert overview([WELL], [BOT], hints, None).endswith("\n\nStatus page: make dashboard HOST=vps")


def test_nothing_runs() -> None:
    """No empty table, but what to do next."""
    assert overview([], None, PAGE, None) == "Nothing runs: start it with `make up`."


@pytest.mark.parametrize(
    "at,strategy_zone,zone,expected",
    [
        (None, "UTC", "UTC", "-"),
        (datetime(2026, 11, 20, 14, 35, tzinfo=UTC), "UTC", "UTC", "Fri 20 Nov 14:35 UTC"),
        (datetime(2026, 11, 20, 14, 35, 5, tzinfo=UTC), "UTC", "UTC", "Fri 20 Nov 14:35:05 UTC"),
        (
            datetime(2026, 11, 20, 18, 0, tzinfo=UTC),
            "America/New_York",
            "Asia/Tokyo",
            "Fri 20 Nov 13:00 EST (Sat 21 Nov 03:00 JST)",
        ),
        (datetime(2026, 7, 1, 12, 0, tzinfo=UTC), "Europe/Berlin", "Europe/Paris", "Wed 01 Jul 14:00 CEST"),
    ],
)
def test_a_slot_in_both_zones(at: datetime | None, strategy_zone: str, zone: str, expected: str) -> None:
    """The user's zone stands beside the strategy's only where the clocks differ, with its day if that differs."""
    assert slot(at, strategy_zone, pytz.timezone(zone)) == expected


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """No cell touches its neighbour, and no line ends in spaces."""
    assert aligned([("A", "B"), ("longer", ""), ("x", "y")]) == "A       B\nlonger\nx       y"


def test_the_supervisors_answer_becomes_bots() -> None:
    """A strategy without bots, since its manifest is not valid, is a row of its own."""
    answer = {
        "now": "2026-11-20T15:00:00.000Z",
        "strategies": [
            {
                "name": "ma_crossover",
                "timezone": "America/New_York",
                "status": "up",
                "bots": [
                    {
                        "id": "ma_crossover",
                        "status": "up",
                        "last_slot": "2026-11-20T14:35:00.000Z",
                        "last_outcome": "succeeded",
                        "next_slot": "2026-11-23T14:35:00.000Z",
                        "reason": None,
                    }
                ],
            },
            {"name": "broken", "status": "down", "reason": "broken/strategy.toml: ...", "bots": []},
        ],
    }
    assert parse(answer) == (
        BOT,
        BotStatus("broken", "UTC", "broken", "down", None, "", None, "broken/strategy.toml: ..."),
    )


@pytest.mark.parametrize("answer", [None, [], {}, {"strategies": {}}])
def test_another_programs_answer_is_not_ours(answer: object) -> None:
    """Something else may listen on that port."""
    with pytest.raises(ValueError, match="not an answer"):
        parse(answer)


def test_an_inspection_becomes_a_service() -> None:
    """The last line of its output is kept only of a container that is not well."""
    inspection = {
        "State": {"Status": "running", "ExitCode": 0, "Health": {"Status": "healthy"}},
        "Config": {"Image": "openbell/pulse:local", "Labels": {"com.docker.compose.service": "pulse"}},
        "RestartCount": 0,
    }
    assert service(inspection, "a line") == WELL
    crashed = service({**inspection, "State": {"Status": "exited", "ExitCode": 3}, "RestartCount": 7}, "a line")
    assert (crashed.well, crashed.exit_code, crashed.restarts, crashed.last_line) == (False, 3, 7, "a line")


@pytest.mark.parametrize(
    "line,words",
    [
        ("Killed", "Killed"),
        ('{"event": "service_stop", "reason": "cannot start: no run"}', "cannot start: no run"),
        ('{"event": "error", "error": "no room"}', "no room"),
        ('{"event": "service_start"}', "service start"),
        ("[1]", "[1]"),
    ],
)
def test_the_last_line_of_a_journal_is_told_in_words(line: str, words: str) -> None:
    """A person wants the reason, not the record."""
    assert in_words(line) == words


@pytest.mark.parametrize("is_terminal,no_color,coloured", [(True, "", True), (True, "1", False), (False, "", False)])
def test_states_have_colours_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, no_color: str, coloured: bool
) -> None:
    """Not in a file or a pipe, and not where NO_COLOR asks for none."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", no_color) if no_color else monkeypatch.delenv("NO_COLOR", raising=False)
    assert ("\x1b[31mdown" in aligned([("BOT", "STATUS"), ("a", "down")])) is coloured
