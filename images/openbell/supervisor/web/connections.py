"""The limits of the page's port: how many connections there are, how long one may take, and what one may hold in memory.

A stranger who opens connections without end must neither fill the supervisor's memory nor take the descriptors that the
watch needs to read journals and heartbeats.
"""

import asyncio
import resource
import socket
from collections import Counter

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import Server

MOST_CONNECTIONS = 128
# Connections get an eighth of the process's descriptors. As many again may be accepted in one go before the first of them
# is counted, and as many may be closing: the watch and the alerts keep more than half.
SHARE = 8
LONGEST_EXCHANGE = 30.0  # seconds from the end of one answer (or from the connection) until the end of the next one
KEEP_ALIVE = 10  # seconds without a further request
MOST_UNREAD = 16 * 1024 * 1024  # bytes of answers that wait for clients to read them, of all connections
LONGEST_HEAD = 16 * 1024  # bytes of a request's line and headers
MOST_HEADERS = 100
ENDING = "is_ending"  # in what uvicorn lets the server share with its connections: the server is shutting down


class LimitedConnection(H11Protocol):
    """A connection of the server. One too many closes the oldest that has no request in progress."""

    began: float  # when it was made, or when its last exchange ended
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for the connection, and give it its time."""
        super().connection_made(transport)
        if ENDING in self.app_state:
            transport.abort()
            return
        self.began = self.loop.time()
        self._deadline = self.loop.call_later(LONGEST_EXCHANGE, self._check_deadline)
        if len(self._open()) > most_connections():
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Give the next exchange its time; bound what clients leave unread."""
        super().on_response_complete()
        self.began = self.loop.time()
        unread = [one for one in self._open() if one.unread]
        while unread and sum(one.unread for one in unread) > MOST_UNREAD:
            slowest = min(unread, key=lambda one: one.began)
            unread.remove(slowest)
            slowest.transport.abort()

    def _open(self) -> list["LimitedConnection"]:
        # One that is closed as soon as its answer is read holds that answer, and a descriptor, until then.
        ours = (one for one in self.connections if isinstance(one, LimitedConnection))
        return [one for one in ours if one.unread or not one.transport.is_closing()]

    @property
    def unread(self) -> int:
        """The bytes of answers that the client has not read yet."""
        return self.transport.get_write_buffer_size()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered; one that has not arrived whole counts as none."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _make_room(self) -> None:
        """Close the oldest idle connection of the client that has the most; this one if all are busy."""
        idle = [one for one in self._open() if one.is_idle and one is not self]
        if not idle:
            self.transport.abort()
            return
        count = Counter(one.address for one in idle)
        min(idle, key=lambda one: (-count[one.address], one.began)).transport.abort()

    @property
    def address(self) -> str:
        """Where the client is."""
        return self.client[0] if self.client else ""

    def _check_deadline(self) -> None:
        left = self.began + LONGEST_EXCHANGE - self.loop.time()
        if left > 0:
            self._deadline = self.loop.call_later(left, self._check_deadline)
        else:
            self.transport.abort()


class LimitedServer(Server):
    """A server that does not wait for a client that connected at its end.

    uvicorn closes the connections that it has. One that was accepted just before is made after that; left open, it would
    hold up the end, and be logged as an error.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all connections, also those still to be made."""
        self.lifespan.state[ENDING] = True
        await super().shutdown(sockets)


class LimitedHeaders:
    """ASGI middleware that refuses requests with too many headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and len(scope["headers"]) > MOST_HEADERS:
            await PlainTextResponse(f"A request has at most {MOST_HEADERS} headers.\n", 431)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def most_connections() -> int:
    """Return how many connections this process may hold, so that the watch has descriptors left."""
    return min(MOST_CONNECTIONS, max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // SHARE))


def server(app: ASGIApp) -> LimitedServer:
    """Return a server whose connections are limited."""
    config = Config(
        app,
        http=LimitedConnection,
        h11_max_incomplete_event_size=LONGEST_HEAD,
        backlog=most_connections(),  # asyncio also accepts so many in one go
        timeout_keep_alive=KEEP_ALIVE,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    return LimitedServer(config)
