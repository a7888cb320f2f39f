"""A server's data as a file here, and a file as a server's data, over the one connection of deploys."""

from pathlib import Path

import pytest

from tests.deploy.site import Site, assert_no_slot_is_lost_or_doubled
from tests.deploy.test_commands import ask, must
from tests.deploy.test_forms import EVERY
from tests.engine.kit import wait_until

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def deployed(shared: Site) -> Site:
    """The server that is shared."""
    return shared


def runs(site: Site) -> int:
    """Return how many runs of `fives` are in its journal."""
    return sum(line["event"] == "run_end" for line in site.journal("fives"))


def well(site: Site) -> bool:
    """Tell whether everything there is well."""
    return ask(site, "ps")[0] == 0


def test_a_backup_of_a_server_is_whole_and_nothing_notices(deployed: Site, tmp_path: Path) -> None:
    """One file, for its owner alone; no slot is lost meanwhile. It goes where TO= says, named by the server."""
    before = runs(deployed)
    said = must(deployed, "backup", f"TO={tmp_path}", "KEEP=2")
    (file,) = tmp_path.glob("openbell-vps-*.tar.gz")
    assert "of 2 strategies" in said
    assert file.stat().st_mode & 0o777 == 0o600
    wait_until(lambda: runs(deployed) > before + 1, "runs after the backup", 30)
    assert_no_slot_is_lost_or_doubled(deployed.journal("fives"), EVERY)


@pytest.mark.deploy_long
def test_a_restore_stops_replaces_and_starts_again(deployed: Site, tmp_path: Path) -> None:
    """The same containers, with what the backup holds; what was there is kept as a backup beside it."""
    file = tmp_path / "backup.tar.gz"
    must(deployed, "backup", f"TO={file}")
    must(deployed, "pause", "BOT=daily", "REASON=after the backup")
    containers = deployed.containers()

    said = must(deployed, "restore", f"FROM={file}")

    assert f"restored {file}" in said
    assert deployed.containers() == containers
    (kept,) = tmp_path.glob("backup.tar.gz.before-*.tar.gz")
    wait_until(lambda: well(deployed), "everything to be well", 90, deployed.machine.container)
    assert "after the backup" not in must(deployed, "ps")
    must(deployed, "restore", f"FROM={kept}")
    wait_until(lambda: "after the backup" in ask(deployed, "ps")[1], "the earlier pause", 90)
    must(deployed, "resume", "BOT=daily")


def test_a_servers_journal_is_asked_and_exported_here(deployed: Site, tmp_path: Path) -> None:
    """By DuckDB on this machine: what a query counts there is in its journal, and an export has the lines that were asked for."""
    before = runs(deployed)
    said = must(deployed, "query", "SQL=SELECT count(*) FROM journal WHERE strategy = 'fives' AND event = 'run_end'")
    assert before <= int(said.splitlines()[-1]) <= runs(deployed)
    file = tmp_path / "ends.csv"
    said = must(deployed, "export", f"TO={file}", "STRATEGY=fives", "EVENT=run_end")
    assert f"lines to {file}" in said
    header, *lines = file.read_text().splitlines()
    assert {"slot", "outcome", "tick_duration_ms"} <= set(header.split(","))
    assert len(lines) >= before


@pytest.mark.parametrize("content", [b"not a backup", b""])
def test_a_file_that_is_no_backup_stops_nothing(deployed: Site, tmp_path: Path, content: bytes) -> None:
    """It is read here before anything there is touched."""
    file = tmp_path / "backup.tar.gz"
    file.write_bytes(content)
    code, said = ask(deployed, "restore", f"FROM={file}")
    assert code == 1
    assert said.startswith(f"openbell: {file}: it is not a backup of openbell")
    assert sorted(deployed.containers()) == ["daily", "fives", "supervisor"]


@pytest.mark.deploy_long
def test_what_was_stopped_starts_again_when_the_connection_is_lost(deployed: Site, tmp_path: Path) -> None:
    """The server notices by itself that nothing more will come."""
    file = tmp_path / "backup.tar.gz"
    must(deployed, "backup", f"TO={file}")
    containers = deployed.containers()
    command = deployed.start("restore", f"FROM={file}")
    wait_until(lambda: not deployed.containers(), "everything to stop", 60)
    deployed.machine.cut_connections()
    said = command.end(60)
    assert command.code == 1
    assert "the connection was lost" in said
    wait_until(lambda: deployed.containers() == containers, "everything to run again", 60)
    wait_until(lambda: well(deployed), "everything to be well", 90, deployed.machine.container)
