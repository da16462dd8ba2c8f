"""The pages about deployment and growth: what readers copy works, and figures are the program's."""

import asyncio
import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from exporter import DEFAULT_PORT
from exporter.commands.demo import PLANT
from exporter.simulator import SimulatedGateway
from tests.commands.running import fetch, running
from tests.prometheus import tool
from tests.stack.files import ROOT, exporter_takes, run

SCALING = (ROOT / "docs" / "scaling.md").read_text("utf-8")
DEPLOYMENT = (ROOT / "docs" / "deployment.md").read_text("utf-8")
SNIPPETS = re.findall(r"```yaml\n# prometheus.yml\n(.*?)```", SCALING, re.DOTALL)
LOOK = 0.2


@pytest.mark.real
@pytest.mark.parametrize("number", range(4))
def test_snippet_when_promtool_checks_it_then_it_is_good(number, tmp_path):
    """Each is a configuration of Prometheus as it stands, once its password file is there."""
    assert len(SNIPPETS) == 4
    (tmp_path / "remote.password").write_text("pw")
    path = tmp_path / "prometheus.yml"
    path.write_text(SNIPPETS[number].replace("/etc/prometheus/remote.password", "remote.password"), "utf-8")
    code, told = run(tool("promtool"), "check", "config", path)
    assert code == 0, told


def test_snippets_when_labels_are_added_then_none_is_one_of_the_exporter():
    """Such a label would be lost where a series has it already."""
    for snippet in SNIPPETS:
        added = yaml.safe_load(snippet).get("global", {}).get("external_labels", {})
        assert not set(added) & {"site", "target", "device", "job", "instance", "name", "string", "phase"}


def test_snippet_when_it_keeps_what_is_recorded_then_rules_and_catalogue_have_it():
    """The expression matches the roll-ups and no raw reading but totals."""
    (regex,) = re.findall(r"regex: (.+)", SNIPPETS[-1])
    recorded = re.findall(
        r"record: (\S+)",
        "".join(path.read_text("utf-8") for path in (ROOT / "examples/prometheus/rules").glob("*.yml")),
    )
    kept = {name for name in recorded if re.fullmatch(regex, name)}
    assert {"site:winet2_pv_power_watts:sum", "site:winet2_load_energy_kwh:local_day"} <= kept
    assert not any(name.endswith(":threshold") for name in kept)
    assert re.fullmatch(regex, "winet2_pv_energy_joules_total")
    assert not re.fullmatch(regex, "winet2_pv_power_watts")


@pytest.mark.real
async def test_samples_when_the_demo_is_counted_then_they_are_as_many_as_the_page_says():
    """Within a tenth: what somebody reckons disks from."""
    rows = re.findall(r"^\| `(\w+)`: .* \| (\d+) \|$", SCALING, re.MULTILINE)
    told = {name: int(number) for name, number in rows}
    async with running("demo", "--web.listen-address=127.0.0.1:0") as demo:
        url = (await demo.line(r"demo: (http://\S+)", out=True))[1]
        await demo.line("Ctrl-C", out=True)
        text = ""
        while len(re.findall(r"^winet2_up\S* 1\.0$", text, re.MULTILINE)) < len(told):
            await asyncio.sleep(LOOK)
            text = await fetch(f"{url}metrics")
        assert await demo.end() == 0
    counted = Counter(re.findall(r'^\w+\{.*?\btarget="(\w+)"', text, re.MULTILINE))
    assert {name: pytest.approx(number, rel=0.1) for name, number in told.items()} == dict(counted)


def test_commands_when_they_are_copied_then_the_exporter_knows_them():
    """Every flag that the two pages give to the exporter, and every file that they name."""
    text = (SCALING + DEPLOYMENT).replace("\\\n", " ")
    lines = re.findall(r"winet-exporter +(--config.file=\S+ *(?:--[\w.-]+=\S+ *)*)", text)
    assert len(lines) == 2
    for line in lines:
        exporter_takes(line.rstrip("`). ").split())
    for file in re.findall(r"(?<![\w/(])(?:examples|grafana)/[\w./-]+\w", text):
        made = tuple(f"examples/{name}" for name in (
            "compose/winet/winet.", "compose/grafana-admin.password", "compose/own", ".env",
        ))  # fmt: skip
        assert (ROOT / file).exists() or file.startswith(made), file
    for profile in re.findall(r"--profile (\w+)", DEPLOYMENT):
        assert profile in ("plant", "demo")
    assert f"127.0.0.1:{DEFAULT_PORT}:{DEFAULT_PORT}" in DEPLOYMENT


@pytest.mark.real
@pytest.mark.wire
async def test_fault_when_the_pages_line_is_run_then_a_plain_gateway_of_the_demo_has_it():
    """By the Python of the image, which has no curl; at the port of the gateway that the page names."""
    (name,) = re.findall(r"logs exporter-demo \| grep (\w+):", DEPLOYMENT)
    (line,) = re.findall(r'python -c "(import .*)"\n', DEPLOYMENT)
    async with SimulatedGateway(PLANT[name]) as gateway:
        assert not gateway.tls
        code = line.replace("PORT", str(gateway.port))
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        assert await process.wait() == 0
        state = json.loads(await fetch(f"http://127.0.0.1:{gateway.port}/simulator"))
        assert state["faults"] == ["device-fault"]


def test_image_when_ones_own_is_named_then_it_takes_the_place_of_the_releases():
    """Kustomize replaces by name: another one would change nothing, and nobody would be told."""
    (entry,) = re.findall(r"(?m)^  - (\{name: .*newTag.*\})$", DEPLOYMENT)
    manifest = (ROOT / "examples/kubernetes/statefulset.yaml").read_text("utf-8")
    (image,) = re.findall(r"(?m)^ +image: (\S+):\S+$", manifest)
    own = yaml.safe_load(entry)
    assert own["name"] == image
    assert f"docker push {own['newName']}:{own['newTag']}\n" in DEPLOYMENT


def test_deployment_page_when_a_manifest_is_sought_then_it_is_told_of():
    """Each file of the folder has a word about it."""
    for path in Path(ROOT / "examples" / "kubernetes").glob("*.yaml"):
        assert f"`{path.name}`" in DEPLOYMENT
