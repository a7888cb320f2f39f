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


def require_token(request: Request, token: str) -> None:
    """Answer 403 or 401 unless the request carries the token and was not sent by another site's page."""
    if not token:
        raise HTTPException(403, READ_ONLY)
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise HTTPException(403, "Another site's page may not change anything here")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not is_same(given.strip(), token):
        raise HTTPException(
            401, 'the token is missing or wrong; send "Authorization: Bearer TOKEN"', {"WWW-Authenticate": "Bearer"}
        )
