"""A folder of one's own: written by `make init`, run without a Compose file, and nothing of the kit is changed by it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deploy.docker import generated
from deploy.errors import CommandError
from deploy.strategy_folders import own_folder
from openbell.manifest import load, load_all


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A kit with one example, as the folder in which the commands run."""
    folder = tmp_path / "kit"
    (folder / "compose").mkdir(parents=True)
    for name in ("strategies", "portfolio", "brokers"):
        (folder / "compose" / f"{name}.yaml").write_text("services: {}\n")
    (folder / "compose" / "strategies.yaml").write_text(
        "services:\n  example:\n    build:\n      args:\n        STRATEGY: example\n"
    )
    strategy(folder / "strategies" / "example")
    monkeypatch.chdir(folder)
    for key in ("COMPOSE_FILE", generated.SOURCE):
        monkeypatch.setenv(key, "")
        monkeypatch.delenv(key)
    yield folder
    for key in ("COMPOSE_FILE", generated.SOURCE):
        os.environ.pop(key, None)


def strategy(folder: Path, top: str = "") -> None:
    """Write a strategy."""
    folder.mkdir(parents=True)
    (folder / "strategy.toml").write_text(
        f'timezone = "UTC"\n{top}\n[[bot]]\nsymbols = ["AAPL"]\nevery = "1m"\ntimeout = "5m"\n'
    )
    (folder / "strategy.py").write_text("def run(ctx):\n    pass\n")


def test_a_new_folder_is_complete_and_valid(kit: Path) -> None:
    """A strategy that runs, a README that names the setting, and a workflow that checks, backtests and deploys."""
    written = own_folder.init(Path("../mine"))
    assert written
    assert all(path.is_file() for path in written)
    assert [one.name for one in load_all(Path("../mine"))[0]] == ["my_idea"]
    assert "OPENBELL_STRATEGIES=../mine" in Path("../mine/README.md").read_text()
    workflow = yaml.safe_load(Path("../mine/.github/workflows/strategies.yml").read_text())
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    for command in ("make check", "make backtest STRATEGY=", "make deploy HOST="):
        assert any(command in step for step in steps)
    with pytest.raises(CommandError, match="is not empty"):
        own_folder.init(Path("../mine"))


def test_a_folder_of_ones_own_has_its_own_project_file(kit: Path) -> None:
    """The examples are not in it, the shared services are, and no file of the kit has changed."""
    before = {path: path.read_text() for path in kit.rglob("*.*") if path.is_file()}
    own_folder.init(Path("../mine"))
    generated.write(Path("../mine"))
    content = yaml.safe_load(generated.OWN.read_text())
    assert content["services"].keys() == {"my_idea"}
    assert content["include"] == [{"project_directory": ".", "path": list(generated.SHARED)}]
    assert (os.environ["COMPOSE_FILE"], os.environ[generated.SOURCE]) == (str(generated.OWN), str(generated.STAGED))
    assert {path: path.read_text() for path in before} == before
    generated.stage(Path("../mine"))
    assert sorted(path.name for path in (kit / generated.STAGED / "my_idea").iterdir()) == [
        "strategy.py",
        "strategy.toml",
    ]
    assert not (kit / generated.STAGED / ".github").exists()


def test_a_service_that_differs_is_the_users(kit: Path) -> None:
    """What the folder's compose.yaml lists is not derived a second time."""
    own_folder.init(Path("../mine"))
    Path("../mine/compose.yaml").write_text("services:\n  my_idea:\n    image: x\n")
    generated.write(Path("../mine"))
    content = yaml.safe_load(generated.OWN.read_text())
    assert content["services"] == {}
    assert content["include"][0]["path"][-1] == "../mine/compose.yaml"


def test_a_strategy_beside_the_examples_gets_its_service_where_compose_finds_it(kit: Path) -> None:
    """`docker compose up -d` reads compose.override.yaml by itself; without such a strategy there is none."""
    strategy(kit / "strategies" / "mine")
    generated.write(generated.KIT)
    assert yaml.safe_load(generated.OVERRIDE.read_text())["services"].keys() == {"mine"}
    assert "COMPOSE_FILE" not in os.environ
    own_folder.remove(generated.KIT / "mine", data=False, sure=True, in_containers=False)
    generated.write(generated.KIT)
    assert not generated.OVERRIDE.exists()


def test_the_users_own_override_is_not_overwritten(kit: Path) -> None:
    """The message says where strategies go instead."""
    generated.OVERRIDE.write_text("services: {}\n")
    generated.write(generated.KIT)
    strategy(kit / "strategies" / "mine")
    with pytest.raises(CommandError, match=r"compose\.override\.yaml is yours.*make init"):
        generated.write(generated.KIT)
    assert generated.OVERRIDE.read_text() == "services: {}\n"


def test_a_service_follows_its_manifest(kit: Path) -> None:
    """Memory, CPUs, profile, secrets, and a stop that waits for the longest run."""
    top = 'profile = "p"\nsecrets = ["MY_KEY"]\ncontainer = { memory = "512m", cpus = 0.5 }'
    strategy(kit / "strategies" / "mine", top)
    service = generated.service(load(kit / "strategies" / "mine"))
    wanted = {"mem_limit": "512m", "cpus": 0.5, "profiles": ["p"], "environment": ["MY_KEY"]}
    assert service.items() >= wanted.items()
    assert service["stop_grace_period"] == "305s"


def test_an_example_is_not_removed(kit: Path) -> None:
    """Off a terminal nothing is deleted without YES=1."""
    with pytest.raises(CommandError, match="belongs to the kit"):
        own_folder.remove(generated.KIT / "example", data=False, sure=True, in_containers=False)
    strategy(kit / "strategies" / "mine")
    with pytest.raises(CommandError, match="say YES=1"):
        own_folder.remove(generated.KIT / "mine", data=False, sure=False, in_containers=False)
    assert (kit / "strategies" / "mine").is_dir()


def test_a_service_of_the_kit_gets_the_secrets_that_its_manifest_names(kit: Path) -> None:
    """The manifest alone names them: what the Compose file does not mention is derived, also for a service with several."""
    strategy(kit / "strategies" / "second", 'secrets = ["OTHER"]')
    manifest = kit / "strategies" / "example" / "strategy.toml"
    manifest.write_text('secrets = ["KEY", "LISTED"]\n' + manifest.read_text())
    (kit / "compose" / "strategies.yaml").write_text(
        "services:\n  example: {environment: [LISTED]}\n"
        "  second: {}\n  both: {labels: {openbell.strategies: example second}, environment: {LISTED: x}}\n"
    )
    generated.write(generated.KIT)
    assert yaml.safe_load(generated.OVERRIDE.read_text()) == {
        "services": {
            "example": {"environment": ["KEY"]},
            "second": {"environment": ["OTHER"]},
            "both": {"environment": ["KEY", "OTHER"]},
        }
    }


def test_a_service_of_ones_own_gets_the_secrets_too(kit: Path) -> None:
    """The file that adds them is read behind the folder's compose.yaml, and goes when it is not needed."""
    own_folder.init(Path("../mine"))
    strategy(Path("../mine/second"), 'secrets = ["KEY"]')
    Path("../mine/compose.yaml").write_text("services:\n  second:\n    image: x\n")
    generated.write(Path("../mine"))
    assert yaml.safe_load(generated.OWN_SECRETS.read_text()) == {"services": {"second": {"environment": ["KEY"]}}}
    paths = yaml.safe_load(generated.OWN.read_text())["include"][0]["path"]
    assert paths[-2:] == ["../mine/compose.yaml", str(generated.OWN_SECRETS)]
    Path("../mine/compose.yaml").write_text("services:\n  second:\n    image: x\n    environment: [KEY]\n")
    generated.write(Path("../mine"))
    assert not generated.OWN_SECRETS.exists()
    assert yaml.safe_load(generated.OWN.read_text())["include"][0]["path"][-1] == "../mine/compose.yaml"
