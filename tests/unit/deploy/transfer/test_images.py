"""Names of images."""

import pytest

from deploy.transfer.archive import canonical
from deploy.transfer.images import Image, Local, from_inspection, tag


@pytest.mark.parametrize(
    "reference,name",
    [
        ("openbell/pulse:local", "openbell/pulse"),
        ("pulse", "pulse"),
        ("pulse:1", "pulse"),
        ("registry.example:5000/openbell/pulse", "registry.example:5000/openbell/pulse"),
        ("registry.example:5000/openbell/pulse:local", "registry.example:5000/openbell/pulse"),
        ("openbell/pulse@sha256:12ab", "openbell/pulse"),
    ],
)
def test_a_name_is_a_reference_without_its_tag(reference: str, name: str) -> None:
    """A registry's port is no tag."""
    assert Local(reference, "", (), "").name == name


def test_a_tag_is_made_of_the_images_id() -> None:
    """So no other image ever gets it, and it is never latest."""
    image = Image("openbell/pulse:local", "openbell/pulse", "sha256:0123456789abcdef", ())
    assert image.tag == tag(image.name, image.id) == "openbell/pulse:0123456789ab"


@pytest.mark.parametrize(
    "reference,whole",
    [
        ("pulse:1", "docker.io/library/pulse:1"),
        ("openbell/pulse:1", "docker.io/openbell/pulse:1"),
        ("localhost/pulse:1", "localhost/pulse:1"),
        ("registry.example/openbell/pulse:1", "registry.example/openbell/pulse:1"),
        ("registry:5000/pulse:1", "registry:5000/pulse:1"),
    ],
)
def test_containerd_calls_an_image_by_its_whole_name(reference: str, whole: str) -> None:
    """A name without a registry is Docker Hub's."""
    assert canonical(reference) == whole


def test_an_inspection_says_what_an_image_is_made_of() -> None:
    """An image without layers is one, too."""
    attributes: dict[str, object] = {
        "Id": "sha256:a",
        "Os": "linux",
        "Architecture": "arm64",
        "RootFS": {"Layers": ["1"]},
    }
    assert from_inspection("a:local", attributes) == Local("a:local", "sha256:a", ("1",), "linux/arm64")
    assert from_inspection("a:local", attributes | {"RootFS": {"Type": "layers"}}).layers == ()
