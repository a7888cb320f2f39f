"""Names of images."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import cast

import pytest

from deploy.transfer.archive import canonical
from deploy.transfer.images import CREATED, Image, Local, digest, from_inspection, tag

ROOT = Path(__file__).parents[4]


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


# What an engine of 20.10 says of an image that BuildKit made, shortened.
INSPECTION: dict[str, object] = {
    "Id": "sha256:a",
    "Os": "linux",
    "Architecture": "amd64",
    "RootFS": {"Type": "layers", "Layers": ["sha256:1", "sha256:2"]},
    "Created": "2026-11-27T20:10:30.231035148Z",
    "DockerVersion": "20.10.24+dfsg1",
    "Author": "alice",
    "Container": "6d3f",
    "Config": {
        "Hostname": "6d3f",
        "Image": "sha256:b",
        "ArgsEscaped": True,
        "AttachStdin": False,
        "Volumes": None,
        "Cmd": ["openbell", "run"],
        "Env": ["PATH=/bin", "A=1"],
        "User": "strategy",
        "WorkingDir": "/strategy",
        "Labels": {
            "com.docker.compose.version": "2.26.1",
            "com.docker.compose.project": "alices-folder",
            "b": "2",
            "a": "1",
        },
    },
}
CONFIG = cast(dict[str, object], INSPECTION["Config"])


def travelling(**changed: object) -> str:
    """Return the id under which an image travels of which something else is said."""
    return from_inspection("a:local", INSPECTION | changed).image.id


def test_an_inspection_says_what_an_image_is_made_of() -> None:
    """An image without layers is one, too."""
    found = from_inspection("a:local", INSPECTION)
    assert (found.id, found.layers, found.platform) == ("sha256:a", ("sha256:1", "sha256:2"), "linux/amd64")
    assert from_inspection("a:local", INSPECTION | {"RootFS": {"Type": "layers"}}).layers == ()


def test_an_image_travels_with_what_its_containers_need_and_nothing_of_its_builder() -> None:
    """In the form of OCI, and with an id that is the hash of it."""
    image = from_inspection("a:local", INSPECTION).image
    assert json.loads(image.configuration) == {
        "architecture": "amd64",
        "os": "linux",
        "created": "1980-01-01T00:00:00Z",
        "config": {
            "Cmd": ["openbell", "run"],
            "Env": ["PATH=/bin", "A=1"],
            "User": "strategy",
            "WorkingDir": "/strategy",
            "Labels": {"a": "1", "b": "2"},
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:1", "sha256:2"]},
    }
    assert image.id == digest(image.configuration)


@pytest.mark.parametrize(
    "changed",
    [
        {"Id": "sha256:c", "Created": "2030-01-01T00:00:00Z", "DockerVersion": "", "Author": "", "Container": ""},
        {"Config": {name: CONFIG[name] for name in ("WorkingDir", "User", "Env", "Cmd", "Labels")}},
        {"Config": CONFIG | {"Labels": {"a": "1", "com.docker.compose.project": "bobs", "b": "2"}}},
        {"Config": CONFIG | {"Hostname": "", "Image": "", "Entrypoint": [], "Volumes": {}, "OnBuild": None}},
    ],
    ids=["another time", "another engine's form", "another checkout", "another builder"],
)
def test_who_has_built_it_makes_no_other_image(changed: dict[str, object]) -> None:
    """Two people who build the same sources have the same image."""
    assert travelling(**changed) == travelling()


@pytest.mark.parametrize(
    "changed",
    [
        {"RootFS": {"Type": "layers", "Layers": ["sha256:1", "sha256:3"]}},
        {"Architecture": "arm64"},
        {"Config": CONFIG | {"Env": ["PATH=/bin", "A=2"]}},
        {"Config": CONFIG | {"Cmd": ["openbell", "supervise"]}},
        {"Config": CONFIG | {"Labels": {"a": "2"}}},
        {"Config": CONFIG | {"User": "root"}},
    ],
    ids=["layers", "kind of machine", "environment", "command", "labels", "user"],
)
def test_what_a_container_gets_of_it_makes_another_image(changed: dict[str, object]) -> None:
    """An id stands for all of it."""
    assert travelling(**changed) != travelling()


def test_defaults_that_some_builders_name_and_others_do_not_make_no_other_image() -> None:
    """The root as the folder, and the one variant of arm64; that of a 32-bit machine counts."""
    plain = {name: value for name, value in CONFIG.items() if name != "WorkingDir"}
    assert travelling(Config=plain) == travelling(Config=plain | {"WorkingDir": "/"})
    assert travelling(Architecture="arm64") == travelling(Architecture="arm64", Variant="v8")
    assert travelling(Architecture="arm", Variant="v6") != travelling(Architecture="arm", Variant="v7")


def test_the_one_time_is_that_of_the_files() -> None:
    """images/Dockerfile gives it to all that a build writes."""
    said = re.search(r"^ARG SOURCE_DATE_EPOCH=(\d+)$", (ROOT / "images/Dockerfile").read_text(), re.MULTILINE)
    assert said
    assert datetime.fromisoformat(CREATED).timestamp() == int(said[1])
