"""What the objects of one installation have in common: names, labels, images."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.errors import CommandError
from deploy.settings import DATABASE

Object = Mapping[str, Any]

REGISTRY, PULL_SECRET, TAG = "OPENBELL_REGISTRY", "OPENBELL_PULL_SECRET", "OPENBELL_TAG"
SHARED, STORE = ("journal", "state", "control"), "supervisor"  # volumes: those of strategies, and the supervisor's own
PART_OF = {"app.kubernetes.io/part-of": "openbell"}
_NAMESPACE = re.compile(r"(?=.{1,63}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@dataclass(frozen=True)
class Cluster:
    """One installation in a cluster."""

    project: str
    namespace: str
    owns_namespace: bool  # it is made here; one that was there before has workloads of others
    registry: str  # empty: the images are on the nodes
    tag: str
    pull_secret: str
    database: str  # its address; empty without one
    is_open: (
        bool  # the page may be asked by others in the cluster, since a reader needs a token or is meant to need none
    )

    def metadata(self, name: str, component: str) -> dict[str, Any]:
        """Return an object's name, namespace and labels."""
        return {"name": name, "namespace": self.namespace, "labels": self.labels(name, component)}

    def labels(self, name: str, component: str) -> dict[str, str]:
        """Return the labels of an object and of its pods."""
        return {"app.kubernetes.io/name": name, "app.kubernetes.io/component": component, **self.everything}

    @property
    def everything(self) -> dict[str, str]:
        """The labels that all objects of the installation have."""
        return {**PART_OF, "app.kubernetes.io/instance": self.project}

    def image(self, reference: str) -> str:
        """Return the image that a node pulls for one that is built here."""
        return f"{self.registry.rstrip('/')}/{reference.rpartition('/')[2]}" if self.registry else reference


def cluster(values: Mapping[str, str], project: str, namespace: str | None, *, is_open: bool) -> Cluster:
    """Return the installation that the settings describe; CommandError if they do not fit together."""
    name = namespace or object_name(project)
    if not _NAMESPACE.fullmatch(name):
        msg = f'NAMESPACE=: found "{name}"; allowed: up to 63 lower-case letters, digits and -, such as trading'
        raise CommandError(msg, 2)
    registry, tag = values.get(REGISTRY, ""), values.get(TAG, "")
    if registry and not tag:
        msg = (
            f"{TAG}: set it in .env to a tag that you use once, such as 2026-11-27: a node that has an image of that tag "
            "does not fetch another"
        )
        raise CommandError(msg)
    return Cluster(
        project,
        name,
        namespace is None,
        registry,
        tag or "local",
        values.get(PULL_SECRET, ""),
        values.get(DATABASE, ""),
        is_open,
    )


def object_name(service: str) -> str:
    """Return the name of what belongs to a service or project: Kubernetes knows no underscore. Two services never get the same."""
    return service.replace("_", "-")
