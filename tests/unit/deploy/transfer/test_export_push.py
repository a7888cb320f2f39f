"""What an engine pushes names an image's packed layers, in each of the forms that engines use."""

import json

import pytest

from deploy.transfer.export_push import packed_layers
from deploy.transfer.images import Local
from tests.unit.deploy.transfer.pieces import identity

LAYERS = ["sha256:1", "sha256:2"]
MANIFEST = json.dumps({"config": {"digest": "sha256:c"}, "layers": [{"digest": one} for one in LAYERS]}).encode()
OTHER = json.dumps({"layers": [{"digest": "sha256:9"}]}).encode()


def described(manifest: bytes, architecture: str) -> dict[str, object]:
    """Return what an index says of a manifest; one about how an image was built is for an unknown platform."""
    system = "linux" if architecture != "unknown" else "unknown"
    return {"digest": identity(manifest), "platform": {"os": system, "architecture": architecture}}


INDEX = json.dumps(
    {"manifests": [described(OTHER, "unknown"), described(MANIFEST, "amd64"), described(OTHER, "arm64")]}
).encode()
PUSHED = {identity(one): one for one in (MANIFEST, OTHER)}


@pytest.mark.parametrize(
    "named,pushed",
    [("sha256:c", MANIFEST), (identity(MANIFEST), MANIFEST), (identity(INDEX), INDEX)],
    ids=["configuration", "manifest", "index"],
)
def test_layers_are_found(named: str, pushed: bytes) -> None:
    """An image is called by its configuration, or where the engine keeps images in containerd by its manifest or its index."""
    image = Local("openbell/pulse:local", named, ("sha256:a", "sha256:b"), "linux/amd64")
    assert packed_layers(image, PUSHED | {"openbell/pulse:shipping": pushed}) == LAYERS


@pytest.mark.parametrize("pushed", [{}, {"openbell/pulse:shipping": MANIFEST}, {"openbell/pulse:shipping": INDEX}])
def test_another_image_has_none(pushed: dict[str, bytes]) -> None:
    """Nor has an index whose manifest was not pushed."""
    named = identity(INDEX) if INDEX in pushed.values() else "sha256:other"
    assert not packed_layers(Local("openbell/pulse:local", named, ("sha256:a",), "linux/amd64"), pushed)
