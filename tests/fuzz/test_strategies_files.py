"""Files that a strategy or a person may have written: heartbeat, answers, halt, pauses, requests, deployment, own days."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from openbell import answers, calendars, control, heartbeat
from openbell.answers import Answers, OwnPause
from openbell.calendars import OwnDays
from openbell.control import Control, Deployment, Halt, Pause
from openbell.heartbeat import Heartbeat
from openbell.own_days_file import OwnDaysFile, own_days_path, publish_own_days
from tests.fuzz.inputs import fuzz, rounds

NOW = datetime(2026, 11, 26, 21, 0, tzinfo=UTC)
PAUSE = Pause(NOW, NOW + timedelta(hours=1), "ann", "earnings")


class Place:
    """A root with the folders of one strategy, `demo`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "demo"
        self.folder.mkdir()
        self.control = Control(root, "demo")
        self.control.prepare()


def _beat(place: Place) -> Path:
    heartbeat.write(place.folder, Heartbeat(NOW, "boot-1", ("b",), {"s": NOW}))
    return place.folder / "beat.json"


def _reads_beat(place: Place) -> bool:
    found = heartbeat.read(place.folder)
    if found is not None:
        assert found.timestamp.tzinfo is not None
        assert all(at.tzinfo is not None for at in found.streams.values())
    return found is not None


def _answers(place: Place) -> Path:
    halt = Halt(NOW, "ann", "odd fills")
    answers.write(place.folder, Answers("boot-1", halt, ("0a1b",), {"b": OwnPause(PAUSE, "ff")}))
    return place.folder / answers.FILE


def _reads_answers(place: Place) -> bool:
    found = answers.read(place.folder)
    pause = answers.pause_of("b", place.control, found)
    return bool(found.boot_id) and (pause is None or isinstance(pause.covers(NOW), bool))


def _halt(place: Place) -> Path:
    control.halt(place.root, Halt(NOW, "ann", "odd fills"))
    return place.root / "halt.json"


def _reads_halt(place: Place) -> bool:
    found = control.halted(place.root)
    assert found is not None, "what is at the halt's place halts"
    return "unhalt" not in found.reason


def _pause(place: Place) -> Path:
    place.control.pause("b", PAUSE)
    return place.root / "demo" / "paused" / "b.json"


def _reads_pause(place: Place) -> bool:
    found = place.control.paused("b")
    assert found is not None, "what is at a pause's place pauses"
    found.covers(NOW)
    return found.since.year > 1970


def _request(place: Place) -> Path:
    request = place.control.request("b", "ann", NOW)
    return place.root / "demo" / "requests" / f"{request.id}.json"


def _reads_request(place: Place) -> bool:
    found = place.control.requests()
    assert all(one.requested_at.tzinfo is not None for one in found)
    return bool(found)


def _deployment(place: Place) -> Path:
    control.announce(place.root, Deployment("r1", ("demo",), NOW, NOW + timedelta(minutes=5), "ann"))
    return place.root / "deployment.json"


def _reads_deployment(place: Place) -> bool:
    found = control.deployment(place.root)
    if found is not None:
        assert found.until <= found.since + control.LONGEST_DEPLOYMENT
    return found is not None


def _own_days(place: Place) -> Path:
    publish_own_days(place.root, {"XNYS": OwnDays(frozenset({date(2026, 12, 28)}), {date(2026, 12, 23): time(13)})})
    return own_days_path(place.root)


def _reads_own_days(place: Place) -> bool:
    file = OwnDaysFile(place.root)
    file.reload()
    return not file.problem


@dataclass(frozen=True)
class Kind:
    """A file: how a valid one is written, and how it is read."""

    write: Callable[[Place], Path]
    read: Callable[[Place], bool]


KINDS = {
    "beat": Kind(_beat, _reads_beat),
    "answers": Kind(_answers, _reads_answers),
    "halt": Kind(_halt, _reads_halt),
    "pause": Kind(_pause, _reads_pause),
    "request": Kind(_request, _reads_request),
    "deployment": Kind(_deployment, _reads_deployment),
    "own days": Kind(_own_days, _reads_own_days),
}


@pytest.fixture(autouse=True)
def _calendars_as_before() -> Iterator[None]:
    yield
    calendars.use({})


@rounds()
@pytest.mark.parametrize("kind", KINDS)
def test_any_bytes_in_a_file(kind: str, number: int, tmp_path: Path) -> None:
    """Reading it ends with a value: a halt and a pause hold, and nothing else is taken for what it is not."""
    place, about = Place(tmp_path), KINDS[kind]
    path = about.write(place)
    valid = path.read_bytes()
    assert about.read(place)

    def check(content: bytes) -> bool:
        path.write_bytes(content)
        return about.read(place)

    fuzz(number, [valid], check)
