"""The host's half, run by this machine's Python beside an engine that does what the test says."""

import base64
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from deploy.ssh import program
from deploy.transfer.images import Image
from deploy.transfer.shipment import Shipment, load_command
from tests.installed import Installed

TAG, ID = "openbell/pulse:0123456789ab", "sha256:0123456789abcdef"
PACKED = zstandard.compress(b"the images" * 50_000)


FORM = "{{.Id}} {{range .RepoTags}}{{.}} {{end}}"  # in which an image's id and names are asked for


class Host:
    """A folder with a `docker` of its own; what it was told is in `calls`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"

    def docker(self, **answers: str) -> None:
        """Let `docker load`, `docker image inspect` and so on do this, in sh; anything else succeeds."""
        cases = "".join(f'"{name.replace("_", " ")}"*) {script} ;;\n' for name, script in answers.items())
        program = f'#!/bin/sh\necho "$@" >>{self.calls}\ncase "$*" in\n{cases}load*) cat >/dev/null ;;\nesac\n'
        (self.folder / "docker").write_text(program)
        (self.folder / "docker").chmod(0o755)

    def run(self, words: Sequence[str], given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        """Run a command of the program, then print what it has left of its input."""
        environment = os.environ | {"PATH": f"{self.folder}:{os.environ['PATH']}", "DOCKER_HOST": "unix:///none"}
        command = ("sh", "-c", '"$@"; code=$?; cat; exit $code', "sh", *words)
        done = subprocess.run(
            command,
            input=program.packed() + given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
            timeout=120,
        )
        assert done.stdout.startswith(b"send\n")
        done.stdout = done.stdout.removeprefix(b"send\n")
        return done

    def receive(self, given: bytes = PACKED, size: int = len(PACKED)) -> "subprocess.CompletedProcess[bytes]":
        """Receive these bytes, and print what follows them."""
        return self.run(program.command("deliver", "zstd", str(size), "[]", folder=str(self.folder)), given)


@pytest.fixture
def host(installed: Installed, tmp_path: Path) -> Host:
    """A host whose engine loads whatever it is given."""
    installed("zstd")
    host = Host(tmp_path)
    host.docker()
    return host


def test_the_engine_is_given_the_unpacked_bytes_and_the_rest_is_left(host: Host) -> None:
    """What follows the shipment on the channel is not touched."""
    host.docker(load=f"cat >{host.folder}/loaded; echo Loaded image: {TAG}")
    done = host.receive(PACKED + b"what follows")
    assert (done.returncode, done.stdout) == (0, b"what follows")
    assert (host.folder / "loaded").read_bytes() == b"the images" * 50_000


def test_an_engine_that_gives_up_early_leaves_the_channel_in_step(host: Host) -> None:
    """All bytes of the shipment are read all the same, and the engine's words are passed on."""
    host.docker(load="echo write /blob: no space left on device >&2; exit 1")
    done = host.receive(PACKED + b"what follows")
    assert done.returncode == 1
    said = b"openbell: the images could not be loaded: write /blob: no space left on device\nwhat follows"
    assert done.stdout == said


def test_an_exit_code_of_0_is_not_believed(host: Host) -> None:
    """Some engines return it for a layer that was not there."""
    host.docker(load="cat >/dev/null; echo failed to extract layer: not found; exit 0")
    assert host.receive().returncode == 1


@pytest.mark.parametrize("name", ["openbell/error_trader", "openbell/no_space_not_found"])
def test_an_images_name_is_no_error(host: Host, name: str) -> None:
    """Whatever a strategy is called."""
    host.docker(load=f"cat >/dev/null; echo Loaded image: {name}:0123456789ab")
    assert host.receive().returncode == 0


def test_a_channel_that_ends_early_is_an_error(host: Host) -> None:
    """The engine may be content with half a tar; the unpacking is not."""
    done = host.receive(PACKED[:-10])
    assert done.returncode == 1
    assert b"could not be loaded" in done.stdout


def test_a_byte_that_has_changed_is_an_error(host: Host) -> None:
    """The packed form has a checksum."""
    with_sum = zstandard.ZstdCompressor(write_checksum=True).compress(b"the images" * 50_000)
    wrong = bytes([*with_sum[:-1], with_sum[-1] ^ 1])
    assert host.receive(wrong, len(wrong)).returncode == 1


def shipment(*, moved: bool = True, host_ids: tuple[str, ...] = ()) -> Shipment:
    """Return a shipment of one image, which travels or was there before."""
    image = Image("openbell/pulse:local", "openbell/pulse", ID, (), host_ids)
    return Shipment((image,), (), 1 if moved else 0, "zstd", None, (TAG,) if moved else ())


def verify(host: Host, one: Shipment) -> "subprocess.CompletedProcess[bytes]":
    """Verify a shipment on the host."""
    return host.run(program.command(*load_command(replace(one, wire_bytes=0)), folder=str(host.folder)))


def test_an_image_with_its_id_of_which_a_container_can_be_made_is_whole(host: Host) -> None:
    """And no container is left."""
    host.docker(image_inspect=f"echo {ID}")
    done = verify(host, shipment())
    assert (done.returncode, done.stdout) == (0, b"")
    # Two at a time. Its second name says that it is not checked yet.
    assert sorted(host.calls.read_text().splitlines()) == [
        f"create --pull never --name openbell-verify-0123456789ab --network none {TAG} true",
        f"image inspect --format {FORM} {TAG}",
        f"image rm {TAG}-unchecked",
        "rm --force --volumes openbell-verify-0123456789ab",
    ]


def test_the_id_may_be_that_of_the_manifest(host: Host) -> None:
    """Where the engine keeps images in containerd."""
    host.docker(image_inspect="echo sha256:ffff")
    assert verify(host, shipment(host_ids=("sha256:ffff",))).returncode == 0
    assert verify(host, shipment(host_ids=("sha256:fff",))).returncode == 1


@pytest.mark.parametrize(
    "answers,why",
    [
        ({"image_inspect": "exit 1"}, "the engine has nothing by this name"),
        ({"image_inspect": "echo sha256:9"}, "the engine has sha256:9 by this name"),
        ({"image_inspect": f"echo {ID}", "create": "echo layer does not exist; exit 1"}, "layer does not exist"),
    ],
)
def test_a_new_image_that_is_not_whole_loses_its_tag(host: Host, answers: dict[str, str], why: str) -> None:
    """So a tag that is there can be relied upon."""
    host.docker(**answers)
    done = verify(host, shipment())
    assert done.returncode == 1
    assert f"openbell: image {TAG} is not whole: {why}" in done.stdout.decode()
    assert f"image rm {TAG} {TAG}-unchecked" in host.calls.read_text().splitlines()


def test_an_image_that_was_there_before_keeps_its_tag(host: Host) -> None:
    """A release that runs, or that one may want to return to, is called by it."""
    host.docker(image_inspect="exit 1")
    assert verify(host, shipment(moved=False)).returncode == 1
    assert "image rm" not in host.calls.read_text()


def test_a_container_that_was_left_by_a_crash_is_in_nobodys_way(host: Host) -> None:
    """It is removed, and made anew."""
    script = f"if [ -e {host.folder}/removed ]; then :; else echo name is in use >&2; exit 1; fi"
    host.docker(image_inspect=f"echo {ID}", create=script, rm=f"touch {host.folder}/removed")
    assert verify(host, shipment()).returncode == 0


def test_every_image_is_looked_at(host: Host) -> None:
    """Those that were there before all at once, and one that is whole does not hide one that is not."""
    images = tuple(Image(f"{one}:local", one, f"sha256:{one * 14}", ()) for one in ("a", "b", "c"))
    a, b, c = (image.tag for image in images)
    host.docker(image_inspect=f"printf '{a}={images[0].id} a:other={images[0].id} \\n{c}={images[2].id} \\n'; exit 1")
    done = verify(host, Shipment(images, (), 0, "zstd"))
    assert done.returncode == 1
    assert done.stdout.decode() == (
        f"openbell: image {b} is not whole: the engine has nothing by this name, and not {images[1].id}\n"
    )
    (call,) = host.calls.read_text().splitlines()
    assert call.endswith(f" {a} {b} {c}")


def test_images_that_are_all_there_as_they_should_be(host: Host) -> None:
    """New and old together, and nothing is said."""
    old = Image("old:local", "old", "sha256:00000000000000", (), ("sha256:ff",))
    both = Shipment((old, shipment().images[0]), (), 1, "zstd", None, (TAG,))
    host.docker(**{f"image_inspect --format {FORM} {TAG}": f"echo {ID}", "image_inspect": f"echo {old.tag}=sha256:ff"})
    done = verify(host, both)
    assert (done.returncode, done.stdout) == (0, b"")


def questioned(host: Host, given: bytes, size: int) -> dict[str, object]:
    """Return the answer to a question that has these bytes in itself, with the next question's answer behind it."""
    asked = [
        {"words": ["deliver", "zstd", str(size), "[]"], "input": base64.b64encode(given).decode()},
        {"words": ["begun", str(host.folder), "nothing"], "input": ""},
    ]
    lines = "".join(f"{json.dumps(one)}\n" for one in asked).encode()
    first, second = host.run(program.command("serve", folder=str(host.folder)), lines).stdout.splitlines()
    assert json.loads(second)["code"] == 1
    return dict(json.loads(first))


def test_what_is_small_comes_within_a_question(host: Host) -> None:
    """The engine gets the same bytes, and no channel of their own is opened for them."""
    host.docker(load=f"cat >{host.folder}/loaded")
    assert questioned(host, PACKED, len(PACKED))["code"] == 0
    assert (host.folder / "loaded").read_bytes() == b"the images" * 50_000
    assert questioned(host, b"", 0) == {"code": 0, "out": "", "err": ""}


def test_a_question_whose_images_do_not_load_is_answered_with_the_reason(host: Host) -> None:
    """As on a channel of their own."""
    host.docker(load="cat >/dev/null; echo no space left on device; exit 1")
    said = questioned(host, PACKED, len(PACKED))
    assert (said["code"], said["out"]) == (
        1,
        "openbell: the images could not be loaded: no space left on device\n",
    )
