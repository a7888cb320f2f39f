"""From the checkout's configuration to one that needs nothing of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import CommandError
from deploy.release.release import environment_file, images_of, resolve
from deploy.remote.plan import BASE, FINGERPRINT

ROOT = Path("/home/alice/openbell")
TAGS = {"pulse": ("openbell/pulse:0123456789ab", "sha256:0123456789abcdef")}
CONFIGURATION: Mapping[str, Any] = {
    "name": "openbell",
    "networks": {"default": {"name": "openbell_default"}},
    "volumes": {"journal": {"name": "openbell_journal"}},
    "services": {
        "pulse": {
            "image": "openbell/pulse:local",
            "build": {"context": str(ROOT)},
            "environment": {"SHOWN": "a$$b", "EMPTY": "", "UNSET": None},
            "restart": "unless-stopped",
            "volumes": [{"type": "volume", "source": "journal", "target": "/journal"}],
        }
    },
}


def with_service(**changes: object) -> Mapping[str, Any]:
    """Return the configuration with changes of its service."""
    return {**CONFIGURATION, "services": {"pulse": {**CONFIGURATION["services"]["pulse"], **changes}}}


def test_nothing_is_left_of_the_checkout() -> None:
    """No build, an immutable tag that is not looked for elsewhere, and no value of the environment."""
    found = resolve(CONFIGURATION, TAGS, {"pulse": {"KEY": "s3cret-value"}}, ROOT)
    text = json.dumps(found.compose)
    assert str(ROOT) not in text
    assert ":local" not in text
    assert "s3cret-value" not in text
    service = found.compose["services"]["pulse"]
    assert (service["image"], service["pull_policy"], service["restart"]) == (
        TAGS["pulse"][0],
        "never",
        "unless-stopped",
    )
    assert "build" not in service
    assert service["labels"] == {FINGERPRINT: found.services["pulse"].fingerprint}
    assert found.environment == {"pulse": {"SHOWN": "a$b", "EMPTY": "", "KEY": "s3cret-value"}}
    assert found.services["pulse"].names == ("EMPTY", "KEY", "SHOWN")


def test_what_a_container_is_made_of_is_its_fingerprint() -> None:
    """Image, configuration, shared volumes and secrets each change it; nothing else does."""
    other_image = {"pulse": ("openbell/pulse:fff", "sha256:fff")}
    other_volume = {**CONFIGURATION, "volumes": {"journal": {"name": "elsewhere"}}}
    variants = [
        resolve(CONFIGURATION, TAGS, {}, ROOT),
        resolve(CONFIGURATION, other_image, {}, ROOT),
        resolve(with_service(mem_limit="1g"), TAGS, {}, ROOT),
        resolve(other_volume, TAGS, {}, ROOT),
        resolve(CONFIGURATION, TAGS, {"pulse": {"KEY": "a"}}, ROOT),
        resolve(CONFIGURATION, TAGS, {"pulse": {"KEY": "b"}}, ROOT),
    ]
    assert len({one.services["pulse"].fingerprint for one in variants}) == len(variants)
    again = resolve(with_service(build={"context": "/elsewhere"}), TAGS, {}, ROOT)
    assert again.services == variants[0].services


def test_a_folder_of_the_checkout_is_refused() -> None:
    """It would not be there; a folder of the host is its owner's choice."""
    bind = {"type": "bind", "source": f"{ROOT}/data", "target": "/data"}
    with pytest.raises(CommandError, match=r"compose: pulse: .*data is a folder of this machine"):
        resolve(with_service(volumes=[bind]), TAGS, {}, ROOT)
    resolve(with_service(volumes=[{**bind, "source": "/srv/data"}]), TAGS, {}, ROOT)


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_composes_files_are_brought_by_their_content(tmp_path: Path, kind: str) -> None:
    """Another content is another file and another configuration; one that is not set stays as it is."""
    found = []
    for content in ("one", "two"):
        (tmp_path / "urls").write_text(content)
        files = {"urls": {"file": str(tmp_path / "urls")}, "none": {"file": "/dev/null"}}
        service = with_service(**{kind: [{"source": "urls", "target": "/run/secrets/urls"}]})
        found.append(resolve({**service, kind: files}, TAGS, {}, ROOT))
    name = next(iter(found[0].files))
    assert found[0].files == {name: "one"}
    assert found[0].compose[kind] == {"urls": {"file": f"../../files/{name}"}, "none": {"file": "/dev/null"}}
    assert found[0].services["pulse"].fingerprint != found[1].services["pulse"].fingerprint


def test_a_secret_that_cannot_be_read_is_named() -> None:
    """With its path."""
    with pytest.raises(CommandError, match="compose: secret urls: /nowhere/urls cannot be read: No such file"):
        resolve({**CONFIGURATION, "secrets": {"urls": {"file": "/nowhere/urls"}}}, TAGS, {}, ROOT)


def test_values_are_written_so_that_compose_reads_them_as_they_are() -> None:
    """A $ is not a variable; quotes and line ends are JSON's matter."""
    value = "a$b'\"\\\nc"
    content = json.loads(environment_file("pulse", {"KEY": value}))
    assert content == {"services": {"pulse": {"environment": {"KEY": value.replace("$", "$$")}}}}


def test_the_images_are_those_that_the_checkout_names() -> None:
    """By service."""
    assert images_of(CONFIGURATION) == {"pulse": "openbell/pulse:local"}


def test_what_stays_while_folders_are_reloaded_is_the_base() -> None:
    """The image apart from its folders, the configuration and the secrets; no image, and none of a container with a name of its own."""
    bases = {"pulse": "i1"}
    other_image = {"pulse": ("openbell/pulse:fff", "sha256:fff")}
    first, again = (resolve(CONFIGURATION, tags, {}, ROOT, bases) for tags in (TAGS, other_image))
    base = first.services["pulse"].base
    assert base
    assert base == again.services["pulse"].base == first.compose["services"]["pulse"]["labels"][BASE]
    others = [
        resolve(CONFIGURATION, TAGS, {}, ROOT, {"pulse": "i2"}),
        resolve(with_service(mem_limit="1g"), TAGS, {}, ROOT, bases),
        resolve(CONFIGURATION, TAGS, {"pulse": {"KEY": "a"}}, ROOT, bases),
    ]
    assert len({base, *(one.services["pulse"].base for one in others)}) == 4
    for named in ({"hostname": "mine"}, {"network_mode": "host"}):
        assert resolve(with_service(**named), TAGS, {}, ROOT, bases).services["pulse"].base == ""
    assert resolve(CONFIGURATION, TAGS, {}, ROOT).services["pulse"].base == ""


def test_a_volume_that_others_use_is_no_change() -> None:
    """Only its own volumes and networks are a service's configuration."""
    more = {**CONFIGURATION, "volumes": {**CONFIGURATION.get("volumes", {}), "reloads": {"name": "x_reloads"}}}
    found = resolve(more, TAGS, {}, ROOT)
    assert found.services == resolve(CONFIGURATION, TAGS, {}, ROOT).services
    assert "reloads" in found.compose["volumes"]
