"""The routes that change something: pause, resume, run now, halt; sessions; and the trail that they leave."""

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openbell.control import Pause
from openbell.journal import stamp
from openbell.supervisor.web import answers, audit
from openbell.supervisor.web.actions import (
    apply,
    apply_halt,
    parse_flatten,
    parse_halt,
    parse_pause,
    request_flatten,
    request_run,
)
from openbell.supervisor.web.auth import SESSION, SESSION_LIFE, open_session, require_token
from openbell.supervisor.web.changes import permit, record_change
from openbell.supervisor.web.dependencies import Dependencies, find_bot
from openbell.supervisor.web.request_params import integer, json_object, limited_body, reject_unknown

MOST_ENTRIES = 500
STOPPED = "stopped through the API"


class ChangeRoutes:
    """What a person can do about what he sees."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self.routes = [
            *(
                Route(f"{root}/bots/{{id}}/{name}", endpoint, methods=["PATCH"])
                for root in ("", "/api")
                for name, endpoint in (("start", self.start), ("stop", self.stop))
            ),
            Route("/api/bots/{id}/run", self.run, methods=["POST"]),
            Route("/api/strategies/{name}/flatten", self.flatten, methods=["POST"]),
            Route("/api/halt", self.halt, methods=["POST", "DELETE"]),
            Route("/api/session", self.session, methods=["POST", "DELETE"]),
            Route("/api/audit", self.audit),
        ]

    async def change(self, request: Request) -> Response:
        """Pause or resume a bot, as the body says."""
        permit(request, self._dependencies)
        return await self._pause(request, parse_pause(await json_object(request), self._dependencies.now()))

    async def start(self, request: Request) -> Response:
        """Let a bot run again from its next slot on."""
        permit(request, self._dependencies)
        if await limited_body(request):
            raise HTTPException(422, "a bot is started without a body")
        return await self._pause(request, None)

    async def stop(self, request: Request) -> Response:
        """Pause a bot until it is started; a body may give the reason."""
        permit(request, self._dependencies)
        given = await json_object(request, without={"reason": STOPPED})
        unknown = next((name for name in given if name != "reason"), None)
        if unknown is not None:
            raise HTTPException(422, f"{unknown[:50]}: found an unknown field; allowed: reason")
        return await self._pause(request, parse_pause({"paused": True, **given}, self._dependencies.now()))

    async def run(self, request: Request) -> Response:
        """Request a run now; the loop starts it within a second."""
        permit(request, self._dependencies)
        if await limited_body(request):
            raise HTTPException(422, "a run is requested without a body")
        dependencies = self._dependencies
        view, bot = find_bot(dependencies.ready(), request.path_params["id"])
        requested = await run_in_threadpool(
            request_run, dependencies.control, dependencies.journal, view, bot, dependencies.now()
        )
        details = {"request": requested.id}
        await record_change(dependencies, request, "run.requested", details, strategy=view.name, bot=bot.id)
        return JSONResponse({"id": bot.id, "strategy": view.name, "request": requested.id}, 202)

    async def flatten(self, request: Request) -> Response:
        """Ask a strategy's loop to cancel what waits and close what is held; its body confirms it."""
        permit(request, self._dependencies)
        name, dependencies = request.path_params["name"], self._dependencies
        view = dependencies.ready().strategy(name)
        if view is None:
            raise HTTPException(404, f"there is no strategy {name[:100]}")
        parse_flatten(await json_object(request), view.name)
        requested = await run_in_threadpool(request_flatten, dependencies.control, view, dependencies.now())
        details = {"request": requested.id}
        await record_change(dependencies, request, "flatten.requested", details, strategy=view.name)
        return JSONResponse({"strategy": view.name, "request": requested.id}, 202)

    async def halt(self, request: Request) -> Response:
        """Stop the orders of all strategies, all of them or but exits; or let them be sent again."""
        permit(request, self._dependencies)
        wanted = None
        if request.method == "POST":
            wanted = parse_halt(await json_object(request), self._dependencies.now())
        changed = await run_in_threadpool(apply_halt, self._dependencies.control, wanted)
        now_halted = wanted and {"by": wanted.by, "reason": wanted.reason, "exits": wanted.exits}
        if changed:
            action = "trading.halted" if now_halted else "trading.resumed"
            await record_change(self._dependencies, request, action, now_halted or {})
        return JSONResponse({"changed": changed, "halt": now_halted})

    async def session(self, request: Request) -> Response:
        """Open a session with the token, so that a browser need not keep it; or end the one that there is."""
        if request.method == "DELETE":
            reject_unknown(request)
            answer = JSONResponse({"until": None})
            answer.delete_cookie(SESSION, httponly=True, samesite="strict")
            return answer
        now, token = self._dependencies.now(), self._dependencies.token
        require_token(request, token, now, by_session=False)  # or one could prolong itself for ever
        reject_unknown(request)
        await record_change(self._dependencies, request, "session.opened", {})
        answer = JSONResponse({"until": stamp(now + SESSION_LIFE)})
        life, value = int(SESSION_LIFE.total_seconds()), open_session(token, now)
        answer.set_cookie(SESSION, value, max_age=life, httponly=True, samesite="strict")
        return answer

    def audit(self, request: Request) -> Response:
        """Answer with what was changed through the page and the API, newest first."""
        reject_unknown(request, "limit")
        limit = integer(request, "limit", 100, MOST_ENTRIES)
        entries = audit.newest(self._dependencies.store.parent, limit)
        return JSONResponse({"entries": [answers.AUDIT_ENTRY.json(one) for one in entries]})

    async def _pause(self, request: Request, wanted: Pause | None) -> Response:
        view, bot = find_bot(self._dependencies.ready(), request.path_params["id"])
        changed = await run_in_threadpool(apply, self._dependencies.control, view, bot, wanted)
        paused = wanted and {"by": wanted.by, "reason": wanted.reason, "until": wanted.until and stamp(wanted.until)}
        if changed:
            action = "bot.paused" if paused else "bot.resumed"
            await record_change(self._dependencies, request, action, paused or {}, strategy=view.name, bot=bot.id)
        return JSONResponse({"id": bot.id, "strategy": view.name, "changed": changed, "paused": paused})
