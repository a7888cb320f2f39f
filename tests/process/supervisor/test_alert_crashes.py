"""kill -9 at every step between a judged snapshot and a marked delivery: nothing is lost, nothing is sent that never was true."""

import os
import random
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from openbell.supervisor.alerts.delivery import Worker
from openbell.supervisor.alerts.model import Message
from openbell.supervisor.alerts.sender_client import SendResult
from openbell.supervisor.alerts.settings import AlertSettings, Channel
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.records import Fault
from tests.unit.supervisor.alerts.scenes import MINUTE, NOW, SECOND, Room, condition

pytestmark = pytest.mark.timeout(1200)  # hundreds of processes, one after the other, on a busy machine

SETTINGS = AlertSettings(
    channels=(Channel("phone", "json://a"), Channel("mail", "json://b")), remind=(timedelta(minutes=3),)
)
ALPHA, BETA, OTHER = condition("alpha"), condition("beta"), condition("", "volume_full", "")


@dataclass(frozen=True)
class World:
    """What is true at one moment: the conditions, and how much of the log of faults there is."""

    after: timedelta
    conditions: tuple[Condition, ...] = ()
    faults: int = 0


# Something goes wrong, more of it, something else; a slot is missed and made good between two looks; all comes right.
STORY = (
    World(timedelta(0)),
    World(10 * SECOND, (ALPHA,)),
    World(11 * SECOND, (ALPHA,)),
    World(40 * SECOND, (ALPHA, BETA)),
    World(80 * SECOND, (ALPHA, BETA, OTHER), 1),
    World(81 * SECOND, (ALPHA, BETA, OTHER), 1),
    World(90 * SECOND, (ALPHA, BETA, OTHER), 1),
    World(MINUTE + 75 * SECOND, (ALPHA, BETA), 1),
    World(3 * MINUTE, (ALPHA, BETA), 1),
    World(3.9 * MINUTE, (ALPHA, BETA), 1),
    World(4.8 * MINUTE, (ALPHA, BETA), 1),
    World(5.5 * MINUTE, (), 1),
    World(5.6 * MINUTE, (), 1),
)
FAULT = Fault(1, condition("gamma", "failed", reason="KeyError: 'AAPL'"), NOW + 70 * SECOND)


class Life:
    """One life of the process, from one moment of the story on. What it sends and how far it came outlives it."""

    def __init__(self, folder: Path, count: Callable[[], None]) -> None:
        self.folder = folder
        self.count = count
        self.now = NOW

    def send(self, channel: Channel, message: Message) -> SendResult:
        """Send into a file; a kill may come before and after it."""
        self.count()
        with (self.folder / "sent").open("a") as file:
            file.write(f"{channel.name} {message.sort}: {message.title}\n")
        self.count()
        return SendResult("", self.now)

    def live(self) -> None:
        """Go on where the life before this one was killed."""
        progress = self.folder / "progress"
        begin = int(progress.read_text()) if progress.exists() else 0
        self.now = NOW + STORY[begin].after
        room = Room.__new__(Room)
        room.file, room.settings, room.now = self.folder / "alerts.sqlite", SETTINGS, self.now
        room.faults = [FAULT]
        # What the lives before this one have seen is watched in this one, too.
        room._known = {(one.strategy, one.bot) for world in STORY[:begin] for one in world.conditions if one.strategy}
        room.open()
        workers = [Worker(channel, SETTINGS, room.file, self, lambda: self.now) for channel in SETTINGS.channels]
        for database in (room.memory.database, *(worker._outbox._database for worker in workers)):
            database.set_trace_callback(lambda _: self.count())
        with closing(room.memory):
            for place, world in enumerate(STORY[begin:], begin):
                progress.write_text(str(place))
                self.now = room.now = NOW + world.after
                room.faults = [FAULT][: world.faults]
                room.see(*world.conditions)
                for worker in workers:
                    while worker.step() == 0.0:
                        pass
            for worker in workers:
                worker.close()


def live(folder: Path, kill_at: int) -> bool:
    """Live in a process of its own that is killed before its `kill_at`-th step; tell whether it came to the end."""
    child = os.fork()
    if child == 0:
        _child(folder, kill_at)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0, (folder / "trouble").read_text()
    return True


def _child(folder: Path, kill_at: int) -> NoReturn:
    steps = iter(range(kill_at))

    def count() -> None:
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        Life(folder, count).live()
    except BaseException as error:  # noqa: BLE001 - a child of a test must never go on as a second test run
        (folder / "trouble").write_text(repr(error))
        os._exit(1)
    os._exit(0)


def sent(folder: Path) -> list[str]:
    """Return what reached the channels."""
    path = folder / "sent"
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is sent when nothing is killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert live(folder, 10**9)
    return sent(folder)


def test_the_story_holds_every_sort_of_message(undisturbed: list[str]) -> None:
    """So that the crashes below meet all of them."""
    assert {line.split()[1] for line in undisturbed} == {"alert:", "update:", "reminder:", "recovery:"}
    assert len(undisturbed) == len(set(undisturbed)) == 14


@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.long), 9])
def test_a_kill_at_every_step(tmp_path_factory: pytest.TempPathFactory, undisturbed: list[str], stride: int) -> None:
    """Killed before each of its steps once, or before every ninth: what is sent is what would have been, no more and no less; a message may come twice."""
    kill_at, twice = 1, 0
    while True:
        folder = tmp_path_factory.mktemp("killed", numbered=True)
        if live(folder, kill_at):
            break
        assert live(folder, 10**9)
        found = sent(folder)
        assert set(found) == set(undisturbed), f"killed before step {kill_at}"
        assert len(found) <= len(undisturbed) + 1
        twice += len(found) - len(undisturbed)
        kill_at += stride
    assert kill_at > 200, "there are steps between which it was killed"
    assert twice, "a kill between a send and its mark sends again: at least once, not at most once"


@pytest.mark.parametrize("seed", range(5))
def test_many_kills(tmp_path: Path, undisturbed: list[str], seed: int) -> None:
    """It is killed again and again, at any point."""
    chance = random.Random(seed)
    for _ in range(1000):
        if live(tmp_path, chance.randrange(10, 120)):
            break
    else:
        pytest.fail("it never came to the end")
    assert set(sent(tmp_path)) == set(undisturbed)
