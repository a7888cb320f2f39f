"""A new strategy."""

import ast
import json
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from deploy.errors import CommandError
from deploy.strategy_folders.scaffold import create
from openbell.manifest import load

SERVICES = "# a comment of the user's\nservices:\n  pulse:\n    image: x # and another\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one service and no strategy."""
    (tmp_path / "strategies").mkdir()
    (tmp_path / "services.yaml").write_text(SERVICES)
    (tmp_path / "metrics.yaml").write_text("services:\n  prometheus:\n    image: x\nvolumes:\n  grafana:\n")
    return tmp_path


def make(project: Path, name: str) -> tuple[Path, ...]:
    """Make a strategy in the project."""
    return create(name, project / "strategies", project)


def test_the_new_strategy_is_valid_and_due_every_minute(project: Path) -> None:
    """It runs at once: its manifest has no problem, its code compiles and has `run`."""
    make(project, "my_idea")
    manifest = load(project / "strategies" / "my_idea")
    assert [(bot.id, str(bot.schedule.every)) for bot in manifest.bots] == [("my_idea", "0:01:00")]
    tree = ast.parse((project / "strategies" / "my_idea" / "strategy.py").read_text())
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == ["run"]


@pytest.mark.parametrize(
    "name", ["", "My_idea", "my idea", "my-idea", "1st", "a__b", "a_", "../up", "a" * 41, "two\nlines"]
)
def test_a_bad_name_is_refused(name: str, project: Path) -> None:
    """One line, and nothing is written."""
    with pytest.raises(CommandError, match=r"STRATEGY: found .* allowed: a name such as my_idea"):
        make(project, name)
    assert not list((project / "strategies").iterdir())


@pytest.mark.parametrize("name", ["prometheus", "grafana", "default", "class", "match", "json", "calendar", "openbell"])
def test_a_name_that_is_taken_is_refused(name: str, project: Path) -> None:
    """By another service, a volume, the network, the language or a module: Compose or imports would confuse them."""
    with pytest.raises(CommandError, match=rf'^STRATEGY: found "{name}", which is .*; choose another name$') as refused:
        make(project, name)
    assert refused.value.exit_code == 2
    assert list((project / "strategies").iterdir()) == []


def test_nothing_is_overwritten(project: Path) -> None:
    """A folder of that name ends it."""
    make(project, "my_idea")
    with pytest.raises(CommandError, match="is there already"):
        make(project, "my_idea")


def test_the_new_strategy_names_the_schema_that_lies_there(project: Path) -> None:
    """An editor finds it from the manifest's first line; a folder that has an old one gets this kit's."""
    old = project / "strategies" / "strategy.schema.json"
    old.write_text("{}")
    make(project, "my_idea")
    path = project / "strategies" / "my_idea" / "strategy.toml"
    directive, _, named = path.read_text().splitlines()[0].partition(" ")
    schema = json.loads((path.parent / named).read_text())
    assert directive == "#:schema"
    Draft202012Validator(schema).validate(tomllib.loads(path.read_text()))
    assert "at" in schema["properties"]["bot"]["items"]["properties"]
