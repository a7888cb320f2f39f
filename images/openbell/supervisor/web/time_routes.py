"""The routes of the timeline, of a bot's year, and of the reader's time zone."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

import pytz
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from openbell.supervisor.health.snapshot import Snapshot
from openbell.supervisor.web.bot_list import Row, bot_list
from openbell.supervisor.web.dependencies import Dependencies, find_bot
from openbell.supervisor.web.reader_zone import choose_zone, chosen_zone
from openbell.supervisor.web.request_params import LIST_PARAMETERS, bot_query, integer, iso_date, one_of, reject_unknown
from openbell.supervisor.web.timeline_page import LENGTHS, timeline
from openbell.supervisor.web.year_page import year_of

FIRST_YEAR, LAST_YEAR = 2000, 2100

Show = Callable[..., Response]  # request, template, snapshot and what the template shows → the answer


class TimeRoutes:
    """What each bot did when."""

    def __init__(self, dependencies: Dependencies, show: Show) -> None:
        self._dependencies = dependencies
        self._show = show
        self.routes = [
            Route("/timeline", self.timeline),
            Route("/strategies/{name}/bots/{id}/year", self.year),
            Route("/zone", choose_zone, methods=["POST"]),
        ]

    def timeline(self, request: Request) -> Response:
        """Answer with a day or a week of the bots that were asked for."""
        reject_unknown(request, *LIST_PARAMETERS, "span", "day")
        span = one_of(request, "span", tuple(LENGTHS)) or "day"
        query, snapshot, now = bot_query(request, is_form=True), self._dependencies.ready(), self._dependencies.now()
        found = bot_list(snapshot.strategies, query)
        zone = chosen_zone(request) or _common_zone(found.rows)
        day = iso_date(request, "day") or _newest(span, now, zone)
        with self._dependencies.records() as store:
            shown = timeline(found.rows, self._dependencies.bots, store, span, day, zone, now)
        values = {"shown": shown, "query": query, "list": found, "axis_zone": zone}
        return self._show(request, "timeline.html", snapshot, title="timeline · openbell", **values)

    def year(self, request: Request) -> Response:
        """Answer with the calendar of one bot's year."""
        reject_unknown(request, "year")
        snapshot: Snapshot = self._dependencies.ready()
        view, bot = find_bot(snapshot, request.path_params["id"])
        if view.name != request.path_params["name"]:
            raise HTTPException(404, f"{request.path_params['name'][:100]} has no such bot")
        now = self._dependencies.now()
        year = integer(request, "year", now.year, LAST_YEAR)
        if year < FIRST_YEAR:
            raise HTTPException(400, f'year: found "{year}"; allowed: a year from {FIRST_YEAR} to {LAST_YEAR}')
        with self._dependencies.records() as store:
            shown = year_of(view.name, bot.id, self._dependencies.bots.get(bot.id), store, year)
        title = f"{bot.id} {year} · openbell"
        return self._show(request, "year.html", snapshot, title=title, shown=shown, view=view, bot=bot)


def _newest(span: str, now: datetime, zone: str) -> date:
    """Return the first day of the newest day or week, which ends with today."""
    return now.astimezone(pytz.timezone(zone)).date() - timedelta(days=LENGTHS[span] - 1)


def _common_zone(rows: Sequence[Row]) -> str:
    zones = {row.bot.timezone for row in rows if row.bot is not None}
    return zones.pop() if len(zones) == 1 else "UTC"
