"""The program for servers: the modules of deploy/remote/ as one text, checked by its hash there.

It is sent in front of a command's input, unless the server says that it has kept this very text from a deploy before.
"""

import hashlib
import json
import shutil
import subprocess
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from deploy.errors import CommandError
from deploy.processes import Output
from deploy.remote.session import KEPT
from deploy.ssh import errors, host
from deploy.ssh.connection import Connection, short
from deploy.ssh.control_master import end
from deploy.ssh.session import Answer, Session, SessionEndedError

REMOTE = Path(__file__).parents[1] / "remote"
# In an order in which each finds those that it imports.
MODULES = (
    *(
        "files",
        "engine_api",
        "docker_client",
        "plan",
        "records",
        "hold",
        "prune",
        "services",
        "preparation",
        "renames",
        "reloads",
        "way_back",
        "transaction",
    ),
    *("worker", "rest", "session", "receive", "host_queries", "images", "data", "survey", "main"),
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
# Takes the program from the file that an earlier deploy has left there, or else from standard input, and not a byte of what
# follows it. The first line of output says which.
_TAKE = """\
import hashlib, os, sys, zlib
path, size, expected = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def known():
    return hashlib.sha256(text).hexdigest() == expected
try:
    text = open(path, "rb").read()
except OSError:
    text = b""
print("kept" if known() else "send", flush=True)
if not known():
    packed = b""
    while len(packed) < size:
        some = os.read(0, size - len(packed))
        if not some:
            sys.exit("openbell: the program for the server did not arrive whole")
        packed += some
    try:
        text = zlib.decompress(packed)
    except zlib.error:
        text = b""
    if not known():
        sys.exit("openbell: the program for the server was changed on its way")
"""
_RUN = """\
text, names = text.decode(), {"__name__": "program"}
exec(compile(text, "program.py", "exec"), names)
sys.exit(names["load"]()(sys.argv[4:], text))
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


def command(*words: str, folder: str) -> Sequence[str]:
    """Return the words that run a command of the program on a server.

    It prints "kept" if the folder has the program, or else "send": then `packed()` is the beginning of its input.
    """
    return (
        "python3",
        "-I",
        "-c",
        _TAKE + _RUN,
        f"{folder}/{KEPT}/{identity()}.py",
        str(len(packed())),
        identity(),
        *words,
    )


def start(connection: Connection, *words: str, said: BinaryIO | None = None) -> "subprocess.Popen[bytes]":
    """Start a command of the program on a server, whose input and output are the command's own from here on.

    said: a file for its standard error, instead of ours.
    """
    process = connection.start(command(*words, folder=connection.host.folder), errors=said)
    assert process.stdin  # noqa: S101 - a pipe
    assert process.stdout  # noqa: S101 - a pipe
    if process.stdout.readline() == b"send\n":
        with suppress(OSError):  # then its exit code says more
            process.stdin.write(packed())
            process.stdin.flush()
    return process


def ask(
    connection: Connection,
    *words: str,
    input: str = "",  # noqa: A002 - as subprocess calls it
    timeout: float | None = 60,
    doing: str | None = None,
) -> str:
    """Run a command of the program that must succeed, and return what it printed; CommandError says what failed."""
    answer = attempt(connection, *words, input=input, timeout=timeout, doing=doing)
    if answer.code:
        raise _failed(connection, words, doing, answer.err, answer.code)
    return answer.out.rstrip("\n")


def attempt(
    connection: Connection,
    *words: str,
    input: str = "",  # noqa: A002 - as subprocess calls it
    timeout: float | None = 60,
    doing: str | None = None,
) -> Answer:
    """Run a command of the program, in the one process that answers all commands of a connection."""
    session = connection.session
    if session is None or session.is_over:
        session = connection.session = _session(connection)
    try:
        return session.ask(words, input, timeout)
    except TimeoutError:
        name = connection.host.name
        msg = f"{name}: no answer to `{short(words)}` within {timeout:g} s: try again, or look there with `{connection.host.ssh}`"
        raise CommandError(msg) from None
    except SessionEndedError as ended:
        connection.must_live(ended.code, words)
        said = ended.said if ended.code else "the server has heard nothing from this machine for too long: try again"
        raise _failed(connection, words, doing, said, ended.code) from None


def is_kept(connection: Connection) -> bool:
    """Tell whether the server has kept this very program from a deploy before; then it answers from here on."""
    if connection.session is None or connection.session.is_over:
        with ExitStack() as stack:
            said = stack.enter_context(TemporaryFile())
            process = connection.start(command("serve", folder=connection.host.folder), errors=said)
            assert process.stdin  # noqa: S101 - a pipe
            assert process.stdout  # noqa: S101 - a pipe
            if process.stdout.readline() != b"kept\n":
                process.stdin.close()
                end(process)
                process.stdout.close()
                return False
            stack.pop_all()
            connection.session = Session(process, said)
    return True


def _session(connection: Connection) -> Session:
    with ExitStack() as stack:
        said = stack.enter_context(TemporaryFile())
        process = start(connection, "serve", said=said)
        stack.pop_all()
        return Session(process, said)


def _failed(connection: Connection, words: Sequence[str], doing: str | None, said: str, code: int) -> CommandError:
    why = errors.reason(said).removeprefix("openbell: ") or f"exit code {code}"
    return CommandError(f"{connection.host.name}: {doing or f'`{short(words)}`'} failed: {why}")


def stream(
    connection: Connection, *words: str, source: BinaryIO | None = None, target: BinaryIO | None = None
) -> Output:
    """Run a command of the program that reads a file of ours, or writes one, of any size; return how it ended."""
    return exchange(connection, lambda said: start(connection, *words, said=said), source, target)


def exchange(
    connection: Connection,
    begin: "Callable[[BinaryIO], subprocess.Popen[bytes]]",
    source: BinaryIO | None,
    target: BinaryIO | None,
) -> Output:
    """Begin a command, which is handed a file for its errors; give it a file of ours, or write one, and return how it ended."""
    with TemporaryFile() as said, TemporaryFile() as printed:
        process = begin(said)
        assert process.stdin  # noqa: S101 - a pipe
        assert process.stdout  # noqa: S101 - a pipe
        try:
            with suppress(BrokenPipeError), process.stdin:  # then its exit code says more
                if source:
                    shutil.copyfileobj(source, process.stdin)
            shutil.copyfileobj(process.stdout, target or printed)
            code = process.wait()
        finally:
            end(process)
            process.stdout.close()
        connection.must_live(code, ("the transfer of data",))
        said.seek(0)
        printed.seek(0)
        words_said = host.after_welcome(said.read()).decode(errors="replace")
        return Output(code, printed.read().decode(errors="replace"), words_said)
