"""Shipments that something happens to: nothing that runs is touched, no broken image keeps its name, the next one succeeds."""

import re
import threading
from typing import IO

import docker
import pytest

from deploy.errors import CommandError
from deploy.log import Log
from deploy.ssh.connection import Connection, Host
from deploy.transfer import delivery, host_images
from deploy.transfer.images import look_up, tag
from deploy.transfer.shipment import Shipment
from tests.deploy.shipping.blocks import MEGABYTE, Blocks, blocks_of, file_in, ship
from tests.deploy.shipping.interruptions import LAYER, has_arrived, interrupted, packed_bytes, tags
from tests.engine.kit import wait_until
from tests.machine.machine import Machine, running_machine

pytestmark = [pytest.mark.engine, pytest.mark.deploy_long]


@pytest.mark.parametrize("part", [0.0, 0.0001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.9999, 1.0])
@pytest.mark.usefixtures("running")
def test_a_connection_that_is_cut_leaves_the_server_as_it_was(
    server: Machine, blocks: Blocks, log: Log, monkeypatch: pytest.MonkeyPatch, part: float
) -> None:
    """At whatever point; the command says so in a line, and the next one succeeds."""
    reference = blocks.build("app", ("large", LAYER))
    host = Host(server.host, server.ssh_config)
    said = ""
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "write", interrupted(part, server.cut_connections))
        try:
            with Connection(host) as connection:
                ship(connection, [reference], log)
        except CommandError as problem:
            said = str(problem)
    # When all bytes are there, the server's answer may come before the cut.
    assert re.fullmatch(r"vps: the connection was lost.*", said) or (part == 1.0 and not said)
    has_arrived(server, host, blocks, reference, log)


@pytest.mark.usefixtures("running")
def test_a_network_that_is_gone_is_noticed(
    server: Machine, blocks: Blocks, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the other side is silent, the command ends by itself instead of waiting for ever."""
    reference = blocks.build("app", ("large", LAYER))
    host = Host(server.host, server.ssh_config)
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "write", interrupted(0.5, server.cut_network))
        with pytest.raises(CommandError, match=r"vps: the connection was lost"), Connection(host) as connection:
            ship(connection, [reference], log)
    server.mend_network()
    has_arrived(server, host, blocks, reference, log)


@pytest.mark.usefixtures("running")
def test_an_engine_that_restarts_in_the_middle_of_the_load(
    server: Machine, blocks: Blocks, connection: Connection, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends in a problem or, if the second attempt finds the engine up again, in success; never in half an image."""
    reference = blocks.build("app", ("large", LAYER))
    host = Host(server.host, server.ssh_config)
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "write", interrupted(0.5, server.kill_engine))
        with pytest.raises(CommandError, match="did not arrive whole"):
            ship(connection, [reference], log)
    assert not tags(server, blocks.name("app"))
    has_arrived(server, host, blocks, reference, log)


@pytest.mark.usefixtures("running")
def test_a_base_layer_that_vanishes_from_the_server_is_sent_after_all(
    engine: docker.DockerClient,
    server: Machine,
    blocks: Blocks,
    connection: Connection,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A prune between the question and the load leaves the images incomplete: everything is sent."""
    blocks.build("base", ("vanishing", MEGABYTE))
    (first,) = ship(connection, [blocks.build("app", ("before", 100), base="base")], log)
    reference = blocks.build("app", ("large", LAYER), base="base")
    stale = host_images.read(connection)
    server.docker("image", "rm", first.images[0].tag)
    monkeypatch.setattr(host_images, "read", lambda _: stale)

    partial, whole = ship(connection, [reference], log)

    assert (len(partial.layers), len(whole.layers)) == (1, 2)
    image = whole.images[0]
    assert file_in(server, image.tag, "/base-file-0") == blocks.content("vanishing", MEGABYTE)
    assert file_in(server, image.tag, "/app-file-0") == blocks.content("large", LAYER)
    assert image.tag == tag(blocks.name("app"), look_up(engine, [reference])[0].image.id)


@pytest.mark.parametrize("suite,store", [("bookworm", "classic"), ("trixie", "classic"), ("trixie", "containerd")])
def test_a_disk_that_is_full_in_the_middle_of_the_load(
    engine: docker.DockerClient, blocks: Blocks, log: Log, suite: str, store: str
) -> None:
    """The problem says so; what was there is still whole; once there is room again, the next one succeeds."""
    with running_machine(engine, suite, store=store, disk_megabytes=200) as server:  # type: ignore[arg-type] # of the table
        host = Host(server.host, server.ssh_config)
        with Connection(host) as connection:
            (first,) = ship(connection, [blocks.build("running", ("runs", 1000))], log)
            server.docker("create", "--name", "runs", first.images[0].tag, "true")
            reference = blocks.build("app", ("large", LAYER), base="running")
            server.fill_disk(leave_megabytes=LAYER // MEGABYTE - 4)
            with pytest.raises(CommandError, match=r"did not arrive whole: .*(?i:no space left)"):
                ship(connection, [reference], log)
            assert not tags(server, blocks.name("app"))
            assert file_in(server, first.images[0].tag, "/running-file-0") == blocks.content("runs", 1000)
            server.free_disk()
        has_arrived(server, host, blocks, reference, log)


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_a_server_without_zstd_is_sent_gzip(engine: docker.DockerClient, blocks: Blocks, log: Log, suite: str) -> None:
    """Nothing need be installed there."""
    with (
        running_machine(engine, suite, missing=["zstd"]) as server,  # type: ignore[arg-type] # of the table
        Connection(Host(server.host, server.ssh_config)) as connection,
    ):
        reference = blocks.build("app", ("large", LAYER))
        (sent,) = ship(connection, [reference], log)
        assert sent.compression == "gzip"
        assert file_in(server, sent.images[0].tag, "/app-file-0") == blocks.content("large", LAYER)


def test_an_engine_that_does_not_run_is_not_taken_for_one_without_images(engine: docker.DockerClient) -> None:
    """It may have ended since the server was seen to be ready; `docker info` of 20.10 is a success all the same."""
    with (
        running_machine(engine, missing=["engine"]) as server,
        Connection(Host(server.host, server.ssh_config)) as connection,
        pytest.raises(
            CommandError, match=r"^vps: asking Docker there for its images failed: Cannot connect to the Docker"
        ),
    ):
        host_images.read(connection)


def test_two_at_once_do_not_disturb_each_other(engine: docker.DockerClient, server: Machine, log: Log) -> None:
    """The lock is the deploy's; but nothing here breaks if two ship."""
    host = Host(server.host, server.ssh_config)
    problems: list[Exception] = []

    def one(number: int) -> None:
        try:
            with blocks_of(engine) as blocks, Connection(host) as connection:
                reference = blocks.build("app", (f"at once {number}", MEGABYTE))
                (sent,) = ship(connection, [reference], log)
                found = file_in(server, sent.images[0].tag, "/app-file-0")
                assert found == blocks.content(f"at once {number}", MEGABYTE)
        except Exception as problem:  # noqa: BLE001 - told below, by the test's own thread
            problems.append(problem)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not problems


def test_ctrl_c_leaves_nothing_behind_here(
    engine: docker.DockerClient,
    server: Machine,
    blocks: Blocks,
    connection: Connection,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither a file, nor a name on the local engine; on the server, no image by the name."""
    reference = blocks.build("app", ("large", LAYER))
    folders: list[object] = []

    def stop(shipment: Shipment, stream: IO[bytes], log: Log) -> None:
        assert shipment.cargo
        folders.append(shipment.cargo.parent)
        stream.write(packed_bytes(shipment)[:MEGABYTE])
        raise KeyboardInterrupt

    monkeypatch.setattr(delivery, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        ship(connection, [reference], log)
    connection.close()
    assert not any(folder.exists() for folder in folders)  # type: ignore[attr-defined] # paths
    assert engine.images.get(reference).tags == [reference]
    wait_until(
        lambda: not re.search("docker load", server.shell("ps ax -o args")), "the load to end", 60, server.container
    )
    assert not tags(server, blocks.name("app"))
