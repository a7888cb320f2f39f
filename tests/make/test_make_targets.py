"""Each target, called with missing, misspelt and hostile values: one line, an exit code that is not 0, no traceback."""

import uuid

import pytest

from deploy.cli.arguments import VARIABLES
from tests.make.calls import make, message

NOWHERE = "no-such-host.invalid"
# A project of which nothing runs, so that nothing can be done by mistake.
PROJECT = f"openbell-test-{uuid.uuid4().hex[:8]}"

REQUIRED = [
    (target, variable.name)
    for target, variables in sorted(VARIABLES.items())
    for variable in variables
    if variable.required and target != "lock"  # without a strategy `make lock` locks openbell itself
]
HISTORY = ("SYMBOLS=SPY", "TIMEFRAME=1d", "FROM=2020-01-01")
WITHOUT_ENGINE = [
    (("backtest", "STRATEGY=ma_crosover"), 'STRATEGY: there is no strategy "ma_crosover"; did you mean ma_crossover?'),
    (("compare", "STRATEGY=ma_crosover"), 'STRATEGY: there is no strategy "ma_crosover"; did you mean ma_crossover?'),
    (("compare", "STRATEGY=ma_crossover", "SINCE=soon"), 'SINCE=: found "soon"; allowed: a duration such as "30d"'),
    (("backtest", "STRATEGY=../pulse"), 'there is no strategy "../pulse"'),
    (("backtest", "STRATEGY=ma_crossover", "FROM=yesterday"), 'FROM=: found "yesterday"; allowed: a day such as'),
    (("backtest", "STRATEGY=ma_crossover", "SET=speed=1"), "ma_crossover has no such parameter"),
    (
        ("backtest", "STRATEGY=ma_crossover", "WALK_FORWARD=3y"),
        'argument --walk-forward: found "3y"; allowed: years or',
    ),
    (("backtest", "STRATEGY=ma_crossover", "OPTIONS=--sped 1"), "unrecognized arguments: --sped"),
    (("backtest", "STRATEGY=ma_crossover", "OPTIONS='"), 'OPTIONS=: found "\'"; allowed: words with closed quotes'),
    (("history", *HISTORY, "MARKET=alpace"), 'MARKET=: found "alpace"; allowed: alpaca, or an exchange such as'),
    (("history", *HISTORY, "MARKET=alpaca", "TIMEFRAME=20m"), 'TIMEFRAME=: found "20m"; allowed: 1m, 5m, 15m'),
    (("history", *HISTORY, "MARKET=alpaca", "FEED=all"), 'FEED=: found "all"; allowed: iex, sip'),
    (("calendar", "CALENDAR=XNIS"), 'CALENDAR: found "XNIS"'),
    (("lock", "STRATEGY=puls"), "did you mean pulse?"),
    (("crontab", "STRATEGY=nope; id"), 'there is no strategy "nope; id"'),
    (("dashboard", "HOST=-oProxyCommand=id"), 'HOST: found "-oProxyCommand=id"; allowed: what ssh understands'),
    (
        ("halt", "BOT=pulse", "REASON=x"),
        "make halt: BOT= is not a variable of this target; allowed: REASON= [EXITS=] [HOST=]",
    ),
    (("journal", "STRATEGY=pulse", "SINCE=yesterday"), 'SINCE=: found "yesterday"; allowed: a duration such as'),
    (("query",), "SQL= is missing; for example: make query SQL="),
    (("export",), "TO=: is missing; for example: make export TO=journal.csv"),
    (("export", "TO=journal.xls"), 'TO=: found "journal.xls"; allowed: a file that ends with .csv or .parquet'),
    (("query", "SQL=SELECT 1", "SINCE=yesterday"), 'SINCE=: found "yesterday"; allowed: a duration such as'),
    (("new", "STRATEGY=prometheus"), "which is the name of a service in compose/metrics.yaml; choose another name"),
    (("new", "STRATEGY=class"), "which is a word of the Python language; choose another name"),
    (("new", "STRATEGY=My Idea"), "allowed: a name such as my_idea"),
    (("new", "STRATEGY=two\nlines"), r'found "two\nlines"; allowed: a name such as my_idea'),
    (("new", "STRATEGY=$(id)"), 'found "$(id)"; allowed: a name such as my_idea'),
    (("rename", "STRATEGY=puls", "TO=beat"), "did you mean pulse?"),
    (("rename", "STRATEGY=pulse", "TO=My Idea"), "TO: found"),
    (("rename", "STRATEGY=pulse", "TO=beat"), "belongs to the kit"),
    (("next", "STRATEGY=puls"), "did you mean pulse?"),
    (("run", "STRATEGY=pulse", "SLOT=yesterday"), 'SLOT=: found "yesterday"; allowed: a date and a time such as'),
    (("run", "STRATEGY=pulse", "SLOT=2026-11-20"), 'SLOT=: found "2026-11-20"; allowed: a date and a time such as'),
    (("next", "STRATEGY=--count"), "--count: no such strategy"),
    (("next", "PROFILE=portfolo"), 'PROFILE: there is no profile "portfolo"; did you mean portfolio'),
    (("plan", "PROFILE=nope"), 'PROFILE: there is no profile "nope"; there is alpaca'),
    (("upgrade", "TO=--upload-pack=id"), 'TO=: found "--upload-pack=id"; allowed: a version such as 0.2.0'),
    (("upgrade", "TO=0.2.0", "HOST=vps"), "make upgrade: HOST= is not a variable of this target"),
    (("up", "PROFILE=nope"), 'PROFILE: there is no profile "nope"; there is alpaca'),
    (("next", "STRATGY=pulse"), "STRATGY= is not a variable of this target; did you mean STRATEGY=?"),
    (("pause", "BOT=pulse", "REASON=x", "FOR=2x"), 'FOR=: found "2x"; allowed: a duration such as "30m"'),
    (("serverless", "TARGET=azure", "STRATEGY=pulse"), 'TARGET=: found "azure"; allowed: digitalocean, aws, gcp'),
    (("serverless", "TARGET=aws", "STRATEGY=puls"), "did you mean pulse?"),
    (("serverless", "TARGET=aws", "STRATEGY=pulse", "MEMORY=lots"), 'MEMORY=: found "lots"; allowed: a number of MB'),
]
WITH_ENGINE = [
    (("logs",), "nothing runs: start it with `make up`"),
    (("kubernetes", "NAMESPACE=My Trades"), 'NAMESPACE=: found "My Trades"; allowed: up to 63 lower-case letters'),
    (("kubernetes", "SECRETS=maybe"), 'SECRETS=: found "maybe"; allowed: 1 or 0'),
    (("database", f"HOST={NOWHERE}"), "`make database` starts it on this machine; on a server it comes with a deploy"),
    (("database-backup",), "no database of openbell is there: `make database` starts one"),
    (("database-restore", "FROM=README.md"), "README.md: it is not a backup of a database, or it is damaged"),
    (("database-restore", "AT=yesterday"), 'AT=: found "yesterday"; allowed: a date and a time such as'),
    (("move-to-database",), "OPENBELL_DATABASE is not set: name the database in .env"),
    (("move-from-database", f"HOST={NOWHERE}"), "OPENBELL_DATABASE is not set"),
    (("logs", "STRATEGY=puls"), "nothing runs: start it with `make up`"),
    (("journal", "STRATEGY=pulse"), "supervisor does not run: start it with `make up`"),
    (("run", "STRATEGY=puls"), "did you mean pulse?"),
    (("run", "STRATEGY=pulse"), "pulse does not run: start it with `make up`"),
    (("pause", "BOT=puls", "REASON=it's $5"), 'BOT: there is no bot "puls"; did you mean pulse'),
    (("resume", "BOT=pulse"), "supervisor does not run: start it with `make up`"),
    (("halt", "REASON=broker's down"), "nothing runs here"),
    (("flatten", "STRATEGY=puls"), "did you mean pulse?"),
    (("unhalt",), "nothing runs here"),
    (("backup", "TO=/tmp", "KEEP=0"), 'KEEP=: found "0"; allowed: how many backups stay in the folder'),
    (("backup", "TO=/tmp/openbell.tar.gz", "KEEP=3"), "KEEP=: is for backups to a folder"),
    (("crontab", "BACKUP=~/backups", "KEEP=x"), 'KEEP=: found "x"; allowed: how many backups stay in the folder'),
    (("backup", "TO=/tmp", f"HOST={NOWHERE}"), "no machine of this name is known"),
    (("move-to", f"HOST={NOWHERE}", f"FROM={NOWHERE}"), f"FROM=: {NOWHERE} is where the strategies are to go"),
    (("move", "STRATEGY=pulse", f"HOST={NOWHERE}"), "no machine of this name is known"),
    (("move-to", f"HOST={NOWHERE}"), "nothing that could be moved runs on this machine"),
    (("restore", "FROM=/nowhere/x.tar.gz"), "FROM=: there is no file /nowhere/x.tar.gz"),
    (("restore", "FROM=README.md"), "README.md: it is not a backup of openbell, or it is damaged"),
    (("reconcile", "STRATEGY=$HOME"), 'there is no strategy "$HOME"'),
    (("stats",), "nothing runs: start it with `make up`"),
    (("canary",), "supervisor does not run"),
    (("alert-test",), "supervisor does not run"),
    (("deploy", f"HOST={NOWHERE}", "STRATEGY=pulse", "WAIT=now"), 'WAIT=: found "now"; allowed: idle'),
]
REMOTE = ("ps", "stats", "unhalt", "releases", "audit", "rollback", "provision", "dashboard")


def refused(*words: str) -> str:
    """Return the one line that a call of make which must fail tells."""
    done = make(*words, COMPOSE_PROJECT_NAME=PROJECT)
    told = message(done)
    assert done.returncode == 2, f"make exits with 2 for whatever fails in it: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr
    assert "usage:" not in done.stdout + done.stderr
    assert len(told.splitlines()) == 1, told
    return told


@pytest.mark.parametrize("target,name", REQUIRED)
@pytest.mark.parametrize("given", ["", "="])
def test_a_missing_value_is_named(target: str, name: str, given: str) -> None:
    """With an example that can be copied; an empty value is a missing one."""
    others = [f"{one.name}={one.example}" for one in VARIABLES[target] if one.required and one.name != name]
    told = refused(target, *others, *([f"{name}="] if given else []))
    assert told.startswith(f"openbell: make {target} {name}=: is missing; for example: make {target} {name}=")


@pytest.mark.parametrize("words,expected", WITHOUT_ENGINE)
def test_a_wrong_value_is_named(words: tuple[str, ...], expected: str) -> None:
    """With what is allowed, or what is nearest."""
    assert expected in refused(*words)


@pytest.mark.engine
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("words,expected", WITH_ENGINE)
def test_a_command_to_what_does_not_run_says_so(words: tuple[str, ...], expected: str) -> None:
    """And how to start it."""
    assert expected in refused(*words)


@pytest.mark.parametrize("target", REMOTE)
def test_a_host_that_nobody_knows_is_named(target: str) -> None:
    """The spelling, or an entry in ~/.ssh/config, is what to look at."""
    told = refused(target, f"HOST={NOWHERE}")
    assert NOWHERE in told
    assert "no machine of this name is known" in told


def test_every_target_of_the_host_has_a_case_here() -> None:
    """But those that take no value."""
    without = {target for target, variables in VARIABLES.items() if not variables}
    tried = (
        {words[0] for words, _ in (*WITHOUT_ENGINE, *WITH_ENGINE)} | {target for target, _ in REQUIRED} | set(REMOTE)
    )
    assert set(VARIABLES) - without - tried == set()
