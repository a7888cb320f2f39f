"""What runs without Docker, as values."""

import os
import sys
from pathlib import Path

import pytest

from deploy.docker import compose
from deploy.errors import CommandError
from deploy.local.processes import LocalPaths, asked_for, install, processes, supported
from deploy.settings import Settings
from openbell.manifest import Manifest, load
from tests.unit.strategy_file import GOOD, write


@pytest.fixture
def places(tmp_path: Path) -> LocalPaths:
    """A project with one strategy."""
    write(tmp_path, GOOD)
    return LocalPaths(tmp_path, tmp_path / "data")


def manifest(places: LocalPaths) -> Manifest:
    """Return that strategy's manifest."""
    return load(places.strategies / "demo")


def test_alert_settings_go_to_the_supervisor_only(places: LocalPaths) -> None:
    """A strategy is not given the channels' addresses, and no process is given the user's environment."""
    environment = {"PATH": "/bin", "OPENBELL_ALERT_URLS": "json://x", "EDITOR": "vi", "OPENBELL_CLOCK": "5@x"}
    strategy, supervisor = processes([manifest(places)], places, Settings(port=81), environment)
    assert strategy.environment == {
        "PATH": "/bin",
        "OPENBELL_CLOCK": "5@x",
        "OPENBELL_JOURNAL": str(places.data / "journal"),
        "OPENBELL_STATE": str(places.data / "state"),
        "OPENBELL_CONTROL": str(places.data / "control"),
        "OPENBELL_STRATEGY": "demo",
        "OPENBELL_FOLDER": str(places.strategies / "demo"),
        "PYTHONUNBUFFERED": "1",
        "TZ": "UTC",
    }
    assert supervisor.environment["OPENBELL_ALERT_URLS"] == "json://x"
    assert supervisor.environment["OPENBELL_LISTEN"] == "127.0.0.1:81"
    assert "EDITOR" not in supervisor.environment
    assert "OPENBELL_STRATEGY" not in supervisor.environment


def test_packages_are_installed_once_for_each_lock(places: LocalPaths) -> None:
    """None without a file, a command where it is new or newer, none again after that; the strategy then finds them."""
    assert install("demo", places) is None
    locked, target = places.strategies / "demo" / "requirements.txt", places.packages("demo")
    locked.write_text("")
    command = install("demo", places)
    assert command is not None
    assert command[:3] == (sys.executable, "-m", "pip")
    assert command[-4:] == ("--target", str(target), "--requirement", str(locked))
    target.mkdir(parents=True)
    os.utime(locked, (1, 1))
    assert install("demo", places) is None
    os.utime(locked)
    os.utime(target, (1, 1))
    assert install("demo", places) is not None
    (strategy, _) = processes([manifest(places)], places, Settings(), {})
    assert strategy.environment["PYTHONPATH"] == str(target)


@pytest.mark.parametrize(
    "profile, named, is_asked_for",
    [("", "", True), ("p", "", False), ("p", "p", True), ("p", "a,p-together", True), ("p", "pp", False)],
)
def test_profiles_are_those_of_compose(places: LocalPaths, profile: str, named: str, is_asked_for: bool) -> None:
    """A strategy of a profile runs where COMPOSE_PROFILES names it, also together with others."""
    (places.strategies / "demo" / "strategy.toml").write_text(f'profile = "{profile}"\n{GOOD}' if profile else GOOD)
    assert bool(asked_for([manifest(places)], named)) == is_asked_for


def test_elsewhere_than_on_linux_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what works there."""
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(CommandError, match=r"^without Docker openbell runs on Linux only: use `make up` here"):
        supported()


def test_a_backtest_finds_the_packages_of_its_strategy(tmp_path: Path) -> None:
    """Where there are none, nothing of the user's environment is touched."""
    options = ("--from", "2020-01-02")
    plain = compose.backtest("demo", options, tmp_path / "none")
    openbell = str(Path(sys.executable).parent / "openbell")
    assert plain == (openbell, "backtest", "demo", "--strategies", "strategies", *options)
    assert compose.backtest("demo", options, tmp_path) == ("env", f"PYTHONPATH={tmp_path}", *plain)
