"""`openbell backtest STRATEGY`: run it over the past, print the figures, write the report and the journal."""

import argparse
import ast
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pytz

from openbell import calendars
from openbell.backtest import report, sweep
from openbell.backtest.account import Costs
from openbell.backtest.engine import SAMPLE, SYNTHETIC, Outcome, Setup, bots_of, slots_of
from openbell.backtest.figures import figures, trade_figures, trades
from openbell.backtest.past import PastMarket, load
from openbell.calendars import CalendarExpired
from openbell.manifest import Manifest, ManifestError
from openbell.manifest import load as load_manifest
from openbell.strategy import loader
from openbell.trading.markets import MarketError

MONTH = timedelta(days=30)
BAR = 30  # characters
TELL_EVERY = 5.0  # seconds between two lines of progress where there is no terminal


class UsageError(Exception):
    """What was asked for cannot be done; one line that says what, and what can."""


def main(arguments: Sequence[str]) -> int:
    """Run the backtest; return 0, 1 if a run failed or prices are missing, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    folder = options.strategies.resolve() / options.strategy
    try:
        manifest = load_manifest(folder)
        loader.load(folder, ("run",))  # a strategy that cannot be imported is told before anything is begun
        setups, choices = _setups(options, folder, manifest)
        total = _count(setups[0], manifest) * len(setups)
        outcomes, seconds = _run(setups, options.workers, total)
    except (ManifestError, loader.StrategyImportError, MarketError, CalendarExpired, UsageError, OSError) as error:
        print(f"openbell backtest: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return _tell(options, setups, choices, outcomes, seconds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="openbell backtest", description="run a strategy over every slot of the past")
    parser.add_argument("strategy", help="a folder below --strategies")
    parser.add_argument("--strategies", type=Path, default=Path("strategies"), help="the folder of the strategies")
    parser.add_argument("--from", dest="first", type=_day, help="the first day; default: the first with prices")
    parser.add_argument("--to", dest="last", type=_day, help="the last day; default: the last with prices")
    parser.add_argument("--bot", action="append", default=[], help="only this bot (may be given several times)")
    parser.add_argument("--prices", type=Path, help="a folder of CSV files; default: the shipped sample")
    parser.add_argument("--cash", type=_amount, default=Decimal(100_000), help="to begin with")
    parser.add_argument("--commission", type=_amount, default=Decimal(0), help="basis points of what is traded")
    parser.add_argument("--slippage", type=_amount, default=Decimal(0), help="basis points by which fills are worse")
    parser.add_argument("--set", action="append", default=[], type=_choice, help="a parameter's values: fast=10,20,30")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1) - 1), help="processes of a sweep")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the report and the journal")
    return parser


def _setups(
    options: argparse.Namespace, folder: Path, manifest: Manifest
) -> tuple[list[Setup], list[dict[str, object]]]:
    """Return one setup for each combination of parameters, and the combinations."""
    names = [bot.id for bot in manifest.bots if not bot.is_stream]
    for name in options.bot:
        if name not in names:
            msg = f"--bot {name}: {manifest.name} has no such bot with slots; it has: {', '.join(names) or 'none'}"
            raise UsageError(msg)
    known = {key for bot in manifest.bots for key in bot.params}
    for key, _ in options.set:
        if key not in known:
            msg = f"--set {key}: {manifest.name} has no such parameter; it has: {', '.join(sorted(known)) or 'none'}"
            raise UsageError(msg)
    after, until = _span(options, manifest, folder)
    choices = sweep.combinations(dict(options.set))
    one = Setup(
        folder,
        after,
        until,
        prices=options.prices,
        cash=float(options.cash),
        costs=Costs(options.commission, options.slippage),
        bots=tuple(options.bot),
    )
    journal = options.out / "journal"
    # Of a sweep only the figures are kept: its journals would be as many as its combinations.
    return [replace(one, params=values, journal=journal if len(choices) == 1 else None) for values in choices], choices


def _count(setup: Setup, manifest: Manifest) -> int:
    count = sum(1 for _ in slots_of(setup, bots_of(manifest, setup)))
    if count == 0:
        msg = f"no slot lies from {setup.after:%Y-%m-%d} to {setup.until:%Y-%m-%d}: choose other days"
        raise UsageError(msg)
    return count


def _span(options: argparse.Namespace, manifest: Manifest, folder: Path) -> tuple[datetime, datetime]:
    if manifest.market == SYNTHETIC and options.prices is None:
        # Made-up prices have neither a beginning nor an end: by default the newest month is enough to look at.
        last = datetime.now(UTC)
        first = last - MONTH if options.first is None else datetime.min.replace(tzinfo=UTC)
    else:
        symbols = {symbol for bot in manifest.bots for symbol in bot.symbols}
        first, last = PastMarket(load(symbols, options.prices), SAMPLE, folder).span()
    known = [calendars.load(bot.schedule.calendar).valid_from for bot in manifest.bots if bot.schedule.calendar]
    if known:  # a calendar may begin later than the prices do
        first = max(first, datetime.combine(max(known) + timedelta(days=1), datetime.min.time(), UTC))
    zone = pytz.timezone(manifest.timezone)
    if options.first is not None:
        asked = zone.localize(datetime.combine(options.first, datetime.min.time())).astimezone(UTC)
        if asked.date() < first.date():
            msg = f"--from {options.first}: prices and calendar begin later; the first day is {first:%Y-%m-%d}"
            raise UsageError(msg)
        first = asked
    if options.last is not None:
        last = min(last, zone.localize(datetime.combine(options.last, datetime.min.time()) + timedelta(days=1)))
    return first - timedelta(microseconds=1), last.astimezone(UTC)


def _run(setups: Sequence[Setup], workers: int, total: int) -> tuple[list[Outcome], float]:
    """Return the outcomes in the setups' order, and how long they took."""
    started = time.monotonic()
    found = dict(sweep.run_all(setups, max(1, min(workers, len(setups))), _progress(total, started)))
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return [found[index] for index in range(len(setups))], time.monotonic() - started


def _progress(total: int, started: float) -> Callable[[int], None]:
    told = started

    def tell(done: int) -> None:
        nonlocal told
        now = time.monotonic()
        rate = done / (now - started) if now > started else 0.0
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
        line = f"{done:,} of {total:,} slots, {rate:,.0f} a second{left}"
        if sys.stderr.isatty():
            filled = round(BAR * done / total)
            print(f"\r\x1b[K[{'#' * filled}{'.' * (BAR - filled)}] {line}", end="", file=sys.stderr, flush=True)
        elif now - told >= TELL_EVERY:
            told = now
            print(f"openbell: {line}", file=sys.stderr, flush=True)

    return tell


def _tell(
    options: argparse.Namespace,
    setups: Sequence[Setup],
    choices: Sequence[dict[str, object]],
    outcomes: Sequence[Outcome],
    seconds: float,
) -> int:
    """Print the figures of the best, and write its report."""
    rows = [
        (choices[index], figures(outcome.curve, setups[index].cash), trade_figures(trades(outcome.fills)).count)
        for index, outcome in enumerate(outcomes)
    ]
    order = sorted(range(len(rows)), key=lambda index: -(rows[index][1].sharpe or float("-inf")))
    best = order[0]
    setup, outcome = setups[best], outcomes[best]
    swept = [rows[index] for index in order] if len(rows) > 1 else []
    path = options.out / "report.html"
    report.write(path, setup, outcome, swept)
    if swept:
        print(f"{len(rows)} combinations; the best by its Sharpe ratio: {_values(choices[best])}")
    for name, value in report.tiles(setup, outcome, trades(outcome.fills)):
        print(f"{name:<20} {value:>14}")
    slots = sum(one.slots for one in outcomes)
    print(f"\n{slots:,} slots in {seconds:.1f} s: {slots / seconds:,.0f} a second")
    print(f"report  {path}")
    if setup.journal is not None:
        print(f"journal {setup.journal / setup.folder.name}")
    if outcome.failures:
        slot, bot, error = outcome.failures[0]
        first = f"the first: {slot:%Y-%m-%d %H:%M} UTC, {bot}: {error}"
        print(f"openbell backtest: {len(outcome.failures)} of {outcome.slots} runs failed; {first}", file=sys.stderr)
        return 1
    return 0


def _values(values: dict[str, object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        msg = f'found "{text}"; allowed: a day such as 2010-01-04'
        raise argparse.ArgumentTypeError(msg) from None


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        msg = f'found "{text}"; allowed: a number such as 2.5'
        raise argparse.ArgumentTypeError(msg)
    return amount


def _choice(text: str) -> tuple[str, list[object]]:
    name, separator, values = text.partition("=")
    if not separator or not name or not values:
        msg = f'found "{text}"; allowed: a parameter and its values, as in fast=10,20,30'
        raise argparse.ArgumentTypeError(msg)
    return name.strip(), [_value(value.strip()) for value in values.split(",")]


def _value(text: str) -> object:
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value
