"""Writes a shipment into a channel, and says how far it is."""

import sys
import time
from collections.abc import Callable
from typing import IO

from deploy.log import Log
from deploy.transfer.shipment import Shipment, size
from openbell import terminal

_PIECE = 1 << 16
_DRAW_EVERY = 0.1  # seconds between two drawings on a terminal
_LINE_EVERY = 5.0  # seconds between two lines elsewhere
_WIDTH = 24  # characters of the bar

Clock = Callable[[], float]


class Meter:
    """How far a transfer is: pure, but for the clock that it is given."""

    def __init__(self, total: int, clock: Clock = time.monotonic) -> None:
        self.total = total
        self.done = 0
        self._clock = clock
        self._started = clock()

    @property
    def seconds(self) -> float:
        """How long it has run so far, in seconds."""
        return self._clock() - self._started

    @property
    def rate(self) -> float:
        """Bytes a second, so far."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """How many seconds it will still take if it goes on so; None while that is unknown."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None

    def bar(self) -> str:
        """Return the line that a terminal shows."""
        filled = _WIDTH * self.done // self.total if self.total else _WIDTH
        left = "" if self.left is None else f"  {duration(self.left)} left"
        return (
            f"openbell: shipping [{'#' * filled}{'.' * (_WIDTH - filled)}] "
            f"{size(self.done)} of {size(self.total)}  {size(int(self.rate))}/s{left}"
        )


def write(shipment: Shipment, stream: IO[bytes], log: Log) -> None:
    """Write the shipment's bytes, all of them and no others, and flush; the stream stays open.

    BrokenPipeError if the other end has gone.
    """
    if shipment.cargo is None:
        return
    terminal = sys.stderr.isatty() and sys.stdout.isatty()
    meter = Meter(shipment.wire_bytes)
    told = 0.0
    with shipment.cargo.open("rb") as cargo:
        for piece in shipment.packing.pieces() if shipment.packing else iter(lambda: cargo.read(_PIECE), b""):
            stream.write(piece)
            meter.done += len(piece)
            if shipment.packing:
                meter.total = shipment.packing.expected_bytes
            if terminal and meter.seconds - told >= _DRAW_EVERY:
                told = meter.seconds
                _draw(meter.bar())
            elif not terminal and meter.seconds - told >= _LINE_EVERY:
                told = meter.seconds
                log.info(
                    "shipping",
                    sent=size(meter.done),
                    of=size(meter.total),
                    rate=f"{size(int(meter.rate))}/s",
                    left=duration(meter.left or 0),
                )
    stream.flush()
    if terminal:
        _draw("")
    log.info("shipped", bytes=size(meter.done), seconds=round(meter.seconds, 1))
    shipment.sent.set()


def duration(seconds: float) -> str:
    """Return seconds as a person reads them."""
    whole = round(seconds)
    return f"{whole // 60}m{whole % 60:02}s" if whole >= 60 else f"{whole} s"


def _draw(line: str) -> None:
    terminal.progress(line)
