"""The API: the same as the page, for programs. What it answers is described in openapi.py."""

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openbell.journal import stamp
from openbell.supervisor.health.bot_status import GOOD
from openbell.supervisor.web import serializers
from openbell.supervisor.web.actions import apply, ask_for_a_run, wish
from openbell.supervisor.web.auth import demand
from openbell.supervisor.web.dependencies import READING, Dependencies, find_bot
from openbell.supervisor.web.openapi import DESCRIPTION
from openbell.supervisor.web.request_params import json_object, limited_body, only, whole

MOST_SLOTS = 1000
MOST_RECORDS = 200

log = structlog.get_logger()


class Api:
    """The routes below /api."""

    def __init__(self, sources: Dependencies) -> None:
        self._sources = sources
        self.routes = [
            Route("/api/openapi.json", self.description),
            Route("/api/status", self.status),
            Route("/api/conditions", self.conditions),
            Route("/api/bots", self.bots),
            Route("/api/bots/{id}", self.bot, methods=["GET", "PATCH"]),
            Route("/api/bots/{id}/run", self.run, methods=["POST"]),
            Route("/api/slots", self.slots),
            Route("/api/strategies/{name}", self.strategy),
        ]

    async def description(self, request: Request) -> Response:
        """Answer with the OpenAPI description."""
        only(request)
        return JSONResponse(DESCRIPTION)

    async def status(self, request: Request) -> Response:
        """Answer with everything that is known now."""
        only(request)
        snapshot, now = self._sources.snapshot(), self._sources.now()
        if snapshot is None:
            unknown = {"now": stamp(now), "ok": False, "headline": READING, "conditions": [], "strategies": []}
            return JSONResponse(unknown, 503)
        everything = serializers.status(snapshot, now, read_only=not self._sources.token)
        return Response(everything, media_type="application/json")

    async def conditions(self, request: Request) -> Response:
        """Answer with all that is wrong."""
        only(request)
        return JSONResponse({"conditions": [serializers.condition(one) for one in self._sources.ready().conditions]})

    async def bots(self, request: Request) -> Response:
        """Answer with bots, a part at a time."""
        only(request, "strategy", "status", "limit", "page")
        snapshot, wanted = self._sources.ready(), request.query_params
        limit, page = whole(request, "limit", 100, MOST_SLOTS), whole(request, "page", 1, 1_000_000)
        if wanted.get("status", "up") not in GOOD | {"down"}:
            allowed = ", ".join(sorted(GOOD | {"down"}))
            raise HTTPException(400, f'status: found "{wanted["status"][:50]}"; allowed: {allowed}')
        found = [
            (view, bot)
            for view in snapshot.strategies
            for bot in view.bots
            if wanted.get("strategy") in {None, view.name} and wanted.get("status") in {None, bot.status}
        ]
        part = found[(page - 1) * limit : page * limit]
        return JSONResponse({"total": len(found), "bots": [serializers.bot(view, bot) for view, bot in part]})

    async def bot(self, request: Request) -> Response:
        """Answer with one bot, or change what is wanted of it."""
        if request.method == "PATCH":
            return await self._change(request)
        return await run_in_threadpool(self._bot, request)

    def _bot(self, request: Request) -> Response:
        only(request, "limit")
        limit = whole(request, "limit", 20, MOST_RECORDS)
        snapshot = self._sources.ready()
        view, bot = find_bot(snapshot, request.path_params["id"])
        with self._sources.records() as store:
            return JSONResponse(
                serializers.bot(view, bot)
                | {
                    "conditions": [serializers.condition(one) for one in snapshot.conditions if one.bot == bot.id],
                    "runs": [serializers.run(one) for one in store.recent_runs(view.name, bot.id, limit)],
                    "decisions": [serializers.decision(one) for one in store.decisions(view.name, bot.id, limit)],
                    "signals": [serializers.signal(one) for one in store.signals(view.name, bot.id, limit)],
                }
            )

    async def _change(self, request: Request) -> Response:
        """Pause a bot, or let it run again."""
        demand(request, self._sources.token)
        only(request)
        wanted = wish(await json_object(request), self._sources.now())
        view, bot = find_bot(self._sources.ready(), request.path_params["id"])
        changed = await run_in_threadpool(apply, self._sources.control, view.name, bot.id, wanted)
        paused = wanted and {"by": wanted.by, "reason": wanted.reason, "until": wanted.until and stamp(wanted.until)}
        if changed:
            said = paused or {"by": "page"}
            log.info("bot.paused" if paused else "bot.resumed", strategy=view.name, bot=bot.id, **said)
        return JSONResponse({"id": bot.id, "strategy": view.name, "changed": changed, "paused": paused})

    async def run(self, request: Request) -> Response:
        """Ask for a run now; its loop takes the request within a second."""
        demand(request, self._sources.token)
        only(request)
        if await limited_body(request):
            raise HTTPException(422, "a run is asked for without a body")
        view, bot = find_bot(self._sources.ready(), request.path_params["id"])
        asked = await run_in_threadpool(ask_for_a_run, self._sources.control, view, bot, self._sources.now())
        log.info("run.requested", strategy=view.name, bot=bot.id, request=asked.id, by=asked.by)
        return JSONResponse({"id": bot.id, "strategy": view.name, "request": asked.id}, 202)

    def slots(self, request: Request) -> Response:
        """Answer with a bot's newest slots and their outcomes, newest first; a range of slots with one fate is one entry."""
        only(request, "bot", "limit")
        limit, bot_id = whole(request, "limit", 100, MOST_SLOTS), request.query_params.get("bot", "")
        if not bot_id:
            raise HTTPException(400, "bot is missing: name a bot, as in /api/slots?bot=ma_crossover")
        snapshot = self._sources.ready()
        view, bot = find_bot(snapshot, bot_id)
        with self._sources.records() as store:
            slots = store.recent_slots(view.name, bot.id, snapshot.judged_at, limit)
        return JSONResponse({"strategy": view.name, "bot": bot.id, "slots": [serializers.slot(one) for one in slots]})

    def strategy(self, request: Request) -> Response:
        """Answer with one strategy: its bots, its account, its errors, what it printed, what happened to its loop."""
        only(request, "limit")
        limit = whole(request, "limit", 20, MOST_RECORDS)
        snapshot, name = self._sources.ready(), request.path_params["name"]
        view = snapshot.strategy(name)
        if view is None:
            raise HTTPException(404, f"there is no strategy {name[:100]}")
        with self._sources.records() as store:
            return JSONResponse(
                serializers.strategy(view)
                | {
                    "conditions": [
                        serializers.condition(one) for one in snapshot.conditions if one.strategy == view.name
                    ],
                    "bots": [serializers.bot(view, bot) for bot in view.bots],
                    "accounts": [serializers.account(one) for one in store.accounts(view.name, limit)],
                    "errors": [serializers.error(one) for one in store.errors(view.name, limit)],
                    "notes": [serializers.note(one) for one in store.notes(view.name, limit)],
                    "events": [serializers.event(one) for one in store.services(view.name, limit)],
                }
            )
