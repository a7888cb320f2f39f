"""`make kubernetes` writes a folder that says what to do with it."""

import shutil
from argparse import Namespace
from pathlib import Path

import pytest
import yaml

from deploy.kubernetes import command
from deploy.settings import Settings
from tests.unit.deploy.kubernetes.test_objects import WITH

pytestmark = pytest.mark.skipif(not shutil.which("docker"), reason="Compose is not installed")


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the folder is written, with settings that have a database."""
    monkeypatch.setattr(command, "OUT", tmp_path / "kubernetes")
    monkeypatch.delenv("COMPOSE_PROFILES", raising=False)
    for name, value in WITH.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "kubernetes"


def test_the_folder_has_no_value_that_may_be_secret(out: Path) -> None:
    """It names the Secrets with their keys, and how the images come to the registry; what an earlier call has left is gone."""
    out.mkdir()
    (out / "30-removed.yaml").touch()
    assert command.kubernetes(Settings(), Namespace(namespace="trading", secrets=False)) == 0
    names = {one.name for one in out.iterdir()}
    assert names == {
        "10-network.yaml", "20-volumes.yaml", "30-ma-crossover.yaml", "30-pulse.yaml", "30-supervisor.yaml", "README.md",
    }  # fmt: skip
    text = "".join(one.read_text() for one in out.iterdir())
    assert not [value for value in (WITH["OPENBELL_DATABASE"], WITH["OPENBELL_TOKEN"]) if value in text]
    readme = (out / "README.md").read_text()
    assert "| openbell-database | OPENBELL_DATABASE |" in readme
    assert "docker tag openbell/pulse:one registry.example.org/me/pulse:one && docker push" in readme
    assert {one["metadata"]["namespace"] for one in yaml.safe_load_all((out / "30-pulse.yaml").read_text())} == {
        "trading"
    }


def test_secrets_are_written_where_they_are_asked_for(out: Path) -> None:
    """Into a file that no one else can read."""
    assert command.kubernetes(Settings(), Namespace(namespace=None, secrets=True)) == 0
    file = out / command.SECRETS
    assert file.stat().st_mode & 0o777 == 0o600
    found = {one["metadata"]["name"]: one["data"] for one in yaml.safe_load_all(file.read_text())}
    assert {name: list(data) for name, data in found.items()} == {
        "openbell-database": ["OPENBELL_DATABASE"],
        "openbell-supervisor": ["OPENBELL_TOKEN"],
    }
