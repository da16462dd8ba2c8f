"""Where a family's lines stand in a body, and how the ready pieces of all targets are put together.

Most columns are the same from one scrape to the next: what is known of devices, states, counters of what
seldom happens. Those are kept joined, so that only what every refresh changes is collected from all targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, count
from operator import itemgetter, ne
from typing import NamedTuple

from exporter.metrics.family import Family
from exporter.metrics.formats import Format, head

AT_ONCE = 1 << 19  # bytes that are joined at once: they stay in the processor's cache until they are sent
MOST_KEPT = 1 << 23  # bytes of a column that are joined at once, to be kept; about 4 ms
APART = 1 << 14  # bytes of a kept column from which on it is worth being packed for itself
SENT_AT_ONCE = 1 << 21  # bytes out of what is kept

Ready = tuple[bytes, ...]  # the pieces of one target, by column


class Kept:
    """A column that is kept joined until it changes. `packed` belongs to whoever packs it, to do so once."""

    __slots__ = ("lines", "packed")

    def __init__(self, lines: bytes) -> None:
        self.lines = lines
        self.packed: object = None


class Body(NamedTuple):
    """What a scrape gets. `pieces` are large, each is made when it is taken, in any thread."""

    length: int
    pieces: Iterator[bytes | Kept]

    def parts(self) -> Iterator[bytes | memoryview]:
        """The pieces as they can be sent."""
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                view = memoryview(piece.lines)
                yield from (view[start : start + SENT_AT_ONCE] for start in range(0, len(view), SENT_AT_ONCE))

    def whole(self) -> bytes:
        return b"".join(self.parts())


class _Column(NamedTuple):
    """One family at the time of a scrape, and its lines if they are kept joined."""

    number: int
    head: bytes
    size: int
    kept: Kept | None
    changed: bool


class Columns:
    """Families in the order in which they were first seen, each with its number."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._numbers: dict[str, int] = {}
        self._heads: dict[bool, list[bytes]] = {True: [], False: []}
        self._sizes: list[int] = []  # of all lines of a column
        self._changed: set[int] = set()  # since the last scrape
        self._changes: dict[int, int] = {}  # the newest scrape that found the column changed
        self._scrape = 0
        self._kept: dict[int, tuple[int, Kept]] = {}  # and the scrape that it was joined for

    def __len__(self) -> int:
        return len(self._families)

    def number(self, family: Family) -> int:
        number = self._numbers.get(family.name)
        if number is None:
            number = self._numbers[family.name] = len(self._families)
            self._families[family.name] = family
            self._sizes.append(0)
        return number

    def replaced(self, before: Ready, after: Ready) -> None:
        """Take note that something has other pieces now; one that was not there had none."""
        if len(before) != len(after):
            width = max(len(before), len(after))
            before, after = _padded(before, width), _padded(after, width)
        for number in compress(count(), map(ne, before, after)):
            self._sizes[number] += len(after[number]) - len(before[number])
            self._changed.add(number)

    def changed(self, numbers: Iterable[int], before: Sequence[bytes], after: Sequence[bytes]) -> None:
        """The same, for those who know which pieces are others."""
        for number in set(numbers):
            self._sizes[number] += len(after[number]) - len(before[number])
        self._changed.update(numbers)

    def of_one(self, form: Format, ready: Ready, end: bytes) -> bytes:
        """The body for one target alone."""
        titled = (title + piece for title, piece in zip(self._heads_of(form), ready, strict=False) if piece)
        return b"".join([*titled, end])

    def of_all(self, form: Format, ready: Sequence[Ready], end: bytes, *, apart: bool) -> Body:
        """The body of what `ready` holds at the call. It is everything whose pieces were told of.

        With `apart` a column that is kept is a piece of its own, else only a very long one is.
        """
        self._scrape += 1
        for number in self._changed:
            self._changes[number] = self._scrape
            self._kept.pop(number, None)
        self._changed.clear()
        columns: list[_Column] = []
        for number, (title, size) in enumerate(zip(self._heads_of(form), self._sizes, strict=True)):
            if size:
                changed_at = self._changes[number]
                at, kept = self._kept.get(number, (0, None))
                known = kept if at >= changed_at else None
                columns.append(_Column(number, title, size, known, changed_at == self._scrape))
        length = sum(column.size + len(column.head) for column in columns) + len(end)
        width = len(self)
        full = [row if len(row) == width else _padded(row, width) for row in ready]
        return Body(length, self._joined(columns, full, end, self._scrape, APART if apart else AT_ONCE))

    def _joined(
        self, columns: Sequence[_Column], ready: Sequence[Ready], end: bytes, scrape: int, long: int
    ) -> Iterator[bytes | Kept]:
        pieces: list[bytes] = []
        held = 0  # bytes in them
        for column in columns:
            pieces.append(column.head)
            kept = column.kept
            if kept is None:
                row = tuple(map(itemgetter(column.number), ready))
                if column.changed or column.size > MOST_KEPT:
                    at_once = max(1, len(row) * AT_ONCE // column.size)
                    for start in range(0, len(row), at_once):
                        part = row[start : start + at_once]
                        pieces += part
                        held += column.size * len(part) // len(row)
                        if held >= AT_ONCE:
                            yield b"".join(pieces)
                            pieces, held = [], 0
                    continue
                kept = Kept(b"".join(row))
                self._kept[column.number] = scrape, kept
            if column.size >= long:
                yield b"".join(pieces)
                yield kept
                pieces, held = [], 0
            else:
                pieces.append(kept.lines)
                held += column.size
        yield b"".join([*pieces, end])

    def _heads_of(self, form: Format) -> tuple[bytes, ...]:
        heads = self._heads[form is Format.OPENMETRICS]
        for family in list(self._families.values())[len(heads) :]:
            heads.append(head(family, form))
        return tuple(heads)


def _padded(row: Ready, width: int) -> Ready:
    return row + (b"",) * (width - len(row))
