"""How large the images are, and which part of them is a strategy's own."""

from docker.models.images import Image

from tests.bench.containers import Bench
from tests.bench.figures import Budget, Report, Table

BASE = "python:3.13-slim-trixie"


def measure(bench: Bench) -> Report:
    """Ask the engine; what lies above the layers of another image is an image's own."""
    base = bench.client.images.get(BASE)
    runtime = bench.client.images.get(bench.kit.image("runtime"))
    rows = [(f"{BASE} (base)", _megabytes(_size(base)), UNSHARED, UNSHARED)]
    for label, name, below in (
        ("openbell, runtime (once for all strategies)", "runtime", base),
        ("openbell, one strategy", "quiet_1", runtime),
        ("openbell, supervisor", "supervisor", base),
        ("guide: schedule and a script", "schedule", base),
        ("APScheduler and a script", "apscheduler", base),
    ):
        image = bench.client.images.get(bench.kit.image(name))
        rows.append(
            (label, _megabytes(_size(image)), _kilobytes(_size(image) - _size(below)), str(_layers(image, below)))
        )
    added = _size(bench.client.images.get(bench.kit.image("supervisor"))) - _size(runtime)
    budget = Budget("the supervisor's image over the runtime", _megabytes(added), "<= 40 MB", added <= 40e6)
    notes = ["own: what its layers add to the base, a strategy's to the runtime; uncompressed"]
    title = str((base.attrs["Config"].get("Labels") or {}).get("org.opencontainers.image.title", ""))
    if title:
        notes.append(f"the base image here is a {title}; the real one's size differs, the layers on it do not")
    return Report((Table("Image sizes", ("", "in all", "own", "own layers"), tuple(rows), tuple(notes)),), (budget,))


UNSHARED = ""


def _size(image: Image) -> int:
    return int(image.attrs["Size"])


def _layers(image: Image, below: Image) -> int:
    own, shared = image.attrs["RootFS"]["Layers"], below.attrs["RootFS"]["Layers"]
    if own[: len(shared)] != shared:
        msg = f"{image.tags} does not stand on {below.tags}"
        raise RuntimeError(msg)
    return len(own) - len(shared)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _kilobytes(size: int) -> str:
    return f"{size / 1e3:,.0f} KB"
