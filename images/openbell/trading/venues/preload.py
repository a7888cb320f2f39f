"""Where a venue's library is loaded: in the loop, from which runs are forked, or in each run.

Loaded in the loop it takes its memory always (alpaca-py 69 MB, one exchange of ccxt 33 MB), and a run costs nothing more. Loaded in
the run it takes that memory and CPU (0.6 s, 0.2 s) once a run: for thirteen bots due together 826 MB and 10 s instead of
115 MB and none. So a strategy with one bot stays small between its runs, and one with several loads it once.
"""

import importlib.util

from openbell.manifest import Manifest

PACKAGES = {"alpaca": ("alpaca", "alpaca-py"), "ccxt": ("ccxt", "ccxt")}  # what is imported, and what is installed


class LibraryMissingError(Exception):
    """The image has no library for a market or broker that the manifest names; the text says what to do."""


def preload(manifest: Manifest) -> None:
    """Load the libraries of the manifest's market and broker if several bots share them; LibraryMissingError if one is not there."""
    names = [name for name in dict.fromkeys((manifest.market, manifest.broker)) if name.partition(":")[0] in PACKAGES]
    for name in names:
        module, package = PACKAGES[name.partition(":")[0]]
        if importlib.util.find_spec(module) is None:
            msg = f'"{name}" needs {package}, which is not in this image: lock it into the strategy\'s requirements.txt and build again'
            raise LibraryMissingError(msg)
    if sum(not bot.is_stream for bot in manifest.bots) < 2:
        return
    for name in names:
        if name == "alpaca":
            from openbell.trading.venues import alpaca  # noqa: PLC0415 - only what the strategy uses is loaded

            alpaca.load()
        else:
            from openbell.trading.venues import exchange  # noqa: PLC0415 - as above

            exchange.load(name.partition(":")[2])
