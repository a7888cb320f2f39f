"""The list of all bots: which of them a query asks for, in which order, and which page of them is shown. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from urllib.parse import urlencode

from openbell.supervisor.health.snapshot import BotView, StrategyView
from openbell.supervisor.model.records import Uptime, Worth

MOST_ROWS = 50  # bots on a page
LONGEST_TEXT = 100  # characters of a search
ORDER = ("down", "late", "running", "paused", "new", "up")  # from the most urgent to the least
_NO_UPTIME = Uptime()

SortKey = str | float | datetime | None


@dataclass(frozen=True)
class Row:
    """A bot with its strategy. A strategy whose manifest is not valid has one row without a bot."""

    strategy: StrategyView
    bot: BotView | None

    @property
    def name(self) -> str:
        """The bot's id, or the strategy's name if there is no bot."""
        return self.bot.id if self.bot else self.strategy.name

    @property
    def status(self) -> str:
        """The bot's status, or the strategy's."""
        return self.bot.status if self.bot else self.strategy.status

    @property
    def worth(self) -> Worth | None:
        """What the account is worth, which the bots of a strategy share."""
        return self.strategy.worth

    @property
    def uptime(self) -> Uptime:
        """The bot's uptime."""
        return (self.bot.uptime if self.bot else None) or _NO_UPTIME

    @property
    def open_orders(self) -> int:
        """How many of its orders wait."""
        return self.bot.open_orders if self.bot else 0


@dataclass(frozen=True)
class Query:
    """What a reader asks for. An empty text asks for everything; `sort` begins with "-" for the largest first."""

    text: str = ""
    status: str = ""
    strategy: str = ""
    tag: str = ""
    host: str = ""
    sort: str = ""
    by_strategy: bool = False
    page: int = 1

    def link(self, path: str = "/", **changes: object) -> str:
        """Return the link to the list with some of the query changed; a change begins at the first page.

        path: of another page that shows the same bots; what is not a field of the query becomes a parameter of that page.
        """
        own = {field.name for field in fields(self)}
        wanted = replace(self, page=1)
        wanted = replace(wanted, **{name: value for name, value in changes.items() if name in own})  # type: ignore[arg-type]
        values = {
            "q": wanted.text,
            "status": wanted.status,
            "strategy": wanted.strategy,
            "tag": wanted.tag,
            "host": wanted.host,
            "sort": wanted.sort,
            "group": "strategy" if wanted.by_strategy else "",
            "page": str(wanted.page) if wanted.page > 1 else "",
        }
        values |= {name: str(value) for name, value in changes.items() if name not in own}
        given = urlencode({name: value for name, value in values.items() if value})
        return f"{path}?{given}" if given else path

    def sort_link(self, name: str) -> str:
        """Return the link that sorts by a column, or turns its order round."""
        largest_first = name in LARGEST_FIRST
        first, second = (f"-{name}", name) if largest_first else (name, f"-{name}")
        return self.link(sort=second if self.sort == first else first)


@dataclass(frozen=True)
class BotList:
    """One page of the bots that were asked for."""

    rows: Sequence[Row]
    found: int  # bots on all pages
    page: int
    pages: int


SORTS: Mapping[str, Callable[[Row], SortKey]] = {
    "bot": lambda row: row.name,
    "strategy": lambda row: row.strategy.name,
    "status": lambda row: ORDER.index(row.status) if row.status in ORDER else len(ORDER),
    "duration": lambda row: row.bot.durations.median_ms if row.bot and row.bot.durations else None,
    "next": lambda row: row.bot.next_slot if row.bot else None,
    "equity": lambda row: row.worth.equity if row.worth else None,
    "today": lambda row: row.worth.today if row.worth else None,
    "week": lambda row: row.worth.week if row.worth else None,
    "start": lambda row: row.worth.start if row.worth else None,
    "orders": lambda row: row.open_orders,
    "7d": lambda row: row.uptime.week,
    "30d": lambda row: row.uptime.month,
    "90d": lambda row: row.uptime.quarter,
}
LARGEST_FIRST = frozenset({"duration", "equity", "today", "week", "start", "orders"})


def bot_list(strategies: Iterable[StrategyView], query: Query) -> BotList:
    """Return the page of bots that a query asks for; one that does not exist is the last one."""
    rows = found(strategies, query)
    pages = max(1, -(-len(rows) // MOST_ROWS))
    page = min(query.page, pages)
    bots = sum(row.bot is not None for row in rows)
    return BotList(rows[(page - 1) * MOST_ROWS : page * MOST_ROWS], bots, page, pages)


def found(strategies: Iterable[StrategyView], query: Query) -> list[Row]:
    """Return the bots that a query asks for, sorted."""
    words = query.text.casefold().split()
    every = (Row(view, bot) for view in strategies for bot in view.bots or (None,))
    rows = [row for row in every if _is_wanted(row, query, words)]
    if not query.sort:
        if len(rows) > MOST_ROWS:
            rows.sort(key=_urgency)
    else:
        key, largest_first = SORTS[query.sort.removeprefix("-")], query.sort.startswith("-")
        known = [row for row in rows if key(row) is not None]
        known.sort(key=key, reverse=largest_first)  # type: ignore[arg-type, unused-ignore] # None is left out
        rows = known + [row for row in rows if key(row) is None]
    if query.by_strategy:
        rows.sort(key=lambda row: row.strategy.name)
    return rows


def tags(strategies: Iterable[StrategyView]) -> list[str]:
    """Return every tag of the strategies, once."""
    return sorted({tag for view in strategies for tag in view.tags})


def hosts(strategies: Iterable[StrategyView]) -> list[str]:
    """Return every host that runs a strategy, once."""
    return sorted({view.host for view in strategies if view.host})


def _is_wanted(row: Row, query: Query, words: Sequence[str]) -> bool:
    return (
        query.status in {"", row.status}
        and query.strategy in {"", row.strategy.name}
        and (not query.tag or query.tag in row.strategy.tags)
        and query.host in {"", row.strategy.host}
        and (not words or _has_words(row, words))
    )


def _has_words(row: Row, words: Sequence[str]) -> bool:
    symbols = row.bot.symbols if row.bot else ()
    text = " ".join((row.name, row.strategy.name, row.strategy.description, *symbols, *row.strategy.tags)).casefold()
    return all(word in text for word in words)


def _urgency(row: Row) -> int:
    return ORDER.index(row.status) if row.status in ORDER else 0
