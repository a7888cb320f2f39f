"""Strategies that do nothing, as many as are asked for, so that only what a run costs is measured."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from openbell.strategy_user import user_id
from tests.bench.containers import Bench
from tests.bench.progress import say
from tests.engine.kit import SERVICE, make_kit, removed_afterwards

MANIFEST = 'description = "Grows"\ntimezone = "UTC"\nmax_parallel = 45\n[defaults]\ntimeout = "20s"\ngrace = "20s"\n'
BOT = '[[bot]]\nid = "bot-{number}"\nsymbols = ["AAPL"]\nevery = "1m"\n'
SHARING = """\
  {name}:
    extends:
      file: compose/base.yaml
      service: strategy
    image: ${{COMPOSE_PROJECT_NAME:-openbell}}/{first}:${{OPENBELL_TAG:-local}}
    user: "{user}:{user}"
    environment:
      OPENBELL_STRATEGY: {name}
"""
SOURCE = '''"""Does nothing, so that only what a run costs is measured."""

from openbell.strategy import Context


def run(ctx: Context) -> None:
    """Return at once."""
'''


@contextmanager
def idle_strategies(names: dict[str, int], *, one_image: bool = False) -> Iterator[Bench]:
    """Build strategies with so many bots each, and the supervisor; leave nothing behind.

    one_image: all run from the image of the first, each as its own user.
    """
    client = docker.from_env()
    with tempfile.TemporaryDirectory(prefix="openbell-bench-") as folder:
        kit = make_kit(Path(folder), [])
        for name, count in names.items():
            strategy = kit.folder / "strategies" / name
            strategy.mkdir(parents=True)
            (strategy / "strategy.py").write_text(SOURCE)
            found = "".join(BOT.format(number=number) for number in range(count))
            (strategy / "strategy.toml").write_text(MANIFEST + found)
        first, *others = names
        built, sharing = ([first], others) if one_image else (list(names), [])
        services = "".join(
            [
                *(SERVICE.format(name=name) for name in built),
                *(SHARING.format(name=name, first=first, user=user_id(name)) for name in sharing),
            ]
        )
        (kit.folder / "compose" / "strategies.yaml").write_text(f"services:\n{services}")
        try:
            with removed_afterwards(client, kit.project):
                stand = Bench(client, kit, built)
                stand.build_ours()
                yield stand
                say("removing what was built and started")
        finally:
            client.close()
