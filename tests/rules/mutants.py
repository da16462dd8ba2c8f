"""Rules with one thing wrong, and the stories that should notice.

Only the rules that a story needs are loaded with it, so that hundreds of mutants can be tried.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.rules import rule_files
from tests.rules.rule_files import FILES, TEST_FILES, Rule

_TOKEN = re.compile(
    r"""(?P<text>"[^"]*") | (?P<open>[({\[]) | (?P<close>[)}\]]) | (?P<set>\b(?:and|unless|or)\b(?!\w*[({:]))
    | (?P<compare>==|!=|>=|<=|>|<) | (?P<skip>=~|!~|=) | (?P<comma>,) | (?P<other>[^\s()\[\]{}"=!<>,]+)""",
    re.VERBOSE,
)
_OPPOSITE = {"==": "!=", "!=": "==", ">": "<", "<": ">", ">=": "<=", "<=": ">="}
_CASES = ("alert_rule_test", "promql_expr_test")
_LOOSE = 0.1  # by which a threshold is wrong


class Mutant(NamedTuple):
    """A rule with one thing wrong; `what` says which."""

    what: str
    rule: Rule


def name_of(rule: Rule) -> str:
    return str(rule.get("alert") or rule["record"])


def key_of(rule: Rule) -> tuple[str, str]:
    """Several rules may record one series with different labels."""
    return name_of(rule), str(rule.get("labels", {}).get("flow", ""))


def mutants(rule: Rule) -> Iterator[Mutant]:
    """Every rule that differs from this one in one condition, number, time or label."""
    for what, expression in _expressions(rule["expr"]):
        yield Mutant(what, {**rule, "expr": expression})
    for key in ("for", "keep_firing_for"):
        if key not in rule:
            continue
        for factor in (0.5, 2):
            seconds = f"{factor * _seconds(rule[key]):g}s"
            yield Mutant(f"{key}: {seconds} instead of {rule[key]}", {**rule, key: seconds})
    if "alert" in rule:
        yield Mutant("another severity", {**rule, "labels": {"severity": "none"}})


def _expressions(expression: str) -> Iterator[tuple[str, str]]:
    tokens = list(_TOKEN.finditer(expression))
    constant = re.fullmatch(r"vector\((.*)\)", expression)
    if constant is not None:
        for factor in (1 - _LOOSE, 1 + _LOOSE):
            value = f"{float(constant[1]) * factor:.10g}"
            yield f"{value} instead of {constant[1]}", f"vector({value})"
        return
    depths = list(_depths(tokens))
    for place, token in enumerate(tokens):
        word, (start, end) = token[0], token.span()
        if token.lastgroup == "compare":
            in_braces = expression.rfind("{", 0, start) > expression.rfind("}", 0, start)
            other = "=" if in_braces else _OPPOSITE[word]
            yield f"{other} instead of {word} at {start}", expression[:start] + other + expression[end:]
        elif token.lastgroup == "text" and "|" in word:
            for alternative in word.strip('"').split("|"):
                rest = "|".join(a for a in word.strip('"').split("|") if a != alternative)
                yield f"without {alternative}", f'{expression[:start]}"{rest}"{expression[end:]}'
        elif token.lastgroup == "set":
            before, after = _operands(tokens, depths, place)
            left, right = tokens[before].start(), tokens[after].end()
            cut = expression[start:right]
            yield f"without: {cut}", expression[:start] + expression[right:]
            if word == "or":
                matching = re.match(r"\s+on\s*\([^)]*\)", expression[end:])
                end += matching.end() if matching is not None else 0
                yield f"without: {expression[left:end]}", expression[:left] + expression[end:]


def _depths(tokens: "list[re.Match[str]]") -> Iterator[int]:
    depth = 0
    for token in tokens:
        depth -= token.lastgroup == "close"
        yield depth
        depth += token.lastgroup == "open"


def _operands(tokens: "list[re.Match[str]]", depths: list[int], place: int) -> tuple[int, int]:
    """The first token of what is left of a set operator, and the last of what is right of it."""
    weak = tokens[place][0] == "or"
    level = depths[place]

    def ends(index: int) -> bool:
        token = tokens[index]
        if depths[index] < level or (depths[index] == level and token.lastgroup == "comma"):
            return True
        return depths[index] == level and token.lastgroup == "set" and (token[0] == "or" or not weak)

    before = place
    while before > 0 and not ends(before - 1):
        before -= 1
    after = place
    while after + 1 < len(tokens) and not ends(after + 1):
        after += 1
    return before, after


def _seconds(duration: str) -> float:
    units = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"(\d+)([dhms])", duration))


# Stories -------------------------------------------------------------------------------------------


def needed(names: set[str]) -> set[str]:
    """These rules and all those they build on, by name."""
    found: set[str] = set()
    waiting = set(names)
    below = _below()
    while waiting:
        found |= waiting
        waiting = {other for name in waiting for other in below.get(name, ())} - found
    return found


@cache
def _below() -> dict[str, set[str]]:
    """What each rule asks for."""
    found: dict[str, set[str]] = {}
    for rule in rule_files.rules():
        found.setdefault(name_of(rule), set()).update(s.name for s in rule_files.selectors(rule["expr"]))
    return found


def _wants(story: dict[str, Any]) -> set[str]:
    """The alerts and series that a story has expectations about."""
    wants = {str(case["alertname"]) for case in story.get("alert_rule_test", ())}
    recorded = rule_files.records()
    for case in story.get("promql_expr_test", ()):
        for selector in rule_files.selectors(case["expr"]):
            patterns = [value for label, _, value in selector.matchers if label == "__name__"]
            wants |= {n for n in recorded if n == selector.name or any(re.fullmatch(p, n) for p in patterns)}
    return wants


def stories_about(name: str) -> list[tuple[Path, dict[str, Any]]]:
    """Every story whose expectations depend on a rule, with its file, the shortest first."""
    found = [
        (path, story)
        for path in TEST_FILES
        for story in rule_files.load(path)["tests"]
        if name in needed(_wants(story))
    ]
    return sorted(found, key=lambda entry: _steps(*entry))


def _steps(path: Path, story: dict[str, Any]) -> float:
    """How many evaluations promtool makes for a story."""
    ends = [_seconds(case["eval_time"]) for kind in _CASES for case in story.get(kind, ())]
    return max(ends) / _seconds(rule_files.load(path)["evaluation_interval"])


def documents(name: str, replaced: Rule | None = None) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Rule file and test file for promtool, for each story about a rule, with that rule replaced."""
    for path, story in stories_about(name):
        names = needed(_wants(story))
        groups = []
        for group in (g for file in _in_order() for g in rule_files.groups(file)):
            rules = [rule for rule in group["rules"] if name_of(rule) in names]
            if replaced is not None:
                rules = [replaced if key_of(rule) == key_of(replaced) else rule for rule in rules]
            if rules:
                groups.append({**group, "rules": rules})
        yield (
            {"groups": groups},
            {
                "rule_files": ["rules.yml"],
                "evaluation_interval": rule_files.load(path)["evaluation_interval"],
                "group_eval_order": [group["name"] for group in groups],
                "tests": [story],
            },
        )


def _in_order() -> list[Path]:
    order = ("thresholds", "recording", "alerts")
    return sorted(FILES, key=lambda path: order.index(path.stem.removeprefix("winet-")))
