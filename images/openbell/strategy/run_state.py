"""A run as its strategy knows it: which one it is, what the bot remembers, and the error of a call that cannot be meant so."""

import importlib
import json
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from openbell.manifest import Bot


class StrategyError(ValueError):
    """A call of the strategy that cannot be meant so; the message says what to change."""


class Run(NamedTuple):
    """Which run a context belongs to: (bot, slot) and the attempt."""

    bot: Bot
    slot: datetime
    run_id: str
    attempt: int

    def fields(self) -> dict[str, object]:
        """Return what every journal line of the run carries."""
        return {"bot": self.bot.id, "slot": self.slot, "run_id": self.run_id, "attempt": self.attempt}


class State(MutableMapping[str, object]):
    """A bot's own small memory between runs: JSON values by name. It is kept if the run succeeds, and only then."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = dict(values)
        self._before = self._encoded() if values else {}

    def kept(self) -> None:
        """Take the values as they are now for those that the ledger has."""
        self._before = self._encoded()

    @property
    def changed(self) -> bool:
        """Tell whether the run has changed anything, also inside a list or a mapping that it keeps here.

        StrategyError if one of the values has become something that cannot be kept.
        """
        return bool(self._values or self._before) and self._encoded() != self._before

    def _encoded(self) -> dict[str, str]:
        return {key: _json(key, value) for key, value in self._values.items()}

    def __getitem__(self, key: str) -> object:
        return self._values[key]

    def __setitem__(self, key: str, value: object) -> None:
        name: object = key  # strategies are not checked for types
        if not isinstance(name, str):
            msg = f"a name in ctx.state is a text, not {name!r:.100}"
            raise StrategyError(msg)
        # The round trip makes what this run reads back equal to what the next one will.
        self._values[key] = json.loads(_json(key, value))

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _json(key: str, value: object) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except Exception as error:  # noqa: BLE001 - a value's own methods may raise anything
        msg = f'ctx.state["{key}"] takes numbers, texts, lists and mappings of them: {error}'
        raise StrategyError(msg) from None


def order_identity(bot: str, occasion: datetime | str, symbol: str, side: str, leg: str) -> str:
    """Return the client_order_id of an order: a short hash that is the same whenever the same occasion decides the same.

    occasion: the slot, or the id of the event that a stream answers to.
    """
    if not isinstance(occasion, str):
        utc = occasion if occasion.tzinfo is UTC else occasion.astimezone(UTC)
        occasion = utc.isoformat(timespec="microseconds")
    identity = json.dumps([bot, occasion, symbol, side, leg])
    return f"ob-{_sha256()(identity.encode()).hexdigest()[:24]}"


@cache
def _sha256() -> Callable[[bytes], Any]:
    """Return the algorithm that Python itself has: hashlib loads OpenSSL for it, megabytes and milliseconds before an order."""
    for module in ("_sha2", "_sha256"):  # of Python 3.12 and newer, and of those before
        with suppress(ImportError):
            found: Callable[[bytes], Any] = importlib.import_module(module).sha256
            return found
    import hashlib  # noqa: PLC0415 - see above

    return hashlib.sha256
