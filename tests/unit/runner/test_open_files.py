"""When the files of a strategy are searched for."""

import subprocess
import sys
from pathlib import Path

import pytest

FLUSH = """
import gc, sys
from pathlib import Path
from openbell.runner import open_files
gc.get_objects = lambda: [print("searched")]
file = open(sys.argv[1], "w") if sys.argv[1] else None
open_files.flush(Path("/nowhere"))
"""


@pytest.mark.parametrize("opens", [True, False])
def test_all_objects_are_searched_only_where_the_strategy_has_a_file_open(tmp_path: Path, *, opens: bool) -> None:
    """The process's own output is no such file, also where it goes into one, as cron's does."""
    opened = str(tmp_path / "opened") if opens else ""
    with (tmp_path / "log").open("w") as log:
        done = subprocess.run(
            [sys.executable, "-c", FLUSH, opened], check=True, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert done.stdout.split() == ["searched"] * opens
