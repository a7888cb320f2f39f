"""`make export`: the lines that the page's journal shows, as a table for other programs, written by DuckDB on this machine."""

from argparse import Namespace
from pathlib import Path

from deploy.data.journal_query import journals, load
from deploy.errors import CommandError
from deploy.settings import Settings

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
