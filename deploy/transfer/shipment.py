"""What is ready to be sent: images of a release, and the packed bytes of what the host lacks of them."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deploy import scratch
from deploy.docker import engine
from deploy.errors import CommandError
from deploy.log import Log
from deploy.remote.images import TO_THE_END
from deploy.transfer import archive, export_push, export_save
from deploy.transfer.host_images import HostImages, Needed, needed
from deploy.transfer.images import Image, Layer, Local, digest, look_up
from deploy.transfer.layer_cache import LayerCache, base_of_image, content_of_image
from deploy.transfer.packing import Packing
from deploy.transfer.warm_up import priming

if TYPE_CHECKING:
    from docker import DockerClient

_UNPACKING = 2.2  # times the unpacked bytes: an engine of 20.10 keeps the archive in addition to what it unpacks
_MARGIN = 64 << 20  # bytes
ENGINE_TIMEOUT = 60  # seconds
NOTHING_KNOWN: Mapping[str, str] = {}


@dataclass(frozen=True)
class Shipment:
    """All images of a release, and what of them travels. `cargo` is in a folder that goes with the `prepared` block.

    What is large is packed while it is sent: then `wire_bytes` is 0, and `packing` has the bytes as they come.
    """

    images: tuple[Image, ...]
    layers: tuple[Layer, ...]
    wire_bytes: int
    compression: archive.Compression
    cargo: Path | None = None
    moved: tuple[str, ...] = ()  # tags of the images that travel, some of them perhaps without any layer
    renamed: tuple[str, ...] = ()  # tags of images that are there by another name
    contents: Mapping[str, str] = field(default_factory=dict)  # layer: what it holds, whenever it was built
    packing: Packing | None = field(default=None, compare=False, repr=False)
    sent: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)

    @property
    def moving(self) -> tuple[Image, ...]:
        """The images that travel."""
        return tuple(image for image in self.images if image.tag in self.moved)

    @property
    def unpacked_bytes(self) -> int:
        """What the layers come to on the host."""
        return sum(layer.bytes for layer in self.layers)

    @property
    def disk_bytes(self) -> int:
        """What the host's disk must have room for while the images are loaded."""
        return int(self.unpacked_bytes * _UNPACKING) + _MARGIN if self.moved else 0

    def lines(self, *, exact: bool = False) -> tuple[str, ...]:
        """Return what a plan says about it; exact: also how large it is packed, which may have to be waited for."""
        if not self.moved:
            return (f"images: nothing to ship{f': all {len(self.images)} are there' if self.images else ''}",)
        count = self.packing.wait() if self.packing and exact else self.wire_bytes
        packed = f"to {size(count)}" if count else "on the way"
        first = (
            f"images: {len(self.moved)} of {len(self.images)} to ship: {_count(len(self.layers), 'layer')}, "
            f"{size(self.unpacked_bytes)}, packed {packed} ({self.compression})"
        )
        layers = (
            f"    {layer.id.removeprefix('sha256:')[:12]}  {size(layer.bytes):>9}  {', '.join(layer.of)}"
            for layer in self.layers
        )
        return (first, *layers)


@contextmanager
def prepared(
    references: Sequence[str],
    inventory: HostImages,
    log: Log,
    known: Mapping[str, str] = NOTHING_KNOWN,
    kept: Mapping[str, str] = NOTHING_KNOWN,
) -> Iterator[Shipment]:
    """Take out of the local engine what the host lacks of these images, and pack it, for as long as the block lasts.

    known: the contents of layers that earlier releases brought. kept: by reference the content that the release there has,
    perhaps by another name; such an image does not travel. CommandError if an image is not built, or is for another kind of
    machine than the host.
    """
    with scratch.folder() as folder, engine.client(engine.address(), ENGINE_TIMEOUT) as client:
        local = look_up(client, references)
        for image in local:
            if image.platform != inventory.platform:
                msg = f"{image.reference} is for {image.platform}, and the host is {inventory.platform}: build it with DOCKER_DEFAULT_PLATFORM={inventory.platform}"
                raise CommandError(msg)
        moving = tuple(
            one
            for one in local
            if not inventory.has(one.image)
            and kept.get(one.reference) != content_of_image(one.layers, known, one.settings)
        )
        wanted = needed([(image.name, image.layers) for image in moving], inventory)
        cache = LayerCache(folder)
        lacking = [image for image in moving if inventory.known(image.layers) < len(image.layers)]
        pushed = _take(client, lacking, wanted, inventory, cache, log)
        shipment = _pack(local, moving, wanted, inventory, cache, folder / "cargo", known)
        try:
            with priming(client, () if pushed else lacking, shipment.sent):
                yield shipment
        finally:
            if shipment.packing:
                shipment.packing.end()


def _take(
    client: "DockerClient",
    moving: Sequence[Local],
    wanted: Needed,
    inventory: HostImages,
    cache: LayerCache,
    log: Log,
) -> bool:
    """Put what must travel into the cache; tell whether the engine knows all layers' packed names now."""
    if not moving:
        return True
    by_push = export_push.possible()
    # A chain of which the host has nothing brings a base image: where all of it is needed, `docker save` is quicker.
    if (
        by_push
        and all(inventory.known(image.layers) for image in moving)
        and export_push.export(client, moving, wanted, cache)
    ):
        return True
    log.info("taking images out of the local engine", images=len(moving))
    export_save.export(moving, wanted, cache)
    return not by_push


def _pack(
    local: Sequence[Local],
    moving: Sequence[Local],
    wanted: Needed,
    inventory: HostImages,
    cache: LayerCache,
    file: Path,
    known: Mapping[str, str],
) -> Shipment:
    compression: archive.Compression = "zstd" if inventory.zstd else "gzip"
    sizes = {layer: cache.size(layer) for layer in wanted}
    images, moved, renamed = [], [], []
    for one in local:
        image = one.image
        if one in moving:
            image = replace(image, host_ids=(digest(archive.manifest(image, sizes)),))
            moved.append(image)
        elif image.tag in inventory.tags:
            image = replace(image, host_ids=(inventory.tags[image.tag],))
        else:
            renamed.append(image.tag)
        images.append(image)
    packing = _begin(moved, wanted, sizes, cache, compression, file) if moved else None  # goes on beside what follows
    contents = {**known, **{layer: cache.content(layer) for layer in wanted}}
    settings = {image.reference: image.settings for image in local}
    images = [
        replace(
            one,
            content=content_of_image(one.layers, contents, settings[one.reference]),
            base=base_of_image(one.layers, contents, settings[one.reference]),
        )
        for one in images
    ]
    return Shipment(
        images=tuple(images),
        layers=tuple(Layer(layer, sizes[layer], names) for layer, names in wanted.items()) if moved else (),
        wire_bytes=file.stat().st_size if moved and packing is None else 0,
        compression=compression,
        cargo=file if moved else None,
        contents={layer: contents[layer] for image in images for layer in image.layers if layer in contents},
        moved=tuple(image.tag for image in moved),
        renamed=tuple(renamed),
        packing=packing,
    )


def _begin(
    moved: Sequence[Image],
    wanted: Needed,
    sizes: Mapping[str, int],
    cache: LayerCache,
    compression: archive.Compression,
    file: Path,
) -> Packing | None:
    """Pack what is small, so that a plan can tell its size; what is large is packed while it is sent."""
    pack = partial(archive.pack, moved, tuple(wanted), cache, compression)
    if (total := sum(sizes.values())) > archive.SMALL:
        return Packing(pack, file, total)
    pack(file)
    return None


def size(count: int) -> str:
    """Return bytes as a person reads them."""
    for unit, bytes_of in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= bytes_of:
            return f"{count / bytes_of:.1f} {unit}"
    return f"{count} B"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def load_command(shipment: Shipment) -> tuple[str, ...]:
    """Return the command of the program there that loads a shipment from standard input, and tells whether all images of the release are whole."""
    images = [
        {
            "tag": image.tag,
            "ids": list(dict.fromkeys((image.id, *image.host_ids))),
            "new": image.tag in shipment.moved,
        }
        for image in shipment.images
        if image.tag not in shipment.renamed
    ]
    size = TO_THE_END if shipment.packing else shipment.wire_bytes if shipment.moved else 0
    return ("deliver", shipment.compression, str(size), json.dumps(images))
