"""Volumes are prepared: each strategy's folders are its own, whatever a strategy has left in them."""

import os
import stat
from pathlib import Path

import pytest

from openbell.commands import prepare_volumes
from openbell.strategy_user import SUPERVISOR, take_over, user_id

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Volumes as the releases left them in which all strategies ran as one user."""
    for name in ("journal", "state", "control"):
        (tmp_path / name).mkdir()
    for folder in ("journal/a", "state/a", "control/a/paused", "journal/b", "state/b"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "journal/a/2026-03-02.jsonl").write_text("{}\n")
    (tmp_path / "state/a/ledger.sqlite").write_text("ledger")
    (tmp_path / "state/b/paper.sqlite").write_text("account")
    for path in [tmp_path, *tmp_path.rglob("*")]:
        os.chown(path, SUPERVISOR, SUPERVISOR)
        path.chmod(0o755 if path.is_dir() else 0o644)
    return tmp_path


def prepare(volumes: Path, *names: str) -> list[str]:
    """Prepare them, and return what is said."""
    return list(prepare_volumes.prepare(volumes / "journal", volumes / "state", volumes / "control", names))


def seen(path: Path) -> tuple[int, int, int]:
    """Return whose a path is, and its mode."""
    about = path.lstat()
    return about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)


def test_each_strategy_owns_its_folders(volumes: Path) -> None:
    """Its user and the supervisor's group have full access, and no one else has any; a second time changes nothing."""
    for _ in range(2):
        assert prepare(volumes, "a", "new") == []
        for name in ("a", "b", "new"):
            for root in ("journal", "state"):
                assert seen(volumes / root / name) == (user_id(name), SUPERVISOR, 0o2770)
        for name in ("a", "new"):
            assert seen(volumes / "control" / name) == (SUPERVISOR, user_id(name), 0o2750)
        assert seen(volumes / "journal/a/2026-03-02.jsonl") == (user_id("a"), SUPERVISOR, 0o660)
        assert seen(volumes / "state/b/paper.sqlite") == (user_id("b"), SUPERVISOR, 0o660)
        assert seen(volumes / "journal") == (0, SUPERVISOR, 0o2775)
        assert seen(volumes / "control") == (SUPERVISOR, SUPERVISOR, 0o755)
        assert seen(volumes / "control/a/requests") == (SUPERVISOR, user_id("a"), 0o2750)
    assert (volumes / "state/a/ledger.sqlite").read_text() == "ledger"


def test_links_give_nothing_away(volumes: Path) -> None:
    """A link to another's folder or file, or a second name of another's file, does not make it this strategy's."""
    secret = volumes / "supervisor.sqlite"
    secret.write_text("records")
    (volumes / "state/b/link").symlink_to(secret)
    (volumes / "state/b/folder").symlink_to(volumes / "state/a")
    os.link(volumes / "state/a/ledger.sqlite", volumes / "state/b/ledger.sqlite")
    (volumes / "state/evil").symlink_to(volumes)
    os.mkfifo(volumes / "state/b/fifo")
    before = seen(secret), seen(volumes)
    said = prepare(volumes, "a", "b")
    assert (seen(secret), seen(volumes)) == before
    assert sum("has several names" in line for line in said) == 2
    assert seen(volumes / "state/a") == (user_id("a"), SUPERVISOR, 0o2770)
    assert seen(volumes / "state/a/ledger.sqlite")[0] == SUPERVISOR


def test_a_strategy_that_is_a_link_is_told(volumes: Path) -> None:
    """A folder of a strategy that is a link stays as it is."""
    (volumes / "journal/c").symlink_to(volumes / "journal/a")
    assert any("journal/c is not a folder of a strategy" in line for line in prepare(volumes, "c"))


def test_two_strategies_with_one_id_are_told(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is rare, and then they are not kept apart: one of them has to be renamed."""
    monkeypatch.setattr(prepare_volumes, "user_id", lambda _: 20_000)
    assert any("a and b get the same user id, 20000" in line for line in prepare(volumes, "a", "b"))


def test_ids_lie_in_the_range_of_a_user_namespace() -> None:
    """No name gets root's id, the supervisor's, or one beyond 65,535."""
    ids = {user_id(f"strategy_{number}") for number in range(2_000)}
    assert min(ids) > SUPERVISOR
    assert max(ids) < 1 << 16
    assert len(ids) > 1_950


def test_a_loop_takes_over_what_another_user_left_since(volumes: Path) -> None:
    """What it can read becomes its own, whole; a link to elsewhere stays a link, and its target whose it was."""
    prepare(volumes, "a")
    folder = volumes / "journal/a"
    late = folder / "2026-03-03.jsonl"
    late.write_text("{}\n")
    os.chown(late, SUPERVISOR, SUPERVISOR)
    (folder / "link").symlink_to(volumes / "state/b/paper.sqlite")
    process = os.fork()
    if process == 0:
        os.chdir(volumes / "journal")  # the folders above are the test runner's alone
        os.setgid(user_id("a"))
        os.setuid(user_id("a"))
        take_over(Path("a"))
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    assert seen(late)[0] == user_id("a")
    assert late.read_text() == "{}\n"
    assert (folder / "link").is_symlink()
