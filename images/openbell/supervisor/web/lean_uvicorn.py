"""Imports uvicorn without what nothing here uses: its command line, which takes 1.5 MB with click, and logging.config, 1 MB."""

import sys
from types import ModuleType


def _import_server_alone() -> None:
    stand_in = ModuleType("uvicorn.main")
    vars(stand_in).update(Server=None, main=None, run=None)
    # With `log_config=None` uvicorn only imports it: its handlers bring socketserver and pickle.
    stand_ins = [stand_in, *([] if "logging.config" in sys.modules else [ModuleType("logging.config")])]
    sys.modules.update((one.__name__, one) for one in stand_ins)
    try:
        import uvicorn.server  # noqa: PLC0415 - the stand-ins have to be there before
    finally:
        for one in stand_ins:
            del sys.modules[one.__name__]
    vars(uvicorn)["Server"] = uvicorn.server.Server


if "uvicorn" not in sys.modules:
    _import_server_alone()
