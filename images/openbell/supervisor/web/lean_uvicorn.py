"""Imports uvicorn without its command line, which nothing here uses: with click it takes the process 1.5 MB."""

import sys
from types import ModuleType


def _import_server_alone() -> None:
    stand_in = ModuleType("uvicorn.main")
    vars(stand_in).update(Server=None, main=None, run=None)
    sys.modules[stand_in.__name__] = stand_in
    try:
        import uvicorn.server  # noqa: PLC0415 - the stand-in has to be there before
    finally:
        del sys.modules[stand_in.__name__]
    vars(uvicorn)["Server"] = uvicorn.server.Server


if "uvicorn" not in sys.modules:
    _import_server_alone()
