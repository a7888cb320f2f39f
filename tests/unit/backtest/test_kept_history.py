"""The history that is kept for backtests: columns of numbers in files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from openbell.backtest.kept_history import KeptHistory
from openbell.trading.markets import Bar, MarketError

START = datetime(2020, 1, 2, 14, 45, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def _bars(count: int, first: int = 0) -> list[Bar]:
    return [
        Bar(START + number * QUARTER, 10.0 + number, 11.0 + number, 9.0 + number, 10.5 + number, 100.0)
        for number in range(first, first + count)
    ]


@pytest.fixture
def history(tmp_path: Path) -> KeptHistory:
    """An empty one."""
    return KeptHistory(tmp_path / "history")


def test_what_was_appended_is_read_again(history: KeptHistory) -> None:
    """Bars come back as they were, after start and until end."""
    bars = _bars(40)

    assert history.append("AAPL", "15m", bars) == 40
    assert history.bars("AAPL", "15m", START - QUARTER, START + 99 * QUARTER) == tuple(bars)
    assert history.bars("AAPL", "15m", START, START + 2 * QUARTER) == tuple(bars[1:3])
    assert history.newest("AAPL", "15m") == bars[-1].timestamp


def test_an_append_keeps_only_what_is_newer(history: KeptHistory) -> None:
    """A fetch that goes on may ask for bars that are kept already."""
    history.append("AAPL", "15m", _bars(10))

    assert history.append("AAPL", "15m", _bars(10, first=5)) == 5
    assert history.bars("AAPL", "15m", START - QUARTER, START + 99 * QUARTER) == tuple(_bars(15))


def test_symbols_and_timeframes_are_apart(history: KeptHistory) -> None:
    """Each pair has its own columns, and what is not kept is empty."""
    history.append("BTC/USD", "1h", _bars(3))
    history.append("BTC/USD", "15m", _bars(2))

    assert history.timeframes("BTC/USD") == ["15m", "1h"]
    assert len(history.columns("BTC/USD", "1h").closed) == 3
    assert history.newest("ETH/USD", "1h") is None
    assert history.bars("ETH/USD", "1h", START, START + QUARTER) == ()


@pytest.mark.parametrize("kept", ["open", "volume", "close"])
def test_an_append_that_a_crash_cut_short_does_not_count(history: KeptHistory, kept: str) -> None:
    """Columns may be longer than `closed` after a crash; the next append takes their place."""
    history.append("AAPL", "15m", _bars(10))
    with (history.folder / "15m" / "AAPL" / kept).open("ab") as file:
        file.write(b"\x01" * 13)

    assert history.bars("AAPL", "15m", START - QUARTER, START + 99 * QUARTER) == tuple(_bars(10))
    assert history.append("AAPL", "15m", _bars(12)) == 2
    assert history.bars("AAPL", "15m", START - QUARTER, START + 99 * QUARTER) == tuple(_bars(12))


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"timestamp": START}, "not after the one before"),
        ({"close": float("nan")}, "lacks a figure"),
        ({"low": -1.0}, "lacks a figure"),
        ({"high": float("inf")}, "lacks a figure"),
        ({"volume": float("nan")}, "lacks a figure"),
    ],
)
def test_a_bar_that_cannot_be_right_is_refused(history: KeptHistory, changes: dict[str, object], said: str) -> None:
    """What came before it is kept, and the message names the bar."""
    bad = _bars(4)[3]._replace(**changes)  # type: ignore[arg-type]

    with pytest.raises(MarketError, match=said):
        history.append("AAPL", "15m", [*_bars(3), bad])
    assert len(history.columns("AAPL", "15m").closed) == 3


@pytest.mark.parametrize("symbol, timeframe", [("..", "1d"), ("", "1d"), ("AAPL", "../1d"), ("AAPL", "1w")])
def test_names_that_could_leave_the_folder_are_refused(history: KeptHistory, symbol: str, timeframe: str) -> None:
    """Symbols and timeframes become names of folders."""
    with pytest.raises(MarketError, match="is no"):
        history.append(symbol, timeframe, _bars(1))


def test_a_column_that_lost_its_end_is_told(history: KeptHistory) -> None:
    """Bars without their figures are no bars."""
    history.append("AAPL", "15m", _bars(10))
    path = history.folder / "15m" / "AAPL" / "low"
    path.write_bytes(path.read_bytes()[:-8])

    with pytest.raises(MarketError, match="shorter than the others"):
        history.columns("AAPL", "15m")


def test_numpy_reads_a_column(history: KeptHistory) -> None:
    """The format is plain numbers, so that other tools can read it."""
    history.append("AAPL", "15m", _bars(10))

    found = np.fromfile(history.folder / "15m" / "AAPL" / "close", "<f8")
    assert found.tolist() == [bar.close for bar in _bars(10)]
