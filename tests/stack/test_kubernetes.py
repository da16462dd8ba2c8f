"""The manifests: valid, of one piece, and such that the real exporter does what they ask for."""

import ipaddress
import json
import re
from pathlib import Path

import pytest
import yaml

from exporter import DEFAULT_PORT, __version__, config
from exporter.cli import main
from exporter.commands.healthcheck import SECONDS
from exporter.targets import TargetFiles
from tests.commands.running import fetch, running
from tests.stack.files import EXAMPLES, ROOT, USER, document, exporter_takes, installed, run

FOLDER = EXAMPLES / "kubernetes"
OPERATOR = {
    "servicemonitor.yaml",
    "prometheusrule.yaml",
    "kustomization.yaml",
}  # kinds that Kubernetes has not
MANIFESTS = sorted(path for path in FOLDER.glob("*.yaml"))
LABELS = {"app.kubernetes.io/name": "winet-exporter"}

POD = document(FOLDER / "statefulset.yaml")["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
SPEC = document(FOLDER / "statefulset.yaml")["spec"]


def mounts() -> dict[str, str]:
    """Where each volume of the pod is."""
    return {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}


def write_configuration(folder: Path) -> Path:
    """The ConfigMap and the example secret as files, with the secret's folder put in."""
    (folder / "secrets").mkdir()
    for name, text in document(FOLDER / "secret.example.yaml")["stringData"].items():
        (folder / "secrets" / name).write_text(text)
        (folder / "secrets" / name).chmod(0o400)
    for name, text in document(FOLDER / "configmap.yaml")["data"].items():
        (folder / name).write_text(text.replace(mounts()["secrets"], str(folder / "secrets")), "utf-8")
    return folder / "winet.yml"


def arguments(index: int) -> list[str]:
    """The container's arguments as Kubernetes hands them over: $(NAME) is the variable's value."""
    values = {}
    for variable in CONTAINER["env"]:
        if "value" in variable:
            values[variable["name"]] = variable["value"]
        else:
            path = variable["valueFrom"]["fieldRef"]["fieldPath"]
            assert path == "metadata.labels['apps.kubernetes.io/pod-index']"
            values[variable["name"]] = str(index)
    return [
        re.sub(r"\$\((\w+)\)", lambda match: values.get(match[1], match[0]), word)
        for word in CONTAINER["args"]
    ]


# What validators say ---------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize(
    "path", [path for path in MANIFESTS if path.name not in OPERATOR], ids=lambda path: path.name
)
def test_manifest_when_the_schemas_are_asked_then_it_keeps_to_them(path):
    """Strictly: a key that Kubernetes would drop in silence is a mistake."""
    code, told = run(installed("kubernetes-validate"), "--strict", path)
    assert (code, "passed" in told) == (0, True), told


@pytest.mark.real
def test_manifest_when_a_key_is_misspelt_then_the_validator_refuses_it(tmp_path):
    """The test above can fail."""
    wrong = tmp_path / "wrong.yaml"
    text = (FOLDER / "statefulset.yaml").read_text("utf-8")
    wrong.write_text(text.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem"), "utf-8")
    assert run(installed("kubernetes-validate"), "--strict", wrong)[0] == 1


# Of one piece ----------------------------------------------------------------------------------------


def test_kustomization_when_it_is_applied_then_everything_is_in_it_but_the_example_secret():
    """A password that stands in a repository is never applied by accident."""
    resources = document(FOLDER / "kustomization.yaml")["resources"]
    expected = {path.name for path in MANIFESTS} - {"kustomization.yaml", "secret.example.yaml"}
    assert sorted(resources) == sorted(expected)


def test_objects_when_they_look_for_each_other_then_names_labels_and_ports_agree():
    """One namespace, one label, one port."""
    for path in MANIFESTS:
        if path.name not in ("kustomization.yaml", "namespace.yaml"):
            metadata = document(path)["metadata"]
            assert (metadata["namespace"], metadata["labels"]) == ("winet-exporter", LABELS), path.name
    assert document(FOLDER / "namespace.yaml")["metadata"]["name"] == "winet-exporter"
    service = document(FOLDER / "service.yaml")
    (port,) = CONTAINER["ports"]
    assert port == {"name": "metrics", "containerPort": DEFAULT_PORT}
    assert service["spec"]["selector"] == LABELS
    assert service["spec"]["ports"] == [{"name": "metrics", "port": DEFAULT_PORT, "targetPort": "metrics"}]
    assert SPEC["serviceName"] == service["metadata"]["name"]
    assert SPEC["selector"]["matchLabels"] == SPEC["template"]["metadata"]["labels"] == LABELS
    for name in ("networkpolicy", "poddisruptionbudget", "servicemonitor"):
        spec = document(FOLDER / f"{name}.yaml")["spec"]
        assert (spec.get("podSelector") or spec.get("selector")) == {"matchLabels": LABELS}
    (endpoint,) = document(FOLDER / "servicemonitor.yaml")["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("metrics", "/metrics")
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    assert volumes["configuration"]["configMap"]["name"] == "winet-exporter"
    assert volumes["secrets"]["secret"]["secretName"] == "winet-exporter"
    assert set(mounts()) == {*volumes, "state"}
    assert [claim["metadata"]["name"] for claim in SPEC["volumeClaimTemplates"]] == ["state"]


def test_pod_when_it_is_admitted_then_it_keeps_to_the_restricted_standard():
    """What the namespace demands, and the read-only root besides; the user is the image's."""
    rights = POD["securityContext"]
    assert (rights["runAsNonRoot"], rights["runAsUser"], rights["fsGroup"]) == (True, USER, USER)
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["automountServiceAccountToken"] is False
    (source,) = re.findall(r'source="https://github.com/([^"]+)"', (ROOT / "Dockerfile").read_text("utf-8"))
    assert CONTAINER["image"] == f"ghcr.io/{source}:{__version__}", "where the workflow puts it"


def test_files_when_the_program_looks_for_them_then_they_are_mounted_there():
    """The paths of flags and passwords are those of the volumes: whole folders, so that changes come."""
    assert not any("subPath" in mount for mount in CONTAINER["volumeMounts"])
    words = exporter_takes(arguments(0))
    assert words.config_file == f"{mounts()['configuration']}/winet.yml"
    assert words.storage_path == mounts()["state"]
    passwords = re.findall(r"password_file: (\S+)", document(FOLDER / "configmap.yaml")["data"]["winet.yml"])
    secret = document(FOLDER / "secret.example.yaml")["stringData"]
    assert passwords == [f"{mounts()['secrets']}/{name}" for name in secret]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probe_when_it_runs_then_it_is_a_command_that_has_the_time_it_needs(probe):
    """Not an HTTP request, which a password or a demand for a client certificate would fail."""
    assert set(CONTAINER[probe]) & {"exec", "httpGet", "tcpSocket", "grpc"} == {"exec"}
    program, *words = CONTAINER[probe]["exec"]["command"]
    assert program == "winet-exporter"
    assert exporter_takes(words).url == f"http://127.0.0.1:{DEFAULT_PORT}/-/healthy"
    assert CONTAINER[probe]["timeoutSeconds"] > SECONDS


def test_network_policy_when_it_is_in_force_then_names_and_gateways_can_be_had():
    """Name servers by both protocols, and every address and port that the ConfigMap leads to."""
    names, gateways = document(FOLDER / "networkpolicy.yaml")["spec"]["egress"]
    assert names["ports"] == [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
    networks = [ipaddress.ip_network(peer["ipBlock"]["cidr"]) for peer in gateways["to"]]
    data = document(FOLDER / "configmap.yaml")["data"]
    for group in yaml.safe_load(data["targets.yml"]):
        for target in group["targets"]:
            address = ipaddress.ip_address(target.partition(":")[0])
            assert any(address in network for network in networks), target
    assert {port["port"] for port in gateways["ports"]} == {443, 8082, 80}
    (entry,) = document(FOLDER / "networkpolicy.yaml")["spec"]["ingress"]
    (peer,) = entry["from"]
    assert set(peer) == {"namespaceSelector", "podSelector"}, "two entries would let in either"


def test_servicemonitor_when_it_is_scraped_then_the_job_is_the_one_of_rules_and_boards():
    """Shards are one job; a pod's name is its instance, which outlives a restart."""
    (endpoint,) = document(FOLDER / "servicemonitor.yaml")["spec"]["endpoints"]
    set_to = {rule["targetLabel"]: rule for rule in endpoint["relabelings"] if "targetLabel" in rule}
    jobs = [job["job_name"] for job in document(EXAMPLES / "compose" / "prometheus.yml")["scrape_configs"]]
    assert set_to["job"]["replacement"] in jobs
    assert set_to["instance"]["sourceLabels"] == ["__meta_kubernetes_pod_name"]
    (dropped,) = [rule["regex"] for rule in endpoint["relabelings"] if rule.get("action") == "labeldrop"]
    for kept in ("job", "instance", "namespace", "__address__", "__metrics_path__"):
        assert not re.fullmatch(dropped, kept)


# The exporter ----------------------------------------------------------------------------------------


@pytest.mark.real
def test_configmap_when_check_config_looks_at_it_then_it_is_good(tmp_path, capsys):
    """Target file included, and nothing is unwise."""
    assert main(["check-config", str(write_configuration(tmp_path))]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.real
async def test_shards_when_each_pod_runs_its_arguments_then_every_gateway_has_exactly_one(tmp_path):
    """The pod's number becomes its shard; `replicas` and the total agree."""
    data = document(FOLDER / "configmap.yaml")["data"]
    expected = []
    for group in yaml.safe_load(data["targets.yml"]):
        expected += [group["labels"].get("__winet_name", target) for target in group["targets"]]
    write_configuration(tmp_path)
    found: list[str] = []
    for index in range(SPEC["replicas"]):
        words = [
            word.replace(mounts()["configuration"], str(tmp_path)).replace(
                mounts()["state"], str(tmp_path / f"state-{index}")
            )
            for word in arguments(index)
        ]
        async with running(*words, "--web.listen-address=127.0.0.1:0") as process:
            address = (await process.line(r'"addresses": ?"([^"]+)"'))[1]
            listed = json.loads(await fetch(f"http://{address}/sd"))
            found += [target for group in listed for target in group["targets"]]
            assert await process.end() == 0
    assert len(expected) > 1
    assert sorted(found) == sorted(expected)


def test_pod_when_kubernetes_is_too_old_for_its_number_then_the_exporter_does_not_start(capsys):
    """A label that is not there is an empty word: better no shard than every pod the same one."""
    words = [word.replace("$(POD_INDEX)", "").replace("$(TOTAL_SHARDS)", "2") for word in CONTAINER["args"]]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "--shard" in capsys.readouterr().err


def test_targets_when_the_configmap_changes_then_the_exporter_sees_it(tmp_path):
    """The kubelet exchanges a link to a folder, not the file: its size and time are those of the new one."""
    for number, targets in enumerate(("[a]", "[b]")):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "targets.yml").write_text(f"- targets: {targets}\n")
    (tmp_path / "..data").symlink_to("..0")
    (tmp_path / "targets.yml").symlink_to("..data/targets.yml")
    settings = config.parse("target_files: [targets.yml]", source="winet.yml", folder=tmp_path)
    files = TargetFiles()
    assert [target.host for target in files.read(settings)] == ["a"]
    (tmp_path / "..data_tmp").symlink_to("..1")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert [target.host for target in files.read(settings)] == ["b"]
