"""Rows become lines: as prometheus_client would write them, and only those whose values have changed.

What an answer is made of is the same from one refresh to the next, and for all devices of a model. So the
text around names and values is made once, as a template that all of them share: a *shape*. Lines of one
family stand together in a piece, because a scrape needs them family by family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress, count
from math import inf
from operator import itemgetter, ne
from weakref import WeakValueDictionary

from exporter.metrics.family import Family
from exporter.metrics.rows import Row

_NOT_FINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}
LARGE = 1e6  # from here on Go writes an exponent

_family, _labels = itemgetter(0), itemgetter(1)


def number_text(value: float) -> str:
    """A value as Go writes it, which is how prometheus_client does."""
    text = repr(value)
    point = text.find(".")
    if point > 6 and value > 0:
        digits = f"{text[0]}.{text[1:point]}{text[point + 1 :]}".rstrip("0.")
        return f"{digits}e+{point - 1:02d}"
    return _NOT_FINITE.get(text, text)


def escaped(text: str) -> str:
    """A label's value as it stands between its quotes."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class Shape:
    """Families and labels of the rows of a part, in their order; `columns` are those of its pieces."""

    __slots__ = ("__weakref__", "_families", "_labels", "_piece_of", "_pieces", "columns")

    def __init__(
        self,
        families: list[Family],
        labels: list[tuple[str, ...]],
        shared: int,
        column: Callable[[Family], int],
    ) -> None:
        self._families, self._labels = families, labels
        places: dict[int, list[int]] = {}
        for place, family in enumerate(families):
            places.setdefault(column(family), []).append(place)
        self.columns = tuple(places)
        self._pieces = tuple(
            (
                "".join(_template(families[place], labels[place], shared) for place in of_family),
                tuple(of_family),
            )
            for of_family in places.values()
        )
        numbers = {place: n for n, (_, of_family) in enumerate(self._pieces) for place in of_family}
        self._piece_of = tuple(numbers[place] for place in range(len(families)))

    def fits(self, rows: Sequence[Row]) -> bool:
        return list(map(_family, rows)) == self._families and list(map(_labels, rows)) == self._labels

    def pieces(self, rows: Sequence[Row], shared: tuple[str, ...]) -> list[bytes]:
        """The lines of each family.

        `shared` are the escaped labels that all rows have, in the order of their names.
        """
        return [self._piece(number, rows, shared) for number in range(len(self._pieces))]

    def rewrite(
        self, pieces: list[bytes], rows: Sequence[Row], before: Sequence[Row], shared: tuple[str, ...]
    ) -> bool:
        """Make those pieces anew whose rows have other values than before. False if they are other rows."""
        if len(rows) != len(before):
            return False
        old: set[int] = set()
        for place in compress(count(), map(ne, rows, before)):
            row, last = rows[place], before[place]
            if row[0] is not last[0] or row[1] != last[1]:
                return False
            old.add(self._piece_of[place])
        for number in old:
            pieces[number] = self._piece(number, rows, shared)
        return True

    def _piece(self, number: int, rows: Sequence[Row], shared: tuple[str, ...]) -> bytes:
        template, places = self._pieces[number]
        values: list[float | str] = []
        for place in places:
            value = rows[place][2]
            values += shared
            values.append(value if -inf < value < LARGE else number_text(value))
        return (template % tuple(values)).encode("utf-8", "replace")


def _template(family: Family, labels: tuple[str, ...], shared: int) -> str:
    """One line with places for the shared labels, which are the family's first ones, and for the value."""
    values = ["%s"] * shared + [escaped(label).replace("%", "%%") for label in labels]
    pairs = sorted(zip(family.labels, values, strict=True))
    inner = ",".join(f'{name}="{value}"' for name, value in pairs)
    return f"{family.name}{{{inner}}} %s\n" if inner else f"{family.name} %s\n"


class Shapes:
    """All shapes in use, each once. `column` tells where a family's pieces belong."""

    def __init__(self, column: Callable[[Family], int]) -> None:
        self._column = column
        self._shapes: WeakValueDictionary[object, Shape] = WeakValueDictionary()

    def of(self, rows: Sequence[Row], shared: int) -> Shape:
        """The shape of these rows, which have so many labels more than they name."""
        families, labels = list(map(_family, rows)), list(map(_labels, rows))
        key = (shared, *(family.name for family in families), *labels)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = Shape(families, labels, shared, self._column)
        return shape


class Part:
    """Lines of one matter. `told` is all that they depend on: they are made only if it has changed."""

    __slots__ = ("_rows", "pieces", "shape", "told")

    def __init__(self) -> None:
        self.told: object = self  # nothing is equal to it
        self.shape: Shape | None = None
        self._rows: Sequence[Row] = ()
        self.pieces: list[bytes] = []

    @property
    def columns(self) -> tuple[int, ...]:
        """Where each piece belongs."""
        return self.shape.columns if self.shape is not None else ()

    def write(self, shapes: Shapes, shared: tuple[str, ...], rows: Sequence[Row]) -> None:
        """Make the lines of these rows."""
        before, self._rows = self._rows, rows
        if not rows:
            self.shape, self.pieces = None, []
            return
        shape = self.shape
        if shape is not None and shape.rewrite(self.pieces, rows, before, shared):
            return
        if self.shape is None or not self.shape.fits(rows):
            self.shape = shapes.of(rows, len(shared))
        self.pieces = self.shape.pieces(rows, shared)
