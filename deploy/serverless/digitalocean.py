"""The files of a function of DigitalOcean's."""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from string import Template

from deploy.serverless.function import Function

HANDLER = '''\
"""The strategy $name as a function: DigitalOcean calls `main`."""

from pathlib import Path

from openbell.runner.serverless import Function

function = Function(Path(__file__).parent / "strategies" / "$name")


def main(event, context=None):
    """Answer one call."""
    return function.digitalocean(event)
'''

BUILD = """\
#!/bin/bash
# DigitalOcean's build runs this: the libraries are installed next to the code, checked by their hashes.
set -e
virtualenv --without-pip virtualenv
pip install --no-deps --require-hashes -r requirements.txt --target virtualenv/lib/python$python/site-packages
# What is compiled here need not be at every cold start; the files' times change on the way.
python$python -m compileall -q --invalidation-mode unchecked-hash . || true
"""


def code(function: Function) -> PurePosixPath:
    """Return where the code lies."""
    return PurePosixPath("packages", "openbell", function.name)


def files(function: Function) -> Mapping[str, str]:
    """Return the files that the provider needs in addition to the code, by path."""
    words = {"name": function.name, "python": function.provider.python}
    return {
        "project.yml": _project(function),
        str(code(function) / "__main__.py"): Template(HANDLER).substitute(words),
        str(code(function) / "build.sh"): Template(BUILD).substitute(words),
        ".env.example": "".join(f"{name}=\n" for name in (*function.secrets, "OPENBELL_CALL_KEY")),
    }


def _project(function: Function) -> str:
    triggers = [
        {
            "name": f"{function.dashed}-{number}",
            "sourceType": "scheduler",
            "sourceDetails": {"cron": schedule, "withBody": {"trigger": "schedule"}},
        }
        for number, schedule in enumerate(function.schedules, start=1)
    ]
    one = {
        "name": function.name,
        "runtime": f"python:{function.provider.python}",
        "main": "main",
        "web": True,
        "webSecure": "${OPENBELL_CALL_KEY}",
        "environment": {name: f"${{{name}}}" for name in function.secrets},
        "limits": {"timeout": function.timeout * 1000, "memory": function.memory},
        "triggers": triggers,
    }
    return _HEAD + yaml({"packages": [{"name": "openbell", "functions": [one]}]})


_HEAD = """\
# Written by `make serverless`. Values of ${...} come from the file that `doctl serverless deploy --env` names.
# The scheduler knows UTC only: it calls at every time at which a slot may be due, and the function decides.
"""


def yaml(value: object, indent: str = "") -> str:
    """Return plain data as YAML; texts as JSON has them, which YAML understands."""
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, one in value.items():
            nested = isinstance(one, Mapping | list) and one
            lines.append(
                f"{indent}{key}:\n{yaml(one, indent + '  ')}" if nested else f"{indent}{key}: {json.dumps(one)}\n"
            )
    elif isinstance(value, list):
        for one in value:
            block = yaml(one, indent + "  ")
            lines.append(f"{indent}- {block[len(indent) + 2 :]}")
    else:
        lines.append(f"{indent}{json.dumps(value)}\n")
    return "".join(lines)
