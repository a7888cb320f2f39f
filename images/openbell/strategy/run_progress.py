"""A run while it goes on: what it has decided so far, the bot's state, and the lines that it writes into the journal.

The loop and backtests work with this. The strategy has a context in front of it, with only what authors may use.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from openbell.strategy.context_services import ContextServices
from openbell.strategy.order_path import OrderPath
from openbell.strategy.run_state import Run, State, StrategyError
from openbell.trading.brokers import Order
from openbell.trading.order_checks import OrderChecks

RESERVED = frozenset({"timestamp", "event", "level", "strategy", "boot_id"})


class RunProgress:
    """The progress of one run, or, in a backtest, of one run of the bot after the other."""

    def __init__(self, services: ContextServices, run: Run) -> None:
        self.services = services
        self.bot = run.bot
        self.checks = OrderChecks(
            services.manifest, run.bot, services.market, services.broker, services.ledger, services.halted
        )
        self.orders = OrderPath(run.bot.id, services.broker, services.ledger, self.checks, services.clock)
        self.one_thread = threading.RLock()  # the strategy may order and log from threads of its own
        self._journal = services.journal
        self.keeps_lines = services.journal.keeps_lines  # nothing reads those of a backtest without a journal
        self._own_names: frozenset[str] | None = None  # those that the journal puts into each line
        self.begin(run)

    def begin(self, run: Run) -> None:
        """Become the progress of a run: of the first one, or of the bot's next."""
        self.run = run
        self.symbols = run.bot.symbols
        self.state = State(self.services.ledger.state(run.bot.id))
        self.decisions: dict[str, str] = {}  # symbol → last action
        self.signals: dict[str, object] = {}  # symbol → what the run has computed for it
        self._sent: set[str] = set()  # client_order_ids of this run
        self.checks.begin()

    @property
    def slot(self) -> datetime:
        """The instant for which the strategy is asked to decide, aware UTC."""
        return self.run.slot

    def occasion(self, event: str) -> datetime | str:
        """Return what an order answers to, a part of its identity; StrategyError if it names an event: a run answers to its slot."""
        if event:
            msg = "an event belongs to a stream: orders of a run are told apart by leg"
            raise StrategyError(msg)
        return self.run.slot

    @property
    def has_ordered(self) -> bool:
        """Tell whether the run has decided anything but to do nothing."""
        return any(action != "hold" for action in self.decisions.values())

    def record_opening_equity(self) -> None:
        """Take the day's first look at the account, if a limit of the manifest counts from there."""
        self.checks.record_opening_equity(self.slot, self.services.clock())

    def leave_out(self, symbol: str, reason: str) -> bool:
        """Go on without a symbol that the market does not know, from the beginning; tell whether it was one of the bot's."""
        if symbol not in self.symbols:
            return False
        self.write("symbol_unavailable", {"symbol": symbol, "reason": reason}, level="warning")
        self.symbols = tuple(one for one in self.symbols if one != symbol)
        self.state = State(self.services.ledger.state(self.bot.id))
        self._sent.clear()
        self.hold(symbol, f"left out: {reason}")
        self.decisions[symbol] = "hold"
        return True

    def hold(self, symbol: str, reason: str) -> None:
        """Record the decision to do nothing about a symbol."""
        self.decisions.setdefault(symbol, "hold")
        if self.keeps_lines:
            told = {"symbol": symbol, "action": "hold", "reason": reason}
            self.write("decision", {**told, "signal": self.signals.get(symbol), "qty": 0})

    def hold_the_rest(self) -> None:
        """Record that nothing was decided about the symbols that the strategy has not named; prepare() decides about none."""
        for symbol in self.symbols if self.run.bot.function == "run" else ():
            if symbol not in self.decisions:
                self.hold(symbol, "the strategy decided nothing for this symbol")

    @contextmanager
    def sending(self, order: Order) -> Iterator[None]:
        """Send an order inside of this: one at a time, and none twice in a run."""
        with self.one_thread:
            if order.client_order_id in self._sent:
                msg = f'this run has an order to {order.side} {order.symbol} already: tell a second one apart with leg="2"'
                raise StrategyError(msg)
            yield
            self._sent.add(order.client_order_id)  # an order that the broker gave no answer to may be tried again

    def end_threads(self, seconds: float) -> None:
        """Let an order that another thread is sending get its answer and its line, and no thread send any more."""
        self.one_thread.acquire(timeout=seconds)

    def check_files(self) -> None:
        """Raise StrategyError if the strategy's files are more than they may be."""
        files, bound = self.services.files, self.services.manifest.container.files
        if files is None or not files.is_dir():
            return
        held = sum(path.lstat().st_size for path in files.rglob("*") if not path.is_dir())
        if held > bound:
            msg = (
                f"ctx.files holds {held / 1e6:,.0f} MB, and {bound / 1e6:,.0f} MB are allowed: delete what is "
                'old, or set [container] files = "1g" in strategy.toml'
            )
            raise StrategyError(msg)

    def rehearse(self) -> None:
        """Make a line and drop it. What a run's first line needs is then there before the slot: the sample's prices, for one."""
        self._journal.rehearse(
            self.services.clock(), {**self.run.fields(), **self.services.market.provenance(self.slot)}
        )

    def write(self, event: str, fields: Mapping[str, object], level: str = "info") -> None:
        """Write a line of the run; StrategyError if a name in it is one of the journal's own."""
        keeps = level != "info" or self.keeps_lines
        if keeps or self._own_names is None:
            run, source = self.run.fields(), self.services.market.provenance(self.slot)
            self._own_names = RESERVED.union(run, source)
        # What identifies the run cannot be overwritten by a strategy's own names.
        if not self._own_names.isdisjoint(fields):
            clashing = min(self._own_names.intersection(fields))
            msg = f"the name {clashing} belongs to the journal: choose another for this value"
            raise StrategyError(msg)
        if not keeps:
            return
        with self.one_thread:
            self._journal.write(event, self.services.clock(), run, level=level, **source, **fields)
