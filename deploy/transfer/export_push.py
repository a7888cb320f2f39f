"""Takes what is missing out of the local engine by a push to the catcher: the quick way, for a change."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deploy import scratch
from deploy.docker.engine import address
from deploy.transfer.capturing_registry import CapturingRegistry, catching
from deploy.transfer.images import Local, digest, layers_of
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


def export(client: "DockerClient", images: Sequence[Local], needed: Mapping[str, object], spool: LayerCache) -> bool:
    """Put the configurations of the images and the layers that are needed into the spool; tell whether all are there."""
    with (
        scratch.folder() as folder,
        catching(folder, LIMIT) as catcher,
        pushed(client, catcher, images) as push,
    ):
        catcher.wanted.update(image.id for image in images)
        if not push():
            return False
        if any(not catcher.blob(image.id).exists() for image in images):
            return False  # an engine that keeps images in containerd: their ids are not their configurations'
        packed = _collect(catcher, images, needed, spool)
        lacking = {packed[layer] for layer in needed if layer not in spool.layers}
        if lacking:  # pushed before, to somewhere else, so the engine only asked
            catcher.wanted.update(lacking)
            if not push():
                return False
            _collect(catcher, images, needed, spool)
    return all(layer in spool.layers for layer in needed)


def _collect(
    catcher: CapturingRegistry, images: Sequence[Local], needed: Mapping[str, object], spool: LayerCache
) -> Mapping[str, str]:
    """Put what was caught into the spool; return under which digest each layer is packed."""
    packed: dict[str, str] = {}
    for image in images:
        manifest = json.loads(catcher.manifests[f"{image.name}:{_TAG}"])
        configuration = catcher.blob(manifest["config"]["digest"]).read_bytes()
        if digest(configuration) != image.id:
            msg = f"{image.reference}: the engine sent another configuration than it shows"
            raise ValueError(msg)
        spool.configurations[image.reference] = configuration
        packed |= zip(layers_of(configuration), (one["digest"] for one in manifest["layers"]), strict=True)
    for layer, where in packed.items():
        if layer in needed and layer not in spool.layers and catcher.blob(where).exists():
            with catcher.blob(where).open("rb") as file:
                spool.put(file, {layer})
    return packed


@contextmanager
def pushed(client: "DockerClient", catcher: CapturingRegistry, images: Sequence[Local]) -> Iterator[Callable[[], bool]]:
    """Name the images as the catcher's; give what pushes them and tells whether all of it went well; take the names away."""
    from docker.errors import DockerException  # noqa: PLC0415 - loading it takes longer than most commands

    names = [f"{catcher.repository}/{image.name}" for image in images]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for image, name in zip(images, names, strict=True):
            client.images.get(image.reference).tag(name, _TAG)
        # The user's own configuration would have a credential helper asked about a registry that knows no users.
        with scratch.folder() as empty:
            start = ("docker", "--config", str(empty), "--host", address() or _USUAL, "push", "--quiet")

            def push() -> bool:
                running[:] = [
                    subprocess.Popen((*start, f"{name}:{_TAG}"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    for name in names
                ]
                return _ended_well(running, catcher)

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


def _ended_well(running: Sequence["subprocess.Popen[bytes]"], catcher: CapturingRegistry) -> bool:
    started = time.monotonic()
    while any(process.poll() is None for process in running):
        waited = time.monotonic() - started
        if catcher.overrun.is_set() or waited > _DONE_WITHIN or (waited > _HEARD_WITHIN and not catcher.heard.is_set()):
            return False
        time.sleep(0.01)
    return all(process.returncode == 0 for process in running)
