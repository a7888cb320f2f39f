"""The bot's process: long polling, so no port is open for it. Its settings come in on standard input, not as arguments.

It ends when standard input does, with the supervisor. What it has to say are lines on standard output, without the token.
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import telebot
from telebot import apihelper, types
from telebot.apihelper import ApiTelegramException

from openbell.redaction import Redaction
from openbell.supervisor.telegram.api_client import ApiClient
from openbell.supervisor.telegram.conversation import Conversation, Person, Reply
from openbell.supervisor.telegram.failures import LONGEST_WAIT, Outage, explained, wait_of
from openbell.supervisor.telegram.texts import fitted

POLL = 25  # seconds for which Telegram holds a question for news
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds after a question that failed
UPDATES = ["message", "callback_query"]


class TelegramBot:
    """Asks for news, one question after the other, and answers those of the chats that are named."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._chats = frozenset(settings["chats"])
        self._redaction = Redaction([settings["token"]])
        self._refused: set[int] = set()
        self._outage = Outage()
        apihelper.API_URL = settings["server"] + "/bot{0}/{1}"
        api = ApiClient(settings["host"], settings["port"], settings["key"])
        self._conversation = Conversation(api, time.monotonic)
        self._bot = telebot.TeleBot(settings["token"], threaded=False)

    def run(self) -> None:
        """Poll for ever."""
        offset, pause = 0, FIRST_PAUSE
        while True:
            try:
                updates = self._bot.get_updates(
                    offset, timeout=POLL + 10, long_polling_timeout=POLL, allowed_updates=UPDATES
                )
            except Exception as error:  # noqa: BLE001 - the network's, the library's or Telegram's: it is logged and tried again
                self.say(self._outage.failed(explained(error), time.monotonic()))
                time.sleep(max(pause, wait_of(error)))
                pause = min(LONGEST_PAUSE, pause * 2)
                continue
            pause = FIRST_PAUSE
            self.say(self._outage.answered())
            for update in updates:
                offset = update.update_id + 1
                try:
                    self._handle(update)
                except Exception as error:  # noqa: BLE001 - one message that cannot be answered keeps no other from it
                    self.say(f"an answer failed: {explained(error)}")

    def say(self, text: str) -> None:
        """Tell the supervisor's log, if there is anything to tell."""
        if text:
            print(self._redaction(" ".join(text.split())), flush=True)

    def _handle(self, update: types.Update) -> None:
        call = update.callback_query
        message = call.message if call else update.message
        if message is None or (call is None and not message.text):
            return
        chat = message.chat.id
        if chat not in self._chats:
            if chat not in self._refused and len(self._refused) < 100:
                self._refused.add(chat)
                self.say(f"chat {chat} is not one of those in OPENBELL_TELEGRAM: it gets no answer")
            return
        user = call.from_user if call else message.from_user
        person = Person(chat, (user.username or user.full_name or str(user.id))[:60] if user else "?")
        if call is None:
            self._send(chat, self._conversation.answer(person, message.text or ""))
            return
        reply = self._conversation.press(person, call.data or "")
        # The result is sent first: the rest only updates the display, and fails for a button that was pressed long ago.
        self._send(chat, reply)
        try:
            self._bot.answer_callback_query(call.id)
            self._bot.edit_message_reply_markup(chat, message.message_id, reply_markup=None)
        except ApiTelegramException as error:
            self.say(f"the buttons stay: {explained(error)}")

    def _send(self, chat: int, reply: Reply) -> None:
        text, keyboard = fitted([reply.text]), _keyboard(reply.buttons)
        try:
            self._bot.send_message(chat, text, reply_markup=keyboard)
        except ApiTelegramException as error:
            if not 0 < wait_of(error) <= LONGEST_WAIT:
                raise
            time.sleep(wait_of(error))
            self._bot.send_message(chat, text, reply_markup=keyboard)


def _keyboard(buttons: Sequence[tuple[str, str]]) -> types.InlineKeyboardMarkup | None:
    if not buttons:
        return None
    keyboard = types.InlineKeyboardMarkup(row_width=2)
    keyboard.add(*(types.InlineKeyboardButton(label[:60], callback_data=data) for label, data in buttons))
    return keyboard


def _end_with_supervisor() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """Run the bot that standard input's first line describes."""
    logging.getLogger("TeleBot").handlers.clear()  # its own lines could have the token in an address
    logging.getLogger("TeleBot").addHandler(logging.NullHandler())
    bot = TelegramBot(json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    bot.run()


if __name__ == "__main__":
    main()
