"""What travels to a server, and what is there afterwards."""

import contextlib
import io
import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from deploy.docker import engine
from deploy.errors import CommandError
from deploy.log import Log
from deploy.ssh.connection import Connection
from deploy.transfer import export_push, export_save, images, warm_up
from deploy.transfer.capturing_registry import CapturingRegistry, catching
from deploy.transfer.host_images import HostImages
from deploy.transfer.layer_cache import LayerCache
from deploy.transfer.shipment import prepared
from tests.deploy.shipping.blocks import MEGABYTE, Blocks, file_in, ship
from tests.engine.kit import make_kit, removed_afterwards
from tests.machine.machine import Machine

pytestmark = pytest.mark.engine


def test_first_a_change_and_nothing(server: Machine, connection: Connection, blocks: Blocks, log: Log) -> None:
    """All layers travel once, then only what has changed, then nothing."""
    blocks.build("base", ("base", 2 * MEGABYTE))
    reference = blocks.build("app", ("one", 1000), base="base")

    (first,) = ship(connection, [reference], log)
    assert [layer.bytes > MEGABYTE for layer in first.layers] == [True, False]
    assert 2 * MEGABYTE < first.wire_bytes < 2.2 * MEGABYTE
    assert file_in(server, first.images[0].tag, "/app-file-0") == blocks.content("one", 1000)

    blocks.build("app", ("two", 1000), base="base")
    (change,) = ship(connection, [reference], log)
    assert len(change.layers) == 1
    assert change.wire_bytes < 5000
    assert file_in(server, change.images[0].tag, "/app-file-0") == blocks.content("two", 1000)
    assert file_in(server, change.images[0].tag, "/base-file-0") == blocks.content("base", 2 * MEGABYTE)
    assert change.images[0].tag != first.images[0].tag

    (nothing,) = ship(connection, [reference], log)
    assert (nothing.layers, nothing.wire_bytes, nothing.moved) == ((), 0, ())
    assert nothing.images[0].tag == change.images[0].tag


def test_images_that_share_layers_send_them_once(
    server: Machine, connection: Connection, blocks: Blocks, log: Log
) -> None:
    """Both images are complete on the server."""
    blocks.build("base", ("shared", MEGABYTE))
    references = [blocks.build(name, (name, 500), base="base") for name in ("one", "other")]

    (sent,) = ship(connection, references, log)

    assert [layer.of for layer in sent.layers] == [
        (blocks.name("one"), blocks.name("other")),
        (blocks.name("one"),),
        (blocks.name("other"),),
    ]
    assert sent.wire_bytes < 1.1 * MEGABYTE
    for image, name in zip(sent.images, ("one", "other"), strict=True):
        assert file_in(server, image.tag, f"/{name}-file-0") == blocks.content(name, 500)
        assert file_in(server, image.tag, "/base-file-0") == blocks.content("shared", MEGABYTE)


def test_the_host_knows_images_by_immutable_tags_only(
    server: Machine, connection: Connection, blocks: Blocks, log: Log
) -> None:
    """Neither the local tag, nor latest, nor an image without a name."""
    (sent,) = ship(connection, [blocks.build("app", ("tags", 100))], log)
    listed = server.docker("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "dangling=false").split()
    assert [one for one in listed if one.startswith(blocks.name("app"))] == [sent.images[0].tag]
    assert not server.docker("images", "--quiet", "--filter", "dangling=true").split()
    assert server.docker("ps", "--all", "--quiet").split() == [], "the gate's containers are gone"


def test_the_base_outlives_the_image_that_brought_it(
    server: Machine, connection: Connection, blocks: Blocks, log: Log
) -> None:
    """An old release that is pruned takes no layer with it that a later one, sent without it, needs."""
    blocks.build("base", ("old base", MEGABYTE))
    reference = blocks.build("app", ("first", 100), base="base")
    (first,) = ship(connection, [reference], log)
    blocks.build("app", ("second", 100), base="base")
    (second,) = ship(connection, [reference], log)
    server.docker("image", "rm", first.images[0].tag)
    server.docker("image", "prune", "--force")

    assert file_in(server, second.images[0].tag, "/base-file-0") == blocks.content("old base", MEGABYTE)
    blocks.build("app", ("third", 100), base="base")
    (third,) = ship(connection, [reference], log)
    assert len(third.layers) == 1
    assert file_in(server, third.images[0].tag, "/base-file-0") == blocks.content("old base", MEGABYTE)


def test_an_image_that_somebody_else_brought_is_a_base_too(
    server: Machine, connection: Connection, blocks: Blocks, log: Log
) -> None:
    """What the host has by `docker load` or a pull need not be sent again, or is sent whole if it does not serve."""
    server.bring(blocks.build("base", ("brought", MEGABYTE)))
    sent = ship(connection, [blocks.build("app", ("on top", 100), base="base")], log)
    assert len(sent[0].layers) == 1
    assert file_in(server, sent[-1].images[0].tag, "/base-file-0") == blocks.content("brought", MEGABYTE)


@pytest.mark.deploy_long
def test_one_line_of_a_real_strategy_is_kilobytes(
    engine: docker.DockerClient, server: Machine, connection: Connection, tmp_path: Path, log: Log
) -> None:
    """The project's own images: the budget of 100 KB, for the strategy and the supervisor together."""
    kit = make_kit(tmp_path, ["ticker"])
    with removed_afterwards(engine, kit.project):
        references = [kit.image(name) for name in ("ticker", "supervisor")]
        compose = ["docker", "compose", "build", "--quiet"]
        subprocess.run(compose, cwd=kit.folder, check=True)
        ship(connection, references, log)
        code = kit.folder / "strategies" / "ticker" / "strategy.py"
        code.write_text(f"{code.read_text()}\nCHANGED = True\n")
        subprocess.run(compose, cwd=kit.folder, check=True)

        (change,) = ship(connection, references, log)

        assert change.moved == (change.images[0].tag,), "the supervisor has not changed"
        assert 0 < change.wire_bytes < 100_000
        run = ("run", "--rm", "--network", "none", "--read-only", change.images[0].tag)
        assert "CHANGED = True" in server.docker(*run, "cat", "/strategy/strategy.py")
        assert server.docker(*run, "openbell", "next", "--strategies", "/strategies", "--help")


def test_a_change_leaves_the_local_engine_by_push_and_leaves_no_name_there(
    engine: docker.DockerClient, blocks: Blocks, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`docker save` would write the whole image; the names that the push needs are taken away."""
    monkeypatch.setattr(export_save, "export", never)
    reference = blocks.build("app", ("one", 2000), ("two", 2000))
    layers = engine.images.get(reference).attrs["RootFS"]["Layers"]
    there = HostImages(chains=frozenset({(layers[0],)}))
    for _ in range(2):  # the engine has pushed the layer by then, and would not send it again unasked
        with prepared([reference], there, log) as shipment:
            assert [layer.id for layer in shipment.layers] == [layers[1]]
    assert engine.images.get(reference).tags == [reference]


def test_where_a_push_is_not_possible_docker_save_does_it(
    engine: docker.DockerClient, blocks: Blocks, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same layers travel: an engine elsewhere does not reach this machine's loopback."""
    reference = blocks.build("app", ("one", 2000), ("two", 2000))
    layers = engine.images.get(reference).attrs["RootFS"]["Layers"]
    there = HostImages(chains=frozenset({(layers[0],)}))
    with prepared([reference], there, log) as pushed:
        expected = (pushed.images, pushed.layers, pushed.wire_bytes)
    monkeypatch.setattr(export_push, "possible", lambda: False)
    with prepared([reference], there, log) as saved:
        assert (saved.images, saved.layers, saved.wire_bytes) == expected


def test_a_push_that_is_too_much_is_ended_and_done_by_docker_save(
    engine: docker.DockerClient, blocks: Blocks, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that has never packed a large base would take long."""
    monkeypatch.setattr(export_push, "LIMIT", MEGABYTE)
    blocks.build("base", ("large", 4 * MEGABYTE))
    reference = blocks.build("app", ("little", 100), base="base")
    layers = engine.images.get(reference).attrs["RootFS"]["Layers"]
    with prepared([reference], HostImages(chains=frozenset({(layers[0],)})), log) as shipment:
        assert [layer.id for layer in shipment.layers] == layers[1:]
    assert engine.images.get(reference).tags == [reference]


def test_after_the_first_deploy_the_engine_has_packed_what_the_next_needs(
    engine: docker.DockerClient, blocks: Blocks, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a change of a few bytes does not pack the base."""
    blocks.build("base", ("primed", 4 * MEGABYTE))
    reference = blocks.build("app", ("little", 100), base="base")
    begin = threading.Event()
    with warm_up.priming(engine, images.look_up(engine, [reference]), begin) as done:
        assert not done.is_set()
        begin.set()
        assert done.wait(60)
    monkeypatch.setattr(export_push, "LIMIT", MEGABYTE)  # the base would be more
    monkeypatch.setattr(export_save, "export", never)
    blocks.build("app", ("other", 100), base="base")
    layers = engine.images.get(reference).attrs["RootFS"]["Layers"]
    with prepared([reference], HostImages(chains=frozenset({(layers[0],)})), log) as shipment:
        assert len(shipment.layers) == 1


def never(*_: object) -> None:
    """Fail: this way is not to be taken."""
    msg = "docker save was asked for"
    raise AssertionError(msg)


def test_an_image_that_is_not_built_is_a_problem(blocks: Blocks, log: Log) -> None:
    """It is named."""
    with (
        pytest.raises(CommandError, match=f"not built: {blocks.reference('none')}"),
        prepared([blocks.reference("none")], HostImages(chains=frozenset()), log),
    ):
        pass


def test_an_image_for_another_machine_is_a_problem(blocks: Blocks, log: Log) -> None:
    """It would arrive, and run nothing."""
    reference = blocks.build("app", ("one", 10))
    with (
        pytest.raises(CommandError, match="and the host is linux/riscv64"),
        prepared([reference], HostImages(chains=frozenset(), platform="linux/riscv64"), log),
    ):
        pass


@pytest.mark.deploy_long
def test_images_of_a_local_engine_with_the_containerd_store_can_be_shipped(
    engine: docker.DockerClient, servers: dict[str, Machine], blocks: Blocks
) -> None:
    """What such an engine saves has packed layers; the same layers come out of it."""
    local = servers["26.1-containerd"]
    reference = blocks.build("app", ("one", 2000), ("two", 2000))
    outside = images.look_up(engine, [reference])
    local.bring(reference)
    command = ["docker", "exec", str(local.container.id), "docker", "save", reference]
    saved = subprocess.run(command, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        cache = LayerCache(Path(folder))
        export_save.read(io.BytesIO(saved), dict.fromkeys(outside[0].layers), cache)
        assert set(cache.layers) == set(outside[0].layers)


@pytest.mark.deploy_long
def test_a_change_leaves_an_engine_with_the_containerd_store_by_push(
    servers: dict[str, Machine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: Blocks, log: Log
) -> None:
    """What such an engine builds is an index: of the image, and of how it was built."""
    local = servers["26.1-containerd"]
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY one /\nCOPY two /\n")
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(blocks.content(name, 2000))

    @contextlib.contextmanager
    def registry_there(folder: Path, limit: int) -> Iterator[CapturingRegistry]:
        with catching(folder, limit) as registry, local.port_there(registry.server_port):
            yield registry
            described.update(registry.manifests)

    described: dict[str, bytes] = {}
    monkeypatch.setattr(export_push, "catching", registry_there)
    monkeypatch.setattr(export_save, "export", never)
    with local.engine_here(tmp_path) as socket:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
        reference = blocks.reference("index")
        subprocess.run(("docker", "buildx", "build", "--quiet", "--tag", reference, "."), cwd=tmp_path, check=True)
        with engine.client(engine.address()) as client:
            (image,) = images.look_up(client, [reference])
            there = HostImages(chains=frozenset({image.layers[:1]}))
            for _ in range(2):  # the engine has pushed the layer by then, and would not send it again unasked
                with prepared([reference], there, log) as shipment:
                    assert [layer.id for layer in shipment.layers] == [image.layers[1]]
            assert "manifests" in json.loads(described[f"{image.name}:shipping"])
            assert client.images.get(reference).tags == [reference]
