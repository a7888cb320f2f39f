"""Transactions on an engine in memory, for the tests of them."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from deploy.remote.docker_client import Answer
from deploy.remote.plan import TransactionPlan
from deploy.remote.records import Records, TransactionRecord
from deploy.remote.transaction import Transaction
from tests.unit.deploy.remote.engine import FakeEngine

SWITCH = (("switch", "pulse"), ("replace", "supervisor"))
NO_RENAMES: Mapping[str, str] = {}
TOGETHER = (
    ("start", "together"),
    ("stop", "pulse"),
    ("stop", "slow"),
    ("check", "together"),
    ("replace", "supervisor"),
)
RELOAD = (("reload", "together"),)
FAILED = Answer(3, "pulse: its first run failed: ValueError: no good")


def records_below(root: Path) -> Path:
    """Write the records of two releases, of which the first runs."""
    for name in ("old", "new"):
        folder = root / "releases" / name
        folder.mkdir(parents=True)
        (folder / "services").write_text("pulse\nsupervisor\n")
        (folder / "images").write_text(f"{name}\n")
        (folder / "compose.yaml").write_text("{}")
        service = {"image": name, "fingerprint": f"of-{name}"}
        (folder / "release.json").write_text(json.dumps({"services": {"together": service}}))
    (root / "transactions" / "new").mkdir(parents=True)
    (root / "shipped").write_text("old\nnew\n")
    Records(root).take_over("old")
    return root


def engine_with_both() -> FakeEngine:
    """Return an engine that runs the first release and has the images of both."""
    engine = FakeEngine()
    engine.add("pulse")
    engine.add("supervisor")
    engine.images.add("new")
    engine.answers["openbell idle"] = lambda call: Answer(0, "")
    return engine


def transaction(
    root: Path,
    engine: FakeEngine,
    steps: Sequence[tuple[str, str]] = SWITCH,
    *,
    remove: Sequence[str] = (),
    previous: str | None = "old",
    renames: Mapping[str, str] = NO_RENAMES,
) -> Transaction:
    """Return a transaction that puts the second release in place."""
    plan = TransactionPlan(
        project="bells",
        release="new",
        previous=previous,
        by="alice@laptop",
        wait_for_idle=False,
        steps=tuple(steps),
        remove=tuple(remove),
        hosted={"pulse": ("pulse",), "beat": ("beat",), "together": ("pulse", "slow")},
        strategies=("pulse",),
        audit={"action": "deploy"},
        renames=renames,
    )
    return Transaction(plan, Records(root), TransactionRecord(root / "transactions" / "new"), engine.client())


def fails_its_first_run(engine: FakeEngine) -> None:
    """Let the new strategy's first run fail."""
    engine.answers["gate --beat 120 --runs"] = lambda call: FAILED


def order(engine: FakeEngine, *calls: str) -> list[int]:
    """Return where in the engine's calls the first is that begins with each of these."""
    return [next(index for index, call in enumerate(engine.calls) if call.startswith(one)) for one in calls]


def moments_without(engine: FakeEngine, *groups: Collection[str]) -> list[str]:
    """Return a list that gets each call after which a reboot would start no container of one of these groups of services."""
    without: list[str] = []

    def is_safe(services: Collection[str]) -> bool:
        return any(one.comes_back for one in engine.containers.values() if one.service in services)

    def note() -> None:
        without.extend(f"{', '.join(one)} after {engine.calls[-1]}" for one in groups if not is_safe(one))

    engine.after = note
    return without
