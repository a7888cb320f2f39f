"""The workflow that `make init` writes, step by step as the runner of GitHub Actions takes it."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.strategy_folders import own_folder
from tests.installation import ROOT, Installation

PLACES = {"kit", "strategies-of-mine"}
# What the contexts of a workflow's expressions hold.
SECRETS = {
    "DEPLOY_SSH_KEY": "-----BEGIN KEY-----\nx $y\n-----END KEY-----",
    "DEPLOY_KNOWN_HOSTS": "vps ssh-ed25519 AAAA",
    "BROKER_KEY": 'it\'s "odd" # and $dear\nin two lines',
}
VARIABLES = {"DEPLOY_HOST": "me@192.0.2.7", "OPENBELL_KIT": "someone/openbell", "OPENBELL_REF": "v0.2.0"}
FAKE_MAKE = """\
#!/usr/bin/env python3
import json, os, sys
json.dump([sys.argv[1:], os.environ["BROKER_KEY"]], open(os.environ["HOME"] + "/made", "a"))
"""


@pytest.fixture
def workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[Any, Any]:
    """The workflow of a new folder, which lies where the workflow checks it out."""
    monkeypatch.chdir(ROOT)
    own_folder.init(tmp_path / "strategies-of-mine")
    text = (tmp_path / "strategies-of-mine/.github/workflows/strategies.yml").read_text()
    found: Mapping[Any, Any] = yaml.safe_load(text)
    return found


def value(text: str) -> str:
    """Return what an expression of the workflow stands for."""

    def one(found: re.Match[str]) -> str:
        expression = found[1].strip()
        if expression == "toJSON(secrets)":
            return json.dumps(SECRETS, indent=2)
        context, name = expression.split(".")
        return {"secrets": SECRETS, "vars": VARIABLES}[context][name]

    return re.sub(r"\$\{\{(.*?)\}\}", one, text)


def run(step: Mapping[str, Any], root: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a step as the runner does: with bash -e, in its folder, with its environment and nothing of ours."""
    assert "${{" not in step["run"], "a value within a script would be code"
    own = {key: value(str(text)) for key, text in step["env"].items()}
    return subprocess.run(
        ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]),
        cwd=root / step["working-directory"],
        env={"PATH": os.environ["PATH"], "HOME": str(root), **own, **environment},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def script(workflow: Mapping[Any, Any], job: str) -> Mapping[str, Any]:
    """Return the step of a job that runs something, after those that check both folders out."""
    *checkouts, last = workflow["jobs"][job]["steps"]
    assert [one["uses"] for one in checkouts] == ["actions/checkout@v5"] * 2
    assert {one["with"]["path"] for one in checkouts} == PLACES
    assert value(checkouts[1]["with"]["repository"]) == "someone/openbell"
    step: Mapping[str, Any] = last
    return step


def test_its_form_is_one_that_github_reads(workflow: Mapping[Any, Any]) -> None:
    """Events, jobs that follow each other, and no more rights than it needs."""
    assert set(workflow[True]) == {"push", "pull_request"}  # YAML takes `on` for a truth value, as GitHub knows
    assert workflow["permissions"] == {"contents": "read"}
    assert list(workflow["jobs"]) == ["check", "deploy"]
    assert workflow["jobs"]["deploy"]["needs"] == "check"
    assert "refs/heads/main" in workflow["jobs"]["deploy"]["if"]


def test_its_check_and_its_backtests_pass_in_a_new_folder(workflow: Mapping[Any, Any], tmp_path: Path) -> None:
    """And fail with the strategy's mistake."""
    kit = Installation(tmp_path).kit
    (kit / ".env").unlink()
    environment = {"PYTHONPATH": f"{kit}:{kit}/images"}
    manifest = tmp_path / "strategies-of-mine/my_idea/strategy.toml"
    manifest.write_text(manifest.read_text().replace('every = "1m"', 'at = "09:35"\ndays = "1st mon"'))
    step = script(workflow, "check")
    done = run(step, tmp_path, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 strategies with 1 bots: no problems" in done.stdout
    assert (kit / "backtests/my_idea").is_dir()

    code = tmp_path / "strategies-of-mine/my_idea/strategy.py"
    code.write_text(code.read_text().replace("def run(ctx", "def walk(ctx"))
    done = run(step, tmp_path, **environment)
    assert done.returncode != 0
    assert "my_idea/strategy.py" in done.stderr


def test_its_deployment_has_key_host_and_secrets_as_they_are(workflow: Mapping[Any, Any], tmp_path: Path) -> None:
    """Secrets with quotes, dollars and line ends too; the key is for its owner alone."""
    make = tmp_path / "bin/make"
    make.parent.mkdir()
    make.write_text(FAKE_MAKE)
    make.chmod(0o755)
    (tmp_path / "kit").mkdir()
    done = run(script(workflow, "deploy"), tmp_path, PATH=f"{make.parent}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    words, secret = json.loads((tmp_path / "made").read_text())
    assert words == ["deploy", "HOST=me@192.0.2.7"]
    assert secret == SECRETS["BROKER_KEY"]
    key = tmp_path / ".ssh/id_ed25519"
    assert (key.read_text().rstrip("\n"), key.stat().st_mode & 0o777) == (SECRETS["DEPLOY_SSH_KEY"], 0o600)
    assert (tmp_path / ".ssh/known_hosts").read_text().strip() == SECRETS["DEPLOY_KNOWN_HOSTS"]


def test_an_editor_finds_the_schema_of_a_new_folder(workflow: Mapping[Any, Any], tmp_path: Path) -> None:
    """The first line of a manifest names it, relative to the manifest, as taplo and VS Code read it."""
    manifest = tmp_path / "strategies-of-mine/my_idea/strategy.toml"
    line = manifest.read_text().splitlines()[0]
    schema = json.loads((manifest.parent / line.removeprefix("#:schema ")).read_text())
    assert schema["properties"]["bot"]
