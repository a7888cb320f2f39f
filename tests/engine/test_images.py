"""The images: what is in them, and what is not."""

import io
import json
import re
import tarfile
from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile
from pathlib import Path

import docker
import pytest
from docker.models.images import Image

from openbell.strategy_user import SUPERVISOR, user_id
from tests.engine.kit import SECRET, Kit

EPOCH = 315532800  # seconds: the first day of 1980
IMAGES = ["ticker", "slow", "bad_manifest", "supervisor"]


def output(engine: docker.DockerClient, image: str, *command: str) -> str:
    """Return what a command prints in a new container of an image."""
    return engine.containers.run(image, list(command), remove=True, network_mode="none").decode().strip()


def files_of_all_layers(image: Image) -> Iterator[tuple[str, bytes]]:
    """Yield every file of every layer with its name, those that a later layer hides too."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(image.save()))) as archive:
        for name, content in files_of(archive):
            yield name, content
            try:
                with tarfile.open(fileobj=io.BytesIO(content)) as layer:
                    yield from files_of(layer)
            except tarfile.ReadError:
                continue  # the image's configuration, not a layer


def files_of(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    """Yield the name of every member of an archive, and the content of those that are files."""
    for member in archive:
        file = archive.extractfile(member) if member.isfile() else None
        yield member.name, file.read() if file else b""


@pytest.mark.parametrize("strategy,zone,name", [("ticker", "Asia/Tokyo", "JST"), ("slow", "America/New_York", "E")])
def test_the_manifests_zone_is_the_images_clock(
    engine: docker.DockerClient, kit: Kit, strategy: str, zone: str, name: str
) -> None:
    """`date` in the container shows the time of the strategy's zone."""
    assert output(engine, kit.image(strategy), "date", "+%Z").startswith(name)
    assert output(engine, kit.image(strategy), "cat", "/etc/timezone") == zone


def test_a_manifest_that_is_not_valid_leaves_the_clock_at_utc(engine: docker.DockerClient, kit: Kit) -> None:
    """The image of a broken strategy builds all the same, so that its container can say what is wrong."""
    assert output(engine, kit.image("bad_manifest"), "date", "+%Z") == "UTC"


def test_strategies_share_all_layers_but_their_own_kilobytes(engine: docker.DockerClient, kit: Kit) -> None:
    """Two strategies' images differ in a few kilobytes at their ends only."""
    one, other = (engine.images.get(kit.image(name)) for name in ("ticker", "slow"))
    layers = [image.attrs["RootFS"]["Layers"] for image in (one, other)]
    shared = [first for first, second in zip(*layers, strict=True) if first == second]
    assert layers[0][: len(shared)] == shared, "what is shared comes first"
    assert len(layers[0]) - len(shared) <= 3
    # History is newest first. The last step of the runtime is the one that compiles what a loop imports.
    own = takewhile(lambda step: "compile-image" not in step["CreatedBy"], one.history())
    assert 0 < sum(step["Size"] for step in own) < 100_000


@pytest.mark.parametrize("name", IMAGES)
def test_no_layer_holds_a_secret(engine: docker.DockerClient, kit: Kit, name: str) -> None:
    """Neither .env nor a value out of it is in any layer, hidden ones and the configuration included."""
    assert SECRET in (kit.folder / ".env").read_text(), "the check must have something to find"
    seen = 0
    for path, content in files_of_all_layers(engine.images.get(kit.image(name))):
        seen += 1
        assert not path.split("/")[-1].startswith(".env"), path
        assert SECRET.encode() not in content, path
    assert seen > 100


def test_no_image_tells_the_day_on_which_it_was_built(engine: docker.DockerClient, kit: Kit) -> None:
    """Useradd writes it into /etc/shadow: a build on another day would be another image, and restart everything."""
    users = [
        line.split(":")
        for path, content in files_of_all_layers(engine.images.get(kit.image("supervisor")))
        if path.endswith("etc/shadow")
        for line in content.decode().splitlines()
        if line.startswith("openbell:")
    ]
    assert users
    assert {user[2] for user in users} == {""}


def layers_of(image: Image) -> list[list[tarfile.TarInfo]]:
    """Return the members of each layer, the lowest layer first."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(image.save()))) as archive:
        listed = json.loads(archive.extractfile("manifest.json").read())[0]["Layers"]  # type: ignore[union-attr] # it is a file
        layers = []
        for layer in listed:
            with tarfile.open(fileobj=archive.extractfile(layer)) as inside:
                layers.append(inside.getmembers())
    return layers


@pytest.mark.parametrize("name", ["ticker", "supervisor"])
def test_all_that_is_built_has_one_time(engine: docker.DockerClient, kit: Kit, name: str) -> None:
    """Files and folders of all layers above Python's that are not as old as that: so the same sources give the same layers."""
    (base,) = re.findall(r"^FROM (python:\S+)", (kit.folder / "images" / "Dockerfile").read_text(), re.MULTILINE)
    python = engine.images.get(base).attrs
    made = datetime.fromisoformat(f"{python['Created'][:19]}+00:00").timestamp()
    layers = layers_of(engine.images.get(kit.image(name)))[len(python["RootFS"]["Layers"]) :]
    members = [member for layer in layers for member in layer]
    assert len(members) > 100
    assert {member.name: member.mtime for member in members if member.mtime > made} == {}
    assert EPOCH in {member.mtime for member in members}


@pytest.mark.parametrize("name", ["ticker", "supervisor"])
def test_each_layer_has_only_what_changes_in_it(engine: docker.DockerClient, kit: Kit, name: str) -> None:
    """An engine that has the lower layers from another build leaves all else out, and the same sources give another layer."""
    below: dict[Path, tuple[object, ...]] = {}
    unchanged = []
    for number, layer in enumerate(layers_of(engine.images.get(kit.image(name)))):
        facts = {Path(member.name): compared(member) for member in layer}
        changed = [path for path, found in facts.items() if below.get(path) != found]
        holding = {path for one in changed for path in (one, *one.parents)}
        unchanged += [(number, path) for path in facts if path not in holding]
        below |= facts
    assert len(below) > 1000
    assert unchanged == []


def compared(member: tarfile.TarInfo) -> tuple[object, ...]:
    """Return what Docker compares of a file that two layers have."""
    kind = (member.type, member.mode, member.uid, member.gid, member.linkname)
    return kind if member.isdir() else (*kind, member.size, member.mtime)


@pytest.mark.parametrize("name", IMAGES)
def test_containers_run_as_nobody_special(engine: docker.DockerClient, kit: Kit, name: str) -> None:
    """The user is not root, each strategy's is its own, and there is no installer to bring in more."""
    expected = SUPERVISOR if name == "supervisor" else user_id(name)
    assert output(engine, kit.image(name), "id", "-u") == str(expected)
    assert "missing" in output(engine, kit.image(name), "sh", "-c", "python -m pip --version 2>&1 || echo missing")


def test_only_the_supervisor_has_the_supervisors_code(engine: docker.DockerClient, kit: Kit) -> None:
    """A strategy's image has no web server, and the supervisor's image has manifests but no strategy's code."""
    assert "missing" in output(
        engine, kit.image("ticker"), "sh", "-c", "python -c 'import uvicorn' 2>/dev/null || echo missing"
    )
    found = output(engine, kit.image("supervisor"), "sh", "-c", "find /strategies -type f | sort")
    assert "/strategies/ticker/strategy.toml" in found.splitlines()
    assert "strategy.py" not in found
