"""`make dashboard HOST=`: a tunnel from a port of this machine to the host's status page, kept up until Ctrl-C."""

import time
from collections.abc import Callable

from deploy import supervisor_client
from deploy.errors import CommandError
from deploy.log import Log
from deploy.ssh.connection import Connection, Host

_GIVE_UP = 600.0  # seconds without a connection until a tunnel that was lost is given up
_PAUSE = 3.0  # seconds between two tries
_ANSWER = 5.0  # seconds for the page's first answer


def serve(host: Host, log: Log, sleep: Callable[[float], None] = time.sleep) -> int:
    """Keep the tunnel until Ctrl-C; CommandError if it cannot be made, or cannot be made again."""
    port: int | None = None
    try:
        while True:
            port = _hold(host, log, port, sleep)
    except KeyboardInterrupt:
        log.info("the tunnel is closed")
        return 0


def _hold(host: Host, log: Log, port: int | None, sleep: Callable[[float], None]) -> int:
    """Hold one connection until it ends; return the port, which the next one has again: a browser knows it."""
    with _connect(host, patience=0 if port is None else _GIVE_UP, sleep=sleep) as connection:
        ours = connection.forward(host.port, host.page_address, port)
        address = f"http://127.0.0.1:{ours}"
        if port is not None:
            log.info("the tunnel is there again", page=address)
        else:
            if supervisor_client.fetch(address, _ANSWER) is None and not supervisor_client.answers(address):
                log.info("the page does not answer yet", see=f"make status HOST={host.name}")
            log.info("the page is here until Ctrl-C", page=address, host=host.name)
        connection.wait()
    log.info("the connection was lost: trying again", host=host.name)
    return ours


def _connect(host: Host, *, patience: float, sleep: Callable[[float], None]) -> Connection:
    """Return a connection that is open; CommandError if there is none after that many seconds."""
    until = time.monotonic() + patience
    while True:
        try:
            return Connection(host).open()
        except CommandError:
            if time.monotonic() >= until:
                raise
        sleep(_PAUSE)
