"""The way back of a transaction: what ran before runs again.

A new container that was judged bad gets no further slot: it gets SIGTERM before anything else happens. One that was not,
such as a good strategy's beside a bad one, goes on until the old container has imported its strategies and waits for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from deploy.remote.docker_client import Container, DockerClient, DockerError
from deploy.remote.files import lines_of
from deploy.remote.hold import Hold
from deploy.remote.plan import TransactionPlan
from deploy.remote.records import Records, ShouldRun
from deploy.remote.reloads import Reload, Reloads
from deploy.remote.renames import Renames, Swap
from deploy.remote.services import Services, StepFailed


@dataclass(frozen=True)
class WayBack:
    """What a return needs of its transaction."""

    plan: TransactionPlan
    records: Records
    docker: DockerClient
    services: Services
    renames: Renames
    hold: Hold
    should_run: ShouldRun
    reloads: Reloads

    def follow_again(self, reloaded: Sequence[Reload], bad: Collection[str]) -> dict[str, str]:
        """Let containers run their strategies' old folders again; return what failed, by service."""
        failed: dict[str, str] = {}
        for one in reloaded:
            try:
                if self.docker.state(one.container.id)[0] == "gone" and self._can_make_again(one.service):
                    made = self._make_again(one.service, one.container)
                    self.should_run.change(add=[made.id], remove=[one.container.id])
                    self.services.must_work(self.plan, one.service, made.id)
                else:
                    self.reloads.put_back(one, is_bad=one.service in bad)
            except (StepFailed, DockerError) as error:
                failed[one.service] = str(error)
        return failed

    def put_back(self, swaps: Sequence[Swap], bad: Collection[str]) -> dict[str, str]:
        """Let the old containers run again, and see that they are well; return what failed, by service."""
        if self.plan.renames:
            self.should_run.change(remove=[swap.new for swap in swaps])
        failed = self.renames.revert()
        back = list(reversed(swaps))
        self._each(back, failed, self._prepare)
        for swap in back:
            if swap.new and swap.service in bad and swap.service not in failed:
                self.docker.ask("kill", "--signal", "TERM", swap.new)
        self._each(back, failed, lambda swap: self._return(swap, is_bad=swap.service in bad))
        self._each(swaps, failed, self._must_work)
        return failed

    def _each(self, swaps: Sequence[Swap], failed: dict[str, str], do: Callable[[Swap], None]) -> None:
        for swap in swaps:
            if swap.service not in failed:
                try:
                    do(swap)
                except (StepFailed, DockerError) as error:
                    failed[swap.service] = str(error)

    def _prepare(self, swap: Swap) -> None:
        """Let a reboot start what ran from here on, and not the new container."""
        there = self._there(swap)
        if swap.ran and not there and not self._can_make_again(swap.service):
            msg = f"{swap.service}: the container that ran before was removed by another program, and its release is not known: the new one continues"
            raise StepFailed(msg)
        for one in there:
            self.services.restart_policy(one.id, "always")
        self.should_run.change(add=[one.id for one in there], remove=[swap.new])

    def _return(self, swap: Swap, *, is_bad: bool) -> None:
        """Let the old container of a service run again, and remove the new one."""
        there = self._there(swap)
        if swap.ran and not there:
            made = self._make_again(swap.service, swap.ran[0])
            self.should_run.change(add=[made.id])
            swap.old = [made]
        elif swap.stopped and swap.service in self.plan.hosted:
            for one in there:  # its loops wait for the locks that the new one gives back
                self.services.start(swap.service, one.id)
                if swap.new and not is_bad:
                    with contextlib.suppress(StepFailed):  # whether it works is seen at the end
                        self.services.wait_until_ready(swap.service, one.id, self.plan.hosted[swap.service], again=True)
        if swap.new:
            self.services.remove(swap.new)
        for one in there:
            if swap.stopped:
                self.services.start(swap.service, one.id)
            self.services.restart_policy(one.id, one.restart_policy)

    def _must_work(self, swap: Swap) -> None:
        if swap.ran:
            self.services.must_work(self.plan, swap.service, swap.ran[0].id)

    def _there(self, swap: Swap) -> list[Container]:
        return [one for one in swap.ran if self.docker.state(one.id)[0] != "gone"]

    def _can_make_again(self, service: str) -> bool:
        before = self.plan.previous
        return before is not None and service in lines_of(self.records.release(before) / "services")

    def _make_again(self, service: str, ran: Container) -> Container:
        """Create the container of the previous release again; its image was held."""
        assert self.plan.previous  # noqa: S101 - asked by _can_make_again
        self.hold.name_again(ran.image_id)
        made = self.services.create(self.plan.previous, service)
        self.services.start(service, made)
        return Container(made, service, running=True, image_id=ran.image_id)
