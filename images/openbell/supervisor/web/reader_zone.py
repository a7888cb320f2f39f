"""The time zone in which a reader wants instants: each strategy's own, UTC, or the browser's. A cookie remembers it."""

from urllib.parse import parse_qs

import pytz
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from openbell.supervisor.web.request_params import limited_body

COOKIE = "openbell_zone"
STRATEGY = "strategy"  # the value that stands for each strategy's own zone
_YEAR = 365 * 86_400  # seconds that it is remembered


def chosen_zone(request: Request) -> str:
    """Return the zone that a request's reader has chosen; empty if times are in each strategy's own."""
    name = request.cookies.get(COOKIE, "")
    return name if name in pytz.all_timezones_set else ""


async def choose_zone(request: Request) -> Response:
    """Remember a reader's zone and go back to the page that he came from; 400 if there is no such zone."""
    fields = parse_qs((await limited_body(request)).decode("utf-8", "replace"))
    name, back = fields.get("zone", [""])[0], fields.get("back", ["/"])[0]
    if name != STRATEGY and name not in pytz.all_timezones_set:
        raise HTTPException(400, f'zone: found "{name[:50]}"; allowed: {STRATEGY}, UTC or a zone of the tz database')
    answer = RedirectResponse(own_path(back), 303)
    answer.set_cookie(COOKIE, name, max_age=_YEAR, httponly=True, samesite="strict")
    return answer


def own_path(back: str) -> str:
    """Return a path of this page; anything that would lead elsewhere becomes the first page."""
    is_own = back.startswith("/") and not back.startswith("//") and "\\" not in back and back.isprintable()
    return back if is_own else "/"
