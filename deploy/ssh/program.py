"""The program for servers: the modules of deploy/remote/ as one text, sent with each command and checked by its hash there."""

import hashlib
import json
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from deploy.ssh.connection import Connection

REMOTE = Path(__file__).parents[1] / "remote"
# In an order in which each finds those that it imports.
MODULES = (
    *("files", "docker_client", "plan", "records", "hold", "prune", "services", "transaction", "worker"),
    *("session", "receive", "look", "images", "main"),
)
# Makes modules of the texts that it carries, in memory: a server's disk may be full or read-only.
_LOADER = """\
import sys, types
SOURCES = {sources}
def load():
    for name, text in SOURCES:
        module = types.ModuleType(name)
        module.__path__ = []
        sys.modules[name] = module
        exec(compile(text, name.replace(".", "/") + ".py", "exec"), module.__dict__)
    return sys.modules["deploy.remote.main"].main
"""
_AS_FILE = """
if __name__ == "__main__":
    sys.exit(load()(sys.argv[1:]))
"""
# Reads the program from standard input, and not a byte of what follows it.
_BOOT = """\
import hashlib, os, sys, zlib
size, expected, packed = int(sys.argv[1]), sys.argv[2], b""
while len(packed) < size:
    some = os.read(0, size - len(packed))
    if not some:
        sys.exit("openbell: the program for the server did not arrive whole")
    packed += some
if hashlib.sha256(packed).hexdigest() != expected:
    sys.exit("openbell: the program for the server was changed on its way")
text = zlib.decompress(packed).decode()
names = {"__name__": "program"}
exec(compile(text, "program.py", "exec"), names)
sys.exit(names["load"]()(sys.argv[3:], text))
"""


@cache
def source() -> str:
    """Return the program's text; as a file it can be run, too."""
    texts = [("deploy", "")]
    texts.append(("deploy.remote", (REMOTE / "__init__.py").read_text(encoding="utf-8")))
    texts += [(f"deploy.remote.{name}", (REMOTE / f"{name}.py").read_text(encoding="utf-8")) for name in MODULES]
    return _LOADER.format(sources=json.dumps(texts, indent=0)) + _AS_FILE


@cache
def packed() -> bytes:
    """Return what goes before a command's own input."""
    return zlib.compress(source().encode(), 9)


def command(*words: str) -> Sequence[str]:
    """Return the words that run a command of the program on a server; `packed()` is the beginning of its input."""
    return ("python3", "-I", "-c", _BOOT, str(len(packed())), hashlib.sha256(packed()).hexdigest(), *words)


def ask(
    connection: Connection,
    *words: str,
    input: bytes = b"",  # noqa: A002 - as subprocess calls it
    timeout: float = 60,
    doing: str | None = None,
) -> str:
    """Run a command of the program that must succeed, and return what it printed; CommandError says what failed."""
    return connection.check(command(*words), input=packed() + input, timeout=timeout, doing=doing).text
