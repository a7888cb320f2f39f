"""Puts a release in place service by service, or everything back. It runs by itself, with the project's lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from deploy.remote import preparation
from deploy.remote.docker_client import Container, DockerClient, DockerError
from deploy.remote.files import lines_of, reason_of, write_durably
from deploy.remote.hold import Hold
from deploy.remote.plan import TransactionPlan
from deploy.remote.prune import prune
from deploy.remote.records import Records, TransactionRecord
from deploy.remote.renames import Renames, Swap
from deploy.remote.services import Services, StepFailed

SOON = 5  # seconds; a slot that is due within them is let pass before its strategy is stopped
# Seconds for a quiet moment; then a strategy is stopped all the same: it drains, and hands over its slots.
PATIENCE = 180


@dataclass
class Transaction:
    """One deployment or rollback on its way."""

    plan: TransactionPlan
    records: Records
    record: TransactionRecord
    docker: DockerClient
    swaps: dict[str, Swap] = field(default_factory=dict)
    should_run: set[str] = field(default_factory=set)  # containers that the engine must run

    def __post_init__(self) -> None:
        self.services = Services(self.docker, self.plan.project, self.records.release)
        self.renames = Renames(self.plan, self.services, self.docker, self.swaps)
        self.hold = Hold(self.docker, self.plan.project)
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
        for container, state in self.docker.states(sorted(self.should_run)).items():
            if state == "exited":
                self.docker.ask("start", container)

    # Before anything is touched

    def _prepare(self) -> None:
        containers = self.docker.containers(self.plan.project)
        running = [one for one in containers if one.running]
        self._should_run({one.id for one in running})
        preparation.remove_leftovers(self.docker, self.plan.project, containers)
        preparation.images_must_be_there(self.docker, self.records, self.plan.release)
        touched = {*self.plan.recreated, *self.plan.remove, *(service for _, service in self.plan.steps)}
        self.renames.announce()
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(self.hold.hold, [one for one in running if one.service in touched])
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
            elif step == "replace":
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
        self._should_run(self.should_run | {swap.new})
        self.services.wait_until_ready(service, swap.new, self.plan.hosted.get(service, (service,)))

    def _stop_old(self, service: str) -> None:
        """Stop the containers that a service had; whatever takes over from them is ready."""
        swap = self.swaps[service]
        if not any(one.running for one in swap.old):
            return
        self._quiet(service)
        self._step(f"stopping {service}" if not swap.new else f"handing over {service}")
        swap.stopped = True
        self._should_run(self.should_run - {one.id for one in swap.old})
        self.services.stop(service, swap.old)

    def _replace(self, service: str) -> None:
        """Stop the old container, then start the new one: two of this service cannot run at once."""
        self._step(f"starting {service}")
        swap = self._create(service)
        for one in swap.old:
            # Should the machine go down before the new one runs, the old one is started with it.
            self.services.restart_policy(one.id, "always")
        swap.stopped = True
        self._should_run(self.should_run - {one.id for one in swap.old})
        self.services.stop(service, [one for one in swap.old if one.running])
        self.services.start(service, swap.new)
        self._should_run(self.should_run | {swap.new})
        for one in swap.old:
            self.services.restart_policy(one.id, "no")
        self._check(service)

    def _create(self, service: str) -> Swap:
        swap = self.swaps[service] = Swap(service, self.services.of(service))
        swap.new = self.services.create(self.plan.release, service)
        return swap

    def _check(self, service: str) -> None:
        self._must_work(service, self.swaps[service].new)

    def _must_work(self, service: str, container: str) -> None:
        if self.plan.runs_openbell(service):
            self.services.gate(service, container)
        else:
            self.services.must_stay_up(service, container)

    def _first_runs(self) -> None:
        for service in self.plan.recreated:
            if service in self.plan.hosted:
                self._step(f"waiting for the first run of {service}")
                for line in sorted(set(self.services.gate(service, self.swaps[service].new, "--runs").splitlines())):
                    self.record.say(line)

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
        for swap in self.swaps.values():
            for one in swap.old:
                try:
                    self.services.remove(one.id)
                except DockerError as error:
                    self.record.say(f"{swap.service}: its old container could not be removed: {error}")
        self.hold.release()
        self._announce("end", self.plan.release)
        prune(self.records, self.docker, self.plan, self.record)

    # The way back

    def _give_back(self, why: str) -> tuple[str, str]:
        """Let what ran before run again; return the outcome and the reason."""
        swaps = [swap for swap in self.swaps.values() if swap.new or swap.stopped]
        if swaps:
            self.record.say(why)
            self._step(f"returning to {self.plan.previous or 'what ran before'}")
        failed = self._return_all(swaps)
        self.hold.release()
        if swaps:
            self._announce("end", self.plan.previous or "none")
        if failed:
            return "failed", f"{why}; and these could not be put back: {_listed(failed)}"
        return ("returned" if swaps else "refused"), why

    def _return_all(self, swaps: Sequence[Swap]) -> dict[str, str]:
        """Let the old containers run again, and see that they are well; return what failed, by service."""
        if self.plan.renames:
            self._should_run(self.should_run - {swap.new for swap in swaps})
        failed = self.renames.revert()
        for swap in reversed(swaps):
            try:
                if swap.service not in failed:
                    self._return(swap)
            except (StepFailed, DockerError) as error:
                failed[swap.service] = str(error)
        for swap in swaps:
            if swap.service not in failed and (ran := [one.id for one in swap.ran]):
                try:
                    self._must_work(swap.service, ran[0])
                except (StepFailed, DockerError) as error:
                    failed[swap.service] = str(error)
        return failed

    def _return(self, swap: Swap) -> None:
        """Let the old container of a service run again, and remove the new one, which gets no further slot."""
        ran = swap.ran
        there = [one for one in ran if self.docker.state(one.id)[0] != "gone"]
        if (again := not there and bool(ran)) and not self._can_make_again(swap.service):
            msg = f"{swap.service}: the container that ran before was removed by another program, and its release is not known: the new one continues"
            raise StepFailed(msg)
        for one in there:
            self.services.restart_policy(one.id, "always")
        self._should_run((self.should_run - {swap.new}) | {one.id for one in there})
        if swap.new:
            self.docker.ask("kill", "--signal", "TERM", swap.new)
        if again:
            made = self._make_again(swap, ran[0])
            self._should_run(self.should_run | {made.id})
            swap.old = [made]
        elif swap.stopped and swap.service in self.plan.hosted:
            for one in there:  # its loops wait for the locks that the new one gives back
                self.services.start(swap.service, one.id)
        if swap.new:
            self.services.remove(swap.new)
        for one in there:
            if swap.stopped:
                self.services.start(swap.service, one.id)
            self.services.restart_policy(one.id, one.restart_policy)

    def _can_make_again(self, service: str) -> bool:
        before = self.plan.previous
        return before is not None and service in lines_of(self.records.release(before) / "services")

    def _make_again(self, swap: Swap, ran: Container) -> Container:
        """Make the container of the release before anew; its image was held."""
        assert self.plan.previous  # noqa: S101 - asked by _can_make_again
        self.hold.name_again(ran.image_id)
        made = self.services.create(self.plan.previous, swap.service)
        self.services.start(swap.service, made)
        return Container(made, swap.service, running=True, image_id=ran.image_id)

    # What all steps need

    def _step(self, what: str) -> None:
        self.record.step(what)
        self._see_to_the_engine()

    def _see_to_the_engine(self) -> None:
        if not self.docker.answers():
            self.docker.wait_until_back()
        self.revive()

    def _should_run(self, containers: set[str]) -> None:
        self.should_run = containers
        try:
            write_durably(self.record.folder / "ran", "".join(f"{one}\n" for one in sorted(containers)))
        except OSError as error:
            self.record.say(f"what should run could not be written down: {reason_of(error)}")

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
            self.record.say("the supervisor could not be told of the deployment: it may report a gap")


def _listed(failed: Mapping[str, str]) -> str:
    return "; ".join(reason if service in reason else f"{service}: {reason}" for service, reason in failed.items())
