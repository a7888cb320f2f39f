"""Ships images to a host, in one go."""

import base64
import contextlib
import io
import subprocess

from deploy.errors import CommandError
from deploy.log import Log
from deploy.ssh import program
from deploy.ssh.connection import Connection
from deploy.transfer.host_images import HostImages
from deploy.transfer.shipment import Shipment, load_command, prepared
from deploy.transfer.upload import write

_LOADED_WITHIN = 900  # seconds after the last byte
_WITHIN_A_QUESTION = 64 << 10  # packed bytes up to which no channel of their own is opened for them


def deliver(connection: Connection, first: Shipment, has: HostImages, log: Log) -> tuple[Shipment, ...]:
    """Send a shipment to a host that has these images, and see that they are whole there; CommandError if they are not.

    What the host says it has is believed once: if the images are not whole afterwards, everything is sent. Returns what was
    sent, the last of it holding the images as they are called on the host.
    """
    said = send(connection, first, log)
    if not said:
        return (first,)
    log.info("the host lacks what it said it has: sending everything", because=said)
    references = [image.reference for image in first.images]
    with prepared(references, has.nothing(), log) as second:
        said = send(connection, second, log)
    if said:
        msg = f"{connection.host.name}: the images did not arrive whole: {said}"
        raise CommandError(msg)
    return first, second


def send(connection: Connection, shipment: Shipment, log: Log) -> str:
    """Send a shipment and check it; return what the host has against it, or nothing."""
    words = load_command(shipment)
    if shipment.packing is None and shipment.wire_bytes <= _WITHIN_A_QUESTION:
        cargo = io.BytesIO()
        write(shipment, cargo, log)
        given = base64.b64encode(cargo.getvalue()).decode()
        answer = program.attempt(connection, *words, input=given, timeout=_LOADED_WITHIN, doing="loading the images")
        return _reason(answer.code, answer.out or answer.err)
    with program.start(connection, *words) as process:
        stdin, process.stdin = process.stdin, None  # or communicate would want to write to it
        assert stdin  # noqa: S101 - a pipe
        # If it breaks, what the other end said before it went is read below.
        with contextlib.suppress(BrokenPipeError), contextlib.closing(stdin):
            write(shipment, stdin, log)
        try:
            output, _ = process.communicate(timeout=_LOADED_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            msg = f"{connection.host.name}: the engine there has not loaded the images within {_LOADED_WITHIN} s: check it with `{connection.host.ssh}`"
            raise CommandError(msg) from None
    connection.must_live(process.returncode, words)
    return _reason(process.returncode, output.decode(errors="replace"))


def _reason(code: int, said: str) -> str:
    """Return the first line of what the host has against a shipment, or nothing if it has taken it."""
    lines = said.strip().splitlines()
    return "" if code == 0 else lines[0].removeprefix("openbell: ") if lines else f"exit code {code}"
