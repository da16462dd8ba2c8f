"""Measuring: rounds that take turns, ratios and their median, processes seen from outside, and the table."""

from __future__ import annotations

import compileall
import dataclasses
import gc
import os
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "exporter"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Incorrect(Exception):
    """What was measured did not do its work, so its figures are worth nothing."""


def require(condition: bool, claim: str) -> None:
    """Check a claim about the result; unlike `assert` it also holds under `python -O`."""
    if not condition:
        raise Incorrect(f"it does not hold that {claim}")


def compiled() -> bool:
    """Compile the exporter into files, as pip does with what it installs. False if that cannot be done.

    Else every process compiles a checkout's modules anew where Python may not write such files by itself
    (PYTHONDONTWRITEBYTECODE), and what that leaves behind in its memory would pass for the program's.
    """
    return bool(compileall.compile_dir(PROGRAM, quiet=2))


@dataclass(frozen=True, slots=True)
class Options:
    """`smallest` runs only as long as the checks of correctness need; `profile` asks for hints as well.

    `all` is for the sizes that take long.
    """

    smallest: bool = False
    profile: bool = False
    all: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `limit` is None for one that is for information.

    `limit_is` says what the limit is set on: the `ratio`, the `excess` above the floor, or the figure
    itself (`ours`); excess and ours are in `unit`.
    """

    name: str
    unit: str
    ours: float
    floor: float | None = None
    ratio: float | None = None
    ratio_min: float | None = None
    ratio_max: float | None = None
    limit: float | None = None
    limit_is: str = "ratio"
    floor_is: str = ""

    @property
    def limited(self) -> float | None:
        """The value that the limit is set on."""
        if self.limit_is == "ours":
            return self.ours
        if self.limit_is == "excess":
            return None if self.floor is None else self.ours - self.floor
        return self.ratio

    @property
    def exceeded(self) -> bool:
        value = self.limited
        return self.limit is not None and (value is None or value > self.limit)

    def as_dict(self) -> dict[str, object]:
        return {**dataclasses.asdict(self), "exceeded": self.exceeded}


@dataclass(frozen=True, slots=True)
class Report:
    """What one benchmark found; `notes` are lines for people."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Comparison:
    """Rounds of both sides, in seconds for one piece of work."""

    ours: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Of each round to the one beside it: what slows down the computer for a while slows down both."""
        return [ours / floor for ours, floor in zip(self.ours, self.floor, strict=True)]

    def row(self, name: str, unit: str, unit_seconds: float, limit: float | None, floor_is: str) -> Row:
        ratios = self.ratios
        return Row(
            name,
            unit,
            statistics.median(self.ours) / unit_seconds,
            statistics.median(self.floor) / unit_seconds,
            statistics.median(ratios),
            min(ratios),
            max(ratios),
            limit,
            "ratio",
            floor_is,
        )


def take_turns(ours: Callable[[], float], floor: Callable[[], float], rounds: int) -> Comparison:
    """Run both sides by turns. Each call is one round and returns its CPU seconds for one piece of work."""
    comparison = Comparison()
    for _ in range(rounds):
        for side, results in ((ours, comparison.ours), (floor, comparison.floor)):
            gc.collect()  # no side pays for what the other left behind
            results.append(side())
    return comparison


# Processes seen from outside --------------------------------------------------------------------------


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, user and system, in steps of a clock tick (usually 10 ms)."""
    text = Path(f"/proc/{pid}/stat").read_text("ascii")
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def resident_kilobytes(pid: int) -> int:
    """Memory of a process that is in RAM now (VmRSS), shared libraries included, in kB of 1024 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise Incorrect(f"process {pid} has memory")


# The table --------------------------------------------------------------------------------------------

HEAD = ("name", "ours", "floor", "ratio", "limit", "")


def table(rows: Iterable[Row], *, smallest: bool = False) -> str:
    """All rows as text in columns. In the smallest run nothing is held against a limit."""
    lines = [HEAD, *(cells(row, smallest) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    printed = (
        "  ".join(
            cell.ljust(width) if column in (0, len(HEAD) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
    return "\n".join(line.rstrip() for line in printed)


def cells(row: Row, smallest: bool = False) -> tuple[str, ...]:
    """A row as text: name, figures, limit and verdict."""
    verdict = "exceeded" if row.exceeded else "ok"
    if row.limit is None:
        verdict = "for information"
    elif smallest:
        verdict = "not judged"
    return (
        row.name,
        _figure(row.ours, row.unit),
        "-" if row.floor is None else _figure(row.floor, row.unit),
        _ratio(row),
        _limit(row),
        verdict,
    )


def _figure(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 3
    return f"{value:.{digits}f} {unit}"


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return "-"
    spread = "" if row.ratio_min is None else f" ({row.ratio_min:.2f}-{row.ratio_max:.2f})"
    return f"{row.ratio:.2f}{spread}"


def _limit(row: Row) -> str:
    if row.limit is None:
        return "-"
    if row.limit_is == "ratio":
        return f"{row.limit:g}"
    return ("+" if row.limit_is == "excess" else "") + f"{row.limit:g} {row.unit}"
