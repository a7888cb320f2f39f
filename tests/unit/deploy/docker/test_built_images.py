"""Images that are there, and built of what the checkout has now, are not built again."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from deploy.docker import built_images, engine
from deploy.docker.built_images import BuiltImages

ROOT = Path(__file__).parents[4]
SERVICES = ("pulse", "supervisor", "together")
BASE = "python:3.13-slim-trixie"


def _configuration(folder: Path) -> dict[str, Any]:
    def build(target: str, **arguments: str) -> dict[str, Any]:
        arguments = {"SOURCE": "strategies", "DATABASE": "", **arguments}
        return {"context": str(folder), "dockerfile": "images/Dockerfile", "target": target, "args": arguments}

    builds = {
        "pulse": build("strategy", STRATEGY="pulse"),
        "supervisor": build("supervisor"),
        "together": build("together", STRATEGIES="pulse other"),
        "theirs": {"context": str(folder), "dockerfile": "Dockerfile"},
    }
    named = {name: {"image": f"openbell/{name}:local", "build": one} for name, one in builds.items()}
    return {"services": {**named, "nameless": {"build": builds["theirs"]}, "pulled": {"image": "prom/prometheus"}}}


@pytest.fixture(name="there")
def _there(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The engine's images: their ids by name."""
    ids = {BASE: "sha256:base", **{f"openbell/{name}:local": f"sha256:{name}" for name in (*SERVICES, "theirs")}}

    def image_ids(references: Iterable[str]) -> dict[str, str]:
        return {one: ids[one] for one in references if one in ids}

    monkeypatch.setattr(engine, "image_ids", image_ids)
    return ids


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "images/Dockerfile": f"FROM {BASE} AS base\n",
        ".dockerignore": "*\n",
        "images/openbell/clock.py": "now = 1\n",
        "images/requirements-runtime.txt": "schedule==1\n",
        "strategies/calendar.toml": "",
        "strategies/pulse/strategy.toml": 'description = "p"\n',
        "strategies/pulse/strategy.py": "x = 1\n",
        "strategies/pulse/requirements.txt": "",
        "strategies/other/strategy.py": "y = 1\n",
        ".venv/pyvenv.cfg": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _built(checkout: Path) -> None:
    BuiltImages(_configuration(checkout)).note((*SERVICES, "theirs", "nameless"))


def _outdated(checkout: Path) -> tuple[str, ...]:
    return BuiltImages(_configuration(checkout)).outdated((*SERVICES, "theirs", "nameless"))


@pytest.mark.usefixtures("there")
def test_everything_is_built_once(checkout: Path) -> None:
    """A build that is not one of the kit's is done each time."""
    assert _outdated(checkout) == (*SERVICES, "theirs", "nameless")
    _built(checkout)
    assert _outdated(checkout) == ("theirs", "nameless")
    known = BuiltImages(_configuration(checkout))
    assert known.knows(SERVICES)
    assert not known.knows(("pulse", "theirs"))


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(
    "file,outdated",
    [
        ("strategies/pulse/strategy.py", {"pulse", "together"}),
        ("strategies/pulse/model.bin", {"pulse", "together"}),
        ("strategies/pulse/strategy.toml", set(SERVICES)),
        ("strategies/pulse/requirements.txt", set(SERVICES)),
        ("strategies/_shared/indicators.py", {"pulse", "together"}),
        ("strategies/other/strategy.py", {"together"}),
        ("strategies/calendar.toml", {"supervisor", "together"}),
        ("images/openbell/clock.py", set(SERVICES)),
        ("images/openbell/new.py", set(SERVICES)),
        ("images/requirements-runtime.txt", set(SERVICES)),
        ("images/requirements-supervisor.txt", set(SERVICES)),
        ("images/Dockerfile", set(SERVICES)),
        (".dockerignore", set(SERVICES)),
        ("README.md", set()),
        ("images/openbell/__pycache__/clock.cpython-313.pyc", set()),
    ],
)
def test_what_a_changed_file_is_in_is_built(checkout: Path, file: str, outdated: set[str]) -> None:
    """And nothing else; a file that is as it was before is no change."""
    _built(checkout)
    before = (checkout / file).read_text() if (checkout / file).exists() else None
    (checkout / file).parent.mkdir(exist_ok=True)
    with (checkout / file).open("a") as text:
        text.write("# a line\n")
    assert set(_outdated(checkout)) == {*outdated, "theirs", "nameless"}
    if before is None:
        (checkout / file).unlink()
    else:
        (checkout / file).write_text(before)
    assert _outdated(checkout) == ("theirs", "nameless")


def test_a_link_counts_as_where_it_leads(checkout: Path, there: dict[str, str]) -> None:
    """The builder copies the link."""
    assert there
    link = checkout / "strategies/pulse/link"
    link.symlink_to("strategy.py")
    _built(checkout)
    assert "pulse" not in _outdated(checkout)
    link.unlink()
    link.symlink_to("strategy.toml")
    assert "pulse" in _outdated(checkout)


@pytest.mark.usefixtures("there")
def test_a_folder_that_is_a_link_counts_with_all_that_it_leads_to(checkout: Path) -> None:
    """The builder follows the name of the folder that it is told to copy."""
    (checkout / "strategies/pulse").rename(checkout / "strategies/real")
    (checkout / "strategies/pulse").symlink_to("real")
    _built(checkout)
    assert "pulse" not in _outdated(checkout)
    (checkout / "strategies/real/strategy.py").write_text("x = 2\n")
    assert "pulse" in _outdated(checkout)


@pytest.mark.usefixtures("there")
def test_what_is_no_file_is_not_read(checkout: Path) -> None:
    """A pipe would be waited for without an end."""
    os.mkfifo(checkout / "strategies/pulse/pipe")
    _built(checkout)
    assert _outdated(checkout) == ("theirs", "nameless")


@pytest.mark.usefixtures("there")
def test_a_file_that_cannot_be_read(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The builder is asked, which says so."""
    _built(checkout)

    def refuse(*_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(built_images, "_content", refuse)
    assert _outdated(checkout) == (*SERVICES, "theirs", "nameless")


@pytest.mark.parametrize("change", ["image", "gone", "base", "no base", "platform", "argument"])
def test_what_else_makes_an_image_another_one(
    change: str, checkout: Path, there: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another image of that name, another base image, another kind of machine, other arguments."""
    _built(checkout)
    configuration = _configuration(checkout)
    match change:
        case "image":
            there["openbell/pulse:local"] = "sha256:another"
        case "gone":
            del there["openbell/pulse:local"]
        case "base":
            there[BASE] = "sha256:newer"
        case "no base":
            del there[BASE]
        case "platform":
            monkeypatch.setenv(engine.BUILD_PLATFORM, "linux/arm64")
        case "argument":
            configuration["services"]["pulse"]["build"]["args"]["DATABASE"] = "yes"
    assert "pulse" in BuiltImages(configuration).outdated(SERVICES)


@pytest.mark.usefixtures("there")
def test_a_file_that_changes_during_the_build(checkout: Path) -> None:
    """Either version of it may be in the image, so the image is built again."""
    known = BuiltImages(_configuration(checkout))
    (checkout / "strategies/pulse/strategy.py").write_text("x = 2\n")
    known.note(SERVICES)
    assert _outdated(checkout) == ("pulse", "together", "theirs", "nameless")


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("content", ["", "[]", "{", '{"openbell/pulse:local": 3}'])
def test_a_damaged_note_is_none(checkout: Path, content: str) -> None:
    """Every image is built, and noted again."""
    built_images.FILE.write_text(content)
    assert _outdated(checkout) == (*SERVICES, "theirs", "nameless")
    _built(checkout)
    assert _outdated(checkout) == ("theirs", "nameless")


@pytest.mark.usefixtures("there")
def test_without_a_place_for_notes(checkout: Path) -> None:
    """All is built each time."""
    (checkout / ".venv/pyvenv.cfg").unlink()
    (checkout / ".venv").rmdir()
    _built(checkout)
    assert _outdated(checkout) == (*SERVICES, "theirs", "nameless")


def test_the_dockerfile_copies_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file that goes into an image must be looked at as well, or a change of it would not be built."""
    monkeypatch.chdir(ROOT)
    lines = (ROOT / "images/Dockerfile").read_text().splitlines()
    copied = {
        word
        for line in lines
        if line.startswith("COPY ") and "--from=" not in line
        for word in line.split()[1:-1]
        if not word.startswith("--")
    }
    assert not any(re.match(r"ADD |RUN --mount=type=bind,(?!from=folder)", line) for line in lines)
    of_strategies = {word for word in copied if word.startswith("${SOURCE}")}
    assert of_strategies == {
        "${SOURCE}",
        "${SOURCE}/${STRATEGY}",
        "${SOURCE}/${STRATEGY}/requirements.tx[t]",
        "${SOURCE}/_share[d]",
    }
    for word in copied - of_strategies - {"images/database"}:  # whose build is none of those that are known
        assert any(Path(word).is_relative_to(place) for place in built_images.SHARED), word
