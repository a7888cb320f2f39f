"""The same run in a backtest: what `make compare` hands over, and what the page of a run shows of it."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.backtest import compare
from openbell.commands import keep_comparison
from openbell.supervisor.web import comparisons
from openbell.supervisor.web.comparisons import COLUMNS, ComparedDecision, keep, of_run
from tests.unit.supervisor.web.client import Client

SLOT = datetime(2026, 11, 20, 12, 1, tzinfo=UTC)
HEAD = ",".join(COLUMNS)
ROW = '2026-11-20 12:01:00,pulse,AAPL,buy 3 at 10,buy 4 at 9.99,10.01,0.03,"another <price>,\nit says"'
OTHERS = "2026-11-20 12:02:00,pulse,AAPL,hold,hold,,,\n2026-11-20 12:01:00,other,AAPL,hold,hold,,,"
FILE = f"{HEAD}\n{ROW}\n{OTHERS}\n".encode()


def test_the_columns_are_those_that_compare_writes() -> None:
    """The two sides import nothing of each other."""
    assert compare.COLUMNS == COLUMNS


def test_a_runs_page_shows_its_row(client: Client) -> None:
    """Before, how to get one; then its own row and no other's, as text; the API has the same."""
    state = client.sources.store.parent
    (run,) = [one for one in client.ask("/api/bots/pulse").json()["runs"] if one["outcome"] == "succeeded"]
    path = f"/strategies/pulse/runs/{run['run_id']}"
    assert "None is kept: <code>make compare STRATEGY=pulse</code>" in client.ask(path).text
    assert client.ask(f"/api{path}").json()["compared_at"] is None
    assert keep(state, "pulse", io.BytesIO(FILE)) == 3
    text = client.ask(path).text
    assert "buy 4 at 9.99" in text
    assert "another &lt;price&gt;, it says" in text
    found = client.ask(f"/api{path}").json()
    assert [one["live"] for one in found["backtest"]] == ["buy 3 at 10"]
    assert found["compared_at"]
    assert keep(state, "pulse", io.BytesIO(f"{HEAD}\n".encode())) == 0
    assert "has no such run" in client.ask(path).text


def test_only_its_own_decisions_are_found(tmp_path: Path) -> None:
    """By slot and bot; a strategy without a comparison has none."""
    keep(tmp_path, "pulse", io.BytesIO(FILE))
    expected = ComparedDecision("AAPL", "buy 3 at 10", "buy 4 at 9.99", "10.01", "0.03", "another <price>, it says")
    assert of_run(tmp_path, "pulse", "pulse", SLOT)[1] == (expected,)
    assert of_run(tmp_path, "pulse", "nope", SLOT)[1] == ()
    assert of_run(tmp_path, "basket", "pulse", SLOT) == (None, ())


@pytest.mark.parametrize(
    "strategy, content, said",
    [
        ("pulse", b"", "is not a comparison"),
        ("pulse", b"a,b\n1,2\n", "is not a comparison"),
        ("pulse", b"\xff\xfe", "utf-8"),
        ("pulse", FILE + b"x" * 1_000, "longer than"),
        ("../pulse", FILE, "is not a name of a strategy"),
    ],
)
def test_what_is_no_comparison_changes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    strategy: str,
    content: bytes,
    said: str,
) -> None:
    """One line says why, and the comparison before it stays."""
    keep(tmp_path, "pulse", io.BytesIO(FILE))
    monkeypatch.setattr(comparisons, "LARGEST", len(FILE) + 100)
    monkeypatch.setenv("OPENBELL_SUPERVISOR_STATE", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert keep_comparison.main([strategy]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert len(of_run(tmp_path, "pulse", "pulse", SLOT)[1]) == 1
