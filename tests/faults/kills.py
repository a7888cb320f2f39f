"""Kill strategies again and again, and count.

Half of the containers are killed by their own strategy, in a window of an order that chance chooses (the run's process or
the loop). The other half are killed from outside, the whole container at once, around the instant of a slot: before the
claim, after it, in the middle of the run.
"""

import collections
import json
import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import docker
from docker.models.containers import Container

from openbell.journal import Event, instant
from openbell.manifest import load
from openbell.slots import slots_between
from tests.engine.kit import FIXTURES, Kit, answer, start, wait_until

BOT = "chaos"
AROUND = (-0.005, 0.06)  # seconds around a slot in which a container is killed from outside
PAUSE = 12.0  # seconds between two such kills of one container, so that the engine restarts it at once
DECIDED = 60.0  # seconds in which a loop that has started decides about the slots that it found, on a busy machine

# What a container that has the volumes tells about the orders.
ORDERS = """
import json, sqlite3
ledger, broker = sqlite3.connect("/state/chaos/ledger.sqlite"), sqlite3.connect("/state/chaos/paper.sqlite")
print(json.dumps({
    "ledger": ledger.execute("SELECT client_order_id, slot FROM orders").fetchall(),
    "broker": [row[0] for row in broker.execute("SELECT client_order_id FROM orders")],
    "open": ledger.execute("SELECT count(*) FROM claims WHERE outcome IS NULL").fetchone()[0],
}))
"""


@dataclass
class Count:
    """What happened, added up over the containers."""

    kills: collections.Counter[str] = field(default_factory=collections.Counter)
    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    slots: int = 0
    without_outcome: list[str] = field(default_factory=list)
    two_outcomes: list[str] = field(default_factory=list)
    orders: int = 0
    doubled_orders: list[str] = field(default_factory=list)
    lost_orders: list[str] = field(default_factory=list)

    def add(self, other: "Count") -> None:
        """Add another count to this one."""
        self.kills += other.kills
        self.outcomes += other.outcomes
        self.slots += other.slots
        self.orders += other.orders
        for mine, theirs in (
            (self.without_outcome, other.without_outcome),
            (self.two_outcomes, other.two_outcomes),
            (self.doubled_orders, other.doubled_orders),
            (self.lost_orders, other.lost_orders),
        ):
            mine.extend(theirs)

    def report(self) -> str:
        """Return the figures, one a line."""
        lines = [f"{count:6d}  kill -9 of the {what}" for what, count in sorted(self.kills.items())]
        lines += [
            f"{sum(self.kills.values()):6d}  kills in all",
            f"{self.slots:6d}  slots: " + ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common()),
            f"{len(self.without_outcome):6d}  slots without an outcome",
            f"{len(self.two_outcomes):6d}  slots with two outcomes",
            f"{self.orders:6d}  orders at the broker",
            f"{len(self.doubled_orders):6d}  doubled orders",
            f"{len(self.lost_orders):6d}  succeeded runs without their order",
        ]
        return "\n".join(lines)


def kill_for(
    engine: docker.DockerClient, kit: Kit, seconds: float, containers: int, seed: int, say: Callable[[str], None]
) -> Count:
    """Run containers of the fixture `chaos` for so long, killing; return what was counted."""
    chance = random.Random(seed)
    count = Count()
    with running(engine, kit, containers) as all_of_them:
        outside = all_of_them[::2]
        due = {container.name: time.monotonic() + PAUSE + chance.uniform(0, PAUSE) for container in outside}
        end = time.monotonic() + seconds
        told = time.monotonic()
        while time.monotonic() < end:
            for container in outside:
                if time.monotonic() >= due[container.name]:
                    if kill_at_a_slot(container, chance):
                        count.kills["container around a slot"] += 1
                    due[container.name] = time.monotonic() + PAUSE + chance.uniform(0, 2)
            if time.monotonic() - told > 9:
                told = time.monotonic()
                say(f"{end - told:.0f} s to go")
            time.sleep(0.05)
        with ThreadPoolExecutor(len(all_of_them)) as at_once:
            list(at_once.map(settle, all_of_them))
            list(at_once.map(is_up_in_time, all_of_them))
            for judged in at_once.map(judge_when_decided, all_of_them):
                count.add(judged)
    return count


@contextmanager
def running(engine: docker.DockerClient, kit: Kit, count: int) -> Iterator[list[Container]]:
    """Start containers, each with volumes of its own; remove all of them afterwards."""
    names = [f"{kit.project}-chaos-{uuid.uuid4().hex[:6]}" for _ in range(count)]
    places = ("journal", "state", "control")
    try:
        yield [
            start(engine, kit.image(BOT), name, {f"{name}-{place}": f"/{place}" for place in places}, restart=True)
            for name in names
        ]
    finally:
        for name in names:
            for container in engine.containers.list(all=True, filters={"name": name}):
                container.remove(force=True)
            for place in places:
                for volume in engine.volumes.list(filters={"name": f"{name}-{place}"}):
                    volume.remove(force=True)


def kill_at_a_slot(container: Container, chance: random.Random) -> bool:
    """Kill the container's main process around the next slot; tell whether there was one to kill."""
    container.reload()
    pid = int(container.attrs["State"]["Pid"])
    if pid == 0:
        return False
    now = time.time()
    at = (now // 2 + 1) * 2 + chance.uniform(*AROUND)
    time.sleep(max(0.0, at - now))
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def settle(container: Container) -> None:
    """Stop the container, and let it come up once more and stop, so that what the last kill left open is settled."""
    container.stop(timeout=30)
    container.start()
    time.sleep(3)
    container.stop(timeout=30)
    container.start()


def is_up_in_time(container: Container) -> None:
    """Wait until commands can be run in the container."""
    wait_until(partial(is_up, container), "the container to be up", 30)


def judge_when_decided(container: Container) -> Count:
    """Judge as soon as each slot has an outcome, after DECIDED at the latest."""
    end = time.monotonic() + DECIDED
    while True:
        is_last = time.monotonic() > end
        count = Count()
        judge(str(container.name), partial(asked_again, container), count)
        if is_last or not (count.without_outcome or count.lost_orders):
            return count
        time.sleep(1)


def is_up(container: Container) -> bool:
    """Tell whether commands can be run in the container."""
    return container.exec_run(["true"]).exit_code == 0


def asked_again(container: Container, *command: str) -> str:
    """Return what a command prints in the container; the bot goes on killing, so a command may have to be run again."""

    def told() -> tuple[str] | None:
        code, output = answer(container, *command)
        return (output,) if code == 0 else None

    return wait_until(told, f"an answer to {command}", 60, container)[0]


def judge(name: str, inside: Callable[..., str], count: Count) -> None:
    """Add one container's journal and orders to the count; `inside` runs a command in it and returns what it prints."""
    events: list[Event] = []
    for line in inside("sh", "-c", "cat /journal/chaos/*.jsonl").splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue  # torn by a kill
    orders = json.loads(inside("python", "-c", ORDERS))
    count.kills.update(
        str(event["text"]).removeprefix("killing the ")
        for event in events
        if event["event"] == "output" and str(event["text"]).startswith("killing")
    )
    starts = [instant(event["timestamp"]) for event in events if event["event"] == "service_start"]
    first, last = starts[0], starts[-1]
    assert first is not None
    assert last is not None
    outcomes = outcomes_by_slot(events)
    bot = load(FIXTURES / BOT).bots[0]
    for slot in slots_between(bot.schedule, first, last - timedelta(seconds=6)):
        found = outcomes.get(slot, [])
        count.slots += 1
        count.outcomes.update(found[:1])
        where = f"{name} {slot.isoformat()}: {found}"
        if not found:
            count.without_outcome.append(where)
        elif len(found) > 1:
            count.two_outcomes.append(where)
    slot_of = dict(orders["ledger"])
    count.orders += len(orders["broker"])
    by_slot = collections.Counter(slot_of.get(order, order) for order in orders["broker"])
    count.doubled_orders += [
        f"{name} {slot}" for slot, number in by_slot.items() if number > 1 or slot not in slot_of.values()
    ]
    ordered = {datetime.fromisoformat(slot) for slot in by_slot if slot in slot_of.values()}
    count.lost_orders += [
        f"{name} {slot}" for slot, found in outcomes.items() if found == ["succeeded"] and slot not in ordered
    ]


def outcomes_by_slot(events: list[Event]) -> dict[datetime, list[str]]:
    """Return the outcomes that the journal gives to each slot."""
    bot = load(FIXTURES / BOT).bots[0]
    outcomes: dict[datetime, list[str]] = collections.defaultdict(list)
    for event in events:
        slot = instant(event.get("slot"))
        if slot is None:
            continue
        if event["event"] == "run_end":
            outcomes[slot].append(str(event["outcome"]))
        elif event["event"] == "slot_skipped":
            first = instant(event.get("first")) or slot
            for one in slots_between(bot.schedule, first - timedelta(microseconds=1), slot):
                outcomes[one].append(f"{event['outcome']} ({event['reason']})")
    return outcomes
