"""NetworkPolicies as Kubernetes applies them: which pod may connect to which port of which pod."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.support.kubernetes.manifests import Document, Workload, of_kind

Connection = tuple[str, str, int]
"""From, to, port; a workload is ``namespace/name``."""


def named(workload: Workload) -> str:
    return f"{workload.namespace}/{workload.name}"


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects these labels."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for each in selector.get("matchExpressions", []):
        assert each["operator"] == "In"
        if labels.get(each["key"]) not in each["values"]:
            return False
    return True


class Network:
    """The policies of some documents."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.policies = of_kind(documents, "NetworkPolicy")
        self._namespaces = {
            each["metadata"]["name"]: each["metadata"].get("labels", {})
            for each in of_kind(documents, "Namespace")
        }

    def allows(self, source: Workload, target: Workload, port: int) -> bool:
        """Whether both ends allow a connection."""
        return self._passes(source, target, port, "Egress") and self._passes(
            target, source, port, "Ingress"
        )

    def allowed(self, all_of_them: Sequence[Workload], ports: Iterable[int]) -> set[Connection]:
        """Every connection that both ends allow."""
        asked = set(ports)
        return {
            (named(source), named(target), port)
            for source in all_of_them
            for target in all_of_them
            for port in asked
            if self.allows(source, target, port)
        }

    def networks(self, source: Workload) -> set[tuple[str, int]]:
        """The networks outside of the cluster that a workload may connect to, with ports."""
        return {
            (peer["ipBlock"]["cidr"], port["port"])
            for rule in self._rules(source, "Egress")
            for peer in rule["to"]
            for port in rule["ports"]
            if "ipBlock" in peer
        }

    def is_isolated(self, workload: Workload) -> bool:
        """Whether only what is named may connect, in both directions."""
        types = {
            each
            for policy in self._applying(workload)
            for each in policy["spec"]["policyTypes"]
        }
        return types == {"Ingress", "Egress"}

    def _passes(self, own: Workload, other: Workload, port: int, direction: str) -> bool:
        peers = "to" if direction == "Egress" else "from"
        return any(
            port in {each["port"] for each in rule["ports"]}
            and any(self._is_peer(peer, own, other) for peer in rule[peers])
            for rule in self._rules(own, direction)
        )

    def _rules(self, workload: Workload, direction: str) -> list[dict[str, Any]]:
        return [
            rule
            for policy in self._applying(workload)
            if direction in policy["spec"]["policyTypes"]
            for rule in policy["spec"].get(direction.lower(), [])
        ]

    def _applying(self, workload: Workload) -> list[Document]:
        return [
            policy
            for policy in self.policies
            if policy["metadata"]["namespace"] == workload.namespace
            and selects(policy["spec"]["podSelector"], workload.labels)
        ]

    def _is_peer(self, peer: Mapping[str, Any], own: Workload, other: Workload) -> bool:
        if "ipBlock" in peer:
            return False
        if "namespaceSelector" in peer:
            given = self._namespaces.get(other.namespace, {})
            labels = {"kubernetes.io/metadata.name": other.namespace, **given}
            if not selects(peer["namespaceSelector"], labels):
                return False
        elif own.namespace != other.namespace:
            return False
        return "podSelector" not in peer or selects(peer["podSelector"], other.labels)


def serving(
    documents: Sequence[Document], all_of_them: Sequence[Workload], host: str, port: int
) -> tuple[Workload, int]:
    """The workload behind a Service's name, and its container's port."""
    name, _, namespace = host.removesuffix(".svc").rpartition(".")
    pod, _, name = name.rpartition(".")  # before the Service's name: a pod of a StatefulSet
    (service,) = (
        each
        for each in of_kind(documents, "Service")
        if (each["metadata"]["name"], each["metadata"]["namespace"]) == (name, namespace)
    )
    (offered,) = (each for each in service["spec"]["ports"] if each["port"] == port)
    (workload,) = (
        each
        for each in all_of_them
        if each.namespace == namespace
        and selects({"matchLabels": service["spec"]["selector"]}, each.labels)
    )
    assert not pod or workload.kind == "StatefulSet"
    return workload, workload.ports[offered["targetPort"]]
