"""Decides what must travel. Pure."""

from collections.abc import Iterable, Mapping

from deploy.transfer.host_images import HostImages

Needed = Mapping[str, tuple[str, ...]]  # layer: names of the images that need it, in the order in which they travel


def needed(images: Iterable[tuple[str, tuple[str, ...]]], inventory: HostImages) -> Needed:
    """Return the layers to send for these images (name, layers).

    Of each image only the longest beginning that the host has may be left out: an engine looks for a layer on top of
    those below it, not by itself.
    """
    layers: dict[str, list[str]] = {}
    for name, chain in images:
        for layer in chain[inventory.known(chain) :]:
            names = layers.setdefault(layer, [])
            if name not in names:
                names.append(name)
    return {layer: tuple(names) for layer, names in layers.items()}
