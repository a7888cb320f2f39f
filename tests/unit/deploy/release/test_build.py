"""What a release has of each service's strategies."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.errors import CommandError
from deploy.release import build
from deploy.release.build import ReleaseDraft
from deploy.release.release import Release, from_json
from deploy.transfer.host_images import HostImages
from deploy.transfer.images import Image
from deploy.transfer.shipment import Shipment
from tests.unit.strategy_file import BOT, TOP, write

CONFIGURATION = {
    "services": {"supervisor": {}, "c": {}, "t": {"labels": {"openbell.strategies": "a b"}}},
}


@pytest.fixture
def strategies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of strategies, each with a secret of its own; d belongs to a profile that is not asked for."""
    for name in "abcd":
        write(tmp_path, f'{TOP}secrets = ["KEY_{name.upper()}"]\n{BOT}at = "09:35"\n', name)
    for name in "ABC":
        monkeypatch.setenv(f"KEY_{name}", f"secret of {name}")
    return tmp_path


def test_a_service_gets_the_secrets_of_its_strategies(strategies: Path) -> None:
    """Of all that it hosts, and of no others; a strategy that is not deployed needs none."""
    assert build.secret_values(CONFIGURATION, strategies) == {
        "supervisor": {},
        "c": {"KEY_C": "secret of C"},
        "t": {"KEY_A": "secret of A", "KEY_B": "secret of B"},
    }


def test_what_comes_with_one_strategy_needs_its_secrets_too(strategies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others in its container; not those elsewhere."""
    monkeypatch.delenv("KEY_C")
    assert build.secret_values(CONFIGURATION, strategies, "a") == {
        "t": {"KEY_A": "secret of A", "KEY_B": "secret of B"}
    }
    monkeypatch.delenv("KEY_B")
    with pytest.raises(CommandError, match="without a value: KEY_B"):
        build.secret_values(CONFIGURATION, strategies, "a")


def test_the_manifests_of_a_service(strategies: Path) -> None:
    """By strategy; what has no strategy has none."""
    found = build.manifests(CONFIGURATION, strategies)
    assert {name: list(versions) for name, versions in found.items()} == {"c": ["c"], "t": ["a", "b"]}
    (strategies / "b/strategy.toml").write_text("changed")
    changed = build.manifests(CONFIGURATION, strategies)
    assert (changed["c"], changed["t"]["a"]) == (found["c"], found["t"]["a"])
    assert changed["t"]["b"] != found["t"]["b"]


def drafted(strategies: Path, identity: str, content: str, current: Release | None, *tags: str) -> ReleaseDraft:
    """Return the release that an image of this id and content makes, on a host that has images by these tags."""
    once = {"image": "bells/c:local", "labels": {"openbell.once": "yes"}}
    configuration = {"name": "bells", "services": {"c": {"image": "bells/c:local"}, "volumes": once}}
    image = Image("bells/c:local", "bells/c", f"sha256:{identity * 12}", ("sha256:1",), content=content)
    shipment = Shipment((image,), (), 0, "zstd", contents={"sha256:1": content})
    there = HostImages(frozenset({("sha256:0",)}), dict.fromkeys(tags, ""))
    return build.draft("r2", configuration, shipment, strategies, current, there)


def test_an_image_that_holds_the_same_is_the_one_that_runs(strategies: Path) -> None:
    """Two people who deploy the same sources in turn restart nothing, and send nothing."""
    first = drafted(strategies, "a", "same", None)
    assert first.ships == ("bells/c:local",)
    again = drafted(strategies, "b", "same", first.release, "bells/c:aaaaaaaaaaaa")
    assert again.ships == (), "nor for the service without a record, which has the same image"
    assert again.compose["services"]["volumes"]["image"] == "bells/c:aaaaaaaaaaaa"
    assert again.release.services == first.release.services
    assert again.release.layers == {"sha256:1": "same"}
    assert from_json(again.release.to_json()) == again.release


def test_an_image_that_holds_something_else_or_is_gone_there_is_sent(strategies: Path) -> None:
    """A record alone is no image."""
    first = drafted(strategies, "a", "same", None)
    for content, tags in (("other", ("bells/c:aaaaaaaaaaaa",)), ("same", ())):
        again = drafted(strategies, "b", content, first.release, *tags)
        assert again.ships == ("bells/c:local",)
        assert again.release.services["c"].image == "bells/c:bbbbbbbbbbbb"
        assert again.release.services["c"].fingerprint != first.release.services["c"].fingerprint


def test_what_layers_hold_is_remembered_while_the_host_has_them(strategies: Path) -> None:
    """Another person's layers are not read again; those that are gone would let each record be longer than the last."""
    current = drafted(strategies, "a", "same", None).release
    current = replace(current, layers={"sha256:0": "another person's", "sha256:9": "pruned"})
    assert drafted(strategies, "a", "same", current).release.layers == {
        "sha256:0": "another person's",
        "sha256:1": "same",
    }


def test_what_runs_by_another_name_need_not_travel(strategies: Path) -> None:
    """What earlier versions brought has other ids; it stays, unless services that share an image have different ones."""
    configuration = {"services": {"c": {"image": "bells/c:local"}}}
    first = drafted(strategies, "a", "same", None).release
    there = HostImages(frozenset(), {"bells/c:aaaaaaaaaaaa": ""})
    assert build.contents(configuration, first, there) == {"bells/c:local": "same"}
    assert build.contents(configuration, None, there) == {}
    assert build.contents(configuration, first, HostImages(frozenset())) == {}, "it was removed there"
    both = {"services": {**configuration["services"], "new": {"image": "bells/c:local"}}}
    assert build.contents(both, first, there) == {}
