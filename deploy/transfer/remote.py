"""The host's half of shipping: functions for its own sh, and the words that call them."""

from pathlib import Path

from deploy.transfer.shipment import Shipment

FUNCTIONS = Path(__file__).with_name("remote.sh").read_text(encoding="utf-8")


def receive(shipment: Shipment) -> tuple[str, ...]:
    """Return the words that load the shipment from standard input, of which they read its bytes and none more."""
    return ("openbell_receive", shipment.compression, str(shipment.wire_bytes))


def verify(shipment: Shipment) -> tuple[str, ...]:
    """Return the words that tell whether the host has all images of the release whole, shipped now or there before."""
    words = ["openbell_verify"]
    for image in shipment.images:
        ids = dict.fromkeys((image.id, *image.host_ids))
        words += [image.tag, ",".join(ids), "new" if image.tag in shipment.moved else "kept"]
    return tuple(words)
