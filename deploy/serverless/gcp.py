"""The files of a Google Cloud function, and the commands that deploy it."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from string import Template

from deploy.serverless.function import Function

HANDLER = '''\
"""The strategy $name as a function: Google calls `http` for a request, or `event` for a message of Pub/Sub."""

from pathlib import Path

import functions_framework
from openbell.runner.serverless import Function

function = Function(Path(__file__).parent / "strategies" / "$name")


@functions_framework.http
def http(request):
    """Answer one request."""
    return function.gcp(request)


@functions_framework.cloud_event
def event(cloud_event):
    """Take one message."""
    function.gcp_event(cloud_event.data)
'''


def code(_: Function) -> PurePosixPath:
    """Return where the code lies."""
    return PurePosixPath()


def files(function: Function) -> Mapping[str, str]:
    """Return the files that the provider needs in addition to the code, by path."""
    return {
        "main.py": Template(HANDLER).substitute(name=function.name),
        ".gcloudignore": "README.md\n__pycache__/\n",
    }


def commands(function: Function) -> Sequence[str]:
    """Return the commands that deploy the function and its schedules, for a person to run."""
    secrets = ",".join(f"{name}={secret_name(name)}:latest" for name in function.secrets)
    deploy = (
        *("gcloud", "functions", "deploy", function.dashed, "--gen2", "--region=$REGION", "--source=."),
        *(f"--runtime=python{function.provider.python.replace('.', '')}", "--entry-point=http", "--trigger-http"),
        *("--no-allow-unauthenticated", "--concurrency=1", f"--timeout={function.timeout}s", f"--memory={function.memory}Mi"),
        f"--set-secrets={secrets}",
    )  # fmt: skip
    uri = f"URI=$(gcloud functions describe {function.dashed} --gen2 --region=$REGION --format='value(serviceConfig.uri)')"
    jobs = [
        (
            *("gcloud", "scheduler", "jobs", "create", "http", f"{function.dashed}-{number}", "--location=$REGION"),
            *(f"--schedule={schedule}", f"--time-zone={function.zone}", "--uri=$URI", "--http-method=POST"),
            *('--message-body={"trigger": "schedule"}', "--headers=Content-Type=application/json"),
            *("--oidc-service-account-email=$ACCOUNT", f"--attempt-deadline={function.timeout}s", "--max-retry-attempts=2"),
        )
        for number, schedule in enumerate(function.schedules, start=1)
    ]  # fmt: skip
    return [_line(deploy), uri, *(_line(job) for job in jobs)]


def secret_name(variable: str) -> str:
    """Return the name of a secret in Secret Manager."""
    return variable.lower().replace("_", "-")


def _line(words: Sequence[str]) -> str:
    # $REGION, $URI and $ACCOUNT are the shell's to fill in.
    return " ".join(word if "=$" in word else shlex.quote(word) for word in words)
