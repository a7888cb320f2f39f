"""What all changes have in common: who may make them, and the trail that they leave."""

from collections.abc import Mapping
from urllib.parse import unquote

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from openbell.supervisor.web import audit
from openbell.supervisor.web.actions import BY
from openbell.supervisor.web.audit import AuditEntry
from openbell.supervisor.web.auth import is_same, require_token
from openbell.supervisor.web.dependencies import Dependencies
from openbell.supervisor.web.request_params import reject_unknown

BY_HEADER = "x-openbell-by"  # for whom the bot asks: the chat and the person
BY_BOT = "telegram"

log = structlog.get_logger()


def permit(request: Request, dependencies: Dependencies) -> None:
    """Answer 403 or 401 unless the request may change something, 400 if it has parameters."""
    if not is_bot(request, dependencies):
        require_token(request, dependencies.token, dependencies.now())
    reject_unknown(request)


def is_bot(request: Request, dependencies: Dependencies) -> bool:
    """Tell whether the supervisor's own Telegram bot has sent a request, for one of the chats that may."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return bool(dependencies.bot_key) and scheme == "Bearer" and is_same(given, dependencies.bot_key)


async def record_change(
    dependencies: Dependencies,
    request: Request,
    action: str,
    details: Mapping[str, object],
    *,
    strategy: str = "",
    bot: str = "",
    by: str = "",
) -> None:
    """Write what was done to the log and to the audit trail. by: what has permitted it, if not the token or a session."""
    address = request.client.host if request.client else ""
    if is_bot(request, dependencies):
        by, address = BY_BOT, _printable(unquote(request.headers.get(BY_HEADER, "")))
    by = by or ("token" if request.headers.get("authorization") else "session")
    about = {name: value for name, value in (("strategy", strategy), ("bot", bot)) if value}
    log.info(action, address=address, permitted_by=by, **about, **({"by": BY} | dict(details)))
    entry = AuditEntry(dependencies.now(), action, strategy, bot, by, address, details)
    try:
        await run_in_threadpool(audit.record, dependencies.store.parent, entry)
    except OSError as error:
        # It was done, and the log has it: an answer that says otherwise would be wrong.
        log.error("audit.failed", error=str(error))  # noqa: TRY400 - the disk, not the code


def _printable(text: str) -> str:
    return "".join(character for character in text[:100] if character.isprintable())
