"""The fleet that the supervisor is measured over: its journals are what the real writer writes, its slots what the manifests say."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell.journal import Journal
from openbell.manifest import load_all
from openbell.slots import slots_between
from tests.bench.watched import BOOT, BOTS, Journals, bots, write_manifests

NOW = datetime(2026, 3, 2, 14, 7, 3, tzinfo=UTC)
MS = timedelta(milliseconds=1)


def test_a_runs_lines_are_those_of_the_real_journal(tmp_path: Path) -> None:
    """Byte for byte: what is read from them again and written by the real writer is the same."""
    bot = bots()[0]
    slot = next(bot.slots(NOW, NOW + timedelta(hours=1)))
    Journals(tmp_path, [bot]).run(bot, slot, slot + 5 * MS)
    written = (tmp_path / bot.strategy / "2026-03-02.jsonl").read_bytes()
    journal = Journal(tmp_path / "again", bot.strategy, BOOT, echo=False)
    for line in written.splitlines():
        fields = json.loads(line)
        at = datetime.fromisoformat(fields["timestamp"])
        rest = {
            name: value
            for name, value in fields.items()
            if name not in {"timestamp", "event", "level", "strategy", "boot_id"}
        }
        journal.write(fields["event"], at, rest, level=fields["level"])
    assert (tmp_path / "again" / bot.strategy / "2026-03-02.jsonl").read_bytes() == written
    assert b'"event": "run_start"' in written
    assert b"@" not in written


def test_the_slots_are_those_of_the_manifests(tmp_path: Path) -> None:
    """The benchmark plans with arithmetic of its own; it must mean the same instants."""
    fleet = bots(crowd=timedelta(seconds=77), size=10)
    write_manifests(tmp_path, fleet)
    manifests, errors = load_all(tmp_path)
    assert errors == ()
    until = NOW + timedelta(hours=10)  # over midnight in UTC
    real = {bot.id: list(slots_between(bot.schedule, NOW, until)) for one in manifests for bot in one.bots}
    assert len(real) == BOTS
    assert real == {bot.id: list(bot.slots(NOW, until)) for bot in fleet}
