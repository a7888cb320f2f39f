"""`make serverless`: what is written, and what a provider's limits refuse."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.errors import CommandError
from deploy.serverless import aws, command, digitalocean, gcp, package, readme
from deploy.serverless.digitalocean import yaml
from deploy.serverless.function import PROVIDERS, Function, needs, plan, together
from openbell import calendars
from openbell.manifest import load
from openbell.slots import next_slot

BOT = '[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nat = "09:35"\n'
ROOT = Path(__file__).parents[3]


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    """A strategy's folder."""
    folder = tmp_path / "strategies" / "my_idea"
    folder.mkdir(parents=True)
    (folder / "strategy.py").write_text("def run(ctx):\n    pass\n")
    return write(folder)


def write(folder: Path, bot: str = BOT, top: str = "") -> Path:
    """Write the manifest."""
    (folder / "strategy.toml").write_text(f'description = "d"\ntimezone = "America/New_York"\n{top}\n{bot}')
    return folder


def function(folder: Path, target: str, *candidates: str) -> Function:
    """Return the strategy as a function."""
    return plan(load(folder), PROVIDERS[target], 256, candidates or ("35 9 * * 1,2,3,4,5",))


@pytest.mark.parametrize(
    "bot, seconds",
    [
        (BOT, 60 + 120 + 120 + 10),  # grace 60 s, timeout 2 m, two retries: the last may start after two minutes
        (BOT + 'timeout = "30s"', 60 + 60 + 30 + 10),
        (BOT + "retries = 0", 60 + 60 + 120 + 10),
        (BOT + 'grace = "5m"', 60 + 300 + 120 + 10),
    ],
)
def test_a_call_may_last_until_the_last_attempt_has_ended(strategy: Path, bot: str, seconds: int) -> None:
    """However late within its grace it starts, and with its retries."""
    assert needs(load(write(strategy, bot)).bots[0]) == timedelta(seconds=seconds)
    assert function(strategy, "aws").timeout == seconds


@pytest.mark.parametrize("target, limit", [("digitalocean", 900), ("aws", 900), ("gcp", 1800)])
def test_a_timeout_that_the_provider_does_not_allow_is_refused(strategy: Path, target: str, limit: int) -> None:
    """With the bot, the seconds and the way out; just below it is allowed."""
    write(strategy, BOT + 'timeout = "20m"')
    with pytest.raises(CommandError, match=rf"the bot b may need 2470 s .* at most {limit} s: lower its timeout"):
        function(strategy, target)
    write(strategy, BOT + f'timeout = "{(limit - 70) // 2}s"')
    assert function(strategy, target).timeout <= limit


def test_a_memory_that_the_provider_does_not_have_is_refused(strategy: Path) -> None:
    """With the sizes that there are."""
    with pytest.raises(CommandError, match="MEMORY: found 300; DigitalOcean Functions allows 128, 256, 512, 1024 MB"):
        plan(load(strategy), PROVIDERS["digitalocean"], 300, ["0 * * * *"])


def test_a_stream_is_no_function(strategy: Path) -> None:
    """It runs all the time."""
    write(strategy, '[[bot]]\nid = "s"\nkind = "stream"\nsymbols = ["AAPL"]\n')
    with pytest.raises(CommandError, match="my_idea has only streams"):
        function(strategy, "aws")


def test_more_schedules_than_allowed_become_one(strategy: Path) -> None:
    """It is due whenever one of them is; the function decides."""
    several = ("35 13,14 * * 1,2", "30 15 * * 1,2", "0 16 * * 3", "5 17 * * 1")
    assert function(strategy, "digitalocean", *several).schedules == ("0,5,30,35 13,14,15,16,17 * * 1,2,3",)
    assert function(strategy, "aws", *several).schedules == several
    assert together(["*/15 * * * *", "5 3 * * 1"]) == "* * * * *"


@pytest.mark.parametrize(
    "schedule, expected",
    [
        ("35 9 * * 1,2,3,4,5", "cron(35 9 ? * MON,TUE,WED,THU,FRI *)"),
        ("*/15 * * * *", "cron(0/15 * * * ? *)"),
        ("0 */4 * * *", "cron(0 0/4 * * ? *)"),
        ("* * * * 0,6", "cron(* * ? * SUN,SAT *)"),
    ],
)
def test_eventbridges_own_cron(schedule: str, expected: str) -> None:
    """Six fields, days by name, and a question mark for the one that is not meant."""
    assert aws.expression(schedule) == expected


def test_digitaloceans_project(strategy: Path) -> None:
    """Times in UTC, limits in its units, secrets by name."""
    write(strategy, top='secrets = ["MY_KEY"]')
    project = dict(digitalocean.files(function(strategy, "digitalocean", "35 13,14 * * 1,2")))["project.yml"]
    for line in (
        'cron: "35 13,14 * * 1,2"',
        "timeout: 310000",
        "memory: 256",
        'MY_KEY: "${MY_KEY}"',
        'OPENBELL_DATABASE: "${OPENBELL_DATABASE}"',
        'sourceType: "scheduler"',
        'trigger: "schedule"',
        'webSecure: "${OPENBELL_CALL_KEY}"',
    ):
        assert line in project


def test_aws_template(strategy: Path) -> None:
    """The strategy's own time zone, a queue for what could not be delivered, secrets by reference."""
    write(strategy, top='secrets = ["MY_KEY"]')
    template = dict(aws.files(function(strategy, "aws")))["template.yaml"]
    for line in (
        'ScheduleExpression: "cron(35 9 ? * MON,TUE,WED,THU,FRI *)"',
        'ScheduleExpressionTimezone: "America/New_York"',
        "DeadLetterConfig:",
        'Fn::Sub: "{{resolve:secretsmanager:${Secret}:SecretString:MY_KEY}}"',
        "Timeout: 310",
        'AuthType: "AWS_IAM"',
    ):
        assert line in template


def test_googles_commands(strategy: Path) -> None:
    """Quoted for a shell; one call at a time, and none without permission."""
    write(strategy, top='secrets = ["MY_KEY"]')
    deploy, _, job = gcp.commands(function(strategy, "gcp"))
    assert "--no-allow-unauthenticated --concurrency=1 --timeout=310s --memory=256Mi" in deploy
    assert "--set-secrets=OPENBELL_DATABASE=openbell-database:latest,MY_KEY=my-key:latest" in deploy
    assert "'--schedule=35 9 * * 1,2,3,4,5' --time-zone=America/New_York" in job
    assert """'--message-body={"trigger": "schedule"}'""" in job


@pytest.mark.parametrize("target", sorted(PROVIDERS))
def test_the_folder_holds_what_the_function_needs_and_no_more(
    strategy: Path, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Openbell without its supervisor, the strategy, locked libraries; nothing of an earlier folder stays."""
    monkeypatch.chdir(ROOT)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old").write_text("")
    code = command.place(target, function(strategy, target), strategy.parent, folder)
    assert (code / "openbell" / "runner" / "serverless" / "function.py").exists()
    assert (code / "openbell" / "postgres" / "connection.py").exists()
    assert (code / "strategies" / "my_idea" / "strategy.toml").exists()
    assert not (code / "openbell" / "supervisor").exists()
    assert not (folder / "old").exists()
    locked = (code / "requirements.txt").read_text()
    assert "pytz==" in locked
    assert "psycopg2-binary==" in locked
    assert ("functions-framework==" in locked) == (target == "gcp")
    assert locked.count("--hash=sha256:") >= 2


def test_the_strategys_own_libraries_are_locked_with_openbells(strategy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both lock one, the strategy's version is taken: it is the one that the strategy was tried with."""
    monkeypatch.chdir(ROOT)
    (strategy / "requirements.txt").write_text("# a comment\ntalipp==2.7.0 \\\n    --hash=sha256:0\n")
    assert "talipp==2.7.0 \\\n    --hash=sha256:0\n" in package.requirements("aws", strategy)
    (strategy / "requirements.txt").write_text("pytz==2020.1 \\\n    --hash=sha256:0\n")
    assert package.requirements("aws", strategy).count("pytz==") == 1
    assert "pytz==2020.1 " in package.requirements("aws", strategy)


def sized(monkeypatch: pytest.MonkeyPatch, megabytes: float) -> None:
    """Let the code be as large as this, and its times be known, without a look."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(package, "sizes", lambda *_: (megabytes, megabytes / 2))
    monkeypatch.setattr("deploy.processes.output", lambda _: "35 13,14 * * 1,2\n")


def test_the_size_is_printed(
    strategy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And stands in the README.md beside the files."""
    sized(monkeypatch, 3.25)
    assert command.write("digitalocean", load(strategy), strategy.parent, 256, tmp_path / "out") == 0
    assert (
        "3.2 MB with its libraries (1.6 MB packed) of 48 MB; a call may take 310 s and 256 MB"
        in capsys.readouterr().out
    )
    assert "of 48 MB" in (tmp_path / "out" / "digitalocean" / "my_idea" / "README.md").read_text()


def test_what_is_too_large_is_refused(strategy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing stays that could be deployed."""
    sized(monkeypatch, 48.1)
    with pytest.raises(
        CommandError, match=r"my_idea takes 48\.1 MB with its libraries, and DigitalOcean Functions allows 48 MB"
    ):
        command.write("digitalocean", load(strategy), strategy.parent, 256, tmp_path / "out")
    assert not (tmp_path / "out" / "digitalocean" / "my_idea").exists()


@pytest.mark.parametrize("target", sorted(PROVIDERS))
def test_the_readme_names_secrets_and_never_values(
    strategy: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither does any other file."""
    monkeypatch.setenv("MY_KEY", "hunter22")
    one = function(write(strategy, top='secrets = ["MY_KEY"]'), target)
    texts = [readme.text(target, one, "1 MB"), *command.WRITERS[target][1](one).values()]
    assert any("MY_KEY" in text for text in texts)
    assert not any("hunter22" in text for text in texts)
    assert not any("$name" in text for text in texts)


def test_yaml_is_read_as_it_was_meant() -> None:
    """Lists of mappings in mappings, and texts that would be something else without quotes."""
    value: Mapping[str, object] = {"a": [{"b": "1,2", "c": {"d": "yes"}}, "x"], "e": [], "f": {}, "g": True}
    assert yaml(value) == 'a:\n  - b: "1,2"\n    c:\n      d: "yes"\n  - "x"\ne: []\nf: {}\ng: true\n'


def test_a_function_has_the_users_own_days(strategy: Path, tmp_path: Path) -> None:
    """A closure in calendar.toml is none of the function's slots, with what it reads where it runs."""
    write(strategy, top='calendar = "XNYS"')
    (strategy.parent / "calendar.toml").write_text('[XNYS]\nclosures = ["2026-12-09"]\n')
    package.copy_code(strategy.parent, function(strategy, "aws"), tmp_path / "code")
    calendars.use({})
    try:
        schedule = load(tmp_path / "code" / "strategies" / "my_idea").bots[0].schedule
        following = next_slot(schedule, datetime(2026, 12, 8, 20, tzinfo=UTC))
        assert following == datetime(2026, 12, 10, 14, 35, tzinfo=UTC)
    finally:
        calendars.use({})
