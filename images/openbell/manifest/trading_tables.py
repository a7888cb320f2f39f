"""The tables of a manifest that concern money: limits, capital, costs, keys, and how symbols are written."""

from collections.abc import Iterable

from openbell.costs import SCHEDULES, Costs
from openbell.manifest import grammar, trading
from openbell.manifest.model import Bot, Capital, Limits
from openbell.manifest.problems import TableReader, toml_text
from openbell.records import replace


class TradingTables(TableReader):
    """Reads what a manifest says of trading."""

    def money(
        self, table: dict[str, object], market: str, broker: str, secrets: tuple[str, ...], *, live: bool
    ) -> None:
        """See that what moves money says so, and that the keys it needs are named."""
        if live and broker == "paper":
            self.wrong("live", "true", 'live = true only with a broker that has real money; broker is "paper"')
        if "secrets" in table and self.has_problem("secrets"):
            return
        missing = [name for name in trading.keys_of(market, broker, live=live) if name not in secrets]
        if missing:
            whose = f'market = "{market}"' if broker == "paper" else f'broker = "{broker}"'
            found = toml_text(table["secrets"]) if "secrets" in table else "nothing"
            self.wrong("secrets", found, f"also {', '.join(missing)}, which {whose} needs in the environment")

    def blanks(self, bots: Iterable[Bot], market: str, broker: str) -> None:
        """See that only those who know their own symbols have any with blanks in them, as options of the OCC's have."""
        if ":" in (market + broker).replace("ccxt:", ""):
            return
        for index, bot in enumerate(bots):
            if any(" " in symbol for symbol in bot.symbols):
                allowed = "symbols without blanks, unless the market or the broker is a class of your own"
                self.wrong(f"bot[{index}].symbols", toml_text(list(bot.symbols)), allowed)

    def spelling(self, bots: Iterable[Bot], market: str, broker: str) -> None:
        """See that symbols are written as their market and broker write them."""
        for index, bot in enumerate(bots):
            for symbol in bot.symbols:
                if allowed := trading.misspelt(symbol, market, broker):
                    self.wrong(f"bot[{index}].symbols", toml_text(symbol), allowed)

    def limits(self, table: dict[str, object]) -> Limits:
        """Return what [limits] says."""
        given = self.table(table, "limits")
        self.refuse_unknown(given, trading.LIMITS, "limits.")
        found = self.read_present(given, trading.LIMITS, "limits.")
        return replace(Limits(), **found)  # type: ignore[arg-type] # each reader returns what its field is

    def capital(self, table: dict[str, object]) -> Capital:
        """Return what [capital] says."""
        given = self.table(table, "capital")
        self.refuse_unknown(given, trading.CAPITAL, "capital.")
        found = self.read_present(given, trading.CAPITAL, "capital.")
        if isinstance(table.get("capital"), dict) and len(given) != 1:
            self.wrong("capital", "both amount and part" if given else "nothing", "one of amount and part")
        return replace(Capital(), **found)  # type: ignore[arg-type] # each reader returns what its field is

    def costs(self, table: dict[str, object]) -> Costs:
        """Return what [costs] says: a schedule, and what differs from it."""
        given = self.table(table, "costs")
        self.refuse_unknown(given, ("schedule", *trading.COSTS), "costs.")
        named = f"one of {', '.join(SCHEDULES)}"
        schedule = self.read(given, "schedule", "free", grammar.OneOf(tuple(SCHEDULES)), named, "costs.")
        found = self.read_present(given, trading.COSTS, "costs.")
        return replace(SCHEDULES[schedule], **found)  # type: ignore[arg-type] # each reader returns what its field is
