"""Brings images to a host over its connection: only the layers that it lacks, packed once, and checked when they are there."""

from deploy.transfer import host_images
from deploy.transfer.delivery import deliver
from deploy.transfer.host_images import HostImages
from deploy.transfer.images import Image, Layer
from deploy.transfer.shipment import Shipment, prepared
from deploy.transfer.upload import write

__all__ = ["HostImages", "Image", "Layer", "Shipment", "deliver", "host_images", "prepared", "write"]
