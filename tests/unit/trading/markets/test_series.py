"""Named series: values that were known at an instant, and errors that name the line."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.manifest import Bot, Schedule
from openbell.trading.markets import MarketError
from openbell.trading.markets.registry import open_market
from openbell.trading.markets.series import read
from openbell.trading.run_services import RunServices

NOON = datetime(2026, 1, 4, 12, tzinfo=UTC)


def write(folder: Path, text: str, name: str = "nupl") -> None:
    """Write a series."""
    (folder / "series").mkdir(exist_ok=True)
    (folder / "series" / f"{name}.csv").write_text(text)


def test_values_are_those_that_were_known(tmp_path: Path) -> None:
    """Oldest first, none of the future, dates are midnights in UTC; comments and the header are for people."""
    write(
        tmp_path, "# synthetic\ntimestamp,value\n2026-01-02,1.5\n2026-01-03T18:00:00-05:00,2\n\n2026-01-04T12:00:01,3\n"
    )
    series = read(tmp_path, "nupl", 5, NOON)
    assert series.values == (1.5, 2.0)
    assert [value.timestamp for value in series] == [
        datetime(2026, 1, 2, tzinfo=UTC),
        datetime(2026, 1, 3, 23, tzinfo=UTC),
    ]
    assert read(tmp_path, "nupl", 1, NOON).values == (2.0,)
    assert read(tmp_path, "nupl", 5, NOON + timedelta(seconds=1)).values == (1.5, 2.0, 3.0)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    """A new value counts without a restart."""
    write(tmp_path, "2026-01-02,1\n")
    assert read(tmp_path, "nupl", 5, NOON).values == (1.0,)
    write(tmp_path, "2026-01-02,1\n2026-01-03,2\n")
    assert read(tmp_path, "nupl", 5, NOON).values == (1.0, 2.0)


@pytest.mark.parametrize("text, message", [
    ("2026-01-02;1\n", "series/nupl.csv: line 1: "),
    ("2026-01-02,x\n", "series/nupl.csv: line 1: could not convert string to float: 'x'; a line is timestamp,value"),
    ("#\n2026-01-02,nan\n", "series/nupl.csv: line 2: nan is not a number"),
    ("2026-01-02,1\n2026-01-02,2\n", "series/nupl.csv: the timestamps must rise"),
])  # fmt: skip
def test_a_wrong_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    """What cannot be read is an error of one line, never a gap."""
    write(tmp_path, text)
    with pytest.raises(MarketError) as caught:
        read(tmp_path, "nupl", 1, NOON)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["gone", "../secret", "", "a/b"])
def test_a_series_that_is_not_there_lists_those_that_are(tmp_path: Path, name: str) -> None:
    """Also a name that would lead out of the folder."""
    write(tmp_path, "2026-01-02,1\n")
    (tmp_path / "secret.csv").write_text("2026-01-02,1\n")
    with pytest.raises(MarketError, match="there is: nupl"):
        read(tmp_path, name, 1, NOON)


def test_no_value_is_no_count(tmp_path: Path) -> None:
    """Less than one value cannot be meant."""
    with pytest.raises(MarketError, match="at least 1, not 0"):
        read(tmp_path, "nupl", 0, NOON)


def test_the_sample_gives_a_series_of_its_historical_day(tmp_path: Path) -> None:
    """A bot that lives in the past sees what was known then."""
    market = open_market(
        "sample", Bot("demo", "b", ("AAPL",), Schedule("UTC", every=timedelta(days=1))), RunServices(folder=tmp_path)
    )
    day = market.provenance(NOON)["historical_day"]
    write(tmp_path, f"2000-01-01,1\n{day},2\n2030-01-01,3\n")
    assert market.series("nupl", 5, NOON).values == (1.0, 2.0)
