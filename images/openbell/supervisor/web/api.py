"""The API: the same as the page, for programs."""

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openbell.journal import stamp
from openbell.supervisor.web import answers, bot_list
from openbell.supervisor.web.change_routes import ChangeRoutes
from openbell.supervisor.web.dependencies import READING, Dependencies, find_bot
from openbell.supervisor.web.request_params import (
    LIST_PARAMETERS,
    bot_query,
    integer,
    reject_unknown,
)
from openbell.supervisor.web.run_page import run_page

MOST_SLOTS = 1000
MOST_RECORDS = 200


class Api:
    """The routes below /api."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._changes = ChangeRoutes(dependencies)
        self.routes = [
            Route("/api/openapi.json", self.description),
            Route("/api/status", self.status),
            Route("/api/conditions", self.conditions),
            Route("/api/bots", self.bots),
            Route("/api/bots/{id}", self.bot, methods=["GET", "PATCH"]),
            Route("/api/slots", self.slots),
            Route("/api/strategies/{name}", self.strategy),
            Route("/api/strategies/{name}/runs/{run_id}", self.run),
            *self._changes.routes,
        ]

    async def description(self, request: Request) -> Response:
        """Answer with the OpenAPI description."""
        reject_unknown(request)
        from openbell.supervisor.web.openapi import DESCRIPTION  # noqa: PLC0415 - rarely asked for, and a start is quicker

        return JSONResponse(DESCRIPTION)

    async def status(self, request: Request) -> Response:
        """Answer with everything that is known now."""
        reject_unknown(request)
        snapshot, now = self._dependencies.snapshot(), self._dependencies.now()
        if snapshot is None:
            unknown = {"now": stamp(now), "ok": False, "headline": READING, "conditions": [], "strategies": []}
            return JSONResponse(unknown, 503)
        everything = answers.status(
            snapshot, self._dependencies.headline(snapshot), now, read_only=not self._dependencies.token
        )
        return Response(everything, media_type="application/json")

    async def conditions(self, request: Request) -> Response:
        """Answer with all conditions."""
        reject_unknown(request)
        return JSONResponse(
            {"conditions": [answers.CONDITION.json(one) for one in self._dependencies.ready().conditions]}
        )

    async def bots(self, request: Request) -> Response:
        """Answer with a page of the bots."""
        reject_unknown(request, *LIST_PARAMETERS, "limit")
        snapshot, query = self._dependencies.ready(), bot_query(request)
        limit = integer(request, "limit", 100, MOST_SLOTS)
        rows = bot_list.found(snapshot.strategies, query)
        found = [answers.BotOfStrategy(row.strategy, row.bot) for row in rows if row.bot is not None]
        part = found[(query.page - 1) * limit : query.page * limit]
        return JSONResponse({"total": len(found), "bots": [answers.BOT.json(one) for one in part]})

    async def bot(self, request: Request) -> Response:
        """Answer with one bot, or pause or resume it."""
        if request.method == "PATCH":
            return await self._changes.change(request)
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
                    runs=store.runs.recent(view.name, bot.id, limit),
                    decisions=store.decisions(view.name, bot.id, limit),
                    signals=store.signals(view.name, bot.id, limit),
                )
            )

    def slots(self, request: Request) -> Response:
        """Answer with a bot's newest slots and their outcomes, newest first; a range of slots with one fate is one entry."""
        reject_unknown(request, "bot", "limit")
        limit, bot_id = integer(request, "limit", 100, MOST_SLOTS), request.query_params.get("bot", "")
        if not bot_id:
            raise HTTPException(400, "bot is missing: name a bot, as in /api/slots?bot=ma_crossover")
        snapshot = self._dependencies.ready()
        view, bot = find_bot(snapshot, bot_id)
        with self._dependencies.records() as store:
            slots = store.slots.recent(view.name, bot.id, snapshot.judged_at, limit)
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

    def run(self, request: Request) -> Response:
        """Answer with all that is kept of one run."""
        reject_unknown(request)
        name = request.path_params["name"]
        view = self._dependencies.ready().strategy(name)
        if view is None:
            raise HTTPException(404, f"there is no strategy {name[:100]}")
        with self._dependencies.records() as store:
            found = run_page(view, store, request.path_params["run_id"], self._dependencies.store.parent)
        if found is None:
            raise HTTPException(404, f"{name} has no such run, or it is older than what is kept")
        return JSONResponse(answers.RUN_DETAIL.json(found))
