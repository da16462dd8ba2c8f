"""How the gateway prints JSON.

Two hands write its replies. Successes come from a cJSON-like printer with tabs (seen in captures); the
refusal of the authentication gate comes as one line from somewhere else (seen in captures).
"""

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = "str | int | float | bool | Mapping[str, Json] | Sequence[Json] | None"
Document: TypeAlias = "Mapping[str, Json]"


def pretty(value: Json, depth: int = 0) -> str:
    """Tab-indented text as cJSON prints it: a tab after each colon, `[{` and `}, {` around listed objects.

    Objects inside a list are indented by two more tabs than the list's own key would ask for (seen in
    captures).
    """
    if isinstance(value, Mapping):
        if not value:
            # Assumed: the only empty object known, the one of code 106, was re-typed, not pasted.
            return "{\n" + "\t" * depth + "}"
        inside = "\t" * (depth + 1)
        lines = [f"{inside}{_scalar(key)}:\t{pretty(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + "\t" * depth + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(pretty(item, depth + 1) for item in value) + "]"
    return _scalar(value)


def one_line(document: Document) -> str:
    """The style of the authentication gate: one line, a blank after each comma, none after a colon."""
    return json.dumps(document, ensure_ascii=False, separators=(", ", ":"))


def compact(document: Document) -> str:
    """JSON without any blank. No gateway is known to print so; a client must not depend on blanks, though."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _scalar(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)
