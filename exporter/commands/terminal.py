"""How commands talk to a person: marks and progress on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from typing import TextIO

MARKS = {True: "✔", False: "✘", None: "-"}
PLAIN_MARKS = {True: "ok  ", False: "FAIL", None: "-   "}
BAR_WIDTH = 30


def mark(ok: bool | None, stream: TextIO | None = None) -> str:
    """A sign for done, failed or left out; words where the stream's encoding lacks the signs."""
    stream = stream or sys.stdout
    try:
        "".join(MARKS.values()).encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return PLAIN_MARKS[ok]
    return MARKS[ok]


def never_fail_to_print() -> None:
    """A terminal that cannot show ℃ shows the rest."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")


class Progress:
    """A bar on standard error that is drawn over itself; nothing at all in a pipe."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._total = max(total, 1)
        self._done = 0
        self._drawn = -1

    def step(self, words: str = "") -> None:
        """One more is done."""
        self._done += 1
        filled = self._done * BAR_WIDTH // self._total
        if self._shown and (filled != self._drawn or words):
            self._drawn = filled
            bar = "#" * filled + "." * (BAR_WIDTH - filled)
            self._stream.write(f"\r[{bar}] {self._done}/{self._total} {words}\x1b[K")
            self._stream.flush()

    def clear(self) -> None:
        """Leave an empty line for what is printed next."""
        if self._shown and self._drawn >= 0:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
