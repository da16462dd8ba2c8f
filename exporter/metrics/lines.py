"""Rows become lines: as prometheus_client would write them, in one stroke for all rows of a part.

What an answer is made of is the same from one refresh to the next, and for all devices of a model. So the
text around names and values is made once, as a template that all of them share: a *shape*. Lines of one
family stand together in a piece, because a scrape needs them family by family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from operator import itemgetter
from weakref import WeakValueDictionary

from exporter.metrics.family import Family
from exporter.metrics.rows import Row

_NOT_FINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}
LARGE = 1e6  # from here on Go writes an exponent
BETWEEN = b"#\n"  # ends a piece in the text of a part; no line of a sample ends so

_family, _labels, _value = itemgetter(0), itemgetter(1), itemgetter(2)


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

    __slots__ = ("__weakref__", "_families", "_labels", "_order", "_template", "columns")

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
        self._template = BETWEEN.decode().join(
            "".join(_template(families[place], labels[place], shared) for place in of_family)
            for of_family in places.values()
        )
        order = [place for of_family in places.values() for place in of_family]
        self._order = None if order == sorted(order) else itemgetter(*order)

    def fits(self, rows: Sequence[Row]) -> bool:
        return list(map(_family, rows)) == self._families and list(map(_labels, rows)) == self._labels

    def pieces(self, rows: Sequence[Row], shared: tuple[str, ...]) -> list[bytes]:
        """The lines of each family.

        `shared` are the escaped labels that all rows have, in the order of their names.
        """
        values: list[float | str] = [
            value if -inf < value < LARGE else number_text(value)
            for value in map(_value, rows if self._order is None else self._order(rows))
        ]
        return (self._template % _woven(shared, values)).encode("utf-8", "replace").split(BETWEEN)


def _woven(shared: tuple[str, ...], values: list[float | str]) -> tuple[float | str, ...]:
    """The shared labels before each value."""
    if not shared:
        return tuple(values)
    every = len(shared) + 1
    woven: list[float | str] = [*shared, ""] * len(values)
    woven[every - 1 :: every] = values
    return tuple(woven)


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

    __slots__ = ("pieces", "shape", "told")

    def __init__(self) -> None:
        self.told: object = self  # nothing is equal to it
        self.shape: Shape | None = None
        self.pieces: list[bytes] = []

    @property
    def columns(self) -> tuple[int, ...]:
        """Where each piece belongs."""
        return self.shape.columns if self.shape is not None else ()

    def write(self, shapes: Shapes, shared: tuple[str, ...], rows: Sequence[Row]) -> None:
        """Make the lines of these rows."""
        if not rows:
            self.shape, self.pieces = None, []
            return
        if self.shape is None or not self.shape.fits(rows):
            self.shape = shapes.of(rows, len(shared))
        self.pieces = self.shape.pieces(rows, shared)
