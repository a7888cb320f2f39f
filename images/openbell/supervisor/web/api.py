"""The API: the same as the page, for programs."""

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openbell.journal import stamp
from openbell.supervisor.health.bot_status import GOOD
from openbell.supervisor.web import answers
from openbell.supervisor.web.actions import apply, parse_pause, request_run
from openbell.supervisor.web.auth import require_token
from openbell.supervisor.web.dependencies import READING, Dependencies, find_bot
from openbell.supervisor.web.openapi import DESCRIPTION
from openbell.supervisor.web.request_params import integer, json_object, limited_body, reject_unknown

MOST_SLOTS = 1000
MOST_RECORDS = 200

log = structlog.get_logger()


class Api:
    """The routes below /api."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
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
        reject_unknown(request)
        return JSONResponse(DESCRIPTION)

    async def status(self, request: Request) -> Response:
        """Answer with everything that is known now."""
        reject_unknown(request)
        snapshot, now = self._dependencies.snapshot(), self._dependencies.now()
        if snapshot is None:
            unknown = {"now": stamp(now), "ok": False, "headline": READING, "conditions": [], "strategies": []}
            return JSONResponse(unknown, 503)
        everything = answers.status(snapshot, now, read_only=not self._dependencies.token)
        return Response(everything, media_type="application/json")

    async def conditions(self, request: Request) -> Response:
        """Answer with all conditions."""
        reject_unknown(request)
        return JSONResponse(
            {"conditions": [answers.CONDITION.json(one) for one in self._dependencies.ready().conditions]}
        )

    async def bots(self, request: Request) -> Response:
        """Answer with a page of the bots."""
        reject_unknown(request, "strategy", "status", "limit", "page")
        snapshot, wanted = self._dependencies.ready(), request.query_params
        limit, page = integer(request, "limit", 100, MOST_SLOTS), integer(request, "page", 1, 1_000_000)
        if wanted.get("status", "up") not in GOOD | {"down"}:
            allowed = ", ".join(sorted(GOOD | {"down"}))
            raise HTTPException(400, f'status: found "{wanted["status"][:50]}"; allowed: {allowed}')
        found = [
            answers.BotOfStrategy(view, bot)
            for view in snapshot.strategies
            for bot in view.bots
            if wanted.get("strategy") in {None, view.name} and wanted.get("status") in {None, bot.status}
        ]
        part = found[(page - 1) * limit : page * limit]
        return JSONResponse({"total": len(found), "bots": [answers.BOT.json(one) for one in part]})

    async def bot(self, request: Request) -> Response:
        """Answer with one bot, or pause or resume it."""
        if request.method == "PATCH":
            return await self._change(request)
        return await run_in_threadpool(self._bot, request)

    def _bot(self, request: Request) -> Response:
        reject_unknown(request, "limit")
        limit = integer(request, "limit", 20, MOST_RECORDS)
        snapshot = self._dependencies.ready()
        view, bot = find_bot(snapshot, request.path_params["id"])
        with self._dependencies.records() as store:
            return JSONResponse(
                answers.BOT_DETAIL.json(
                    answers.BotOfStrategy(view, bot),
                    conditions=[one for one in snapshot.conditions if one.bot == bot.id],
                    runs=store.recent_runs(view.name, bot.id, limit),
                    decisions=store.decisions(view.name, bot.id, limit),
                    signals=store.signals(view.name, bot.id, limit),
                )
            )

    async def _change(self, request: Request) -> Response:
        """Pause or resume a bot."""
        require_token(request, self._dependencies.token)
        reject_unknown(request)
        wanted = parse_pause(await json_object(request), self._dependencies.now())
        view, bot = find_bot(self._dependencies.ready(), request.path_params["id"])
        changed = await run_in_threadpool(apply, self._dependencies.control, view, bot, wanted)
        paused = wanted and {"by": wanted.by, "reason": wanted.reason, "until": wanted.until and stamp(wanted.until)}
        if changed:
            said = paused or {"by": "page"}
            log.info("bot.paused" if paused else "bot.resumed", strategy=view.name, bot=bot.id, **said)
        return JSONResponse({"id": bot.id, "strategy": view.name, "changed": changed, "paused": paused})

    async def run(self, request: Request) -> Response:
        """Request a run now; the loop starts it within a second."""
        require_token(request, self._dependencies.token)
        reject_unknown(request)
        if await limited_body(request):
            raise HTTPException(422, "a run is run_request for without a body")
        view, bot = find_bot(self._dependencies.ready(), request.path_params["id"])
        dependencies = self._dependencies
        run_request = await run_in_threadpool(
            request_run, dependencies.control, dependencies.journal, view, bot, dependencies.now()
        )
        log.info("run.requested", strategy=view.name, bot=bot.id, request=run_request.id, by=run_request.by)
        return JSONResponse({"id": bot.id, "strategy": view.name, "request": run_request.id}, 202)

    def slots(self, request: Request) -> Response:
        """Answer with a bot's newest slots and their outcomes, newest first; a range of slots with one fate is one entry."""
        reject_unknown(request, "bot", "limit")
        limit, bot_id = integer(request, "limit", 100, MOST_SLOTS), request.query_params.get("bot", "")
        if not bot_id:
            raise HTTPException(400, "bot is missing: name a bot, as in /api/slots?bot=ma_crossover")
        snapshot = self._dependencies.ready()
        view, bot = find_bot(snapshot, bot_id)
        with self._dependencies.records() as store:
            slots = store.recent_slots(view.name, bot.id, snapshot.judged_at, limit)
        return JSONResponse({"strategy": view.name, "bot": bot.id, "slots": [answers.SLOT.json(one) for one in slots]})

    def strategy(self, request: Request) -> Response:
        """Answer with one strategy: its bots, its account, its errors, what it printed, what happened to its loop."""
        reject_unknown(request, "limit")
        limit = integer(request, "limit", 20, MOST_RECORDS)
        snapshot, name = self._dependencies.ready(), request.path_params["name"]
        view = snapshot.strategy(name)
        if view is None:
            raise HTTPException(404, f"there is no strategy {name[:100]}")
        with self._dependencies.records() as store:
            return JSONResponse(
                answers.STRATEGY_DETAIL.json(
                    view,
                    conditions=[one for one in snapshot.conditions if one.strategy == view.name],
                    bots=answers.bots_of(view),
                    accounts=store.accounts(view.name, limit),
                    errors=store.errors(view.name, limit),
                    notes=store.notes(view.name, limit),
                    events=store.services(view.name, limit),
                )
            )
