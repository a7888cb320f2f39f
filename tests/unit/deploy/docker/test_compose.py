"""The commands that the host would run."""

from pathlib import Path

import pytest

from deploy.docker import compose
from deploy.docker.compose import Command, Logs, ServiceCommand


@pytest.mark.parametrize(
    "command,expected",
    [
        (compose.build(("pulse", "supervisor")), "docker compose build pulse supervisor"),
        (compose.build(("pulse",), Path("/x")), "docker compose --file=/x build pulse"),
        (compose.replace_containers(), "docker compose up --no-start --remove-orphans"),
        (compose.up(), "docker compose up --detach --remove-orphans"),
        (compose.down(), "docker compose --profile * down --remove-orphans"),
        (compose.logs(None, follow=True), "docker compose logs --tail 200 --follow"),
        (compose.logs("pulse", follow=False), "docker compose logs --tail 200 --no-log-prefix pulse"),
        (compose.run("pulse", None), "docker compose exec -T pulse openbell run-now"),
        (compose.run("pulse", "a"), "docker compose exec -T pulse openbell run-now --bot=a"),
        (
            compose.run("pulse", None, slot="2026-11-20T09:35", dry_run=True),
            "docker compose exec -T pulse openbell run-now --slot=2026-11-20T09:35 --dry-run",
        ),
        (
            compose.run("mine", None, "together"),
            "docker compose exec -T --env OPENBELL_STRATEGY=mine --env OPENBELL_FOLDER=/strategies/mine together openbell run-now",
        ),
        (compose.journal("pulse", None, None), "docker compose exec -T supervisor openbell journal -- pulse"),
        (
            compose.journal("pulse", "AAPL", "2h"),
            "docker compose exec -T supervisor openbell journal --symbol=AAPL --since=2h -- pulse",
        ),
    ],
)
def test_commands_of_compose(command: Command | ServiceCommand | Logs, expected: str) -> None:
    """Each command is one list, with only the options that were asked for."""
    words = command if isinstance(command, tuple) else command.command
    assert list(words) == expected.split()


def test_a_value_with_spaces_stays_one_argument() -> None:
    """No shell takes a value apart."""
    assert compose.journal("pulse", "BRK B", "2026-11-20 10:00").command[-4:] == (
        "--symbol=BRK B",
        "--since=2026-11-20 10:00",
        "--",
        "pulse",
    )


@pytest.mark.parametrize("value", ["-n", "--reason", "--", "-1", "a=b", "two\nlines"])
def test_a_value_that_looks_like_an_option_is_none(value: str) -> None:
    """What a person types reaches the program inside as a value."""
    assert compose.operator(compose.halt(value)).command[-1] == f"--reason={value}"
    assert f"--reason={value}" in compose.pause("pulse", "pulse", None, value).command
    assert f"--symbol={value}" in compose.journal("pulse", value, None).command


def test_elsewhere_the_project_is_known_by_its_name() -> None:
    """There are only its containers: no file is read, not even one that happens to lie where the shell starts."""
    assert compose.elsewhere(compose.resume("pulse", "a b").command, "bells") == (
        *("sh", "-c", 'cd / && exec "$@"', "sh"),
        *("docker", "compose", "--project-name", "bells", "exec", "-T", "pulse", "openbell", "resume", "a b"),
    )


def test_down_keeps_the_volumes() -> None:
    """Journals and state outlive the containers."""
    assert not {"--volumes", "-v", "--rmi"} & set(compose.down())


def test_openbell_is_the_one_beside_our_interpreter() -> None:
    """What checks the strategies on the host is the same .venv's command, whatever the user's PATH is."""
    for command in (compose.check(), compose.coming(["pulse"])):
        assert command[0].endswith("/bin/openbell")
    assert compose.coming(["pulse"])[1:] == ("next", "--strategies", "strategies", "--strategy=pulse")
