"""The deployments: a strategy's, and the supervisor's with its page. Pure."""

from collections.abc import Mapping
from typing import Any

from deploy.docker.compose import SUPERVISOR, SUPERVISOR_STATE
from deploy.kubernetes import pods, policies
from deploy.kubernetes.cluster import SHARED, STORE, Cluster, Object, object_name
from deploy.kubernetes.pods import Pod
from openbell.strategy_user import SUPERVISOR as SUPERVISORS_USER
from openbell.strategy_user import user_id

HOSTNAME = "kubernetes.io/hostname"
NODE = {"name": "OPENBELL_HOST", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}


def strategy(
    cluster: Cluster, service: str, body: Mapping[str, Any], secrets: Mapping[str, str], memory: int
) -> list[Object]:
    """Return a strategy's objects: with a database two pods on two nodes, of which one stands by, else one."""
    name, user = object_name(service), user_id(service)
    labels = cluster.labels(name, "strategy")
    same: Object = {"labelSelector": {"matchLabels": labels}, "topologyKey": HOSTNAME}
    if cluster.database:
        volumes: list[Object] = [{"name": one, "emptyDir": {}} for one in SHARED]
        mounts: list[Object] = [{"name": one, "mountPath": f"/{one}"} for one in SHARED]
        apart: Object = {"requiredDuringSchedulingIgnoredDuringExecution": [same]}
        group = user
        affinity: Object = {"podAntiAffinity": apart}
        # One after the other, and never three: the one that is replaced gives its ownership to the one that waits.
        update: Object = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
        more = [policies.disruption_budget(cluster, name)]
    else:
        # A strategy sees its own folders of the volumes that all share, and what people want of all.
        mounts = [{"name": one, "mountPath": f"/{one}/{service}", "subPath": service} for one in ("journal", "state")]
        mounts.append({"name": "control", "mountPath": "/control", "readOnly": True})
        volumes = [_claimed(one) for one in SHARED]
        group, affinity = SUPERVISORS_USER, _together(cluster)
        update, more = {"type": "Recreate"}, []
    beside: Object = {"readinessProbe": pods.ready_probe(body)}
    pod = Pod(service, user, group, secrets, volumes, mounts, beside, memory, (NODE,), affinity)
    return [_deployment(cluster, name, "strategy", 2 if cluster.database else 1, update, pod, body), *more]


def supervisor(
    cluster: Cluster, service: str, body: Mapping[str, Any], secrets: Mapping[str, str], memory: int
) -> list[Object]:
    """Return the supervisor's objects; with a database it needs no volume of the strategies."""
    if cluster.database:  # it brings journals and control from there by itself
        volumes: list[Object] = [{"name": one, "emptyDir": {}} for one in ("journal", "control")]
        environment: tuple[Object, ...] = (NODE, {"name": "OPENBELL_COPY_JOURNALS", "value": "yes"})
        affinity: Object | None = None
    else:
        volumes = [_claimed(one) for one in ("journal", "control")]
        environment, affinity = (NODE,), _together(cluster)
    read_only = {} if cluster.database else {"readOnly": True}
    mounts: list[Object] = [
        {"name": "journal", "mountPath": "/journal", **read_only},
        {"name": "control", "mountPath": "/control"},
        {"name": STORE, "mountPath": SUPERVISOR_STATE},
    ]
    health = {"httpGet": {"path": "/healthz", "port": policies.PAGE}, "timeoutSeconds": 5, "failureThreshold": 4}
    beside = {
        "ports": [{"name": "page", "containerPort": policies.PAGE}],
        "readinessProbe": {**health, "periodSeconds": 10},
        "livenessProbe": {**health, "initialDelaySeconds": 60, "periodSeconds": pods.READY_EVERY},
    }
    pod = Pod(
        service,
        SUPERVISORS_USER,
        SUPERVISORS_USER,
        secrets,
        [*volumes, _claimed(STORE)],
        mounts,
        beside,
        memory,
        environment,
        affinity,
    )
    return [
        _deployment(cluster, service, SUPERVISOR, 1, {"type": "Recreate"}, pod, body),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": cluster.metadata(service, SUPERVISOR),
            "spec": {
                "selector": cluster.labels(service, SUPERVISOR),
                "ports": [{"name": "page", "port": policies.PAGE, "targetPort": "page"}],
            },
        },
    ]


def _deployment(
    cluster: Cluster, name: str, component: str, replicas: int, update: Object, pod: Pod, body: Mapping[str, Any]
) -> Object:
    labels = cluster.labels(name, component)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": cluster.metadata(name, component),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 5,
            "strategy": update,
            "selector": {"matchLabels": labels},
            "template": pods.template(cluster, pod, body, labels),
        },
    }


def _claimed(volume: str) -> Object:
    return {"name": volume, "persistentVolumeClaim": {"claimName": f"openbell-{volume}"}}


def _together(cluster: Cluster) -> Object:
    """Let the pods of an installation share a node: volumes that one node may write to are what every cluster has."""
    same = {"labelSelector": {"matchLabels": cluster.everything}, "topologyKey": HOSTNAME}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [same]}}
