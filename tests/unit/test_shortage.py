"""A process that is out of descriptors or memory knows nothing new: no halt is lifted, no pause ends, no closed day opens."""

import errno
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from openbell import answers, calendars, control
from openbell.answers import Answers, OwnPause
from openbell.calendars import OwnDays
from openbell.control import Control, Deployment, Halt, Pause
from openbell.own_days_file import OwnDaysFile, publish_own_days
from openbell.supervisor.health.control_state import Deployments, Pauses

NOW = datetime(2026, 11, 26, 21, 0, tzinfo=UTC)
PAUSE = Pause(NOW, None, "ann", "earnings")


class Shortage:
    """From `begin` to `end` no file can be opened."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._patch = pytest.MonkeyPatch()

    def begin(self) -> None:
        """Let it begin."""
        self._patch.setattr(os, "open", self._refuse)
        self._patch.setattr(os, "scandir", self._refuse)

    def end(self) -> None:
        """Let it be over."""
        self._patch.undo()

    def _refuse(self, *_: object, **__: object) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.fixture(params=[errno.EMFILE, errno.ENFILE, errno.ENOMEM], ids=os.strerror)
def short(request: pytest.FixtureRequest) -> Iterator[Shortage]:
    """Give a shortage that has not begun yet."""
    shortage = Shortage(request.param)
    yield shortage
    shortage.end()
    calendars.use({})


def test_a_halt_and_pauses_hold(short: Shortage, tmp_path: Path) -> None:
    """For a loop that must decide now: what it cannot read holds."""
    space = Control(tmp_path, "demo")
    space.prepare()
    own = Answers(paused={"own": OwnPause(PAUSE, space.resumed("own"))})
    control.halt(tmp_path, Halt(NOW, "ann", "odd fills"))
    space.pause("asked", PAUSE)
    short.begin()
    assert control.halted(tmp_path) is not None
    assert space.paused("asked") is not None
    assert answers.pause_of("own", space, own) is not None


def test_what_a_loop_has_answered_is_unknown(short: Shortage, tmp_path: Path) -> None:
    """A loop does not start as if it had paused nothing."""
    (tmp_path / "demo").mkdir()
    answers.write(tmp_path / "demo", Answers("boot", paused={"b": OwnPause(PAUSE, "")}))
    short.begin()
    with pytest.raises(OSError, match=r"."):
        answers.read(tmp_path / "demo")


def test_own_closed_days_stay(short: Shortage, tmp_path: Path) -> None:
    """They are read again as soon as that is possible; a process that never knew them does not start."""
    known, new = OwnDaysFile(tmp_path), OwnDaysFile(tmp_path)
    known.reload()
    publish_own_days(tmp_path, {"XNYS": OwnDays(frozenset({date(2026, 12, 28)}), {})})
    short.begin()
    assert not known.reload()
    with pytest.raises(OSError, match=r"."):
        new.reload()
    short.end()
    assert known.reload()


def test_the_watch_keeps_what_it_knew(short: Shortage, tmp_path: Path) -> None:
    """Neither are bots shown as paused, nor does a deployment end."""
    space = Control(tmp_path, "demo")
    space.prepare()
    space.pause("asked", PAUSE)
    control.announce(tmp_path, Deployment("r1", ("demo",), NOW, NOW + timedelta(minutes=5), "ann"))
    pauses, deployments = Pauses(tmp_path, "demo", ["asked", "other"], tmp_path / "demo"), Deployments(tmp_path)
    pauses.refresh(NOW)
    assert deployments.current(NOW) is not None
    space.pause("other", PAUSE)
    os.utime(tmp_path)
    short.begin()
    with pytest.raises(OSError, match=r"."):
        pauses.refresh(NOW)
    assert pauses.get("other") is None
    assert deployments.current(NOW) is not None
    short.end()
    assert pauses.refresh(NOW)
    assert pauses.get("other") == PAUSE
