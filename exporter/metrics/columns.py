"""Where a family's lines stand in a body, and how the ready pieces of all targets are put together.

Most columns are the same from one scrape to the next: what is known of devices, states, counters of what
seldom happens. Those are kept joined or packed, so that only what every refresh changes is collected from all
targets. And that is collected when it changes: at a scrape its pieces have left the processor's cache, and to
seek them target by target takes longer than to join them.
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
LINED_UP_AT_ONCE = 100_000  # pieces that one scrape lines up for those after it; about 5 ms
STEADY_AFTER = 20  # scrapes without a change until a column is not lined up any more

Ready = tuple[bytes, ...]  # the pieces of one target, by column
Titles = bool  # whether HELP and TYPE are those of OpenMetrics: all other formats have the same


class Kept:
    """A column with its head, until it changes. `packed` belongs to whoever packs it, to do so once.

    Packed it takes a tenth, so it is joined for good only where it is wanted as it is.
    """

    __slots__ = ("_lines", "packed")

    def __init__(self, lines: bytes | Sequence[bytes]) -> None:
        self._lines = lines
        self.packed: object = None

    @property
    def lines(self) -> bytes:
        lines = self._lines
        return lines if isinstance(lines, bytes) else b"".join(lines)

    def joined(self) -> bytes:
        """The lines, which stay joined from now on."""
        self._lines = lines = self.lines
        return lines


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
                view = memoryview(piece.joined())
                yield from (view[start : start + SENT_AT_ONCE] for start in range(0, len(view), SENT_AT_ONCE))

    def whole(self) -> bytes:
        return b"".join(self.parts())


class _Column(NamedTuple):
    """One family at the time of a scrape: its pieces, or the number by which they stand in the rows."""

    number: int
    head: bytes
    size: int
    kept: Kept | None
    pieces: list[bytes] | None
    is_steady: bool  # and so worth being kept


class Columns:
    """Families in the order in which they were first seen, and the pieces of each target, at its place."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._numbers: dict[str, int] = {}
        self._titles: dict[Titles, list[bytes]] = {True: [], False: []}
        self._sizes: list[int] = []  # of all lines of a column
        self._rows: list[Ready] = []  # by place
        self._free: list[int] = []  # places
        self._lined_up: dict[
            int, list[bytes]
        ] = {}  # the pieces of a column by place, if it changes all the time
        self._changed: set[int] = set()  # since the last scrape
        self._changes: dict[int, int] = {}  # the newest scrape that found the column changed
        self._scrape = 0
        self._kept: dict[tuple[Titles, int], tuple[int, Kept]] = {}  # and the scrape that it was kept for

    def __len__(self) -> int:
        return len(self._families)

    def number(self, family: Family) -> int:
        number = self._numbers.get(family.name)
        if number is None:
            number = self._numbers[family.name] = len(self._families)
            self._families[family.name] = family
            self._sizes.append(0)
        return number

    # Pieces ----------------------------------------------------------------------------------------

    def place(self) -> int:
        """A place for the pieces of one more, until they are withdrawn."""
        if self._free:
            return self._free.pop()
        self._rows.append(())
        for pieces in self._lined_up.values():
            pieces.append(b"")
        return len(self._rows) - 1

    def at(self, place: int) -> Ready:
        """The pieces at a place, by column; later columns than it has have none."""
        return self._rows[place]

    def put(self, place: int, after: Ready, numbers: Iterable[int] | None = None) -> None:
        """Let a place have other pieces; those with these `numbers`, if it is known which are others."""
        before, self._rows[place] = self._rows[place], after
        if len(before) != len(after):
            width = max(len(before), len(after))
            before, after = _padded(before, width), _padded(after, width)
        for number in compress(count(), map(ne, before, after)) if numbers is None else numbers:
            piece = after[number]
            self._sizes[number] += len(piece) - len(before[number])
            self._changed.add(number)
            lined_up = self._lined_up.get(number)
            if lined_up is not None:
                lined_up[place] = piece

    def withdraw(self, place: int) -> None:
        """Drop what is at a place, which may be another's from now on."""
        self.put(place, ())
        self._free.append(place)

    # Bodies ----------------------------------------------------------------------------------------

    def of_one(self, form: Format, ready: Ready, end: bytes) -> bytes:
        """The body for one target alone."""
        titled = (title + piece for title, piece in zip(self._titles_of(form), ready, strict=False) if piece)
        return b"".join([*titled, end])

    def of_all(self, form: Format, end: bytes, *, apart: bool) -> Body:
        """The body of what all places hold at the call.

        With `apart` a column that is kept is a piece of its own, else only a very long one is.
        """
        self._scrape += 1
        self._line_up()
        titles = form is Format.OPENMETRICS
        columns: list[_Column] = []
        for number, (title, size) in enumerate(zip(self._titles_of(form), self._sizes, strict=True)):
            if size:
                columns.append(self._column(titles, number, title, size))
        length = sum(column.size + len(column.head) for column in columns) + len(end)
        is_ready = all(column.kept is not None or column.pieces is not None for column in columns)
        rows = [] if is_ready else self._full_rows()
        return Body(length, self._joined(titles, columns, rows, end, self._scrape, APART if apart else None))

    def _line_up(self) -> None:
        """Collect what has changed, as far as others can wait for it, and let go of what has not for long."""
        room = LINED_UP_AT_ONCE
        rows: list[Ready] | None = None
        for number in self._changed:
            self._changes[number] = self._scrape
            for titles in self._titles:
                self._kept.pop((titles, number), None)
            if number not in self._lined_up:
                room -= len(self._rows)
                if room >= 0:
                    rows = self._full_rows() if rows is None else rows
                    self._lined_up[number] = list(map(itemgetter(number), rows))
        self._changed.clear()
        for number in [one for one in self._lined_up if self._changes[one] < self._scrape - STEADY_AFTER]:
            del self._lined_up[number]

    def _full_rows(self) -> list[Ready]:
        width = len(self)
        return [row if len(row) == width else _padded(row, width) for row in self._rows]

    def _column(self, titles: Titles, number: int, title: bytes, size: int) -> _Column:
        at, kept = self._kept.get((titles, number), (0, None))
        if kept is not None and at >= self._changes[number]:
            return _Column(number, title, size, kept, None, True)
        is_steady = self._changes[number] < self._scrape and size <= MOST_KEPT
        pieces = self._lined_up.get(number)
        return _Column(number, title, size, None, None if pieces is None else pieces.copy(), is_steady)

    def _joined(
        self,
        titles: Titles,
        columns: Sequence[_Column],
        rows: Sequence[Ready],
        end: bytes,
        scrape: int,
        apart: int | None,
    ) -> Iterator[bytes | Kept]:
        pieces: list[bytes] = []
        held = 0  # bytes in them
        for column in columns:
            kept = column.kept
            if kept is None:
                row = column.pieces or list(map(itemgetter(column.number), rows))
                if not column.is_steady:
                    pieces.append(column.head)
                    at_once = max(1, len(row) * AT_ONCE // column.size)
                    for start in range(0, len(row), at_once):
                        part = row[start : start + at_once]
                        pieces += part
                        held += column.size * len(part) // len(row)
                        if held >= AT_ONCE:
                            yield b"".join(pieces)
                            pieces, held = [], 0
                    continue
                kept = Kept((column.head, *filter(None, row)))
                self._kept[titles, column.number] = scrape, kept
            if column.size < (apart or AT_ONCE):
                pieces.append(kept.lines if apart else kept.joined())
                held += column.size
                continue
            if pieces:
                yield b"".join(pieces)
            yield kept
            pieces, held = [], 0
        yield b"".join([*pieces, end])

    def _titles_of(self, form: Format) -> tuple[bytes, ...]:
        titles = self._titles[form is Format.OPENMETRICS]
        for family in list(self._families.values())[len(titles) :]:
            titles.append(head(family, form))
        return tuple(titles)


def _padded(row: Ready, width: int) -> Ready:
    return row + (b"",) * (width - len(row))
