"""The services in compose/strategies.yaml."""

from pathlib import Path

import pytest
import yaml

from deploy.docker.services import builders, hosted, names, strategies, without_folder
from deploy.errors import CommandError
from openbell.manifest import load_all

ROOT = Path(__file__).parents[4]


def test_the_projects_own_services_are_its_strategies() -> None:
    """Every folder has a service, and every service a folder."""
    folders = [path.name for path in (ROOT / "strategies").iterdir() if path.is_dir()]
    files = [ROOT / "compose" / f"{name}.yaml" for name in ("strategies", "portfolio", "brokers")]
    assert sorted(folders) == sorted(name for file in files for name in names(file))


def test_a_profile_is_the_same_in_the_manifest_and_in_compose() -> None:
    """The supervisor reads the one, Compose the other."""
    listed: dict[str, dict[str, object]] = {}
    for name in ("portfolio", "brokers"):
        listed |= yaml.safe_load((ROOT / "compose" / f"{name}.yaml").read_text())["services"]
    manifests, _ = load_all(ROOT / "strategies")
    assert {name: [one] for name, one in ((m.name, m.profile) for m in manifests) if one} == {
        name: service["profiles"] for name, service in listed.items()
    }


def test_the_container_for_all_is_the_portfolios() -> None:
    """Its label names the strategies that its image is built with, which are those of the profile."""
    service = yaml.safe_load((ROOT / "compose/together.yaml").read_text())["services"]["together"]
    manifests, _ = load_all(ROOT / "strategies")
    assert sorted(strategies("together", service["labels"])) == [m.name for m in manifests if m.profile == "portfolio"]
    assert service["labels"]["openbell.strategies"] == service["build"]["args"]["STRATEGIES"]


def test_what_a_service_is_for() -> None:
    """The strategies of its label, or the one of its name."""
    services = {"pulse": {}, "slow": {"labels": {"other": "x"}}, "t": {"labels": {"openbell.strategies": "a  b\n"}}}
    assert hosted({"services": services}) == {"pulse": ("pulse",), "slow": ("slow",), "t": ("a", "b")}


def test_a_strategy_in_two_services_is_refused() -> None:
    """They would wait for each other."""
    services = {"a": {"labels": None}, "t": {"labels": {"openbell.strategies": "a b"}}}
    with pytest.raises(CommandError, match=r"^compose: a would run in a and in t: ask for the profile of one of them$"):
        hosted({"services": services})


def test_an_image_is_built_once() -> None:
    """Of services with one image, one that runs on builds it; what is pulled is not built."""
    services: dict[str, dict[str, object]] = {
        "volumes": {"image": "kit/supervisor", "build": {}, "labels": {"openbell.once": "true"}},
        "supervisor": {"image": "kit/supervisor", "build": {}},
        "pulse": {"image": "kit/pulse", "build": {}},
        "own": {"build": {}},
        "prometheus": {"image": "prometheus"},
    }
    assert builders({"services": services}) == ("own", "pulse", "supervisor")


def test_only_services_count(tmp_path: Path) -> None:
    """Comments, what is deeper, and what comes before the services do not."""
    file = tmp_path / "strategies.yaml"
    file.write_text("x:\n  a: 1\nservices:\n  b: # one\n    c: 1\n  # d:\n  e_2:\n    f: 1\n")
    assert names(file) == ("b", "e_2")


def test_a_service_without_a_folder_is_one_line() -> None:
    """A folder without a service is none: its service is derived from its manifest."""
    assert without_folder(["a", "c"], ["b", "a"]) == (
        "compose: b: has no folder strategies/b: add it, or remove the service",
    )
