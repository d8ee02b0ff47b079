"""What a pod names exists, and it runs with no more rights than it needs."""

import pytest

from tests.support.kubernetes.manifests import (
    Document,
    Workload,
    contents,
    environment,
    made_secrets,
    mounted,
    of_kind,
    workloads,
)
from tests.support.kubernetes.network import selects

RESTRICTED_VOLUMES = {"configMap", "emptyDir", "secret", "persistentVolumeClaim"}


def names_of(each: Workload) -> str:
    return f"{each.namespace}/{each.name}"


def test_all_but_the_nodes_setup_meet_the_standard_restricted(
    documents: tuple[Document, ...],
) -> None:
    enforced = {
        each["metadata"]["name"]: each["metadata"]["labels"][
            "pod-security.kubernetes.io/enforce"
        ]
        for each in of_kind(documents, "Namespace")
    }
    assert enforced.pop("quantum-node-setup") == "privileged"
    assert set(enforced.values()) == {"restricted"}
    for each in workloads(documents):
        container = each.container["securityContext"]
        assert container["allowPrivilegeEscalation"] is False
        assert container["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in container
        if each.namespace == "quantum-node-setup":
            continue
        pod = each.pod["securityContext"]
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] > 0
        assert pod["seccompProfile"]["type"] in {"RuntimeDefault", "Localhost"}
        assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(each.pod)
        kinds = {kind for volume in each.pod.get("volumes", []) for kind in volume} - {"name"}
        assert kinds <= RESTRICTED_VOLUMES, names_of(each)


def test_pods_get_neither_a_token_nor_variables_of_services(
    documents: tuple[Document, ...],
) -> None:
    # A Service named ntbridge-console would set NTBRIDGE_CONSOLE_PORT, which is no setting.
    for each in workloads(documents):
        assert each.pod["automountServiceAccountToken"] is False
        assert each.pod["enableServiceLinks"] is False


def test_every_pod_has_limits_and_what_serves_has_probes(
    documents: tuple[Document, ...],
) -> None:
    for each in workloads(documents):
        assert each.container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in each.container["resources"]["limits"]
        if not each.ports:
            continue
        for probe in ("livenessProbe", "readinessProbe"):
            (action,) = each.container[probe].keys() & {"httpGet", "tcpSocket", "exec"}
            if action != "exec":
                assert each.container[probe][action]["port"] in each.ports, names_of(each)


def test_programs_of_ours_stop_in_order_and_write_only_where_they_may(
    documents: tuple[Document, ...],
) -> None:
    ours = [each for each in workloads(documents) if each.is_ours]
    assert len(ours) == 9
    for each in ours:
        assert each.container["securityContext"]["readOnlyRootFilesystem"] is True
        assert each.pod["securityContext"]["runAsUser"] == 10001
        if each.kind == "Deployment":
            assert each.pod["terminationGracePeriodSeconds"] >= 30
            assert each.program != "ntbridge" or each.container["args"][1] in {"run", "console"}


def test_services_lead_to_ports_of_pods(documents: tuple[Document, ...]) -> None:
    all_of_them = workloads(documents)
    for service in of_kind(documents, "Service"):
        behind = [
            each
            for each in all_of_them
            if each.namespace == service["metadata"]["namespace"]
            and selects({"matchLabels": service["spec"]["selector"]}, each.labels)
        ]
        assert behind, service["metadata"]
        for each in behind:
            for port in service["spec"]["ports"]:
                assert each.ports[port["targetPort"]] == port["port"], names_of(each)


def test_the_script_of_postgres_may_be_run(dev: tuple[Document, ...]) -> None:
    (postgres,) = (each for each in workloads(dev) if each.name == "postgres")
    (init,) = (each for each in postgres.pod["volumes"] if each["name"] == "init")
    assert init["configMap"]["defaultMode"] & 0o111


@pytest.mark.slow
def test_every_secret_and_configuration_exists(dev: tuple[Document, ...]) -> None:
    known = (*dev, *made_secrets())
    used: set[tuple[str, str, str]] = set()
    for each in workloads(known):
        variables = environment(each, known)  # raises for a key that does not exist
        files = dict(mounted(each, known))
        for name, value in variables.items():
            if value.startswith(("/run/secrets/", "/etc/temporal/dynamic")) or name.endswith(
                "_FILE"
            ):
                assert value in files, f"{names_of(each)}: {name}"
        for volume in each.pod.get("volumes", []):
            if "secret" in volume:
                used.add(("Secret", each.namespace, volume["secret"]["secretName"]))
        for variable in each.container.get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                used.add(("Secret", each.namespace, reference["name"]))
    made = {key for key in contents(known) if key[0] == "Secret"}
    # Only this one is for people.
    assert made - used == {("Secret", "quantum-services", "nats-logins")}
