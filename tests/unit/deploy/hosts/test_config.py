"""deploy/hosts.toml."""

import re
from pathlib import Path

import pytest

from deploy import settings
from deploy.errors import CommandError
from deploy.hosts import config
from deploy.settings import Settings
from deploy.ssh.host import Host

EXAMPLE = Path(__file__).parents[4] / "deploy" / "hosts.toml.example"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a user's file would be."""
    return tmp_path / "hosts.toml"


def test_a_host_needs_no_entry(file: Path) -> None:
    """Without a file, and without an entry, everything is as .env says."""
    settings = Settings(project="bells", port=8081, ssh_config=Path("config"))
    expected = Host("vps", config=Path("config"), project="bells", port=8081)
    assert config.find("vps", settings, file) == expected
    file.write_text('[other]\nproject = "others"\n')
    assert config.find("vps", settings, file) == expected


def test_one_host_is_one_name(file: Path) -> None:
    """Commands that take several, such as deploy, ask for each; the others say that they do not."""
    with pytest.raises(CommandError, match="HOST: found a,b; allowed: one host, as this command is for one at a time"):
        config.find("a,b", Settings(), file)


def test_an_entry_goes_before_the_environment(file: Path) -> None:
    """Numbers may be written as numbers."""
    file.write_text('[vps]\nproject = "here"\nport = 9000\nfolder = "/srv/openbell"\nstrategy_cpus = 0.5\n')
    host = config.find("vps", Settings(project="bells", port=8081), file)
    assert (host.project, host.port, host.folder) == ("here", 9000, "/srv/openbell")
    assert host.environment == {
        "COMPOSE_PROJECT_NAME": "here",
        "OPENBELL_PORT": "9000",
        "OPENBELL_STRATEGY_CPUS": "0.5",
    }


def test_the_example_is_valid_and_true() -> None:
    """What it shows can be copied; its defaults are the defaults."""
    host = config.find("vps", Settings(), EXAMPLE)
    assert (host.project, host.folder, host.bind, host.port) == ("openbell", Host.folder, Host.bind, Host.port)
    assert host.environment["OPENBELL_STRATEGY_MEMORY"] == "128m"
    assert config.find("me@192.0.2.7", Settings(), EXAMPLE).project == "bells"


def test_every_key_of_an_entry_is_one_of_the_environment() -> None:
    """Nothing has two names, and what is this machine's alone is not offered."""
    assert set(config.KEYS.values()) < set(settings.KEYS)
    assert not {"log", "ssh_config", "timezone"} & set(config.KEYS)


@pytest.mark.parametrize(
    "text,expected",
    [
        ("[vps]\nprot = 1", "{file}: vps.prot: an unknown key; known: folder, home, standby, project, .*port"),
        ("[vps]\nlog = 'json'", "{file}: vps.log: an unknown key"),
        ("[vps]\nport = true", r"{file}: vps.port: found True \(bool\); allowed: a text or a number"),
        ("[vps]\nport = [80]", r"{file}: vps.port: found \[80\] \(list\); allowed: a text or a number"),
        ("[vps]\nport = 65536", '{file}: vps.port: found "65536"; allowed: a port from 1 to 65535'),
        ("[vps]\nproject = 'My Bells'", '{file}: vps.project: found "My Bells"; allowed: lower-case letters'),
        ("[vps]\nfolder = '../up'", '{file}: vps.folder: found "../up"; allowed: a folder below'),
        ("[vps]\nfolder = '~/up'", '{file}: vps.folder: found "~/up"; allowed: a folder below'),
        ("[vps]\nfolder = '/'", '{file}: vps.folder: found "/"; allowed: a folder below'),
        ("[vps]\nfolder = ''", '{file}: vps.folder: found ""; allowed: a folder below'),
        ("vps = 1", r"{file}: vps: found 1 \(int\); allowed: a table for each host, such as \[vps\]"),
        ("[vps", "{file}: not valid TOML: "),
        ("['-x']\nport = 1", 'HOST: found "-x"'),
    ],
)
def test_what_is_wrong_is_one_clear_line(text: str, expected: str, file: Path) -> None:
    """It names the file and the key, even if the entry is another host's."""
    file.write_text(text)
    with pytest.raises(CommandError) as raised:
        config.find("another", Settings(), file)
    assert re.match(expected.replace("{file}", re.escape(str(file))), str(raised.value))
    assert "\n" not in str(raised.value)


def test_strategies_have_places(file: Path) -> None:
    """By host in the file, by strategy for what asks; a host's settings have nothing of it."""
    file.write_text('[a]\nhome = ["pulse", "slow"]\n[b]\nstandby = ["pulse"]\nport = 9000\n')
    assert config.places(file) == {"pulse": ("a", "b"), "slow": ("a", "")}
    assert config.find("a", Settings(), file).environment == {}


@pytest.mark.parametrize(
    "text,expected",
    [
        ('[a]\nhome = "pulse"', r"a\.home: found 'pulse' \(str\); allowed: a list of strategies"),
        ('[a]\nhome = ["x"]\n[b]\nhome = ["x"]', r"b\.home: x has a home already"),
        ('[a]\nhome = ["x"]\nstandby = ["x"]', r"a\.standby: x has a place already"),
    ],
)
def test_a_wrong_place_is_told(file: Path, text: str, expected: str) -> None:
    """With the file, the host and the key."""
    file.write_text(text)
    with pytest.raises(CommandError, match=expected):
        config.places(file)
