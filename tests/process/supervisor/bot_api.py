"""A server that speaks the part of Telegram's Bot API that a bot with long polling needs."""

import itertools
import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

POLL = 1.0  # seconds for which a question for news is held


class BotApi:
    """Chats that tests write in, and what the bot has sent to them."""

    def __init__(self, token: str) -> None:
        self.sent: queue.Queue[dict[str, Any]] = queue.Queue()
        self.paths: list[str] = []
        self.fails = False
        self.refusals: dict[str, list[dict[str, Any]]] = {}  # by method: what it answers next instead
        self._token = token
        self._updates: queue.Queue[dict[str, Any]] = queue.Queue()
        self._numbers = itertools.count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def write(self, chat: int, text: str) -> None:
        """Let a person write to the bot."""
        self._update("message", {**self._message(chat), "text": text, "from": self._person()})

    def press(self, chat: int, data: str) -> None:
        """Let a person press a button."""
        call = {"id": "7", "from": self._person(), "chat_instance": "1", "data": data}
        self._update("callback_query", {**call, "message": {**self._message(chat), "text": "?"}})

    def reply(self, seconds: float = 60) -> dict[str, Any]:
        """Return what the bot sends next."""
        return self.sent.get(timeout=seconds)

    def _update(self, kind: str, about: dict[str, Any]) -> None:
        self._updates.put({"update_id": next(self._numbers), kind: about})

    def _message(self, chat: int) -> dict[str, Any]:
        return {"message_id": next(self._numbers), "date": 1764000000, "chat": {"id": chat, "type": "private"}}

    @staticmethod
    def _person() -> dict[str, Any]:
        return {"id": 5, "is_bot": False, "first_name": "Ann", "username": "ann"}

    def _news(self) -> list[dict[str, Any]]:
        try:
            return [self._updates.get(timeout=POLL)]
        except queue.Empty:
            return []

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                fields = {name: one[0] for name, one in parse_qs(self.rfile.read(length).decode()).items()}
                path, _, query = self.path.partition("?")
                fields |= {name: one[0] for name, one in parse_qs(query).items()}
                token, _, method = path.removeprefix("/bot").partition("/")
                api.paths.append(method)
                if api.fails or token != api._token:
                    self._answer(500, {"ok": False, "error_code": 500, "description": "it fails"})
                    return
                if api.refusals.get(method):
                    refusal = api.refusals[method].pop(0)
                    self._answer(refusal["error_code"], {"ok": False, **refusal})
                    return
                result: object = True
                if method == "getUpdates":
                    result = api._news()
                elif method == "sendMessage":
                    api.sent.put(fields)
                    result = {**api._message(int(fields["chat_id"])), "text": fields["text"]}
                elif method == "editMessageReplyMarkup":
                    result = {**api._message(int(fields["chat_id"])), "text": "?"}
                self._answer(200, {"ok": True, "result": result})

            do_GET = do_POST  # noqa: N815 - the library's name

            def _answer(self, status: int, content: object) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
