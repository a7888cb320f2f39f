"""`make rename`: a strategy gets another name, here or on a server, and what it has done goes along."""

import os
import re
import tomllib
from argparse import Namespace
from pathlib import Path

from deploy import start, up
from deploy.cli.arguments import must_exist, quoted
from deploy.data import installation
from deploy.data.backups import reason
from deploy.docker import configuration, engine, generated, images
from deploy.errors import CommandError
from deploy.hosts import config
from deploy.local.process_target import ProcessTarget
from deploy.log import log_to_stdout
from deploy.release import commands as releases
from deploy.settings import Settings, strategies_folder, values
from deploy.strategy_folders.check import must_pass
from deploy.strategy_folders.scaffold import must_be_a_name
from deploy.target import LocalTarget, here

_BOT = re.compile(r"^\[\[bot\]\].*$", re.MULTILINE)


def rename(settings: Settings, options: Namespace) -> int:
    """Give a strategy another name; its journal, ledger, account and state go along, and so does what people want of it."""
    strategies, old, new = strategies_folder(), options.strategy, options.to
    _rename_folder(strategies, old, new)
    _keep_the_id(strategies / new / "strategy.toml", old)
    generated.write(strategies)
    if options.host:
        must_pass(settings, options, "renamed there")
        wishes = releases.DeployOptions(renames={old: new}, yes=options.yes)
        return releases.deploy(config.find(options.host, settings), log_to_stdout(settings.log), wishes, strategies)
    where = here(settings, values(Path(".env"), os.environ))
    if isinstance(where, ProcessTarget):
        return _in_processes(where, settings, old, new)
    return _in_containers(where, settings, options, old, new)


def _rename_folder(strategies: Path, old: str, new: str) -> None:
    """Rename the folder, unless a person has done that; CommandError if it may not have the name."""
    if (strategies / new / "strategy.toml").is_file() and not (strategies / old).exists():
        return
    must_exist(old, strategies)
    must_be_a_name("TO", new, strategies, Path("compose"))
    if old in generated.listed(strategies):
        its = strategies / "compose.yaml"
        msg = f"STRATEGY: {quoted(old)} has a service in {its}: name that {new}, rename the folder, and try again"
        if not generated.is_own(strategies):
            msg = f"STRATEGY: {quoted(old)} belongs to the kit: to run only your own, use `make init DIR=../my-strategies`"
        raise CommandError(msg)
    (strategies / old).rename(strategies / new)
    print(f"renamed {strategies / old} to {strategies / new}")


def _keep_the_id(manifest: Path, old: str) -> None:
    """Write the id of a bot that had its strategy's name into the manifest: its slots and orders go by it."""
    text = manifest.read_text(encoding="utf-8")
    bots = tomllib.loads(text).get("bot", [])
    if len(bots) == 1 and "id" not in bots[0]:
        manifest.write_text(_BOT.sub(f'\\g<0>\nid = "{old}"', text, count=1), encoding="utf-8")
        print(f'{manifest}: added id = "{old}" to its bot, which goes on under that id')


def _in_processes(where: ProcessTarget, settings: Settings, old: str, new: str) -> int:
    if where.runs:
        start.restart(settings, without=new)
    if installation.local(settings).has_data():
        _move(settings, old, new, settings.stop_grace)
    start.restart(settings)
    return 0


def _in_containers(where: LocalTarget, settings: Settings, options: Namespace, old: str, new: str) -> int:
    runs = any(one.state == "running" for one in where.services())
    if runs:  # what takes time comes first
        images.build(configuration.read(), log_to_stdout(settings.log))
    for one in where.services():  # also a container that hosts other strategies
        if old in one.strategies:
            engine.remove(where.project, one.name)
    if installation.local(settings).has_data():
        _move(settings, old, new, 0)
    return up.up(settings, options) if runs else 0


def _move(settings: Settings, old: str, new: str, seconds: int) -> None:
    done = installation.local(settings).rename(old, new, seconds)
    if done.code:
        msg = f"{old} keeps its data, which {new} needs: {reason(done.errors)}; then try again"
        raise CommandError(msg)
    print(f"{new} has the journal, ledger, account and state of {old}")
