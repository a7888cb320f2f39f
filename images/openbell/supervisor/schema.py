"""The store's tables. Instants are whole milliseconds since 1970 in UTC, as exact as the journal's; flags are 0 or 1."""

VERSION = 1  # of the tables below; a file of a newer one is not touched

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
    id INTEGER PRIMARY KEY, digest INTEGER NOT NULL UNIQUE, strategy TEXT NOT NULL, bot TEXT NOT NULL, at INSTANT NOT NULL,
    slot INSTANT, run_id TEXT NOT NULL, symbol TEXT NOT NULL, action TEXT NOT NULL, quantity REAL, reason TEXT NOT NULL,
    about TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS decisions_of_a_bot ON decisions (strategy, bot, id);
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
"""
