"""PostgreSQL's definitions of the tables that openbell.ledger.schema and the paper account define for SQLite, and its own.

Texts compare by their bytes, as in SQLite and as the instants in them have to. Columns stand in the same order there and
here; a test compares them.
"""

LEDGER = """
CREATE TABLE IF NOT EXISTS claims (
    bot TEXT COLLATE "C" NOT NULL, slot TEXT COLLATE "C" NOT NULL, run_id TEXT COLLATE "C" NOT NULL, attempt INTEGER NOT NULL,
    trigger TEXT COLLATE "C" NOT NULL, started_at TEXT COLLATE "C" NOT NULL, outcome TEXT COLLATE "C",
    completed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (bot, slot)
);
CREATE INDEX IF NOT EXISTS open_claims ON claims (bot) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS accounted (bot TEXT COLLATE "C" PRIMARY KEY, until TEXT COLLATE "C" NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    client_order_id TEXT COLLATE "C" PRIMARY KEY, bot TEXT COLLATE "C" NOT NULL, slot TEXT COLLATE "C" NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL, side TEXT COLLATE "C" NOT NULL, leg TEXT COLLATE "C" NOT NULL,
    quantity DOUBLE PRECISION NOT NULL, status TEXT COLLATE "C" NOT NULL, order_id TEXT COLLATE "C"
);
CREATE INDEX IF NOT EXISTS orders_of_a_slot ON orders (bot, slot);
CREATE TABLE IF NOT EXISTS sent (
    client_order_id TEXT COLLATE "C" PRIMARY KEY, at TEXT COLLATE "C" NOT NULL, filled DOUBLE PRECISION NOT NULL DEFAULT 0,
    fee DOUBLE PRECISION NOT NULL DEFAULT 0, price DOUBLE PRECISION, reason TEXT COLLATE "C" NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS holdings (symbol TEXT COLLATE "C" PRIMARY KEY, quantity DOUBLE PRECISION NOT NULL);
CREATE TABLE IF NOT EXISTS positions (
    bot TEXT COLLATE "C" NOT NULL, symbol TEXT COLLATE "C" NOT NULL, quantity TEXT NOT NULL, cost TEXT NOT NULL, since TEXT,
    realised TEXT NOT NULL, PRIMARY KEY (bot, symbol)
);
CREATE TABLE IF NOT EXISTS fills (
    client_order_id TEXT COLLATE "C" NOT NULL, filled TEXT COLLATE "C" NOT NULL, quantity TEXT NOT NULL, price TEXT,
    fee TEXT NOT NULL, currency TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (client_order_id, filled)
);
CREATE TABLE IF NOT EXISTS flows (currency TEXT COLLATE "C" PRIMARY KEY, amount TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS terms (client_order_id TEXT COLLATE "C" PRIMARY KEY, terms TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS state (
    bot TEXT COLLATE "C" NOT NULL, key TEXT COLLATE "C" NOT NULL, value TEXT NOT NULL, PRIMARY KEY (bot, key)
);
CREATE TABLE IF NOT EXISTS facts (name TEXT COLLATE "C" PRIMARY KEY, value TEXT NOT NULL);
"""

# Of several instances that run a strategy at once: which runs go on, and locks that outlive a connection.
LEASES = """
CREATE TABLE IF NOT EXISTS leases (run_id TEXT COLLATE "C" PRIMARY KEY, until TIMESTAMPTZ NOT NULL);
CREATE TABLE IF NOT EXISTS locks (name TEXT COLLATE "C" PRIMARY KEY, owner TEXT NOT NULL, until TIMESTAMPTZ NOT NULL);
"""

PAPER = """
CREATE TABLE IF NOT EXISTS account (cash TEXT NOT NULL, currency TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS positions (symbol TEXT COLLATE "C" PRIMARY KEY, quantity TEXT NOT NULL, cost TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client_order_id TEXT COLLATE "C" NOT NULL UNIQUE,
    symbol TEXT NOT NULL, side TEXT NOT NULL, quantity TEXT NOT NULL, status TEXT NOT NULL, filled_quantity TEXT NOT NULL,
    filled_price TEXT, placed_at TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS resting (client_order_id TEXT COLLATE "C" PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fees (client_order_id TEXT COLLATE "C" PRIMARY KEY, fee TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS splits (
    symbol TEXT COLLATE "C" NOT NULL, day TEXT COLLATE "C" NOT NULL, ratio TEXT NOT NULL, PRIMARY KEY (symbol, day)
);
CREATE TABLE IF NOT EXISTS beginnings (
    symbol TEXT COLLATE "C" NOT NULL, day TEXT COLLATE "C" NOT NULL, quantity TEXT NOT NULL, PRIMARY KEY (symbol, day)
);
CREATE TABLE IF NOT EXISTS splits_until (symbol TEXT COLLATE "C" PRIMARY KEY, day TEXT COLLATE "C" NOT NULL);
CREATE TABLE IF NOT EXISTS borrowed (symbol TEXT COLLATE "C" PRIMARY KEY, until TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cash_entries (
    identity TEXT COLLATE "C" PRIMARY KEY, kind TEXT NOT NULL, symbol TEXT NOT NULL, amount TEXT NOT NULL,
    day TEXT COLLATE "C" NOT NULL
);
"""

ALERTS = "supervisor's alerts"  # among the owners: which supervisor sends them; no strategy has this name
SHARED_SCHEMA = "openbell"  # of what all strategies have in common
SHARED = """
CREATE TABLE IF NOT EXISTS journal (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, strategy TEXT COLLATE "C" NOT NULL, at TIMESTAMPTZ NOT NULL,
    run_id TEXT COLLATE "C", line TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS journal_of_a_strategy ON journal (strategy, at);
CREATE INDEX IF NOT EXISTS journal_of_a_run ON journal (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS journal_by_number ON journal (strategy, number);
CREATE TABLE IF NOT EXISTS owners (
    strategy TEXT COLLATE "C" PRIMARY KEY, epoch BIGINT NOT NULL, until TIMESTAMPTZ NOT NULL, owner TEXT NOT NULL,
    host TEXT NOT NULL, beat TEXT NOT NULL DEFAULT '', answers TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS settled (strategy TEXT COLLATE "C" PRIMARY KEY, timeline TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS homes (
    strategy TEXT COLLATE "C" PRIMARY KEY, home TEXT COLLATE "C" NOT NULL, standby TEXT COLLATE "C" NOT NULL
);
CREATE TABLE IF NOT EXISTS waiting (
    strategy TEXT COLLATE "C" NOT NULL, host TEXT COLLATE "C" NOT NULL, since TIMESTAMPTZ NOT NULL,
    until TIMESTAMPTZ NOT NULL, PRIMARY KEY (strategy, host)
);
CREATE TABLE IF NOT EXISTS rates (account TEXT COLLATE "C" PRIMARY KEY, done TIMESTAMPTZ NOT NULL);
CREATE TABLE IF NOT EXISTS hosts (host TEXT COLLATE "C" PRIMARY KEY, until TIMESTAMPTZ NOT NULL);
CREATE TABLE IF NOT EXISTS control (
    strategy TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL, content TEXT NOT NULL, PRIMARY KEY (strategy, name)
);
"""
