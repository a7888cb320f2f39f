"""The setting OPENBELL_TELEGRAM: the bot's token and the chats that it listens to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from openbell.supervisor.alerts.settings import secrets

VARIABLE = "OPENBELL_TELEGRAM"
SERVER = "OPENBELL_TELEGRAM_SERVER"
OFFICIAL = "https://api.telegram.org"
_FORM = re.compile(r"(\d{5,20}:[A-Za-z0-9_-]{20,100})@(-?\d{1,20}(?:,-?\d{1,20})*)")


@dataclass(frozen=True)
class TelegramSettings:
    """A bot's token, which its log never shows, and the ids of the chats that may use it."""

    token: str = field(repr=False)
    chats: tuple[int, ...]
    server: str = OFFICIAL


def from_environment(environment: Mapping[str, str]) -> TelegramSettings | None:
    """Return the settings, None if there are none; ValueError says what is wrong without the token."""
    given = {name: value.strip() for name, value in environment.items() if value.strip()}
    for variable, text in secrets(given, VARIABLE):
        if not text.strip():
            continue
        match = _FORM.fullmatch(text.strip())
        if match is None:
            # The text may be a token: it is not shown.
            msg = f"{variable}: it is not a bot with chats; allowed: TOKEN@CHAT,CHAT, the token from @BotFather and ids of chats such as 987654321"
            raise ValueError(msg)
        chats = tuple(int(chat) for chat in match[2].split(","))
        return TelegramSettings(match[1], chats, _server(given))
    return None


def _server(given: Mapping[str, str]) -> str:
    server = given.get(SERVER, OFFICIAL).rstrip("/")
    if not re.fullmatch(r"https?://[^\s/@?#]+", server):
        msg = f"{SERVER}: it is not an address; allowed: one such as http://10.0.0.5:8081, of a Bot API server of your own"
        raise ValueError(msg)
    return server
