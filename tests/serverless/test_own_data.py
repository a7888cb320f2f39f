"""`ctx.data` and a real PostgreSQL."""

from datetime import UTC, datetime

import psycopg2
import pytz

from openbell.trading.own_data import Source


def test_a_query_of_postgresql(url: str) -> None:
    """By the URL that a secret holds, with the server's own types."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE scores (day date, seen timestamptz, score numeric)")
        cursor.execute("INSERT INTO scores VALUES ('2026-03-02', '2026-03-02T12:00Z', 1.5), ('2026-03-03', now(), 2)")
    connection.close()
    (row,) = Source(pytz.UTC, stamp="seen").query(url, "SELECT * FROM scores", datetime(2026, 3, 3, tzinfo=UTC))
    assert float(row["score"]) == 1.5
    (row,) = Source(pytz.UTC).query(url, "SELECT day, score FROM scores", datetime(2026, 3, 3, tzinfo=UTC))
    assert float(row["score"]) == 1.5
