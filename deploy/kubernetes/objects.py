"""All objects of an installation, by the file that they are written to. Pure."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from deploy.capacity.memory_needs import needs
from deploy.docker.compose import SUPERVISOR
from deploy.docker.services import ends_by_itself
from deploy.errors import CommandError
from deploy.kubernetes import pods, policies, workloads
from deploy.kubernetes.cluster import SHARED, STORE, Cluster, Object, object_name
from deploy.kubernetes.pods import FILE
from deploy.settings import DATABASE
from openbell.manifest import Manifest

DATABASES_SECRET, SUPERVISORS_SECRET = "openbell-database", "openbell-supervisor"
SIZES = {"journal": "5Gi", "state": "1Gi", "control": "100Mi", STORE: "2Gi"}


def services(configuration: Mapping[str, Any], manifests: Iterable[Manifest]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the services that are rendered, by name, and the names of those that a cluster has its own ways for."""
    known = {one.name for one in manifests}
    running = {name: one for name, one in configuration["services"].items() if not ends_by_itself(one.get("labels"))}
    rendered = {name: one for name, one in running.items() if name in known or name == SUPERVISOR}
    left = sorted(running.keys() - rendered.keys())
    for name in left:
        if (running[name].get("labels") or {}).get("openbell.strategies"):
            msg = f"compose: {name} hosts several strategies in one container, which is for the smallest machines: choose another PROFILE="
            raise CommandError(msg)
    return rendered, tuple(left)


def secret_names(
    cluster: Cluster, rendered: Mapping[str, Any], values: Mapping[str, str], manifests: Iterable[Manifest]
) -> dict[str, dict[str, str]]:
    """Return for each service which Secret has a variable of its environment.

    A strategy's variables are its secrets, but for openbell's own; the supervisor's secrets are those that may stand in a
    file, as far as they are set.
    """
    named = {one.name: one.secrets for one in manifests}
    database = {DATABASE: DATABASES_SECRET} if cluster.database else {}
    found = {}
    for service, body in rendered.items():
        environment = body.get("environment") or {}
        if service == SUPERVISOR:
            own = [one for one in environment if f"{one}{FILE}" in environment and is_set(one, values)]
            found[service] = {**dict.fromkeys(own, SUPERVISORS_SECRET), **database}
        else:
            own = [name for name in environment if name in named[service] or not name.startswith("OPENBELL_")]
            found[service] = {**dict.fromkeys(own, f"openbell-{object_name(service)}"), **database}
    return found


def is_set(name: str, values: Mapping[str, str]) -> bool:
    """Tell whether a variable has a value, in itself or in a file."""
    return bool(values.get(name) or values.get(name + FILE))


def files(
    cluster: Cluster,
    rendered: Mapping[str, Any],
    manifests: Iterable[Manifest],
    secrets: Mapping[str, Mapping[str, str]],
) -> dict[str, list[Object]]:
    """Return the objects by file; `kubectl apply` takes the files in the order of their names."""
    found: dict[str, list[Object]] = {}
    if cluster.owns_namespace:
        found["00-namespace.yaml"] = [_namespace(cluster)]
    found["10-network.yaml"] = policies.policies(cluster)
    found["20-volumes.yaml"] = [_claim(cluster, one) for one in ((STORE,) if cluster.database else (*SHARED, STORE))]
    memory = {one.service: one.bytes for one in needs({"services": rendered}, manifests, {})}
    for service, body in rendered.items():
        pods.only_volumes(service, body, (*SHARED, STORE))
        make = workloads.supervisor if service == SUPERVISOR else workloads.strategy
        found[f"30-{object_name(service)}.yaml"] = make(cluster, service, body, secrets[service], memory[service])
    return found


def secret(cluster: Cluster, name: str, content: Mapping[str, str]) -> Object:
    """Return a Secret with its values."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in content.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": cluster.metadata(name, "secret"),
        "type": "Opaque",
        "data": data,
    }


def _namespace(cluster: Cluster) -> Object:
    enforced = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": cluster.namespace, "labels": {**cluster.everything, **enforced}},
    }


def _claim(cluster: Cluster, volume: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": cluster.metadata(f"openbell-{volume}", "volume"),
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": SIZES[volume]}}},
    }
