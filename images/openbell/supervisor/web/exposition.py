"""The text format of Prometheus, version 0.0.4: families of samples become lines. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Family:
    """One metric. A sample is a suffix of the name (empty but for histograms), labels and a value."""

    name: str
    kind: str  # gauge, counter or histogram
    help: str
    samples: tuple[tuple[str, Labels, float], ...]


def gauge(name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> Family:
    """Return a family of values that go up and down."""
    return Family(name, "gauge", text, tuple(("", labels, value) for labels, value in samples))


def counter(name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> Family:
    """Return a family of values that only grow."""
    return Family(name, "counter", text, tuple(("", labels, value) for labels, value in samples))


def histogram(
    name: str, text: str, bounds: Iterable[float], samples: Iterable[tuple[Labels, Mapping[str, float], float]]
) -> Family:
    """Return a histogram. samples: labels, how many lie up to each bound and above the one before, and the sum of all."""
    names = [*(str(bound) for bound in bounds), "+Inf"]
    found: list[tuple[str, Labels, float]] = []
    for labels, buckets, total in samples:
        count = 0.0
        for le in names:
            count += buckets.get(le, 0.0)
            found.append(("_bucket", {**labels, "le": le}, count))
        found += [("_sum", labels, total), ("_count", labels, count)]
    return Family(name, "histogram", text, tuple(found))


def text(families: Iterable[Family]) -> str:
    """Return all families as one text; those without samples are left out."""
    return "".join(line + "\n" for family in families if family.samples for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_escaped(family.help)}"
    yield f"# TYPE {family.name} {family.kind}"
    for suffix, labels, value in family.samples:
        told = ",".join(f'{name}="{_quoted(label)}"' for name, label in labels.items())
        yield f"{family.name}{suffix}{'{' + told + '}' if told else ''} {value:.15g}"


def _escaped(said: str) -> str:
    return said.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(said: str) -> str:
    return _escaped(said).replace('"', r"\"")
