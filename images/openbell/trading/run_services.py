"""The desk: what a market and a broker are given of their surroundings when a run opens them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

from openbell.costs import FREE, Costs
from openbell.records import dataclass, field


class Intent(NamedTuple):
    """What the ledger knows of an order that was decided on."""

    symbol: str
    at: datetime  # when it was about to be sent


def _plenty() -> float:
    return 60.0


class Halted(Protocol):
    """Says why no order may be sent now."""

    def __call__(self, *, is_exit: bool = False) -> str:
        """Return the reason, or an empty string if the order may be sent."""
        ...


def never_halted(*, is_exit: bool = False) -> str:  # noqa: ARG001 - as the protocol has it
    """Halt nothing."""
    return ""


def _now(_: str) -> datetime:
    return datetime.now(UTC)


def _no_intent(_: str) -> Intent | None:
    return None


@dataclass(frozen=True)
class RunServices:
    """One run's surroundings. Nothing of it is opened, read or connected to before it is used."""

    symbols: tuple[str, ...] = ()  # of all bots of the strategy
    folder: Path = Path()  # the strategy's own: strategy.toml, strategy.py and what lies beside them
    state: Path = Path()  # what outlives the container, shared by the strategy's runs
    live: bool = False  # real money
    secrets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # those that the manifest names
    addresses: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # *_URL of the environment
    remaining: Callable[[], float] = _plenty  # seconds that the run has left
    halted: Halted = never_halted
    intended: Callable[[str], Intent | None] = _no_intent  # by client_order_id
    sending: Callable[[str], datetime] = _now  # called right before an order of that id is sent; records the instant
    database: str = field(default="", repr=False)  # where the paper account is, if not in `state`
    strategy: str = ""  # whose it is
    feed: str = ""  # of the market's data, where it has several
    costs: Costs = FREE  # of the paper account
    short: bool = False  # whether it sells what it does not hold
