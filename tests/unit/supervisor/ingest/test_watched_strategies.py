"""Who is watched: profiles that are asked for, and whatever runs."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import heartbeat
from openbell.manifest import Manifest, load
from openbell.supervisor.ingest.watched_strategies import CHECK_EVERY, WatchedStrategies, is_named
from tests.unit.strategy_file import write

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def manifests(tmp_path: Path) -> tuple[Manifest, ...]:
    """Two strategies, one of them of the profile `portfolio`."""
    bots = 'timezone = "UTC"\n[[bot]]\nsymbols = ["A"]\nevery = "1m"\n'
    return load(write(tmp_path, bots, "always")), load(write(tmp_path, 'profile = "portfolio"\n' + bots, "optional"))


def names(enrolment: WatchedStrategies) -> list[str]:
    """Return the names of the strategies that are watched."""
    return [manifest.name for manifest in enrolment.watched]


@pytest.mark.parametrize(
    "profile, profiles, named",
    [
        ("", (), True),
        ("portfolio", (), False),
        ("portfolio", ("metrics",), False),
        ("portfolio", ("metrics", "portfolio"), True),
        ("portfolio", ("portfolio-together",), True),
        ("portfolio", ("portfolios",), False),
        ("function", ("portfolio", "metrics"), False),  # a strategy that runs only as a function (W33)
    ],
)
def test_profiles(profile: str, profiles: tuple[str, ...], named: bool) -> None:
    """None is always asked for; one is by its name, and by its name with something behind it."""
    assert is_named(profile, profiles) is named


def test_a_profile_that_nobody_named_is_not_watched(manifests: tuple[Manifest, ...], tmp_path: Path) -> None:
    """Its strategies are in the image all the same."""
    assert names(WatchedStrategies(manifests, (), tmp_path / "journal")) == ["always"]
    assert names(WatchedStrategies(manifests, ("portfolio",), tmp_path / "journal")) == ["always", "optional"]


def test_what_is_started_without_a_word_is_watched_until_it_stops_in_order(
    manifests: tuple[Manifest, ...], tmp_path: Path
) -> None:
    """Its first beat is noticed; a crash leaves the beat, an orderly stop takes it away."""
    enrolment = WatchedStrategies(manifests, (), tmp_path / "journal")
    assert not enrolment.has_changed(0.0)
    (tmp_path / "journal" / "optional").mkdir(parents=True)
    heartbeat.write(tmp_path / "journal" / "optional", heartbeat.Heartbeat(NOW, "boot", ()))
    assert not enrolment.has_changed(CHECK_EVERY / 2)
    assert enrolment.has_changed(CHECK_EVERY)
    after = WatchedStrategies(manifests, (), tmp_path / "journal")
    assert names(after) == ["always", "optional"]
    assert not after.has_changed(0.0)
    heartbeat.end(tmp_path / "journal" / "optional")
    assert after.has_changed(CHECK_EVERY)
