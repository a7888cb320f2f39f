"""The slots that runs have taken, and up to which slot all are accounted for."""

from collections.abc import Iterable
from datetime import datetime

from openbell.ledger.database import LedgerDatabase, instant_of, text_of
from openbell.ledger.records import SLOTLESS, Claim, EpochLostError


class Claims(LedgerDatabase):
    """The ledger's claims."""

    def claim(self, claims: Iterable[Claim]) -> list[Claim]:
        """Take slots in one durable step; return the claims that were taken. One that exists is never taken again.

        A claim that exists under the same run_id is the caller's own, from a step whose commit failed after it was durable.
        """
        taken: list[Claim] = []
        with self._transaction():
            for claim in claims:
                row = (
                    claim.bot,
                    text_of(claim.slot),
                    claim.run_id,
                    claim.attempt,
                    claim.trigger,
                    text_of(claim.started_at),
                )
                statement = "INSERT INTO claims (bot, slot, run_id, attempt, trigger, started_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
                inserted = self._database.execute(statement, row).rowcount == 1
                if inserted or self._run_id(claim) == claim.run_id:
                    taken.append(claim)
                    if claim.trigger not in SLOTLESS:
                        self._account(claim.bot, claim.slot)
        return taken

    def _run_id(self, claim: Claim) -> str | None:
        statement = "SELECT run_id FROM claims WHERE bot = ? AND slot = ?"
        row = self._database.execute(statement, (claim.bot, text_of(claim.slot))).fetchone()
        return str(row[0]) if row else None

    def next_attempt(self, claim: Claim) -> None:
        """Record that the run goes on with the claim's (higher) attempt."""
        statement = "UPDATE claims SET attempt = ? WHERE bot = ? AND slot = ? AND run_id = ? AND attempt = ? AND outcome IS NULL"
        key = (claim.attempt, claim.bot, text_of(claim.slot), claim.run_id, claim.attempt - 1)
        with self._transaction():
            self._database.execute(statement, key)
            if self._epoch(claim) not in (None, (claim.run_id, claim.attempt, None)):
                msg = f"run {claim.run_id} of {claim.bot} goes on elsewhere"
                raise EpochLostError(msg)

    def finish(self, outcomes: Iterable[tuple[Claim, str]]) -> None:
        """Close claims with their outcomes in one durable step."""
        with self._transaction():
            for claim, outcome in outcomes:
                statement = (
                    "UPDATE claims SET outcome = ? WHERE bot = ? AND slot = ? AND run_id = ? AND outcome IS NULL"
                )
                self._database.execute(statement, (outcome, claim.bot, text_of(claim.slot), claim.run_id))

    def open_claims(self) -> list[Claim]:
        """Return the claims whose runs have no outcome yet, oldest first."""
        columns = "bot, slot, run_id, attempt, trigger, started_at"
        rows = self._database.execute(f"SELECT {columns} FROM claims WHERE outcome IS NULL ORDER BY slot")
        return [
            Claim(bot, instant_of(slot), run_id, attempt, trigger, instant_of(at))
            for bot, slot, run_id, attempt, trigger, at in rows
        ]

    def failures_in_a_row(self, bot: str, most: int, after: datetime | None = None) -> int:
        """Return how many of the bot's newest runs, up to `most`, ended badly one after the other; only slots later than `after`."""
        statement = (
            "SELECT outcome FROM claims WHERE bot = ? AND outcome IS NOT NULL AND slot > ? ORDER BY slot DESC LIMIT ?"
        )
        count = 0
        for (outcome,) in self._database.execute(statement, (bot, text_of(after) if after else "", most)):
            if outcome == "succeeded":
                break
            count += 1
        return count

    def outcome_of(self, bot: str, slot: datetime) -> str | None:
        """Return how the run of a slot ended, "running" if it has not; None if no run has claimed the slot."""
        row = self._database.execute(
            "SELECT outcome FROM claims WHERE bot = ? AND slot = ?", (bot, text_of(slot))
        ).fetchone()
        return None if row is None else str(row[0] or "running")

    def accounted_until(self, bot: str) -> datetime | None:
        """Return the newest slot of the bot that is accounted for, with all before it; None if the bot is new."""
        row = self._database.execute("SELECT until FROM accounted WHERE bot = ?", (bot,)).fetchone()
        return instant_of(row[0]) if row else None

    def account(self, slots: Iterable[tuple[str, datetime]]) -> None:
        """Record, for bots, the newest slot that is accounted for; it never moves back."""
        with self._transaction():
            for bot, slot in slots:
                self._account(bot, slot)

    def account_back(self, slots: Iterable[tuple[str, datetime]]) -> None:
        """Record, for bots, that no slot later than this one is accounted for: the clock was ahead when it was."""
        with self._transaction():
            for bot, slot in slots:
                statement = "UPDATE accounted SET until = ? WHERE bot = ? AND until > ?"
                self._database.execute(statement, (text_of(slot), bot, text_of(slot)))

    def newest_claim(self, bot: str, until: datetime) -> datetime | None:
        """Return the newest slot of the bot, not later than `until`, that was claimed; None if there is none."""
        marks = ", ".join("?" for _ in SLOTLESS)
        where = f"bot = ? AND slot <= ? AND trigger NOT IN ({marks})"
        statement = f"SELECT slot FROM claims WHERE {where} ORDER BY slot DESC LIMIT 1"
        row = self._database.execute(statement, (bot, text_of(until), *SLOTLESS)).fetchone()
        return instant_of(row[0]) if row else None

    def claimed_slots(self, bot: str, first: datetime, last: datetime) -> list[datetime]:
        """Return the claimed slots of the bot from `first` to `last`, in order."""
        statement = "SELECT slot FROM claims WHERE bot = ? AND slot BETWEEN ? AND ? ORDER BY slot"
        rows = self._database.execute(statement, (bot, text_of(first), text_of(last)))
        return [instant_of(slot) for (slot,) in rows]

    def _account(self, bot: str, slot: datetime) -> None:
        statement = (
            "INSERT INTO accounted VALUES (?, ?) ON CONFLICT (bot) DO UPDATE SET until = excluded.until "
            "WHERE accounted.until < excluded.until"
        )
        self._database.execute(statement, (bot, text_of(slot)))
