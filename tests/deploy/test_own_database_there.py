"""The PostgreSQL of this kit on a server: it comes with a deploy, and each of its commands works from here, with HOST=."""

import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.deploy.site import Site, site
from tests.engine.kit import wait_until
from tests.machine.machine import running_machine

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(1200)]

FIVES = "fives"
PASSWORD = "a-password-of-a-test"


@pytest.fixture(scope="module")
def served(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server whose strategy has run with files, and that a second deploy has given a database."""
    folder = tmp_path_factory.mktemp("site")
    with running_machine(engine) as machine, site(engine, machine, folder, [FIVES]) as one:
        one.must("deploy")
        more_runs(one)
        (folder / "password").write_text(f"{PASSWORD}\n")
        with (folder / ".env").open("a") as file:
            file.write(f"OPENBELL_DATABASE=postgresql://openbell:{PASSWORD}@database:5432/postgres?sslmode=disable\n")
            file.write("OPENBELL_DATABASE_PASSWORD_FILE=./password\n")
        (folder / "deploy" / "hosts.toml").write_text('[vps]\nprofiles = "database"\n')
        one.must("deploy")
        yield one


def more_runs(one: Site) -> None:
    """Wait until the strategy has run twice more."""
    before = len(ended(one))
    wait_until(lambda: len(ended(one)) >= before + 2, "two more runs", 90, one.machine.container)


def ended(one: Site) -> list[dict[str, object]]:
    """Return the ends of runs that succeeded."""
    return [line for line in one.journal(FIVES) if line["event"] == "run_end" and line["outcome"] == "succeeded"]


def ask(one: Site, statement: str) -> str:
    """Return what the server's database answers, as text."""
    psql = ("psql", "--host=/tmp", "--username=openbell", "--dbname=postgres", "--tuples-only", "--no-align", "--quiet")
    return one.machine.docker("exec", one.containers()["database"], *psql, f"--command={statement}").strip()


def test_what_files_hold_moves_into_it_and_back(served: Site) -> None:
    """The loop that the deploy has started waits for its data, and goes on with them; so it does after the way back."""
    code, said = served.run("move-to-database")
    assert code == 0, said
    more_runs(served)
    code, said = served.run("move-from-database")
    assert code == 0, said
    assert served.run("move-to-database")[0] == 0  # the loop's release still names the database
    more_runs(served)


def test_it_is_backed_up_and_restored_from_here(served: Site, tmp_path: Path) -> None:
    """Into a file of this machine, and from it; the strategy goes on with what was restored."""
    kept = tmp_path / "database.tar"
    more_runs(served)
    said = served.must("database-backup", f"TO={kept}")
    assert "openbell: took" in said
    assert f"openbell: wrote {kept}" in said
    time.sleep(1)
    assert "it replays the log" in served.must("database-restore", f"FROM={kept}")
    more_runs(served)


def test_it_goes_back_to_an_instant(served: Site) -> None:
    """What came after the instant is gone; an instant before all backups changes nothing."""
    assert "openbell: took" in served.must("database-backup")
    ask(served, "CREATE TABLE mistakes (n int)")
    more_runs(served)
    instant = ask(served, "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
    time.sleep(1.1)  # an instant is told to the second
    ask(served, "INSERT INTO mistakes VALUES (1)")
    more_runs(served)
    code, said = served.run("database-restore", "AT=2001-01-01T00:00Z")
    assert code
    assert "there is no base backup that is older than 2001-01-01T00:00Z" in said
    assert ask(served, "SELECT n FROM mistakes") == "1"
    assert "it replays the log" in served.must("database-restore", f"AT={instant}")
    more_runs(served)
    assert ask(served, "SELECT count(*) FROM mistakes") == "0"
