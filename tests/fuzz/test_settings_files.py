"""Files of the user's: strategy.toml, hosts.toml and .env with any bytes give values, or one line for each problem."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from deploy.errors import CommandError
from deploy.hosts import config
from deploy.settings import Settings, read_settings
from openbell.calendars import CalendarExpired
from openbell.manifest import ManifestError, load
from openbell.slots import slots_between
from openbell.terminal import printable
from tests.fuzz.inputs import fuzz, rounds
from tests.unit.supervisor.world import PULSE

START = datetime(2026, 11, 26, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
MANIFESTS = [PULSE.encode(), *(path.read_bytes() for path in sorted((ROOT / "strategies").glob("*/strategy.toml")))]
HOSTS = [
    (ROOT / "deploy/hosts.toml.example").read_bytes(),
    b'[box]\nport = 9000\nbind = "127.0.0.1"\nfolder = "bots"\n',
]
ENV = [
    (ROOT / ".env.example").read_bytes(),
    b"OPENBELL_PORT=9123\nOPENBELL_TIMEZONE=\"Europe/Berlin\"\nexport A=${B:-c}\nOPENBELL_TOKEN='a b'\n",
]


@rounds()
def test_any_bytes_in_strategy_toml(number: int, tmp_path: Path) -> None:
    """A manifest whose bots have slots, or problems of one line each."""
    folder = tmp_path / "demo"
    folder.mkdir()

    def check(content: bytes) -> bool:
        (folder / "strategy.toml").write_bytes(content)
        try:
            manifest = load(folder)
        except ManifestError as error:
            _each_is_a_line(map(str, error.problems))
            return False
        with suppress(CalendarExpired):
            for bot in manifest.bots:
                list(islice(slots_between(bot.schedule, START, START.replace(year=START.year + 1)), 2))
        return True

    fuzz(number, MANIFESTS, check)


@rounds()
def test_any_bytes_in_hosts_toml(number: int, tmp_path: Path) -> None:
    """A host, or one line that names the file."""
    file = tmp_path / "hosts.toml"

    def check(content: bytes) -> bool:
        file.write_bytes(content)
        return _is_taken(lambda: config.find("box", Settings(), file))

    fuzz(number, HOSTS, check)


@rounds()
def test_any_bytes_in_env(number: int, tmp_path: Path) -> None:
    """Settings, or one line."""
    file = tmp_path / ".env"

    def check(content: bytes) -> bool:
        file.write_bytes(content)
        return _is_taken(lambda: read_settings(file, {}))

    fuzz(number, ENV, check)


def _is_taken(read: Callable[[], object]) -> bool:
    try:
        read()
    except CommandError as error:
        _each_is_a_line([printable(str(error))])
        return False
    return True


def _each_is_a_line(messages: Iterable[str]) -> None:
    for message in messages:
        assert len(message.splitlines()) == 1, message
