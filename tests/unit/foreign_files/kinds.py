"""Kinds of files that another process may put in the place of ours."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
GIGABYTE = 1 << 30


def brackets(path: Path) -> None:
    """Lists within each other, 100,000 deep."""
    path.write_text("[" * 100_000)


def fifo(path: Path) -> None:
    """A pipe without a writer."""
    os.mkfifo(path)


def directory(path: Path) -> None:
    """A directory that is not empty."""
    path.mkdir()
    (path / "x").touch()


def link(path: Path) -> None:
    """A link to a file that could be read."""
    target = path.parent / "elsewhere"
    target.write_text(json.dumps({"since": "2026-01-01T00:00:00Z"}))
    path.symlink_to(target)


def endless(path: Path) -> None:
    """A link to a device that never ends."""
    path.symlink_to("/dev/zero")


def sparse_4(path: Path) -> None:
    """4 GB of nothing."""
    path.touch()
    os.truncate(path, 4 * GIGABYTE)


def sparse_100(path: Path) -> None:
    """100 GB of nothing."""
    path.touch()
    os.truncate(path, 100 * GIGABYTE)


def not_text(path: Path) -> None:
    """Bytes that are no UTF-8."""
    path.write_bytes(b'{"since": "\xff\xfe"}')


def huge_number(path: Path) -> None:
    """A number of 5,000 digits in a list that is not an object."""
    path.write_text("[" + "9" * 5_000 + "]")


def forbidden(path: Path) -> None:
    """A link that leads in a circle."""
    path.symlink_to(path.name)


FOREIGN = (brackets, fifo, directory, link, endless, sparse_4, sparse_100, not_text, huge_number, forbidden)

foreign = pytest.mark.parametrize("plant", FOREIGN, ids=lambda plant: plant.__name__)
