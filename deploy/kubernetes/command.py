"""`python -m deploy kubernetes`: write the objects, and say what is to be done with them."""

import json
import os
import shutil
from argparse import Namespace
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path
from string import Template

import yaml

from deploy import secrets
from deploy.docker import configuration
from deploy.errors import CommandError
from deploy.kubernetes import objects
from deploy.kubernetes.cluster import Cluster, Object, cluster
from deploy.preflight import PUBLIC, READ_TOKENS
from deploy.settings import Settings, strategies_folder, values
from deploy.strategy_folders.check import must_pass
from openbell.manifest import Manifest, load_all

OUT = Path("kubernetes")
SECRETS = "05-secrets.yaml"
HEADER = "# Written by `make kubernetes` from the strategies' manifests and Compose's settings; what you change here is lost.\n"
README = Template("""\
# openbell in namespace $namespace

1. Build the images and bring them to the registry that the nodes use:

   ```
   docker compose build
$push
   ```

2. Make these Secrets; their keys are names of variables:

   | Secret | keys |
   | --- | --- |
$secrets

   `make kubernetes SECRETS=1` writes them with the values that are set here into `05-secrets.yaml`, which only you can
   read; delete it when it is applied. A cluster that gets its Secrets from elsewhere needs no such file.
3. `kubectl apply -f kubernetes/`
4. The page: `kubectl -n $namespace port-forward service/supervisor 8080:8080`
""")


def kubernetes(settings: Settings, options: Namespace) -> int:
    """Write the folder kubernetes/: what Compose would run, as objects for a cluster."""
    must_pass(settings, options, "written")
    given = values(Path(".env"), os.environ)
    is_open = not ip_address(settings.bind).is_loopback and any(given.get(key) for key in (*READ_TOKENS, PUBLIC))
    where = cluster(given, settings.project, options.namespace, is_open=is_open)
    manifests, _ = load_all(strategies_folder())
    rendered, left = objects.services(configuration.read(), manifests)
    names = objects.secret_names(where, rendered, given, manifests)
    files = objects.files(where, rendered, manifests, names)
    _write(where, files, rendered, names, _secrets(where, names, given, manifests) if options.secrets else [])
    pods = "two pods for each strategy, one of which stands by" if where.database else "one pod for each strategy"
    print(f"wrote {OUT}/: {len(rendered)} deployments, {pods}; {OUT / 'README.md'} says what to do with them")
    if left:
        print(f"not rendered, since a cluster has its own: {', '.join(left)}")
    return 0


def _write(
    where: Cluster,
    files: Mapping[str, Iterable[Object]],
    rendered: Mapping[str, Mapping[str, object]],
    names: Mapping[str, Mapping[str, str]],
    values: Iterable[Object],
) -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    for name, found in files.items():
        (OUT / name).write_text(_text(found), encoding="utf-8")
    if values:
        descriptor = os.open(OUT / SECRETS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(_text(values))
    references = sorted({str(one["image"]) for one in rendered.values()})
    push = [
        f"   docker tag {one} {where.image(one)} && docker push {where.image(one)}"
        for one in references
        if where.registry
    ]
    if not push:
        push = ["   # OPENBELL_REGISTRY is not set: the nodes must have the images"]
    keys: dict[str, set[str]] = {}
    for own in names.values():
        for key, one in own.items():
            keys.setdefault(one, set()).add(key)
    table = [f"   | {one} | {', '.join(sorted(found))} |" for one, found in sorted(keys.items())] or ["   | none | |"]
    text = README.substitute(namespace=where.namespace, push="\n".join(push), secrets="\n".join(table))
    (OUT / "README.md").write_text(text, encoding="utf-8")


def _secrets(
    where: Cluster,
    names: Mapping[str, Mapping[str, str]],
    given: Mapping[str, str],
    manifests: Iterable[Manifest],
) -> list[Object]:
    """Return the Secrets with their values; CommandError names a variable that has none."""
    filled = secrets.filled(manifests, given)
    found: dict[str, dict[str, str]] = {}
    for own in names.values():
        for key, name in own.items():
            found.setdefault(name, {})[key] = secrets.value(key, filled)
    if missing := sorted(key for own in found.values() for key, value in own.items() if not value):
        msg = f"without a value: {', '.join(missing)}: {secrets.HOW}"
        raise CommandError(msg)
    return [objects.secret(where, name, content) for name, content in sorted(found.items())]


def _text(found: Iterable[Object]) -> str:
    whole = json.loads(
        json.dumps(list(found))
    )  # what stands in several places is written out in each: people read these files
    return HEADER + yaml.safe_dump_all(whole, sort_keys=False, width=120)
