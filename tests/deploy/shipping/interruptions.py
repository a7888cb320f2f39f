"""Ways to disturb a shipment, and what must be on the server afterwards."""

from collections.abc import Callable
from typing import IO

from deploy.log import Log
from deploy.ssh.connection import Connection, Host
from deploy.transfer.shipment import Shipment
from tests.deploy.shipping.blocks import MEGABYTE, Blocks, file_in, ship
from tests.machine.machine import Machine

Write = Callable[[Shipment, IO[bytes], Log], None]
LAYER = 12 * MEGABYTE


def packed_bytes(shipment: Shipment) -> bytes:
    """Return all that travels, as soon as it is packed."""
    assert shipment.cargo
    if shipment.packing:
        shipment.packing.wait()
    return shipment.cargo.read_bytes()


def interrupted(part: float, happens: Callable[[], object]) -> Write:
    """Return a `write` in which something happens after this part of the bytes."""

    def write(shipment: Shipment, stream: IO[bytes], log: Log) -> None:
        packed = packed_bytes(shipment)
        point = int(len(packed) * part)
        stream.write(packed[:point])
        stream.flush()
        happens()
        stream.write(packed[point:])
        stream.flush()

    return write


def changed(change: Callable[[bytes], bytes]) -> Write:
    """Return a `write` that sends other bytes, though as many."""

    def write(shipment: Shipment, stream: IO[bytes], log: Log) -> None:
        packed = packed_bytes(shipment)
        wrong = change(packed)
        assert wrong != packed
        assert len(wrong) == len(packed)
        stream.write(wrong)
        stream.flush()

    return write


def tags(server: Machine, name: str) -> list[str]:
    """Return the tags that the server has of an image."""
    return server.docker("images", "--format", "{{.Tag}}", name).split()


def has_arrived(server: Machine, host: Host, blocks: Blocks, reference: str, log: Log) -> None:
    """Ship once more, over a connection of its own, and see that the image is whole."""
    with Connection(host) as again:
        sent = ship(again, [reference], log)
    assert file_in(server, sent[-1].images[0].tag, "/app-file-0") == blocks.content("large", LAYER)
