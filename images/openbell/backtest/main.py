"""`openbell backtest STRATEGY`: run it over the past, print the figures, write the report and the journal."""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence

from openbell.backtest import asked, progress, report, sweep, walk_forward
from openbell.backtest.engine import Outcome, Setup, bots_of, fewer_collections, market_of
from openbell.backtest.figures import figures
from openbell.backtest.options import parser
from openbell.backtest.report_page import Swept
from openbell.backtest.trades import trade_figures, trades
from openbell.backtest.walk_forward import WalkForward, Window
from openbell.backtest.worker import WorkerEndedError
from openbell.calendars import CalendarExpired
from openbell.manifest import Manifest, ManifestError
from openbell.manifest import load as load_manifest
from openbell.records import replace
from openbell.strategy import loader
from openbell.trading.markets import Market, MarketError

INTERRUPTED = 130  # the exit status of a command that Ctrl-C has ended


def main(arguments: Sequence[str]) -> int:
    """Run the backtest; return 0, 1 if a run failed or prices are missing, 2 for wrong usage."""
    with fewer_collections():
        return _main(parser().parse_args(arguments))


def _main(options: argparse.Namespace) -> int:
    folder = options.strategies.resolve() / options.strategy
    try:
        manifest = load_manifest(folder)
        begin = asked.first_setup(options, folder, manifest)
        market = market_of(manifest, begin, progress.reading(time.monotonic()))
        after, until = asked.span(options, manifest, begin, market)
        if options.first is None:
            after = asked.newest(bots_of(manifest, begin), after, until)
        setups, choices = asked.setups_of(options, replace(begin, after=after, until=until))
        windows = asked.windows_of(setups[0], options.walk_forward) if options.walk_forward else []
        total = asked.slots_in(setups[0], manifest) * len(setups)
        found, seconds = _run(setups, manifest, market, options.workers, total)
        walked = (
            _walk_forward(options, manifest, setups, market, windows) if windows and _is_whole(found, setups) else None
        )
    except (
        ManifestError,
        loader.StrategyImportError,
        MarketError,
        CalendarExpired,
        asked.UsageError,
        WorkerEndedError,
        OSError,
    ) as error:
        print(f"openbell backtest: {error}", file=sys.stderr)
        return 2 if isinstance(error, asked.UsageError) else 1
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
        walked,
    )
    return INTERRUPTED if interrupted else code


def _what_is_done(found: Mapping[int, Outcome], setups: Sequence[Setup], done: Sequence[int], total: int) -> str:
    if len(setups) > 1:
        left = "the report is of these" if done else "there is no report"
        return f"{len(done)} of {len(setups)} combinations are done; {left}"
    return f"the report is of the first {sum(one.slots for one in found.values()):,} of {total:,} slots"


def _run(
    setups: Sequence[Setup], manifest: Manifest, market: Market, workers: int, total: int, what: str = ""
) -> tuple[dict[int, Outcome], float]:
    """Return the outcomes by the setups' index, and how long they took."""
    started = time.monotonic()
    with progress.running(total, what) as tell:
        found = dict(sweep.run_all(setups, manifest, market, max(1, min(workers, len(setups))), tell))
    return found, time.monotonic() - started


def _tell(
    options: argparse.Namespace,
    setups: Sequence[Setup],
    choices: Sequence[dict[str, object]],
    outcomes: Sequence[Outcome],
    market: Market,
    seconds: float,
    walked: WalkForward | None,
) -> int:
    """Print the figures of the best, and write its report."""
    best, swept = _ranked(setups, choices, outcomes) if len(outcomes) > 1 else (0, [])
    setup, outcome = setups[best], outcomes[best]
    path = options.out / "report.html"
    luck = report.luck_of(setups, outcomes, best) if swept else []
    tiles = report.write(path, setup, outcome, market, swept, luck, walked)
    if swept:
        print(f"{len(swept)} combinations; the best by its Sharpe ratio: {_values(choices[best])}")
    for name, value in tiles:
        print(f"{name:<20} {value:>14}")
    for line in [*luck, *([report.out_of_sample(walked)] if walked else [])]:
        print(line)
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


def _ranked(
    setups: Sequence[Setup], choices: Sequence[dict[str, object]], outcomes: Sequence[Outcome]
) -> tuple[int, Swept]:
    """Return the index of the best by its Sharpe ratio, and what all have come to, the best first."""
    rows = [
        (choices[index], figures(outcome.curve, setups[index].cash), trade_figures(trades(outcome.fills)).count)
        for index, outcome in enumerate(outcomes)
    ]
    order = sorted(range(len(rows)), key=lambda index: -(rows[index][1].sharpe or float("-inf")))
    return order[0], [rows[index] for index in order]


def _is_whole(found: Mapping[int, Outcome], setups: Sequence[Setup]) -> bool:
    return len(found) == len(setups) and not any(one.interrupted for one in found.values())


def _walk_forward(
    options: argparse.Namespace, manifest: Manifest, setups: Sequence[Setup], market: Market, found: Sequence[Window]
) -> WalkForward | None:
    """Choose and judge in each window; None if that was interrupted."""
    choosing = walk_forward.choosing(setups, found)
    total = sum(asked.slots_in(one, manifest) for one in choosing[:: len(setups)]) * len(setups)
    inside, _ = _run(choosing, manifest, market, options.workers, total, "walk-forward: choosing: ")
    if not _is_whole(inside, choosing):
        return None
    chosen, before = walk_forward.judging(setups, found, [inside[index] for index in range(len(choosing))])
    total = sum(asked.slots_in(one, manifest) for one in chosen)
    outside, _ = _run(chosen, manifest, market, options.workers, total, "walk-forward: judging: ")
    if not _is_whole(outside, chosen):
        return None
    return walk_forward.result(found, chosen, before, [outside[index] for index in range(len(chosen))])


def _values(values: dict[str, object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())
