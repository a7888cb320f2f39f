"""The routes of the journal: its newest lines with filters, back to any day, and a day as JSON lines."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from openbell.journal import instant, stamp
from openbell.supervisor.web.bot_list import LONGEST_TEXT
from openbell.supervisor.web.dependencies import Dependencies
from openbell.supervisor.web.journal_search import MOST_LINES, Filters, SearchResult, export_command, search, whole_day
from openbell.supervisor.web.request_params import YEARS, integer, iso_date, reject_unknown
from openbell.supervisor.web.time_routes import Show

EVENTS = (
    *("service_start", "run_start", "signal", "decision", "order", "order_cancel", "order_replace", "account"),
    *("output", "note", "error", "run_end", "slot_skipped", "stale_data", "reconciled", "bot_paused"),
    *("request_refused", "trading_halted", "trading_resumed", "clock_stepped", "service_stop"),
)
_FILTERS = ("strategy", "event", "bot", "symbol", "q")
_AHEAD = timedelta(days=1)  # lines from a clock that is ahead are shown, too


class JournalRoutes:
    """What the strategies have written."""

    def __init__(self, dependencies: Dependencies, show: Show) -> None:
        self._dependencies = dependencies
        self._show = show
        self.routes = [
            Route("/journal", self.page),
            Route("/journal/lines.jsonl", self.download),
            Route("/api/journal", self.lines),
        ]

    def page(self, request: Request) -> Response:
        """Answer with the newest lines, or with those up to a moment or a day."""
        reject_unknown(request, *_FILTERS, "day", "at")
        snapshot = self._dependencies.ready()
        found = self._found(request, MOST_LINES)
        day = iso_date(request, "day")
        moment = _moment(request, "at")
        shown_day = day or (moment or self._dependencies.now()).date()
        values = {
            "found": found,
            "given": {name: request.query_params.get(name, "") for name in _FILTERS},
            "day": shown_day,
            "export": export_command(request.query_params.get("strategy", ""), _filters(request), shown_day),
            "moment": moment,
            "is_live": day is None and moment is None,
            "events": EVENTS,
        }
        return self._show(request, "journal.html", snapshot, title="journal · openbell", **values)

    def lines(self, request: Request) -> Response:
        """Answer with the newest lines up to a moment."""
        reject_unknown(request, *_FILTERS, "at", "limit")
        found = self._found(request, integer(request, "limit", 50, 200))
        return JSONResponse(
            {
                "lines": [line.event for line in found.lines],
                "has_more": found.has_more,
                "searched_to": found.searched_to and stamp(found.searched_to),
            }
        )

    def download(self, request: Request) -> Response:
        """Answer with a UTC day's lines, as they are in the journal."""
        reject_unknown(request, *_FILTERS, "day")
        day = iso_date(request, "day") or self._dependencies.now().date()
        names, begin = self._strategies(request), datetime.combine(day, time(), UTC)
        lines = whole_day(self._dependencies.journal, names, _filters(request), begin)
        headers = {"Content-Disposition": f'attachment; filename="journal-{day}.jsonl"'}
        return StreamingResponse(lines, media_type="application/jsonl", headers=headers)

    def _found(self, request: Request, limit: int) -> SearchResult:
        now, day = self._dependencies.now(), iso_date(request, "day")
        until = _moment(request, "at") or now + _AHEAD
        if day is not None:
            until = min(until, datetime.combine(day + timedelta(days=1), time(), UTC) - timedelta(milliseconds=1))
        try:
            return search(self._dependencies.journal, self._strategies(request), _filters(request), until, limit)
        except OSError as error:
            raise HTTPException(503, f"The journal cannot be read: {error}") from None

    def _strategies(self, request: Request) -> Sequence[str]:
        snapshot, name = self._dependencies.ready(), request.query_params.get("strategy", "")
        if not name:
            return [view.name for view in snapshot.strategies]
        if snapshot.strategy(name) is None:
            raise HTTPException(404, f"there is no strategy {name[:100]}")
        return [name]


def _filters(request: Request) -> Filters:
    event, bot, symbol, text = (request.query_params.get(name, "")[:LONGEST_TEXT] for name in _FILTERS[1:])
    return Filters(event, bot, symbol, text)


def _moment(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name, "")
    if not text:
        return None
    found = instant(text)
    if found is None or not YEARS[0] <= found.year <= YEARS[1]:
        raise HTTPException(400, f'{name}: found "{text[:50]}"; allowed: an instant such as 2026-01-31T09:35:00Z')
    return found
