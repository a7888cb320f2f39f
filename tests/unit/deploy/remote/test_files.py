"""Files on a disk that is full, before a write and in the middle of one: what was there stays, and nothing is torn."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.remote.files import append_durably, write_durably
from deploy.remote.records import Records, TransactionRecord


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file become larger: the write that reaches it is short, and the next one fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 1, 7, 20])
def test_a_file_that_could_not_be_replaced_keeps_its_text(tmp_path: Path, size: int) -> None:
    """The list of shipped images, a state, a plan: the old one is read on, and no part of the new one is left."""
    path = tmp_path / "shipped"
    write_durably(path, "one\n")
    with room_for(size), pytest.raises(OSError, match="File too large"):
        write_durably(path, "one\n" * 10)
    assert path.read_text() == "one\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("size", [8, 9, 20, 30])
def test_a_line_that_does_not_fit_leaves_nothing(tmp_path: Path, size: int) -> None:
    """The audit has whole lines only, and takes the next one when there is room again."""
    path = tmp_path / "audit.jsonl"
    append_durably(path, '{"a":1}')
    with room_for(size), pytest.raises(OSError, match="File too large"):
        append_durably(path, json.dumps({"b": "x" * 50}))
    append_durably(path, '{"c":3}')
    assert path.read_text() == '{"a":1}\n{"c":3}\n'


def test_a_line_after_a_torn_one_is_whole(tmp_path: Path) -> None:
    """A power cut in the middle of a line costs that line alone."""
    path = tmp_path / "audit.jsonl"
    path.write_text('{"a":1}\n{"b":')
    append_durably(path, '{"c":3}')
    assert path.read_text().splitlines()[-1] == '{"c":3}'


def test_an_audit_that_takes_no_line_is_told_with_the_end(tmp_path: Path) -> None:
    """The state fits where the audit does not, and says why the audit has no line."""
    records = Records(tmp_path)
    folder = tmp_path / "transactions/x"
    folder.mkdir(parents=True)
    records.audit_file.write_text(json.dumps({"a": "x" * 300}) + "\n")
    with room_for(200):
        TransactionRecord(folder).end(records, {"action": "deploy"}, "succeeded", "")
    state = TransactionRecord(folder).state
    assert state.startswith("ended succeeded the audit could not be written: File too large")
    assert len(records.audit_file.read_text().splitlines()) == 1


def test_a_release_that_could_not_take_over_is_not_the_current_one(tmp_path: Path) -> None:
    """If the count, the mark or the link fails, the previous one stays."""
    records = Records(tmp_path)
    for name in ("old", "new"):
        records.release(name).mkdir(parents=True)
    records.take_over("old")
    with room_for(0), pytest.raises(OSError, match="File too large"):
        records.take_over("new")
    assert records.current() == "old"
    assert [name for _, name in records.taken_over()] == ["old"]
    records.take_over("new")
    assert [name for _, name in records.taken_over()] == ["old", "new"]
