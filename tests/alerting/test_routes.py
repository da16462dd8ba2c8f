"""The example's routes and inhibitions, by amtool and against the alerts of the rules."""

import graphlib
import re
import subprocess
from itertools import product
from pathlib import Path

import pytest

from tests.alerting.examples import ROUTES, TEMPLATES, has_token_file, with_receivers
from tests.alerting.faster import milliseconds
from tests.alerting.inhibition import ALL, CONFIGURATION, INHIBITIONS, MATCHER, rules, silences
from tests.prometheus import tool

RECEIVERS = {"critical": "urgent", "warning": "everyday", "info": "quiet"}
NIGHT = 10 * 3_600_000


def check(text: str, folder: Path) -> str:
    """What amtool says of a configuration; it has to be good."""
    (folder / TEMPLATES.name).write_text(TEMPLATES.read_text("utf-8"), "utf-8")
    (folder / ROUTES.name).write_text(text, "utf-8")
    result = subprocess.run(
        [tool("amtool"), "check-config", folder / ROUTES.name], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.real
def test_configuration_when_amtool_checks_it_then_it_is_good_and_finds_its_template(tmp_path):
    """As it stands, beside its template."""
    said = check(ROUTES.read_text("utf-8"), tmp_path)
    assert "1 templates" in said
    assert f"{len(INHIBITIONS)} inhibit rules" in said


@pytest.mark.real
def test_configuration_when_its_comments_are_put_in_force_then_it_is_good(tmp_path):
    """Mail, Telegram and ntfy as they stand; but Alertmanager 0.25 takes no file for Telegram's token."""
    text = with_receivers()
    if not has_token_file():
        text = re.sub(r"bot_token_file: \S+", "bot_token: x", text)
    check(text, tmp_path)
    named = set(re.findall(r'template "(winet\.\w+)"', text))
    defined = set(re.findall(r'define "(winet\.\w+)"', TEMPLATES.read_text("utf-8")))
    assert named == {"winet.title", "winet.text", "winet.html"} <= defined


def test_receivers_when_they_are_shown_then_they_hold_no_secret():
    """Passwords and tokens are files."""
    secrets = re.findall(
        r"(?m)^[# -]*(\w*(?:password|token|secret|credentials)\w*):", ROUTES.read_text("utf-8")
    )
    assert secrets
    assert all(name.endswith("_file") for name in secrets)


@pytest.mark.real
@pytest.mark.parametrize("alert", ALL, ids=lambda alert: alert.alertname)
def test_alert_when_it_is_routed_then_one_receiver_gets_it_by_its_severity(alert):
    """Every alert of the rules reaches somebody."""
    result = subprocess.run(
        [
            tool("amtool"), "config", "routes", "test", f"--config.file={ROUTES}",
            f"--verify.receivers={RECEIVERS[alert.severity]}",
            f"alertname={alert.alertname}", f"severity={alert.severity}", "job=winet", "target=roof",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.split() == [RECEIVERS[alert.severity]]


@pytest.mark.parametrize("rule", INHIBITIONS, ids=lambda rule: " ".join(rule["source_matchers"]))
def test_inhibition_when_it_names_alerts_then_the_rules_have_them(rule):
    """No inhibition waits for an alert that was renamed, and both sides are alerts that exist."""
    known = {alert.alertname for alert in ALL}
    for matcher in rule["source_matchers"] + rule["target_matchers"]:
        found = MATCHER.fullmatch(matcher)
        assert found is not None, matcher
        label, _, value = found.groups()
        if label == "alertname" and value != "Winet.+":
            assert set(value.split("|")) <= known
        elif label == "severity":
            assert set(value.split("|")) <= set(RECEIVERS)
        elif label == "scope":
            (source,) = {rule["expr"] for rule in rules() if rule["alert"] == "WinetExporterDown"}
            assert f'"scope", "{value}"' in source
    if "alertname" not in rule["equal"]:
        assert any(silences(rule, *pair) for pair in product(ALL, ALL))


def test_inhibitions_when_all_are_followed_then_no_alert_comes_back_to_itself():
    """Two alerts that silence each other, by whatever detour, would both stay untold."""
    graph = {
        target: {source for source, rule in product(ALL, INHIBITIONS) if silences(rule, source, target)}
        for target in ALL
    }
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert len(order) == len(ALL)


def test_inhibitions_when_an_alert_is_critical_then_nothing_silences_it():
    """What may wake somebody always does: at night, a warning that explained it would not be told."""
    for target, source, rule in product(ALL, ALL, INHIBITIONS):
        assert not (target.severity == "critical" and silences(rule, source, target)), (source, target)


def test_inhibitions_when_one_scrape_of_several_fails_then_nothing_is_silent():
    """A misspelt probe says nothing about the other gateways of its job; that all scrapes fail does."""
    (down,) = [alert for alert in ALL if alert.alertname == "WinetExporterDown"]
    silent = {
        scope: {t for t, rule in product(ALL, INHIBITIONS) if silences(rule, down._replace(scope=scope), t)}
        for scope in ("some", "all")
    }
    assert silent == {"some": set(), "all": {alert for alert in ALL if alert.severity != "critical"}}


def test_inhibitions_when_a_gateway_is_gone_then_what_may_be_the_reason_is_told_all_the_same():
    """Everything else of it that is not critical is silent."""
    silent = {
        target.alertname
        for target, source, rule in product(ALL, ALL, INHIBITIONS)
        if source.alertname == "WinetGatewayDown" and silences(rule, source, target)
    }
    told = {alert.alertname for alert in ALL if alert.severity != "critical"} - silent
    assert told == {
        "WinetCertificateChanged",
        "WinetCertificateExpiring",
        "WinetLoginRefused",
        "WinetAccountLocked",
        "WinetPasswordChangeRequired",
    }


def test_night_when_its_intervals_are_joined_then_it_has_no_gap():
    """From nine to seven, midnight included."""
    (night,) = CONFIGURATION["time_intervals"]
    minutes: set[int] = set()
    for times in (times for part in night["time_intervals"] for times in part["times"]):
        begin, end = (int(at[:2]) * 60 + int(at[3:]) for at in (times["start_time"], times["end_time"]))
        assert begin < end
        minutes.update(range(begin, end))
    assert minutes == {*range(21 * 60, 24 * 60), *range(7 * 60)}


def test_routes_when_an_alert_is_over_within_a_night_then_it_is_told_all_the_same():
    """An event of the last hour is told for an hour: no group waits longer, and no night hides a warning."""
    found = [
        (rule, min(milliseconds(window) for window in windows))
        for rule in rules()
        if (windows := re.findall(r"increase\([^\[]*\[(\w+)\]", rule["expr"]))
    ]
    short = {rule["alert"]: lasts for rule, lasts in found if lasts < NIGHT}
    warnings = {rule["alert"] for rule, _ in found if rule["labels"]["severity"] == "warning"}
    always, _, info = CONFIGURATION["route"]["routes"][1:]
    assert "mute_time_intervals" not in always
    assert always["matchers"] == [f'alertname="{"|".join(sorted(warnings & short.keys()))}"']
    for route in (CONFIGURATION["route"], info):
        waits = milliseconds(route["group_wait"]) + milliseconds(route["group_interval"])
        assert waits < min(short.values())
