"""Images that are damaged on their way, or were before: each is noticed and sent again."""

import io
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
import zstandard

from deploy.errors import CommandError
from deploy.log import Log
from deploy.ssh import program
from deploy.ssh.connection import Connection
from deploy.transfer import delivery, host_images, upload
from deploy.transfer.shipment import Shipment, prepared
from tests.deploy.shipping.blocks import Blocks, file_in, ship
from tests.deploy.shipping.interruptions import LAYER, Write, changed, has_arrived, packed_bytes, tags
from tests.machine.machine import Machine


def flipped(packed: bytes) -> bytes:
    """Change one bit in the middle of what travels."""
    middle = len(packed) // 2
    return packed[:middle] + bytes([packed[middle] ^ 1]) + packed[middle + 1 :]


@pytest.mark.usefixtures("running")
def test_a_byte_that_changes_on_the_way_is_noticed(
    server: Machine, blocks: Blocks, connection: Connection, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice damaged is a problem, and no image has the name; undamaged it arrives."""
    reference = blocks.build("app", ("large", LAYER))
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "write", changed(flipped))
        with pytest.raises(CommandError, match=r"vps: the images did not arrive whole: \S"):
            ship(connection, [reference], log)
    assert not tags(server, blocks.name("app"))
    has_arrived(server, connection.host, blocks, reference, log)


@pytest.mark.usefixtures("running")
def test_a_layer_that_was_damaged_before_it_was_packed_is_not_taken(
    server: Machine, blocks: Blocks, connection: Connection, log: Log, tmp_path: Path
) -> None:
    """Only its own id tells; the engine, or else the gate, finds out, and the name is not kept."""
    reference = blocks.build("app", ("large", LAYER))
    with prepared([reference], host_images.read(connection), log) as shipment:
        plain = bytearray(zstandard.ZstdDecompressor().stream_reader(packed_bytes(shipment)).read())
        plain[len(plain) // 2] ^= 1
        packed = zstandard.compress(bytes(plain))
        (tmp_path / "cargo").write_bytes(packed)
        wrong = replace(shipment, cargo=tmp_path / "cargo", wire_bytes=len(packed), packing=None)
        assert delivery.send(connection, wrong, log)
    assert not tags(server, blocks.name("app"))
    has_arrived(server, connection.host, blocks, reference, log)


@pytest.mark.usefixtures("running")
def test_an_image_that_nobody_has_checked_is_not_relied_upon(
    server: Machine, blocks: Blocks, connection: Connection, log: Log
) -> None:
    """An image whose deploy was cut off between load and check is sent and checked again, although its name is there."""
    reference = blocks.build("app", ("large", LAYER))
    with prepared([reference], host_images.read(connection), log) as shipment:
        packed = packed_bytes(shipment)
        words = ("deliver", shipment.compression, str(len(packed)), "[]")
        assert program.stream(connection, *words, source=io.BytesIO(packed)).code == 0
    tag = shipment.images[0].tag.rpartition(":")[2]
    assert sorted(tags(server, blocks.name("app"))) == [tag, f"{tag}-unchecked"]

    (again,) = ship(connection, [reference], log)

    assert again.moved == (shipment.images[0].tag,)
    assert tags(server, blocks.name("app")) == [tag]
    (nothing,) = ship(connection, [reference], log)
    assert not nothing.moved


def test_damage_that_happens_once_is_made_good(
    server: Machine, blocks: Blocks, connection: Connection, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time everything travels."""
    attempts: list[Write] = [changed(flipped), upload.write]

    def write(shipment: Shipment, stream: IO[bytes], log: Log) -> None:
        attempts.pop(0)(shipment, stream, log)

    monkeypatch.setattr(delivery, "write", write)
    sent = ship(connection, [blocks.build("app", ("large", LAYER))], log)
    assert len(sent) == 2
    assert file_in(server, sent[-1].images[0].tag, "/app-file-0") == blocks.content("large", LAYER)
