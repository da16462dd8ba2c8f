"""docs/alerting.md: what it says of alerts is so, its commands run, its receivers are the example's."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.alerting.alertmanager import alertmanager, hook, rendered
from tests.alerting.examples import DAY, EXAMPLES, ROUTES, TEMPLATES, routes
from tests.alerting.inhibition import ALL, CONFIGURATION, INHIBITIONS, MATCHER, rules
from tests.prometheus import tool

PAGE = (EXAMPLES.parent / "docs" / "alerting.md").read_text("utf-8")
NAMES = r"`(Winet\w+)`"
SAME = {
    "job": ["job"],
    "gateway": ["job", "target"],
    "device": ["job", "target", "device"],
    "gateway, device, input, phase": [
        "alertname", "job", "site", "target", "device", "mppt", "string", "phase",
    ],
}  # fmt: skip


def section(heading: str) -> str:
    """The text below a heading, to the next of its rank or higher."""
    rank, rest = re.findall(rf"(?ms)^(#+) {re.escape(heading)}\n(.*)", PAGE)[0]
    return str(re.split(rf"(?m)^#{{1,{len(rank)}}} ", rest)[0])


def blocks(language: str, text: str = PAGE) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", text)


def test_page_when_it_names_alerts_then_the_rules_have_them():
    """No alert that was renamed or has gone."""
    known = {alert.alertname for alert in ALL}
    assert set(re.findall(NAMES, PAGE)) <= known


def test_page_when_it_lists_what_may_wake_somebody_then_that_is_all_that_is_critical():
    """Nobody is woken by what the page does not tell."""
    (listed,) = re.findall(r"(?s)Critical, and so able to wake somebody, are:\n\n(.*?)\n\n", PAGE)
    assert set(re.findall(NAMES, listed)) == {
        alert.alertname for alert in ALL if alert.severity == "critical"
    }


def test_page_when_it_tells_what_silences_what_then_that_is_what_the_example_does():
    """A row for each inhibition, with its alerts and what they have in common."""
    rows = [
        row.strip("|").split("|")
        for row in section("What is silent because another alert explains it").splitlines()
        if row.startswith("| ") and "while this" not in row
    ]
    told = [
        (set(re.findall(NAMES, row[0])), set(re.findall(NAMES, row[1])), SAME[row[2].strip()]) for row in rows
    ]

    def names(matchers: list[str]) -> set[str]:
        found = [match for one in matchers if (match := MATCHER.fullmatch(one)) and match[1] == "alertname"]
        return {name for match in found for name in match[3].split("|") if name != "Winet.+"}

    assert told == [
        (names(rule["source_matchers"]), names(rule["target_matchers"]), rule["equal"])
        for rule in INHIBITIONS
    ]


def test_page_when_it_shows_receivers_and_the_night_then_they_are_those_of_the_example():
    """What is copied from there is what was checked."""
    commented = re.sub(r"(?m)^ *(?:# ?)?", "", ROUTES.read_text("utf-8"))
    receivers = blocks("yaml", section("Connect mail or a phone"))
    assert len(receivers) == 3
    for block in receivers:
        for line in block.splitlines()[block.startswith("webhook_configs") :]:
            assert re.sub(r" +#.*", "", line).strip() in commented
    (night,) = blocks("yaml", section("The night, and where it is"))
    assert yaml.safe_load(night)["time_intervals"] == CONFIGURATION["time_intervals"]
    night_route = [route for route in CONFIGURATION["route"]["routes"] if "mute_time_intervals" in route]
    assert {route["matchers"][0] for route in night_route} == {'severity="warning"', 'severity="info"'}


@pytest.mark.real
def test_page_when_a_customers_route_is_put_in_then_his_gateways_go_to_him(tmp_path):
    """By the beginning of the target's name, which all alerts of a gateway have; others go on as before."""
    (block,) = blocks("yaml", re.sub(r"(?m)^  ", "", section("Many plants")))
    (route,) = yaml.safe_load(block)["routes"]
    shown = yaml.safe_load(ROUTES.read_text("utf-8"))
    shown["route"]["routes"].insert(0, route)
    shown["receivers"].append({"name": route["receiver"]})
    (tmp_path / "winet.tmpl").write_text("")
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(shown), "utf-8")
    for target, told in (("farm-east", "farmer"), ("roof", "urgent")):
        words = ("alertname=WinetGatewayDown", "severity=critical", "job=winet", f"target={target}")
        result = subprocess.run(
            [tool("amtool"), "config", "routes", "test", "--config.file=alertmanager.yml", *words],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (result.returncode, result.stdout.strip()) == (0, told), result.stderr


def test_page_when_it_tells_of_a_label_for_each_place_then_it_is_none_of_the_exporter():
    """Prometheus leaves an alert's own label as it is, so that one of these would be lost."""
    (label,) = re.findall(r"`external_labels: \{(\w+):", PAGE)
    assert label not in {"job", "instance", "site", "target", "device", "name", "phase", "mppt", "string"}


@pytest.mark.real
def test_page_when_it_shows_a_message_then_the_template_makes_it_of_the_sample():
    """Letter by letter; and the sample says what the rule says."""
    sample = json.loads((TEMPLATES.parent / "sample.json").read_text("utf-8"))
    title, text = (rendered(f"winet.{part}", sample, TEMPLATES) for part in ("title", "text"))
    (shown,) = blocks("", section("What a message looks like"))
    assert shown == f"{title}\n\n{text}"
    (alert,) = sample["alerts"]
    (rule,) = [rule for rule in rules() if rule["alert"] == alert["labels"]["alertname"]]
    assert alert["annotations"] == {
        name: annotation.replace("{{ $labels.target }}", "roof")
        for name, annotation in rule["annotations"].items()
    }


@pytest.mark.real
async def test_page_when_its_commands_are_run_then_they_work(tmp_path: Path):
    """Those that need an Alertmanager get a real one, and the trial alert arrives at the one to be woken."""
    commands = [line for block in blocks("sh", section("Try it")) for line in block.splitlines()]
    assert len(commands) == 6
    for name in ("winet.tmpl", "alertmanager.yml", "sample.json"):
        (tmp_path / name).write_text((EXAMPLES / "alertmanager" / name).read_text("utf-8"), "utf-8")
    (tmp_path / "am").mkdir()
    (tmp_path / "am" / "winet.tmpl").write_text("")
    async with hook() as messages, alertmanager(routes(messages.url, DAY), tmp_path / "am") as running:
        said = []
        for command in commands:
            command = command.replace("http://127.0.0.1:9093", running.url)
            words = shlex.split(command.replace(" ID", f" {said[-1].strip()}") if said else command)
            result = subprocess.run(  # noqa: ASYNC221  each command is short, and they come one by one
                [tool(words[0]), *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert result.returncode == 0, command + result.stderr
            said.append(result.stdout)
            if "add WinetTrial" in command:
                path, payload = await messages.message(lambda path, payload: True)
    assert said[0].split() == ["everyday"]
    assert said[1].startswith("A gateway does not answer by day.\nroof, since Wed 25 Nov ")
    assert "WinetTrial" in said[3]
    assert said[5] == ""
    assert path == "/urgent"
    assert payload["alerts"][0]["annotations"] == {"summary": "A trial."}
