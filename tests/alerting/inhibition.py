"""The alerts of the rules, and which of them the example's configuration lets silence which."""

import re
from typing import Any, NamedTuple

import yaml

from tests.alerting.examples import ALERTS, ROUTES

MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"(.*)"')
CONFIGURATION: dict[str, Any] = yaml.safe_load(ROUTES.read_text("utf-8"))
INHIBITIONS: list[dict[str, list[str]]] = CONFIGURATION["inhibit_rules"]


class Alert(NamedTuple):
    """The labels that every alert of the rules has, and the scope that some have."""

    alertname: str
    severity: str
    scope: str = "all"


def rules() -> list[dict[str, Any]]:
    """The alert rules, as they are written."""
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


ALL = [Alert(rule["alert"], rule["labels"]["severity"]) for rule in rules()]


def matches(matchers: list[str], alert: Alert) -> bool:
    """Whether all matchers fit, as Alertmanager sees it: regular expressions are anchored."""
    for matcher in matchers:
        found = MATCHER.fullmatch(matcher)
        assert found is not None, matcher
        name, operator, value = found.groups()
        own = getattr(alert, name)
        fits = bool(re.fullmatch(value, own)) if "~" in operator else own == value
        if fits is operator.startswith("!"):
            return False
    return True


def silences(rule: dict[str, list[str]], source: Alert, target: Alert) -> bool:
    """Whether the rule lets one alert silence the other, all labels that it compares being equal."""
    sources, targets = rule["source_matchers"], rule["target_matchers"]
    if "alertname" in rule["equal"] and source.alertname != target.alertname:
        return False
    both = all(matches(matchers, one) for matchers in (sources, targets) for one in (source, target))
    return matches(sources, source) and matches(targets, target) and not both
