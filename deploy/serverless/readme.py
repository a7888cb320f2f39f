"""The README.md in a function's folder."""

from string import Template

from deploy.serverless import gcp
from deploy.serverless.aws import expression
from deploy.serverless.function import Function

_HEAD = """\
# $name on $title

Written by `make serverless TARGET=$target STRATEGY=$name`; written anew by the same command, so change nothing here.
The code is openbell and `strategies/$name/` as they were then: $size.

$description

- **When.** $when. A call may come early, late, twice, or at the same time on two machines: a slot runs once, within its
  grace, and a call with nothing due answers `"action": "none"`.
- **How long.** A call is given $timeout s, which the grace, the timeout and the retries of the slowest bot may need, and $memory MB.
- **What stays.** Claims, orders, state, the paper account and the journal are in PostgreSQL. Its address is the secret
  `OPENBELL_DATABASE`: `postgresql://user:password@host:5432/database?sslmode=verify-full` (`sslmode=require` where the
  provider's certificate is its own). The user may create schemas in that database; the tables come by themselves. A call
  waits 25 s for a database that is waking up, or as many seconds as `OPENBELL_DATABASE_PATIENCE` says.
- **Secrets**, by name only: $secrets.

"""

_TARGETS = {
    "digitalocean": """\
## Deploy

Scheduled triggers are a private preview of DigitalOcean's: ask for it first. It allows 3 in all.

    cp .env.example .env      # and fill in the values; OPENBELL_CALL_KEY is a password of your choice for calls over HTTP
    doctl serverless install && doctl serverless connect
    doctl serverless deploy . --env .env --remote-build

## Call it by hand

    doctl serverless functions invoke openbell/$name -p $parameters
    curl -H "X-Require-Whisk-Auth: $$OPENBELL_CALL_KEY" -H "Content-Type: application/json" \\
        -d '$body' "$$(doctl serverless functions get openbell/$name --url)"

A call over HTTP is cut off after 30 s; the run goes on, and the journal has its end.
""",
    "aws": """\
## Deploy

    aws secretsmanager create-secret --name openbell/$name --secret-string file://secrets.json   # {"NAME": "value", …}
    sam build && sam deploy --guided

Events that could not be delivered end up in the queue `DeadLetters`.

## Call it by hand

    aws lambda invoke --function-name FUNCTION --cli-binary-format raw-in-base64-out --payload '$body' answer.json

or over HTTP at the function's URL, which only signed requests may use (`AuthType: AWS_IAM`).
""",
    "gcp": """\
## Deploy

With REGION set, and ACCOUNT to a service account that may invoke the function (role Cloud Run Invoker), once for each
secret: `gcloud secrets create NAME --data-file=-`, with the names $secret_names. Then

$commands

To be called by Pub/Sub instead, deploy with `--entry-point=event --trigger-topic=TOPIC`; the message is the same JSON.

## Call it by hand

    curl -H "Authorization: Bearer $$(gcloud auth print-identity-token)" -H "Content-Type: application/json" -d '$body' "$$URI"
""",
}

_TAIL = """
## What it answers

    {"status": "ok", "strategy": "$name", "symbol": "$symbol", "action": "hold", "reason": "…", "signal": 0.01, "runs": […]}

`symbol`, `bot` and `params` are optional in a call; `params` may change what `[bot.params]` has, with values of the same
type. `{"trigger": "schedule"}` runs what is due instead. `status` is `ok`, `failed` (a run did not succeed), `busy` (a run
of the bot is in progress, or it is paused) or `error`; over HTTP 200, 500, 409, and 400 for a wrong call or 503 where it
helps to call again.

A call must say what it wants: a POST of JSON (`Content-Type: application/json`) with a `trigger`, a `symbol` or a `bot`. Anything
else runs nothing and is answered 400 or 405. A schedule whose input cannot be understood fails the invocation. A message of
Pub/Sub that cannot be understood is acknowledged and printed.

## Operate it

The journal's lines are on standard output, which the provider keeps for some days, and in the table:

    SELECT line FROM openbell.journal WHERE strategy = '$name' ORDER BY number DESC LIMIT 20;
    INSERT INTO openbell.control VALUES ('', 'halt', '{"by": "me", "reason": "odd fills"}');   -- no orders, of any strategy
    DELETE FROM openbell.control WHERE strategy = '' AND name = 'halt';
    INSERT INTO openbell.control VALUES ('$name', 'pause $bot', '{"by": "me", "reason": "earnings"}');
    DELETE FROM openbell.control WHERE strategy = '$name' AND name = 'pause $bot';

A call that does not come is not noticed: no supervisor watches a function. Slots without a call are in the journal
as `slot_skipped` with the outcome `missed` at the next call.
"""


def text(target: str, function: Function, size: str) -> str:
    """Return the whole text."""
    bot = next(bot for bot in function.manifest.bots if not bot.is_stream)
    symbol = bot.symbols[0]
    words = {
        "name": function.name,
        "title": function.provider.title,
        "target": target,
        "size": size,
        "description": function.manifest.description,
        "when": _when(target, function),
        "timeout": function.timeout,
        "memory": function.memory,
        "secrets": ", ".join(f"`{name}`" for name in function.secrets),
        "secret_names": ", ".join(f"`{gcp.secret_name(name)}`" for name in function.secrets),
        "parameters": f"symbol:{symbol}",
        "body": f'{{"symbol": "{symbol}"}}',
        "commands": "\n".join(f"    {line}" for line in gcp.commands(function)),
        "symbol": symbol,
        "bot": bot.id,
    }
    return Template(_HEAD + _TARGETS[target] + _TAIL).substitute(words)


def _when(target: str, function: Function) -> str:
    schedules = [expression(one) if target == "aws" else one for one in function.schedules]
    listed = ", ".join(f"`{one}`" for one in schedules)
    return (
        f"The scheduler calls at {listed} ({function.zone}), which is whenever a slot may be due; the function decides"
    )
