"""Rules and routes with all their times divided, for a test that cannot wait for hours.

Nothing is copied by hand: what is tested is the file that users have.
"""

import re
from collections.abc import Callable
from typing import Any

import yaml

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_MILLISECONDS["y"] = 365 * _MILLISECONDS["d"]
_DURATION = r"(?:[0-9]+(?:ms|[smhdwy]))+"
# Text and comments come first: what looks like a range in there is none.
_TIMES_IN_PROMQL = re.compile(
    rf"""
    (?P<other> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*` | \#[^\n]* )
    | (?P<range> \[ \s* {_DURATION} \s* (?: : \s* (?:{_DURATION})? \s* )? \] )
    | (?P<offset> \b offset \s+ -? \s* {_DURATION} )
    """,
    re.VERBOSE,
)
RULE_TIMES = ("for", "keep_firing_for")
ROUTE_TIMES = ("group_wait", "group_interval", "repeat_interval")


def milliseconds(duration: str) -> int:
    """Prometheus' `1h30m` as a number."""
    parts = re.findall(r"([0-9]+)(ms|[smhdwy])", duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"{duration!r} is no duration such as 1h30m")
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in parts)


def divided(duration: str, by: int) -> str:
    """The duration divided, to the millisecond; what was more than nothing stays so."""
    whole = milliseconds(duration)
    shorter = max(1, round(whole / by)) if whole else 0
    return f"{shorter // 1000}s" if shorter % 1000 == 0 else f"{shorter}ms"


def faster_expression(expression: str, by: int) -> str:
    """A PromQL expression with its ranges, the steps of its subqueries and its offsets divided."""

    def shorten(match: re.Match[str]) -> str:
        if match["other"] is not None:
            return match[0]
        return re.sub(_DURATION, lambda duration: divided(duration[0], by), match[0])

    return _TIMES_IN_PROMQL.sub(shorten, expression)


def faster_rules(text: str, by: int) -> str:
    """A file of rules with `for`, `keep_firing_for`, `interval` and the times in every expression divided."""
    document = yaml.safe_load(text)
    for group in document["groups"]:
        _divide(group, ("interval",), by)
        for rule in group["rules"]:
            _divide(rule, RULE_TIMES, by)
            rule["expr"] = faster_expression(str(rule["expr"]), by)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)


def faster_routes(
    text: str, by: int, change: Callable[[dict[str, Any]], None] = lambda document: None
) -> str:
    """Alertmanager's configuration with the times of every route divided.

    `change` may alter what else a test must: receivers' addresses, time zones.
    """
    document = yaml.safe_load(text)
    _divide_route(document["route"], by)
    change(document)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _divide_route(route: dict[str, Any], by: int) -> None:
    _divide(route, ROUTE_TIMES, by)
    for child in route.get("routes", ()):
        _divide_route(child, by)


def _divide(owner: dict[str, Any], names: tuple[str, ...], by: int) -> None:
    for name in names:
        if name in owner:
            owner[name] = divided(str(owner[name]), by)
