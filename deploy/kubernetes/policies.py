"""What the pods may reach, and how many of them a drained node may take away. Pure."""

from urllib.parse import urlsplit

from deploy.kubernetes.cluster import Cluster, Object, object_name

PAGE = 8080
NODE_DNS = "169.254.20.10/32"  # the address of a node's own cache of names
# Addresses of a cloud's machines for themselves, which tell credentials to anyone who asks.
METADATA = {"0.0.0.0/0": ["169.254.0.0/16"], "::/0": ["fe80::/10", "fd00:ec2::254/128"]}


def policies(cluster: Cluster) -> list[Object]:
    """Return who may speak to the pods, which is no one unless the page is open, and to whom they may speak."""
    dns = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    egress: list[Object] = [
        {"to": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": NODE_DNS}}], "ports": dns},
        # Brokers, markets and alert channels have no addresses that could be listed.
        {"to": [{"ipBlock": {"cidr": every, "except": others}} for every, others in METADATA.items()]},
    ]
    if cluster.database:  # in the cluster it has an address of a pod, which no block of addresses covers everywhere
        port = {"protocol": "TCP", "port": urlsplit(cluster.database).port or 5432}
        egress.append({"to": [{"namespaceSelector": {}}], "ports": [port]})
    page: list[Object] = [{"ports": [{"protocol": "TCP", "port": PAGE}]}] if cluster.is_open else []
    return [
        _policy(cluster, "strategy", [], egress),
        _policy(cluster, "supervisor", page, egress),
    ]


def disruption_budget(cluster: Cluster, name: str) -> Object:
    """Return the budget that lets a drained node take one of a strategy's two pods, and not the other one meanwhile."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": cluster.metadata(name, "strategy"),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": cluster.labels(name, "strategy")}},
    }


def _policy(cluster: Cluster, component: str, ingress: list[Object], egress: list[Object]) -> Object:
    selected = {**cluster.everything, "app.kubernetes.io/component": component}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": cluster.metadata(f"{object_name(cluster.project)}-{component}", component),
        "spec": {
            "podSelector": {"matchLabels": selected},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }
