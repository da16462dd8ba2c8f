"""Which targets of a soak are not back, and all that tells why: for the words of its failure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

MOST_TOLD = 12  # of the missing ones, each with a line of its own; all are counted by kind
REASON = re.compile(
    r'^winet2_errors_total\{(?=[^}]*target="([^"]+)")(?=[^}]*reason="([^"]+)")[^}]*\} ([0-9.e+]+)$',
    re.MULTILINE,
)
VARIABLE = re.compile(r"\d[\d.]*")

Status = Mapping[str, Any]


def is_back(status: Status) -> bool:
    """Online, with readings that are not too old."""
    return bool(status["state"] == "online" and status["up"])


def longest_wait(statuses: Iterable[Status]) -> float:
    """Seconds until the last of the pauses that targets are in now, such as a yield, has ended."""
    return max((status["retry_in_seconds"] or 0.0 for status in statuses), default=0.0)


def reasons(page: str) -> dict[str, dict[str, int]]:
    """The errors of each target by reason, out of `/metrics`; what never happened is left out."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for target, reason, value in REASON.findall(page):
        if float(value):
            found[target][reason] = int(float(value))
    return found


def tell(statuses: Iterable[Status], page: str, sockets: Mapping[str, int]) -> list[str]:
    """Lines: how many are missing by state and last error, then the first of them one by one.

    `page` is `/metrics`, `sockets` what each gateway has open by its own count, keyed by the target's name.
    """
    missing = [status for status in statuses if not is_back(status)]
    kinds = Counter(f"{status['state']}, {_kind(status)}" for status in missing)
    counted = reasons(page)
    lines = [f"{number} of them {kind}" for kind, number in kinds.most_common()]
    for status in missing[:MOST_TOLD]:
        errors = counted.get(status["name"], {})
        lines.append(f"{_describe(status)}; its errors {errors}; open there {sockets.get(status['name'])}")
    return lines


def _kind(status: Status) -> str:
    """What the last failure was, without the figures that differ from target to target."""
    return VARIABLE.sub("N", status["error"] or "without an error")


def _describe(status: Status) -> str:
    age = status["state_age_seconds"]
    words = [f"{status['name']} ({status['transport']}) {status['state']} for {age} s"]
    left = status["retry_in_seconds"]
    if left is not None:
        words.append(f"its next attempt in {left} s of a pause of {age + left:.0f} s")
    if status["failing_for_seconds"] is not None:
        words.append(f"failing for {status['failing_for_seconds']} s")
    reading = status["last_refresh_age_seconds"]
    words.append("no reading" if reading is None else f"last reading {reading} s ago")
    if status["refresh_duration_seconds"] is not None:
        words.append(f"a cycle took {status['refresh_duration_seconds']:.1f} s")
    words.append(status["error"] or "no error")
    return ", ".join(words)
