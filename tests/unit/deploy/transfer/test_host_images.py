"""What a host says about itself."""

import json

import pytest

from deploy.transfer.host_images import HostImages, chains, parse
from deploy.transfer.images import Image

CLASSIC = {
    "engine": "20.10.24+dfsg1",
    "platform": "linux/x86_64",
    "containerd": False,
    "zstd": True,
    "images": [
        {
            "id": "sha256:aa",
            "tags": ["openbell/pulse:0123456789ab", "openbell/pulse:other"],
            "layers": ["sha256:1", "sha256:2"],
        },
        {"id": "sha256:bb", "tags": [], "layers": None},
        {"id": "sha256:cc", "tags": None, "layers": ["sha256:9"]},
    ],
}
CONTAINERD = {
    "engine": "26.1.5",
    "platform": "linux/aarch64",
    "containerd": True,
    "zstd": False,
    "images": [],
}


def test_a_host_with_images() -> None:
    """Every beginning of every chain is known, and every tag leads to an id."""
    inventory = parse(json.dumps(CLASSIC))
    assert inventory == HostImages(
        chains=frozenset({("sha256:1",), ("sha256:1", "sha256:2"), ("sha256:9",)}),
        tags={"openbell/pulse:0123456789ab": "sha256:aa", "openbell/pulse:other": "sha256:aa"},
        platform="linux/amd64",
        engine="20.10.24+dfsg1",
        containerd=False,
        zstd=True,
    )


def test_a_host_without_anything() -> None:
    """No image, no zstd, and a disk that says nothing."""
    inventory = parse(json.dumps(CONTAINERD))
    assert (inventory.chains, inventory.zstd) == (frozenset(), False)
    assert (inventory.platform, inventory.containerd) == ("linux/arm64", True)


@pytest.mark.parametrize(
    "host_id,containerd,layers,expected",
    [
        ("sha256:aa", False, "12", True),
        ("sha256:bb", False, "12", False),  # by our name, and another image
        ("sha256:bb", True, "12", True),  # there, an id is that of a manifest
        ("sha256:bb", True, "19", False),  # its layers tell
        ("sha256:aa", False, "1", False),
    ],
)
def test_an_image_is_there_if_its_tag_id_and_layers_are(
    host_id: str, containerd: bool, layers: str, expected: bool
) -> None:
    """One of them alone is not enough."""
    inventory = HostImages(chains=chains([tuple(layers)]), tags={"a:aa": host_id}, containerd=containerd)
    assert inventory.has(Image("a:local", "a", "sha256:aa", ("1", "2"))) is expected
    assert not inventory.has(Image("b:local", "b", "sha256:aa", ("1", "2")))


def test_an_image_that_nobody_has_looked_at_is_not_there() -> None:
    """An image whose deploy was cut off between load and check is sent again."""
    inventory = HostImages(chains=chains(["12"]), tags={"a:aa": "sha256:aa", "a:aa-unchecked": "sha256:aa"})
    assert not inventory.has(Image("a:local", "a", "sha256:aa", ("1", "2")))
