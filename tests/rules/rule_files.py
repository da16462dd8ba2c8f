"""The bundled rules and their promtool tests as plain data, for tests that hold one against the other."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import promql_parser
import yaml

import exporter

ROOT = Path(exporter.__file__).parent.parent
RULES = ROOT / "examples" / "prometheus" / "rules"
TESTS = Path(__file__).parent
FILES = sorted(RULES.glob("winet-*.yml"))
TEST_FILES = sorted(TESTS.glob("*.yml"))
THRESHOLD = re.compile(r"winet:\w+:threshold")

Rule = dict[str, Any]


class Selector(NamedTuple):
    """One metric that an expression asks for, with the regular expressions and texts it wants of labels."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]  # label, operator, value


@cache
def load(path: Path) -> dict[str, Any]:
    """The document, which is not to be changed."""
    return dict(yaml.safe_load(path.read_text("utf-8")))


def groups(path: Path) -> list[dict[str, Any]]:
    return list(load(path)["groups"])


def rules(*names: str) -> list[Rule]:
    """Every rule of the named files, or of all, in order."""
    paths = [RULES / f"winet-{name}.yml" for name in names] or FILES
    return [rule for path in paths for group in groups(path) for rule in group["rules"]]


def alerts() -> dict[str, Rule]:
    return {rule["alert"]: rule for rule in rules("alerts")}


def records() -> set[str]:
    """The names of all recorded series."""
    return {rule["record"] for rule in rules("recording", "thresholds")}


@cache
def selectors(expression: str) -> tuple[Selector, ...]:
    """Every metric that an expression asks for."""
    return tuple(
        Selector(node.name or "", tuple((m.name, str(m.op), m.value) for m in node.matchers.matchers))
        for node in _walk(promql_parser.parse(expression))
        if isinstance(node, promql_parser.VectorSelector)
    )


def numbers(expression: str) -> list[float]:
    """Every number of an expression, but for those in texts and durations."""
    return [
        node.val
        for node in _walk(promql_parser.parse(expression))
        if isinstance(node, promql_parser.NumberLiteral)
    ]


def _walk(node: Any) -> Iterator[Any]:
    yield node
    if isinstance(node, promql_parser.MatrixSelector):
        yield node.vector_selector
        return
    for attribute in ("lhs", "rhs", "expr", "param"):
        below = getattr(node, attribute, None)
        if below is not None:
            yield from _walk(below)
    for argument in getattr(node, "args", None) or ():
        yield from _walk(argument)
