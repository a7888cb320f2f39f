"""`make init` and `make remove`: a folder of strategies of one's own, and a strategy that is no longer wanted."""

import shutil
import sys
from pathlib import Path

from deploy import processes
from deploy.cli.arguments import quoted
from deploy.docker import compose, generated
from deploy.errors import CommandError
from deploy.strategy_folders import scaffold

FIRST = "my_idea"

README = """\
# My strategies

A folder per strategy: `strategy.toml` says when it runs, `strategy.py` what it decides. The kit that runs them is a folder
beside this one, whose `.env` names this folder:

    OPENBELL_STRATEGIES=../{name}

In the kit's folder, `make check` validates, `make up` starts everything, `make new STRATEGY=...` adds a strategy here,
`make backtest STRATEGY=...` runs one over the past, and `make deploy HOST=...` brings everything to a server.

- `compose.yaml` (optional): services that differ from what the manifests say. A strategy that is listed there gets no other service.
- `hosts.toml` (optional): the servers, in the form of the kit's `deploy/hosts.toml.example`.
- Secrets belong into the kit's `.env`, never into this folder.
"""

IGNORE = """\
__pycache__/
.env
"""

# The secrets go into the environment as they are: no file's syntax has to hold them.
_WITH_SECRETS = (
    'with_secrets() { python3 -c \'import json, os, sys; os.environ.update(json.loads(os.environ.pop("SECRETS"))); '
    'os.execvp(sys.argv[1], sys.argv[1:])\' "$@"; }'
)
_CHECKOUTS = """\
      - uses: actions/checkout@v5
        with:
          path: strategies-of-mine
      - uses: actions/checkout@v5
        with:
          repository: ${{ vars.OPENBELL_KIT }}
          ref: ${{ vars.OPENBELL_REF }}
          path: kit
"""
WORKFLOW = f"""\
# Checks and backtests every change; what is on the main branch goes to the server that the variable DEPLOY_HOST names.
# Settings of the repository: the variables OPENBELL_KIT (owner/name of the kit), OPENBELL_REF (a tag or commit of it) and
# DEPLOY_HOST (user@server); the secrets DEPLOY_SSH_KEY, DEPLOY_KNOWN_HOSTS and each secret that a manifest names.
name: strategies
on:
  push:
  pull_request:
permissions:
  contents: read
jobs:
  check:
    runs-on: ubuntu-24.04
    steps:
{_CHECKOUTS}\
      - name: Check and backtest
        working-directory: kit
        env:
          OPENBELL_STRATEGIES: ../strategies-of-mine
          SECRETS: ${{{{ toJSON(secrets) }}}}
        run: |
          {_WITH_SECRETS}
          with_secrets make check
          for manifest in ../strategies-of-mine/*/strategy.toml; do
            with_secrets make backtest STRATEGY="$(basename "$(dirname "$manifest")")"
          done
  deploy:
    needs: check
    if: github.ref == 'refs/heads/main' && vars.DEPLOY_HOST != ''
    runs-on: ubuntu-24.04
    concurrency: deploy
    steps:
{_CHECKOUTS}\
      - name: Deploy between runs, and back if it fails
        working-directory: kit
        env:
          OPENBELL_STRATEGIES: ../strategies-of-mine
          DEPLOY_HOST: ${{{{ vars.DEPLOY_HOST }}}}
          SECRETS: ${{{{ toJSON(secrets) }}}}
          SSH_KEY: ${{{{ secrets.DEPLOY_SSH_KEY }}}}
          KNOWN_HOSTS: ${{{{ secrets.DEPLOY_KNOWN_HOSTS }}}}
        run: |
          {_WITH_SECRETS}
          install -d -m 700 ~/.ssh
          echo "$SSH_KEY" | install -m 600 /dev/stdin ~/.ssh/id_ed25519
          echo "$KNOWN_HOSTS" >~/.ssh/known_hosts
          with_secrets make deploy HOST="$DEPLOY_HOST"
"""


def init(folder: Path) -> tuple[Path, ...]:
    """Write a folder with one strategy, a README, .gitignore and a workflow; CommandError if something is there."""
    if folder.exists() and any(folder.iterdir()):
        msg = f"DIR: {folder} is not empty: name a new folder, or set OPENBELL_STRATEGIES={folder} in .env to use that one"
        raise CommandError(msg)
    texts = {
        folder / "README.md": README.format(name=folder.resolve().name),
        folder / ".gitignore": IGNORE,
        folder / ".github" / "workflows" / "strategies.yml": WORKFLOW,
    }
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return (*texts, *scaffold.create(FIRST, folder, Path("compose")))
    except OSError as error:
        msg = f"DIR: {folder} cannot be written: {error.strerror}"
        raise CommandError(msg) from None


def remove(folder: Path, *, data: bool, sure: bool, in_containers: bool) -> None:
    """Stop a strategy's container and delete its folder, and with `data` what it wrote too; CommandError if it may not be."""
    name = folder.name
    if not generated.is_own(folder.parent) and name in generated.listed(folder.parent):
        msg = f"STRATEGY: {quoted(name)} belongs to the kit: to run only your own, use `make init DIR=../my-strategies`"
        raise CommandError(msg)
    what = f"{folder}, and its journal, orders and paper account" if data else f"{folder}; what it wrote stays"
    if not sure:
        if not sys.stdin.isatty():
            msg = f"this deletes {what}: say YES=1 to do it"
            raise CommandError(msg)
        if input(f"Delete {what}? [y/N] ").strip().lower() not in {"y", "yes"}:
            msg = "nothing was removed"
            raise CommandError(msg)
    if in_containers:
        if data:
            processes.run(compose.forget(name))
        processes.run(compose.remove([name]))
    shutil.rmtree(folder)
    print(f"removed {folder}")
