"""Writes the tables of faults.md: `make faults`. The prose around them is by hand.

Every scenario is lived through for it, which takes a minute or two.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from exporter.simulator import KINDS
from tests.endurance import matrix
from tests.endurance.matrix import Row, Scenario

PAGE = Path(__file__).parent / "faults.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
HEAD = (
    "at",
    "state at its end",
    "readings then",
    "counted",
    "connections",
    "questions",
    "back after, one draw",
)


def main() -> None:
    logging.disable(logging.CRITICAL)  # eight hundred failures that were meant
    sections = [section(kind, matrix.rows_of(kind)) for kind in tried()]
    PAGE.write_text(render(PAGE.read_text("utf-8"), sections), "utf-8")


def tried() -> list[str]:
    """The faults that have scenarios, in the simulator's order."""
    return [kind for kind in KINDS if list(matrix.scenarios(kind))]


def render(page: str, sections: list[str]) -> str:
    """The page with these sections between its marks."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return "\n\n".join([f"{head}{BEGIN}", *sections, f"{END}{tail}"])


def sections_of(page: str) -> dict[str, str]:
    """The sections of a page by the fault that each is about."""
    made = page.partition(BEGIN)[2].partition(END)[0]
    parts = re.split(r"^(?=### )", made, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0].removeprefix("### "): part.strip() for part in parts}


def section(kind: str, rows: Mapping[Scenario, Row]) -> str:
    """What one fault does: a table for each of its forms, alike rows told once."""
    parts = [f"### {kind}", f"{KINDS[kind].meaning[0].upper()}{KINDS[kind].meaning[1:]}."]
    for fault, group in groupby(rows, key=lambda scenario: scenario.fault):
        if fault != kind:
            parts.append(f"As `{fault}`:")
        alike: dict[Row, list[Scenario]] = {}
        for scenario in group:
            alike.setdefault(rows[scenario], []).append(scenario)
        lines = [HEAD, ("---",) * len(HEAD)]
        lines += [(_places(scenarios, kind), *row) for row, scenarios in alike.items()]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts)


def _places(scenarios: list[Scenario], kind: str) -> str:
    """The steps, and the transports where they are not both."""
    steps = list(dict.fromkeys(scenario.step.name for scenario in scenarios))
    both = {step: {s.transport for s in scenarios if s.step.name == step} for step in steps}
    return ", ".join(
        step if len(both[step]) == 2 or kind == "certificate-changed" else f"{step} ({min(both[step])})"
        for step in steps
    )


if __name__ == "__main__":
    main()
