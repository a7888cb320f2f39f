"""Bars as numpy arrays and pandas frames, where a strategy's image has these libraries. Nothing else imports them."""

from typing import TYPE_CHECKING, NamedTuple

from openbell.trading.markets import Bars, MarketError

if TYPE_CHECKING:
    import numpy as np
    from pandas import DataFrame


class Arrays(NamedTuple):
    """The columns of bars, oldest first."""

    times: "np.ndarray"  # when each bar closed, datetime64 in UTC
    opens: "np.ndarray"
    highs: "np.ndarray"
    lows: "np.ndarray"
    closes: "np.ndarray"
    volumes: "np.ndarray"


def arrays(bars: Bars) -> Arrays:
    """Return the columns of bars as arrays."""
    try:
        import numpy as np  # noqa: PLC0415 - megabytes, only where it is asked for
    except ImportError:
        raise MarketError(_missing("numpy", "arrays")) from None
    columns = tuple(zip(*bars, strict=True)) or ((),) * 6
    # Microseconds since 1970: numpy reads no instants that have a zone.
    times = np.array([round(at.timestamp() * 1e6) for at in columns[0]], dtype="int64").view("datetime64[us]")
    return Arrays(times, *(np.array(column, dtype=float) for column in columns[1:]))


def frame(bars: Bars) -> "DataFrame":
    """Return bars as a frame whose index has a time zone."""
    try:
        import pandas as pd  # noqa: PLC0415 - as above
    except ImportError:
        raise MarketError(_missing("pandas", "frame")) from None
    found = arrays(bars)
    names = ("open", "high", "low", "close", "volume")
    index = pd.DatetimeIndex(found.times, name="timestamp").tz_localize("UTC")
    return pd.DataFrame(dict(zip(names, found[1:], strict=True)), index=index, copy=False)


def _missing(package: str, method: str) -> str:
    return f"bars.{method}() needs {package}, which this image does not have: make add STRATEGY=... PACKAGE={package}"
