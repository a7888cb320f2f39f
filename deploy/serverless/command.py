"""`python -m deploy serverless`: write the folder, and say how large it is."""

import shutil
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from deploy import processes
from deploy.cli.arguments import must_exist
from deploy.docker import compose
from deploy.errors import CommandError
from deploy.serverless import aws, digitalocean, gcp, package, readme
from deploy.serverless.function import PROVIDERS, Function, plan
from deploy.settings import Settings, strategies_folder
from deploy.strategy_folders.check import must_pass
from openbell.manifest import Manifest, load_all

OUT = Path("serverless")
Code = Callable[[Function], PurePosixPath]
Files = Callable[[Function], Mapping[str, str]]
# For each provider, where the code lies, and which other files there are.
WRITERS: Mapping[str, tuple[Code, Files]] = {
    "digitalocean": (digitalocean.code, digitalocean.files),
    "aws": (aws.code, aws.files),
    "gcp": (gcp.code, gcp.files),
}


def serverless(settings: Settings, options: Namespace) -> int:
    """Write the folder that makes a strategy a function of a cloud."""
    must_exist(options.strategy, strategies_folder())
    must_pass(settings, options, "written")
    manifest = {one.name: one for one in load_all(strategies_folder())[0]}.get(options.strategy)
    if manifest is None:
        msg = f"{options.strategy}: its manifest is not valid: `make check` says why"
        raise CommandError(msg)
    return write(options.target, manifest, strategies_folder(), options.memory)


def write(target: str, manifest: Manifest, strategies: Path, memory: int, out: Path = OUT) -> int:
    """Write `<out>/<target>/<strategy>`; CommandError if the provider's limits do not allow it."""
    provider = PROVIDERS[target]
    zone = manifest.timezone if provider.has_zones else "UTC"
    slotted = any(not bot.is_stream for bot in manifest.bots)
    candidates = processes.output(compose.schedule_times(manifest.name, zone)).splitlines() if slotted else []
    function = plan(manifest, provider, memory, candidates)
    folder = out / target / manifest.name
    code = place(target, function, strategies, folder)
    plain, packed = package.sizes(code, provider.python)
    if plain > provider.size:
        shutil.rmtree(folder)
        msg = (
            f"{manifest.name} takes {plain:.1f} MB with its libraries, and {provider.title} allows {provider.size} MB: "
            "leave out what its requirements.in does not need, or take another target"
        )
        raise CommandError(msg)
    size = f"{plain:.1f} MB with its libraries ({packed:.1f} MB packed) of {provider.size} MB"
    (folder / "README.md").write_text(readme.text(target, function, size), encoding="utf-8")
    print(f"wrote {folder}: {size}; a call may take {function.timeout} s and {function.memory} MB")
    print(f"{folder / 'README.md'} says how to deploy it with the provider's own tool.")
    return 0


def place(target: str, function: Function, strategies: Path, folder: Path) -> Path:
    """Replace the folder's content but for its README.md, and return where the code lies in it."""
    where, files = WRITERS[target]
    shutil.rmtree(folder, ignore_errors=True)
    code = folder / where(function)
    code.mkdir(parents=True)
    package.copy_code(strategies, function, code)
    (code / "requirements.txt").write_text(package.requirements(target, strategies / function.name), encoding="utf-8")
    for name, text in files(function).items():
        (folder / name).write_text(text, encoding="utf-8")
        if name.endswith(".sh"):
            (folder / name).chmod(0o755)
    return code
