"""Packages of one strategy: a layer of their own below the strategy's folder, so that a changed line costs kilobytes."""

import subprocess
from pathlib import Path

import docker

from tests.engine.kit import Kit, any_image, make_kit, removed_afterwards


def layers(engine: docker.DockerClient, kit: Kit) -> list[str]:
    """Build the strategy's image, and return its layers."""
    subprocess.run(
        ("docker", "compose", "build", "--quiet", "packaged"), cwd=kit.folder, check=True, capture_output=True
    )
    found: list[str] = engine.images.get(kit.image("packaged")).attrs["RootFS"]["Layers"]
    return found


def test_a_changed_line_makes_kilobytes_new(engine: docker.DockerClient, tmp_path: Path) -> None:
    """The packages are not installed again, and what would travel to a server is the folder alone."""
    kit = make_kit(tmp_path, ["packaged"])
    with removed_afterwards(engine, kit.project):
        before = layers(engine, kit)
        code = tmp_path / "strategies/packaged/strategy.py"
        code.write_text(code.read_text() + "\n# a thought\n")
        after = layers(engine, kit)
        shared = sum(one == other for one, other in zip(before, after, strict=True))
        assert before[:shared] == after[:shared], "what is shared comes first"
        image = engine.images.get(kit.image("packaged"))
        assert engine.containers.run(str(image.id), ["python", "-c", "import six"], remove=True) == b""
        sizes = [int(one["Size"]) for one in image.history() if one["Size"]]  # the newest first
        assert 0 < sum(sizes[: len(after) - shared]) < 50_000


def test_what_is_removed_leaves_an_image_that_another_project_runs(engine: docker.DockerClient, tmp_path: Path) -> None:
    """Images of equal content are one image with two names: only one's own name goes."""
    kit = make_kit(tmp_path, ["packaged"])
    ours, theirs = f"{kit.project}/packaged", f"{kit.project}-other/packaged"
    image = any_image(engine)
    image.tag(theirs, "local")
    container = engine.containers.create(f"{theirs}:local", "true")
    try:
        with removed_afterwards(engine, kit.project):
            image.tag(ours, "local")
        assert engine.images.list(filters={"reference": f"{ours}:local"}) == []
        assert len(engine.images.list(filters={"reference": f"{theirs}:local"})) == 1
    finally:
        container.remove(force=True)
        engine.images.remove(f"{theirs}:local")
