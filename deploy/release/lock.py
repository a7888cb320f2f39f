"""The lock on a host's project, held for as long as this process lives; its holder may start a transaction."""

import json
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from deploy.errors import CommandError
from deploy.release.host_state import folder
from deploy.ssh import program
from deploy.ssh.connection import Connection
from deploy.ssh.session import Session


class LockHeldError(Exception):
    """Another process holds the lock."""

    def __init__(self, holder: str) -> None:
        try:
            content = json.loads(holder)
        except ValueError:
            content = {}
        self.by = str(content.get("by", "another process"))
        self.purpose = str(content.get("purpose", "something"))
        self.since = str(content.get("since", "some time ago"))
        self.transaction = str(content.get("transaction", ""))
        super().__init__(f"{self.by} holds the lock since {self.since}: {self.purpose}")


class HostLock:
    """The lock, in a `with` block. LockHeldError says who has it, if it is not free.

    The host frees it when the session that has taken it is over, however that comes about.
    """

    def __init__(self, connection: Connection, by: str, purpose: str, transaction: str) -> None:
        self._connection = connection
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        self._holder = json.dumps({"by": by, "purpose": purpose, "since": since, "transaction": transaction})
        self._session: Session | None = None

    def __enter__(self) -> Self:
        host, root = self._connection.host, folder(self._connection.host)
        answer = program.attempt(self._connection, "lock", root, input=self._holder)
        if answer.code:
            why = answer.err.strip().removeprefix("openbell: ")
            msg = (
                f"{host.name}: {root} cannot be locked there ({why}): see whether it can be written, with `{host.ssh}`"
            )
            raise CommandError(msg)
        word, _, holder = answer.out.strip().partition(" ")
        if word != "locked":
            raise LockHeldError(holder)
        self._session = self._connection.session
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lost:
            return
        try:
            program.ask(self._connection, "unlock", timeout=None, doing="starting again what was stopped")
        except CommandError as problem:
            print(f"openbell: {problem}", file=sys.stderr)

    def start(self, transaction: str) -> None:
        """Start a transaction that was uploaded. From here on it goes on by itself, and has the lock."""
        self._order("start", transaction, doing="starting the deployment (nothing was touched)")

    def stop(self, project: str) -> None:
        """Stop everything there at a quiet moment. It starts again when this block ends, however that comes about."""
        self._order("stop", project, doing="stopping what runs there")

    def stay(self) -> None:
        """Let what was stopped stay so after this block too."""
        self._order("stay", doing="keeping stopped what was stopped there")

    def again(self) -> None:
        """Start what was stopped."""
        self._order("again", doing="starting again what was stopped there")

    @property
    def _lost(self) -> bool:
        return self._session is None or self._session.is_over or self._session is not self._connection.session

    def _order(self, *words: str, doing: str) -> None:
        if self._lost:
            msg = f"{self._connection.host.name}: the lock was lost: try again"
            raise CommandError(msg)
        program.ask(self._connection, *words, timeout=None, doing=doing)
