"""Who may read the page, the API and the metrics: all on loopback, beyond it those who have a token."""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from openbell.supervisor.web import auth
from openbell.supervisor.web.request_params import limited_body

COOKIE = "openbell_session"
LOGIN = "/login"
_FREE = ("/static/", "/healthz")  # what shows nothing of strategies
_WRAPPING = re.compile(r"^[\s\"'\u2018-\u201f\u00ab\u00bb]+|[\s\"'\u2018-\u201f\u00ab\u00bb]+$")
UNREADABLE = (
    "Other machines reach this page, and nothing says who may read it: set OPENBELL_READ_TOKEN in .env, "
    "or OPENBELL_PUBLIC=yes if all may"
)
WANTED = 'reading needs the token (OPENBELL_READ_TOKEN); send "Authorization: Bearer TOKEN"'
REFUSED = "That is not the token: it is the value of OPENBELL_READ_TOKEN, without quotes or spaces"

Form = Callable[[str], str]  # a sentence → the page with the login form


@dataclass(frozen=True)
class Readers:
    """Who may read: those who have one of the tokens; without tokens all readers, or none if the page is exposed."""

    tokens: tuple[str, ...] = ()
    is_exposed: bool = False


def readers(environment: Mapping[str, str], change_token: str) -> Readers:
    """Return who may read the page; ValueError if the token makes no sense."""
    token = auth.from_environment(environment, "OPENBELL_READ_TOKEN")
    tokens = tuple(one for one in (token, change_token) if one)
    listen = environment.get("OPENBELL_LISTEN", "127.0.0.1:8080")
    bind = environment.get("OPENBELL_BIND", "") or listen.rpartition(":")[0].strip("[]")
    if token or not (_is_loopback(bind) or environment.get("OPENBELL_PUBLIC") == "yes"):
        return Readers(tokens, is_exposed=not tokens)
    return Readers()


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


class ReadAccess:
    """ASGI middleware: lets readers in who have a token or a session, and shows the others a form."""

    def __init__(self, app: ASGIApp, readers: Readers, form: Form, is_linked: Callable[[Request], bool]) -> None:
        """is_linked: tells whether a request comes with a link that opens what it asks for."""
        self._is_linked = is_linked
        self._app = app
        self._readers = readers
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = await self._refusal(Request(scope, receive)) if scope["type"] == "http" else None
        await (self._app if answer is None else answer)(scope, receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        path = request.url.path
        if not (self._readers.tokens or self._readers.is_exposed) or path.startswith(_FREE):
            return None
        if self._is_linked(request):
            return None
        if self._readers.is_exposed:
            return self._explained(path, UNREADABLE, 403)
        if path == LOGIN and request.method == "POST":
            return await self._log_in(request)
        if self._is_known(request):
            return RedirectResponse("/", 303) if path == LOGIN else None
        return self._explained(path, WANTED, 401)

    def _is_known(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and any(auth.is_same(given.strip(), one) for one in self._readers.tokens):
            return True
        session = request.cookies.get(COOKIE, "")
        return any(auth.is_same(session, _session(one)) for one in self._readers.tokens)

    async def _log_in(self, request: Request) -> Response:
        body = (await limited_body(request)).decode("utf-8", "replace")
        given = _WRAPPING.sub("", parse_qs(body).get("token", [""])[0])
        token = next((one for one in self._readers.tokens if auth.is_same(given, one)), None)
        if token is None:
            return HTMLResponse(self._form(REFUSED), 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, _session(token), httponly=True, samesite="strict")
        return answer

    def _explained(self, path: str, text: str, status: int) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
        if path.startswith(("/api/", "/bots/")):
            return JSONResponse({"error": text}, status, headers)
        if path == "/metrics":
            return PlainTextResponse(f"{text}\n", status, headers)
        return HTMLResponse(self._form("" if status == 401 else text), status, headers)


def _session(token: str) -> str:
    """Return what the cookie holds: it ends with the token, and the token cannot be found out from it."""
    return hmac.new(token.encode(), b"openbell session", hashlib.sha256).hexdigest()
