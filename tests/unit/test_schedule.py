"""The order of the suite's files names files that are there."""

from itertools import chain
from pathlib import Path

import pytest

from tests import schedule

ROOT = Path(__file__).parents[2]
FILES = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")]


@pytest.mark.parametrize("part", [*schedule.LONG_FIRST, *schedule.WAITING, *chain(*schedule.TOGETHER.items())])
def test_what_is_named_is_there(part: str) -> None:
    """A file that was renamed would lose its place, or its server."""
    assert any(part in file for file in FILES)


def test_long_files_come_first() -> None:
    """In the order in which they are listed, and everything else after them."""
    assert schedule.place("/kit/tests/deploy/test_deploy.py") == 0
    assert schedule.place("/kit/tests/unit/test_clock.py") == len(schedule.LONG_FIRST)
