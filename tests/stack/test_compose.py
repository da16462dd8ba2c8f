"""The compose file: valid, confined, and made of parts that are there and fit each other."""

import os
import re
import shutil
from typing import Any

import pytest
import yaml

from exporter import DEFAULT_PORT
from tests.prometheus import tool
from tests.stack.files import EXAMPLES, document, exporter_takes, installed, run

FILE = EXAMPLES / "compose.yml"
DEPLOYMENT = (EXAMPLES.parent / "docs" / "deployment.md").read_text("utf-8")
SCRAPING = EXAMPLES / "compose" / "prometheus.yml"
SERVICES: dict[str, dict[str, Any]] = document(FILE)["services"]
PORTS = {"exporter": DEFAULT_PORT, "prometheus": 9090, "alertmanager": 9093, "grafana": 3000}
THEIRS = {"./compose/winet", "./compose/grafana-admin.password"}  # what users bring
COMPOSE = os.environ.get("COMPOSE", "")
OWN = re.findall(r"(?m)^(?:WINET|ALERTMANAGER)_\w+=\S+$", DEPLOYMENT)

each = pytest.mark.parametrize("name", SERVICES)


def kind(name: str) -> str:
    return name.removesuffix("-demo")


def binds(service: dict[str, Any]) -> dict[str, str]:
    """Where the files and folders of the repository are mounted, by their source."""
    found = {}
    for volume in service.get("volumes", ()):
        if isinstance(volume, dict):
            found[re.sub(r"\$\{\w+:-(.*)\}", r"\1", volume["source"])] = volume["target"]
        elif volume.startswith("."):
            source, target, mode = volume.split(":")
            assert mode == "ro"
            found[source] = target
    return found


def stores(service: dict[str, Any]) -> dict[str, str]:
    """Where named volumes are mounted, by their name."""
    lines = [volume for volume in service.get("volumes", ()) if isinstance(volume, str)]
    return dict(line.split(":") for line in lines if line[0] not in "./")


# What validators say ---------------------------------------------------------------------------------


@pytest.mark.real
def test_compose_when_the_schema_is_asked_then_it_keeps_to_it(tmp_path):
    """Which is no empty promise: a misspelt key does not pass."""
    check = (installed("check-jsonschema"), "--builtin-schema", "vendor.compose-spec")
    code, told = run(*check, FILE)
    assert code == 0, told
    wrong = tmp_path / "compose.yml"
    wrong.write_text(FILE.read_text("utf-8").replace("cap_drop", "cap_drops"), "utf-8")
    assert run(*check, wrong)[0] == 1


@pytest.mark.packages
@pytest.mark.skipif(not COMPOSE, reason="COMPOSE names no docker-compose")
@pytest.mark.parametrize("profile", ["plant", "demo"])
def test_compose_when_docker_compose_reads_it_then_a_profile_is_the_whole_stack(profile):
    """Nothing is said, and each profile has the four programs, its own ones."""
    compose = (COMPOSE, "--file", FILE, "--profile", profile, "config")
    assert run(*compose, "--quiet") == (0, "")
    code, services = run(*compose, "--services")
    assert code == 0
    suffix = "-demo" if profile == "demo" else ""
    assert sorted(services.split()) == sorted(f"{name}{suffix}" for name in PORTS)


@pytest.mark.packages
@pytest.mark.skipif(not COMPOSE, reason="COMPOSE names no docker-compose")
def test_compose_when_own_copies_are_named_in_its_env_file_then_they_are_mounted(tmp_path):
    """As the page says it, next to the compose file, with paths that start there; else the examples."""
    shutil.copytree(FILE.parent, tmp_path / "examples")
    compose = (COMPOSE, "--file", tmp_path / "examples" / FILE.name, "--profile", "plant", "config")

    def mounted() -> set[tuple[str, str]]:
        code, told = run(*compose)
        assert code == 0, told
        return {
            (volume["source"].removeprefix(f"{tmp_path}/examples/"), volume["target"])
            for service in yaml.safe_load(told)["services"].values()
            for volume in service["volumes"]
        }

    rule = "/etc/prometheus/rules/winet-thresholds.yml"
    assert {
        ("alertmanager", "/etc/alertmanager"),
        ("prometheus/rules/winet-thresholds.yml", rule),
    } <= mounted()
    (tmp_path / "examples" / ".env").write_text("".join(f"{line}\n" for line in OWN))
    assert {
        ("compose/own/alertmanager", "/etc/alertmanager"),
        ("compose/own/winet-thresholds.yml", rule),
    } <= mounted()


@pytest.mark.packages
@pytest.mark.skipif(not COMPOSE, reason="COMPOSE names no docker-compose")
def test_compose_when_a_key_is_misspelt_then_docker_compose_refuses_it(tmp_path):
    """The program that reads the file in the end finds such a thing too."""
    wrong = tmp_path / "compose.yml"
    wrong.write_text(FILE.read_text("utf-8").replace("cap_drop", "cap_drops"), "utf-8")
    assert run(COMPOSE, "--file", wrong, "--profile", "demo", "config", "--quiet")[0] != 0


@pytest.mark.real
def test_prometheus_yml_when_promtool_checks_it_then_configuration_and_rules_are_good(tmp_path):
    """With the rules where the compose file mounts them."""
    text = SCRAPING.read_text("utf-8")
    assert "/etc/prometheus/rules/*.yml" in text
    path = tmp_path / "prometheus.yml"
    path.write_text(text.replace("/etc/prometheus/rules", str(EXAMPLES / "prometheus" / "rules")), "utf-8")
    code, told = run(tool("promtool"), "check", "config", path)
    assert code == 0, told
    assert len(re.findall(r"SUCCESS: \d+ rules found", told)) == 3


# What they do not look at ----------------------------------------------------------------------------


@each
def test_service_when_it_is_started_then_it_is_confined(name):
    """No rights, no disk but its volumes, no port to the outside, a version that does not move."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["ports"] == [f"127.0.0.1:{PORTS[kind(name)]}:{PORTS[kind(name)]}"]
    assert "privileged" not in service
    if kind(name) == "exporter":
        assert (FILE.parent / service["build"]["context"] / "Dockerfile").exists()
    else:
        assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", service["image"])
        assert service["healthcheck"]["test"][0] == "CMD"
        assert f":{PORTS[name.removesuffix('-demo')]}" in " ".join(service["healthcheck"]["test"])


@each
def test_service_when_it_mounts_something_then_that_is_there(name):
    """Files of the repository by their paths; stores of its own where its flags say."""
    service = SERVICES[name]
    for source in set(binds(service)) - THEIRS:
        assert (FILE.parent / source).exists(), source
    assert set(stores(service)) <= set(document(FILE)["volumes"])
    words = " ".join(service.get("command", ()))
    place = {"grafana": "/var/lib/grafana"}.get(kind(name))
    if match := re.search(r"--storage(?:\.tsdb)?\.path=(\S+)", words):
        place = match[1]
    assert list(stores(service).values()) == ([place] if place else [])
    for file in re.findall(r"--config\.file=(\S+)", words):
        assert any(file == target or file.startswith(f"{target}/") for target in binds(service).values()), (
            file
        )


def test_rules_when_prometheus_reads_them_then_they_are_mounted_where_it_looks():
    """Rules, Alertmanager's template and Grafana's boards are those of the repository, in both profiles."""
    for suffix in ("", "-demo"):
        prometheus = binds(SERVICES[f"prometheus{suffix}"])
        assert document(SCRAPING)["rule_files"] == [f"{prometheus['./prometheus/rules']}/*.yml"]
        alertmanager = binds(SERVICES[f"alertmanager{suffix}"])
        assert alertmanager["./alertmanager"] == "/etc/alertmanager"
        assert (FILE.parent / "alertmanager" / "winet.tmpl").exists()
        grafana = binds(SERVICES[f"grafana{suffix}"])
        (provider,) = document(EXAMPLES.parent / "grafana/provisioning/dashboards/winet.yml")["providers"]
        assert provider["options"]["path"] == grafana["../grafana/dashboards"]


@pytest.mark.parametrize("name", ["exporter", "exporter-demo"])
def test_exporter_when_its_command_is_read_then_the_program_knows_it(name):
    """No flag that is not there, and an address that other containers reach."""
    arguments = exporter_takes(SERVICES[name]["command"])
    assert arguments.command == ("demo" if name == "exporter-demo" else "serve")
    assert arguments.listen == ([f":{DEFAULT_PORT}"] if name == "exporter-demo" else None)


@pytest.mark.real
@pytest.mark.parametrize(
    "name, program", [("prometheus", "prometheus"), ("alertmanager", "prometheus-alertmanager")]
)
def test_program_when_its_flags_are_sought_then_it_has_them(name, program):
    """Also in the oldest version that is supported, Debian's."""
    _, told = run(tool(program), "--help")
    for word in SERVICES[name]["command"]:
        assert f"{word.partition('=')[0]}" in told


def test_own_copies_when_the_page_names_variables_then_the_compose_file_has_them():
    """And the folder is one that git leaves out."""
    names = {line.partition("=")[0] for line in OWN}
    assert names == set(re.findall(r"\$\{(\w+):", FILE.read_text("utf-8"))) - {
        "WINET_CONFIG_DIR",
        "GRAFANA_ADMIN_PASSWORD_FILE",
    }
    assert len(OWN) == 2
    assert all("=./compose/own/" in line for line in OWN)


def test_demo_when_nothing_was_prepared_then_nothing_is_missing():
    """No file of the user's, no variable, no password: one command in a fresh clone is enough."""
    for name, service in SERVICES.items():
        if service["profiles"] == ["demo"]:
            assert not set(binds(service)) & THEIRS, name
            assert "secrets" not in service
            assert "$" not in str(service)


def test_profiles_when_both_have_been_used_then_no_data_are_mixed():
    """Simulated readings never get into the history of a plant."""
    used: dict[str, set[str]] = {"plant": set(), "demo": set()}
    for name, service in SERVICES.items():
        (profile,) = service["profiles"]
        assert (profile == "demo") == name.endswith("-demo")
        used[profile] |= set(stores(service))
    assert not used["plant"] & used["demo"]
    assert used["plant"] | used["demo"] == set(document(FILE)["volumes"])


def test_names_when_programs_look_for_each_other_then_they_are_those_of_the_profile():
    """A demo's containers have the names of the plant's, so that one configuration does for both."""
    asked = {
        target
        for job in document(SCRAPING)["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    } | {"prometheus:9090"}
    assert {name for name in asked if not name.startswith("127.")} == {
        f"{name}:{PORTS[name]}" for name in ("exporter", "alertmanager", "prometheus")
    }
    for name in ("exporter", "prometheus", "alertmanager"):
        assert SERVICES[f"{name}-demo"]["networks"] == {"winet": {"aliases": [name]}}
        assert SERVICES[name]["networks"] == ["winet"]
    for name in ("grafana", "grafana-demo"):
        assert SERVICES[name]["environment"]["PROMETHEUS_URL"] == "http://prometheus:9090"


def test_grafana_when_nobody_chose_a_password_then_there_is_no_account():
    """The factory's admin/admin never works: the plant has a password from a file, the demo no account."""
    plant, demo = (SERVICES[name]["environment"] for name in ("grafana", "grafana-demo"))
    assert plant["GF_SECURITY_ADMIN_PASSWORD"] == "$$__file{/run/secrets/grafana-admin}"
    assert "GF_AUTH_ANONYMOUS_ENABLED" not in plant
    assert demo["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert demo["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert demo["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def test_own_files_when_they_are_put_where_the_compose_file_looks_then_git_leaves_them_out():
    """Neither winet.yml nor a password is committed by accident."""
    if shutil.which("git") is None or not (EXAMPLES.parent / ".git").exists():
        pytest.skip("this is no clone")
    folder = EXAMPLES / "compose"
    for name in (
        "winet/winet.yml",
        "winet/winet.password",
        "grafana-admin.password",
        "own/winet-thresholds.yml",
        "own/alertmanager/alertmanager.yml",
        "../.env",
    ):
        assert run("git", "-C", folder, "check-ignore", "--quiet", name)[0] == 0, name
