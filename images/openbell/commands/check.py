"""`openbell check`: validate strategies without importing them."""

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path

import pytz

from openbell import calendars
from openbell.calendars import CalendarExpired
from openbell.calendars.ending import endings
from openbell.command_parser import command_parser
from openbell.commands.definitions import definitions
from openbell.commands.order_calls import order_problems
from openbell.commands.references import reference_problems
from openbell.manifest import Manifest, load_all, strategy_folders, trading
from openbell.slots import closed_slots, slots_between
from openbell.strategy import executable_text as text
from openbell.strategy.loader import functions
from openbell.trading.capital import quote_of

YEAR = timedelta(days=366)
NEXT_SLOTS = 20  # slots of a bot from which the time between slots is taken


def main(arguments: Sequence[str]) -> int:
    """Print every problem as one line; return 1 if there is one."""
    parser = command_parser("check")
    parser.add_argument(
        "--strategies", type=Path, default=Path("strategies"), help="the folder of the strategies' folders"
    )
    folder: Path = parser.parse_args(arguments).strategies
    if not folder.is_dir():
        print(f"{folder}: no such folder: name the strategies' folder with --strategies", file=sys.stderr)
        return 1
    manifests, errors = load_all(folder)
    problems = [str(problem) for error in errors for problem in error.problems]
    needed = {manifest.name: functions(manifest) for manifest in manifests}
    problems += [
        problem for one in strategy_folders(folder) for problem in code_problems(one, needed.get(one.name, ("run",)))
    ]
    problems += [problem for one in manifests for problem in reference_problems(folder / one.name, one)]
    problems += [problem for one in manifests for problem in order_problems(folder / one.name, one)]
    problems += [*shared_accounts(manifests), *ambiguous_amounts(manifests)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    now = datetime.now(UTC)
    for line in (note for manifest in manifests for note in notes(manifest, now)):
        print(line)
    bots = sum(len(manifest.bots) for manifest in manifests)
    print(f"{len(manifests)} strategies with {bots} bots: no problems")
    return 0


def shared_accounts(manifests: Iterable[Manifest]) -> list[str]:
    """Return one line for each strategy that shares a broker's account with another and does not say what its share is."""
    by_account: dict[tuple[str, bool], list[Manifest]] = {}
    for manifest in manifests:
        has_account = trading.has_account(manifest.broker, manifest.secrets, live=manifest.live)
        if has_account:
            by_account.setdefault((manifest.broker, manifest.live), []).append(manifest)
    return [
        f"{one.name}/strategy.toml: capital: found nothing; allowed: a share such as [capital] part = 0.5, since "
        f"{', '.join(other.name for other in sharing if other is not one)} trades on the same account"
        for sharing in by_account.values()
        if len(sharing) > 1
        for one in sharing
        if not one.capital.is_set
    ]


def ambiguous_amounts(manifests: Iterable[Manifest]) -> list[str]:
    """Return one line for each strategy whose share is one amount though its bots trade in several currencies."""
    found = []
    for one in manifests:
        currencies = {quote_of(symbol) for bot in one.bots for symbol in bot.symbols} - {""}
        if one.capital.amount is not None and len(currencies) > 1:
            found.append(
                f"{one.name}/strategy.toml: capital.amount: found bots that trade in {' and '.join(sorted(currencies))}; "
                "allowed: bots in one currency, or a part of the account, which counts in each"
            )
    return found


def notes(manifest: Manifest, now: datetime) -> Iterator[str]:
    """Yield what a person should know of a valid manifest, one line each."""
    if manifest.calendar:
        for line in endings(calendars.load(manifest.calendar), now.date()):
            yield f"{manifest.name}/strategy.toml: calendar {manifest.calendar}: {line}"
    yield from half_days(manifest, now)
    yield from long_timeouts(manifest, now)


def half_days(manifest: Manifest, now: datetime) -> Iterator[str]:
    """Yield one line for each bot with a time that half days of the coming year will pass over."""
    for bot in manifest.bots:
        closed = closed_slots(bot.schedule, now, now + YEAR) if manifest.calendar else ()
        if not closed:
            continue
        calendar = calendars.load(str(manifest.calendar))
        session = calendar.session(calendar.session_date(closed[0]))
        if session is None or session.regular_close is None:
            continue
        local = closed[0].astimezone(pytz.timezone(bot.schedule.timezone))
        minutes = (session.regular_close - closed[0]) // timedelta(minutes=1)
        yield (
            f"{manifest.name}/strategy.toml: bot {bot.id}: {local:%H:%M} is passed over on half days, next on {local:%Y-%m-%d}; "
            f'at = "close-{minutes}m" follows them, early_close = "run" keeps the time'
        )


def long_timeouts(manifest: Manifest, now: datetime) -> Iterator[str]:
    """Yield one line for each bot whose runs may last longer than the shortest time between two of its next slots."""
    for bot in manifest.bots:
        try:
            slots = [] if bot.is_stream else list(islice(slots_between(bot.schedule, now, now + YEAR), NEXT_SLOTS))
        except CalendarExpired:
            continue  # it has a condition of its own
        shortest = min((later - earlier for earlier, later in pairwise(slots)), default=None)
        if shortest is not None and bot.timeout > shortest:
            yield (
                f"{manifest.name}/strategy.toml: bot {bot.id}: a run may take {bot.timeout.total_seconds():g} s (timeout), "
                f"and its slots are {shortest.total_seconds():g} s apart: what comes due during a run is skipped"
            )


def code_problems(folder: Path, needed: Iterable[str]) -> list[str]:
    """Return what is wrong with a strategy's code as far as can be seen without running it, one line each."""
    shown = f"{folder.name}/strategy.py"
    try:
        tree = ast.parse((folder / "strategy.py").read_bytes(), filename=shown)
    except FileNotFoundError:
        return [f'{shown}: file: found no such file; allowed: a module with a function "def run(ctx)"']
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError) as error:
        return [f"{shown}: file: found {error}; allowed: a Python module that compiles"]
    found = definitions(tree.body)
    reasons = {name: found.get(name, text.NOT_CALLABLE.format(name=name)) for name in needed if "*" not in found}
    return [f"{shown}: {name}: {reason}" for name, reason in reasons.items() if reason]
