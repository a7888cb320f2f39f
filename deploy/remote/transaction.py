"""Puts a release in place service by service, or everything back. It runs by itself, with the project's lock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from deploy.remote import preparation
from deploy.remote.docker_client import DockerClient, DockerError
from deploy.remote.files import reason_of
from deploy.remote.hold import Hold
from deploy.remote.plan import DATABASE, TransactionPlan
from deploy.remote.prune import prune
from deploy.remote.records import Records, ShouldRun, TransactionRecord
from deploy.remote.reloads import Reload, Reloads
from deploy.remote.renames import Renames, Swap
from deploy.remote.services import Services, StepFailed
from deploy.remote.way_back import WayBack

SOON = 5  # seconds; a strategy with a slot due within them is stopped after that slot
# Seconds to wait for a quiet moment; after them a strategy is stopped anyway: it drains, and hands over its slots.
PATIENCE = 180


@dataclass
class Transaction:
    """One deployment or rollback on its way."""

    plan: TransactionPlan
    records: Records
    record: TransactionRecord
    docker: DockerClient
    swaps: dict[str, Swap] = field(default_factory=dict)
    reloaded: dict[str, Reload] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)  # services whose new container or loops were judged, and are not well

    def __post_init__(self) -> None:
        self.services = Services(self.docker, self.plan.project, self.records.release)
        self.renames = Renames(self.plan, self.services, self.docker, self.swaps)
        self.reloads = Reloads(self.plan, self.records, self.docker, self.services)
        self.hold = Hold(self.docker, self.plan.project)
        self.should_run = ShouldRun(self.record)
        self.way_back = WayBack(
            self.plan,
            self.records,
            self.docker,
            self.services,
            self.renames,
            self.hold,
            self.should_run,
            self.reloads,
        )
        self.docker.on_return = self.revive

    def carry_out(self) -> tuple[str, str]:
        """Return how it ended: the outcome, and the reason if it is not good."""
        ended = self._put_in_place()
        self._see_to_the_engine()
        return ended

    def _put_in_place(self) -> tuple[str, str]:
        try:
            self._prepare()
            self._switch()
            self._first_runs()
            self._step("taking over")
            self._take_over()
        except (StepFailed, DockerError) as failed:
            return self._give_back(str(failed))
        self._tidy_up()
        return "succeeded", ""

    def revive(self) -> None:
        """Start what should run: an engine that crashed takes it for stopped by hand."""
        for container, state in self.docker.states(sorted(self.should_run.containers)).items():
            if state == "exited":
                self.docker.ask("start", container)

    # Before anything is touched

    def _prepare(self) -> None:
        containers = self.docker.containers(self.plan.project)
        running = [one for one in containers if one.running]
        self.should_run.change(add=[one.id for one in running])
        preparation.remove_leftovers(self.docker, self.plan.project, containers)
        preparation.images_must_be_there(self.docker, self.records, self.plan.release)
        touched = {*self.plan.recreated, *self.plan.remove, *(service for _, service in self.plan.steps)}
        self.renames.announce()
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(self.hold.hold, [one for one in running if one.service in touched])
            if DATABASE in self.plan.recreated and DATABASE not in {one.service for one in running}:
                self._replace(DATABASE)  # what is tried out next asks it
            preparation.rehearse(self.plan, self.services, {one.service for one in running}, self._step)
            held.result()
        if self.plan.wait_for_idle:
            self._step("waiting until no run is in progress and no slot is due soon")
            preparation.wait_until_idle(self.docker, self.services, (*self.plan.recreated, *self.plan.remove))

    # The switch

    def _switch(self) -> None:
        self._announce("start", self.plan.release)
        for step, service in self.plan.steps:
            if step == "switch":
                self._start_beside(service)
                self._stop_old(service)
                self._check(service)
            elif step == "reload":
                self._reload(service)
            elif step == "replace" and service not in self.swaps:
                self._replace(service)
            elif step == "start":
                self._start_beside(service)
            elif step == "stop":
                if service not in self.swaps:
                    self.swaps[service] = Swap(service, self.services.of(service))
                self.renames.before_a_stop()
                self._stop_old(service)
            elif step == "rename":
                self._step(f"renaming {service} to {self.plan.renames[service]}")
                self.renames.carry_out(service)
            elif step == "check":
                self._check(service)

    def _start_beside(self, service: str) -> None:
        """Start the new container while the old one goes on, and wait until it is ready to take over."""
        self._step(f"starting {service}")
        swap = self._create(service)
        self.services.start(service, swap.new)
        self.should_run.change(add=[swap.new])
        waits, hosted = any(one.running for one in swap.old), self.plan.hosted.get(service, (service,))
        with self._judging(service):
            self.services.wait_until_ready(service, swap.new, hosted, waits=waits)

    def _stop_old(self, service: str) -> None:
        """Stop the containers that a service had; their successors are ready."""
        swap = self.swaps[service]
        if not any(one.running for one in swap.old):
            return
        self._quiet(service)
        self._step(f"stopping {service}" if not swap.new else f"handing over {service}")
        swap.stopped = True
        self.should_run.change(remove=[one.id for one in swap.old])
        self.services.stop(service, swap.old)

    def _reload(self, service: str) -> None:
        """Let a container's loops run newer folders; those of strategies that have not changed are not touched."""
        one = self.reloaded[service] = self.reloads.prepare(service)
        names = ", ".join(one.changed) or service
        self._step(f"starting {names} beside what runs in {service}")
        with self._judging(service):
            self.reloads.start_beside(one)
        self._step(f"waiting for a quiet moment of {names}")
        words = ("--within", str(SOON), "--for", str(PATIENCE))
        if not self.reloads.is_quiet(one, *words, seconds=PATIENCE + 30):
            self.record.say(f"{names}: stopped when the runs have ended")
        self._step(f"handing over {names}")
        self.reloads.hand_over(one)
        with self._judging(service):
            self.reloads.must_work(one)
        self.reloads.settle(one)

    def _replace(self, service: str) -> None:
        """Stop the old container, then start the new one: two of this service cannot run at once."""
        self._step(f"starting {service}")
        swap = self._create(service)
        for one in swap.old:
            # Should the machine go down before the new one runs, the old one is started with it.
            self.services.restart_policy(one.id, "always")
        swap.stopped = True
        self.should_run.change(remove=[one.id for one in swap.old])
        self.services.stop(service, [one for one in swap.old if one.running])
        self.services.start(service, swap.new)
        self.should_run.change(add=[swap.new])
        for one in swap.old:
            self.services.restart_policy(one.id, "no")
        self._check(service)

    def _create(self, service: str) -> Swap:
        swap = self.swaps[service] = Swap(service, self.services.of(service))
        swap.new = self.services.create(self.plan.release, service)
        return swap

    def _check(self, service: str) -> None:
        with self._judging(service):
            self.services.must_work(self.plan, service, self.swaps[service].new)

    def _first_runs(self) -> None:
        for service in self.plan.recreated:
            if service in self.plan.hosted:
                self._step(f"waiting for the first run of {service}")
                with self._judging(service):
                    if service in self.reloaded:
                        said = self.reloads.first_runs(self.reloaded[service])
                    else:
                        said = self.services.gate(service, self.swaps[service].new, "--runs")
                for line in sorted(set(said.splitlines())):
                    self.record.say(line)

    @contextlib.contextmanager
    def _judging(self, service: str) -> Iterator[None]:
        """Remember a service whose new container is not well."""
        try:
            yield
        except StepFailed:
            self.bad.add(service)
            raise

    def _take_over(self) -> None:
        try:
            self.records.take_over(self.plan.release)
        except OSError as error:
            msg = f"the release could not be written down as the one that runs: {reason_of(error)}"
            raise StepFailed(msg) from None

    def _tidy_up(self) -> None:
        """Remove what the new release has no use for; what cannot be removed does not undo the release."""
        for service in self.plan.remove:
            if service not in self.swaps:
                self._quiet(service)
                self.swaps[service] = Swap(service, self.services.of(service))
            self._step(f"removing {service}")
        with ThreadPoolExecutor(1) as pool:
            let_go = pool.submit(self.hold.release)
            for swap in self.swaps.values():
                for one in swap.old:
                    try:
                        self.services.remove(one.id)
                    except DockerError as error:
                        self.record.say(f"{swap.service}: its old container could not be removed: {error}")
            for service, reloaded in self.reloaded.items():
                try:
                    self.reloads.prune(reloaded)
                except (StepFailed, DockerError) as error:
                    self.record.say(f"{service}: its old folders could not be removed: {error}")
            self._announce("end", self.plan.release)
            let_go.result()
        prune(self.records, self.docker, self.plan, self.record)

    # The way back

    def _give_back(self, why: str) -> tuple[str, str]:
        """Let what ran before run again; return the outcome and the reason."""
        swaps = [swap for swap in self.swaps.values() if swap.new or swap.stopped]
        reloaded = [one for one in self.reloaded.values() if one.began]
        if swaps or reloaded:
            self.record.say(why)
            self._step(f"returning to {self.plan.previous or 'what ran before'}")
        failed = self.way_back.follow_again(reloaded, self.bad) | self.way_back.put_back(swaps, self.bad)
        self.hold.release()
        if swaps or reloaded:
            self._announce("end", self.plan.previous or "none")
        if failed:
            return "failed", f"{why}; and these could not be put back: {_listed(failed)}"
        return ("returned" if swaps or reloaded else "refused"), why

    # What all steps need

    def _step(self, what: str) -> None:
        self.record.step(what)
        self._see_to_the_engine()

    def _see_to_the_engine(self) -> None:
        if not self.docker.answers():
            self.docker.wait_until_back()
        self.revive()

    def _quiet(self, service: str) -> None:
        new = self.swaps[service].new if service in self.swaps else ""
        for one in self.services.running_strategies(service):
            if one.id != new:
                self._step(f"waiting for a quiet moment of {service}")
                words = ("--within", str(SOON), "--for", str(PATIENCE))
                if not self.services.is_quiet(one.id, *words, seconds=PATIENCE + 30):
                    self.record.say(f"{service} is stopped when its runs have ended")

    def _announce(self, what: str, release: str) -> None:
        if not self.services.announce(self.plan, what, release) and self.plan.previous:
            self.record.say("the supervisor could not be informed of the deployment: it may report a gap")


def _listed(failed: Mapping[str, str]) -> str:
    return "; ".join(reason if service in reason else f"{service}: {reason}" for service, reason in failed.items())
