"""What the bot answers to a message or a button. It changes nothing before a button has confirmed it."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from openbell.supervisor.telegram import texts
from openbell.supervisor.telegram.api_client import ApiError

BUTTON_LIFE = 120.0  # seconds; a button that is found again later must not act
MOST_BUTTONS = 30
REASON = "asked for by Telegram"
NOTHING = "Nothing was changed"
TOO_OLD = "This button is too old, or was used: send the command again"


class Api(Protocol):
    """The page's API."""

    def ask(self, path: str, method: str = "GET", body: object = None, by: str = "") -> Mapping[str, Any]:
        """Return the answer's JSON object; ApiError says why there is none."""


@dataclass(frozen=True)
class Reply:
    """A text, and buttons below it: what each says, and what Telegram sends when it is pressed."""

    text: str
    buttons: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Person:
    """Who has written, and in which chat."""

    chat: int
    name: str

    def __str__(self) -> str:
        """Say it as the audit trail does."""
        return f"chat {self.chat}, {self.name}"


Step = Callable[[Person], Reply]


class Conversation:
    """All chats with their buttons, of which one of a message can be pressed, once, within two minutes."""

    def __init__(self, api: Api, monotonic: Callable[[], float]) -> None:
        self._api = api
        self._monotonic = monotonic
        self._open: dict[str, tuple[int, float, Sequence[Step]]] = {}  # message → chat, end, what its buttons do
        self._commands: Mapping[str, Callable[[Person, str], Reply]] = {
            "status": lambda *_: Reply(texts.status(self._api.ask("/api/status"))),
            "orders": lambda *_: Reply(texts.orders(self._api.ask("/api/orders"))),
            "profit": lambda *_: Reply(texts.profit(self._api.ask("/api/status"))),
            "pause": self._pause,
            "resume": self._resume,
            "halt": self._halt,
            "unhalt": self._unhalt,
            "flatten": self._flatten,
        }

    def answer(self, person: Person, text: str) -> Reply:
        """Return the answer to a message."""
        command, _, rest = text.strip().partition(" ")
        name = command.removeprefix("/").partition("@")[0].lower()  # in a group a command names its bot
        return self._said(self._commands.get(name, lambda *_: Reply(texts.HELP)), person, rest.strip())

    def press(self, person: Person, data: str) -> Reply:
        """Return the answer to a button, which has done what it says."""
        message, _, index = data.partition(":")
        chat, until, steps = self._open.pop(message, (0, 0.0, ()))
        if chat != person.chat or self._monotonic() > until or not index.isdecimal() or int(index) >= len(steps):
            return Reply(TOO_OLD)
        return self._said(lambda one, _: steps[int(index)](one), person, "")

    def _said(self, command: Callable[[Person, str], Reply], person: Person, rest: str) -> Reply:
        try:
            return command(person, rest)
        except ApiError as error:
            return Reply(f"Not done: {error}")

    # Commands that change something

    def _pause(self, person: Person, bot: str) -> Reply:
        def ask(name: str) -> Reply:
            body = {"paused": True, "reason": REASON}
            act = self._change(f"/api/bots/{quote(name, safe='')}", "PATCH", body, f"{name} is paused")
            return self._confirm(person, f"Pause {name}?", (f"Pause {name}", act))

        names = [one for one, status in self._bots() if status != "paused"]
        return self._choose(person, "pause", "Pause which bot?", names, bot, ask)

    def _resume(self, person: Person, bot: str) -> Reply:
        def ask(name: str) -> Reply:
            path = f"/api/bots/{quote(name, safe='')}"
            act = self._change(path, "PATCH", {"paused": False}, f"{name} runs again from its next slot on")
            return self._confirm(person, f"Resume {name}?", (f"Resume {name}", act))

        names = [one for one, status in self._bots() if status == "paused"]
        return self._choose(person, "resume", "Resume which bot?", names, bot, ask)

    def _flatten(self, person: Person, strategy: str) -> Reply:
        def ask(name: str) -> Reply:
            path = f"/api/strategies/{quote(name, safe='')}/flatten"
            act = self._change(path, "POST", {"confirm": name}, f"{name} closes what it holds; its journal tells how")
            question = f"Cancel what waits, and close all that {name} holds, at the market?"
            return self._confirm(person, question, (f"Close all of {name}", act))

        names = [str(one["name"]) for one in self._api.ask("/api/status")["strategies"]]
        return self._choose(person, "flatten", "Close all that which strategy holds?", names, strategy, ask)

    def _halt(self, person: Person, reason: str) -> Reply:
        def act(*, exits: bool) -> Step:
            body = {"reason": (reason or REASON)[:200], "exits": exits}
            return self._change(
                "/api/halt", "POST", body, "Halted: no strategy sends orders" + (" but exits" if exits else "")
            )

        options = ("Halt all orders", act(exits=False)), ("Halt all but exits", act(exits=True))
        return self._confirm(person, "Halt the orders of all strategies?", *options)

    def _unhalt(self, person: Person, _: str) -> Reply:
        act = self._change("/api/halt", "DELETE", None, "Strategies may send orders again")
        return self._confirm(person, "Let all strategies send orders again?", ("Let orders be sent", act))

    def _change(self, path: str, method: str, body: object, done: str) -> Step:
        def step(person: Person) -> Reply:
            self._api.ask(path, method, body, by=str(person))
            return Reply(done)

        return step

    def _bots(self) -> list[tuple[str, str]]:
        strategies = self._api.ask("/api/status")["strategies"]
        return [(str(bot["id"]), str(bot["status"])) for strategy in strategies for bot in strategy["bots"]]

    # Buttons

    def _choose(
        self,
        person: Person,
        command: str,
        question: str,
        names: Sequence[str],
        wanted: str,
        ask: Callable[[str], Reply],
    ) -> Reply:
        if wanted in names:
            return ask(wanted)
        if wanted:
            return Reply(f"There is no {wanted[:100]} to {command}")
        if not names:
            return Reply(f"There is nothing to {command}")
        if len(names) > MOST_BUTTONS:
            return Reply(f"There are {len(names)}: name one, as in /{command} {names[0]}")
        return self._with_buttons(person, question, [(name, _asking(ask, name)) for name in names])

    def _confirm(self, person: Person, question: str, *options: tuple[str, Step]) -> Reply:
        return self._with_buttons(person, question, [*options, ("No", lambda _: Reply(NOTHING))])

    def _with_buttons(self, person: Person, text: str, options: Sequence[tuple[str, Step]]) -> Reply:
        now, message = self._monotonic(), secrets.token_urlsafe(9)
        self._open = {name: one for name, one in self._open.items() if one[1] >= now}
        self._open[message] = person.chat, now + BUTTON_LIFE, [step for _, step in options]
        return Reply(text, tuple((label, f"{message}:{index}") for index, (label, _) in enumerate(options)))


def _asking(ask: Callable[[str], Reply], name: str) -> Step:
    return lambda _: ask(name)
