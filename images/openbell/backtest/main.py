"""`openbell backtest STRATEGY`: run it over the past, print the figures, write the report and the journal."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytz

from openbell import calendars, terminal
from openbell.backtest import report, sweep
from openbell.backtest.engine import SYNTHETIC, Outcome, Setup, bots_of, market_name, market_of, slots_of
from openbell.backtest.figures import figures
from openbell.backtest.options import parser
from openbell.backtest.past import PastMarket
from openbell.backtest.trades import trade_figures, trades
from openbell.calendars import CalendarExpired
from openbell.manifest import Bot, Manifest, ManifestError
from openbell.manifest import load as load_manifest
from openbell.slots import count_slots
from openbell.strategy import loader
from openbell.trading.markets import Market, MarketError

MONTH = timedelta(days=30)
MOST = 50_000  # slots that are run where no first day is named: a bot that is due every minute has millions
INTERRUPTED = 130  # the exit status of a command that Ctrl-C has ended
BAR = 30  # characters
TELL_EVERY = 5.0  # seconds between two lines of progress where there is no terminal


class UsageError(Exception):
    """What was asked for cannot be done; one line that says what, and what can."""


def main(arguments: Sequence[str]) -> int:
    """Run the backtest; return 0, 1 if a run failed or prices are missing, 2 for wrong usage."""
    options = parser().parse_args(arguments)
    folder = options.strategies.resolve() / options.strategy
    try:
        manifest = load_manifest(folder)
        begin = _first_setup(options, folder, manifest)
        market = market_of(manifest, begin, _reading(time.monotonic()))
        after, until = _span(options, manifest, begin, market)
        if options.first is None:
            after = newest(bots_of(manifest, begin), after, until)
        setups, choices = _setups(options, replace(begin, after=after, until=until))
        total = _count(setups[0], manifest) * len(setups)
        found, seconds = _run(setups, market, options.workers, total)
    except (ManifestError, loader.StrategyImportError, MarketError, CalendarExpired, UsageError, OSError) as error:
        print(f"openbell backtest: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("openbell backtest: interrupted: there is no report", file=sys.stderr)
        return INTERRUPTED
    # Of a sweep, only whole backtests are compared.
    done = [index for index, one in sorted(found.items()) if not (one.interrupted and len(setups) > 1)]
    interrupted = len(done) < len(setups) or any(one.interrupted for one in found.values())
    if interrupted:
        print(f"openbell backtest: interrupted: {_what_is_done(found, setups, done, total)}", file=sys.stderr)
    if not done:
        return INTERRUPTED
    code = _tell(
        options,
        [setups[index] for index in done],
        [choices[index] for index in done],
        [found[index] for index in done],
        market,
        seconds,
    )
    return INTERRUPTED if interrupted else code


def _what_is_done(found: Mapping[int, Outcome], setups: Sequence[Setup], done: Sequence[int], total: int) -> str:
    if len(setups) > 1:
        left = "the report is of these" if done else "there is no report"
        return f"{len(done)} of {len(setups)} combinations are done; {left}"
    return f"the report is of the first {sum(one.slots for one in found.values()):,} of {total:,} slots"


def _first_setup(options: argparse.Namespace, folder: Path, manifest: Manifest) -> Setup:
    """Return the setup without its span and parameters; UsageError for bots and parameters that the manifest has not."""
    names = [bot.id for bot in manifest.bots if not bot.is_stream]
    for name in options.bot:
        if name not in names:
            msg = f"--bot {name}: {manifest.name} has no such bot with slots; it has: {', '.join(names) or 'none'}"
            raise UsageError(msg)
    if not names:
        msg = f"{manifest.name} has streams only: a backtest runs bots that have slots"
        raise UsageError(msg)
    known = {key: value for bot in manifest.bots for key, value in bot.params.items()}
    for key, values in options.set:
        if key not in known:
            msg = f"--set {key}: {manifest.name} has no such parameter; it has: {', '.join(sorted(known)) or 'none'}"
            raise UsageError(msg)
        for value in values:
            if not _is_like(value, known[key]):
                msg = f"--set {key}: found {value!r}; allowed: values such as the manifest's {known[key]!r}"
                raise UsageError(msg)
    if options.workers < 1:
        msg = f"--workers: found {options.workers}; allowed: 1 or more"
        raise UsageError(msg)
    if options.prices is not None and not options.prices.is_dir():
        msg = f"--prices: {options.prices} is no folder; allowed: a folder with one file of prices a symbol"
        raise UsageError(msg)
    named = (("commission", options.commission), ("slippage", options.slippage))
    given = {name: value for name, value in named if value is not None}
    return Setup(
        folder,
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        prices=options.prices.resolve() if options.prices else None,
        cash=float(options.cash),
        costs=replace(manifest.costs, **given),
        bots=tuple(options.bot),
        extended_hours=options.extended_hours,
    )


def _is_like(value: object, example: object) -> bool:
    """Tell whether a value may take the place of the manifest's: of its kind, where all numbers are one kind."""
    if isinstance(value, bool) or isinstance(example, bool):
        return isinstance(value, bool) and isinstance(example, bool)
    if isinstance(value, int | float) or isinstance(example, int | float):
        return isinstance(value, int | float) and isinstance(example, int | float)
    return type(value) is type(example)


def _setups(options: argparse.Namespace, one: Setup) -> tuple[list[Setup], list[dict[str, object]]]:
    """Return one setup for each combination of parameters, and the combinations."""
    choices = sweep.combinations(dict(options.set))
    journal = (options.out / "journal").resolve()
    # Of a sweep only the figures are kept: its journals would be as many as its combinations.
    return [replace(one, params=values, journal=journal if len(choices) == 1 else None) for values in choices], choices


def newest(bots: Sequence[Bot], after: datetime, until: datetime) -> datetime:
    """Return the instant after which at most MOST slots lie; it is said if that is not all of the past."""

    def count(start: datetime) -> int:
        return sum(count_slots(bot.schedule, start, until) for bot in bots)

    total = count(after)
    if total <= MOST:
        return after
    too_early, begin = after, until
    while begin - too_early > timedelta(days=1):
        middle = too_early + (begin - too_early) / 2
        too_early, begin = (middle, begin) if count(middle) > MOST else (too_early, middle)
    told = f"the newest {count(begin):,} of {total:,} slots, from {begin:%Y-%m-%d} on; --from names another first day"
    print(f"openbell backtest: {told}", file=sys.stderr)
    return begin


def _count(setup: Setup, manifest: Manifest) -> int:
    count = sum(1 for _ in slots_of(setup, bots_of(manifest, setup)))
    if count == 0:
        msg = f"no slot lies from {setup.after:%Y-%m-%d} to {setup.until:%Y-%m-%d}: choose other days"
        raise UsageError(msg)
    return count


def _span(options: argparse.Namespace, manifest: Manifest, setup: Setup, market: Market) -> tuple[datetime, datetime]:
    """Return after what instant and until which the slots lie."""
    if isinstance(market, PastMarket):
        first, last = market.span()
    else:
        # Made-up prices have neither a beginning nor an end, and a market of the user's own does not tell: the newest
        # month is enough to look at by default.
        last = datetime.now(UTC)
        first = last - MONTH if options.first is None else datetime.min.replace(tzinfo=UTC)
        if market_name(manifest, setup) == SYNTHETIC:
            print(
                "openbell backtest: on made-up prices, whose figures mean nothing; real ones: --prices FOLDER",
                file=sys.stderr,
            )
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


def _run(setups: Sequence[Setup], market: Market, workers: int, total: int) -> tuple[dict[int, Outcome], float]:
    """Return the outcomes by the setups' index, and how long they took."""
    started = time.monotonic()
    found = dict(sweep.run_all(setups, market, max(1, min(workers, len(setups))), _progress(total, started)))
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return found, time.monotonic() - started


def _reading(started: float) -> Callable[[int, int], None]:
    """Return what tells of the symbols whose prices have been read, if that takes long."""
    told = started

    def tell(done: int, count: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= TELL_EVERY / 2:
            told = now
            left = (count - done) * (now - started) / done
            print(
                f"openbell: prices of {done:,} of {count:,} symbols read, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    return tell


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
            terminal.progress(f"[{'#' * filled}{'.' * (BAR - filled)}] {line}")
        elif now - told >= TELL_EVERY:
            told = now
            print(f"openbell: {line}", file=sys.stderr, flush=True)

    return tell


def _tell(
    options: argparse.Namespace,
    setups: Sequence[Setup],
    choices: Sequence[dict[str, object]],
    outcomes: Sequence[Outcome],
    market: Market,
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
    report.write(path, setup, outcome, market, swept)
    if swept:
        print(f"{len(rows)} combinations; the best by its Sharpe ratio: {_values(choices[best])}")
    for name, value in report.tiles(setup, outcome, trades(outcome.fills)):
        print(f"{name:<20} {value:>14}")
    slots = sum(one.slots for one in outcomes)
    print(f"\n{slots:,} slots in {seconds:.1f} s: {slots / seconds:,.0f} a second")
    print(f"report  {path}")
    if setup.journal is not None:
        print(f"journal {setup.journal / setup.folder.name}")
    for line in report.warnings(outcome):
        print(f"openbell backtest: {line}", file=sys.stderr)
    if outcome.failures:
        slot, bot, error = outcome.failures[0]
        first = f"the first: {slot:%Y-%m-%d %H:%M} UTC, {bot}: {error}"
        print(f"openbell backtest: {len(outcome.failures)} of {outcome.slots} runs failed; {first}", file=sys.stderr)
        return 1
    return 0


def _values(values: dict[str, object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())
