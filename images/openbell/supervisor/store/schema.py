"""The store's tables. Instants are whole milliseconds since 1970 in UTC, as exact as the journal's; flags are 0 or 1.

The tables of what runs say (decisions, signals, notes, accounts) get their index by time where they are opened, since a file
of an older version has them in another form until it is migrated. Their column `digest` is empty: older versions need it.

A file of version 1 has the tables up to `positions`, exactly as they are here: it is carried over by making the others.
Those begin empty, since what the journals say is read once.
"""

VERSION = 2  # of the tables below; a file of a newer one is not touched

SCHEMA = """
CREATE TABLE IF NOT EXISTS expected (
    strategy TEXT NOT NULL, bot TEXT NOT NULL, schedule TEXT NOT NULL, since INSTANT NOT NULL,
    settled_until INSTANT NOT NULL, started FLAG NOT NULL, PRIMARY KEY (strategy, bot)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slots (
    strategy TEXT NOT NULL, bot TEXT NOT NULL, last INSTANT NOT NULL, first INSTANT NOT NULL, count INTEGER NOT NULL,
    outcome TEXT, reason TEXT NOT NULL, late FLAG NOT NULL, judged FLAG NOT NULL, run_id TEXT,
    PRIMARY KEY (strategy, bot, last)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (
    strategy TEXT NOT NULL, run_id TEXT NOT NULL, bot TEXT NOT NULL, slot INSTANT NOT NULL, trigger TEXT NOT NULL,
    attempt INTEGER NOT NULL, started_at INSTANT, attempt_at INSTANT, lateness_ms REAL, ended_at INSTANT, outcome TEXT,
    duration_ms REAL, orders INTEGER NOT NULL, error TEXT NOT NULL, judged FLAG NOT NULL,
    PRIMARY KEY (strategy, run_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS runs_of_a_bot ON runs (strategy, bot, slot);
CREATE INDEX IF NOT EXISTS open_runs ON runs (strategy, bot) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS decisions (
    id INTEGER PRIMARY KEY, digest INTEGER, strategy TEXT NOT NULL, bot TEXT NOT NULL, at INSTANT NOT NULL,
    slot INSTANT, run_id TEXT NOT NULL, symbol TEXT NOT NULL, action TEXT NOT NULL, quantity REAL, reason TEXT NOT NULL,
    about TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS errors (
    id INTEGER PRIMARY KEY, digest INTEGER NOT NULL UNIQUE, strategy TEXT NOT NULL, bot TEXT NOT NULL, at INSTANT NOT NULL,
    slot INSTANT, run_id TEXT NOT NULL, error TEXT NOT NULL, traceback TEXT NOT NULL, will_retry FLAG NOT NULL
);
CREATE INDEX IF NOT EXISTS errors_of_a_bot ON errors (strategy, bot, id);
CREATE TABLE IF NOT EXISTS services (
    id INTEGER PRIMARY KEY, digest INTEGER NOT NULL UNIQUE, strategy TEXT NOT NULL, at INSTANT NOT NULL,
    event TEXT NOT NULL, boot_id TEXT NOT NULL, detail TEXT NOT NULL, unclean FLAG NOT NULL
);
CREATE INDEX IF NOT EXISTS services_of_a_strategy ON services (strategy, id);
CREATE TABLE IF NOT EXISTS positions (file TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS signals (
    id INTEGER PRIMARY KEY, digest INTEGER, strategy TEXT NOT NULL, bot TEXT NOT NULL, at INSTANT NOT NULL,
    slot INSTANT, run_id TEXT NOT NULL, symbol TEXT NOT NULL, signal TEXT NOT NULL, about TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY, digest INTEGER, strategy TEXT NOT NULL, bot TEXT NOT NULL, at INSTANT NOT NULL,
    slot INSTANT, run_id TEXT NOT NULL, kind TEXT NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL, about TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS accounts (
    id INTEGER PRIMARY KEY, digest INTEGER, strategy TEXT NOT NULL, bot TEXT NOT NULL, at INSTANT NOT NULL,
    broker TEXT NOT NULL, cash REAL, equity REAL, currency TEXT NOT NULL, positions TEXT NOT NULL, day_profit_loss REAL
);
CREATE TABLE IF NOT EXISTS findings (
    id INTEGER PRIMARY KEY, digest INTEGER NOT NULL UNIQUE, strategy TEXT NOT NULL, bot TEXT NOT NULL, at INSTANT NOT NULL,
    kind TEXT NOT NULL, slot INSTANT, run_id TEXT NOT NULL, about TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS findings_of_a_bot ON findings (strategy, bot, kind, id);
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, strategy TEXT NOT NULL, bot TEXT NOT NULL,
    since INSTANT NOT NULL, reason TEXT NOT NULL, expected TEXT NOT NULL, count INTEGER NOT NULL, last INSTANT NOT NULL
);
CREATE TABLE IF NOT EXISTS days (
    strategy TEXT NOT NULL, bot TEXT NOT NULL, day TEXT NOT NULL, runs INTEGER NOT NULL, median_ms REAL NOT NULL,
    p95_ms REAL NOT NULL, PRIMARY KEY (strategy, bot, day)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, at INSTANT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trends (
    strategy TEXT NOT NULL, bot TEXT NOT NULL, creep REAL NOT NULL, limit_at INSTANT, since INSTANT NOT NULL,
    PRIMARY KEY (strategy, bot)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS totals (
    strategy TEXT NOT NULL, name TEXT NOT NULL, label TEXT NOT NULL, value REAL NOT NULL, shown REAL NOT NULL,
    PRIMARY KEY (strategy, name, label)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS comparisons ON findings (strategy, id) WHERE kind = 'reconciled';
CREATE TABLE IF NOT EXISTS slot_days (
    strategy TEXT NOT NULL, bot TEXT NOT NULL, day INTEGER NOT NULL, outcome TEXT NOT NULL, slots INTEGER NOT NULL,
    PRIMARY KEY (strategy, bot, day, outcome)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS equity (
    strategy TEXT NOT NULL, broker TEXT NOT NULL, span TEXT NOT NULL, at INSTANT NOT NULL, first_at INSTANT NOT NULL,
    first REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL, last_at INSTANT NOT NULL, last REAL NOT NULL,
    PRIMARY KEY (strategy, broker, span, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    strategy TEXT NOT NULL, client_order_id TEXT NOT NULL, bot TEXT NOT NULL, run_id TEXT NOT NULL, symbol TEXT NOT NULL,
    side TEXT NOT NULL, quantity REAL, status TEXT NOT NULL, filled REAL, price REAL, fee REAL, at INSTANT NOT NULL,
    changed_at INSTANT NOT NULL, reason TEXT NOT NULL, why TEXT NOT NULL, PRIMARY KEY (strategy, client_order_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS orders_of_a_bot ON orders (strategy, bot, at);
CREATE INDEX IF NOT EXISTS open_orders ON orders (strategy, bot)
    WHERE status NOT IN ('filled', 'rejected', 'cancelled', 'expired', 'refused', 'lost');
"""


def table_definition(name: str) -> str:
    """Return the statement that makes one of the tables."""
    begin = SCHEMA.index(f"CREATE TABLE IF NOT EXISTS {name} (")
    return SCHEMA[begin : SCHEMA.index(";", begin)]
