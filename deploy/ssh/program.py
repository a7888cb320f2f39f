"""The program for servers: the modules of deploy/remote/ as one text, checked by its hash there.

It is sent in front of a command's input, unless the server has said that it kept this very text from a deploy before.
"""

import hashlib
import json
import shutil
import subprocess
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from deploy.processes import Output
from deploy.remote.session import KEPT
from deploy.ssh import login_shell
from deploy.ssh.connection import Connection
from deploy.ssh.control_master import end

REMOTE = Path(__file__).parents[1] / "remote"
# In an order in which each finds those that it imports.
MODULES = (
    *(
        "files",
        "docker_client",
        "plan",
        "records",
        "hold",
        "prune",
        "services",
        "preparation",
        "renames",
        "transaction",
    ),
    *("worker", "rest", "session", "receive", "look", "images", "data", "main"),
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
_SENT = """\
import hashlib, os, sys, zlib
size, expected, packed = int(sys.argv[1]), sys.argv[2], b""
while len(packed) < size:
    some = os.read(0, size - len(packed))
    if not some:
        sys.exit("openbell: the program for the server did not arrive whole")
    packed += some
try:
    text = zlib.decompress(packed)
except zlib.error:
    text = b""
if hashlib.sha256(text).hexdigest() != expected:
    sys.exit("openbell: the program for the server was changed on its way")
"""
# Reads it from a file that an earlier deploy has left there.
_KEPT = """\
import hashlib, os, sys
path, expected = sys.argv[1:3]
text = open(path, "rb").read() if os.path.exists(path) else b""
if hashlib.sha256(text).hexdigest() != expected:
    if os.path.exists(path):
        os.unlink(path)
    sys.exit("openbell: the program that the server had kept was lost or changed: try again, and it is sent anew")
"""
_RUN = """\
text, names = text.decode(), {"__name__": "program"}
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


@cache
def identity() -> str:
    """Return the hash of the program's text, by which a server keeps it."""
    return hashlib.sha256(source().encode()).hexdigest()


def command(*words: str, kept: str | None = None) -> Sequence[str]:
    """Return the words that run a command of the program on a server; `packed()` is the beginning of its input.

    kept: the file there that has the program already; then the input is the command's own.
    """
    script, where = (_KEPT, kept) if kept else (_SENT, str(len(packed())))
    return ("python3", "-I", "-c", script + _RUN, where, identity(), *words)


@dataclass(frozen=True)
class Call:
    """The words that run a command of the program on a server, and the bytes that go before the command's own input."""

    words: Sequence[str]
    before: bytes


def call(connection: Connection, *words: str) -> Call:
    """Return how a command of the program is run over this connection."""
    if identity() not in connection.kept_programs:
        return Call(command(*words), packed())
    return Call(command(*words, kept=f"{connection.host.folder}/{KEPT}/{identity()}.py"), b"")


def ask(
    connection: Connection,
    *words: str,
    input: bytes = b"",  # noqa: A002 - as subprocess calls it
    timeout: float = 60,
    doing: str | None = None,
) -> str:
    """Run a command of the program that must succeed, and return what it printed; CommandError says what failed."""
    one = call(connection, *words)
    return connection.check(one.words, input=one.before + input, timeout=timeout, doing=doing).text


def stream(
    connection: Connection, *words: str, source: BinaryIO | None = None, target: BinaryIO | None = None
) -> Output:
    """Run a command of the program that reads a file of ours, or writes one, of any size; return how it ended."""
    one = call(connection, *words)
    with TemporaryFile() as errors, TemporaryFile() as printed:
        process = subprocess.Popen(
            connection.command_line(one.words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # a Ctrl-C is for this process, which then ends the other
        )
        assert process.stdin  # noqa: S101 - a pipe
        assert process.stdout  # noqa: S101 - a pipe
        try:
            with suppress(BrokenPipeError), process.stdin:  # then its exit code says more
                process.stdin.write(one.before)
                if source:
                    shutil.copyfileobj(source, process.stdin)
            for line in process.stdout:
                if login_shell.is_begin(line):
                    break
            shutil.copyfileobj(process.stdout, target or printed)
            code = process.wait()
        finally:
            end(process)
            process.stdout.close()
        connection.must_live(code, ("the transfer of data",))
        errors.seek(0)
        printed.seek(0)
        said = login_shell.after_welcome(errors.read()).decode(errors="replace")
        return Output(code, printed.read().decode(errors="replace"), said)
