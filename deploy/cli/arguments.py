"""The variables that each command accepts after `make TARGET`, as they were typed.

make hands its variables over through the environment, so no shell reads a value a second time. Words NAME=value behind
`python -m deploy COMMAND` do the same.
"""

import json
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from deploy.cli import value_readers as readers
from deploy.errors import CommandError
from openbell.manifest import strategy_folders, suggestion

GIVEN = "OPENBELL_GIVEN"  # the names of the variables on make's command line
EVERYWHERE = frozenset({"PROFILE", "ENGINE"})  # decide what the project has, so each command accepts them


@dataclass(frozen=True)
class Variable:
    """One variable of a command: its name, a value that shows how to write it, and how a value is read."""

    name: str
    example: str
    required: bool = False
    read: Callable[[str], object] = str  # ValueError for a value that is not allowed
    allowed: str = ""
    default: object = None
    attribute: str = ""  # of the options; the name in small letters if empty


def _switch(name: str, *, default: bool = False) -> Variable:
    return Variable(name, "0" if default else "1", read=readers.flag, allowed="1 or 0", default=default)


STRATEGY = Variable("STRATEGY", "ma_crossover", required=True)
ONE_OR_ALL = Variable("STRATEGY", "ma_crossover")
BOT = Variable("BOT", "ma_crossover", required=True)
SERVER = Variable("HOST", "vps", required=True)
ON = Variable("HOST", "vps")
REASON = Variable("REASON", '"earnings today"', required=True)
KEEP = Variable("KEEP", "14", read=readers.number(), allowed="how many backups stay in the folder, such as 14")
DRY_RUN = _switch("DRY_RUN")
WAIT = Variable("WAIT", "idle", read=readers.one_of("idle"), allowed="idle")
SINCE = Variable("SINCE", "30d", read=readers.since, allowed='a duration such as "30d", or a date such as 2026-01-31')
TIMEFRAMES = ("1m", "5m", "15m", "30m", "1h", "4h", "1d")
TARGETS = ("digitalocean", "aws", "gcp")
DAY = 'a day such as "2026-01-31"'

VARIABLES: Mapping[str, tuple[Variable, ...]] = {
    "ps": (ON,),
    "run": (
        STRATEGY,
        Variable("BOT", "ma_crossover"),
        Variable(
            "SLOT", "2026-11-20T09:35", read=readers.instant, allowed="a date and a time such as 2026-11-20T09:35"
        ),
        _switch("YES"),
        ON,
    ),
    "new": (Variable("STRATEGY", "my_idea", required=True),),
    "init": (Variable("DIR", "../my-strategies", required=True),),
    "remove": (STRATEGY, _switch("DATA"), _switch("YES")),
    "rename": (STRATEGY, Variable("TO", "better_idea", required=True), _switch("YES"), ON),
    "add": (STRATEGY, Variable("PACKAGE", '"pandas scikit-learn"', required=True)),
    "lock": (STRATEGY,),
    "next": (ONE_OR_ALL, _switch("ALL")),
    "calendar": (Variable("CALENDAR", "XNYS"), _switch("APPLY"), ON),
    "crontab": (ONE_OR_ALL, Variable("BACKUP", "~/backups"), KEEP, Variable("PARQUET", "~/journals"), ON),
    "backtest": (
        STRATEGY,
        Variable("FROM", "2010-01-04", read=readers.day, allowed=DAY, attribute="first"),
        Variable("TO", "2012-12-31", read=readers.day, allowed=DAY, attribute="last"),
        Variable("SET", '"fast=10,20 slow=50"', read=str.split, default=(), attribute="choices"),
        Variable("WALK_FORWARD", "3y/6m"),
        Variable("OPTIONS", '"--commission 5"', read=shlex.split, allowed="words with closed quotes", default=()),
    ),
    "compare": (
        STRATEGY,
        SINCE,
        Variable("OPTIONS", '"--prices FOLDER"', read=shlex.split, allowed="words with closed quotes", default=()),
        ON,
    ),
    "history": (
        Variable(
            "MARKET",
            "alpaca",
            required=True,
            read=readers.matching("alpaca|ccxt:[a-z0-9]+"),
            allowed="alpaca, or an exchange such as ccxt:binance",
        ),
        Variable(
            "SYMBOLS",
            '"SPY QQQ"',
            required=True,
            read=readers.symbols,
            allowed="symbols with blanks or commas between them",
        ),
        Variable("TIMEFRAME", "15m", required=True, read=readers.one_of(*TIMEFRAMES), allowed=", ".join(TIMEFRAMES)),
        Variable("FROM", "2020-01-01", required=True, read=readers.day, allowed=DAY, attribute="first"),
        Variable("TO", "2025-12-31", read=readers.day, allowed=DAY, attribute="last"),
        Variable("FEED", "iex", read=readers.one_of("iex", "sip"), allowed="iex, sip"),
    ),
    "serverless": (
        Variable("TARGET", "aws", required=True, read=readers.one_of(*TARGETS), allowed=", ".join(TARGETS)),
        STRATEGY,
        Variable(
            "MEMORY", "256", read=readers.number(most=1_000_000), allowed="a number of MB such as 256", default=256
        ),
    ),
    "kubernetes": (Variable("NAMESPACE", "trading"), _switch("SECRETS")),
    "logs": (ONE_OR_ALL, _switch("FOLLOW", default=True), ON),
    "journal": (
        STRATEGY,
        Variable("SYMBOL", "AAPL"),
        Variable("SINCE", "2h", read=readers.since, allowed='a duration such as "2h", or a date such as 2026-01-31'),
        ON,
    ),
    "query": (
        Variable("SQL", "\"SELECT bot, outcome, count(*) FROM journal WHERE event = 'run_end' GROUP BY ALL\""),
        SINCE,
        Variable("TO", "~/journals"),
        ON,
    ),
    "export": (
        Variable(
            "TO",
            "journal.csv",
            required=True,
            read=readers.matching(r".*\.(csv|parquet)"),
            allowed="a file that ends with .csv or .parquet",
        ),
        ONE_OR_ALL,
        Variable("BOT", "ma_crossover"),
        Variable("EVENT", "decision"),
        Variable("SYMBOL", "AAPL"),
        Variable("TEXT", '"rose above"'),
        SINCE,
        ON,
    ),
    "pause": (
        BOT,
        REASON,
        Variable(
            "FOR", "2h", read=readers.length, allowed='a duration such as "30m", "2h" or "3d"', attribute="length"
        ),
        ON,
    ),
    "resume": (BOT, ON),
    "halt": (Variable("REASON", '"odd fills"', required=True), _switch("EXITS"), ON),
    "unhalt": (ON,),
    "flatten": (ONE_OR_ALL, _switch("YES"), ON),
    "reconcile": (STRATEGY, _switch("ADOPT"), ON),
    "alert-test": (ON,),
    "canary": (ON,),
    "stats": (ON,),
    "plan": (ON,),
    "dashboard": (SERVER,),
    "audit": (SERVER, _switch("JSON")),
    "provision": (SERVER, _switch("YES")),
    "deploy": (SERVER, ONE_OR_ALL, DRY_RUN, WAIT, _switch("YES")),
    "backup": (
        Variable("TO", "~/openbell.tar.gz", required=True),
        KEEP,
        ON,
    ),
    "restore": (Variable("FROM", "~/openbell.tar.gz", required=True, attribute="source"), ON),
    "database": (ON,),
    "database-backup": (Variable("TO", "~/database.tar"), ON),
    "database-restore": (
        Variable(
            "AT", "2026-11-20T09:35Z", read=readers.instant, allowed="a date and a time such as 2026-11-20T09:35Z"
        ),
        Variable("FROM", "~/database.tar", attribute="source"),
        ON,
    ),
    "move-to-database": (ON,),
    "move-from-database": (ON,),
    "upgrade": (
        Variable(
            "TO",
            "0.2.0",
            read=readers.matching(r"\w[\w.+/-]{0,99}"),
            allowed="a version such as 0.2.0, a branch or a commit",
        ),
        DRY_RUN,
    ),
    "move": (STRATEGY, Variable("HOST", "b", required=True)),
    "move-to": (SERVER, Variable("FROM", "old", attribute="source")),
    "rollback": (SERVER, Variable("TO", "20261121-101251-ba2a"), DRY_RUN, WAIT),
    "releases": (SERVER,),
}


def options(command: str, words: Sequence[str], environment: Mapping[str, str]) -> Namespace:
    """Return a command's options; CommandError names the variable, what was found and what is allowed."""
    typed = dict(_pair(command, word) for word in words)
    variables = VARIABLES.get(command, ())
    _refuse_others(command, variables, (*environment.get(GIVEN, "").split(), *typed))
    given = {**environment, **typed}
    return Namespace(
        command=command,
        **{one.attribute or one.name.lower(): _value(command, one, given.get(one.name, "")) for one in variables},
    )


def quoted(text: str) -> str:
    """Return a value between quotes and on one line; it may contain any characters."""
    return json.dumps(text, ensure_ascii=False)


def _pair(command: str, word: str) -> tuple[str, str]:
    name, separator, value = word.partition("=")
    if not separator or not name.isidentifier():
        msg = f"make {command}: found {quoted(word)}; allowed: {_usage(VARIABLES.get(command, ()))}"
        raise CommandError(msg, 2)
    return name, value


def _refuse_others(command: str, variables: Sequence[Variable], given: Iterable[str]) -> None:
    """Raise CommandError for a variable of another command, or one that seems misspelt: it would change nothing."""
    own = {one.name for one in variables} | EVERYWHERE
    others = {one.name for each in VARIABLES.values() for one in each}
    for name in given:
        close = get_close_matches(name.upper(), own, n=1, cutoff=0.7)
        if name not in own and (name in others or close):
            hint = f"did you mean {close[0]}=?" if close else f"allowed: {_usage(variables)}"
            msg = f"make {command}: {name}= is not a variable of this target; {hint}"
            raise CommandError(msg, 2)


def _usage(variables: Sequence[Variable]) -> str:
    return " ".join(f"{one.name}=" if one.required else f"[{one.name}=]" for one in variables) or "no variable"


def _value(command: str, variable: Variable, text: str) -> object:
    if not text.strip():
        if variable.required:
            name = variable.name
            msg = f"make {command} {name}=: is missing; for example: make {command} {name}={variable.example}"
            raise CommandError(msg, 2)
        return variable.default
    try:
        return variable.read(text)
    except ValueError:
        msg = f"make {command} {variable.name}=: found {quoted(text)}; allowed: {variable.allowed}"
        raise CommandError(msg, 2) from None


def must_exist(strategy: str, strategies: Path) -> None:
    """Raise CommandError unless the strategy has a folder here: its name becomes part of paths and commands."""
    known = [folder.name for folder in strategy_folders(strategies)]
    if strategy not in known:
        msg = f"STRATEGY: there is no strategy {quoted(strategy)}; {suggestion(strategy, known)}"
        raise CommandError(msg, 2)


def folder_must_exist(folder: Path) -> None:
    """Raise CommandError if the folder that OPENBELL_STRATEGIES names is not there."""
    if not folder.is_dir():
        msg = f"OPENBELL_STRATEGIES: there is no folder {folder}: `make init DIR={folder}` makes one"
        raise CommandError(msg)
