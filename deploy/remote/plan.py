"""What a transaction is to do, as the deploying machine has written it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SUPERVISOR = "supervisor"
FINGERPRINT = "openbell.fingerprint"  # a container's label: what it was made from
BASE = "openbell.base"  # a container's label: the same apart from its strategies' folders, if it can follow newer ones
IN_DOUBT = "in doubt"  # in place of a fingerprint: a transaction was cut off while it changed the folders
DATABASE = "database"  # the service that `make database` starts
STEPS = ("switch", "replace", "start", "stop", "rename", "check", "reload")


class PlanError(Exception):
    """The plan cannot be read."""


@dataclass(frozen=True)
class TransactionPlan:
    """One deployment or rollback. Steps are pairs of a word of STEPS and a service, or the old name of a strategy."""

    project: str
    release: str
    previous: str | None
    by: str
    wait_for_idle: bool
    steps: tuple[tuple[str, str], ...]
    remove: tuple[str, ...]
    hosted: Mapping[str, tuple[str, ...]]  # service: the strategies that its new container runs
    strategies: tuple[str, ...]  # that are stopped and started
    audit: Mapping[str, Any]  # the beginning of the audit's line
    renames: Mapping[str, str] = field(default_factory=dict)  # strategies that get another name: old to new

    @property
    def recreated(self) -> tuple[str, ...]:
        """The services that get a new container or newer folders, in order."""
        return tuple(service for step, service in self.steps if step in {"switch", "replace", "start", "reload"})

    def runs_openbell(self, service: str) -> bool:
        """Tell whether a service of the release runs our program; others, such as Prometheus, are started as they are."""
        return service == SUPERVISOR or service in self.hosted


def read_plan(folder: Path) -> TransactionPlan:
    """Read plan.json of a transaction's folder; PlanError says what is wrong."""
    try:
        content = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        steps = tuple((str(step), str(service)) for step, service in content["steps"])
        if unknown := [step for step, _ in steps if step not in STEPS]:
            msg = f"plan.json: unknown step {unknown[0]}"
            raise PlanError(msg)
        return TransactionPlan(
            project=str(content["project"]),
            release=str(content["release"]),
            previous=str(content["previous"]) if content["previous"] else None,
            by=str(content["by"]),
            wait_for_idle=bool(content["wait_for_idle"]),
            steps=steps,
            remove=tuple(map(str, content["remove"])),
            hosted={str(service): tuple(map(str, own)) for service, own in content["hosted"].items()},
            strategies=tuple(map(str, content["strategies"])),
            audit=dict(content["audit"]),
            renames={str(old): str(new) for old, new in content.get("renames", {}).items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"plan.json cannot be read: {type(error).__name__}: {error}"
        raise PlanError(msg) from None
