"""The bundled rules: they name what exists, every alert is explained and tried, and promtool agrees."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter.metrics import catalogue, families
from exporter.telemetry import Reason, State
from tests.prometheus import installed_and_newer, tool
from tests.rules import rule_files
from tests.rules.rule_files import FILES, ROOT, RULES, TEST_FILES, THRESHOLD

RUNBOOKS = "https://github.com/winet-exporter/winet-exporter/blob/main/docs/runbooks.md"
SEVERITIES = {"critical", "warning", "info"}
NOT_OURS = {"up", "ALERTS"}
MILD = {0.0, 1.0}  # numbers that are no thresholds: something or nothing, yes or no
BY_TARGET = (
    'max by (target) ({name}{{target!=""}}) '
    'or max by (target) (winet2_up) * 0 + on () group_left () {name}{{target=""}}'
)

ALERTS = rule_files.alerts()
BUNDLED = catalogue.bundled()
programs = installed_and_newer("PROMTOOL3")
every_alert = pytest.mark.parametrize("name", ALERTS)


def promtool(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [program or tool("promtool"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """Every metric of the exporter with its labels."""
    found = {family.name: set(family.labels) for family in families.all_families()}
    for family in BUNDLED.families:
        found[family.name] = set(family.labels)
    return found


# What promtool says ----------------------------------------------------------------------------------


@programs
def test_rules_when_promtool_checks_them_then_it_finds_nothing(program):
    """Not even what its linter could want."""
    result = promtool(program, "check", "rules", "--lint=all", "--lint-fatal", *FILES)
    assert result.returncode == 0, result.stdout + result.stderr


@programs
def test_prometheus_yml_when_promtool_checks_it_in_its_place_then_it_finds_the_rules(program):
    """The example loads every rule file that lies beside it."""
    result = promtool(program, "check", "config", RULES.parent / "prometheus.yml")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(FILES)} rule files found" in result.stdout


@pytest.mark.timeout(300)
@programs
@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_rules_when_promtool_plays_a_story_then_they_say_what_it_expects(path, program):
    """Alerts fire and keep silent, and recorded series have the values, when the file says so."""
    result = promtool(program, "test", "rules", path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.timeout(300)
@programs
def test_rules_when_the_history_has_its_quarters_then_no_restart_adds_a_lifetime(program, tmp_path):
    """promtool knows no interval of a group: these stories tell what was recorded, and go without it."""
    stories = rule_files.TESTS / "quarters" / "restarts.yml"
    shutil.copy(stories, tmp_path)
    for name in rule_files.load(stories)["rule_files"]:
        kept = [group for group in rule_files.groups(RULES / name) if group["name"] != "winet-history"]
        (tmp_path / name).write_text(yaml.safe_dump({"groups": kept}, sort_keys=False), "utf-8")
    result = promtool(program, "test", "rules", tmp_path / stories.name)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_stories_when_they_are_played_then_groups_come_in_their_order(path):
    """Without an order promtool takes a random one, and a result may be a step late."""
    document = rule_files.load(path)
    loaded = {found for name in document["rule_files"] for found in path.parent.glob(name)}
    names = [group["name"] for file in sorted(loaded) for group in rule_files.groups(file)]
    assert sorted(document["group_eval_order"]) == sorted(names)


# Alerts ----------------------------------------------------------------------------------------------


def tried(name: str) -> list[dict[str, object]]:
    """Everything that the stories expect of an alert."""
    return [
        case
        for path in TEST_FILES
        for story in rule_files.load(path)["tests"]
        for case in story.get("alert_rule_test", ())
        if case["alertname"] == name
    ]


@every_alert
def test_alert_when_the_stories_are_told_then_it_fires_in_one_and_keeps_silent_in_one(name):
    """It is tried both ways, with the labels and the words it has when it fires."""
    cases = tried(name)
    fired = [alert for case in cases for alert in case["exp_alerts"] or ()]
    assert fired
    assert all(set(alert["exp_annotations"]) == {"summary", "description", "runbook_url"} for alert in fired)
    assert [case for case in cases if not case["exp_alerts"]]


def test_stories_when_they_name_alerts_then_these_exist():
    """A misspelt alert would keep silent for ever."""
    named = {
        case["alertname"]
        for path in TEST_FILES
        for story in rule_files.load(path)["tests"]
        for case in story.get("alert_rule_test", ())
    }
    assert named == set(ALERTS)


@every_alert
def test_alert_when_it_is_read_then_it_has_what_people_need(name):
    """A severity, a sentence that says what is wrong, details with the values, and a page that helps."""
    alert = ALERTS[name]
    assert name.startswith("Winet")
    assert set(alert["labels"]) == {"severity"}
    assert alert["labels"]["severity"] in SEVERITIES
    notes = alert["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert re.fullmatch(r"[A-Z][^{}\n]*\.", notes["summary"])
    assert "{{" in notes["description"] or name == "WinetExporterMissing"
    assert notes["runbook_url"] == f"{RUNBOOKS}#{name.lower()}"


@every_alert
def test_alert_when_somebody_follows_its_link_then_there_is_a_heading(name):
    """docs/runbooks.md has one for each, with the questions that a runbook answers."""
    text = (ROOT / "docs" / "runbooks.md").read_text("utf-8")
    (section,) = re.findall(rf"(?ms)^### {name}\n(.*?)(?=^##|\Z)", text)
    for question in ("**What it means.**", "**Look at.**", "**Causes.**", "**Do.**", "**Adapt.**"):
        assert question in section
    assert section.startswith(f"\n*{ALERTS[name]['labels']['severity']}* ")


def test_runbooks_when_alerts_are_renamed_then_no_heading_is_left_over():
    """Every heading of that kind is an alert's."""
    text = (ROOT / "docs" / "runbooks.md").read_text("utf-8")
    assert re.findall(r"(?m)^### (Winet\w+)$", text) == list(ALERTS)


def test_runbooks_when_they_name_series_then_these_exist(known):
    """A query that is copied from there finds something."""
    text = (ROOT / "docs" / "runbooks.md").read_text("utf-8")
    named = set(re.findall(r"(?<![\w/-])(?:(?:site|device|target):)?winet2?[:_][a-z_0-9]+(?::\w+)?", text))
    assert named <= set(known) | rule_files.records() | {"winet2_exporter_build_info"}


# Thresholds ------------------------------------------------------------------------------------------


def defaults() -> list[str]:
    return [rule["record"] for rule in rule_files.groups(RULES / "winet-thresholds.yml")[0]["rules"]]


def test_thresholds_when_they_are_read_then_each_is_one_number_with_a_word_about_it():
    """Names tell what and in which unit; the comment before each tells what it means."""
    text = (RULES / "winet-thresholds.yml").read_text("utf-8")
    names = defaults()
    assert len(set(names)) == len(names)
    for rule in rule_files.groups(RULES / "winet-thresholds.yml")[0]["rules"]:
        assert THRESHOLD.fullmatch(rule["record"])
        assert re.fullmatch(r"vector\(-?[\d.]+\)", rule["expr"])
        assert re.search(rf"(?m)^      # .*\n      - record: {rule['record']}$", text)


def test_thresholds_when_they_are_spread_over_targets_then_each_in_the_same_way():
    """Each has a series for each target, in which its own wins over the one for all."""
    spread = rule_files.groups(RULES / "winet-thresholds.yml")[1]["rules"]
    assert [(rule["record"], rule["expr"]) for rule in spread] == [
        (f"target:{name.replace('winet:', 'winet_')}", BY_TARGET.format(name=name)) for name in defaults()
    ]


def test_thresholds_when_rules_are_read_then_every_one_is_used_and_no_other():
    """What nobody compares with has no place in the file."""
    asked = {
        s.name for rule in rule_files.rules("alerts", "recording") for s in rule_files.selectors(rule["expr"])
    }
    assert {name for name in asked if name.endswith(":threshold")} == {
        f"target:{name.replace('winet:', 'winet_')}" for name in defaults()
    }


@every_alert
def test_alert_when_its_expression_is_read_then_no_threshold_stands_in_it(name):
    """Its only numbers are 0 and 1."""
    assert set(rule_files.numbers(ALERTS[name]["expr"])) <= MILD


# Names -----------------------------------------------------------------------------------------------


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rule_files.rules():
        yield rule.get("alert") or rule["record"], rule["expr"]


def test_rules_when_they_name_a_metric_then_it_exists(known):
    """In the catalogue, among the exporter's own, or as a recorded series."""
    recorded = rule_files.records()
    for name, expression in expressions():
        asked = {selector.name for selector in rule_files.selectors(expression)}
        spelt = set(re.findall(r"(?<![\w:#/.])(?:\w+:)?winet2?[\w]*(?:_\w+|:\w+)(?::\w+)?", expression))
        assert spelt <= asked, name  # or the parser's tree was not walked whole
        assert asked <= set(known) | recorded | NOT_OURS, name


def test_rules_when_they_pick_labels_then_metrics_have_them_and_the_values_can_come(known):
    """A misspelt state, reason or kind would match nothing and say nothing."""
    values = {
        ("winet2_target_state", "state"): set(State),
        ("winet2_errors_total", "reason"): set(Reason),
        ("winet2_device_state", "state"): {s for states in BUNDLED.states.values() for s in states},
        ("winet2_device_info", "kind"): set(BUNDLED.kinds.values()),
        ("device:winet2_device:info", "kind"): set(BUNDLED.kinds.values()),
        ("winet2_target_info", "verify"): {"bypass", "pinned", "strict"},
    }
    picked = 0
    for name, expression in expressions():
        for selector in rule_files.selectors(expression):
            for label, _, value in selector.matchers:
                if (selector.name, label) in values:
                    assert set(value.split("|")) <= values[selector.name, label], name
                    picked += 1
                elif selector.name in known:
                    assert label in known[selector.name], name
    assert picked
