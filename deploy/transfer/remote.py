"""The host's half of shipping: the words that let the program there load a shipment and see that it is whole."""

import json

from deploy.transfer.shipment import Shipment


def deliver(shipment: Shipment) -> tuple[str, ...]:
    """Return the command of the program there that loads a shipment from standard input, and tells whether all images of the release are whole."""
    images = [
        {
            "tag": image.tag,
            "ids": list(dict.fromkeys((image.id, *image.host_ids))),
            "new": image.tag in shipment.moved,
        }
        for image in shipment.images
    ]
    size = shipment.wire_bytes if shipment.moved else 0
    return ("deliver", shipment.compression, str(size), json.dumps(images))
