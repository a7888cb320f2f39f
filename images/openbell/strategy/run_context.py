"""What every context of a run has: its bot, its instants, its state, and the lines that it writes into the journal."""

import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import pytz

from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.manifest import Manifest
from openbell.position import Position
from openbell.strategy.held_position import HeldPosition
from openbell.strategy.order_path import OrderPath
from openbell.strategy.run_state import Occasion, Run, State, StrategyError, at_slot
from openbell.trading.brokers import Broker
from openbell.trading.markets import Market
from openbell.trading.order_checks import OrderChecks
from openbell.trading.run_services import Halted, never_halted

RESERVED = frozenset({"timestamp", "event", "level", "strategy", "boot_id"})


class RunContext:
    """One run of one bot.

    bot: the bot's id. symbols: its symbols. params: its [bot.params], read only.
    state: a mapping that the bot finds again at its next run.
    """

    def __init__(
        self,
        manifest: Manifest,
        run: Run,
        market: Market,
        broker: Broker,
        ledger: Ledger,
        journal: Journal,
        clock: Callable[[], datetime],
        halted: Halted = never_halted,
        *,
        files: Path | None = None,
        folder: Path | None = None,
        occasion: Occasion = at_slot,
    ) -> None:
        """files: the folder for `ctx.files`. folder: the strategy's own, with strategy.py. occasion: of each order."""
        self.bot = run.bot.id
        self.params = run.bot.params
        self._manifest = manifest
        self._files = files
        self._occasion = occasion
        self._strategy_folder = folder
        self._files_bound = manifest.container.files
        self._zone = pytz.timezone(manifest.timezone)
        self._secrets = manifest.secrets
        self._market = market
        self._is_complete = getattr(market, "is_complete", False)  # no bar lacks a figure
        self._is_past = getattr(market, "is_past", False)  # bars are as old as they should be
        self._broker = broker
        self._ledger = ledger
        self._journal = journal
        self._clock = clock
        self._halted = halted
        self._positions: dict[
            str, tuple[Position, HeldPosition]
        ] = {}  # by symbol: the ledger's, and what is told of it
        self._own_names: frozenset[str] | None = None  # those that the journal puts into each line
        self._one_thread = threading.RLock()  # the strategy may order and log from threads of its own
        self._checks = OrderChecks(manifest, run.bot, market, broker, ledger, halted)
        self._orders = OrderPath(self.bot, broker, ledger, self._checks, clock)
        self.begin(run)

    def begin(self, run: Run) -> None:
        """Become the context of a run: of the first one, or, in a backtest, of the bot's next."""
        self.symbols = run.bot.symbols
        self.state = State(self._ledger.state(self.bot))
        self.decisions: dict[str, str] = {}  # symbol → last action; what the run has decided so far
        self._run = run
        self._checks.begin()
        self.signals: dict[str, object] = {}  # symbol → what the run has computed for it
        self._sent: set[str] = set()  # client_order_ids of this run

    @property
    def slot(self) -> datetime:
        """The instant for which the strategy is asked to decide, aware UTC."""
        return self._run.slot

    @property
    def now(self) -> datetime:
        """The same instant on the strategy's own wall clock."""
        return self.slot.astimezone(self._zone)

    @property
    def files(self) -> Path:
        """A folder of the strategy's own that lasts, for models and caches; its bots share it. It is bounded: 256 MB.

        A run whose folder holds more fails. [container] files = "1g" in strategy.toml allows more.
        """
        if self._files is None:
            msg = "there is no folder that lasts here: keep small values in ctx.state"
            raise StrategyError(msg)
        self._files.mkdir(parents=True, exist_ok=True)
        return self._files

    def secret(self, name: str) -> str:
        """Return a secret that the manifest names under `secrets`."""
        if name not in self._secrets:
            msg = f'{name} is not in the manifest: add it, as in secrets = ["{name}"]'
            raise StrategyError(msg)
        return os.environ[name]

    def signal(self, symbol: str, value: float, **values: object) -> None:
        """Record what was computed for `symbol`: the signal, and by name the values it was computed from."""
        self.signals[symbol] = value
        self._line("signal", "info", {"symbol": symbol, "signal": value, **values})

    def hold(self, symbol: str, *, reason: str) -> None:
        """Record the decision to do nothing about `symbol`, and why."""
        self.decisions.setdefault(symbol, "hold")
        if self._journal.keeps_lines:
            signal = self.signals.get(symbol)
            self._write("decision", symbol=symbol, action="hold", reason=reason, signal=signal, qty=0)

    def log(self, message: str, **values: object) -> None:
        """Write a line of the strategy's own into the journal."""
        self._write("note", message=message, **values)

    def _write(self, event: str, /, **fields: object) -> None:
        self._line(event, "info", fields)

    def _warn(self, event: str, /, **fields: object) -> None:
        self._line(event, "warning", fields)

    def _line(self, event: str, level: str, fields: Mapping[str, object]) -> None:
        keeps = level != "info" or self._journal.keeps_lines
        if keeps or self._own_names is None:
            run, source = self._run.fields(), self._market.provenance(self.slot)
            self._own_names = RESERVED.union(run, source)
        # What identifies the run cannot be overwritten by a strategy's own names.
        if not self._own_names.isdisjoint(fields):
            clashing = min(self._own_names.intersection(fields))
            msg = f"the name {clashing} belongs to the journal: choose another for this value"
            raise StrategyError(msg)
        if not keeps:
            return
        with self._one_thread:
            self._journal.write(event, self._clock(), run, level=level, **source, **fields)
