"""Connects to a host and reads its facts while something else is done here."""

import threading
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Self

from deploy.hosts.facts import Facts, read_facts
from deploy.ssh.connection import Connection, Host

ENDS_WITHIN = 2.0  # seconds to wait for facts that are not needed any more


class EarlyFacts:
    """A connection to a host and its facts. Both begin when this is made; a `with` block closes the connection."""

    def __init__(self, host: Host) -> None:
        self._connection = Connection(host)
        self._facts: Future[Facts] = Future()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            self._connection.open()
            self._facts.set_result(read_facts(self._connection))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            self._facts.set_exception(error)

    def result(self) -> tuple[Connection, Facts]:
        """Return the connection and what the host is; CommandError says why there is none."""
        return self._connection, self._facts.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if wait([self._facts], ENDS_WITHIN).done:  # else the connection goes with this process, which is about to end
            self._connection.close()
