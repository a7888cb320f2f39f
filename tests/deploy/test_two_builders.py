"""Images of the same sources that were built by other kinds of engines, and images that came to a server with other ids."""

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import docker
import pytest

from deploy.transfer.images import CREATED, Local, look_up
from tests.deploy.site import Site
from tests.machine.machine import Store, running_machine

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(900)]

BASE = "python:3.13-slim-trixie"


@dataclass(frozen=True)
class OtherEngine(Site):
    """The same project, with the engine behind a socket as the one of the laptop."""

    socket: str

    def environment(self) -> dict[str, str]:
        """Return the environment in which its person would call the command."""
        return super().environment() | {"DOCKER_HOST": f"unix://{self.socket}"}


def without_layers(image: Local) -> dict[str, object]:
    """Return the configuration with which an image travels, but for its layers: engines write the headers of tars differently."""
    return {name: value for name, value in json.loads(image.configuration).items() if name != "rootfs"}


@pytest.mark.parametrize("store", get_args(Store))
def test_another_kind_of_engine_makes_images_of_the_same_content(
    engine: docker.DockerClient, deployed: Site, tmp_path: Path, store: Store
) -> None:
    """Two people deploy in turn: what both have built alike is not shipped and does not restart, also after a change by one."""
    daily = deployed.kit.folder / "strategies/daily/strategy.py"
    with daily.open("a") as code:
        code.write(f"\nNEXT_IS = {store!r}\n")
    deployed.must("deploy")  # an earlier test may have left images there that another engine built
    before = deployed.containers()
    references = [deployed.kit.image(name) for name in before]
    with running_machine(engine, "trixie", store=store) as laptop, laptop.engine_here(tmp_path) as socket:
        laptop.bring(BASE)
        other = OtherEngine(deployed.kit, deployed.machine, socket)
        said = other.must("deploy")

        assert "nothing to do: this is what runs there" in said, said
        assert "images: nothing to ship" in said, said
        assert deployed.containers() == before
        ours = look_up(engine, references)
        theirs = look_up(docker.DockerClient(f"unix://{socket}"), references)
        for one, another in zip(ours, theirs, strict=True):
            assert without_layers(one) == without_layers(another)
            assert one.layers[0] == another.layers[0], "the base was built by neither"
            there = deployed.machine.docker("image", "inspect", "--format", "{{.Id}}", one.image.tag).strip()
            assert one.image.id == there

        with daily.open("a") as code:
            code.write(f"\nBY = {store!r}\n")
        other.must("deploy")
        changed = deployed.containers()
        assert {name for name in before if changed[name] != before[name]} == {"daily"}
        said = deployed.must("deploy")
        assert "nothing to do: this is what runs there" in said, said
        assert deployed.containers() == changed


def test_images_that_came_with_other_ids_stay(deployed: Site, tmp_path: Path) -> None:
    """What runs there from earlier versions is known by its content: it is not restarted, and not sent again."""
    earlier = tmp_path / "earlier"
    subprocess.run(("cp", "-a", deployed.kit.folder, earlier), check=True)
    images = earlier / "deploy" / "transfer" / "images.py"
    text = images.read_text()
    assert CREATED in text
    images.write_text(text.replace(CREATED, "2026-01-02T03:04:05Z"))
    code = Path("strategies", "daily", "strategy.py")
    for folder in (earlier, deployed.kit.folder):
        (folder / code).write_text(f"{(folder / code).read_text()}\nOTHER_IDS = True\n")
    Site(replace(deployed.kit, folder=earlier), deployed.machine).must("deploy")
    before = deployed.containers()

    said = deployed.must("deploy")
    assert "nothing to do: this is what runs there" in said, said
    assert "images: nothing to ship" in said, said
    assert deployed.containers() == before

    deployed.change("fives", "import time\n", "import time\n\nCHANGED = True\n")
    said = deployed.must("deploy")
    assert "1 of 3 to ship: 1 layer" in said, said
    after = deployed.containers()
    assert {name for name in before if after[name] != before[name]} == {"fives"}
