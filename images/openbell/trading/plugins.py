"""A class of the strategy's own that the manifest names by its import path, such as "my_broker:MyBroker"."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class ImportPathError(Exception):
    """The class cannot be had; the text is one line."""


def imported(module: str, name: str, folder: Path) -> Callable[..., Any]:
    """Return the class `name` of a module in the strategy's folder, or of a package that its requirements bring."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        msg = f'"{module}:{name}" cannot be imported from the strategy\'s folder: {type(error).__name__}: {error}'
        raise ImportPathError(" ".join(msg.split())) from error
    if not callable(found):
        msg = f'"{module}:{name}": the module {module} has no class {name}'
        raise ImportPathError(msg)
    made: Callable[..., Any] = found
    return made
