"""`openbell history`: fetch bars of a market and keep them for backtests (`make history`).

What is kept is one folder a market, see kept_history.py. A fetch goes on where the one before it has ended, also after
Ctrl-C. Prices that a market has adjusted since for a split or a dividend do not go together with those that are kept:
then all of the symbol is fetched anew.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from math import isclose
from os import environ
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, cast

from openbell import terminal
from openbell.backtest.kept_history import KeptHistory
from openbell.command_parser import command_parser
from openbell.manifest import Bot, Schedule
from openbell.manifest.trading import misspelt
from openbell.records import dataclass
from openbell.trading.limits import is_usable
from openbell.trading.markets import Bar, Bars, MarketError, timeframes
from openbell.trading.markets.registry import open_market
from openbell.trading.run_services import RunServices

PIECE = 5_000  # bars that are fetched and kept at a time, at most
DELAY = timedelta(minutes=16)  # Alpaca's free accounts may not read what is younger of the feed of all exchanges
SAME = 1e-6  # the relative difference of prices that are taken for equal
INTERRUPTED = 130
SECRETS = ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")
Tell = Callable[[datetime, int], None]  # up to which instant bars are kept, and how many were added


class HistorySource(Protocol):
    """A market that can be asked for a span of its past."""

    def between(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> Bars:
        """Return the bars that closed after `start` and until `end`, oldest first."""
        ...


@dataclass(frozen=True)
class FetchRequest:
    """What is to be kept of one symbol: the bars that closed after `start` and until `end`."""

    symbol: str
    timeframe: str
    start: datetime
    end: datetime


def fetch(market: HistorySource, history: KeptHistory, wanted: FetchRequest, tell: Tell) -> str:
    """Fetch what is not kept yet; return why all was fetched anew, or an empty string. MarketError if the market fails."""
    symbol, timeframe = wanted.symbol, wanted.timeframe
    why = _why_anew(market, history, wanted)
    if why:
        history.forget(symbol, timeframe)
    history.begin(symbol, timeframe, wanted.start)
    begin = max(wanted.start, history.newest(symbol, timeframe) or wanted.start)
    piece = PIECE * (timeframes.length(timeframe) or timeframes.DAY)
    while begin < wanted.end:
        end = min(begin + piece, wanted.end)
        bars = market.between(symbol, timeframe, begin, end)
        added = history.append(symbol, timeframe, (bar for bar in bars if _is_whole(bar)))
        begin = end
        tell(end, added)
    return why


def _why_anew(market: HistorySource, history: KeptHistory, wanted: FetchRequest) -> str:
    begun, columns = history.begun(wanted.symbol, wanted.timeframe), history.columns(wanted.symbol, wanted.timeframe)
    if begun is None or not len(columns.closed):
        return ""
    if wanted.start < begun:
        return f"what is kept begins on {begun:%Y-%m-%d}"
    # The oldest bar has all adjustments of later splits and dividends in its price.
    (kept,) = columns.bars(0, 1)
    length = timeframes.length(wanted.timeframe) or timeframes.DAY
    told = market.between(wanted.symbol, wanted.timeframe, kept.timestamp - length, kept.timestamp)
    same = [bar for bar in told if bar.timestamp == kept.timestamp]
    if same and not isclose(same[-1].close, kept.close, rel_tol=SAME):
        return f"the market has adjusted its prices since: {kept.close:g} of {kept.timestamp:%Y-%m-%d} is {same[-1].close:g} now"
    return ""


def _is_whole(bar: Bar) -> bool:
    return all(map(is_usable, bar[1:5])) and 0 <= bar.volume < float("inf")


def main(arguments: Sequence[str]) -> int:
    """Fetch what is asked for; return 0, 1 if the market fails, 2 for wrong usage, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    symbols = tuple(dict.fromkeys(options.symbols))
    for symbol in symbols:
        if right := misspelt(symbol, options.market, ""):
            print(f'openbell history: SYMBOLS: found "{symbol}"; allowed: {right}', file=sys.stderr)
            return 2
    state = options.out / options.market.replace(":", "-")
    state.mkdir(parents=True, exist_ok=True)
    desk = RunServices(
        symbols,
        state=state,
        feed=options.feed,
        secrets=MappingProxyType({name: environ[name] for name in SECRETS if name in environ}),
        addresses=MappingProxyType({name: value for name, value in environ.items() if name.endswith("_URL")}),
    )
    market = open_market(options.market, Bot("history", "history", symbols, Schedule("UTC")), desk)
    now = datetime.now(UTC)
    latest = now - DELAY if options.market == "alpaca" and not options.feed else now
    until = (
        latest if options.last is None else min(latest, _midnight(min(options.last, latest.date())) + timeframes.DAY)
    )
    spans = [FetchRequest(symbol, options.timeframe, _midnight(options.first), until) for symbol in symbols]
    try:
        _fetch_all(cast("HistorySource", market), KeptHistory(state), spans)
    except (MarketError, OSError) as error:
        print(f"openbell history: {error}; what was fetched is kept, and the next call goes on", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("openbell history: interrupted: what was fetched is kept, and the next call goes on", file=sys.stderr)
        return INTERRUPTED
    return 0


def _fetch_all(market: HistorySource, history: KeptHistory, spans: Sequence[FetchRequest]) -> None:
    # The host has rich. A strategy's image has it not, and fetches nothing.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    console = Console(file=terminal.unguarded_error())
    text = TextColumn("{task.description:<12} {task.fields[bars]:>10,} bars, to {task.fields[day]}")
    with Progress(text, BarColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        for wanted in spans:
            days = (wanted.end - wanted.start) / timeframes.DAY
            task = bar.add_task(wanted.symbol, total=days, bars=0, day=f"{wanted.start:%Y-%m-%d}")
            count = 0

            def tell(at: datetime, added: int) -> None:
                nonlocal count
                count += added
                done = (at - wanted.start) / timeframes.DAY  # noqa: B023 - called in this turn of the loop only
                bar.update(task, completed=done, bars=count, day=f"{at:%Y-%m-%d}")  # noqa: B023 - as above

            if why := fetch(market, history, wanted, tell):
                print(f"{wanted.symbol}: fetched anew: {why}")
            print(_summary(history, wanted, count))


def _summary(history: KeptHistory, wanted: FetchRequest, added: int) -> str:
    columns = history.columns(wanted.symbol, wanted.timeframe)
    kept = len(columns.closed)
    if not kept:
        return f"{wanted.symbol} {wanted.timeframe}: the market has none in these days"
    first, last = columns.bars(0, 1)[0].timestamp, columns.bars(kept - 1, kept)[0].timestamp
    return f"{wanted.symbol} {wanted.timeframe}: {added:,} bars added, {kept:,} kept, {first:%Y-%m-%d} to {last:%Y-%m-%d %H:%M} UTC"


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("history")
    parser.add_argument("market", help="alpaca, or an exchange such as ccxt:kraken")
    parser.add_argument("symbols", nargs="+", help="such as AAPL or BTC/USDT")
    parser.add_argument("--timeframe", required=True, help="such as 15m, 1h or 1d")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True, help="the first day, in UTC")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, help="the last day")
    parser.add_argument("--feed", default="", help="of Alpaca's share prices: iex or sip")
    parser.add_argument("--out", type=Path, default=Path("history"), help="the folder of all histories")
    return parser
