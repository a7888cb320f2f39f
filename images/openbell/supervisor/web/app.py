"""The web application: its routes, its pages, and its error responses."""

import hashlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import anyio
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from openbell import uplot
from openbell.control import halted
from openbell.journal import stamp
from openbell.supervisor.alerts import view
from openbell.supervisor.health.snapshot import WELL, Snapshot
from openbell.supervisor.web import audit
from openbell.supervisor.web.api import Api
from openbell.supervisor.web.changes import is_bot
from openbell.supervisor.web.connections import LimitedHeaders
from openbell.supervisor.web.dependencies import READING, Dependencies
from openbell.supervisor.web.incident_routes import IncidentRoutes
from openbell.supervisor.web.journal_routes import JournalRoutes
from openbell.supervisor.web.money_routes import MoneyRoutes
from openbell.supervisor.web.overview_page import overview
from openbell.supervisor.web.read_access import ReadAccess
from openbell.supervisor.web.request_params import LIST_PARAMETERS, bot_query, chosen_zone, integer, reject_unknown
from openbell.supervisor.web.run_page import run_page
from openbell.supervisor.web.security_headers import SecurityHeaders
from openbell.supervisor.web.settings_routes import SettingsRoutes
from openbell.supervisor.web.strategy_page import MOST_PAGES, strategy_page
from openbell.supervisor.web.templating import environment
from openbell.supervisor.web.time_routes import TimeRoutes

THREAD_WITHIN = 3.0  # seconds; the container's health check waits for four
_FOLDER = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
_MOST_PAGES = 1_000  # of a list of bots
_AUDIT_ROWS = 50
_MOST_CACHED = 500_000  # bytes of documents that are kept until something changes; the newest is always kept
_WHEN = b"@when@"  # in a cached page: the place for the time of the answer


def tag(content: bytes) -> str:
    """Return a content's ETag."""
    return f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def answer(request: Request, content: bytes, media_type: str, etag: str = "") -> Response:
    """Return the content, or 304 if the request names the version that this is."""
    etag = etag or tag(content)
    headers = {"ETag": etag}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if etag in known:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


async def _has_a_free_thread() -> bool:
    """Tell whether a thread that reads for the page becomes free in time, and none of them hangs."""
    with anyio.move_on_after(THREAD_WITHIN):
        await run_in_threadpool(lambda: None)
        return True
    return False


def _versioned(routes: Sequence[Route]) -> list[Route]:
    """Return the API's routes below /api/v1, where they stay when /api gets a version that answers otherwise."""
    return [
        Route(f"/api/v1{one.path.removeprefix('/api')}", one.endpoint, methods=list(one.methods or ()))
        for one in routes
        if one.path.startswith("/api/")
    ]


class WebApp:
    """The page, the API, the metrics and the health check."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        files = (*(_FOLDER / "static").iterdir(), uplot.SCRIPT, uplot.STYLES, uplot.LICENCE)
        self._static = {path.name: path.read_bytes() for path in files}
        self._templates = environment(_FOLDER / "templates")
        self._cached: dict[tuple[object, ...], bytes] = {}  # pages as some readers asked for them
        incidents = IncidentRoutes(dependencies, self.show)
        routes = [
            Route("/", self.overview),
            Route("/strategies/{name}", self.strategy),
            Route("/strategies/{name}/runs/{run_id}", self.run),
            Route("/alerts", self.alerts),
            Route("/static/{name}", self.static),
            Route("/healthz", self.health),
            Route("/metrics", self.metrics),
            *TimeRoutes(dependencies, self.show).routes,
            *MoneyRoutes(dependencies, self.show_kept).routes,
            *JournalRoutes(dependencies, self.show).routes,
            *incidents.routes,
            *SettingsRoutes(dependencies, self.show).routes,
            *Api(dependencies).routes,
        ]
        self.app = Starlette(
            routes=[*routes, *_versioned(routes)],
            middleware=[
                Middleware(SecurityHeaders, hosts=dependencies.hosts),
                Middleware(LimitedHeaders),
                Middleware(
                    ReadAccess,
                    readers=dependencies.readers,
                    form=self._login,
                    is_linked=lambda request: is_bot(request, dependencies) or incidents.is_linked(request),
                ),
            ],
            exception_handlers={HTTPException: self.refuse, sqlite3.Error: self.refuse, 500: self.refuse},
        )

    def metrics(self, request: Request) -> Response:
        """Answer with all metrics."""
        # Its library is loaded where something asks for them: with it, each start would take longer, and 1.5 MB more.
        from openbell.supervisor.web.metrics import Metrics  # noqa: PLC0415

        return Metrics(self._dependencies).answer(request)

    def overview(self, request: Request) -> Response:
        """Answer with the overview; rendered only when something has changed."""
        reject_unknown(request, *LIST_PARAMETERS, "group")
        query = bot_query(request, is_form=True)
        snapshot = self._dependencies.snapshot()
        if snapshot is None:
            return self._waiting(503, READING)
        found = (view.read(self._dependencies.alerts) or view.EMPTY).incidents
        unanswered = sum(one.needs_answer(self._dependencies.now()) for one in found)
        incidents = {"open_incidents": len(found), "unanswered": unanswered}
        return self.show_kept(
            request,
            "overview.html",
            snapshot,
            lambda: {"overview": overview(snapshot, query), "has_channel": self._dependencies.has_channel},
            title="openbell",
            **incidents,
        )

    def strategy(self, request: Request) -> Response:
        """Answer with one strategy's account, bots, decisions, runs, errors and output."""
        reject_unknown(request, "bot", "page", "rows")
        page, rows = integer(request, "page", 1, _MOST_PAGES), integer(request, "rows", 1, MOST_PAGES)
        snapshot, chosen = self._dependencies.ready(), request.query_params.get("bot", "")
        view = snapshot.strategy(request.path_params["name"])
        if view is None:
            raise HTTPException(404, "There is no such strategy")
        if chosen and all(bot.id != chosen for bot in view.bots):
            raise HTTPException(404, f"{view.name} has no such bot")
        with self._dependencies.records() as store:
            shown = strategy_page(snapshot, view, store, chosen, page, rows)
        return self.show(request, "strategy.html", snapshot, title=f"{view.name} · openbell", shown=shown)

    def run(self, request: Request) -> Response:
        """Answer with all that is kept of one run."""
        reject_unknown(request)
        snapshot = self._dependencies.ready()
        view = snapshot.strategy(request.path_params["name"])
        if view is None:
            raise HTTPException(404, "There is no such strategy")
        with self._dependencies.records() as store:
            shown = run_page(view, store, request.path_params["run_id"], self._dependencies.store.parent)
        if shown is None:
            raise HTTPException(404, f"{view.name} has no such run, or it is older than what is kept")
        title = f"{shown.run.bot} {stamp(shown.run.slot)} · openbell"
        return self.show(request, "run.html", snapshot, title=title, shown=shown)

    def alerts(self, request: Request) -> Response:
        """Answer with the channels and what was sent through them."""
        reject_unknown(request)
        snapshot = self._dependencies.ready()
        found = view.read(self._dependencies.alerts) or view.EMPTY
        entries = audit.newest(self._dependencies.store.parent, _AUDIT_ROWS)
        return self.show(request, "alerts.html", snapshot, title="alerts · openbell", alerts=found, audit=entries)

    async def static(self, request: Request) -> Response:
        """Answer with a style sheet, a script or an image of the package."""
        name = request.path_params["name"]
        if name not in self._static:
            raise HTTPException(404, "There is no such file")
        return answer(request, self._static[name], _TYPES[Path(name).suffix])

    async def health(self, _: Request) -> Response:
        """Answer 200 only while the watch makes progress and the page's threads do.

        It needs no token, so it says nothing of strategies.
        """
        can_answer = await _has_a_free_thread()
        alive = self._dependencies.alive and can_answer
        said: dict[str, object] = {"ok": alive, "answers": can_answer, "idle_s": round(self._dependencies.idle(), 1)}
        said["has_channel"] = self._dependencies.has_channel
        return JSONResponse(said, 200 if alive else 503)

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Answer an error, below /api as JSON and elsewhere as a page."""
        if isinstance(error, HTTPException):
            status, text = error.status_code, error.detail
        elif isinstance(error, sqlite3.Error):
            status, text = 503, f"The supervisor's records cannot be read: {error}"
        else:
            status, text = 500, "This did not work; the supervisor's log says why"
        headers = error.headers if isinstance(error, HTTPException) else None
        if request.url.path.startswith(("/api/", "/bots/")):
            return JSONResponse({"error": text}, status, headers)
        response = self._waiting(status, text)
        response.headers.update(headers or {})
        return response

    def _login(self, wrong: str) -> str:
        can_log_in = not self._dependencies.readers.is_exposed
        return self._templates.get_template("login.html").render(wrong=wrong, can_log_in=can_log_in)

    def _waiting(self, status: int, text: str) -> Response:
        content = self._templates.get_template("waiting.html").render(
            title="openbell",
            mood="wrong",
            headline=text,
            can_change=False,
            deployment=None,
            halt=None,
            when="",
            zone="",
            here="/",
        )
        return HTMLResponse(content, status)

    def show_kept(
        self,
        request: Request,
        template: str,
        snapshot: Snapshot,
        values: Callable[[], Mapping[str, object]],
        **known: object,
    ) -> Response:
        """Answer with a page that differs only when the snapshot does: it is made once for all readers of the same.

        values: what takes long to find. known: what is known already, and makes another page of it.
        """
        key = (
            snapshot.version,
            str(request.url),
            chosen_zone(request),
            self._dependencies.alive,
            str(halted(self._dependencies.control)),
            tuple(known.items()),
        )
        document = self._cached.get(key)
        if document is None:
            document = self._document(request, template, snapshot, **{**known, **values()})
            kept = {one: old for one, old in self._cached.items() if one[0] == snapshot.version} | {key: document}
            while len(kept) > 1 and sum(map(len, kept.values())) > _MOST_CACHED:
                del kept[next(iter(kept))]
            self._cached = kept
        return self._answer(request, document)

    def show(self, request: Request, template: str, snapshot: Snapshot, **values: object) -> Response:
        """Answer with a page."""
        return self._answer(request, self._document(request, template, snapshot, **values))

    def _document(self, request: Request, template: str, snapshot: Snapshot, **values: object) -> bytes:
        ok, text = snapshot.ok, self._dependencies.headline(snapshot)
        if not self._dependencies.alive:
            ok, text = False, "The supervisor's watch stands still: what you see is old"
        content = self._templates.get_template(template).render(
            mood="wrong" if not ok else "ok" if text.startswith(WELL) else "unsure",
            headline=text,
            snapshot=snapshot,
            deployment=snapshot.deployment,
            halt=halted(self._dependencies.control),
            can_change=bool(self._dependencies.token),
            when=_WHEN.decode(),
            zone=chosen_zone(request),
            here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            **values,
        )
        return content.encode()

    def _answer(self, request: Request, document: bytes) -> Response:
        filled = document.replace(_WHEN, stamp(self._dependencies.now()).encode())
        return answer(request, filled, "text/html", tag(document))
