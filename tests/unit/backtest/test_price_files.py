"""Files of prices: what people have is read, and what is wrong with one is one line with its place."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.backtest.price_files import DAY, PriceFile, read
from openbell.backtest.session_hours import SessionHours
from openbell.trading.markets import MarketError

OURS = "Date,Open,High,Low,Close,Volume,Adjustment\n"
ROWS = "2012-01-03,10,12,9,11,100,1\n2012-01-04,11,13,10,12,200,0.5\n"


def prices(
    folder: Path, content: str, calendar: str = "XNYS", name: str = "X.csv", *, extended: bool = False
) -> PriceFile:
    """Write a file and read it."""
    (folder / name).write_text(content)
    return read(folder / name, SessionHours(calendar), extended_hours=extended)


@pytest.mark.parametrize(
    "content, closes",
    [
        (OURS + ROWS, [11.0, 6.0]),
        ("Date,Open,High,Low,Close,Volume\n2012-01-03,10,12,9,11,100\n", [11.0]),
        ("Date,Open,High,Low,Close,Adj Close,Volume\n2012-01-03,10,12,9,11,5.5,100\n", [5.5]),
        ("Date,Close,High,Low,Open,Volume\n2012-01-03 00:00:00-05:00,11,12,9,10,100\n", [11.0]),
        (
            "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\nX,D,20120103,000000,10,12,9,11,100\n",
            [11.0],
        ),
        ("timestamp,open,high,low,close\n2012-01-03,10,12,9,11\n", [11.0]),
        ("Price,Close,High,Low,Open,Volume\nTicker,X,X,X,X,X\nDate,,,,,\n2012-01-03,11,12,9,10,100\n", [11.0]),
    ],
    ids=["ours", "stooq", "yfinance", "with offsets", "stooq's dumps", "without a volume", "yfinance of 2025"],
)
def test_daily_files_of_known_sources_are_read(tmp_path: Path, content: str, closes: list[float]) -> None:
    """Columns are found by their names, in any order; closes are adjusted where the file says how."""
    found = prices(tmp_path, content)
    assert [bar.close for bar in found.bars] == closes
    assert found.length == DAY
    assert found.bars[0].timestamp == datetime(2012, 1, 3, 21, tzinfo=UTC)


def test_binances_dumps_are_read(tmp_path: Path) -> None:
    """No header, milliseconds or microseconds since 1970; a bar of 24:00 UTC closes with its day."""
    found = prices(tmp_path, "1325548800000,10,12,9,11,100,1325635199999,0,1,0,0,0\n", "24/7")
    assert found.bars[0].timestamp == datetime(2012, 1, 4, tzinfo=UTC)
    assert prices(tmp_path, "1325548800000000,10,12,9,11,100,0,0\n", "24/7").bars == found.bars


@pytest.mark.parametrize(
    "calendar, stamps, closed",
    [
        ("XNYS", ("2012-01-03 09:30", "2012-01-03 09:45"), "2012-01-03T14:45:00+00:00"),
        ("XNYS", ("2012-01-03T14:30:00Z", "2012-01-03T14:45:00Z"), "2012-01-03T14:45:00+00:00"),
        ("24/7", ("2012-01-03 09:30", "2012-01-03 09:45"), "2012-01-03T09:45:00+00:00"),
        ("XLON", ("2012-07-03 09:30", "2012-07-03 09:45"), "2012-07-03T08:45:00+00:00"),
    ],
)
def test_rows_with_times_are_intraday_bars(tmp_path: Path, calendar: str, stamps: tuple[str, ...], closed: str) -> None:
    """On the exchange's clock unless the stamp has an offset; a bar is as long as the usual step."""
    rows = "".join(f"{stamp},10,12,9,11,100\n" for stamp in stamps)
    found = prices(tmp_path, "Date,Open,High,Low,Close,Volume\n" + rows, calendar)
    assert found.length == timedelta(minutes=15)
    assert found.bars[0].timestamp == datetime.fromisoformat(closed)


def test_bars_outside_the_session_are_left_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    """08:15 in New York is before the open."""
    rows = "".join(f"2012-01-03 {clock},10,12,9,11,100\n" for clock in ("08:15", "08:30", "09:30", "09:45", "16:00"))
    header = "Date,Open,High,Low,Close,Volume\n"
    assert len(prices(tmp_path, header + rows).bars) == 2
    assert len(prices(tmp_path, header + rows, extended=True).bars) == 5


def test_days_with_weekends_are_days_in_utc(tmp_path: Path) -> None:
    """A file with a Saturday is of something that never closes, whatever the bot's calendar."""
    found = prices(tmp_path, "Date,Open,High,Low,Close\n2012-01-06,1,1,1,1\n2012-01-07,1,1,1,1\n")
    assert found.bars[-1].timestamp == datetime(2012, 1, 8, tzinfo=UTC)


def test_days_before_the_calendar_begins_have_their_regular_hours(tmp_path: Path) -> None:
    """1999: no table reaches as far, and New York closed at four."""
    found = prices(tmp_path, "Date,Open,High,Low,Close\n1999-06-01,1,1,1,1\n")
    assert found.bars[0].timestamp == datetime(1999, 6, 1, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "content, said",
    [
        (
            "Date,Close\n",
            'X.csv, line 1: no column Open, High, Low in "Date,Close"; allowed: Date,Open,High,Low,Close,Volume',
        ),
        ("", "X.csv has no prices"),
        (OURS, "X.csv has no prices"),
        (OURS + "2012-01-03,10,12\n", "X.csv, line 2: has too few columns"),
        (
            OURS + "2012-01-03,10,9,12,11,1,1\n",
            "X.csv, line 2: the prices are not low <= open, close <= high, all above 0",
        ),
        (OURS + "2012-01-03,-10,12,-11,11,1,1\n", "X.csv, line 2: the prices are not low <= open"),
        (OURS + "2012-01-03,nan,12,9,11,1,1\n", 'X.csv, line 2: open is "nan", which is not a number'),
        (OURS + "2012-01-03,10,inf,9,11,1,1\n", 'X.csv, line 2: high is "inf", which is not a number'),
        (OURS + "2012-01-03,10,12,9,11,1,inf\n", 'X.csv, line 2: factor is "inf", which is not a number'),
        (OURS + "2012-01-03,10,12,9,11,nan,1\n", 'X.csv, line 2: volume is "nan", which is not a number'),
        (OURS + "2012-01-03,10,12,9,11,-5,1\n", "X.csv, line 2: the volume is -5; allowed: 0 or more"),
        (OURS + "2012-01-03,10,12,9,11,1,0\n", "X.csv, line 2: the adjustment is 0; allowed: a number above 0"),
        (OURS + "2012-01-03,a,12,9,11,1,1\n", 'X.csv, line 2: open is "a", which is not a number'),
        (OURS + "yesterday,10,12,9,11,1,1\n", 'X.csv, line 2: "yesterday" is not a date or time'),
        (OURS + ROWS + ROWS, "X.csv, line 4: its day is not after the one before"),
        (OURS + ROWS + "2012-01-04,11,13,10,12,200,1\n", "X.csv, line 4: its day is not after the one before"),
        (
            OURS + ROWS + "2012-01-05 15:00,11,13,10,12,200,1\n",
            "X.csv, line 4: has a time of day in a file of daily prices",
        ),
        (
            OURS + "2012-01-03 03:00,10,12,9,11,1,1\n2012-01-03 03:15,10,12,9,11,1,1\n",
            "X.csv: no bar lies within the sessions of XNYS; are its times on another clock?",
        ),
        (
            OURS + "2012-01-03 10:15,10,12,9,11,1,1\n2012-01-03 10:00,10,12,9,11,1,1\n",
            "X.csv, line 3: its time is not after the one before",
        ),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, content: str, said: str) -> None:
    """Which file, which line, what is wrong."""
    with pytest.raises(MarketError) as caught:
        prices(tmp_path, content)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01", b"\x1f\x8b\x00"], ids=["no text", "no gzip"])
def test_bytes_that_are_no_prices_are_one_line(tmp_path: Path, content: bytes) -> None:
    """Neither UTF-8 nor what its name promises."""
    for name in ("X.csv", "X.csv.gz"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MarketError, match=rf"{name}: cannot be read: "):
            read(tmp_path / name, SessionHours("XNYS"))
