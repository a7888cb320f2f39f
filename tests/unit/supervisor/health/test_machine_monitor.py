"""What is wrong with the machine, or with the supervisor itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.supervisor.health import machine_monitor
from openbell.supervisor.health.machine_monitor import CHECK_EVERY, DiskSpace, MachineMonitor, measure, shortage
from openbell.supervisor.model.conditions import Condition

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
GB = 1_000_000_000
MB = 1_000_000


@pytest.mark.parametrize(
    "size, free, files, files_free, short",
    [
        (25 * GB, 10 * GB, 0, 0, False),
        (25 * GB, 800 * MB, 0, 0, False),
        (25 * GB, 700 * MB, 0, 0, True),
        (25 * GB, 100 * MB, 0, 0, True),
        (4000 * GB, 50 * GB, 0, 0, False),
        (4000 * GB, 1900 * MB, 0, 0, True),
        (100 * MB, 90 * MB, 0, 0, False),
        (100 * MB, 40 * MB, 0, 0, True),
        (25 * GB, 10 * GB, 1000, 9, True),
        (25 * GB, 10 * GB, 1000, 11, False),
    ],
)
def test_when_room_is_short(size: int, free: int, files: int, files_free: int, short: bool) -> None:
    """A small share or a few megabytes, but not where that is much; files can run out too."""
    assert DiskSpace("journal", 1, size, free, files, files_free).is_short() is short


def test_a_warning_ends_when_there_is_clearly_more_room() -> None:
    """Else it would come and go with each line."""
    room = DiskSpace("journal", 1, 25 * GB, 800 * MB)
    assert shortage([room], was_short=False) == ""
    assert shortage([room], was_short=True) == "journal: 800 MB of 25.0 GB left"
    assert shortage([DiskSpace("journal", 1, 25 * GB, 960 * MB)], was_short=True) == ""


def test_volumes_on_one_disk_are_one_shortage() -> None:
    """Each disk once, with all that lies on it."""
    rooms = [
        DiskSpace("journal", 1, 25 * GB, MB),
        DiskSpace("control", 1, 25 * GB, MB),
        DiskSpace("state", 2, 5 * GB, 2 * MB),
    ]
    assert shortage(rooms, was_short=False) == "journal and control: 1 MB of 25.0 GB left; state: 2 MB of 5.0 GB left"


def test_what_the_kernel_says_of_a_folder(tmp_path: Path) -> None:
    """Real figures; a missing folder is not the disk's condition."""
    (room,) = measure({"here": tmp_path, "nowhere": tmp_path / "nowhere"})
    assert room.name == "here"
    assert 0 <= room.free <= room.size
    assert room.size > 0


def test_conditions_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its beginning, which stays until it ends."""
    rooms = [DiskSpace("journal", 1, 25 * GB, MB)]
    monkeypatch.setattr(machine_monitor, "measure", lambda folders: rooms)
    machine = MachineMonitor({})

    def see(at: datetime, skew: float | None, journal: str = "", store: str = "") -> list[Condition]:
        machine.check(at, skew, journal_error=journal, store_error=store)
        return list(machine.conditions)

    assert [(one.key, one.since) for one in see(NOW, None)] == [(("volume_full", "", ""), NOW)]
    later = NOW + CHECK_EVERY
    found = see(later, -2.5, "cannot be read", "disk full")
    assert [(one.kind, one.since) for one in found] == [
        ("store_failed", later),
        ("journal_unreadable", later),
        ("volume_full", NOW),
        ("clock_wrong", later),
    ]
    assert "2.5 s behind" in found[-1].reason
    rooms.clear()
    assert see(later + CHECK_EVERY, 1.9) == []
    assert see(later + 2 * CHECK_EVERY, 2.0)[0].since == later + 2 * CHECK_EVERY


def test_the_disk_is_asked_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at each step."""
    asked: list[int] = []

    def ask(_folders: object) -> list[DiskSpace]:
        asked.append(1)
        return []

    monkeypatch.setattr(machine_monitor, "measure", ask)
    machine = MachineMonitor({})
    for second in range(61):
        machine.check(NOW + timedelta(seconds=second), None)
    assert len(asked) == 3
