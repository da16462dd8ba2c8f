"""YAML that is read strictly: every key known and given once, every value of the right kind.

PyYAML alone lets the last of two equal keys win and makes 83 of the password 0123. Here every mistake is
collected with its path and line, so that one report names them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import yaml

T = TypeVar("T")

# what PyYAML's constructors raise on odd scalars such as `!!int ""` or hours without end
_CONSTRUCTION_FAILURES = (ValueError, ArithmeticError, LookupError, AttributeError, TypeError, RecursionError)
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the compiled one, where PyYAML has it
MOST_NODES = 500_000  # a configuration of 20,000 targets has fewer
_TAB = r"found character '\t'"  # as PyYAML spells it
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Mistake(NamedTuple):
    """`path` is like `targets[0].verify`; `line` counts from 1, 0 where there is none."""

    path: str
    message: str
    line: int

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.path}: {self.message}" if self.path else f"{place}{self.message}"


class Document:
    """A parsed YAML text with the line of each path, and the mistakes found so far."""

    def __init__(self, text: str) -> None:
        self.value: Any = None
        self.mistakes: list[Mistake] = []
        self._lines: dict[str, int] = {}
        self._nodes = 0
        try:
            try:
                self._load(text, LOADER)
            except yaml.YAMLError:
                self._load(text, yaml.SafeLoader)  # the slow one knows better where a mistake is
        except yaml.MarkedYAMLError as error:
            self.value = None
            mark = error.problem_mark or error.context_mark
            # PyYAML quotes what it found, which may be a password that was not put in quotes
            problem = re.sub(r"'.*'|\".*\"", "…", error.problem or error.context or "cannot be read")
            if (error.problem or "").startswith(_TAB):
                problem = "a tab; indent with blanks"
            self.mistakes.append(Mistake("", f"not valid YAML: {problem}", mark.line + 1 if mark else 0))
        except (yaml.YAMLError, *_CONSTRUCTION_FAILURES) as error:
            self.value = None
            self.mistakes.append(
                Mistake("", f"not valid YAML: a value cannot be read ({type(error).__name__})", 0)
            )

    def _load(self, text: str, make: Any) -> None:
        self.value, self._lines, self._nodes, self.mistakes = None, {}, 0, []
        loader = make(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                self._walk(node, "", set())
                self.value = loader.construct_document(node)
        finally:
            loader.dispose()

    def _walk(self, node: yaml.Node, path: str, above: set[int]) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ValueError("too many values; aliases multiply them")
        self._lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in above:
            raise ValueError("an alias that holds itself")
        above = above | {id(node)}
        if isinstance(node, yaml.SequenceNode):
            for place, item in enumerate(node.value):
                self._walk(item, f"{path}[{place}]", above)
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, item in node.value:
                name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
                below = f"{path}.{name}" if path else name
                self._lines[below] = key.start_mark.line + 1
                if name in seen and name != "<<":
                    self.add(below, "is given twice; keep one")
                seen.add(name)
                self._walk(item, below, above)

    def add(self, path: str, message: str) -> None:
        self.mistakes.append(Mistake(path, message, self._lines.get(path, 0)))


class Section:
    """One mapping of the document while it is taken apart key by key."""

    def __init__(
        self,
        document: Document,
        path: str,
        value: Any,
        known: tuple[str, ...],
        hints: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.document = document
        self.path = path
        self._values: Mapping[str, Any] = {}
        if not isinstance(value, Mapping):
            document.add(path, f"must be a mapping (key: value), not {kind(value)}")
            return
        self._values = value
        for key in value:
            if key not in known:
                near = nearest(str(key), known)
                hint = f'did you mean "{near}"?' if near is not None else f"known keys: {', '.join(known)}"
                hint = hints.get(str(key), hint)
                document.add(self.at(str(key)), f"is not a known key; {hint}")

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        return key in self._values

    def raw(self, key: str) -> Any:
        return self._values.get(key)

    def take(self, key: str, check: Callable[[Any], T], default: T) -> T:
        """The checked value of `key`, or `default` where it is absent or wrong (which is then noted)."""
        if key not in self._values:
            return default
        try:
            return check(self._values[key])
        except ValueError as error:
            self.document.add(self.at(key), str(error))
            return default


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known word that was meant, perhaps; None where none is at least so much like it (1 is the same)."""
    import difflib  # for mistakes only

    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=likeness)), None)


def hidden_kind(value: Any) -> str:
    """The kind of a value that may be a secret: never the value itself."""
    return kind(value).partition(" (")[0]


def kind(value: Any) -> str:
    """The kind of a YAML value in the reader's words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"true/false ({str(value).lower()})"
    if isinstance(value, int | float):
        return f"a number ({value})"
    if isinstance(value, str):
        return f'text ("{value[:40]}")'
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, Mapping) else "a date"


def no_number(value: Any) -> str:
    """What is not the number that was asked for: a number itself, for it has the wrong size, or its kind."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else kind(value)


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f'must be text, not {kind(value)}; put it in quotes: "…"')  # noqa: TRY004  one error type
    if not value.strip():
        raise ValueError("must not be empty")
    if not value.isprintable():
        raise ValueError("must be printable text on one line")
    return value


def secret_text(value: Any) -> str:
    """Like `text`, but the message never shows the value."""
    if not isinstance(value, str) or not value:
        raise ValueError('must be text that is not empty; put it in quotes: "…"')
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {kind(value)}")  # noqa: TRY004
    return value


def whole_number(lowest: int, highest: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}, not {no_number(value)}")
        return value

    return check


def one_of(*choices: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in choices or not isinstance(value, str):
            near = nearest(str(value), choices)
            hint = f'; did you mean "{near}"?' if near is not None else ""
            raise ValueError(f"must be one of {', '.join(choices)}, not {kind(value)}{hint}")
        return value

    return check


def duration(lowest: float, highest: float = 86400.0) -> Callable[[Any], float]:
    """Prometheus' way to write a duration, `30s`, `1m30s`, in seconds."""

    def check(value: Any) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError(f"must be a duration with its unit: {value}s, not {value}")  # noqa: TRY004
        parts = re.findall(r"([0-9]{1,12})(ms|[smhd])", value) if isinstance(value, str) else []
        if not parts or "".join(n + u for n, u in parts) != value:
            raise ValueError(f"must be a duration such as 30s, 5m or 1m30s, not {kind(value)}")
        seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
        if not lowest <= seconds <= highest:
            raise ValueError(f"must be from {lowest:g}s to {highest:g}s, not {value}")
        return seconds

    return check
