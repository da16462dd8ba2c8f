"""Where a family's lines stand in a body, and how the ready pieces of all targets are put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from exporter.metrics.family import Family
from exporter.metrics.formats import Format, head

PIECES_AT_ONCE = 4096  # to be joined; about half a megabyte

Ready = tuple[bytes, ...]  # the pieces of one target, by column


class Columns:
    """Families in the order in which they were first seen, each with its number."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._numbers: dict[str, int] = {}
        self._heads: dict[bool, list[bytes]] = {True: [], False: []}

    def __len__(self) -> int:
        return len(self._families)

    def number(self, family: Family) -> int:
        number = self._numbers.get(family.name)
        if number is None:
            number = self._numbers[family.name] = len(self._families)
            self._families[family.name] = family
        return number

    def joined(self, form: Format, ready: Sequence[Ready], end: bytes) -> Iterator[bytes]:
        """The body in large pieces, each made when it is taken: of what `ready` holds at the call.

        May be taken in another thread.
        """
        return _joined(self._heads_of(form), tuple(ready), end)

    def _heads_of(self, form: Format) -> tuple[bytes, ...]:
        heads = self._heads[form is Format.OPENMETRICS]
        for family in list(self._families.values())[len(heads) :]:
            heads.append(head(family, form))
        return tuple(heads)


def _joined(heads: Iterable[bytes], ready: Sequence[Ready], end: bytes) -> Iterator[bytes]:
    pieces: list[bytes] = []
    # without a target there is no column
    for title, column in zip(heads, zip_longest(*ready, fillvalue=b""), strict=False):
        if not any(column):
            continue
        pieces.append(title)
        for start in range(0, len(column), PIECES_AT_ONCE):
            pieces += column[start : start + PIECES_AT_ONCE]
            if len(pieces) >= PIECES_AT_ONCE:
                yield b"".join(pieces)
                pieces.clear()
    pieces.append(end)
    yield b"".join(pieces)
