"""The token that a change must carry, or a session of limited life that was opened with it. Without a token nothing can be changed."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request

SESSION = "openbell_change"  # the cookie
SESSION_LIFE = timedelta(minutes=30)
SHORTEST = 16  # characters; a shorter token could be guessed
READ_ONLY = (
    "Nothing can be changed here: no token is set. Set OPENBELL_TOKEN or OPENBELL_TOKEN_FILE for the supervisor "
    "(.env.example says how), or use `make pause`, `make resume` and `make run`"
)


def from_environment(environment: Mapping[str, str], name: str = "OPENBELL_TOKEN") -> str:
    """Return the token that a variable, or the file that its namesake with _FILE names, holds; empty if neither does.

    ValueError says what is wrong with it.
    """
    token = environment.get(name, "").strip()
    if not token and (path := environment.get(f"{name}_FILE", "").strip()):
        name = f"{name}_FILE"
        try:
            token = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            msg = f"{name}: {path} cannot be read ({reason}): mount it where this user can read it, or leave both unset"
            raise ValueError(msg) from None
    if token and (len(token) < SHORTEST or not token.isascii() or any(character.isspace() for character in token)):
        msg = f"{name}: found {len(token)} characters; allowed: at least {SHORTEST}, ASCII and without spaces: `openssl rand -hex 24` makes one"
        raise ValueError(msg)
    return token


def is_same(given: str, wanted: str) -> bool:
    """Compare two secrets in a time that says nothing about them."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def require_token(request: Request, token: str, now: datetime, *, by_session: bool = True) -> None:
    """Answer 403 or 401 unless the request carries the token or a session, and was not sent by another site's page."""
    if not token:
        raise HTTPException(403, READ_ONLY)
    site = request.headers.get("sec-fetch-site", "")
    if site not in {"", "same-origin", "none"}:
        raise HTTPException(403, "Another site's page may not change anything here")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and is_same(given.strip(), token):
        return
    # A browser sends the cookie by itself, so it counts only where the browser says that our own page has asked.
    if by_session and site == "same-origin" and is_session(request.cookies.get(SESSION, ""), token, now):
        return
    raise HTTPException(
        401, 'the token is missing or wrong; send "Authorization: Bearer TOKEN"', {"WWW-Authenticate": "Bearer"}
    )


def open_session(token: str, now: datetime) -> str:
    """Return what a session's cookie holds: when it ends, signed with the token, which cannot be found out from it."""
    end = str(int((now + SESSION_LIFE).timestamp()))
    return f"{end}.{_signature(end, token)}"


def is_session(cookie: str, token: str, now: datetime) -> bool:
    """Tell whether a cookie is that of a session that has not ended."""
    end, _, signature = cookie.partition(".")
    if not is_same(signature, _signature(end, token)):
        return False
    return now.timestamp() < int(end) <= (now + SESSION_LIFE).timestamp()


def _signature(end: str, token: str) -> str:
    return hmac.new(token.encode(), f"openbell change {end}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()
