"""The shipped prices: whole, as their README says, and adjusted right."""

import gzip
import re
from datetime import date
from itertools import pairwise
from weakref import WeakValueDictionary, ref

import pytest

from openbell.trading.markets import MarketError, history

# Adjusted closes as the source states them, to all of its digits.
SOURCE_ADJUSTED_CLOSES = [
    ("AAPL", "2000-03-01", 4.186662803811),
    ("AAPL", "2013-03-01", 56.137353095488),
    ("FB", "2012-05-18", 38.2318),
    ("GOOG", "2004-08-19", 50.32284179174976),
    ("IBM", "2000-03-01", 73.667718762847),
    ("IBM", "2013-03-01", 175.27118333217),
    ("MSFT", "2000-03-01", 30.225709797294),
    ("MSFT", "2013-03-01", 24.684342419163),
]
AFTER_THE_LAST = "2013-03-02"


def readme_rows() -> list[list[str]]:
    """Return the cells of the README's table, thousands separators removed."""
    text = (history.FOLDER / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([A-Z]+ \|.*) \|$", text, re.MULTILINE)
    return [[cell.strip().replace(",", "") for cell in row.split("|")] for row in rows]


def raw_rows(symbol: str) -> list[list[str]]:
    """Return the rows of a symbol's file as they are, without the header."""
    text = gzip.decompress((history.FOLDER / f"{symbol}.csv.gz").read_bytes()).decode("ascii")
    return [row.split(",") for row in text.splitlines()[1:]]


def test_the_readme_names_every_symbol() -> None:
    """The table has one row per file, in the same order, and the README states the total."""
    assert tuple(row[0] for row in readme_rows()) == history.symbols()
    total = sum(len(history.load(symbol).days) for symbol in history.symbols())
    assert f"Together {total:,} days" in (history.FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", readme_rows(), ids=lambda row: row[0])
def test_the_files_are_as_the_readme_says(row: list[str]) -> None:
    """Days, first and last date and the two sums are those of the file."""
    symbol, days, first, last, volume, closes = row
    found = history.load(symbol).days
    assert (str(len(found)), found[0], found[-1]) == (days, first, last)
    assert sum(int(raw[5]) for raw in raw_rows(symbol)) == int(volume)
    assert f"{sum(history.load(symbol).before(AFTER_THE_LAST, 10_000).closes):.2f}" == closes


@pytest.mark.parametrize("symbol", history.symbols())
def test_every_bar_is_possible(symbol: str) -> None:
    """Days rise, prices are positive, and open and close lie between low and high after the adjustment too."""
    days = history.load(symbol).days
    assert all(before < after for before, after in pairwise(days))
    bars = history.load(symbol).before(AFTER_THE_LAST, 10_000)
    assert len(bars) == len(days)
    for bar in bars:
        assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.volume > 0


@pytest.mark.parametrize("symbol, day, adjusted", SOURCE_ADJUSTED_CLOSES)
def test_the_adjusted_close_is_the_sources_own(symbol: str, day: str, adjusted: float) -> None:
    """Close times adjustment gives back the adjusted close that the source states."""
    close = history.load(symbol).before(day + "~", 1).closes[0]  # "~" sorts after the day, so the day itself is in
    assert close == pytest.approx(adjusted, rel=1e-11)


def test_a_split_is_no_jump() -> None:
    """Apple's split of 2005-02-28 halves the stated close and doubles the count of shares; adjusted, neither is seen."""
    rows = {row[0]: row for row in raw_rows("AAPL")}
    assert float(rows["2005-02-28"][4]) / float(rows["2005-02-25"][4]) == pytest.approx(0.5, rel=0.02)
    before, after = history.load("AAPL").before("2005-03-01", 2)
    assert after.close / before.close == pytest.approx(1.0, rel=0.02)
    stated = float(rows["2005-02-25"][5])
    assert before.volume * before.close == pytest.approx(stated * float(rows["2005-02-25"][4]))


def test_the_files_have_the_columns_that_are_read() -> None:
    """The header of every file is the one that the reader expects."""
    import gzip  # noqa: PLC0415 - nothing else here needs it

    for symbol in history.symbols():
        with gzip.open(history.FOLDER / f"{symbol}.csv.gz", "rt", encoding="ascii") as file:
            assert file.readline().strip() == history.HEADER


def test_a_day_without_a_price_is_an_error_that_says_when_there_are_some() -> None:
    """Neither a day before the first nor one that was no trading day has an opening price."""
    with pytest.raises(MarketError, match="FB has no price on 2009-03-02; its prices go from 2012-05-18 to 2013-03-01"):
        history.load("FB").opening("2009-03-02")
    with pytest.raises(MarketError, match="AAPL has no price on 2009-12-25"):
        history.load("AAPL").opening("2009-12-25")
    with pytest.raises(MarketError, match="AAPL has no price on 2013-03-02"):
        history.load("AAPL").opening(AFTER_THE_LAST)


def test_symbols_with_different_histories_share_their_later_days() -> None:
    """The common days of AAPL and FB are FB's."""
    days = history.load("FB").ordinals()
    assert tuple(date.fromordinal(day).isoformat() for day in days) == history.load("FB").days
    assert history.common_days(("AAPL", "FB")) == days
    assert history.common_days(("FB", "AAPL", "GOOG")) == days


def test_prices_are_kept_while_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second load meanwhile gives the same prices; a loop that has opened its market keeps none."""
    # What other tests left for the garbage collector may still hold the prices of the same symbol.
    monkeypatch.setattr(history, "_in_use", WeakValueDictionary())
    used = history.load("AAPL")
    assert history.load("AAPL") is used

    kept = ref(used)
    del used
    assert kept() is None
