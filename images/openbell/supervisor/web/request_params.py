"""Reads the parameters, the time zone and the body of a request; each mistake is answered with one clear line."""

import json
from collections.abc import Collection, Mapping
from datetime import date
from urllib.parse import parse_qs

import pytz
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from openbell.supervisor.web.bot_list import LONGEST_TEXT, ORDER, SORTS, Query

LIST_PARAMETERS = ("q", "status", "strategy", "tag", "host", "sort", "page")
YEARS = (1990, 2100)  # of dates that can be asked for
LONGEST_BODY = 4096  # bytes; the longest sensible one is a tenth of it

COOKIE = "openbell_zone"
STRATEGY = "strategy"  # the value that stands for each strategy's own zone
_YEAR = 365 * 86_400  # seconds that it is remembered


def reject_unknown(request: Request, *names: str) -> None:
    """Answer 400 if the request has an unknown parameter, or one of `names` twice."""
    given = [name for name, _ in request.query_params.multi_items()]
    unknown = next((name for name in given if name not in names), None)
    if unknown is not None:
        allowed = ", ".join(names) or "none"
        raise HTTPException(400, f"{unknown[:50]}: found an unknown parameter; allowed: {allowed}")
    twice = next((name for name in given if given.count(name) > 1), None)
    if twice is not None:
        raise HTTPException(400, f"{twice}: given twice")


def integer(request: Request, name: str, default: int, most: int) -> int:
    """Return a parameter's whole number from 1 to `most`; 400 if it is none."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= most:
        raise HTTPException(400, f'{name}: found "{text[:50]}"; allowed: a whole number from 1 to {most}')
    return int(text)


def one_of(request: Request, name: str, allowed: Collection[str], *, may_be_empty: bool = True) -> str:
    """Return a parameter that is absent, one of the allowed, or empty, as forms send it; 400 otherwise."""
    text = request.query_params.get(name)
    if text is None or (may_be_empty and not text):
        return ""
    if text not in allowed:
        raise HTTPException(400, f'{name}: found "{text[:50]}"; allowed: {", ".join(allowed)}')
    return text


def iso_date(request: Request, name: str, *, may_be_empty: bool = True) -> date | None:
    """Return a parameter's date, None if it is absent or empty, as forms send it; 400 if it is none, or one that no journal could reach."""
    text = request.query_params.get(name)
    if text is None or (may_be_empty and not text):
        return None
    try:
        found = date.fromisoformat(text) if len(text) == len("2026-01-31") else None
    except ValueError:
        found = None
    if found is None or not YEARS[0] <= found.year <= YEARS[1]:
        raise HTTPException(400, f'{name}: found "{text[:50]}"; allowed: a date such as 2026-01-31')
    return found


def bot_query(request: Request, *, is_form: bool = False) -> Query:
    """Return which bots a request asks for, in which order. is_form: fields that are empty ask for everything."""
    given = request.query_params
    sorts = [*SORTS, *(f"-{name}" for name in SORTS)]
    return Query(
        text=given.get("q", "")[:LONGEST_TEXT],
        status=one_of(request, "status", ORDER, may_be_empty=is_form),
        strategy=given.get("strategy", "")[:LONGEST_TEXT],
        tag=given.get("tag", "")[:LONGEST_TEXT],
        host=given.get("host", "")[:LONGEST_TEXT],
        sort=one_of(request, "sort", sorts, may_be_empty=is_form),
        by_strategy=bool(one_of(request, "group", ("strategy",))),
        page=integer(request, "page", 1, 1_000_000),
    )


async def json_object(request: Request, *, without: Mapping[str, object] | None = None) -> Mapping[str, object]:
    """Return the body's JSON object; 415, 413, 400 or 422 if it is none. without: what counts if there is no body."""
    body = await limited_body(request)
    if not body and without is not None:
        return without
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f'content-type: found "{kind[:50]}"; allowed: application/json')
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is not JSON ({str(error)[:100]})") from None
    if not isinstance(content, dict):
        raise HTTPException(422, 'the body is not a JSON object such as {"paused": false}')
    return content


async def limited_body(request: Request) -> bytes:
    """Return the body; 413 as soon as it is longer than any sensible one."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise HTTPException(413, f"the body is longer than {LONGEST_BODY} bytes")
    return body


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
