"""A pod from a service of Compose: the same image, environment, limits and hardening. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.errors import CommandError
from deploy.kubernetes.cluster import Cluster, Object, object_name
from deploy.settings import seconds

FILE = "_FILE"
READY_EVERY = 30  # seconds; each question is a process in the container
LEAST_CPU = "10m"
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Pod:
    """What a service of Compose does not say about its pod."""

    service: str
    user: int
    group: int  # that owns the volumes' files
    secrets: Mapping[str, str]  # which Secret has the value of a variable of the environment
    volumes: Sequence[Object]
    mounts: Sequence[Object]
    beside: Mapping[str, Any]  # what else its container has: ports and probes
    memory: int  # bytes that it is likely to take
    environment: Sequence[Object] = ()  # in addition to the service's own
    affinity: Object | None = None


def template(cluster: Cluster, pod: Pod, service: Mapping[str, Any], labels: Mapping[str, str]) -> Object:
    """Return the template of a service's pods, within the restricted standard for pods."""
    limit = int(service["mem_limit"])
    container = {
        "name": object_name(pod.service),
        "image": cluster.image(str(service["image"])),
        "imagePullPolicy": "IfNotPresent",
        "env": [*_environment(pod, service), *pod.environment],
        "resources": {
            "requests": {"cpu": LEAST_CPU, "memory": _mebibytes(min(pod.memory, limit))},
            "limits": {"cpu": str(service["cpus"]), "memory": _mebibytes(limit)},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [*pod.mounts, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the container's own
        **pod.beside,
    }
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": True,  # its first process collects what others leave, as Compose's init does
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": pod.user,
            "runAsGroup": pod.user,
            "fsGroup": pod.group,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": seconds(str(service["stop_grace_period"])),
        **({"imagePullSecrets": [{"name": cluster.pull_secret}]} if cluster.pull_secret else {}),
        **({"affinity": pod.affinity} if pod.affinity else {}),
        "containers": [container],
        "volumes": [*pod.volumes, {"name": "tmp", "emptyDir": {"medium": "Memory"}}],
    }
    return {"metadata": {"labels": dict(labels)}, "spec": spec}


def ready_probe(service: Mapping[str, Any]) -> Object:
    """Return the health check of Compose as a probe that decides when an update goes on, and restarts nothing.

    A loop that a lost database has made quiet must stay so, and one that hangs ends itself.
    """
    words = list(service["healthcheck"]["test"])
    kind, test = words[0], [str(word).replace("$$", "$") for word in words[1:]]
    command = ["sh", "-c", *test] if kind == "CMD-SHELL" else test
    return {
        "exec": {"command": command},
        "periodSeconds": READY_EVERY,
        "timeoutSeconds": seconds(str(service["healthcheck"]["timeout"])),
        "failureThreshold": int(service["healthcheck"]["retries"]),
    }


def only_volumes(service: str, body: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise CommandError for a service that wants more of a machine than what each pod gets."""
    for one in body.get("volumes") or ():
        if one.get("type") != "volume" or one.get("source") not in known:
            msg = f"compose: {service}: {one.get('source')} is not a volume of openbell: a pod has none of its machine's folders"
            raise CommandError(msg)
    if (user := str(body.get("user", ""))).partition(":")[0] == "0" or body.get("cap_add"):
        found = f"runs as user {user}" if user else "has capabilities"
        msg = f"compose: {service}: {found}, which the restricted standard for pods forbids; use its strategies' own services"
        raise CommandError(msg)


def _environment(pod: Pod, service: Mapping[str, Any]) -> list[Object]:
    """Return what the service's environment sets; values that may be secret come from a Secret."""
    found: list[Object] = []
    given = {one["name"] for one in pod.environment}
    for name, value in (service.get("environment") or {}).items():
        if name.endswith(FILE) and name.removesuffix(FILE) in service["environment"]:
            continue  # Compose's secret file; here the Secret has the value
        if name in given:
            continue
        if name in pod.secrets:
            reference = {"secretKeyRef": {"name": pod.secrets[name], "key": name}}
            found.append({"name": name, "valueFrom": reference})
        elif value:
            text = str(value).replace("$$", "$")
            found.append({"name": name, "value": text.replace("$(", "$$(")})  # which would name another variable
    return found


def _mebibytes(size: int) -> str:
    return f"{size // MEBIBYTE}Mi"
