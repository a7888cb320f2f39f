"""Tests that are written for SQLite, taken for PostgreSQL: what a ledger and an account mean does not depend on where they are."""

import inspect
from collections.abc import Callable
from types import ModuleType

Test = Callable[..., None]


def written_for(module: ModuleType, *, without: frozenset[str] = frozenset()) -> dict[str, Test]:
    """Return a module's tests by name, but not those about files."""
    return {
        name: test
        for name, test in vars(module).items()
        if name.startswith("test_")
        and name not in without
        and not {"tmp_path", "path"} & inspect.signature(test).parameters.keys()
    }
