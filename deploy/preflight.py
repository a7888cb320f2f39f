"""What would keep openbell from starting on this machine, found before anything is started."""

import errno
import os
import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from deploy.errors import CommandError
from deploy.settings import Settings

SPARE = 64_000_000  # bytes that must be free where journals and ledgers are written
# One of these says that a page which other machines can reach is meant to be one.
READ_TOKENS = ("OPENBELL_READ_TOKEN", "OPENBELL_READ_TOKEN_FILE", "OPENBELL_TOKEN", "OPENBELL_TOKEN_FILE")
PUBLIC = "OPENBELL_PUBLIC"


def port(settings: Settings) -> None:
    """Raise CommandError unless the status page can listen where it is to."""
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    try:
        socket.create_server((settings.bind, settings.port), family=family).close()
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                msg = (
                    f"port {settings.port} is in use by another program, or by another installation of openbell: "
                    "set OPENBELL_PORT in .env to a free one"
                )
            case errno.EADDRNOTAVAIL:
                msg = f"OPENBELL_BIND: {settings.bind} is not an address of this machine: `ip address` lists those that are"
            case errno.EACCES:
                msg = f"port {settings.port} is for root alone: set OPENBELL_PORT in .env to one above 1023"
            case _:
                msg = f"the status page cannot listen on {settings.bind}, port {settings.port}: {error.strerror}"
        raise CommandError(msg) from None


def folder(data: Path) -> None:
    """Raise CommandError unless journals and ledgers can be written in a folder, which is made if it is not there."""
    probe = data / f".probe-{os.getpid()}"
    try:
        data.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(bytes(4096))
        probe.unlink()
        free = shutil.disk_usage(data).free
    except OSError as error:
        with suppress(OSError):
            probe.unlink()
        if error.errno == errno.ENOSPC:
            raise _full(data) from None
        msg = (
            f"{data} cannot be written ({error.strerror}): give it to this user, or set OPENBELL_DATA to another folder"
        )
        raise CommandError(msg) from None
    if free < SPARE:
        raise _full(data)


def engine_disk(folder: Path) -> None:
    """Raise CommandError if the disk on which the engine of this machine keeps its files is full."""
    with suppress(OSError):  # it is another machine's, or a virtual one's
        if shutil.disk_usage(folder).free < SPARE:
            msg = (
                f"the disk with {folder}, where Docker keeps its files, is full (less than {SPARE // 1_000_000} MB free): "
                "`docker system df` shows what takes room, `docker image prune` removes old images"
            )
            raise CommandError(msg)


def exposure(settings: Settings, given: Mapping[str, str]) -> None:
    """Raise CommandError if other machines could read the page without a token, and nothing says that they may."""
    is_meant = given.get(PUBLIC) == "yes" or any(given.get(key) for key in READ_TOKENS)
    if is_meant or ip_address(settings.bind).is_loopback:
        return
    msg = (
        f"OPENBELL_BIND={settings.bind} shows positions and orders to everyone who reaches this machine: "
        f"set {READ_TOKENS[0]} in .env, or {PUBLIC}=yes if that is what you want"
    )
    raise CommandError(msg)


def _full(data: Path) -> CommandError:
    return CommandError(
        f"the disk with {data} is full (less than {SPARE // 1_000_000} MB free): make room, or set OPENBELL_DATA to a "
        "folder on another disk"
    )
