"""Strategy files for the tests of the manifest: written into a folder, and refused."""

from pathlib import Path

import pytest

from openbell.manifest import ManifestError, load_named

TOP = 'timezone = "UTC"\n'
BOT = '[[bot]]\nsymbols = ["AAPL"]\n'
GOOD = TOP + BOT + 'at = "09:35"\n'


def write(folder: Path, text: str, name: str = "demo") -> Path:
    """Write a strategy's folder with that strategy.toml; return the folder."""
    (folder / name).mkdir()
    (folder / name / "strategy.toml").write_text(text, encoding="utf-8")
    return folder / name


def problems(folder: Path, text: str, name: str = "demo") -> list[str]:
    """Return the lines that a manifest with this text is refused with, without the file's name at their beginning."""
    (folder / "strategy.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ManifestError) as caught:
        load_named(folder / "strategy.toml", name)
    lines = [str(problem) for problem in caught.value.problems]
    assert all(line.startswith(f"{name}/strategy.toml: ") for line in lines)
    assert str(caught.value).splitlines() == lines
    return [line.removeprefix(f"{name}/strategy.toml: ") for line in lines]
