"""The services that no Compose file lists: what is written of them."""

import threading
from pathlib import Path

import pytest
import yaml

from deploy.docker import generated


def test_a_command_beside_another_reads_whole_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command writes the file anew; neither another command nor Compose may find half of it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "strategies" / "idea"
    folder.mkdir(parents=True)
    (folder / "strategy.toml").write_text('timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]\nat = "12:00"\n')
    generated.write(generated.KIT)
    written = generated.OVERRIDE.read_text()
    assert list(yaml.safe_load(written)["services"]) == ["idea"]
    done, found = threading.Event(), set()

    def read() -> None:
        while not done.is_set():
            found.add(generated.OVERRIDE.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(100):
            generated.write(generated.KIT)
    finally:
        done.set()
        reader.join()
    assert found == {written}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["compose.override.yaml", "strategies"]
