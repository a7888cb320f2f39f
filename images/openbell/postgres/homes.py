"""Where a strategy is to run if it can: its home, else its standby, else any host whose loop waits for it.

A loop that waits says so. Another does not take over while a loop of a better place waits, and an owner gives the strategy
to one that has waited long enough to be trusted, between two runs. Without a row in `homes` all hosts are equal.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from openbell.postgres.database import Database

PRESENT = 5.0  # seconds for which a loop counts as waiting
SAY_EVERY = 2.0  # seconds between two times that it says so
TRUSTED = (
    30.0  # seconds that a loop has to have waited before an owner gives way: one that crashes again and again has not
)

_KEEP = "INSERT INTO homes VALUES (?, ?, ?) ON CONFLICT (strategy) DO UPDATE SET home = excluded.home, standby = excluded.standby"
_WAIT = """
INSERT INTO waiting SELECT ?, ?, clock_timestamp(), clock_timestamp() + ? * interval '1 second'
WHERE EXISTS (SELECT 1 FROM homes WHERE strategy = ?)
ON CONFLICT (strategy, host) DO UPDATE SET until = excluded.until,
since = CASE WHEN waiting.until < clock_timestamp() THEN excluded.since ELSE waiting.since END
"""


class Home(NamedTuple):
    """The hosts of one strategy; empty where none is named."""

    home: str
    standby: str


def better_place(mine: str, trusted: float) -> str:
    """Return the question for a host where the strategy should rather run, and whose loop has waited for so many seconds.

    mine: the expressions of the strategy and of the host that asks, in SQL, with a blank between them.
    """
    strategy, host = mine.split()
    rank = "CASE {} WHEN homes.home THEN 0 WHEN homes.standby THEN 1 ELSE 2 END"
    return (
        "SELECT waiting.host FROM homes JOIN waiting ON waiting.strategy = homes.strategy "  # noqa: S608 - no value comes from outside
        f"WHERE homes.strategy = {strategy} AND waiting.until > clock_timestamp() "
        f"AND waiting.since <= clock_timestamp() - {trusted} * interval '1 second' "
        f"AND {rank.format('waiting.host')} < {rank.format(host)} ORDER BY {rank.format('waiting.host')} LIMIT 1"
    )


def wait(database: Database, strategy: str, host: str) -> None:
    """Say that a loop of this host waits for the strategy, where homes are known."""
    database.execute(_WAIT, (strategy, host, PRESENT, strategy))


def wait_no_more(database: Database, strategy: str, host: str) -> None:
    """Say that it does not wait: it runs the strategy, or ends."""
    database.execute("DELETE FROM waiting WHERE strategy = ? AND host = ?", (strategy, host))


def waits(database: Database, strategy: str, host: str) -> bool:
    """Tell whether a loop of a host waits for the strategy."""
    present = "SELECT 1 FROM waiting WHERE strategy = ? AND host = ? AND until > clock_timestamp()"
    return bool(database.execute(present, (strategy, host)))


def known(database: Database) -> dict[str, Home]:
    """Return the homes of all strategies that have one."""
    rows = database.execute("SELECT strategy, home, standby FROM homes ORDER BY strategy")
    return {str(strategy): Home(str(home), str(standby)) for strategy, home, standby in rows}


def keep(database: Database, homes: Mapping[str, Home]) -> None:
    """Let strategies have these homes."""
    database.executemany(_KEEP, [(strategy, *one) for strategy, one in homes.items()])


def forget(database: Database, strategy: str) -> None:
    """Let a strategy be at home on no host."""
    database.execute("DELETE FROM homes WHERE strategy = ?", (strategy,))


def placed(
    needs: Mapping[str, int], hosts: Sequence[str], fixed: Mapping[str, Home], before: Mapping[str, Home]
) -> dict[str, Home]:
    """Return a home and a standby for each strategy: as they are fixed, else as before, else where least memory is needed.

    needs: bytes by strategy. What was before counts only as far as its hosts are among `hosts`.
    """
    load = dict.fromkeys(hosts, 0)
    standing_by = dict.fromkeys(hosts, 0)
    found = {}
    # The largest first, after those whose place is given: so the smaller ones even out what is left.
    for strategy in sorted(needs, key=lambda one: (one not in fixed and one not in before, -needs[one], one)):
        wanted, old = fixed.get(strategy, Home("", "")), before.get(strategy, Home("", ""))
        others = [one for one in hosts if one != wanted.standby]
        home = wanted.home or (old.home if old.home in others else min(others or hosts, key=lambda one: load[one]))
        rest = [one for one in hosts if one != home]
        lightest = min(rest, key=lambda one: standing_by[one] + load[one], default="")
        standby = wanted.standby or (old.standby if old.standby in rest else lightest)
        for host, sums in ((home, load), (standby, standing_by)):
            if host in sums:
                sums[host] += needs[strategy]
        found[strategy] = Home(home, standby)
    return found
