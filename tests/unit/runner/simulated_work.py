"""What the runs of a simulation do: the real context, with a ledger and a journal that are not the loop's, up to any step."""

from collections.abc import Callable
from dataclasses import dataclass

from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.manifest import Manifest
from openbell.runner.processes import Ending
from openbell.runner.report import Failure
from openbell.strategy.context import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.executable import StrategyFunction
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.trading.markets import Market
from tests.fake_trading import FakeMarket
from tests.unit.runner.simulated import CountingBroker, Time


class RunKilledError(BaseException):
    """A run's process ends here."""


@dataclass(frozen=True)
class Plan:
    """What a run's process does: how long it takes, when it does its work, and at which of its steps it ends early."""

    seconds: float
    works_after: float
    ends_at_step: int | None = None
    is_killed: bool = False  # at that step, rather than raising


class Workshop:
    """Where the processes of runs do their work: the real context, with a ledger and a journal that are not the loop's."""

    def __init__(
        self, manifest: Manifest, time: Time, broker: CountingBroker, ledger: Ledger, journal: Journal
    ) -> None:
        self._manifest = manifest
        self._time = time
        self._broker = broker
        self._ledger = ledger
        self._journal = journal
        self._steps_left: int | None = None
        self._is_killed = False
        self.function: StrategyFunction = strategy
        self.market: Market = FakeMarket()
        self.folder = journal.folder
        for owner, names in ((ledger, ("intend", "settle", "save_state")), (journal, ("write",))):
            for name in names:
                setattr(owner, name, self._watched(getattr(owner, name)))
        self._submit = self._watched(broker.submit)

    def work(self, run: Run, plan: Plan) -> Ending:
        """Do the strategy's work up to the step at which the plan ends it; what was written stays."""
        self._steps_left, self._is_killed = plan.ends_at_step, plan.is_killed
        try:
            broker, now = self._watching(), self._time.now
            services = ContextServices(self._manifest, self.market, broker, self._ledger, self._journal, now)
            progress = RunProgress(services, run)
            self.function(Context(progress))
            if progress.state.changed:
                self._ledger.save_state(run.bot.id, run.slot, progress.state)
        except RunKilledError:
            return Ending(Failure("the run was killed by SIGKILL"))
        except Exception as error:  # noqa: BLE001 - as the worker does
            return Ending(Failure(f"{type(error).__name__}: {error}", "Traceback"))
        finally:
            self._steps_left = None
        return Ending(None)

    def _watching(self) -> CountingBroker:
        return _Watched(self._broker, self._submit)

    def _watched(self, method: Callable[..., object]) -> Callable[..., object]:
        def act(*args: object, **fields: object) -> object:
            self._step()
            result = method(*args, **fields)
            self._step()
            return result

        return act

    def _step(self) -> None:
        if self._steps_left is None:
            return
        self._steps_left -= 1
        if self._steps_left <= 0:
            self._steps_left = None
            if self._is_killed:
                raise RunKilledError
            msg = "the strategy broke"
            raise RuntimeError(msg)


class _Watched(CountingBroker):
    """The broker as one run sees it."""

    def __init__(self, broker: CountingBroker, submit: Callable[..., object]) -> None:
        self.__dict__.update(broker.__dict__)
        self.submit = submit  # type: ignore[assignment, method-assign]


def strategy(context: Context) -> None:
    """Order as the slot says: the same slot always decides the same."""
    number = int(context.slot.timestamp()) // 60
    for index, symbol in enumerate(context.symbols):
        context.signal(symbol, number % 7, minute=number)
        if (number + index) % 3:
            context.order(symbol, "buy" if number % 2 else "sell", 1 + number % 5, reason="the minute says so")
        else:
            context.hold(symbol, reason="the minute says nothing")
    remember(context)


def remember(context: Context) -> None:
    """Count the bot's runs in its own state."""
    runs = context.state.get("runs", 0)
    context.state["runs"] = runs + 1 if isinstance(runs, int) else 1
