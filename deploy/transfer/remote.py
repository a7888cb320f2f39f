"""The host's half of shipping: the words that let the program there load a shipment and see that it is whole."""

import json
from collections.abc import Sequence

from deploy.ssh import program
from deploy.transfer.shipment import Shipment


def deliver(shipment: Shipment) -> Sequence[str]:
    """Return the words that load a shipment from standard input, and tell whether all images of the release are whole."""
    images = [
        {
            "tag": image.tag,
            "ids": list(dict.fromkeys((image.id, *image.host_ids))),
            "new": image.tag in shipment.moved,
        }
        for image in shipment.images
    ]
    size = shipment.wire_bytes if shipment.moved else 0
    return program.command("deliver", shipment.compression, str(size), json.dumps(images))
