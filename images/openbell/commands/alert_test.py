"""`openbell alert-test`: send one message to each channel, and say which failed and why."""

import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

from openbell.command_parser import command_parser
from openbell.supervisor.alerts.model import Message
from openbell.supervisor.alerts.sender_client import LIMIT, SenderClient, SendResult
from openbell.supervisor.alerts.settings import NO_CHANNEL, Channel, from_environment


def main(arguments: Sequence[str]) -> int:
    """Return 0 if every channel took its message, 1 if not, 2 if no channel is set or a setting is wrong."""
    parser = command_parser("alert-test")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for each channel (default: %(default)g)")
    limit: float = parser.parse_args(arguments).limit
    try:
        channels = from_environment(os.environ).channels
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not channels:
        print(NO_CHANNEL, file=sys.stderr)
        return 2
    return 0 if all(_test(channels, limit)) else 1


def _test(channels: Sequence[Channel], limit: float) -> list[bool]:
    """Send to all channels at once, print a line for each as it answers, and tell which took it."""
    results = [False] * len(channels)
    width = max(len(channel.name) for channel in channels)
    with closing(SenderClient(_now, limit)) as post:

        def send(place: int, channel: Channel) -> None:
            begun = time.monotonic()
            sent = post.send(channel, _message(channel))
            results[place] = not sent.error
            print(f"{channel.name:<{width}}  {_line(channel, sent, time.monotonic() - begun)}", flush=True)

        threads = [threading.Thread(target=send, args=about) for about in enumerate(channels)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return results


def _line(channel: Channel, sent: SendResult, seconds: float) -> str:
    kind = f"{channel.scheme}{', fallback' if channel.fallback else ''}"
    return f"FAILED ({kind}): {sent.error}" if sent.error else f"ok ({kind}, {seconds:.1f} s)"


def _message(channel: Channel) -> Message:
    at = f"{_now():%a %d %b %H:%M:%S UTC}"
    body = f'Channel "{channel.name}" works: alerts of openbell reach you here. It was asked for at {at}.'
    return Message("test", "info", "INFO: openbell alert test", body)


def _now() -> datetime:
    return datetime.now(UTC)
