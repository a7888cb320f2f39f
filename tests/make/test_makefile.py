"""The Makefile itself: its list of targets, and how values reach programs."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.cli.arguments import VARIABLES
from tests.make.calls import ROOT, call, make

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
HOSTILE = [
    "broker's down",
    "it's late",
    "$5 fee",
    "$$5",
    "$(HOME) ${x",
    "$(error no)",
    "`id` $(id)",
    'say "no"',
    "back\\slash\\",
    "two\nlines",
    "tab\there",
    "#no comment",
    "a=b := c",
    "; exit 7",
    "% * ? ~",
    "-n",
    "ünï",
]
# Prints what a program that a target starts finds in its environment.
SHOW = "show: ; @.venv/bin/python -c 'import json, os; print(json.dumps(os.environ[\"REASON\"]))'"


def test_make_alone_lists_every_target_in_groups() -> None:
    """One line a target, below the names of the groups, with the texts in one column."""
    lines = make().stdout.splitlines()
    listed = [line.split()[1] for line in lines if line.startswith("  make ")]
    assert listed == TARGETS
    assert [line for line in lines if line and not line.startswith(" ")] == [
        "Start",
        "Every day",
        "Server",
        "Elsewhere",
        "Develop",
    ]
    columns = {re.match(r"  make \S+ +", line).end() for line in lines if line.startswith("  make ")}  # type: ignore[union-attr]
    assert len(columns) == 1


@pytest.mark.parametrize("target", sorted(VARIABLES))
def test_the_list_names_each_variable_of_a_target(target: str) -> None:
    """What a target may be told stands in its line."""
    found = re.search(rf"^{target}:.*## (.*)$", MAKEFILE, re.MULTILINE)
    assert found, f"no target {target}"
    text = found[1]
    for one in VARIABLES[target]:
        assert re.search(rf"\b{one.name}=", text), f"{target}: {one.name} is not named in its line"


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_reaches_a_program_word_for_word(value: str) -> None:
    """Neither make nor a shell expands, quotes or shortens it."""
    done = make(f"--eval={SHOW}", "show", f"REASON={value}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == value


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_from_the_environment_is_not_changed_either(value: str) -> None:
    """`REASON=... make halt` means the same as `make halt REASON=...`."""
    done = make(f"--eval={SHOW}", "show", REASON=value)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == value


@pytest.mark.parametrize("target", ["next", "help", "check"])
def test_a_reader_that_stops_early_is_no_error(target: str) -> None:
    """`make next | head -1` prints a line, and nothing about a broken pipe."""
    command = f"set -o pipefail; make {target} ALL=1 | head -1"
    command = command if target == "next" else command.replace(" ALL=1", "")
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("words", ["next", "crontab", "journal STRATEGY=pulse", "query SQL=x", "export TO=x.csv"])
def test_what_is_installed_first_is_no_part_of_what_is_printed(tmp_path: Path, words: str) -> None:
    """In a fresh clone, too, `make crontab | crontab -` and `make next | head -1` get what was asked for."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name, text in (("scripts/python-ready", "echo Installing"), (".venv/bin/python", 'echo "answer: $*"')):
        stand_in = tmp_path / name
        stand_in.parent.mkdir(parents=True)
        stand_in.write_text(f"#!/bin/sh\n{text}\n")
        stand_in.chmod(0o755)
    done = call(tmp_path, ("make", *words.split()), 30)
    assert done.stdout.splitlines()[-1].startswith("answer: -m deploy")
    assert "Installing" not in done.stdout
    assert done.stderr == "Installing\n"
