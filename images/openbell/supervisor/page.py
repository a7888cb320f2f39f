"""The page and the API: what the snapshot and the store say, for people and for programs. Nothing can be changed here."""

import sqlite3
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

import jinja2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from openbell.journal import stamp
from openbell.supervisor.guard import Guard
from openbell.supervisor.records import DecisionRecord, SlotRecord
from openbell.supervisor.snapshot import Snapshot, as_json, slot_json
from openbell.supervisor.status import why_not
from openbell.supervisor.store import Store
from openbell.supervisor.times import dated, milliseconds

ALIVE = 10.0  # seconds since the watch's last progress after which it counts as stalled
READING = "Reading the journals"
_FOLDER = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_MARKS = {"succeeded": "✓", "failed": "F", "timed_out": "T", "interrupted": "I", "skipped": "-", "missed": "M", "": "…"}
_MOST_SLOTS = 1000


class Page:
    """The routes.

    snapshot: what there is to say now, None before the first judgement. idle: seconds since the watch's last progress.
    store: the file to read histories from.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot | None],
        idle: Callable[[], float],
        now: Callable[[], datetime],
        store: Path,
        hosts: Collection[str] = (),
    ) -> None:
        self._snapshot = snapshot
        self._idle = idle
        self._now = now
        self._store = store
        self._static = {path.name: path.read_bytes() for path in (_FOLDER / "static").iterdir()}
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            marks=_MARKS, dated=dated, milliseconds=milliseconds, slot_title=slot_title, stamp=stamp, about=about
        )
        self._overview: tuple[Snapshot, str] | None = None
        self.app = Starlette(
            routes=[
                Route("/", self.overview),
                Route("/strategies/{name}", self.strategy),
                Route("/static/{name}", self.static),
                Route("/api/status", self.status),
                Route("/api/slots", self.slots),
                Route("/healthz", self.health),
            ],
            middleware=[Middleware(Guard, hosts=hosts)],
            exception_handlers={HTTPException: self.refuse, sqlite3.Error: self.refuse, 500: self.refuse},
        )

    def overview(self, _: Request) -> Response:
        """Answer with all strategies and bots."""
        snapshot = self._snapshot()
        if snapshot is None:
            return self._html("waiting.html", 503, title="openbell", ok=False, headline=READING)
        if self._overview is None or self._overview[0].version != snapshot.version:
            text = self._templates.get_template("overview.html").render(
                title="openbell", ok=snapshot.ok, headline=snapshot.headline, snapshot=snapshot
            )
            self._overview = (snapshot, text)
        return HTMLResponse(self._overview[1])

    def strategy(self, request: Request) -> Response:
        """Answer with one strategy's runs, decisions and errors."""
        snapshot = self._ready()
        view = snapshot.strategy(request.path_params["name"])
        if view is None:
            raise HTTPException(404, "There is no such strategy")
        store = Store(self._store, read_only=True)
        try:
            return self._html(
                "strategy.html",
                title=f"{view.name} · openbell",
                ok=snapshot.ok,
                headline=snapshot.headline,
                strategy=view,
                runs={bot.id: store.recent_runs(view.name, bot.id, 20) for bot in view.bots},
                decisions={bot.id: store.decisions(view.name, bot.id, 20) for bot in view.bots},
                errors=store.errors(view.name, 20),
                events=store.services(view.name, 20),
            )
        finally:
            store.close()

    async def static(self, request: Request) -> Response:
        """Answer with a style sheet, a script or an image of the package."""
        name = request.path_params["name"]
        if name not in self._static:
            raise HTTPException(404, "There is no such file")
        return Response(self._static[name], media_type=_TYPES[Path(name).suffix])

    async def status(self, _: Request) -> Response:
        """Answer with the snapshot as JSON."""
        snapshot, now = self._snapshot(), self._now()
        if snapshot is None:
            return JSONResponse({"now": stamp(now), "ok": False, "headline": READING, "strategies": []}, 503)
        return JSONResponse(as_json(snapshot, now))

    def slots(self, request: Request) -> Response:
        """Answer with a bot's newest slots and their outcomes, newest first; a range of slots with one fate is one entry."""
        snapshot, bot, limit = (
            self._ready(),
            request.query_params.get("bot", ""),
            request.query_params.get("limit", "100"),
        )
        owners = [view.name for view in snapshot.strategies for one in view.bots if one.id == bot]
        if not bot:
            raise HTTPException(400, "bot is missing: name a bot, as in /api/slots?bot=ma_crossover")
        if not owners:
            raise HTTPException(404, f"there is no bot {bot[:100]}")
        if not limit.isascii() or not limit.isdigit() or len(limit) > 6 or not 1 <= int(limit) <= _MOST_SLOTS:
            raise HTTPException(400, f"limit is a whole number from 1 to {_MOST_SLOTS}")
        store = Store(self._store, read_only=True)
        try:
            slots = store.recent_slots(owners[0], bot, snapshot.judged_at, int(limit))
        finally:
            store.close()
        return JSONResponse({"strategy": owners[0], "bot": bot, "slots": [slot_json(slot) for slot in slots]})

    async def health(self, _: Request) -> Response:
        """Answer 200 only while the watch makes progress."""
        idle = self._idle()
        return JSONResponse({"ok": idle < ALIVE, "idle_s": round(idle, 1)}, 200 if idle < ALIVE else 503)

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Answer an error, to a program as JSON and to a person as a page."""
        if isinstance(error, HTTPException):
            status, text = error.status_code, error.detail
        elif isinstance(error, sqlite3.Error):
            status, text = 503, f"The supervisor's records cannot be read: {error}"
        else:
            status, text = 500, "This did not work; the supervisor's log says why"
        headers = error.headers if isinstance(error, HTTPException) else None
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": text}, status, headers)
        answer = self._html("waiting.html", status, title="openbell", ok=False, headline=text)
        answer.headers.update(headers or {})
        return answer

    def _ready(self) -> Snapshot:
        snapshot = self._snapshot()
        if snapshot is None:
            raise HTTPException(503, READING)
        return snapshot

    def _html(self, template: str, status: int = 200, **values: object) -> HTMLResponse:
        return HTMLResponse(self._templates.get_template(template).render(values), status)


def slot_title(slot: SlotRecord, timezone: str) -> str:
    """Return what a cell of the strip of slots says in full."""
    outcome = (slot.outcome or "running").replace("_", " ")
    parts = [f"{dated(slot.last, timezone)}: {outcome}"]
    if slot.outcome in {"skipped", "missed"}:
        parts.append(why_not(slot))
    if slot.lateness_ms is not None:
        parts.append(
            f"started {milliseconds(slot.lateness_ms)} after its slot" + (", beyond its grace" if slot.late else "")
        )
    if slot.duration_ms is not None:
        parts.append(f"took {milliseconds(slot.duration_ms)}")
    if slot.error:
        parts.append(slot.error)
    return ", ".join(part for part in parts if part)


def about(decision: DecisionRecord) -> str:
    """Return what else a decision's line said, in one line."""
    shown = {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in decision.about.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())
