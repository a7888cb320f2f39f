"""Brings images to a host over its connection: only the layers that it lacks, packed once, and checked when they are there."""

from deploy.shipping import inventory, remote
from deploy.shipping.delivery import ship
from deploy.shipping.images import Image, Layer
from deploy.shipping.inventory import Inventory
from deploy.shipping.sending import write
from deploy.shipping.shipment import Shipment, prepared

__all__ = ["Image", "Inventory", "Layer", "Shipment", "inventory", "prepared", "remote", "ship", "write"]
