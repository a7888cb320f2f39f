"""What the store keeps of its file in memory."""

import ctypes
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from openbell.supervisor.store.store import Store
from tests.unit.supervisor.store.test_store import AT, RUN


class _Heap(ctypes.Structure):
    """struct mallinfo2 (mallinfo(3)): bytes."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in (*"abcdefg", "in_use", *"hi"))


def _bytes_in_use() -> int:
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = _Heap
    return int(mallinfo().in_use)


def test_what_the_store_keeps_of_its_file_can_be_freed(tmp_path: Path) -> None:
    """Two megabytes after a file of that size was read; the records are there as before."""
    run = RUN._replace(error="x" * 1_000)
    with closing(Store(tmp_path / "store.sqlite")) as store:
        with store.transaction():
            for number in range(3_000):
                store.runs.put("s", run._replace(run_id=f"r{number}", slot=AT + timedelta(minutes=number)))
        assert len(store.runs.recent("s", "b", 3_000)) == 3_000
        before = _bytes_in_use()
        store.release_cache()
        assert before - _bytes_in_use() > 1_000_000
        assert len(store.runs.recent("s", "b", 3_000)) == 3_000
