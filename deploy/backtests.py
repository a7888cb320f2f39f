"""Commands about the past: backtests, the comparison of a backtest with what really ran, and the history for both."""

import os
import sys
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy import processes, secrets
from deploy.cli import arguments
from deploy.cli.arguments import must_exist
from deploy.data.backups import installation_of, reason
from deploy.docker import compose
from deploy.errors import CommandError
from deploy.local import run as local
from deploy.local.processes import LocalPaths
from deploy.log import log_to_stdout
from deploy.settings import Settings, strategies_folder, values
from deploy.strategy_folders import packages
from openbell.manifest import load_all


def backtest(settings: Settings, options: Namespace) -> int:
    """Run a strategy over every slot of the past."""
    must_exist(options.strategy, strategies_folder())
    data = local.data_folder(settings.project, values(Path(".env"), os.environ))
    places = LocalPaths(strategies_folder().absolute(), data)
    local.install_packages([options.strategy], places, log_to_stdout(settings.log))
    span = [f"--{name}={day}" for name, day in (("from", options.first), ("to", options.last)) if day]
    choices = (f"--set={choice}" for choice in options.choices)
    walk = (f"--walk-forward={options.walk_forward}",) if options.walk_forward else ()
    words = (*span, *choices, *walk, f"--out=backtests/{options.strategy}", *options.options)
    given = values(Path(".env"), os.environ)
    own = [one for one in load_all(strategies_folder())[0] if one.name == options.strategy]
    found = secrets.filled(own, given)
    environment = {**os.environ, **{name: found[name] for one in own for name in one.secrets if name in found}}
    command = compose.backtest(options.strategy, words, places.packages(options.strategy))
    return processes.run(command, environment, answers_interrupt=True)


def compare(settings: Settings, options: Namespace) -> int:
    """Compare a backtest with what a strategy really did, here or on a host."""
    must_exist(options.strategy, strategies_folder())
    data = local.data_folder(settings.project, values(Path(".env"), os.environ))
    places = LocalPaths(strategies_folder().absolute(), data)
    local.install_packages([options.strategy], places, log_to_stdout(settings.log))
    asked = {"STRATEGY": options.strategy, "SINCE": options.since or "30d", "HOST": options.host or ""}
    environment = {name: value for name, value in os.environ.items() if name != arguments.GIVEN}
    with TemporaryDirectory(prefix="openbell-compare-") as scratch:
        lines = Path(scratch) / "journal.jsonl"
        # The journal is where the strategy runs; the command that prints it knows the way.
        command = (sys.executable, "-m", "deploy", "journal")
        if code := processes.run_into(lines, command, {**environment, **asked}):
            return code
        words = (f"--journal={lines}", f"--out=backtests/{options.strategy}", *options.options)
        if code := processes.run(compose.compare(options.strategy, words, places.packages(options.strategy))):
            return code
    show_on_the_page(settings, options)
    return 0


def show_on_the_page(settings: Settings, options: Namespace) -> None:
    """Hand the comparison to the supervisor; where that fails, the file here is all there is, and this says so."""
    file = Path("backtests", options.strategy, "compare.csv")
    try:
        with file.open("rb") as rows, installation_of(options.host, settings) as there:
            kept = there.keep_comparison(options.strategy, rows)
        failed = reason(kept.errors) if kept.code else ""
    except CommandError as problem:
        failed = str(problem)
    print(f"the page does not show it: {failed}" if failed else "the page of each of these runs shows it")


def history(settings: Settings, options: Namespace) -> int:
    """Fetch bars of a market and keep them for backtests."""
    given = values(Path(".env"), os.environ)
    library = "alpaca-py" if options.market == "alpaca" else "ccxt"
    strategies, user = packages.user_of(library, (strategies_folder().absolute(), Path("strategies").absolute()))
    places = LocalPaths(strategies, local.data_folder(settings.project, given))
    local.install_packages([user], places, log_to_stdout(settings.log))
    named = {"from": options.first, "to": options.last, "timeframe": options.timeframe, "feed": options.feed}
    words = tuple(f"--{name}={value}" for name, value in named.items() if value)
    keys = {name: secrets.value(name, given) for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")}
    addresses = {name: value for name, value in given.items() if name.endswith("_URL")}
    environment = {**os.environ, **addresses, **(keys if options.market == "alpaca" else {})}
    command = compose.history(options.market, options.symbols, words, places.packages(user))
    return processes.run(command, environment, answers_interrupt=True)
