"""What happens around deploys: other people's checkouts, and a disk that takes no more records."""

import hashlib
import json
import shutil
import subprocess
import tarfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import docker
import pytest

from deploy.transfer import export_save
from deploy.transfer.images import look_up
from deploy.transfer.layer_cache import LayerCache
from tests.deploy.site import Site, assert_no_slot_is_lost_or_doubled, words_of
from tests.deploy.test_two_builders import without_layers
from tests.engine.kit import wait_until

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(900)]

EVERY = timedelta(seconds=5)
RECORDS = "/root/.openbell"


def files_of(cache: LayerCache, layer: str) -> list[tuple[dict[str, object], str]]:
    """Return all that a layer says of each of its files, with the hash of what is in it, by names."""
    with cache.open(layer) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as archive:
        found: list[tuple[dict[str, object], str]] = []
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            found.append((dict(member.get_info()), hashlib.sha256(file.read() if file else b"").hexdigest()))
    return sorted(found, key=lambda one: str(one[0]["name"]))


def test_two_people_who_deploy_in_turn_restart_nothing(
    engine: docker.DockerClient, deployed: Site, tmp_path: Path
) -> None:
    """The other's checkout has other times and a strict umask, and its images were built without any cache."""
    before = deployed.containers()
    folder = tmp_path / "checkout"
    shutil.copytree(deployed.kit.folder, folder, copy_function=shutil.copyfile)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    other = Site(replace(deployed.kit, folder=folder), deployed.machine)
    env = folder / ".env"
    env.write_text(f"{env.read_text()}OPENBELL_TAG=other\n")
    anew = ("docker", "compose", "build", "--quiet", "--no-cache")
    subprocess.run(anew, cwd=folder, check=True, capture_output=True)
    project = deployed.kit.project
    for name in before:
        (ours, theirs) = look_up(engine, [f"{project}/{name}:local", f"{project}/{name}:other"])
        assert ours.id != theirs.id, "the builder has written the time into it"
        # Not the layers' ids: an engine that has those below from two builds lists the files of a layer in another order.
        cache = LayerCache(tmp_path / name)
        cache.folder.mkdir()
        export_save.export((ours, theirs), dict.fromkeys((*ours.layers, *theirs.layers)), cache)
        assert without_layers(ours) == without_layers(theirs), name
        files = {layer: files_of(cache, layer) for layer in cache.layers}
        assert [files[one] for one in ours.layers] == [files[one] for one in theirs.layers], name
        there = deployed.machine.docker("image", "inspect", "--format", "{{.Id}}", ours.image.tag).strip()
        assert ours.image.id == there
    for one in (other, deployed, other):
        said = one.must("deploy")
        assert "nothing to do: this is what runs there" in said, said
    assert deployed.containers() == before


def test_a_slow_import_loses_no_slot(deployed: Site) -> None:
    """It takes longer than a run may; the old loop goes on until the new one has imported, and then hands over at once."""
    slow = "import time\n\ntime.sleep(12)\n"
    deployed.change("fives", "import time\n", slow)
    try:
        assert "the first run of fives succeeded" in deployed.must("deploy")
        lines = deployed.journal("fives")
    finally:
        deployed.change("fives", slow, "import time\n")
    assert_no_slot_is_lost_or_doubled(lines, EVERY)
    marks = [line for line in lines if line["event"] in {"service_stop", "service_start"}][-2:]
    assert [line["event"] for line in marks] == ["service_stop", "service_start"]
    stopped, started = (datetime.fromisoformat(str(line["timestamp"])) for line in marks)
    assert started - stopped < timedelta(seconds=3), "0.05 s where there are processors for all"


@pytest.fixture
def small_disk(deployed: Site) -> Site:
    """The server with its records on a disk of their own, of 2 MB."""
    deployed.machine.shell(
        f"cp -a {RECORDS} /root/kept && mount -t tmpfs -o size=2m none {RECORDS} && cp -a /root/kept/. {RECORDS}/"
    )
    return deployed


def test_a_disk_that_takes_no_more_records(small_disk: Site) -> None:
    """Full before: one line names it and nothing is touched. Full in the middle: it ends well or not, and nothing is torn."""
    words, shipped = words_of(small_disk), small_disk.machine.shell(f"cat {small_disk.root}/shipped")
    fill = f"dd if=/dev/zero of={RECORDS}/filler bs=4k 2>/dev/null; true"
    small_disk.machine.shell(fill)
    small_disk.change("fives", words, "while the disk is full")
    before = small_disk.containers()
    code, said = small_disk.run("deploy")
    assert code == 1
    assert "No space left on device" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert "may have been restarted" not in said
    assert small_disk.containers() == before
    small_disk.machine.shell(f"rm {RECORDS}/filler")

    process = small_disk.start("deploy")
    process.until("preflight of fives")
    small_disk.machine.shell(fill)
    said = process.end(240)
    assert "Traceback" not in said
    assert "may have been restarted" not in said
    small_disk.machine.shell(f"rm {RECORDS}/filler")
    assert sorted(small_disk.containers()) == ["daily", "fives", "supervisor"]
    audit = small_disk.machine.shell(f"cat {small_disk.root}/audit.jsonl").splitlines()
    assert all(isinstance(json.loads(line), dict) for line in audit if line)
    assert set(shipped.split()) <= set(small_disk.machine.shell(f"cat {small_disk.root}/shipped").split())

    small_disk.must("deploy")
    small_disk.change("fives", "while the disk is full", "when there is room again")
    small_disk.must("deploy")
    count = len(small_disk.journal("fives"))
    wait_until(lambda: len(small_disk.journal("fives")) > count, "the next slot", 30)
    assert_no_slot_is_lost_or_doubled(small_disk.journal("fives"), EVERY)
