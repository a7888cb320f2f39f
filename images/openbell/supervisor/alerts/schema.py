"""The tables of alerts.sqlite. Instants are whole milliseconds since 1970 in UTC; flags are 0 or 1."""

VERSION = 1  # of the tables below; a file of a newer one is not touched

SCHEMA = """
CREATE TABLE IF NOT EXISTS incidents (
    id INTEGER PRIMARY KEY, cause TEXT NOT NULL, opened_at INSTANT NOT NULL, joined_at INSTANT NOT NULL, told_at INSTANT,
    said_at INSTANT, updates INTEGER NOT NULL DEFAULT 0, reminders INTEGER NOT NULL DEFAULT 0, hold_until INSTANT,
    note TEXT NOT NULL DEFAULT '', closed_at INSTANT
);
CREATE INDEX IF NOT EXISTS open_incidents ON incidents (id) WHERE closed_at IS NULL;
CREATE TABLE IF NOT EXISTS members (
    id INTEGER PRIMARY KEY, incident INTEGER NOT NULL, kind TEXT NOT NULL, strategy TEXT NOT NULL, bot TEXT NOT NULL,
    since INSTANT NOT NULL, reason TEXT NOT NULL, expected TEXT NOT NULL, count INTEGER NOT NULL, timezone TEXT NOT NULL,
    opened_at INSTANT NOT NULL, closed_at INSTANT, ended TEXT NOT NULL DEFAULT '', remedy TEXT NOT NULL DEFAULT '',
    last INSTANT, told FLAG NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX IF NOT EXISTS open_members ON members (kind, strategy, bot) WHERE closed_at IS NULL;
CREATE INDEX IF NOT EXISTS members_of_an_incident ON members (incident);
CREATE TABLE IF NOT EXISTS flips (
    id INTEGER PRIMARY KEY, at INSTANT NOT NULL, kind TEXT NOT NULL, strategy TEXT NOT NULL, bot TEXT NOT NULL,
    wrong FLAG NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY, at INSTANT NOT NULL, incident INTEGER, sort TEXT NOT NULL, severity TEXT NOT NULL,
    title TEXT NOT NULL, body TEXT NOT NULL, key TEXT UNIQUE
);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, message INTEGER NOT NULL, channel TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
    next_at INSTANT NOT NULL, handed_at INSTANT, ended_at INSTANT, error TEXT NOT NULL DEFAULT '', UNIQUE (message, channel)
);
CREATE INDEX IF NOT EXISTS waiting_deliveries ON deliveries (channel, next_at) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS channels (
    name TEXT PRIMARY KEY, place INTEGER NOT NULL, scheme TEXT NOT NULL, fallback FLAG NOT NULL, last_sent_at INSTANT,
    last_failed_at INSTANT, failing_since INSTANT, error TEXT NOT NULL DEFAULT '', failures INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS handling (
    incident INTEGER PRIMARY KEY, acknowledged_at INSTANT, snoozed_until INSTANT, by TEXT NOT NULL DEFAULT '',
    escalations INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deadman (
    one INTEGER PRIMARY KEY CHECK (one = 1), last_pinged_at INSTANT, last_failed_at INSTANT, error TEXT NOT NULL, clock_skew_s REAL
);
"""
