"""`make query`: SQL over the journals by DuckDB, on this machine; and whole days of them kept as Parquet."""

import csv
import sys
import tarfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from deploy import scratch
from deploy.data.backups import installation_of, reason
from deploy.errors import CommandError
from deploy.settings import Settings
from openbell.manifest import parse_duration

if TYPE_CHECKING:
    import duckdb

MOST_ROWS = 1_000  # on a terminal; what is piped elsewhere has all of them
# The filters are those of the page, in the same order: no text asks for everything. Lines have different fields, so they are
# compared as JSON.
_WANTED = """
CREATE TABLE wanted AS
SELECT journal.* FROM journal, LATERAL (SELECT to_json(journal) AS line)
WHERE $strategy IN ('', line ->> 'strategy')
  AND $event IN ('', line ->> 'event')
  AND $bot IN ('', line ->> 'bot')
  AND ($symbol IN ('', line ->> 'symbol') OR json_contains(coalesce(line -> 'symbols', '[]'), to_json($symbol)))
  AND contains(lower(CAST(line AS VARCHAR)), lower($text))
ORDER BY timestamp
"""
_FILTERS = ("strategy", "event", "bot", "symbol", "text")


def query(settings: Settings, options: Namespace) -> int:
    """Print what a query finds, as a table or, off a terminal, as CSV."""
    if not options.sql and not options.to:
        msg = "make query: SQL= is missing; for example: make query SQL=\"SELECT bot, outcome, count(*) FROM journal WHERE event = 'run_end' GROUP BY ALL\""
        raise CommandError(msg, 2)
    kept = Path(options.to).expanduser() if options.to else None
    with journals(settings, options, "SQL=") as (database, files):
        if kept is not None:
            keep(database, files, kept, datetime.now(UTC))
        if not options.sql:
            return 0
        load(database, files, kept)
        found = database.execute(options.sql)
        show([one[0] for one in found.description or ()], found.fetchall())
    return 0


@contextmanager
def journals(
    settings: Settings, options: Namespace, asked: str
) -> Iterator[tuple["duckdb.DuckDBPyConnection", list[Path]]]:
    """Bring the journals of an installation here, for as long as this lasts, with an empty database.

    asked: what the person wrote that DuckDB reads, for its complaints.
    """
    import duckdb  # noqa: PLC0415 - installed by the targets that need it

    with scratch.folder() as folder, installation_of(options.host, settings) as there:
        archive = folder / "journal.tar.gz"
        with archive.open("wb") as target:
            done = there.backup(target, "--journal")
        if done.code:
            msg = f"the journals cannot be read: {reason(done.errors)}"
            raise CommandError(msg)
        try:
            files = unpack(archive, folder, first_day(options.since, datetime.now(UTC)))
        except tarfile.TarError as error:
            msg = f"the journals cannot be unpacked: {error}"
            raise CommandError(msg) from None
        try:
            with duckdb.connect() as database:
                yield database, files
        except OSError as error:
            msg = f"TO=: {error.filename or options.to}: {error.strerror}"
            raise CommandError(msg) from None
        except duckdb.Error as error:
            msg = f"{asked}: {' '.join(str(error).split())[:500]}"
            raise CommandError(msg) from None


def first_day(since: str | None, now: datetime) -> str:
    """Return the first day whose lines are read, as the journals' files are named. Pure."""
    length = parse_duration(since or "30d")
    if length is None:
        return datetime.fromisoformat(since or "").date().isoformat()
    return (now - min(length, timedelta(days=36_500))).date().isoformat()


def unpack(archive: Path, folder: Path, first: str) -> list[Path]:
    """Unpack the journals from a day on; what has no journal's name is left out."""
    found = []
    with tarfile.open(archive) as opened:
        for member in opened:
            name = PurePosixPath(member.name)
            if (
                member.isfile()
                and name.parts[0] == "journal"
                and len(name.parts) == 3
                and name.suffix == ".jsonl"
                and name.stem >= first
            ):
                opened.extract(member, folder, filter="data")
                found.append(folder / name)
    return found


def keep(database: "duckdb.DuckDBPyConnection", files: Sequence[Path], folder: Path, now: datetime) -> None:
    """Write each whole day that is not there yet as Parquet, a file a day; days that are there stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    days = sorted({one.stem for one in files if one.stem < now.date().isoformat()})
    for day in days:
        file = folder / f"{day}.parquet"
        if file.exists():
            continue
        part = file.with_suffix(".part")
        _lines(database, [one for one in files if one.stem == day]).write_parquet(str(part), compression="zstd")
        part.replace(file)
        print(f"openbell: kept {file}", file=sys.stderr)


def load(database: "duckdb.DuckDBPyConnection", files: Sequence[Path], kept: Path | None) -> None:
    """Make the view `journal`: the lines of the files, and of the kept days that are no longer among them."""
    there = {one.stem for one in files}
    older = [str(one) for one in sorted(kept.glob("*.parquet")) if one.stem not in there] if kept is not None else []
    if files:
        _lines(database, files).create_view("lines")
    if older:
        database.read_parquet(older, union_by_name=True).create_view("kept")
    if files and older:
        database.execute("CREATE VIEW journal AS SELECT * FROM lines UNION ALL BY NAME SELECT * FROM kept")
    elif files or older:
        database.table("lines" if files else "kept").create_view("journal")
    else:
        msg = "there are no lines in that time: SINCE= reaches further back"
        raise CommandError(msg)


def _lines(database: "duckdb.DuckDBPyConnection", files: Sequence[Path]) -> "duckdb.DuckDBPyRelation":
    """Return every line with all its fields: a field that is a number in some lines and a text in others is a text."""
    return database.read_json(
        [str(one) for one in files],
        format="newline_delimited",
        union_by_name=True,
        ignore_errors=True,
        sample_size=-1,
    )


def show(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows as a table for a person, as CSV for a program."""
    if not sys.stdout.isatty():
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([names, *rows])
        return
    table = Table(*names)
    for row in rows[:MOST_ROWS]:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console().print(table)
    if len(rows) > MOST_ROWS:
        print(f"… and {len(rows) - MOST_ROWS} more rows")


def export(settings: Settings, options: Namespace) -> int:
    """Write the lines that pass the filters to a file of CSV or Parquet, with the fields that any of them has."""
    import duckdb  # noqa: PLC0415 - installed by the targets that need it

    file = Path(options.to).expanduser()
    with journals(settings, options, "the journals") as (database, files):
        load(database, files, None)
        database.execute(_WANTED, {name: getattr(options, name) or "" for name in _FILTERS})
        wanted = database.table("wanted")
        columns = [duckdb.ColumnExpression(name) for name in wanted.columns]
        (counts,) = wanted.aggregate([duckdb.FunctionExpression("count", one) for one in columns]).fetchall()
        if not any(counts):
            msg = "no line passes these filters: SINCE= reaches further back"
            raise CommandError(msg)
        found = wanted.select(*(one for one, count in zip(columns, counts, strict=True) if count))
        part = file.with_name(f".{file.name}.part")
        if file.suffix == ".csv":
            found.write_csv(str(part))
        else:
            found.write_parquet(str(part), compression="zstd")
        part.replace(file)
    print(f"openbell: wrote {max(counts)} lines to {file}")
    return 0
