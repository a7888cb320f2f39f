"""The token that a change must carry. Without a token nothing can be changed."""

import hmac
from collections.abc import Mapping
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request

SHORTEST = 16  # characters; a shorter token could be guessed
READ_ONLY = (
    "Nothing can be changed here: no token is set. Set OPENBELL_TOKEN or OPENBELL_TOKEN_FILE for the supervisor "
    "(.env.example says how), or use `make pause`, `make resume` and `make run`"
)


def from_environment(environment: Mapping[str, str]) -> str:
    """Return the token that OPENBELL_TOKEN, or the file OPENBELL_TOKEN_FILE, holds; empty if neither does.

    ValueError says what is wrong with it.
    """
    name, token = "OPENBELL_TOKEN", environment.get("OPENBELL_TOKEN", "").strip()
    if not token and (path := environment.get("OPENBELL_TOKEN_FILE", "").strip()):
        name = "OPENBELL_TOKEN_FILE"
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


def require_token(request: Request, token: str) -> None:
    """Answer 403 or 401 unless the request carries the token and was not sent by another site's page."""
    if not token:
        raise HTTPException(403, READ_ONLY)
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise HTTPException(403, "Another site's page may not change anything here")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise HTTPException(
            401, 'the token is missing or wrong; send "Authorization: Bearer TOKEN"', {"WWW-Authenticate": "Bearer"}
        )
