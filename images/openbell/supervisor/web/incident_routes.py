"""The routes of incidents: what each is about, and what a person answers to it."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qs, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from openbell.journal import stamp
from openbell.supervisor.alerts import incident_messages, view
from openbell.supervisor.alerts.view import IncidentDetail
from openbell.supervisor.web import answers
from openbell.supervisor.web.actions import BY, parse_snooze
from openbell.supervisor.web.changes import BY_BOT, is_bot, permit, record_change
from openbell.supervisor.web.dependencies import Dependencies
from openbell.supervisor.web.request_params import json_object, limited_body, reject_unknown

BY_LINK = "link"

Show = Callable[..., Response]  # request, template, snapshot and what the template shows → the answer


class IncidentRoutes:
    """Incidents on the page, which a link in a message opens too, and in the API."""

    def __init__(self, dependencies: Dependencies, show: Show) -> None:
        self._dependencies = dependencies
        self._show = show
        self.routes = [
            Route("/incidents/{id}", self.page, methods=["GET"]),
            Route("/incidents/{id}", self.answer, methods=["POST"]),
            Route("/api/alerts", self.alerts),
            Route("/api/incidents", self.list),
            Route("/api/incidents/{id}", self.incident),
            Route("/api/incidents/{id}/acknowledge", self.acknowledge, methods=["POST"]),
            Route("/api/incidents/{id}/snooze", self.snooze, methods=["POST"]),
            Route("/api/links", self.revoke, methods=["DELETE"]),
        ]

    def is_linked(self, request: Request) -> bool:
        """Tell whether a request comes with a valid link to the incident that it asks for, or answers its form."""
        _, name, number = request.url.path.rpartition("/incidents/")
        if name != "/incidents/" or _ or not (number.isascii() and number.isdigit() and len(number) <= 9):
            return False
        if request.method == "POST":
            return True  # its form carries the link, which the route checks
        given = request.query_params
        return self._is_linked(int(number), given.get("until", ""), given.get("signature", ""))

    def page(self, request: Request) -> Response:
        """Answer with one incident and the messages about it."""
        reject_unknown(request, "until", "signature")
        detail = self._found(_number(request))
        link = {name: request.query_params.get(name, "") for name in ("until", "signature")}
        by_link = self._is_linked(detail.incident.id, link["until"], link["signature"])
        values = {"detail": detail, "link": link if by_link else {}}
        title = f"{detail.incident.title} · openbell"
        return self._show(request, "incident.html", self._dependencies.ready(), title=title, **values)

    async def answer(self, request: Request) -> Response:
        """Acknowledge or snooze what a link opens, with the form of its page; no script is needed for it."""
        fields = {
            name: given[0] for name, given in parse_qs((await limited_body(request)).decode("utf-8", "replace")).items()
        }
        incident = _number(request)
        until, signature = fields.get("until", ""), fields.get("signature", "")
        if not self._is_linked(incident, until, signature):
            raise HTTPException(403, "This link is not valid any more: open the page and use the token")
        snoozed = None
        if fields.get("answer") != "acknowledge":
            snoozed = parse_snooze({"for": fields.get("for", "")}, self._dependencies.now())
        await self._store(request, incident, snoozed, BY_LINK)
        given = urlencode({"until": until, "signature": signature})
        return RedirectResponse(f"/incidents/{incident}?{given}", 303)

    def list(self, request: Request) -> Response:
        """Answer with the open incidents."""
        reject_unknown(request)
        found = view.read(self._dependencies.alerts) or view.EMPTY
        return JSONResponse({"incidents": [answers.INCIDENT.json(one) for one in found.incidents]})

    def alerts(self, request: Request) -> Response:
        """Answer with the channels and the newest messages."""
        reject_unknown(request)
        found = view.read(self._dependencies.alerts) or view.EMPTY
        details = {
            "channels": [answers.CHANNEL.json(one) for one in found.channels],
            "messages": [answers.ALERT_MESSAGE.json(one) for one in found.recent],
            "deadman": found.deadman and answers.DEADMAN.json(found.deadman),
        }
        return JSONResponse(details)

    def incident(self, request: Request) -> Response:
        """Answer with one incident and the messages about it."""
        reject_unknown(request)
        found = self._found(_number(request))
        return JSONResponse(answers.INCIDENT_DETAIL.json(found.incident, messages=found.messages))

    async def acknowledge(self, request: Request) -> Response:
        """End the reminders and the escalation of an incident."""
        permit(request, self._dependencies)
        if await limited_body(request):
            raise HTTPException(422, "an incident is acknowledged without a body")
        return await self._store(request, _number(request), None)

    async def snooze(self, request: Request) -> Response:
        """Send no message about an incident before an instant, unless it is over."""
        permit(request, self._dependencies)
        until = parse_snooze(await json_object(request), self._dependencies.now())
        return await self._store(request, _number(request), until)

    async def revoke(self, request: Request) -> Response:
        """Let none of the links that were sent open anything any more."""
        permit(request, self._dependencies)
        try:
            await run_in_threadpool(self._dependencies.links.renew)
        except OSError as error:
            raise HTTPException(503, f"the key of the links cannot be written ({error.strerror})") from None
        await record_change(self._dependencies, request, "links.revoked", {})
        return JSONResponse({"revoked": True})

    async def _store(self, request: Request, incident: int, until: datetime | None, by: str = "") -> Response:
        now, file = self._dependencies.now(), self._dependencies.alerts
        if not file.is_file() or not await run_in_threadpool(
            incident_messages.answer,
            file,
            incident,
            now,
            by or (BY_BOT if is_bot(request, self._dependencies) else BY),
            until,
        ):
            raise HTTPException(409, f"incident {incident} is over, or there is none of that number")
        details: dict[str, object] = {"incident": incident} | ({"until": stamp(until)} if until else {})
        await record_change(
            self._dependencies, request, "incident.snoozed" if until else "incident.acknowledged", details, by=by
        )
        return JSONResponse({"incident": incident, "snoozed_until": until and stamp(until)})

    def _found(self, number: int) -> IncidentDetail:
        found = view.read_incident(self._dependencies.alerts, number)
        if found is None:
            raise HTTPException(404, f"there is no incident {number}, or it is older than what is kept")
        return found

    def _is_linked(self, incident: int, until: str, signature: str) -> bool:
        return self._dependencies.links.permits(incident, until, signature, self._dependencies.now())


def _number(request: Request) -> int:
    text = request.path_params["id"]
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise HTTPException(404, f"there is no incident {text[:50]}")
    return int(text)
