"""Hosts, a database and a broker in simulated time, full of bad luck, on the loops' own arithmetic of leases.

Everything follows from the seed: the same seed is the same history. Hosts crash and freeze, the whole machine or only the
loop; their links to the database lose requests or answers, or delay them beyond all patience; clocks run fast or slow; a standby
that is seconds behind takes the database's place. What the database does in one transaction is one step here, guarded as there
(`test_ownership` and `test_lost_commits` show that the real one is).
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from random import Random

from openbell.postgres.lease import ASK, END_BEFORE, IN_FLIGHT, LONGEST_TAKEOVER, Lease
from tests.hosts.simulated_database import Answer, Database, Guard, Rules
from tests.hosts.simulated_host import CLOCK_RATE, Host

PATIENCE = 5.0  # seconds that a process waits for an answer of the database
LONGEST_FLIGHT = 3.8  # seconds that an order is on its way at most
EVERY = 1.0  # seconds between two slots
PROMOTIONS = 0.15  # of the bad luck: a standby takes the database's place
LONGEST_LAG = 8  # seconds that it is behind at most
WORST_MOMENT = 0.02  # of the questions before an order: the machine freezes while the answer is on its way
CALM = 60.0  # seconds without bad luck at the end: all that was left open is settled then

Step = Generator[tuple[str, object], Answer, None]  # ("sleep", seconds) or ("call", what the database is to do)


class Simulation:
    """One history."""

    def __init__(self, seed: int, *, hosts: int = 3, seconds: float = 240.0, rules: Rules | None = None) -> None:
        self._random = Random(seed)
        self._rules = rules or Rules()
        self._end = seconds
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count(1)
        self.database = Database(rules=self._rules, rate=1 + self._random.uniform(-CLOCK_RATE, CLOCK_RATE))
        self._copies = [self.database.snapshot()]  # of the last seconds, the oldest first
        self._hosts = [Host(number, self._random) for number in range(hosts)]
        self.orders: list[tuple[int, int]] = []  # slot and acquisition, as they came to the broker
        self.problems: list[str] = []

    def run(self) -> "Simulation":
        """Let it all happen."""
        for host in self._hosts:
            self._boot(host)
        self._at(self._random.uniform(5, 15), self._bad_luck)
        self._at(1.0, self._check_bound)
        self._at(1.0, self._copy)
        while self._events and self._events[0][0] <= self._end:
            self.now, _, happen = heapq.heappop(self._events)
            self.database.true_now, self.database.now = self.now, self.now * self.database.rate
            happen()
        self._check()
        return self

    # Time

    def _at(self, when: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), happen))

    def _steady(self, host: Host) -> float:
        return self.now * host.rate

    def _process(self, host: Host, step: Step, is_alive: Callable[[], bool], *, is_child: bool) -> None:
        """Let a process go on, whenever its host lets it."""

        def resume(answer: Answer = None) -> None:
            frozen = host.frozen_until if is_child else max(host.frozen_until, host.loop_frozen_until)
            if not is_alive():
                return
            if self.now < frozen:
                self._at(frozen, lambda: resume(answer))
                return
            try:
                what, value = step.send(answer)
            except StopIteration:
                return
            if what == "sleep":
                self._at(self.now + float(str(value)) / host.rate, resume)
            elif callable(value):
                self._call(host, value, resume)

        resume()

    def _call(self, host: Host, ask: Callable[[], Answer], resume: Callable[[Answer], None]) -> None:
        """Ask the database; the answer, or TimeoutError's class if none comes in time, though it may have been carried out."""
        slow = self._random.uniform(1, 9) if self.now < host.slow_until else 0.0
        arrives = self.now + self._random.uniform(0.001, 0.03) + slow
        is_over = [False]

        def answer(value: Answer) -> None:
            if not is_over[0]:
                is_over[0] = True
                resume(value)

        def arrive() -> None:
            value = ask()
            if self.now >= host.answers_cut_until:
                self._at(self.now + self._random.uniform(0.001, 0.03), lambda: answer(value))

        if self.now >= host.requests_cut_until:
            self._at(arrives, arrive)
        self._at(self.now + PATIENCE / host.rate, lambda: answer(TimeoutError))

    # The loop, as runner/owned.py and runner/loop.py are

    def _boot(self, host: Host) -> None:
        host.boot += 1
        host.child, host.watch_ends = 0, None
        boot = host.boot
        self._process(host, self._loop(host), lambda: host.boot == boot, is_child=False)

    def _loop(self, host: Host) -> Step:
        while True:
            asked_at = self._steady(host)
            guard = yield "call", self.database.acquire
            if isinstance(guard, Guard):
                yield from self._own(host, Lease.granted(guard.epoch, asked_at), guard)
                host.child, host.watch_ends = 0, None  # the loop has ended what it has started
            yield "sleep", ASK

    def _own(self, host: Host, lease: Lease, guard: Guard) -> Step:
        self._watch(host, lease)
        if guard.has_lost:
            yield "sleep", IN_FLIGHT
        if (yield "call", lambda: self.database.recover(guard)) is TimeoutError:
            self._restart(host, self._random.uniform(0.5, 3))  # it could not start
        waiting: tuple[int, int] | None = None  # slot and run of a claim whose fate is not known
        while not lease.is_over(self._steady(host)):
            asked_at = self._steady(host)
            if lease.is_due(asked_at):
                lease = lease.failed(asked_at)
                granted = yield "call", lambda: self.database.renew(guard)
                if granted is False:
                    return
                if granted is True:
                    lease = Lease.granted(guard.epoch, asked_at)
                    self._watch(host, lease)
            if lease.is_over(self._steady(host)):
                return
            if not host.child:
                slot, run = waiting or (int(self.now / EVERY), next(self._numbers))
                claimed = yield "call", partial(self.database.claim, guard, slot, run)
                waiting = (slot, run) if claimed is TimeoutError else None
                if claimed is True and not lease.is_over(self._steady(host)):
                    self._start(host, guard, slot)
            yield "sleep", self._random.uniform(0.05, 0.5)

    def _start(self, host: Host, guard: Guard, slot: int) -> None:
        host.child = child = next(self._numbers)
        self._process(host, self._run(host, guard, slot), lambda: host.child == child, is_child=True)

    def _watch(self, host: Host, lease: Lease) -> None:
        """Let the process's own timer end a loop that hangs, and all that it has started, unless the lease is renewed before."""
        boot, ends = host.boot, (lease.ends_at + END_BEFORE / 2) / host.rate
        host.watch_ends = ends

        def end() -> None:
            if host.boot != boot or host.watch_ends != ends:
                return
            until = max(host.frozen_until, host.loop_frozen_until)
            if self.now < until:
                # Whichever of its processes runs first when a machine goes on.
                self._at(until + self._random.uniform(0, 0.5), end)
            else:
                self._restart(host, self._random.uniform(0.5, 3))

        self._at(ends, end)

    def _restart(self, host: Host, after: float) -> None:
        host.boot += 1
        host.child, host.watch_ends = 0, None
        boot = host.boot
        self._at(self.now + after, lambda: self._boot(host) if host.boot == boot else None)

    def _run(self, host: Host, guard: Guard, slot: int) -> Step:
        """Be a child: decide, intend, send, settle; then its end is written."""
        yield "sleep", self._random.choice([0.02, 0.5, 3.0, 9.0]) * self._random.uniform(0.5, 1.5)
        self._freeze_now_and_then(host)
        intended = yield "call", lambda: self.database.intend(guard, slot)
        if intended is True:
            asked_at = self._steady(host)
            self._freeze_now_and_then(host)
            allowed = yield "call", lambda: self.database.owns(guard)  # the last check, just before the order leaves
            if allowed is True and self._steady(host) - asked_at <= self._rules.send_within:
                flight = self._random.uniform(0.01, LONGEST_FLIGHT)
                self._at(self.now + flight, lambda: self._arrived(slot, guard))
                yield "sleep", self._random.uniform(0.01, 1)
                yield "call", lambda: self.database.owns(guard)  # its answer is settled
        while True:
            ended = yield "call", lambda: self.database.finish(guard, slot)
            if ended is not TimeoutError:
                break
        host.child = 0

    # Bad luck

    def _bad_luck(self) -> None:
        if self.now > self._end - CALM:
            return
        host = self._random.choice(self._hosts)
        length = self._random.choice([0.5, 3, 8, 11, 14, 20, 40]) * self._random.uniform(0.8, 1.2)
        if self._random.random() < PROMOTIONS:
            self.database.promote(self._random.choice(self._copies))
        self._have_bad_luck(host, self._random.randrange(7), length)
        self._at(self.now + self._random.uniform(0.5, 20), self._bad_luck)

    def _copy(self) -> None:
        self._copies = [*self._copies[-LONGEST_LAG:], self.database.snapshot()]
        self._at(self.now + 1.0, self._copy)

    def _freeze_now_and_then(self, host: Host) -> None:
        if self._random.random() < WORST_MOMENT and self.now < self._end - 2 * CALM:
            self._have_bad_luck(host, 1, self._random.uniform(1, 40))

    def _have_bad_luck(self, host: Host, kind: int, length: float) -> None:
        until = min(self.now + length, self._end - CALM)
        match kind:
            case 0:
                self._restart(host, length)
            case 1:
                host.frozen_until = until
            case 2:
                host.loop_frozen_until = until
            case 3:
                host.requests_cut_until = host.answers_cut_until = until
            case 4:
                host.requests_cut_until = until
            case 5:
                host.answers_cut_until = until
            case _:
                host.slow_until = until
        host.unlucky_until = max(host.unlucky_until, until + PATIENCE)

    # What must be true

    def _arrived(self, slot: int, guard: Guard) -> None:
        self.orders.append((slot, guard.owner))
        later = self.database.acquired_at[guard.owner] if len(self.database.acquired_at) > guard.owner else None
        if later is not None and later < self.now:
            self.problems.append(f"an order of epoch {guard.epoch} came {self.now - later:.2f} s after another began")

    def _check_bound(self) -> None:
        """While any host has had no bad luck for long enough, the strategy is owned within the bound."""
        self._at(self.now + 1.0, self._check_bound)
        alone = self.now - self.database.granted_at
        bound = LONGEST_TAKEOVER * (1 + 3 * CLOCK_RATE) + 1.0
        ready = [host for host in self._hosts if self.now - host.unlucky_until > bound + PATIENCE + ASK]
        if alone > bound and ready:
            self.problems.append(f"at {self.now:.0f} s no host has owned the strategy for {alone:.1f} s")

    def _check(self) -> None:
        doubled = [slot for slot, count in Counter(self.database.outcomes).items() if count > 1]
        self.problems += [f"slot {slot} has more than one outcome" for slot in doubled]
        sent = [slot for slot, count in Counter(slot for slot, _ in self.orders).items() if count > 1]
        self.problems += [f"slot {slot} has more than one order" for slot in sent]
        missing = set(range(1, self.database.decided + 1)) - {*self.database.outcomes, *self.database.claims}
        self.problems += [f"slot {slot} has no outcome" for slot in missing]
        open_long = [slot for slot in self.database.claims if slot < self._end - CALM / 2]
        self.problems += [f"slot {slot} was never ended" for slot in open_long]
        if self.database.decided < self._end - 20:
            self.problems.append(f"slots after {self.database.decided} were never decided on")
