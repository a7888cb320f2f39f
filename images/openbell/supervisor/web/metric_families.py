"""Families of metrics for prometheus_client, from samples with labels. Pure.

prometheus_client's own gauges and counters keep their values in memory; ours are in the snapshot and in the store.
"""

from collections.abc import Iterable, Mapping

from prometheus_client import Metric

Labels = Mapping[str, str]


def gauge(name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> Metric:
    """Return a family of values that go up and down."""
    return _family(name, "gauge", text, ((name, labels, value) for labels, value in samples))


def counter(name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> Metric:
    """Return a family of values that only grow; its name ends with _total."""
    return _family(name.removesuffix("_total"), "counter", text, ((name, labels, value) for labels, value in samples))


def histogram(
    name: str, text: str, bounds: Iterable[float], samples: Iterable[tuple[Labels, Mapping[str, float], float]]
) -> Metric:
    """Return a histogram. samples: labels, how many lie up to each bound and above the one before, and the sum of all."""
    names = [*(str(bound) for bound in bounds), "+Inf"]
    found: list[tuple[str, Labels, float]] = []
    for labels, buckets, total in samples:
        count = 0.0
        for le in names:
            count += buckets.get(le, 0.0)
            found.append((f"{name}_bucket", {**labels, "le": le}, count))
        found += [(f"{name}_sum", labels, total), (f"{name}_count", labels, count)]
    return _family(name, "histogram", text, found)


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[str, Labels, float]]) -> Metric:
    family = Metric(name, text, kind)
    for sample, labels, value in samples:
        family.add_sample(sample, dict(labels), value)
    return family
