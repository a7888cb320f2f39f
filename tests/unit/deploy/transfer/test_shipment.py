"""Writing a shipment, and saying how far it is."""

import io
from pathlib import Path

import pytest

from deploy.log import log_to_stdout
from deploy.transfer.images import Image, Layer
from deploy.transfer.shipment import Shipment, size
from deploy.transfer.upload import Meter, duration, write


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_a_transfer_tells_its_rate_and_what_is_left() -> None:
    """A quarter in two seconds leaves six."""
    clock = Clock()
    meter = Meter(40_000_000, clock)
    clock.now += 2
    meter.done = 10_000_000
    assert (meter.rate, meter.left) == (5_000_000, 6.0)
    assert meter.bar() == "openbell: shipping [######..................] 10.0 MB of 40.0 MB  5.0 MB/s  6 s left"


def test_before_the_first_byte_nobody_knows_how_long_it_takes() -> None:
    """Nothing is divided by nothing."""
    meter = Meter(1000, Clock())
    assert meter.left is None
    assert meter.bar().endswith("0 B of 1.0 kB  0 B/s")


@pytest.mark.parametrize(
    "count,text", [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_340_000, "12.3 MB"), (2 * 10**9, "2.0 GB")]
)
def test_bytes_for_a_person(count: int, text: str) -> None:
    """In steps of a thousand, as networks count."""
    assert size(count) == text


@pytest.mark.parametrize("seconds,text", [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1m00s"), (125, "2m05s")])
def test_seconds_for_a_person(seconds: float, text: str) -> None:
    """Minutes from sixty seconds on."""
    assert duration(seconds) == text


def test_exactly_the_shipments_bytes_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are followed by others on the same channel, which stays open."""
    (tmp_path / "archive").write_bytes(b"0123456789" * 20_000)
    shipment = Shipment((), (), 200_000, "zstd", tmp_path / "archive", ("a:1",))
    stream = io.BytesIO(b"")
    write(shipment, stream, log_to_stdout("text"))
    assert stream.getvalue() == b"0123456789" * 20_000
    assert shipment.sent.is_set()
    assert capsys.readouterr().out.startswith("openbell: shipped (bytes: 200.0 kB, seconds: ")


def test_nothing_is_written_where_nothing_travels() -> None:
    """The other end waits for no byte."""
    stream = io.BytesIO()
    write(Shipment((), (), 0, "zstd"), stream, log_to_stdout("text"))
    assert stream.getvalue() == b""


def test_a_plan_says_what_travels() -> None:
    """Each layer once, with its size and who needs it; and that nothing does."""
    images = tuple(Image(f"{name}:local", name, f"sha256:{name * 64}", ()) for name in ("a", "b"))
    layers = (Layer(f"sha256:{'1' * 64}", 120_700_000, ("a", "b")), Layer(f"sha256:{'2' * 64}", 6_700, ("b",)))
    assert Shipment(images, layers, 47_500_000, "zstd", Path("archive"), (images[0].tag, images[1].tag)).lines() == (
        "images: 2 of 2 to ship: 2 layers, 120.7 MB, packed to 47.5 MB (zstd)",
        "    111111111111   120.7 MB  a, b",
        "    222222222222     6.7 kB  b",
    )
    assert Shipment(images, (), 0, "zstd").lines() == ("images: nothing to ship: all 2 are there",)
    assert Shipment((), (), 0, "zstd").lines() == ("images: nothing to ship",), (
        "all hold what runs there by other names"
    )


def test_a_load_needs_room_for_the_archive_and_for_what_is_made_of_it() -> None:
    """A host with less is told so before anything is sent."""
    layers = (Layer("sha256:1", 100_000_000, ("a",)),)
    assert Shipment((), layers, 40_000_000, "zstd", Path("archive"), ("a:1",)).disk_bytes > 200_000_000
    assert Shipment((), (), 0, "zstd").disk_bytes == 0
