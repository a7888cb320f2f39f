"""`openbell compare STRATEGY`: backtest the days that really ran, and lay both side by side (`make compare`).

The backtest begins with the cash that the journal tells of, and without positions.
"""

import csv
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from openbell.backtest import comparison, sweep
from openbell.backtest.asked import UsageError
from openbell.backtest.comparison import Decided, Row, Runs, Summary
from openbell.backtest.engine import Setup, bots_of, market_of
from openbell.backtest.worker import WorkerEndedError
from openbell.command_parser import command_parser
from openbell.journal import Event, read, since
from openbell.manifest import Manifest, ManifestError
from openbell.manifest import load as load_manifest
from openbell.strategy import loader
from openbell.trading.markets import Market, MarketError
from openbell.trading.markets.registry import open_market
from openbell.trading.run_services import RunServices

MOST_ROWS = 40  # of differences that are printed; the file has all
OWN = ("sample", "synthetic")  # markets that answer for every instant as they did then
HISTORY = Path("history")  # where `make history` keeps what it fetches
COLUMNS = ("slot", "bot", "symbol", "live", "backtest", "slippage_bp", "cost", "why")


def main(arguments: Sequence[str]) -> int:
    """Compare; return 0, also where both differ, 1 if prices or lines are missing, 2 for wrong usage."""
    parser = command_parser("compare")
    parser.add_argument("strategy", help="a folder below --strategies")
    parser.add_argument("--strategies", type=Path, default=Path("strategies"), help="the folder of the strategies")
    parser.add_argument(
        "--journal", type=Path, required=True, help="lines of the live journal, as openbell journal prints"
    )
    parser.add_argument(
        "--prices", type=Path, help="a folder of prices; default: what make history keeps of the market"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder of compare.csv")
    options = parser.parse_args(arguments)
    folder = options.strategies.resolve() / options.strategy
    try:
        manifest = load_manifest(folder)
        events = [event for _, event in read(options.journal) if event is not None]
        live = _live(options.strategy, events)
        past = _backtest(manifest, folder, options.prices, events, live)
    except (ManifestError, loader.StrategyImportError, MarketError, UsageError, WorkerEndedError, OSError) as error:
        print(f"openbell compare: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    rows = comparison.compare(live, past)
    path = options.out / "compare.csv"
    _write(path, rows)
    _print(rows, comparison.summary(rows, live, past), manifest)
    print(f"all rows {path}")
    return 0


def _live(strategy: str, events: Sequence[Event]) -> Runs:
    live = comparison.runs_of(events)
    if not live:
        msg = f"{strategy}: the journal tells of no run since then: give an earlier start, such as SINCE=30d"
        raise UsageError(msg)
    return live


def _backtest(manifest: Manifest, folder: Path, prices: Path | None, events: Sequence[Event], live: Runs) -> Runs:
    """Return the runs of a backtest over the slots from the first to the last that the journal tells of."""
    slots = [slot for slot, _ in live]
    cash, held = comparison.cash_at_start(events) or (100_000.0, {})
    if held:
        print(
            f"openbell compare: live began with {', '.join(sorted(held))}; the backtest begins with none",
            file=sys.stderr,
        )
    with TemporaryDirectory(prefix="openbell-compare-") as scratch:
        setup = Setup(
            folder,
            min(slots) - timedelta(microseconds=1),
            max(slots),
            prices=_prices_of(manifest, prices),
            cash=float(Decimal(repr(cash))),
            costs=manifest.costs,
            journal=Path(scratch),
        )
        market = _market(manifest, setup)
        for _ in sweep.run_all([setup], manifest, market, 1, lambda _: None):
            pass
        return comparison.runs_of(since(Path(scratch) / manifest.name, min(slots).date()))


def _prices_of(manifest: Manifest, named: Path | None) -> Path | None:
    if named is not None:
        return named.resolve()
    if manifest.market in OWN or (":" in manifest.market and not manifest.market.startswith("ccxt:")):
        return None
    kept = HISTORY / manifest.market
    if kept.is_dir():
        return kept.resolve()
    symbols = " ".join(sorted({symbol for bot in manifest.bots for symbol in bot.symbols}))
    msg = (
        f'the prices of those days are needed: make history MARKET={manifest.market} SYMBOLS="{symbols}" TIMEFRAME=15m '
        "FROM=..., or --prices FOLDER"
    )
    raise UsageError(msg)


def _market(manifest: Manifest, setup: Setup) -> Market:
    if setup.prices is None and manifest.market in OWN:
        return open_market(manifest.market, bots_of(manifest, setup)[0], RunServices(folder=setup.folder))
    return market_of(manifest, setup)


def _write(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(COLUMNS)
        lines.writerows(_cells(row) for row in rows)


def _cells(row: Row) -> tuple[str, ...]:
    slip = "" if row.slippage is None else f"{row.slippage:.2f}"
    cost = f"{row.cost:.2f}" if row.slippage is not None else ""
    told = f"{row.slot.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return told, row.bot, row.symbol, _action_text(row.live), _action_text(row.past), slip, cost, row.why


def _action_text(side: Decided | None) -> str:
    if side is None:
        return "-"
    if side.action in {"hold", "refused", "rejected"}:
        return side.action
    filled = f" at {side.price:,.6g}" if side.price is not None else ", not filled"
    return f"{side.action} {side.quantity:g}{filled}"


def _print(rows: Sequence[Row], found: Summary, manifest: Manifest) -> None:
    from rich.console import Console  # noqa: PLC0415 - only where a person reads it
    from rich.table import Table  # noqa: PLC0415 - as above

    console = Console(color_system=None, markup=False)  # plain text: nothing that a journal says is a style
    table = Table(title=f"{manifest.name}: where live and backtest differ", title_justify="left")
    for name in ("slot (UTC)", "bot", "symbol", "live", "backtest", "bp", "cost", "why"):
        table.add_column(name, overflow="fold")
    differing = [row for row in rows if row.why]
    for row in islice(differing, MOST_ROWS):
        table.add_row(*_cells(row))
    if differing:
        console.print(table)
    if len(differing) > MOST_ROWS:
        print(f"and {len(differing) - MOST_ROWS} more")
    print(f"{found.slots:,} slots, {found.ran:,} of them ran live")
    print(f"{found.same:,} decisions were the same, {found.different:,} were not")
    if found.slippage is not None:
        print(
            f"fills: live was {found.slippage:+.2f} basis points worse on average, {found.worst:+.2f} at worst; "
            f"all of them cost {found.cost:,.2f}"
        )
