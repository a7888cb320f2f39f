"""The command line's words: which arguments each command takes."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

Argument = tuple[tuple[str, ...], Mapping[str, Any]]


def _of(*names: str, **settings: object) -> Argument:
    return names, settings


STRATEGY = _of("strategy")
ONE_OR_ALL = _of("strategy", nargs="?")
BOT = _of("bot")
HOST = _of("host", help="what `ssh` understands")
DRY_RUN = _of("--dry-run", action="store_true", help="only show the plan")
WAIT = _of("--wait", choices=("idle",), help="only when nothing runs or is due soon")
ON = _of("--host", help="another machine than this one: what `ssh` understands")

ARGUMENTS: Mapping[str, tuple[Argument, ...]] = {
    "ps": (ON,),
    "run": (ON, STRATEGY, _of("--bot", help="only this bot")),
    "new": (STRATEGY,),
    "next": (ONE_OR_ALL,),
    "crontab": (ONE_OR_ALL,),
    "backtest": (STRATEGY, _of("options", nargs=argparse.REMAINDER, help="those of `openbell backtest`")),
    "serverless": (
        _of("target", choices=("digitalocean", "aws", "gcp")),
        STRATEGY,
        _of("--memory", type=int, default=256, help="MB that the function may use"),
    ),
    "logs": (ON, ONE_OR_ALL, _of("--no-follow", action="store_true", help="print what is there, and end")),
    "journal": (
        ON,
        STRATEGY,
        _of("--symbol", help="only lines about this symbol"),
        _of("--since", help='a duration such as "2h", or a date'),
    ),
    "pause": (
        ON,
        BOT,
        _of("--for", dest="length", help='how long, such as "2h"'),
        _of("--reason", required=True),
    ),
    "resume": (ON, BOT),
    "halt": (ON, _of("--reason", required=True)),
    "unhalt": (ON,),
    "reconcile": (ON, STRATEGY, _of("--adopt", action="store_true", help="take the broker's word for what is held")),
    "alert-test": (ON,),
    "canary": (ON,),
    "stats": (ON,),
    "plan": (ON,),
    "dashboard": (HOST,),
    "audit": (HOST, _of("--json", action="store_true", help="the lines as they are")),
    "provision": (HOST, _of("--yes", action="store_true", help="do not ask")),
    "deploy": (HOST, DRY_RUN, WAIT, _of("--strategy", help="only this one; the others stay as they are there")),
    "rollback": (HOST, DRY_RUN, WAIT, _of("--to", help="a release; default: the one before")),
    "releases": (HOST,),
}


def parser(commands: Mapping[str, Callable[..., int]]) -> argparse.ArgumentParser:
    """Return the parser of the command line; a command's help is its function's."""
    top = argparse.ArgumentParser(prog="python -m deploy", description="the host's side of openbell")
    subparsers = top.add_subparsers(dest="command", required=True)
    for name, function in commands.items():
        command = subparsers.add_parser(name, help=function.__doc__)
        for names, settings in ARGUMENTS.get(name, ()):
            command.add_argument(*names, **settings)
    return top
