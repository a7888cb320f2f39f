"""The routes of the timeline, of a bot's year, and of the reader's time zone."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

import pytz
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openbell.journal import stamp
from openbell.supervisor.health.snapshot import BotView, StrategyView
from openbell.supervisor.web import answers
from openbell.supervisor.web.bot_list import BotList, Query, Row, bot_list
from openbell.supervisor.web.dependencies import Dependencies, find_bot
from openbell.supervisor.web.request_params import (
    LIST_PARAMETERS,
    bot_query,
    choose_zone,
    chosen_zone,
    integer,
    iso_date,
    one_of,
    reject_unknown,
)
from openbell.supervisor.web.timeline_page import LENGTHS, Timeline, timeline
from openbell.supervisor.web.year_page import Year, year_of

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
            Route("/api/timeline", self.timeline_json),
            Route("/api/bots/{id}/year", self.year_json),
            Route("/zone", choose_zone, methods=["POST"]),
        ]

    def timeline(self, request: Request) -> Response:
        """Answer with a day or a week of the bots that were asked for."""
        query = bot_query(request, is_form=True)
        found, shown = self._timeline(request, query, is_form=True)
        values = {"shown": shown, "query": query, "list": found, "axis_zone": shown.timezone}
        return self._show(request, "timeline.html", self._dependencies.ready(), title="timeline · openbell", **values)

    def timeline_json(self, request: Request) -> Response:
        """Answer with the same for programs."""
        found, shown = self._timeline(request, bot_query(request), is_form=False)
        about = {
            "span": shown.span,
            "day": shown.day.isoformat(),
            "timezone": shown.timezone,
            "start": stamp(shown.start),
            "end": stamp(shown.end),
            "total": found.found,
        }
        return JSONResponse({**about, "bots": [answers.LANE.json(one) for one in shown.lanes]})

    def _timeline(self, request: Request, query: Query, *, is_form: bool) -> tuple[BotList, Timeline]:
        reject_unknown(request, *LIST_PARAMETERS, "span", "day")
        span = one_of(request, "span", tuple(LENGTHS), may_be_empty=is_form) or "day"
        found, now = bot_list(self._dependencies.ready().strategies, query), self._dependencies.now()
        zone = chosen_zone(request) or _common_zone(found.rows)
        day = iso_date(request, "day", may_be_empty=is_form) or _newest(span, now, zone)
        with self._dependencies.records() as store:
            return found, timeline(found.rows, self._dependencies.bots, store, span, day, zone, now)

    def year(self, request: Request) -> Response:
        """Answer with the calendar of one bot's year."""
        view, bot, shown = self._year(request)
        if view.name != request.path_params["name"]:
            raise HTTPException(404, f"{request.path_params['name'][:100]} has no such bot")
        title = f"{bot.id} {shown.year} · openbell"
        snapshot = self._dependencies.ready()
        return self._show(request, "year.html", snapshot, title=title, shown=shown, view=view, bot=bot)

    def year_json(self, request: Request) -> Response:
        """Answer with the same for programs: the days of which there is anything to say."""
        view, bot, shown = self._year(request)
        days = [one for month in shown.months for one in month if one.slots or one.exchange]
        in_json = [answers.YEAR_DAY.json(one) for one in days]
        about = {"strategy": view.name, "bot": bot.id, "year": shown.year, "slots": dict(shown.slots)}
        return JSONResponse({**about, "days": in_json})

    def _year(self, request: Request) -> tuple[StrategyView, BotView, Year]:
        reject_unknown(request, "year")
        view, bot = find_bot(self._dependencies.ready(), request.path_params["id"])
        now = self._dependencies.now()
        year = integer(request, "year", now.year, LAST_YEAR)
        if year < FIRST_YEAR:
            raise HTTPException(400, f'year: found "{year}"; allowed: a year from {FIRST_YEAR} to {LAST_YEAR}')
        with self._dependencies.records() as store:
            return view, bot, year_of(view.name, bot.id, self._dependencies.bots.get(bot.id), store, year)


def _newest(span: str, now: datetime, zone: str) -> date:
    """Return the first day of the newest day or week, which ends with today."""
    return now.astimezone(pytz.timezone(zone)).date() - timedelta(days=LENGTHS[span] - 1)


def _common_zone(rows: Sequence[Row]) -> str:
    zones = {row.bot.timezone for row in rows if row.bot is not None}
    return zones.pop() if len(zones) == 1 else "UTC"
