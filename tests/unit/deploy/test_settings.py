"""What a user may set."""

import re
from pathlib import Path

import pytest

from deploy.errors import CommandError
from deploy.settings import KEYS, Settings, read_settings, seconds

ROOT = Path(__file__).parents[3]


def test_nothing_needs_to_be_set(tmp_path: Path) -> None:
    """Without a .env everything has its default."""
    assert read_settings(tmp_path / ".env", {}) == Settings()


def test_the_shell_goes_before_the_file(tmp_path: Path) -> None:
    """As it does for Compose, so that both see the same port."""
    (tmp_path / ".env").write_text("OPENBELL_PORT=8081\nCOMPOSE_PROJECT_NAME=bells\n")
    settings = read_settings(tmp_path / ".env", {"OPENBELL_PORT": "8082"})
    assert (settings.port, settings.project) == (8082, "bells")


def test_an_unknown_key_of_ours_is_an_error(tmp_path: Path) -> None:
    """A key that is mistyped would otherwise be one that does nothing."""
    (tmp_path / ".env").write_text("OPENBELL_PROT=8081\n")
    with pytest.raises(CommandError, match=r"OPENBELL_PROT: an unknown key; known: .*OPENBELL_PORT"):
        read_settings(tmp_path / ".env", {})


def test_other_keys_are_the_strategies(tmp_path: Path) -> None:
    """Secrets stand in the same file, and are none of our business."""
    (tmp_path / ".env").write_text("ALPACA_API_KEY=made-up\nEMPTY\n")
    assert read_settings(tmp_path / ".env", {}) == Settings()


@pytest.mark.parametrize(
    "key,value",
    [
        ("COMPOSE_PROJECT_NAME", "Open Bell"),
        ("OPENBELL_TAG", "latest"),
        ("OPENBELL_BIND", "localhost"),
        ("OPENBELL_PORT", "0"),
        ("OPENBELL_PORT", "65536"),
        ("OPENBELL_TIMEZONE", "Europe/Berln"),
        ("OPENBELL_STATE_VOLUME", "../state"),
        ("OPENBELL_STRATEGY_MEMORY", "a lot"),
        ("OPENBELL_STRATEGY_CPUS", "half"),
        ("OPENBELL_PIDS_LIMIT", "-1"),
        ("OPENBELL_STOP_GRACE", "130"),
        ("OPENBELL_LOG", "yaml"),
    ],
)
def test_a_wrong_value_is_one_clear_line(key: str, value: str, tmp_path: Path) -> None:
    """It names the key, what was found, and what is allowed."""
    with pytest.raises(CommandError) as raised:
        read_settings(tmp_path / ".env", {key: value})
    assert re.fullmatch(rf'.*{key}: found "{re.escape(value)}"; allowed: .+', str(raised.value))


@pytest.mark.parametrize("value", ["postgres:/u:s3cret@db/x", "mysql://u:s3cret@db/x", "postgresql://u:s3 cret@db/x"])
def test_a_databases_password_is_not_shown(value: str, tmp_path: Path) -> None:
    """An address that is wrong has it all the same."""
    with pytest.raises(CommandError) as raised:
        read_settings(tmp_path / ".env", {"OPENBELL_DATABASE": value})
    assert str(raised.value).endswith(
        "OPENBELL_DATABASE: found another text; allowed: postgresql://user:password@host:5432/database"
    )


@pytest.mark.parametrize(
    "bind,page",
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),  # noqa: S104 - what a user may choose
        ("10.0.0.7", "http://10.0.0.7:8080"),
        ("::", "http://[::1]:8080"),
    ],
)
def test_the_page_has_an_address_that_a_browser_here_can_use(bind: str, page: str) -> None:
    """An address to listen on is not always one to ask."""
    assert Settings(bind=bind).page == page


@pytest.mark.parametrize("text,expected", [("130s", 130), ("2m10s", 130), ("1h", 3600), ("1h1m1s", 3661)])
def test_durations_of_compose(text: str, expected: int) -> None:
    """They are read as Compose reads them."""
    assert seconds(text) == expected


def test_the_example_explains_every_key_and_is_valid(tmp_path: Path) -> None:
    """.env.example is the reference: with every line taken in it is a file that we accept, and it leaves out no key."""
    example = (ROOT / ".env.example").read_text()
    taken_in = re.sub(r"^#(?=[A-Z_]+=)", "", example, flags=re.MULTILINE)
    (tmp_path / ".env").write_text(taken_in)
    assert sorted(re.findall(r"^([A-Z_]+)=", taken_in, re.MULTILINE)) == sorted(KEYS)
    settings = read_settings(tmp_path / ".env", {})
    assert settings.timezone is not None
    defaults = Settings(timezone=settings.timezone, ssh_config=Path("~/.ssh/config").expanduser())
    assert defaults == settings, "the example shows the defaults"


def test_what_compose_asks_for_is_what_the_example_offers() -> None:
    """No key in the Compose files is unexplained, and no key is explained that nothing reads."""
    asked = {
        key
        for file in [ROOT / "compose.yaml", *(ROOT / "compose").glob("*.yaml")]
        for key in re.findall(r"\$\{([A-Z_]+)", file.read_text())
    }
    ours = {"OPENBELL_TIMEZONE", "OPENBELL_LOG", "OPENBELL_SSH_CONFIG", "OPENBELL_STRATEGIES"}
    ours |= {"OPENBELL_REGISTRY", "OPENBELL_PULL_SECRET"}  # of `make kubernetes`
    # OPENBELL_SOURCE is for our own commands to set: the folder of the build context with the strategies.
    assert (asked - {"OPENBELL_SOURCE"}) | ours == set(KEYS)
