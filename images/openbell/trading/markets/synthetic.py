"""The market `synthetic`: made-up prices for any symbol, at any instant and in any timeframe, always the same ones.

There is no free source of intraday bars that a kit may ship. These let strategies of fifteen minutes or four hours run,
be tested and be measured; they mean nothing, and every journal line says so. The logarithm of a price is a sum of smooth
noises, from one of five minutes to one of two months (value noise, as in computer graphics), part of it shared by
all symbols. What it is at an instant depends on nothing but the symbol, the instant and the seed.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import exp
from pathlib import Path
from zlib import crc32

from openbell.trading.markets import Bar, Bars, MarketError, Series, timeframes
from openbell.trading.markets import series as files

SEED = 20260101  # another one is another market
SHARED = "*"  # the noise that all symbols have in common
# (period in seconds, how far the logarithm of the price moves), from two months to five minutes
OCTAVES = (
    (5_184_000, 0.30),
    (1_209_600, 0.12),
    (345_600, 0.06),
    (86_400, 0.03),
    (21_600, 0.015),
    (5_400, 0.008),
    (1_200, 0.004),
    (300, 0.002),
)
WITHIN = 4  # prices that a bar is made of, beside its first
PRICES = {"BTC": 60_000.0, "ETH": 3_000.0, "BNB": 550.0, "SOL": 150.0, "AVAX": 30.0, "LINK": 15.0, "XRP": 0.6}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SyntheticMarket:
    """Prices that never were."""

    is_complete = True  # no bar lacks a figure

    def __init__(self, folder: Path = Path()) -> None:
        """`folder` is the strategy's own, for its named series."""
        self._folder = folder

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return the last `count` bars that had closed at `at`, on the grid of the day in UTC."""
        length = timeframes.length(timeframe)
        if length is None:
            msg = f'there is no timeframe "{timeframe}"; there are minutes, hours and days, such as 15m, 4h and 1d'
            raise MarketError(msg)
        if count < 1:
            msg = f"the count of bars must be at least 1, not {count}"
            raise MarketError(msg)
        seconds = length.total_seconds()
        end = (at - _EPOCH) // length
        return Bars(_bar(symbol, (end - back) * seconds, seconds) for back in range(count, 0, -1))

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price at `at`."""
        return _price(symbol, (at - _EPOCH).total_seconds())

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Return values of a series of the strategy's own as they were known at `at`."""
        return files.read(self._folder, name, count, at)

    def provenance(self, at: datetime) -> dict[str, str]:  # noqa: ARG002 - the same at every instant
        """Return what every line of the journal is to say: these prices are made up."""
        return {"source": "synthetic", "seed": str(SEED)}


def _bar(symbol: str, start: float, seconds: float) -> Bar:
    prices = [_price(symbol, start + seconds * step / WITHIN) for step in range(WITHIN + 1)]
    volume = 1000 * (1 + _lattice(symbol, 99, int(start // seconds)))
    closed_at = _EPOCH + timedelta(seconds=start + seconds)
    return Bar(closed_at, prices[0], max(prices), min(prices), prices[-1], volume)


@lru_cache(maxsize=65_536)  # the end of one bar is the beginning of the next, and the next slot sees most of them again
def _price(symbol: str, seconds: float) -> float:
    own, shared = _noise(symbol, seconds), _shared(seconds)
    # How much a symbol goes with the others changes over the months.
    together = 0.5 + 0.45 * _smooth(symbol, 50, seconds / 7_776_000)
    return round(_base(symbol) * exp(together * shared + (1 - together) * own), 8)


@lru_cache(maxsize=1024)
def _base(symbol: str) -> float:
    """Return the price around which a symbol moves."""
    return PRICES.get(symbol.partition("/")[0]) or 10 ** (1 + 1.5 * (1 + _lattice(symbol, 98, 0)) / 2)


@lru_cache(maxsize=65_536)
def _shared(seconds: float) -> float:
    return _noise(SHARED, seconds)


def _noise(name: str, seconds: float) -> float:
    total = 0.0
    for octave, (period, size) in enumerate(OCTAVES):
        total += size * _smooth(name, octave, seconds / period)
    return total


def _smooth(name: str, octave: int, position: float) -> float:
    """Return the noise between two points of the lattice, without a kink at either."""
    left = int(position // 1)
    share = position - left
    share = share * share * (3 - 2 * share)
    before, after = _edges(name, octave, left)
    return before * (1 - share) + after * share


@lru_cache(maxsize=65_536)
def _edges(name: str, octave: int, left: int) -> tuple[float, float]:
    return _lattice(name, octave, left), _lattice(name, octave, left + 1)


def _lattice(name: str, octave: int, point: int) -> float:
    """Return a number from -1 to 1 that is always the same for the same point."""
    mixed = crc32(f"{SEED}/{name}/{octave}/{point}".encode()) * 0x9E3779B1 & 0xFFFFFFFF
    return (mixed ^ mixed >> 15) / 0x7FFFFFFF - 1
