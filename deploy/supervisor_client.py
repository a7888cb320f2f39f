"""What the supervisor knows about the bots, asked over its page's address."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from deploy.settings import values

STATUS = "/api/status"
TIMEOUT = 5.0  # seconds for one answer


@dataclass(frozen=True)
class BotStatus:
    """One bot's health and the slots around now."""

    strategy: str
    timezone: str
    id: str
    status: str
    last_slot: datetime | None
    last_outcome: str
    next_slot: datetime | None
    reason: str
    manual_failure: str = ""  # how its newest run ended, if it was a manual one and did not succeed


def fetch(page: str, patience: float, token: str = "") -> tuple[BotStatus, ...] | None:
    """Return the bots' states from the status page, or None if it gives no answer within `patience` seconds."""
    opener = build_opener(ProxyHandler({}))  # a proxy for the web has no business on loopback
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = Request(f"{page}{STATUS}", headers=headers)  # noqa: S310 - our own page

    def ask() -> str | None:
        try:
            with opener.open(request, timeout=TIMEOUT) as answer:
                return str(answer.read().decode())
        except (URLError, OSError, ValueError):
            return None

    return patiently(patience, ask)


def reading_token() -> str:
    """Return the token with which this installation's page may be read, or an empty text."""
    given = values(Path(".env"), os.environ)
    for key in ("OPENBELL_READ_TOKEN", "OPENBELL_TOKEN"):
        token, file = given.get(key, "").strip(), given.get(f"{key}_FILE", "")
        if not token and file:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                token = Path(file).read_text(encoding="utf-8").strip()
        if token:
            return token
    return ""


def patiently(patience: float, ask: Callable[[], str | None]) -> tuple[BotStatus, ...] | None:
    """Return the bots' states from the first good answer, or None if there is none within `patience` seconds."""
    until = time.monotonic() + patience
    while True:
        with contextlib.suppress(ValueError):
            if (text := ask()) is not None:
                return parse(json.loads(text))
        if time.monotonic() >= until:
            return None
        time.sleep(0.5)


def has_channel(page: str) -> bool | None:
    """Tell whether alerts have anywhere to go; None if the supervisor does not say."""
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"{page}/healthz", timeout=TIMEOUT) as answer:
            said = json.load(answer)
    except (URLError, OSError, ValueError):
        return None
    found = said.get("has_channel") if isinstance(said, Mapping) else None
    return found if isinstance(found, bool) else None


def answers(page: str) -> bool:
    """Tell whether a supervisor's page is there; its strategies may be well or not."""
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"{page}/healthz", timeout=TIMEOUT):
            return True
    except HTTPError as error:
        return error.code == HTTPStatus.SERVICE_UNAVAILABLE  # it answers, and something is not well
    except (URLError, OSError):
        return False


def parse(answer: object) -> tuple[BotStatus, ...]:
    """Return the bots in an answer of /api/status; ValueError if it is not such an answer."""
    if not isinstance(answer, Mapping) or not isinstance(answer.get("strategies"), list):
        msg = "not an answer of /api/status"
        raise ValueError(msg)  # noqa: TRY004 - what arrived is wrong, not what was called with
    return tuple(
        _bot(strategy, bot)
        for strategy in answer["strategies"]
        # A strategy whose manifest is not valid has no bots, and is the one that must be seen.
        for bot in strategy.get("bots")
        or [{"id": strategy["name"], "status": strategy.get("status"), "reason": strategy.get("reason")}]
    )


def _bot(strategy: Mapping[str, object], bot: Mapping[str, object]) -> BotStatus:
    return BotStatus(
        strategy=str(strategy["name"]),
        timezone=str(strategy.get("timezone") or "UTC"),
        id=str(bot["id"]),
        status=str(bot.get("status") or "new"),
        last_slot=_instant(bot.get("last_slot")),
        last_outcome=str(bot.get("last_outcome") or ""),
        next_slot=_instant(bot.get("next_slot")),
        reason=str(bot.get("reason") or ""),
        manual_failure=str(bot.get("manual_failure") or ""),
    )


def _instant(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None
