"""The sender: a process of its own that has Apprise loaded and forks a child for each message.

It is started when there is something to send and ends by itself when nothing has been sent for a while: Apprise would
cost the supervisor more memory than all else that it does. A child that hangs is ended by its own alarm, wherever it hangs
in, and does not delay the others. Where there are no others (one channel), the process sends by itself: a child takes 7 MB more. A message that its service would cut or refuse is shortened. What is secret comes over a socket, never in an argument or in the environment.
"""

import importlib
import json
import logging
import os
import re
import signal
import socket
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import unquote

from openbell.supervisor.alerts.links import LINE
from openbell.supervisor.store.freed_memory import release_freed_memory

if TYPE_CHECKING:
    import apprise

_SECRET = 4  # characters from which on a part of a URL is hidden in what is said about it
_HIDDEN = "***"
_LONGEST = 400  # characters of a reason

ALONE, AMONG_OTHERS = "alone", "among-others"  # whether requests come one after the other, from one channel

# Bytes that a service takes although its plugin says more: beyond them it turns the text into a file.
BYTES = {"ntfy": 4_096, "ntfys": 4_096}
# Characters that a service takes although its plugin says more or nothing.
CHARACTERS = {"discord": 2_000, "tgram": 4_096, "pover": 1_024, "slack": 40_000, "twilio": 1_600}
SHORTEST = 60  # characters that a channel's limit leaves at least


def main() -> int:
    """Serve the socket that is our standard input until it closes or nothing comes any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent decides
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are not waited for
    control = socket.socket(fileno=os.dup(0))
    control.settimeout(float(sys.argv[1]))  # so long without a request, and it ends
    _leave_out_detector()
    _leave_out_emojis()
    import apprise  # noqa: F401, PLC0415 - loaded once, shared by all children, as the plugins are that are known

    how, *modules = sys.argv[2:]
    if how == ALONE:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # as plugins expect it
    for module in modules:
        importlib.import_module(module)
    release_freed_memory()  # and a child's collections leave the pages shared that hold what was loaded
    while True:
        try:
            word, descriptors, _, _ = socket.recv_fds(control, 16, 1)
        except TimeoutError:
            return 0
        if not word:
            return 0
        for descriptor in descriptors:  # a message without one only begins the wait again
            if how == ALONE:
                _serve(socket.socket(fileno=descriptor))
                continue
            if os.fork() == 0:
                control.close()
                _serve_in_child(socket.socket(fileno=descriptor))
            os.close(descriptor)


def _leave_out_detector() -> None:
    """Let requests take an answer that names no encoding as UTF-8: what would guess it takes 2 MB.

    None makes the import fail, as where the package is not installed.
    """
    sys.modules["charset_normalizer"] = None  # type: ignore[assignment]
    warnings.filterwarnings("ignore", message="Unable to find acceptable character detection")


def _leave_out_emojis() -> None:
    """Load the table of emojis, 1 MB, only for a channel that asks for them (`?emojis=yes`)."""
    name = "apprise.emojis"

    def apply_emojis(content: str) -> str:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        return str(importlib.import_module(name).apply_emojis(content))

    stand_in = ModuleType(name)
    vars(stand_in)["apply_emojis"] = apply_emojis
    sys.modules[name] = stand_in


def _serve_in_child(connection: socket.socket) -> None:
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _serve(connection)
    finally:
        os._exit(0)


def _serve(connection: socket.socket) -> None:
    """Answer one request: a line when it begins, a line with how it went."""
    # Who asked may have given up.
    with suppress(OSError), connection, connection.makefile("rw") as stream:
        line = stream.readline()
        if not line:
            return
        request = json.loads(line)
        # The default action ends the process, even one that hangs where no Python code runs.
        signal.setitimer(signal.ITIMER_REAL, float(request["limit"]))
        stream.write("begun\n")
        stream.flush()
        stream.write(json.dumps(answer(request)) + "\n")
        stream.flush()
    signal.setitimer(signal.ITIMER_REAL, 0)


def answer(request: Mapping[str, str]) -> dict[str, str]:
    """Return what became of a request: `error` is empty if all went well; `module` is the plugin's, to load only that next time."""
    url = request["url"]
    try:
        import apprise  # noqa: PLC0415 - in the sender only
        from apprise.logger import logger  # noqa: PLC0415 - as above

        logger.propagate = False  # what it says is caught here, and goes nowhere else
        with apprise.LogCapture(level=logging.DEBUG, fmt="%(levelname)s %(message)s") as captured:  # type: ignore[no-untyped-call]
            service = _service(url, request.get("module", ""))
            if service is None:
                return {
                    "error": hide(_reasons(captured.getvalue()), url) or "it is not a URL that Apprise takes",
                    "module": "",
                }
            module = type(service).__module__
            if request["do"] == "check":
                return {"error": "", "module": module}
            post = apprise.Apprise()
            post.add(service)
            limits = int(service.body_maxlen), int(service.title_maxlen)
            title, body = fit(url.partition("://")[0].lower(), request["title"], request["body"], *limits)
            gone = post.notify(
                body=body,
                title=title,
                notify_type=apprise.NotifyType(request["type"]),
                body_format=apprise.NotifyFormat.TEXT,
            )
            why = _reasons(captured.getvalue())
    except Exception as error:  # noqa: BLE001 - any exception of a plugin is a reason, reported with its channel's name
        return {"error": hide(f"{type(error).__name__}: {error}", url), "module": ""}
    return {"error": "" if gone else hide(why, url) or "the service refused it", "module": module}


def _service(url: str, module: str) -> "apprise.NotifyBase | None":
    import apprise  # noqa: PLC0415 - in the sender only

    # Apprise itself would load all its 140 plugins to find the one.
    for plugin in vars(importlib.import_module(module)).values() if module else ():
        if isinstance(plugin, type) and plugin.__module__ == module and _takes(plugin, url.partition("://")[0].lower()):
            parts = plugin.parse_url(url)  # type: ignore[attr-defined]
            return plugin(**parts) if parts else None
    return apprise.Apprise.instantiate(url, suppress_exceptions=True)


def _takes(plugin: type, scheme: str) -> bool:
    words = (getattr(plugin, name, None) for name in ("protocol", "secure_protocol"))
    return any(word == scheme if isinstance(word, str) else scheme in (word or ()) for word in words)


def _reasons(log: str) -> str:
    """Return what Apprise's log says of a failure: its warnings, and of the rest what the network or the service answered."""
    found, lines = [], log.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        level, _, text = line.partition(" ")
        if level in {"WARNING", "ERROR", "CRITICAL"} or text.startswith("Socket Exception"):
            found.append(text.strip())
        elif text.startswith("Response Details") and following not in {"b''", ""}:
            found.append(following.strip())  # what the service wrote stands on a line of its own
    return "; ".join(dict.fromkeys(found[-3:]))[:_LONGEST]


def hide(text: str, url: str) -> str:
    """Return a text without any part of a URL that could be a token; its host is left."""
    rest = url.partition("://")[2]
    before, at, after = rest.rpartition("@")
    host = re.split(r"[/:?]", after, maxsplit=1)[0]
    tail = re.sub(r"^:\d{1,5}(?=[/?]|$)", "", after[len(host) :])  # a port is none
    if not at and not re.search(r"[/?:]", rest):
        host, tail = "", rest  # nothing but a token
    parts = {part for part in re.split(r"[/:@?&=,;]+", f"{before}/{tail}") if len(part) >= _SECRET}
    if not _looks_like_a_host(host):
        parts.add(host)
    hidden = text.replace(url, _HIDDEN)
    for part in sorted(parts | {unquote(part) for part in parts}, key=len, reverse=True):
        if part:
            hidden = hidden.replace(part, _HIDDEN)
    return hidden


def _looks_like_a_host(text: str) -> bool:
    return "." in text or text == "localhost" or text.startswith("[")


def fit(scheme: str, title: str, body: str, body_limit: int, title_limit: int) -> tuple[str, str]:
    """Return title and body as the service takes them.

    body_limit, title_limit: characters, as Apprise knows them. Where the title has no place of its own (a limit of 0) it is
    the first line of the body. A link in the last line stays whole.
    """
    most = min(limit for limit in (CHARACTERS.get(scheme), body_limit or None, 100_000) if limit)
    if title_limit > 0:
        title = _cut(title, title_limit)
    else:
        title = _cut(title, max(SHORTEST, most // 2))
        most = max(SHORTEST, most - len(title) - 2)
    body, _, link = body.rpartition("\n") if body.rpartition("\n")[2].startswith(LINE) else (body, "", "")
    most -= len(link) + bool(link)
    fitted = _shortened(body, most)
    in_bytes = BYTES.get(scheme, 0)
    while in_bytes and (over := len(fitted.encode()) + len(link) + 1 - in_bytes) > 0:
        most = min(most, len(fitted)) - max(1, over // 4)
        fitted = _shortened(body, most)
    return title, f"{fitted}\n{link}" if link else fitted


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _shortened(body: str, most: int) -> str:
    """Return the first lines, and where the rest is, in at most so many characters."""
    if len(body) <= most:
        return body
    lines = body.splitlines()
    for kept in range(len(lines) - 1, 0, -1):
        end = f"\n… and {len(lines) - kept} more lines: `make status`"
        text = "\n".join(lines[:kept]).rstrip()
        if len(text) + len(end) <= most:
            return text + end
    end = "… `make status`"
    return _cut(lines[0], most - len(end) - 1) + " " + end


if __name__ == "__main__":
    sys.exit(main())
