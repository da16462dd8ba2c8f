"""What a soak came to, as it is published in `docs/faults.md`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any


@dataclass
class Figures:
    """`findings` is what should not be; the rest are figures to be published."""

    gateways: int
    seconds: float = 0.0
    reloads: int = 0
    troubles: int = 0
    reconnections: int = 0
    failures: int = 0
    messages: int = 0
    apart: int = 0
    memory_first: float = 0.0
    memory_last: float = 0.0
    memory_most: float = 0.0
    cpu_share: float = 0.0
    burden: str = ""
    ended_after: float = 0.0
    ended_in: dict[str, int] = field(default_factory=dict)
    scrapes: list[float] = field(default_factory=list)
    waits: dict[str, float] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def find(self, bad: bool, what: str) -> None:
        """Note a finding, and say it at once: a run that breaks off has told then what it had found."""
        if bad:
            self.findings.append(what)
            print(f"found: {what}", file=sys.stderr, flush=True)  # noqa: T201

    def lines(self) -> list[str]:
        """The figures as the rows of a table."""
        growth = self.memory_last / self.memory_first - 1.0
        waits = ", ".join(f"{seconds:.0f} s {when}" for when, seconds in self.waits.items())
        rows = {
            "length": f"{self.seconds / 60:.1f} min, {self.gateways} gateways, half of them over TLS",
            "troubles at gateways": f"{self.troubles}",
            "reconnections": f"{self.reconnections}",
            "attempts that failed": f"{self.failures}",
            "scrapes, of how many seconds": f"{len(self.scrapes)}, {self.seconds:.0f}",
            "a scrape took": _spread(self.scrapes),
            "reloads": f"{self.reloads}",
            "messages in both directions": f"{self.messages}",
            "messages counted at one end only": f"{self.apart}",
            "memory in the first and in the last quarter": (
                f"{self.memory_first / 1e6:.1f} MB, {self.memory_last / 1e6:.1f} MB ({growth:+.1%})"
            ),
            "most memory": f"{self.memory_most / 1e6:.1f} MB",
            "objects before and after": f"{self.before['objects']}, {self.after['objects']}",
            "tasks before and after": f"{_total(self.before['tasks'])}, {_total(self.after['tasks'])}",
            "open files before and after": f"{_total(self.before['files'])}, {_total(self.after['files'])}",
            "CPU of the exporter, scrapes included": f"{self.cpu_share:.0%} of one core",
            "the machine meanwhile": self.burden,
            "all readings there after": waits,
            "ended after SIGTERM": f"{self.ended_after:.1f} s, with {_named(self.ended_in)}",
        }
        return [f"| {name} | {value} |" for name, value in rows.items()]


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


def _named(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()) if count)


def _spread(seconds: list[float]) -> str:
    half, most = median(seconds), max(seconds)
    return f"{fmean(seconds):.3f} s on average, {half:.3f} s in the middle, {most:.2f} s at most"
