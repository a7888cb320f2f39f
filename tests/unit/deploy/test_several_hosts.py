"""HOST=a,b: one host after the other."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import homes
from deploy import several_hosts as several
from deploy.errors import CommandError
from deploy.settings import Settings

Asked = list[tuple[str, str]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, int]], Asked]:
    """Return what was asked of which host; each answers with an exit code."""

    def answer(codes: dict[str, int]) -> Asked:
        calls: Asked = []

        def alone(command: str, host: str) -> int:
            calls.append((command, host))
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


def test_an_overview_shows_all_hosts(asked: Callable[[dict[str, int]], Asked]) -> None:
    """Also those behind one that is not well; the exit code is the worst."""
    calls = asked({"a": 1, "b": 1})
    assert several.overview(command)(Settings(), Namespace(host="a,b")) == 1
    assert calls == [("ps", "a"), ("ps", "b")]


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
