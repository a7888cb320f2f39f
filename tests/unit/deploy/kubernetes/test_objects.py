"""The objects for a cluster, as its API and its standard for pods would judge them."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from deploy.errors import CommandError
from deploy.kubernetes import objects, pods
from deploy.kubernetes.cluster import Cluster, Object, cluster
from openbell.manifest import load_all
from openbell.strategy_user import user_id

ROOT = Path(__file__).parents[4]
VERSIONS = ("1.33", "1.34", "1.35", "1.36", "1.37")  # those that clusters of the large providers may have now
DATABASE = "postgresql://openbell:correct-horse@db.internal:6432/openbell"
WITHOUT: Mapping[str, str] = {}
WITH = {
    "OPENBELL_DATABASE": DATABASE,
    "OPENBELL_REGISTRY": "registry.example.org/me",
    "OPENBELL_TAG": "one",
    "OPENBELL_PULL_SECRET": "registry-login",
    "OPENBELL_TOKEN": "a-token-that-is-long",
    "ALPACA_API_KEY": "value-of-a-key",
}
ALL = "alpaca,kraken,portfolio"


pytestmark = pytest.mark.skipif(not shutil.which("docker"), reason="Compose is not installed")


@cache
def configuration(profiles: str, **environment: str) -> Mapping[str, Any]:
    """Return what Compose makes of the kit's own files."""
    printed = subprocess.check_output(
        ("docker", "compose", "--file", "compose.yaml", "config", "--format", "json"),
        cwd=ROOT,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": "/nonexistent",
            "COMPOSE_PROFILES": profiles,
            **environment,
        },
    )
    found: Mapping[str, Any] = json.loads(printed)
    return found


def rendered(values: Mapping[str, str], profiles: str = ALL) -> tuple[Cluster, dict[str, list[Object]]]:
    """Return the files of an installation with these settings."""
    manifests, _ = load_all(ROOT / "strategies")
    where = cluster(values, "openbell", None, is_open=False)
    services, _ = objects.services(configuration(profiles, **values), manifests)
    names = objects.secret_names(where, services, values, manifests)
    return where, objects.files(where, services, manifests, names)


def every(files: Mapping[str, list[Object]], kind: str = "") -> list[Object]:
    """Return the objects of a kind, or all."""
    return [one for found in files.values() for one in found if not kind or one["kind"] == kind]


@pytest.mark.parametrize("values", [WITHOUT, WITH], ids=["without a database", "with a database"])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_api_knows_every_field(values: Mapping[str, str], version: str) -> None:
    """As its own schemas of the version say, which allow nothing else; one object of each shape is judged."""
    _, files = rendered(values, "")
    where, _ = rendered(values)
    for one in [*every(files), objects.secret(where, "openbell-database", {"OPENBELL_DATABASE": DATABASE})]:
        assert kubernetes_validate.validate(one, version, strict=True) == version


def test_a_field_that_the_api_does_not_know_is_found() -> None:
    """The schemas are strict: what is misspelt is not passed over."""
    _, files = rendered(WITHOUT, "")
    one = dict(files["30-pulse.yaml"][0])
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**one, "spec": {**one["spec"], "replcas": 1}}, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("values", [WITHOUT, WITH], ids=["without a database", "with a database"])
def test_pods_keep_to_the_restricted_standard(values: Mapping[str, str]) -> None:
    """No root, no capability, no way to more rights, a read-only file system, no token of the API; as a user of its own."""
    _, files = rendered(values)
    for one in every(files, "Deployment"):
        pod = one["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod["automountServiceAccountToken"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {tuple(volume.keys())[1] for volume in pod["volumes"]} <= {"emptyDir", "persistentVolumeClaim"}
        assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys()
    users = [one["spec"]["template"]["spec"]["securityContext"]["runAsUser"] for one in every(files, "Deployment")]
    assert len(set(users)) == len(users)
    assert user_id("mean_reversion_bb") in users


def test_with_a_database_a_strategy_has_a_standby_on_another_node() -> None:
    """Two pods that keep apart, replaced one after the other, of which a drained node may take one; nothing of it in volumes."""
    _, files = rendered(WITH)
    deployment, budget = files["30-pulse.yaml"]
    labels = deployment["spec"]["selector"]["matchLabels"]
    (apart,) = deployment["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert deployment["spec"]["replicas"] == 2
    assert apart == {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    assert (budget["kind"], budget["spec"]) == (
        "PodDisruptionBudget",
        {"maxUnavailable": 1, "selector": {"matchLabels": labels}},
    )
    assert [one["metadata"]["name"] for one in every(files, "PersistentVolumeClaim")] == ["openbell-supervisor"]


def test_without_a_database_nothing_runs_twice() -> None:
    """One pod, which is gone before the next one starts, and on the node that has the volumes; it sees its own folders only."""
    _, files = rendered(WITHOUT)
    (deployment,) = files["30-mean-reversion-bb.yaml"]
    pod = deployment["spec"]["template"]["spec"]
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})
    assert "podAffinity" in pod["affinity"]
    mounts = {one["mountPath"]: one for one in pod["containers"][0]["volumeMounts"]}
    assert mounts["/state/mean_reversion_bb"]["subPath"] == "mean_reversion_bb"
    assert mounts["/control"]["readOnly"]


def test_a_quiet_loop_is_not_restarted() -> None:
    """A lost database makes it quiet, and a restart would not bring that back; only an update waits for it."""
    _, files = rendered(WITH)
    for one in every(files, "Deployment"):
        (container,) = one["spec"]["template"]["spec"]["containers"]
        assert "readinessProbe" in container
        assert ("livenessProbe" in container) == (container["name"] == "supervisor")
        for word in container["readinessProbe"].get("exec", {}).get("command", ()):
            assert "$$" not in word


def test_values_that_may_be_secret_are_named_and_nowhere_written() -> None:
    """A strategy is given its own secrets from its own Secret, all the database's address, the supervisor its token."""
    _, files = rendered(WITH)
    text = json.dumps(files)
    assert not [
        value for value in (DATABASE, "correct-horse", WITH["OPENBELL_TOKEN"], WITH["ALPACA_API_KEY"]) if value in text
    ]
    found = {
        one["metadata"]["name"]: {
            variable["name"]: variable["valueFrom"]["secretKeyRef"]["name"]
            for variable in one["spec"]["template"]["spec"]["containers"][0]["env"]
            if "secretKeyRef" in variable.get("valueFrom", {})
        }
        for one in every(files, "Deployment")
    }
    database = {"OPENBELL_DATABASE": "openbell-database"}
    own = dict.fromkeys(("ALPACA_API_KEY", "ALPACA_SECRET_KEY"), "openbell-alpaca-trend")
    assert found["alpaca-trend"] == database | own
    assert found["pulse"] == database
    assert found["supervisor"] == database | {"OPENBELL_TOKEN": "openbell-supervisor"}


def test_images_come_from_the_registry_of_the_settings() -> None:
    """With the tag that is used once, and the Secret with which nodes may pull them; without a registry they are on the nodes."""
    _, files = rendered(WITH)
    pod = files["30-pulse.yaml"][0]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "registry.example.org/me/pulse:one"
    assert pod["imagePullSecrets"] == [{"name": "registry-login"}]
    _, here = rendered(WITHOUT)
    assert here["30-pulse.yaml"][0]["spec"]["template"]["spec"]["containers"][0]["image"] == "openbell/pulse:local"
    with pytest.raises(CommandError, match="OPENBELL_TAG: set it"):
        cluster({"OPENBELL_REGISTRY": "registry.example.org/me"}, "openbell", None, is_open=False)


def test_only_an_open_page_may_be_asked_from_within_the_cluster() -> None:
    """Nothing else accepts a connection; what pods reach is names, the database in the cluster, and the world without a node's own addresses."""
    where, files = rendered(WITH)
    strategies, supervisor = files["10-network.yaml"]
    assert (strategies["spec"]["ingress"], supervisor["spec"]["ingress"]) == ([], [])
    assert strategies["spec"]["egress"][-1]["ports"] == [{"protocol": "TCP", "port": 6432}]
    assert strategies["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "strategy"
    is_open = cluster(WITH, "openbell", None, is_open=True)
    page = objects.files(is_open, {}, (), {})["10-network.yaml"][1]["spec"]["ingress"]
    assert page == [{"ports": [{"protocol": "TCP", "port": 8080}]}]
    assert where.namespace == "openbell"


def test_a_namespace_of_others_is_left_as_it_is() -> None:
    """The one that is ours enforces the restricted standard."""
    ours, others = (cluster(WITHOUT, "open_bell", name, is_open=False) for name in (None, "trading"))
    (made,) = objects.files(ours, {}, (), {})["00-namespace.yaml"]
    assert made["metadata"]["name"] == "open-bell"
    assert made["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert "00-namespace.yaml" not in objects.files(others, {}, (), {})


def test_what_one_container_for_all_needs_is_refused() -> None:
    """It starts as root; and services that a cluster has its own ways for are left out by name."""
    manifests, _ = load_all(ROOT / "strategies")
    with pytest.raises(CommandError, match="together hosts several strategies in one container"):
        objects.services(configuration("portfolio-together"), manifests)
    rendered, left = objects.services(configuration("metrics"), manifests)
    assert (sorted(rendered), left) == (["ma_crossover", "pulse", "supervisor"], ("grafana", "prometheus"))


@pytest.mark.parametrize(
    "body,found",
    [
        ({"volumes": [{"type": "bind", "source": "/data"}]}, "/data is not a volume of openbell"),
        ({"volumes": [{"type": "volume", "source": "bars"}]}, "bars is not a volume of openbell"),
        ({"user": "0:0"}, "runs as user 0:0"),
        ({"cap_add": ["NET_ADMIN"]}, "has capabilities"),
    ],
)
def test_a_service_that_wants_more_of_a_machine_is_refused(body: Mapping[str, Any], found: str) -> None:
    """The error names what no pod gets."""
    with pytest.raises(CommandError, match=found):
        pods.only_volumes("mine", body, ("journal",))
