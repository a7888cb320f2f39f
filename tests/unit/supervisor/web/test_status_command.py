"""`openbell status`: the page's content in a terminal."""

import json
from collections.abc import Mapping

import pytest

from openbell.commands import status
from tests.unit.supervisor.web.client import Client


@pytest.fixture
def answered(client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The command asks the client's page."""

    def fetch(_: str) -> Mapping[str, object]:
        answer: Mapping[str, object] = client.ask("/api/status").json()
        return answer

    monkeypatch.setattr(status, "fetch", fetch)
    return client


def test_it_says_what_the_page_says(answered: Client, capsys: pytest.CaptureFixture[str]) -> None:
    """Headline, what is wrong with what to do, what is next, a row a bot; exit code 1, since not all is well."""
    assert status.main([]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "1 bot down: pulse"
    assert said[2] == "What is wrong:"
    assert said[3].startswith("  pulse failed, since Fri 11-20 12:02:00 UTC: ")
    assert said[4].startswith("    -> Its page shows the traceback; `make run STRATEGY=pulse BOT=pulse`")
    assert "Next: pulse in 35 s" in said
    titles = next(number for number, line in enumerate(said) if line.startswith("STRATEGY"))
    assert said[titles + 1].split()[:3] == ["pulse", "pulse", "down"]


def test_it_says_it_to_programs(answered: Client, capsys: pytest.CaptureFixture[str]) -> None:
    """As the API does, with the same exit code."""
    assert status.main(["--json"]) == 1
    assert json.loads(capsys.readouterr().out) == answered.ask("/api/status").json()


def test_what_strategies_write_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """No control characters; off a terminal, ASCII alone."""
    assert status._plain("a\x1b[31mb\tü", ascii_only=False) == "a?[31mb?ü"
    assert status._plain("→ ü", ascii_only=True) == "? ?"


def bots(count: int, ill: int) -> dict[str, object]:
    """Return an answer with so many bots, one of them down."""
    rows = [{"id": f"b{number}", "status": "down" if number == ill else "up"} for number in range(count)]
    strategy = {"name": "s", "timezone": "UTC", "status": "up", "bots": rows}
    return {"headline": "1 bot down: b7", "now": "2026-11-20T12:00:00.000Z", "strategies": [strategy]}


def test_many_bots_are_folded() -> None:
    """Those that are not well are shown; --all shows the others."""
    said = list(status.lines(bots(1000, 7)))
    assert [line.split()[1] for line in said if line.startswith("s ")] == ["b7"]
    assert said[-1] == "999 more bots; --all shows them"
    assert len(list(status.lines(bots(1000, 7), everything=True))) == 1003


def test_a_deployment_is_said() -> None:
    """With the release, and until when alerts are muted."""
    deployment = {"release": "r7", "by": "ann", "strategies": ["a", "b"], "until": "2026-11-20T12:05:00.000Z"}
    said = list(status.lines({"headline": "All is well", "deployment": deployment}))
    assert said[1] == "Release r7 is being put in place by ann (a, b), until Fri 11-20 12:05:00 UTC"
