"""The Telegram bot of a real supervisor, against a server that speaks the Bot API."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from openbell.control import Control, halted
from openbell.supervisor.web import audit
from tests.browser.supervisor import Supervisor
from tests.process.supervisor.bot_api import BotApi
from tests.unit.runner.fakes import wait_for
from tests.unit.supervisor.world import World

TOKEN = "123456789:AAabcdefghijklmnopqrstuvwxyz012345678"
ANN = 987654321


class Telegram:
    """A supervisor with its bot."""

    def __init__(self, supervisor: Supervisor, api: BotApi, world: World) -> None:
        self.supervisor, self.api, self.world = supervisor, api, world

    def process(self) -> int:
        """Return the bot's newest process."""
        lines = [json.loads(line) for line in self.supervisor.log.splitlines() if '"telegram.started"' in line]
        return int(lines[-1]["pid"])

    def memory_mb(self) -> float:
        """Return the proportional memory of the bot's process."""
        lines = Path(f"/proc/{self.process()}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


@pytest.fixture
def telegram(world: World, tmp_path: Path) -> Iterator[Telegram]:
    """Start one; no token is set for the page."""
    world.strategy("pulse", 'timezone = "UTC"\n[[bot]]\nid = "pulse"\nsymbols = ["AAPL"]\nevery = "1h"\n')
    with BotApi(TOKEN) as api:
        supervisor = Supervisor(world.root)
        supervisor.environment |= {"OPENBELL_TELEGRAM": f"{TOKEN}@{ANN},-100", "OPENBELL_TELEGRAM_SERVER": api.url}
        with supervisor:
            yield Telegram(supervisor, api, world)


def buttons(reply: dict[str, str]) -> dict[str, str]:
    """Return what a message's buttons say and send."""
    rows = json.loads(reply["reply_markup"])["inline_keyboard"]
    return {button["text"]: button["callback_data"] for row in rows for button in row}


def test_the_bot(telegram: Telegram) -> None:
    """It answers the named chats only, changes what a button confirms, says so in the trail, and hides its token."""
    api, control = telegram.api, telegram.world.control
    api.write(666, "/halt")  # not one of its chats
    api.write(ANN, "/status")
    answer = api.reply()
    assert (answer["chat_id"], "1 bots: 1" in answer["text"]) == (str(ANN), True)
    assert "reply_markup" not in answer

    api.write(ANN, "/halt odd fills")
    asked = api.reply()
    assert halted(control) is None
    api.press(666, buttons(asked)["Halt all orders"])  # another chat
    api.press(ANN, buttons(asked)["Halt all but exits"])
    assert api.reply()["text"] == "Halted: no strategy sends orders but exits"
    halt = halted(control)
    assert halt is not None
    assert (halt.reason, halt.exits) == ("odd fills", True)

    api.write(-100, "/flatten")
    api.press(-100, buttons(api.reply())["pulse"])
    api.press(-100, buttons(api.reply())["Close all of pulse"])
    refused = api.reply()["text"]  # no loop runs here
    assert refused.startswith(("pulse closes what it holds", "Not done: pulse takes no requests"))

    trail = audit.newest(telegram.supervisor.root / f"state-{telegram.supervisor.port}", 10)
    assert [(one.by, one.address) for one in trail if one.action == "trading.halted"] == [
        ("telegram", f"chat {ANN}, ann")
    ]
    assert "chat 666 is not one of those" in telegram.supervisor.log
    assert TOKEN not in telegram.supervisor.log
    arguments = Path(f"/proc/{telegram.process()}/cmdline").read_bytes()
    assert TOKEN.encode() not in arguments + Path(f"/proc/{telegram.process()}/environ").read_bytes()


def test_it_is_started_again(telegram: Telegram) -> None:
    """After it was killed, and after Telegram did not answer; it ends with its supervisor."""
    api = telegram.api
    api.write(ANN, "/status")
    api.reply()
    first = telegram.process()
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: telegram.process() != first, "another start")
    api.fails = True
    wait_for(lambda: "it fails" in telegram.supervisor.log, "an error in the log")
    assert TOKEN not in telegram.supervisor.log
    api.fails = False
    api.write(ANN, "/pause pulse")
    asked = api.reply()
    api.press(ANN, buttons(asked)["Pause pulse"])
    assert api.reply()["text"] == "pulse is paused"
    assert Control(telegram.world.control, "pulse").paused("pulse") is not None
    last = Path(f"/proc/{telegram.process()}")
    os.kill(telegram.supervisor.process.pid, signal.SIGKILL)
    wait_for(lambda: not last.exists() or "Z" in (last / "stat").read_text().split()[2], "the bot's end")


def test_what_telegram_refuses_is_waited_for_or_explained(telegram: Telegram) -> None:
    """Patience that it asks for, another program with the same token, a button that it has forgotten: no answer is lost."""
    api, supervisor = telegram.api, telegram.supervisor
    api.write(ANN, "/pause pulse")
    asked = api.reply()
    conflict = {"error_code": 409, "description": "Conflict: terminated by other getUpdates request"}
    patience = {"error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 1}}
    old = {"error_code": 400, "description": "Bad Request: query is too old and response timeout expired"}
    api.refusals = {"getUpdates": [conflict, patience], "sendMessage": [patience], "answerCallbackQuery": [old]}
    api.press(ANN, buttons(asked)["Pause pulse"])
    assert api.reply()["text"] == "pulse is paused"
    wait_for(lambda: "the buttons stay: Telegram answers 400" in supervisor.log, "the forgotten button in the log")
    assert "another program asks for the news of this bot" in supervisor.log
    wait_for(lambda: "Telegram answers again" in supervisor.log, "the end of the outage in the log")
    assert telegram.memory_mb() < 45
