"""What a backtest is asked for: its first setup, its span and its combinations of parameters; or why that cannot be done."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytz

from openbell import calendars
from openbell.backtest import sweep, walk_forward
from openbell.backtest.engine import SYNTHETIC, Setup, bots_of, market_name
from openbell.backtest.past import PastMarket
from openbell.backtest.slot_order import count_of, quick_count_of
from openbell.backtest.walk_forward import Lengths, Window
from openbell.manifest import Bot, Manifest
from openbell.records import replace
from openbell.slots import count_slots
from openbell.trading.markets import Market

MONTH, MICROSECOND = timedelta(days=30), timedelta(microseconds=1)
MOST = 50_000  # slots that are run where no first day is named: a bot that is due every minute has millions


class UsageError(Exception):
    """What was asked for cannot be done; one line that says what, and what can."""


def first_setup(options: argparse.Namespace, folder: Path, manifest: Manifest) -> Setup:
    """Return the setup without its span and parameters; UsageError for bots and parameters that the manifest has not."""
    names = [bot.id for bot in manifest.bots if not bot.is_stream]
    for name in options.bot:
        if name not in names:
            msg = f"--bot {name}: {manifest.name} has no such bot with slots; it has: {', '.join(names) or 'none'}"
            raise UsageError(msg)
    if not names:
        msg = f"{manifest.name} has streams only: a backtest runs bots that have slots"
        raise UsageError(msg)
    _check_choices(options, manifest)
    if options.walk_forward is not None and not options.set:
        msg = "--walk-forward chooses among parameters: name their values, as in --set fast=10,20"
        raise UsageError(msg)
    if options.workers < 1:
        msg = f"--workers: found {options.workers}; allowed: 1 or more"
        raise UsageError(msg)
    if options.prices is not None and not options.prices.is_dir():
        msg = f"--prices: {options.prices} is not a folder; allowed: a folder with one file of prices a symbol"
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


def _check_choices(options: argparse.Namespace, manifest: Manifest) -> None:
    known = {key: value for bot in manifest.bots for key, value in bot.params.items()}
    for key, values in options.set:
        if key not in known:
            msg = f"--set {key}: {manifest.name} has no such parameter; it has: {', '.join(sorted(known)) or 'none'}"
            raise UsageError(msg)
        for value in values:
            if not _is_like(value, known[key]):
                msg = f"--set {key}: found {value!r}; allowed: values such as the manifest's {known[key]!r}"
                raise UsageError(msg)


def _is_like(value: object, example: object) -> bool:
    """Tell whether a value may take the place of the manifest's: of its kind, where all numbers are one kind."""
    if isinstance(value, bool) or isinstance(example, bool):
        return isinstance(value, bool) and isinstance(example, bool)
    if isinstance(value, int | float) or isinstance(example, int | float):
        return isinstance(value, int | float) and isinstance(example, int | float)
    return type(value) is type(example)


def setups_of(options: argparse.Namespace, one: Setup) -> tuple[list[Setup], list[dict[str, object]]]:
    """Return one setup for each combination of parameters, and the combinations."""
    choices = sweep.combinations(dict(options.set))
    journal = (options.out / "journal").resolve() if options.journal else None
    # Of a sweep only the figures are kept: its journals would be as many as its combinations.
    return [replace(one, params=values, journal=journal if len(choices) == 1 else None) for values in choices], choices


def windows_of(setup: Setup, lengths: Lengths) -> list[Window]:
    """Return the windows of a walk-forward; UsageError if the span has none."""
    found = walk_forward.windows(setup.after, setup.until, lengths)
    if not found:
        msg = (
            f"--walk-forward: {setup.after:%Y-%m-%d} to {setup.until:%Y-%m-%d} is shorter than the time to choose on; "
            "choose a shorter one, or an earlier --from"
        )
        raise UsageError(msg)
    return found


def slots_in(setup: Setup, manifest: Manifest) -> int:
    """Return how many slots a backtest has; UsageError if there are none."""
    count = count_of(bots_of(manifest, setup), setup.after, setup.until)
    if count == 0:
        msg = f"no slot lies from {setup.after:%Y-%m-%d} to {setup.until:%Y-%m-%d}: choose other days"
        raise UsageError(msg)
    return count


def span(options: argparse.Namespace, manifest: Manifest, setup: Setup, market: Market) -> tuple[datetime, datetime]:
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
    if options.first is not None and first >= last:
        msg = f"--from {options.first}: the last day is {last - MICROSECOND:%Y-%m-%d}; choose an earlier one"
        raise UsageError(msg)
    return first - MICROSECOND, last.astimezone(UTC)


def newest(bots: Sequence[Bot], after: datetime, until: datetime) -> datetime:
    """Return the instant after which at most MOST slots lie; it is said if that is not all of the past."""

    def count(start: datetime) -> int:
        return sum(count_slots(bot.schedule, start, until) for bot in bots)

    total = quick_count_of(bots, after, until)
    if total <= MOST:
        return after
    too_early, begin = after, until
    while begin - too_early > timedelta(days=1):
        middle = too_early + (begin - too_early) / 2
        too_early, begin = (middle, begin) if count(middle) > MOST else (too_early, middle)
    told = f"the newest {count(begin):,} of {total:,} slots, from {begin:%Y-%m-%d} on; --from names another first day"
    print(f"openbell backtest: {told}", file=sys.stderr)
    return begin
