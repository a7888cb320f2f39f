"""HOST=a,b: one host after the other."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from deploy import homes, target
from deploy import several_hosts as several
from deploy.errors import CommandError
from deploy.release.provenance import RELEASE, new_id
from deploy.settings import Settings

Asked = list[tuple[str, str]]


@pytest.fixture
def releases() -> list[str]:
    """Return the ids of releases that the hosts were given."""
    return []


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, releases: list[str]) -> Callable[[dict[str, int]], Asked]:
    """Return what was asked of which host; each answers with an exit code."""

    def answer(codes: dict[str, int]) -> Asked:
        calls: Asked = []

        def alone(command: str, host: str, environment: Mapping[str, str]) -> int:
            calls.append((command, host))
            releases.append(environment.get(RELEASE, ""))
            return codes.get(host, 0)

        monkeypatch.setattr(several, "_alone", alone)
        return calls

    return answer


def command(_: Settings, options: Namespace) -> int:
    """Stand for what is done on one host."""
    return 7 if options.host == "a" else 0


def test_one_host_is_as_ever(asked: Callable[[dict[str, int]], Asked]) -> None:
    """The command itself, in this process."""
    calls = asked({})
    assert several.in_order("deploy")(command)(Settings(), Namespace(host="a")) == 7
    assert several.overview(command)(Settings(), Namespace(host=None)) == 0
    assert calls == []


def test_a_deploy_ends_at_the_first_host_that_fails(asked: Callable[[dict[str, int]], Asked]) -> None:
    """In the order that was given, and with the hosts that stayed as before."""
    calls = asked({"b": 3})
    with pytest.raises(CommandError, match="deploy b failed: see above; c stayed as before") as raised:
        several.in_order("deploy")(command)(Settings(), Namespace(host="a, b,c"))
    assert raised.value.exit_code == 3
    assert calls == [("deploy", "a"), ("deploy", "b")]


def test_a_deploy_brings_one_release_to_all_hosts(
    asked: Callable[[dict[str, int]], Asked], releases: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same id, which the next deploy does not have."""
    asked({})
    for _ in range(2):
        assert several.in_order("deploy")(command)(Settings(), Namespace(host="a,b")) == 0
    assert releases[0] == releases[1] != releases[2] == releases[3]
    monkeypatch.setenv(RELEASE, releases[0])
    assert new_id() == releases[0]


@pytest.mark.parametrize(
    "codes,expected",
    [({"a": 1, "b": 1}, ["a", "b"]), ({"a": 1}, ["b", "a"])],
)
def test_an_overview_shows_all_hosts(
    codes: dict[str, int],
    expected: list[str],
    asked: Callable[[dict[str, int]], Asked],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also those behind one that is not well; the exit code is the worst. One that is well is asked first who runs what."""
    told: list[str] = []

    @contextmanager
    def place(host: str, _: Settings) -> Iterator[Mock]:
        told.append(host)
        yield Mock(run=Mock(return_value=3))

    monkeypatch.setattr(target, "place", place)
    calls = asked(codes)
    assert several.overview(command)(Settings(), Namespace(host="a,b")) == 1
    assert calls == [("ps", "a"), ("ps", "b")]
    assert told == expected


def test_a_host_is_named_once() -> None:
    """Twice is a mistake, of which nothing is done."""
    with pytest.raises(CommandError, match="each host once"):
        several.names("a,b,a")


def test_a_place_for_a_strategy_that_is_not_there_is_told_before_anything_is_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt name would leave the strategy wherever there is room."""
    (tmp_path / "pulse").mkdir()
    (tmp_path / "hosts.toml").write_text('[a]\nhome = ["pulse"]\nstandby = ["puls"]\n')
    monkeypatch.setenv("OPENBELL_STRATEGIES", str(tmp_path))
    deployed: list[str] = []

    def deploy(_: Settings, options: Namespace) -> int:
        deployed.append(options.host)
        return 0

    with pytest.raises(CommandError, match=r"hosts\.toml: home or standby: there is no strategy puls in "):
        homes.placed(deploy)(Settings(), Namespace(host="a,b", dry_run=False, strategy=None))
    assert deployed == []
