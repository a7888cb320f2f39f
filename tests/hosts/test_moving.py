"""What strategies know goes from files into the database and back, row by row, and is never in use in both."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import control
from openbell.control import Control, Halt, Pause
from openbell.ledger import Ledger
from openbell.moving import MoveError, strategies, to_database, to_files
from openbell.postgres.control import control_in, halted_in
from openbell.postgres.database import Database
from openbell.postgres.ledger import PostgresLedger
from openbell.postgres.tables import LEDGER
from openbell.renaming import Volumes
from openbell.trading.brokers import paper_tables
from tests.hosts.cluster import Cluster, problems

AT = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
STRATEGY = "demo"


@pytest.fixture
def volumes(tmp_path: Path) -> Volumes:
    """A strategy that has run with files: a value of each kind in each table, with what is awkward to carry."""
    found = Volumes(*(tmp_path / name for name in ("journal", "state", "control")))
    state = found.state / STRATEGY
    Ledger(state / "ledger.sqlite").close()
    texts = ("it's", 'back\\slash "quoted"', "many\nlines", "ünïcode 🔔", "50% of ?", "")
    with closing(sqlite3.connect(state / "ledger.sqlite")) as file, file:
        for number, text in enumerate(texts):
            file.execute("INSERT INTO state VALUES ('b', ?, ?)", (f"key {number}", json.dumps(text)))
            slot = f"2026-11-27T09:{number:02}:00.000Z"
            row = ("b", slot, f"run{number}", 1, "loop", slot, None if number == 5 else "succeeded", 1)
            file.execute("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            order = (f"id{number}", "b", slot, text, "buy", "", 0.1 + number / 3, "filled", None)
            file.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", order)
            file.execute("INSERT INTO sent VALUES (?, ?, ?, 1e-9, ?, '')", (f"id{number}", slot, 1e300, 123456.789))
    paper_tables.create(state / "paper.sqlite")
    with closing(sqlite3.connect(state / "paper.sqlite")) as file, file:
        file.execute("UPDATE account SET cash = '99999.0000001'")
        for number in (1, 3):
            values = (number, f"id{number}", "AAPL", "buy", "1", "filled", "1", "10", "x", "")
            file.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    folder = found.journal / STRATEGY
    folder.mkdir(parents=True)
    line = {"timestamp": "2026-11-26T23:59:59.000Z", "event": "run_end", "run_id": "run1", "text": "50% of ? 🔔"}
    (folder / "2026-11-26.jsonl").write_text(json.dumps(line) + "\nno line of a journal\n")
    (folder / "2026-11-27.jsonl").write_text(json.dumps(line | {"timestamp": "2026-11-27T00:00:01.000Z"}) + "\n")
    Control(found.control, STRATEGY).pause("b", Pause(AT, None, "ann", "earnings"))
    Control(found.control, STRATEGY).resume("c")
    control.halt(found.control, Halt(AT, "ann", "odd fills", exits=True))
    return found


def rows(state: Path, file: str = "ledger.sqlite") -> dict[str, list[tuple[object, ...]]]:
    """Return what is in a database of a strategy, but for the mark of a move."""
    with closing(sqlite3.connect(state / file)) as database:
        names = [str(name) for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: sorted(database.execute(f"SELECT * FROM {name}"), key=repr) for name in names}  # noqa: S608
    return {name: [row for row in all_rows if row[0] != "moved"] for name, all_rows in found.items()}


def everything(volumes: Volumes) -> tuple[object, ...]:
    """Return all that is to survive there and back."""
    state = volumes.state / STRATEGY
    here = Control(volumes.control, STRATEGY)
    lines = [path.read_text().splitlines() for path in sorted((volumes.journal / STRATEGY).glob("*.jsonl"))]
    wanted = (here.known_pause("b"), here.resumed("c"), control.halted(volumes.control))
    return rows(state), rows(state, "paper.sqlite"), lines, wanted


def test_all_that_is_known_arrives_and_comes_back(volumes: Volumes, url: str, tmp_path: Path) -> None:
    """To the database from one host, and from there to another that had nothing: each row and line is the same."""
    before = everything(volumes)
    moved = to_database(volumes, STRATEGY, url, AT)
    assert (moved.rows, moved.lines) == (6 * 4 + 1 + 1 + 2, 2)  # with a fact of the ledger's own
    there = PostgresLedger(url, STRATEGY)
    assert [claim.run_id for claim in there.open_claims()] == ["run5"]
    assert halted_in(url) == Halt(AT, "ann", "odd fills", exits=True)
    assert strategies(url) == [STRATEGY]
    other = Volumes(*(tmp_path / "other" / name for name in ("journal", "state", "control")))
    back = to_files(other, STRATEGY, url, AT)
    assert back == moved
    strange = volumes.journal / STRATEGY / "2026-11-26.jsonl"
    strange.write_text(strange.read_text().replace("no line of a journal\n", ""))
    assert everything(other) == everything(volumes)
    assert everything(volumes)[:2] == before[:2]


def test_there_and_back_again_and_there(volumes: Volumes, url: str) -> None:
    """What has changed meanwhile goes along each time, and what was replaced is kept beside the new."""
    to_database(volumes, STRATEGY, url, AT)
    Database(url, f"openbell_{STRATEGY}").execute("UPDATE state SET value = '7' WHERE key = 'key 0'")
    control_in(url, STRATEGY, volumes.control).resume("b")
    to_files(volumes, STRATEGY, url, AT)
    state = volumes.state / STRATEGY
    assert ("b", "key 0", "7") in rows(state)["state"]
    assert (state / "ledger.sqlite.before-20261127T093000Z").exists()
    assert Control(volumes.control, STRATEGY).known_pause("b") is None
    with closing(sqlite3.connect(state / "ledger.sqlite")) as file, file:
        file.execute("UPDATE state SET value = '8' WHERE key = 'key 0'")
    to_database(volumes, STRATEGY, url, AT)
    (value,) = Database(url, f"openbell_{STRATEGY}").execute("SELECT value FROM state WHERE key = 'key 0'")
    assert value == ("8",)
    assert not Database(url, f"openbell_{STRATEGY}").execute("SELECT 1 FROM facts WHERE name = 'moved'")


def test_new_orders_get_new_numbers(volumes: Volumes, url: str) -> None:
    """The paper account goes on counting behind what was moved."""
    to_database(volumes, STRATEGY, url, AT)
    account = Database(url, f"openbell_{STRATEGY}_paper")
    row = ("new", "AAPL", "buy", "1", "filled", "1", "10", "x", "")
    names = "client_order_id, symbol, side, quantity, status, filled_quantity, filled_price, placed_at, reason"
    account.execute(f"INSERT INTO orders ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
    assert account.execute("SELECT number FROM orders WHERE client_order_id = 'new'") == [(4,)]


def test_a_move_that_was_cut_off_is_made_again(volumes: Volumes, url: str) -> None:
    """All had arrived, but the files were not marked yet."""
    state = volumes.state / STRATEGY
    shutil.copytree(state, state.with_name("kept"))
    first = to_database(volumes, STRATEGY, url, AT)
    shutil.rmtree(state)
    state.with_name("kept").rename(state)
    assert to_database(volumes, STRATEGY, url, AT) == first
    with pytest.raises(MoveError, match="were moved already"):
        to_database(volumes, STRATEGY, url, AT)


def test_what_has_gone_on_by_itself_is_not_replaced(volumes: Volumes, url: str) -> None:
    """Neither a ledger of the database by files, nor files by the database; nothing is changed."""
    PostgresLedger(url, STRATEGY, prepare=True).remember("previous stop", "clean")
    before = everything(volumes)
    with pytest.raises(MoveError, match="drop its schemas openbell_demo and openbell_demo_paper"):
        to_database(volumes, STRATEGY, url, AT)
    with pytest.raises(MoveError, match="was never moved"):
        to_files(volumes, STRATEGY, url, AT)
    assert everything(volumes) == before


def test_a_value_that_arrives_as_another_is_found(volumes: Volumes, url: str) -> None:
    """Then nothing has moved: the rows are compared before they count."""
    schema = Database(url, f"openbell_{STRATEGY}")
    schema.make(LEDGER)
    function = "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.quantity = round(NEW.quantity); RETURN NEW; END $$"
    schema.execute(function)
    schema.execute("CREATE TRIGGER spoil BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION spoil()")
    with pytest.raises(MoveError, match=r"orders: 6 rows became 6 .*became.*nothing was moved"):
        to_database(volumes, STRATEGY, url, AT)
    assert schema.execute("SELECT 1 FROM state") == []


@pytest.fixture
def cluster(tmp_path: Path, url: str) -> Iterator[Cluster]:
    """Two hosts with folders of their own, of which nothing runs yet."""
    one = Cluster(tmp_path / "cluster", url)
    try:
        yield one
    finally:
        one.close()


def move(cluster: Cluster, host: str, way: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as the operator of a host does."""
    command = [sys.executable, "-m", "openbell", "move-data", way]
    environment = cluster.hosts[host].environment
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_strategy_goes_on_where_its_data_is(cluster: Cluster) -> None:
    """From files to the database and back while it is due every second: no slot is lost or run twice, nothing is moved while it runs."""
    one, database = cluster.hosts["a"], cluster.hosts["a"].environment.pop("OPENBELL_DATABASE")
    one.start()
    cluster.wait(lambda: [line for line in one.lines() if line["event"] == "run_end"], 30, "a run with files")
    one.environment["OPENBELL_DATABASE"] = database
    refused = move(cluster, "a", "--to-database")
    assert refused.returncode == 3
    assert "demo runs (process" in refused.stderr
    assert one.stop() == 0
    one.start()  # with the database, in which nothing is yet
    cluster.wait(lambda: b"is not in the database yet" in one.said.read_bytes(), 30, "what is to be done")
    assert cluster.owner() is None
    assert one.stop() == 0
    done = move(cluster, "a", "--to-database")
    assert done.returncode == 0, done.stderr
    assert "rows and" in done.stdout
    del one.environment["OPENBELL_DATABASE"]
    one.start()
    assert one.process is not None
    assert one.process.wait(30) == 3
    assert "set OPENBELL_DATABASE again" in one.said.read_text()
    cluster.hosts["b"].start()
    ran = len(cluster.events("run_end"))
    cluster.wait(lambda: len(cluster.events("run_end")) >= ran + 2, 30, "runs with the database")
    one.environment["OPENBELL_DATABASE"] = database
    refused = move(cluster, "a", "--to-files")
    assert refused.returncode == 3
    assert "stop it on all hosts first" in refused.stderr
    assert cluster.hosts["b"].stop() == 0
    assert move(cluster, "a", "--to-files").returncode == 0
    del one.environment["OPENBELL_DATABASE"]
    before = len(one.lines())
    one.start()
    cluster.wait(lambda: [line for line in one.lines()[before:] if line["event"] == "run_end"], 30, "runs with files")
    assert one.stop() == 0
    lines = [line for line in one.lines() if line["event"] != "error"]
    assert problems(sorted(lines, key=lambda line: str(line["timestamp"])), cluster.orders()) == []
    cluster.hosts["b"].start()
    cluster.wait(lambda: b"unset OPENBELL_DATABASE" in cluster.hosts["b"].said.read_bytes(), 30, "the refusal")
