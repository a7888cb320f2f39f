"""What containers take, from the engine's answers."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import container_stats
from deploy.container_stats import NO_VOLUMES, ContainerStats, Usage, read, table, usage
from deploy.errors import CommandError
from deploy.hosts.facts import Facts
from tests.unit.deploy.engine_socket import Engine, engine_behind

LISTED = {"Id": "a1", "State": "running", "Labels": {"com.docker.compose.service": "pulse"}, "SizeRw": 2 * 2**20}
INSPECTED = {"RestartCount": 3, "HostConfig": {"Memory": 256 * 2**20}}
MEASURED = {
    "memory_stats": {"usage": 30 * 2**20, "stats": {"total_inactive_file": 10 * 2**20}},
    "cpu_stats": {"cpu_usage": {"total_usage": 3_000}, "system_cpu_usage": 20_000, "online_cpus": 2},
    "precpu_stats": {"cpu_usage": {"total_usage": 1_000}, "system_cpu_usage": 10_000},
    "pids_stats": {"current": 4},
}
PULSE = Usage("pulse", 20 * 2**20, 256 * 2**20, 40.0, 4, 3, 2 * 2**20)


def test_a_container_is_counted_as_docker_counts() -> None:
    """Memory without the page cache; percent of one CPU."""
    assert usage(LISTED, INSPECTED, MEASURED) == PULSE


def test_the_other_version_of_cgroups_has_another_name_for_it() -> None:
    """Version 2 calls it inactive_file."""
    measured = {**MEASURED, "memory_stats": {"usage": 30 * 2**20, "stats": {"inactive_file": 5 * 2**20}}}
    assert usage(LISTED, INSPECTED, measured).memory == 25 * 2**20


def test_a_container_that_does_not_run_takes_nothing() -> None:
    """It has restarts and disk all the same."""
    assert usage(LISTED, INSPECTED, {}) == Usage("pulse", 0, 256 * 2**20, 0.0, 0, 3, 2 * 2**20)


def test_first_measurement() -> None:
    """Without one before there is no share of the CPU, and no division by nothing."""
    assert usage(LISTED, INSPECTED, {**MEASURED, "precpu_stats": MEASURED["cpu_stats"]}).cpu == 0.0


def test_everything_is_in_one_text() -> None:
    """Containers, volumes, and what the machine has left."""
    facts = Facts(memory=2**30, memory_available=600 * 2**20, disk=20 * 2**30, disk_free=15 * 2**30)
    unlimited = Usage("supervisor", 60 * 2**20, 0, 0.04, 9, 0, 0)
    assert table(ContainerStats((PULSE, unlimited), {"openbell_journal": 3 * 2**19}), facts).splitlines() == [
        "SERVICE     MEMORY   LIMIT     CPU    PROCESSES  RESTARTS  DISK",
        "pulse       20.0 MB  256.0 MB  40.0%  4          3         2.0 MB",
        "supervisor  60.0 MB  none      0.0%   9          0         0.0 MB",
        "",
        "VOLUME            DISK",
        "openbell_journal  1.5 MB",
        "",
        "Memory: 600 MB of 1.0 GB available; the containers take 80 MB",
        "Disk:   15.0 GB of 20.0 GB free where Docker keeps its files",
    ]


@pytest.fixture
def overloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Engine]]:
    """An engine that does not say in time what its disk holds; its socket is in tmp_path."""
    monkeypatch.setattr(container_stats, "ENGINE_TIMEOUT", 1)
    never = threading.Event()
    answers = {
        "GET /version": (200, {"ApiVersion": "1.41"}),
        "GET /v1.41/containers/json": (200, []),
        "GET /v1.41/system/df": (200, never),
    }
    with engine_behind(tmp_path / "engine", answers) as engine:
        yield engine
        never.set()


def test_an_engine_that_needs_minutes_for_its_volumes(overloaded: type[Engine], tmp_path: Path) -> None:
    """Everything else is shown, and what is missing."""
    stats = read(f"unix://{tmp_path / 'engine'}", "openbell")
    assert stats == ContainerStats((), None)
    assert table(stats, Facts()) == NO_VOLUMES


def test_an_engine_that_does_not_answer_in_time(overloaded: type[Engine], tmp_path: Path) -> None:
    """One line says so."""
    overloaded.answers["GET /v1.41/containers/json"] = overloaded.answers["GET /v1.41/system/df"]
    with pytest.raises(CommandError, match="the Docker engine did not answer within 1 s: see whether its machine is"):
        read(f"unix://{tmp_path / 'engine'}", "openbell")
