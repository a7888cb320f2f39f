"""The ledger's tables. What an older ledger lacks is made when it is opened; no column is ever renamed or removed.

holdings: what all bots together hold, as older versions of openbell kept it; a rollback finds it as it should be.
positions: the same by bot, with what it cost. fills: what came of each order, piece by piece. flows: the money that orders
have brought in and taken out, by currency. terms: of orders that are more than market orders.
"""

VERSION = 1  # the file's user_version; 0 is what openbell 0.1.0 wrote. A higher one is refused.

SCHEMA = """
CREATE TABLE IF NOT EXISTS claims (
    bot TEXT NOT NULL, slot TEXT NOT NULL, run_id TEXT NOT NULL, attempt INTEGER NOT NULL, trigger TEXT NOT NULL,
    started_at TEXT NOT NULL, outcome TEXT, completed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (bot, slot)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS open_claims ON claims (bot) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS accounted (bot TEXT PRIMARY KEY, until TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    client_order_id TEXT PRIMARY KEY, bot TEXT NOT NULL, slot TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
    leg TEXT NOT NULL, quantity REAL NOT NULL, status TEXT NOT NULL, order_id TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS orders_of_a_slot ON orders (bot, slot);
CREATE TABLE IF NOT EXISTS sent (
    client_order_id TEXT PRIMARY KEY, at TEXT NOT NULL, filled REAL NOT NULL DEFAULT 0, fee REAL NOT NULL DEFAULT 0, price REAL,
    reason TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holdings (symbol TEXT PRIMARY KEY, quantity REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (
    bot TEXT NOT NULL, symbol TEXT NOT NULL, quantity TEXT NOT NULL, cost TEXT NOT NULL, since TEXT, realised TEXT NOT NULL,
    PRIMARY KEY (bot, symbol)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fills (
    client_order_id TEXT NOT NULL, filled TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT, fee TEXT NOT NULL,
    currency TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (client_order_id, filled)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS flows (currency TEXT PRIMARY KEY, amount TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS terms (client_order_id TEXT PRIMARY KEY, terms TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (bot TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (bot, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

# Orders with what later versions know of them.
ALL_OF_ORDERS = (
    "orders LEFT JOIN sent ON sent.client_order_id = orders.client_order_id "
    "LEFT JOIN terms ON terms.client_order_id = orders.client_order_id"
)
