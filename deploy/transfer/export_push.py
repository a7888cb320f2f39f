"""Exports missing layers from the local engine by a push to the capturing registry: the quick way, for a change."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deploy import scratch
from deploy.docker.engine import address
from deploy.transfer.capturing_registry import CapturingRegistry, catching
from deploy.transfer.images import Local, digest
from deploy.transfer.layer_cache import LayerCache

if TYPE_CHECKING:
    from docker import DockerClient

LIMIT = 24 << 20  # packed bytes; beyond it `docker save` is no slower than the engine's packing
_TAG = "shipping"
_USUAL = "unix:///var/run/docker.sock"
_HEARD_WITHIN = 5.0  # seconds; an engine that has not come by then cannot reach this machine's loopback
_DONE_WITHIN = 120.0


def possible() -> bool:
    """Tell whether the local engine may be able to reach our loopback: not if it is elsewhere."""
    return (address() or _USUAL).startswith("unix://")


def export(client: "DockerClient", images: Sequence[Local], needed: Mapping[str, object], cache: LayerCache) -> bool:
    """Put the layers that are needed into the cache; tell whether all are there."""
    with (
        scratch.folder() as folder,
        catching(folder, LIMIT) as registry,
        pushed(client, registry, images) as push,
    ):
        if not push():
            return False
        packed = _collect(registry, images, needed, cache)
        if packed is None:
            return False
        lacking = {packed[layer] for layer in needed if layer not in cache.layers}
        if lacking:  # pushed before, to somewhere else, so the engine only asked
            registry.wanted.update(lacking)
            if not push():
                return False
            _collect(registry, images, needed, cache)
    return all(layer in cache.layers for layer in needed)


def _collect(
    registry: CapturingRegistry, images: Sequence[Local], needed: Mapping[str, object], cache: LayerCache
) -> Mapping[str, str] | None:
    """Put what was caught into the cache; return under which digest each layer is packed, or None if an image is another one."""
    packed: dict[str, str] = {}
    for image in images:
        layers = packed_layers(image, registry.manifests)
        if len(layers) != len(image.layers):
            return None
        packed |= zip(image.layers, layers, strict=True)
    for layer, where in packed.items():
        if layer in needed and layer not in cache.layers and registry.blob(where).exists():
            with registry.blob(where).open("rb") as file:
                cache.put(file, {layer})
    return packed


def packed_layers(image: Local, manifests: Mapping[str, bytes]) -> Sequence[str]:
    """Return the digests of an image's packed layers, the lowest first, from what an engine has pushed; nothing if it is another image.

    An engine that keeps images in containerd calls an image by its manifest, or by an index of one manifest for each platform
    and of those that say how it was built.
    """
    pushed = manifests.get(f"{image.name}:{_TAG}", b"{}")
    found = json.loads(pushed)
    names = {digest(pushed), str(found.get("config", {}).get("digest"))}
    for one in found.get("manifests", ()):
        platform = one.get("platform", {})
        if f"{platform.get('os')}/{platform.get('architecture')}" == image.platform:
            found = json.loads(manifests.get(str(one["digest"]), b"{}"))
    return [str(one["digest"]) for one in found.get("layers", ())] if image.id in names else ()


@contextmanager
def pushed(
    client: "DockerClient", registry: CapturingRegistry, images: Sequence[Local]
) -> Iterator[Callable[[], bool]]:
    """Name the images as the registry's; give what pushes them and tells whether all of it went well; take the names away."""
    from docker.errors import DockerException  # noqa: PLC0415 - loading it takes longer than most commands

    names = [f"{registry.repository}/{image.name}" for image in images]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for image, name in zip(images, names, strict=True):
            client.api.tag(image.id, name, _TAG)
        # The user's own configuration would have a credential helper asked about a registry that knows no users.
        with scratch.folder() as empty:
            start = ("docker", "--config", str(empty), "--host", address() or _USUAL, "push", "--quiet")

            def push() -> bool:
                running[:] = [
                    subprocess.Popen((*start, f"{name}:{_TAG}"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    for name in names
                ]
                return _ended_well(running, registry)

            yield push
    finally:
        for process in running:
            process.kill()  # the engine ends a push whose client is gone
            process.wait()
        for name in names:
            try:
                client.images.remove(f"{name}:{_TAG}", noprune=True)
            except DockerException:
                continue  # it was never named so


def _ended_well(running: Sequence["subprocess.Popen[bytes]"], registry: CapturingRegistry) -> bool:
    started = time.monotonic()
    while any(process.poll() is None for process in running):
        waited = time.monotonic() - started
        if (
            registry.overrun.is_set()
            or waited > _DONE_WITHIN
            or (waited > _HEARD_WITHIN and not registry.heard.is_set())
        ):
            return False
        time.sleep(0.01)
    return all(process.returncode == 0 for process in running)
