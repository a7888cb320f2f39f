"""A new strategy: a folder that runs at once; its service is derived from it."""

import re
import shutil
from pathlib import Path
from string import Template

from deploy.cli.arguments import quoted
from deploy.errors import CommandError
from deploy.strategy_folders.names import refusal
from openbell.manifest import schema

# Also part of an image's name, which is why an underscore stands between two letters or digits, and alone.
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 40

MANIFEST = f"""\
{schema.LINE}
description = "Every minute one historical day: buys after three rising closes, sells after three falling ones"
timezone = "UTC"  # or the exchange's, such as "America/New_York"
market = "sample" # where bars come from
broker = "paper"  # where orders go

[[bot]]
id = "$name"
symbols = ["AAPL", "MSFT"]
every = "1m" # or at = "09:35", with days = "mon-fri" and, above, calendar = "XNYS"
"""

CODE = '''\
"""Buy what has risen for some days in a row, and sell it when it has fallen for as many."""

from itertools import pairwise

from openbell.strategy import Context

DAYS = 3
QUANTITY = 10


def run(ctx: Context) -> None:
    """Decide about every symbol, once per slot."""
    for symbol in ctx.symbols:
        closes = ctx.bars(symbol, "1d", DAYS + 1).closes
        rises = sum(later > earlier for earlier, later in pairwise(closes))
        held = ctx.position(symbol)
        ctx.signal(symbol, rises / DAYS, closes=closes)
        if rises == DAYS and not held:
            ctx.order(symbol, "buy", QUANTITY, reason=f"{DAYS} rising closes")
        elif rises == 0 and held:
            ctx.order(symbol, "sell", held, reason=f"{DAYS} falling closes")
        else:
            ctx.hold(symbol, reason=f"{rises} of {DAYS} closes rose")
'''


def must_be_a_name(variable: str, name: str, strategies: Path, compose: Path) -> None:
    """Raise CommandError, which names the variable, unless a new strategy may have this name."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        msg = f"{variable}: found {quoted(name)}; allowed: a name such as my_idea: lower-case letters, digits and single _ between them, at most {_LONGEST}"
        raise CommandError(msg, 2)
    if (strategies / name).exists():
        msg = f"{strategies / name} is there already: choose another name, or remove it first"
        raise CommandError(msg)
    if why := refusal(name, compose):
        msg = f"{variable}: found {quoted(name)}, which is {why}; choose another name"
        raise CommandError(msg, 2)


def create(name: str, strategies: Path, compose: Path) -> tuple[Path, ...]:
    """Write the strategy's two files; return what was written. Nothing is overwritten.

    compose: the folder of the kit's Compose files, whose other services' names are taken.
    """
    must_be_a_name("STRATEGY", name, strategies, compose)
    folder = strategies / name
    files = {folder / "strategy.toml": MANIFEST, folder / "strategy.py": CODE}
    try:
        folder.mkdir(parents=True)
        for path, text in files.items():
            path.write_text(Template(text).substitute(name=name), encoding="utf-8")
        return (*files, schema.write_schema(strategies))
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)  # half of a strategy would be in the way of the next attempt
        msg = f"{folder} cannot be written: {error.strerror}"
        raise CommandError(msg) from None
