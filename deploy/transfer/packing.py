"""Packs a large shipment into a file while the part that is packed already is sent."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from deploy.errors import CommandError

_PIECE = 1 << 16
_LOOK_EVERY = 0.02  # seconds

Pack = Callable[
    [Path, Callable[[int], None]], None
]  # writes to a file, and tells how many unpacked bytes each piece had


class EndedError(Exception):
    """The rest is not needed."""


class Packing:
    """The file grows in a thread of its own, from the moment that this is made."""

    def __init__(self, pack: Pack, file: Path, unpacked_bytes: int) -> None:
        self._file, self._unpacked_bytes = file, unpacked_bytes
        self._read = 0
        self._over, self._is_wanted, self._problem = threading.Event(), True, ""
        file.touch()
        self._thread = threading.Thread(target=self._work, args=(pack,), daemon=True)
        self._thread.start()

    @property
    def expected_bytes(self) -> int:
        """How many packed bytes there will be; an estimate until all are there."""
        written = self._file.stat().st_size
        if self._over.is_set() or not self._read:
            return written
        return max(written, written * self._unpacked_bytes // self._read)

    def wait(self) -> int:
        """Wait until all is packed, and return how many bytes that is."""
        self._over.wait()
        return self.expected_bytes

    def pieces(self) -> Iterator[bytes]:
        """Give all packed bytes, as they come; CommandError if packing fails."""
        with self._file.open("rb") as packed:
            while True:
                is_over = self._over.is_set()
                if piece := packed.read(_PIECE):
                    yield piece
                elif is_over:
                    break
                else:
                    self._over.wait(_LOOK_EVERY)
        if self._problem:
            msg = f"the images could not be packed: {self._problem}"
            raise CommandError(msg)

    def end(self) -> None:
        """Stop packing, and wait until nothing is written any more."""
        self._is_wanted = False
        self._thread.join()

    def _work(self, pack: Pack) -> None:
        try:
            pack(self._file, self._count)
        except EndedError:
            self._problem = "it was ended"
        except Exception as error:  # noqa: BLE001 - it is told where the bytes are asked for
            self._problem = str(error)
        finally:
            self._over.set()

    def _count(self, read: int) -> None:
        if not self._is_wanted:
            raise EndedError
        self._read += read
