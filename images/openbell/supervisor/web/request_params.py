"""Reads the parameters and the body of a request; each mistake is answered with one clear line."""

import json
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request

LONGEST_BODY = 4096  # bytes; the longest sensible one is a tenth of it


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


async def json_object(request: Request) -> Mapping[str, object]:
    """Return the body's JSON object; 415, 413, 400 or 422 if it is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f'content-type: found "{kind[:50]}"; allowed: application/json')
    body = await limited_body(request)
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
