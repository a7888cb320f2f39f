"""A strategy that gets another name: its data goes along, whole, and no loop runs with half of it."""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

from openbell import renaming
from openbell.commands import prepare_volumes, rename
from openbell.journal import Journal
from openbell.renaming import WAITS, RenameError, Volumes
from openbell.strategy_user import user_id

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
MANIFEST = (
    'timezone = "UTC"\nmarket = "sample"\nbroker = "paper"\n\n[[bot]]\nid = "{bot}"\nsymbols = ["AAPL"]\nevery = "1m"\n'
)


@pytest.fixture
def volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Volumes:
    """Volumes in which the strategy `old` has run the bot `five`, which a person has paused."""
    for name in ("journal", "state", "control"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"OPENBELL_{name.upper()}", str(tmp_path / name))
    places = Volumes(tmp_path / "journal", tmp_path / "state", tmp_path / "control")
    (places.control / "old" / "paused").mkdir(parents=True)
    (places.control / "old" / "paused" / "five").write_text("paused")
    (places.state / "old").mkdir()
    (places.state / "old" / "ledger.sqlite").write_text("ledger")
    (places.state / "old" / "loop.lock").touch()
    (places.journal / "old").mkdir()
    Journal(places.journal, "old", "b1", echo=False).write("service_start", NOW, bots=["five"])
    return places


def manifests(volumes: Volumes, monkeypatch: pytest.MonkeyPatch, **bots: str) -> None:
    """Let there be these strategies, each with a bot."""
    root = volumes.state.parent / "strategies"
    for name, bot in bots.items():
        (root / name).mkdir(parents=True)
        (root / name / "strategy.toml").write_text(MANIFEST.format(bot=bot))
    monkeypatch.setenv("OPENBELL_STRATEGIES", str(root))


def has_moved(volumes: Volumes, old: str = "old", new: str = "new") -> bool:
    """Tell whether everything is the new name's, and nothing is left of the old one's."""
    gone = not any((root / old).exists() for root in volumes.all)
    there = (volumes.state / new / "ledger.sqlite", volumes.control / new / "paused" / "five")
    return gone and all(path.exists() for path in there) and bool(list((volumes.journal / new).glob("*.jsonl")))


def test_everything_goes_along(volumes: Volumes) -> None:
    """Ledger, journal and pauses; once more changes nothing; and it can be taken back."""
    for _ in range(2):
        assert rename.main(["old", "new"]) == 0
        assert has_moved(volumes)
    assert rename.main(["new", "old"]) == 0
    assert has_moved(volumes, "new", "old")


def test_a_loop_of_the_new_name_waits_for_it(volumes: Volumes) -> None:
    """It is started before, and goes on once all is there; what it has written meanwhile is in the journal, too."""
    assert rename.main(["old", "new", "--announce"]) == 0
    assert renaming.awaited(volumes.state / "new") == "old"
    waiting = Thread(target=renaming.wait, args=(volumes.state / "new",), daemon=True)
    waiting.start()
    (volumes.journal / "new").mkdir()
    writer = Journal(volumes.journal, "new", "b2", echo=False)
    writer.write("output", NOW, text="at the import")
    assert rename.main(["old", "new"]) == 0
    waiting.join(5)
    assert not waiting.is_alive()
    writer.write("service_start", NOW, bots=["five"])
    events = [event["event"] for event in Journal(volumes.journal, "new", "", echo=False).since(NOW.date())]
    assert events == ["service_start", "output", "service_start"]
    assert has_moved(volumes)


def test_an_announcement_can_be_taken_back(volumes: Volumes) -> None:
    """A deploy that was refused leaves the old name's data as it was, and nothing of the new name."""
    assert rename.main(["old", "new", "--announce"]) == 0
    assert rename.main(["new", "old"]) == 0
    assert has_moved(volumes, "new", "old")


def test_without_the_old_name_nothing_is_waited_for(volumes: Volumes) -> None:
    """A mark that was left behind stops no strategy for ever."""
    (volumes.state / "new").mkdir()
    (volumes.state / "new" / WAITS).write_text("gone")
    assert renaming.awaited(volumes.state / "new") == ""
    assert renaming.awaited(volumes.state / "old") == ""


@contextmanager
def running(volumes: Volumes) -> Iterator[None]:
    """Let a loop have the old name's lock."""
    with (volumes.state / "old" / "loop.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_what_runs_is_not_moved(volumes: Volumes, capsys: pytest.CaptureFixture[str]) -> None:
    """Its loop would go on with files that are not its own any more."""
    with running(volumes):
        assert rename.main(["old", "new"]) == 3
    assert "old still runs: stop it first" in capsys.readouterr().err
    assert (volumes.state / "old" / "ledger.sqlite").exists()


def test_two_ledgers_are_not_made_one(volumes: Volumes) -> None:
    """A new name that has orders of its own keeps them."""
    (volumes.state / "new").mkdir()
    (volumes.state / "new" / "ledger.sqlite").write_text("another")
    with pytest.raises(RenameError, match="new has a ledger of its own already, and old has one too"):
        renaming.announce(volumes, "old", "new")
    with pytest.raises(RenameError, match="new has a ledger of its own already, and old has one too"):
        renaming.move(volumes, "old", "new", 0, prepare_volumes.give)
    assert (volumes.state / "new" / "ledger.sqlite").read_text() == "another"


@pytest.mark.parametrize("command", [lambda: prepare_volumes.main([]), lambda: rename.main(["--check"])])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_bot_is_not_begun_anew_under_another_name(
    volumes: Volumes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: Callable[[], int],
) -> None:
    """A folder that was renamed by hand: nothing is started, and the way is said; with the data it goes on."""
    manifests(volumes, monkeypatch, new="five", other="other")
    assert command() == 3
    assert "bot five of new has its ledger, account and state as one of strategy old: `make rename STRATEGY=old TO=new`" in capsys.readouterr().err  # fmt: skip
    assert not (volumes.state / "new").exists()
    assert rename.main(["old", "new"]) == 0
    assert command() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_new_name_owns_what_it_gets(volumes: Volumes) -> None:
    """Its user is another one."""
    prepare_volumes.main(["old"])
    rename.main(["old", "new"])
    for root in (volumes.state, volumes.journal):
        about = (root / "new").stat()
        assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (user_id("new"), 0o2770)
    assert (volumes.state / "new" / "ledger.sqlite").stat().st_uid == user_id("new")
    assert (volumes.control / "new" / "paused").stat().st_gid == user_id("new")
