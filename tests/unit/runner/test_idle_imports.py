"""What an idle loop keeps in memory for nothing."""

import subprocess
import sys

# OpenSSL is 4 MB of which 0.6 are written; archives and event loops are no business of a loop that waits. dataclasses brings
# inspect, which brings ast and dis: openbell.records stands for it.
HEAVY = (
    "_hashlib",
    "ssl",
    "asyncio",
    "shutil",
    "bz2",
    "lzma",
    "ctypes",
    "email",
    "multiprocessing",
    "structlog",
    "dataclasses",
    "inspect",
    "socket",
)


def test_the_loop_imports_nothing_heavy_that_it_does_not_need() -> None:
    """Each megabyte is one a strategy on a small server."""
    code = "import sys, openbell.__main__, openbell.runner.service; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert sorted(set(HEAVY).intersection(loaded)) == []
