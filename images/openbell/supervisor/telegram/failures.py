"""Failures of Telegram: what the log says of them, how long to wait, and how often an outage is logged. Pure."""

from dataclasses import dataclass

from telebot.apihelper import ApiTelegramException

AGAIN = 3600.0  # seconds after which an outage that continues is logged again
LONGEST_WAIT = 60.0  # seconds for which an answer waits if Telegram asks for patience
_EXPLAINED = {
    401: "Telegram does not know the token in OPENBELL_TELEGRAM: copy it again from @BotFather",
    403: "the chat does not take messages of this bot: write to the bot first, or unblock it",
    404: "Telegram does not know the token in OPENBELL_TELEGRAM: copy it again from @BotFather",
    409: "another program asks for the news of this bot, or it has a webhook: end that, or make openbell a bot of its own",
}


def explained(error: Exception) -> str:
    """Return what a person should know of a failure, in one line."""
    if not isinstance(error, ApiTelegramException):
        return f"Telegram is not reached ({type(error).__name__})"
    if wait := wait_of(error):
        return f"Telegram asks for patience: {wait:g} s"
    return str(_EXPLAINED.get(error.error_code, f"Telegram answers {error.error_code}: {error.description}"))


def wait_of(error: Exception) -> float:
    """Return the seconds for which Telegram wants not to be asked, 0 if it does not say."""
    if not isinstance(error, ApiTelegramException):
        return 0.0
    parameters = error.result_json.get("parameters")
    wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return float(wait) if isinstance(wait, int | float) and wait > 0 else 0.0


@dataclass
class Outage:
    """Whether Telegram answers, and when that was logged last."""

    logged: str = ""  # empty while it answers
    logged_at: float = 0.0

    def failed(self, text: str, now: float) -> str:
        """Return what to log of a failure: nothing if it was logged within the hour."""
        if text == self.logged and now - self.logged_at < AGAIN:
            return ""
        self.logged, self.logged_at = text, now
        return f"{text}; it is tried again"

    def answered(self) -> str:
        """Return what to log of an answer: nothing, except after an outage."""
        before, self.logged = self.logged, ""
        return "Telegram answers again" if before else ""
