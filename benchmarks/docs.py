"""The figures in docs/performance.md: each row of its tables is written anew by a run that measured it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Row, cells

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
LINE = re.compile(r"^\| `([^`]+)` \|.*$", re.MULTILINE)
MACHINE = re.compile(r"^Measured on .*$", re.MULTILINE)


def machine() -> str:
    """What the figures were taken on."""
    model = "a processor that does not tell its name"
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores = len(os.sched_getaffinity(0))
    day = datetime.now(UTC).date().isoformat()
    return f"Measured on {day} with Python {platform.python_version()} on {cores} cores of {model}."


def line(row: Row) -> str:
    """A row as a line of a table. There is no column for the verdict: the limit says if it is exceeded."""
    name, *figures, _ = cells(row)
    exceeded = " (exceeded)" if row.exceeded else ""
    return f"| `{name}` | {' | '.join(figures)}{exceeded} |"


def written(page: str, rows: Iterable[Row]) -> str:
    """The page with these rows' figures, where it has them."""
    measured = {row.name: line(row) for row in rows}
    page = LINE.sub(lambda found: measured.get(found[1], found[0]), page)
    return MACHINE.sub(lambda _: machine(), page)
