"""A large shipment is packed while it is sent."""

import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import CommandError
from deploy.log import log_to_stdout
from deploy.transfer.images import Layer
from deploy.transfer.packing import Packing
from deploy.transfer.shipment import Shipment
from deploy.transfer.upload import write

WITHIN = 30  # seconds


def test_bytes_are_given_while_others_are_still_packed(tmp_path: Path) -> None:
    """The rest comes when it is there, and nothing twice."""
    go = threading.Event()

    def pack(file: Path, tell: Callable[[int], None]) -> None:
        with file.open("wb", buffering=0) as packed:
            packed.write(b"first ")
            tell(100)
            go.wait(WITHIN)
            packed.write(b"second")
            tell(100)

    packing = Packing(pack, tmp_path / "archive", 200)
    pieces = packing.pieces()
    assert next(pieces) == b"first "
    assert packing.expected_bytes in {6, 12}  # half of it is read, or the first count has not come yet
    go.set()
    assert b"".join(pieces) == b"second"
    assert packing.wait() == 12


def test_a_shipment_is_written_as_it_is_packed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its size is known at the end; a plan that must have it waits."""

    def pack(file: Path, _: Callable[[int], None]) -> None:
        file.write_bytes(b"x" * 100_000)

    packing = Packing(pack, tmp_path / "archive", 100_000)
    layers = (Layer("sha256:0", 100_000, ("a",)),)
    shipment = Shipment((), layers, 0, "zstd", tmp_path / "archive", ("a:1",), packing=packing)
    stream = io.BytesIO()
    write(shipment, stream, log_to_stdout("text"))
    assert stream.getvalue() == b"x" * 100_000
    assert capsys.readouterr().out.startswith("openbell: shipped (bytes: 100.0 kB, seconds: ")
    assert "packed on the way" in shipment.lines()[0]
    assert "packed to 100.0 kB" in shipment.lines(exact=True)[0]


def test_what_cannot_be_packed_is_told_where_it_is_sent(tmp_path: Path) -> None:
    """And not taken for the end."""

    def pack(file: Path, _: Callable[[int], None]) -> None:
        file.write_bytes(b"some")
        msg = "No space left on device"
        raise OSError(msg)

    pieces = Packing(pack, tmp_path / "archive", 100).pieces()
    assert next(pieces) == b"some"
    with pytest.raises(CommandError, match="could not be packed: No space left on device"):
        next(pieces)


def test_packing_that_is_not_wanted_any_more_ends_at_its_next_piece(tmp_path: Path) -> None:
    """A dry run, or a person who says no."""
    began = threading.Event()

    def pack(_file: Path, tell: Callable[[int], None]) -> None:
        while True:
            began.set()
            tell(1)

    packing = Packing(pack, tmp_path / "archive", 100)
    began.wait(WITHIN)
    packing.end()
    with pytest.raises(CommandError, match="it was ended"):
        list(packing.pieces())
