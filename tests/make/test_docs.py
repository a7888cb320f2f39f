"""README, docs/, CONTRIBUTING and SECURITY name what exists: targets, variables, files and keys."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.cli.arguments import VARIABLES
from openbell.manifest import load, reading, schedules
from openbell.manifest.trading import LIMITS
from tests.browser.screenshots import DOCS
from tests.make.calls import ROOT
from tests.make.test_makefile import MAKEFILE, TARGETS

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
# What these pages name although it appears only by use.
BY_USE = ("strategies/my_idea", "strategies/calendar.toml", "backtests/", "site/", ".venv/", ".env")
SHOWN = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def code(page: Path) -> list[str]:
    """Return the lines of a page's code blocks and its inline code."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    indented = re.findall(r"^    (.*)$", text, re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()] + inline + indented


@SHOWN
def test_every_target_that_a_page_names_exists(page: Path) -> None:
    """With variables that it takes."""
    for line in code(page):
        for target, rest in re.findall(r"(?:^|[\s`])make ([a-z][a-z-]*)([^#;`]*)", line):
            assert target in TARGETS, f"{page.name}: make {target}"
            known = {one.name for one in VARIABLES.get(target, ())} | {"PROFILE"}
            documented = set(
                re.findall(r"\b([A-Z_]+)=", "".join(re.findall(rf"^{target}:.*$", MAKEFILE, re.MULTILINE)))
            )
            for name in re.findall(r"(?:^|\s)([A-Z_]+)=", rest):
                assert name in known | documented, f"{page.name}: make {target} {name}="


@SHOWN
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    """In links and in code: files of the project, from the page's folder or from the root."""
    text = page.read_text(encoding="utf-8")
    linked = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    for link in filter(None, linked):
        assert (page.parent / link).exists(), f"{page.name}: {link}"
    named = [word for line in code(page) for word in re.findall(r"(?<![\w/~$.-])[\w.-]+(?:/[\w.-]+)+", line)]
    tops = {path.name for path in ROOT.iterdir()}
    for word in named:
        if word.split("/")[0] in tops and not word.startswith(BY_USE):
            assert (ROOT / word).exists(), f"{page.name}: {word}"


@SHOWN
def test_every_manifest_that_a_page_shows_is_valid(page: Path, tmp_path: Path) -> None:
    """TOML with a bot is a whole manifest."""
    blocks = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for block in (one for one in blocks if "[[bot]]" in one):
        folder = tmp_path / "my_idea"
        folder.mkdir(exist_ok=True)
        (folder / "strategy.toml").write_text(block)
        assert load(folder).bots[0].id == "my_idea"


def test_the_readme_is_short() -> None:
    """A page that is read in a few minutes; topics have pages of their own."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_the_page_about_strategies_describes_each_key() -> None:
    """Every key that a manifest may have, also those of [defaults], [limits] and [[bot]]."""
    text = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")
    keys = {*reading._TOP_LEVEL, *reading._SETTINGS, *schedules.TIMES, *LIMITS, "id", "kind", "symbols", "params"}
    missing = [key for key in sorted(keys - {"bot"}) if f"`{key}`" not in text and f"`[{key}]`" not in text]
    assert missing == []


def test_the_site_is_built_without_a_broken_link(tmp_path: Path) -> None:
    """Strict mode: a link, an anchor or a page that does not exist fails."""
    command = (sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path / "site"))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "index.html").is_file()


def test_the_pictures_are_small_and_those_that_the_documentation_shows() -> None:
    """`make screenshots` takes each of them; none is left that no page shows."""
    images = ROOT / "docs" / "images"
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    assert {one.name for one in images.iterdir()} == DOCS.keys()
    assert all(f"images/{name})" in text for name in DOCS)
    assert max(one.stat().st_size for one in images.iterdir()) < 200_000


def test_the_hooks_of_pre_commit_are_the_tools_of_the_project() -> None:
    """They run what .venv has; nothing is downloaded."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert [hook["id"] for hook in hooks] == ["ruff-check", "ruff-format", "mypy"]
    for hook in hooks:
        assert (ROOT / hook["entry"].split()[0]).exists()
        assert hook["language"] == "system"
