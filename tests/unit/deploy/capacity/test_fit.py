"""What services need of the memory, and whether a machine has it."""

import argparse
from pathlib import Path

import pytest

from deploy import container_stats, processes, target
from deploy.capacity import command, fit
from deploy.capacity.fit import refusal, table
from deploy.capacity.memory_needs import (
    ENGINE,
    HOSTED,
    LIBRARIES,
    MB,
    RUN,
    SHIM,
    STRATEGY,
    SUPERVISOR_BUDGET,
    TOGETHER,
    MemoryNeed,
    needs,
)
from deploy.errors import CommandError
from deploy.hosts.facts import Engine, Facts
from deploy.settings import Settings
from openbell.manifest import Manifest, load
from tests.unit.strategy_file import write

GB = 2**30
ENGINES = Engine("26.1.5", live_restore=False, running=0, swarm=False)
BOTS = '[[bot]]\nid = "{name}-a"\nsymbols = ["BTC/USDT"]\nevery = "1m"\n[[bot]]\nid = "{name}-b"\nsymbols = ["ETH/USDT"]\nevery = "1m"\n'


def manifest(folder: Path, name: str, top: str = "") -> Manifest:
    """Return a strategy with two bots."""
    return load(write(folder, f'timezone = "UTC"\n{top}{BOTS.format(name=name)}', name))


def one(name: str, manifests: list[Manifest], measured: int = 0, **service: object) -> MemoryNeed:
    """Return what one service needs."""
    (found,) = needs({"services": {name: {"mem_limit": "268435456", **service}}}, manifests, {name: measured})
    return found


@pytest.mark.parametrize(
    "top, runs, libraries",
    [
        ("", 2, 0),
        ("max_parallel = 1\n", 1, 0),
        ('stagger = "2s"\n', 1, 0),
        ('market = "alpaca"\nsecrets = ["ALPACA_API_KEY", "ALPACA_SECRET_KEY"]\n', 2, LIBRARIES["alpaca"]),
        ('market = "ccxt:kraken"\n', 2, LIBRARIES["ccxt"]),
    ],
)
def test_a_strategy_by_its_manifest(tmp_path: Path, top: str, runs: int, libraries: int) -> None:
    """A loop, the runs that may be under way together, and the library of its venue."""
    found = one("demo", [manifest(tmp_path, "demo", top)])
    assert found == MemoryNeed("demo", 256 * MB, STRATEGY + runs * RUN + libraries, "benchmark")


def test_several_strategies_in_one_container(tmp_path: Path) -> None:
    """One start for all, then each of those that the service is labelled with."""
    manifests = [manifest(tmp_path, name, 'stagger = "2s"\n') for name in ("a", "b", "c")]
    found = one("together", manifests, profiles=["portfolio-together"], labels={"openbell.strategies": "a b"})
    assert (found.bytes, found.profiles) == (TOGETHER + 2 * (HOSTED + RUN), ("portfolio-together",))


def test_what_runs_is_measured(tmp_path: Path) -> None:
    """What it takes now goes before the benchmark's figure; its runs come on top."""
    found = one("demo", [manifest(tmp_path, "demo", 'stagger = "2s"\n')], measured=40 * MB)
    assert (found.bytes, found.source) == (40 * MB + RUN, "measured here now")


def test_others(tmp_path: Path) -> None:
    """The supervisor is known; of a stranger the limit is."""
    assert one("supervisor", []).bytes == SUPERVISOR_BUDGET
    assert (one("grafana", []).bytes, one("grafana", []).source) == (256 * MB, "its limit")


def facts(memory: int, available: int, engine: Engine | None = ENGINES) -> Facts:
    """Return a machine."""
    return Facts(memory=memory, memory_available=available, engine=engine)


def portfolio(count: int = 7, size: int = 24 * MB) -> list[MemoryNeed]:
    """Return so many services of the portfolio."""
    return [MemoryNeed(f"s{number}", 256 * MB, size, "benchmark", ("portfolio",)) for number in range(count)]


def test_what_runs_already_is_not_counted_twice() -> None:
    """Of the memory that is taken, our containers' part is not the others'."""
    found = fit.plan(portfolio(2), facts(GB, 600 * MB), running=100 * MB, containers=2)
    assert found.others == GB - 600 * MB - 100 * MB - 2 * SHIM


def test_an_engine_that_is_still_to_come_is_counted() -> None:
    """A bare machine is judged as it will be."""
    assert fit.plan((), facts(GB, GB, None), 0, 0).others == ENGINE


def test_what_fits() -> None:
    """Seven strategies and a machine of 1 GB."""
    found = fit.plan(portfolio(), facts(GB, 800 * MB), 0, 0)
    assert refusal(found) == ""
    memory, needed, limits = table(found, "vps").splitlines()[-3:]
    assert memory == "Memory of vps: 1.0 GB, of which 224 MB are used by other programs, including the engine"
    assert needed == "Needed: 217 MB (with 7 MB of the engine's for each container); free then: 583 MB, 56 %"
    assert limits.startswith("Limits: 1.8 GB together, which is more than there is: ")


def test_the_other_form_where_that_is_enough() -> None:
    """A machine that is a little too small is told how the same strategies fit."""
    found = fit.plan(portfolio(), facts(512 * MB, 232 * MB), 0, 0)
    assert refusal(found, "vps") == (
        "vps has room for 180 MB, and 217 MB are needed: PROFILE=portfolio-together (one container for all) needs "
        "70 MB less and fits, or take a machine with 1 GB or more"
    )


def test_a_machine_that_is_far_too_small() -> None:
    """Only a larger one helps, and its size is named; where none is large enough, that is said."""
    found = fit.plan(portfolio(40), facts(512 * MB, 232 * MB), 0, 0)
    assert refusal(found).endswith(": take a machine with 2 GB or more, or run less")
    found = fit.plan(portfolio(40, 2 * GB), facts(GB, GB // 2), 0, 0)
    limitless = [MemoryNeed(need.service, 0, need.bytes, need.source) for need in found.needs]
    assert "spread the strategies over several machines" in refusal(fit.MemoryPlan(tuple(limitless), GB, 0))


@pytest.mark.parametrize(
    "service, key",
    [
        ("demo", "OPENBELL_STRATEGY_MEMORY"),
        ("together", "OPENBELL_TOGETHER_MEMORY"),
        ("supervisor", "OPENBELL_SUPERVISOR_MEMORY"),
    ],
)
def test_a_limit_below_the_need(service: str, key: str) -> None:
    """However large the machine is, what is ended at its limit does not fit."""
    found = fit.MemoryPlan((MemoryNeed(service, 64 * MB, 70 * MB, "benchmark"),), 64 * GB, 0)
    assert refusal(found) == f"{service} needs 70 MB and may take 64 MB: set {key} to 96m or more in .env"


def test_the_command_refuses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The table is shown, then the one line; no engine is no reason not to plan."""

    def no_engine(*_: object) -> container_stats.ContainerStats:
        msg = "no engine"
        raise CommandError(msg)

    configuration = '{"services": {"supervisor": {"mem_limit": "268435456"}}}'
    monkeypatch.setattr(processes, "output", lambda _: configuration)
    monkeypatch.setattr(container_stats, "read", no_engine)
    monkeypatch.setattr(target, "which", lambda name: name)
    monkeypatch.setattr(target.LocalTarget, "engine", None)
    monkeypatch.setattr(target.LocalTarget, "facts", lambda _: facts(64 * MB, 32 * MB, None))
    with pytest.raises(
        CommandError, match=r"^this machine has room for 0 MB, and 71 MB are needed: take a machine with 0.5 GB"
    ):
        command.plan(Settings(), argparse.Namespace(host=None))
    assert "supervisor  64 MB  256 MB  benchmark" in capsys.readouterr().out
