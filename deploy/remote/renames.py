"""Strategies that get another name in a transaction: their data gets it while no container runs them.

The new container is started before, and waits for the data. So at each moment a reboot starts one that has what it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.remote.docker_client import Container, DockerClient, DockerError
from deploy.remote.plan import TransactionPlan
from deploy.remote.services import STOP_WITHIN, Services, StepFailed


@dataclass
class Swap:
    """What was done with one service: the containers that it had, and the new one."""

    service: str
    old: Sequence[Container] = ()
    new: str = ""
    stopped: bool = False  # whether a stop of the old ones was asked for

    @property
    def ran(self) -> list[Container]:
        """Those of the old containers that ran."""
        return [one for one in self.old if one.running]


class Renames:
    """What a plan renames; only what was announced is reverted."""

    def __init__(
        self, plan: TransactionPlan, services: Services, docker: DockerClient, swaps: Mapping[str, Swap]
    ) -> None:
        self._plan, self._services, self._docker, self._swaps = plan, services, docker, swaps
        self._announced: list[str] = []  # old names

    def announce(self) -> None:
        """Let loops of the new names wait for the data."""
        for old, new in self._plan.renames.items():
            self._rename(old, new, "--announce")
            self._announced.append(old)

    def before_a_stop(self) -> None:
        """Let a reboot start the old containers: what takes over cannot run before the data has its new name."""
        if self._plan.renames:
            self._restart_old("always")

    def carry_out(self, old: str) -> None:
        """Give a strategy's data its new name."""
        self._rename(old, self._plan.renames[old])
        self._restart_old("no")

    def revert(self) -> dict[str, str]:
        """Give strategies their old names again, once no new container has their data; return what failed, by service.

        Until the data is back the new container is what a reboot starts, and from there on the old one.
        """
        failed: dict[str, str] = {}
        if self._announced:
            self._restart_old("always")
        for old in self._announced:
            new = self._plan.renames[old]
            swaps = [one for one in self._swaps.values() if one.new and new in self._plan.hosted.get(one.service, ())]
            try:
                for swap in swaps:
                    self._services.restart_policy(swap.new, "always")
                    self._docker.must("stop", swap.new, seconds=STOP_WITHIN)
                self._rename(new, old)
                for swap in swaps:
                    self._services.remove(swap.new)
                    swap.new = ""
            except (StepFailed, DockerError) as error:
                failed |= {swap.service: str(error) for swap in swaps} or {old: str(error)}
        return failed

    def _restart_old(self, policy: str) -> None:
        for swap in self._swaps.values():
            for one in swap.old:
                self._services.restart_policy(one.id, policy)

    def _rename(self, old: str, new: str, *options: str) -> None:
        """Use the newer one of the two releases: the older may not know how."""
        newer = self._plan.previous if self._plan.audit.get("action") == "rollback" else self._plan.release
        self._services.rename(newer or self._plan.release, old, new, *options)
