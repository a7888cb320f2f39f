"""What a host has already: its images, as chains of layers, and what else decides how to ship to it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from deploy.docker.engine import platform_of
from deploy.ssh import program
from deploy.ssh.connection import Connection
from deploy.transfer.images import Image, unchecked

Chain = tuple[str, ...]  # layers from the lowest up: an engine has a layer only on top of those below it

_ANSWER_WITHIN = 60  # seconds

Needed = Mapping[str, tuple[str, ...]]  # layer: names of the images that need it, in the order in which they travel


@dataclass(frozen=True)
class HostImages:
    """What a host's engine has, as far as shipping needs to know it."""

    chains: frozenset[Chain]  # every chain of layers that an image there begins with
    tags: Mapping[str, str] = field(default_factory=dict)  # tag: the id that the host's engine gives the image
    platform: str = "linux/amd64"
    engine: str = ""  # version
    containerd: bool = False  # whether its engine keeps images in containerd, where an id is a manifest's
    zstd: bool = True  # whether it can unpack zstd

    @property
    def layers(self) -> frozenset[str]:
        """Every layer that is there."""
        return frozenset(chain[-1] for chain in self.chains)

    def nothing(self) -> "HostImages":
        """Return the same host as if it had no image: for when what it says it has turns out not to be so."""
        return replace(self, chains=frozenset(), tags={})

    def known(self, layers: Sequence[str]) -> int:
        """Return how many layers, from the lowest up, need not be sent."""
        return next((count for count in range(len(layers), 0, -1) if tuple(layers[:count]) in self.chains), 0)

    def has(self, image: Image) -> bool:
        """Tell whether the host has this image by its tag, and it was seen to be whole when it came."""
        there = self.tags.get(image.tag)
        same = there is not None and unchecked(image.tag) not in self.tags and (self.containerd or there == image.id)
        return same and self.known(image.layers) == len(image.layers)


def read(connection: Connection) -> HostImages:
    """Ask the host what it has; CommandError if its Docker does not answer."""
    doing = "asking Docker there for its images"
    return parse(program.ask(connection, "images", timeout=_ANSWER_WITHIN, doing=doing))


def parse(text: str) -> HostImages:
    """Return the inventory that the host's answer describes."""
    answer = json.loads(text)
    system, _, machine = str(answer["platform"]).partition("/")
    return HostImages(
        chains=chains(image["layers"] or () for image in answer["images"]),
        tags={str(tag): str(image["id"]) for image in answer["images"] for tag in image["tags"] or ()},
        platform=platform_of(system, machine),
        engine=str(answer["engine"]),
        containerd=bool(answer["containerd"]),
        zstd=bool(answer["zstd"]),
    )


def chains(images: Iterable[Sequence[str]]) -> frozenset[Chain]:
    """Return all chains that the images' lists of layers begin with."""
    return frozenset(tuple(layers[:count]) for layers in images for count in range(1, len(layers) + 1))


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
