"""A new strategy: a folder that runs at once, and its service."""

import re
from pathlib import Path
from string import Template

from deploy.cli.arguments import quoted
from deploy.docker.services import names
from deploy.errors import CommandError
from deploy.strategy_checks.names import refusal

# Also part of an image's name, which is why an underscore stands between two letters or digits, and alone.
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 40

MANIFEST = """\
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

SERVICE = """
  $name:
    extends:
      file: compose/base.yaml
      service: strategy
    image: $${COMPOSE_PROJECT_NAME:-openbell}/$name:$${OPENBELL_TAG:-local}
    build:
      args:
        STRATEGY: $name
"""


def create(name: str, strategies: Path, services: Path) -> tuple[Path, ...]:
    """Write the strategy's two files and append its service; return what was written. Nothing is overwritten."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        msg = f"STRATEGY: found {quoted(name)}; allowed: a name such as my_idea: lower-case letters, digits and single _ between them, at most {_LONGEST}"
        raise CommandError(msg, 2)
    folder = strategies / name
    listed = services.read_text(encoding="utf-8")
    if folder.exists():
        msg = f"{folder} is there already: choose another name, or remove it first"
        raise CommandError(msg)
    if name in names(services):
        msg = f"{services} has a service {name} already: choose another name, or remove it first"
        raise CommandError(msg)
    if reason := refusal(name, services.parent):
        msg = f"STRATEGY: found {quoted(name)}, which is {reason}; choose another name"
        raise CommandError(msg, 2)
    files = {folder / "strategy.toml": MANIFEST, folder / "strategy.py": CODE}
    folder.mkdir()
    for path, text in files.items():
        path.write_text(Template(text).substitute(name=name), encoding="utf-8")
    # Appended, so that what a person wrote there, comments too, stays as it is.
    with services.open("a", encoding="utf-8") as end:
        end.write(("" if listed.endswith("\n") else "\n") + service(name))
    return (*files, services)


def service(name: str) -> str:
    """Return the lines that a strategy needs in compose/strategies.yaml."""
    return Template(SERVICE).substitute(name=name)
