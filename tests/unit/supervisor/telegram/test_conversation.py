"""What the bot answers, and that nothing changes before a button has confirmed it."""

from collections.abc import Mapping
from typing import Any

import pytest
from telebot.apihelper import ApiTelegramException

from openbell.supervisor.telegram.api_client import ApiError
from openbell.supervisor.telegram.conversation import BUTTON_LIFE, NOTHING, TOO_OLD, Conversation, Person, Reply
from openbell.supervisor.telegram.failures import Outage, explained, wait_of
from openbell.supervisor.telegram.settings import TelegramSettings, from_environment
from openbell.supervisor.telegram.texts import HELP, LONGEST, fitted

ANN, BOB = Person(1, "ann"), Person(2, "bob")
TOKEN = "123456789:AAabcdefghijklmnopqrstuvwxyz012345678"
WORTH = {"currency": "USD", "equity": 100_000.0, "today": 12.5, "week": None, "start": -3.0}


def bot(name: str, status: str = "up") -> dict[str, Any]:
    """Return a bot as the API tells it."""
    return {"id": name, "status": status, "reason": f"{status}: a reason"}


class FakeApi:
    """An API that knows a few bots and remembers what was changed, and for whom."""

    def __init__(self, *bots: Mapping[str, Any]) -> None:
        self.bots = list(bots) or [bot("alpha"), bot("beta", "paused")]
        self.worth: Mapping[str, Any] | None = WORTH
        self.orders: list[Mapping[str, Any]] = []
        self.changes: list[tuple[str, str, object, str]] = []
        self.refusal = ""

    def ask(self, path: str, method: str = "GET", body: object = None, by: str = "") -> Mapping[str, Any]:
        """Answer, or do it."""
        if self.refusal:
            raise ApiError(self.refusal)
        if method != "GET":
            self.changes.append((method, path, body, by))
            return {}
        if path == "/api/orders":
            return {"orders": self.orders}
        strategies = [{"name": "fund", "worth": self.worth, "bots": self.bots}]
        return {"headline": "All is well", "strategies": strategies}


class Chat:
    """A conversation with a clock that only tests move."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.now = 0.0
        self.talk = Conversation(api, lambda: self.now)

    def press(self, reply: Reply, label: str, who: Person = ANN) -> Reply:
        """Press the button of a reply with that label."""
        return self.talk.press(who, dict(reply.buttons)[label])


@pytest.fixture
def chat() -> Chat:
    """A new conversation."""
    return Chat(FakeApi())


def test_status_orders_and_profit(chat: Chat) -> None:
    """They are short, name what is not up, and have no buttons."""
    assert (
        chat.talk.answer(ANN, "/status").text == "All is well\n2 bots: 1 up, 1 paused\nbeta: paused: paused: a reason"
    )
    assert chat.talk.answer(ANN, "/orders").text == "No order waits"
    order = {"bot": "alpha", "symbol": "AAPL", "side": "buy", "quantity": 3.0, "status": "accepted", "filled": 1.0}
    chat.api.orders = [order, {**order, "quantity": None, "filled": None, "status": "uncertain"}]
    assert chat.talk.answer(ANN, "/orders").text.splitlines()[1:] == [
        "alpha: buy 3 AAPL: accepted, 1 filled",
        "alpha: buy AAPL: uncertain",
    ]
    assert chat.talk.answer(ANN, "/profit").text == "fund: 100,000.00 USD (+12.50 today, -3.00 since the start)"
    chat.api.worth = None
    assert chat.talk.answer(ANN, "/profit@my_bot").text == "No account is known yet"


@pytest.mark.parametrize("text", ["/start", "/help", "hello", "", "/nope x"])
def test_anything_else_is_answered_with_the_commands(chat: Chat, text: str) -> None:
    """Also what no command is."""
    assert chat.talk.answer(ANN, text) == Reply(HELP)


@pytest.mark.parametrize(
    "command, labels, change, said",
    [
        ("/pause", ("alpha", "Pause alpha"), ("PATCH", "/api/bots/alpha", {"paused": True, "reason": "asked for by Telegram"}), "alpha is paused"),
        ("/pause alpha", ("Pause alpha",), ("PATCH", "/api/bots/alpha", {"paused": True, "reason": "asked for by Telegram"}), "alpha is paused"),
        ("/resume", ("beta", "Resume beta"), ("PATCH", "/api/bots/beta", {"paused": False}), "beta runs again from its next slot on"),
        ("/halt odd fills", ("Halt all orders",), ("POST", "/api/halt", {"reason": "odd fills", "exits": False}), "Halted: no strategy sends orders"),
        ("/halt", ("Halt all but exits",), ("POST", "/api/halt", {"reason": "asked for by Telegram", "exits": True}), "Halted: no strategy sends orders but exits"),
        ("/unhalt", ("Let orders be sent",), ("DELETE", "/api/halt", None), "Strategies may send orders again"),
        ("/flatten", ("fund", "Close all of fund"), ("POST", "/api/strategies/fund/flatten", {"confirm": "fund"}), "fund closes what it holds; its journal tells how"),
    ],
)  # fmt: skip
def test_a_change_is_made_once_it_is_confirmed(
    chat: Chat, command: str, labels: tuple[str, ...], change: tuple[str, str, object], said: str
) -> None:
    """Not before the last button; it says for whom; a second press does nothing."""
    reply = chat.talk.answer(ANN, command)
    for label in labels:
        assert chat.api.changes == []
        last, reply = reply, chat.press(reply, label)
    assert chat.api.changes == [(*change, "chat 1, ann")]
    assert reply == Reply(said)
    assert chat.press(last, labels[-1]).text == TOO_OLD
    assert len(chat.api.changes) == 1


def test_no_changes_nothing(chat: Chat) -> None:
    """The other button is void then."""
    reply = chat.talk.answer(ANN, "/halt")
    assert chat.press(reply, "No").text == NOTHING
    assert chat.press(reply, "Halt all orders").text == TOO_OLD
    assert chat.api.changes == []


def test_an_old_button_and_one_of_another_chat_do_nothing(chat: Chat) -> None:
    """Who finds the message again tomorrow changes nothing by it; neither does what was made up."""
    reply = chat.talk.answer(ANN, "/halt")
    assert chat.press(reply, "Halt all orders", BOB).text == TOO_OLD
    reply = chat.talk.answer(ANN, "/halt")
    chat.now += BUTTON_LIFE + 1
    assert chat.press(reply, "Halt all orders").text == TOO_OLD
    reply = chat.talk.answer(ANN, "/halt")
    for data in ("", "x", f"{reply.buttons[0][1].partition(':')[0]}:9", ":0"):
        assert chat.talk.press(ANN, data).text == TOO_OLD
    assert chat.api.changes == []


def test_what_cannot_be_done_is_said(chat: Chat) -> None:
    """In the API's own words; what has no such name is named."""
    reply = chat.talk.answer(ANN, "/pause alpha")
    chat.api.refusal = "the control volume cannot be written"
    assert chat.press(reply, "Pause alpha").text == "Not done: the control volume cannot be written"
    assert chat.talk.answer(ANN, "/status").text == "Not done: the control volume cannot be written"
    chat.api.refusal = ""
    assert chat.talk.answer(ANN, "/pause nope").text == "There is no nope to pause"
    chat.api.bots = [bot("alpha")]
    assert chat.talk.answer(ANN, "/resume").text == "There is nothing to resume"


def test_a_thousand_bots_fit_a_message() -> None:
    """Too many for buttons are to be named, and a long status is cut."""
    chat = Chat(FakeApi(*[bot(f"bot-{number}", "down") for number in range(1000)]))
    assert chat.talk.answer(ANN, "/pause").text == "There are 1000: name one, as in /pause bot-0"
    chat.api.bots = [{**one, "reason": "x" * 1000} for one in chat.api.bots]
    assert len(chat.talk.answer(ANN, "/status").text) == LONGEST


def test_the_setting() -> None:
    """A token and its chats, from the variable or a file; the token is not printed."""
    settings = from_environment({"OPENBELL_TELEGRAM": f" {TOKEN}@987654321,-1001234 "})
    assert settings == TelegramSettings(TOKEN, (987654321, -1001234))
    assert TOKEN not in repr(settings)
    assert from_environment({"OPENBELL_TELEGRAM": ""}) is None
    own = from_environment({"OPENBELL_TELEGRAM": f"{TOKEN}@1", "OPENBELL_TELEGRAM_SERVER": "http://10.0.0.5:8081/"})
    assert own is not None
    assert own.server == "http://10.0.0.5:8081"


@pytest.mark.parametrize("text", [TOKEN, f"{TOKEN}@", f"{TOKEN}@me", f"{TOKEN}@1,", "123:x@1", f"{TOKEN} 1"])
def test_a_wrong_setting_is_one_line_without_the_token(text: str) -> None:
    """It names the variable and what is allowed."""
    with pytest.raises(ValueError, match=r"^OPENBELL_TELEGRAM: ") as caught:
        from_environment({"OPENBELL_TELEGRAM": text})
    assert TOKEN not in str(caught.value)


def test_a_text_is_cut_as_telegram_counts_it() -> None:
    """In units of UTF-16, never within a character; what is no character of Unicode is replaced."""
    assert fitted(["a" * LONGEST]) == "a" * LONGEST
    cut = fitted(["\N{CHART WITH UPWARDS TREND}" * LONGEST])
    assert LONGEST - 1 <= len(cut.encode("utf-16-le")) // 2 <= LONGEST
    assert cut.endswith("\N{CHART WITH UPWARDS TREND}…")
    assert fitted(["x\ud800"]) == "x?"


def refusal(code: int, **parameters: float) -> ApiTelegramException:
    """Return what the library raises for an answer of Telegram's."""
    answer = {"error_code": code, "description": "Bad: it says so", "parameters": parameters}
    return ApiTelegramException("getUpdates", None, answer)  # type: ignore[no-untyped-call] # the library has no types


@pytest.mark.parametrize(
    "error, said, wait",
    [
        (refusal(401), "does not know the token in OPENBELL_TELEGRAM", 0),
        (refusal(404), "does not know the token in OPENBELL_TELEGRAM", 0),
        (refusal(409), "another program asks for the news of this bot", 0),
        (refusal(403), "write to the bot first", 0),
        (refusal(429, retry_after=35), "asks for patience: 35 s", 35),
        (refusal(429), "Telegram answers 429: Bad: it says so", 0),
        (refusal(502), "Telegram answers 502", 0),
        (ConnectionError("https://api.telegram.org/botSECRET/getUpdates"), "is not reached (ConnectionError)", 0),
    ],
)
def test_a_failure_of_telegram_is_explained(error: Exception, said: str, wait: float) -> None:
    """With what to do, and without the address, which has the token; patience is kept."""
    assert said in explained(error)
    assert "SECRET" not in explained(error)
    assert wait_of(error) == wait


def test_an_outage_of_hours_is_told_once_an_hour() -> None:
    """Another reason is told at once, and so is the end."""
    outage = Outage()
    assert outage.answered() == ""
    told = [outage.failed("not reached", 60.0 * minute) for minute in range(130)]
    assert [minute for minute, text in enumerate(told) if text] == [0, 60, 120]
    assert outage.failed("another", 7_801.0) == "another; it is tried again"
    assert (outage.answered(), outage.answered()) == ("Telegram answers again", "")
