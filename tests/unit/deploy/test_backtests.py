"""`make compare`: what it has found is shown by the page of the installation whose journal it has read."""

from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.backtests import show_on_the_page
from deploy.settings import Settings
from openbell.supervisor.web.comparisons import COLUMNS, of_run

ROW = "2026-11-20 12:01:00,pulse,AAPL,hold,hold,,,"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of plain processes, and a comparison in the folder of the kit."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENGINE", "none")
    monkeypatch.setenv("OPENBELL_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "supervisor").mkdir(parents=True)
    (tmp_path / "backtests" / "pulse").mkdir(parents=True)
    (tmp_path / "backtests" / "pulse" / "compare.csv").write_text(f"{','.join(COLUMNS)}\n{ROW}\n")
    return tmp_path / "data"


def test_the_supervisor_is_handed_the_comparison(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the command of openbell itself, into the supervisor's own folder."""
    show_on_the_page(Settings(), Namespace(strategy="pulse", host=None))
    assert capsys.readouterr().out == "the page of each of these runs shows it\n"
    _, found = of_run(data / "supervisor", "pulse", "pulse", datetime(2026, 11, 20, 12, 1, tzinfo=UTC))
    assert [one.symbol for one in found] == ["AAPL"]


def test_what_keeps_it_from_the_page_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line: the comparison itself was made and printed."""
    (data.parent / "backtests" / "pulse" / "compare.csv").write_text("nonsense\n")
    show_on_the_page(Settings(), Namespace(strategy="pulse", host=None))
    said = capsys.readouterr().out
    assert said == "the page does not show it: this is not a comparison as `make compare` writes it\n"
