"""What every context of a run has: its bot, its instants, its state, and the lines that it writes into the journal."""

import os
from collections.abc import MutableMapping
from datetime import datetime
from pathlib import Path

import pytz

from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import StrategyError


class RunContext:
    """One run of one bot.

    bot: the bot's id. params: its [bot.params], read only.
    """

    def __init__(self, progress: RunProgress) -> None:
        services = progress.services
        self.bot = progress.bot.id
        self.params = progress.bot.params
        self._progress = progress
        self._manifest = services.manifest
        self._market = services.market
        self._is_complete = getattr(services.market, "is_complete", False)  # no bar lacks a figure
        self._is_past = getattr(services.market, "is_past", False)  # bars are as old as they should be
        self._broker = services.broker
        self._ledger = services.ledger
        self._checks = progress.checks
        self._zone = pytz.timezone(services.manifest.timezone)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The bot's symbols."""
        return self._progress.symbols

    @property
    def state(self) -> MutableMapping[str, object]:
        """A mapping of JSON values that the bot finds again at its next run; it is kept if the run succeeds."""
        return self._progress.state

    @property
    def slot(self) -> datetime:
        """The instant for which the strategy is asked to decide, aware UTC."""
        return self._progress.slot

    @property
    def now(self) -> datetime:
        """The same instant on the strategy's own wall clock."""
        return self.slot.astimezone(self._zone)

    @property
    def files(self) -> Path:
        """A folder of the strategy's own that lasts, for models and caches; its bots share it. It is bounded: 256 MB.

        A run whose folder holds more fails. [container] files = "1g" in strategy.toml allows more.
        """
        if (files := self._progress.services.files) is None:
            msg = "there is no folder that lasts here: keep small values in ctx.state"
            raise StrategyError(msg)
        files.mkdir(parents=True, exist_ok=True)
        return files

    def secret(self, name: str) -> str:
        """Return a secret that the manifest names under `secrets`."""
        if name not in self._manifest.secrets:
            msg = f'{name} is not in the manifest: add it, as in secrets = ["{name}"]'
            raise StrategyError(msg)
        return os.environ[name]

    def signal(self, symbol: str, value: float, **values: object) -> None:
        """Record what was computed for `symbol`: the signal, and by name the values it was computed from."""
        self._progress.signals[symbol] = value
        self._progress.write("signal", {"symbol": symbol, "signal": value, **values})

    def hold(self, symbol: str, *, reason: str) -> None:
        """Record the decision to do nothing about `symbol`, and why."""
        self._progress.hold(symbol, reason)

    def log(self, message: str, **values: object) -> None:
        """Write a line of the strategy's own into the journal."""
        self._progress.write("note", {"message": message, **values})
