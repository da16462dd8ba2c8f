"""Rows become lines: as prometheus_client would write them, and only those whose values have changed.

What an answer is made of is the same from one refresh to the next, and for all devices of a model. So the
text around names and values is made once, as a template that all of them share: a *shape*. Lines of one
family stand together in a piece, because a scrape needs them family by family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import compress, count
from operator import ne
from weakref import WeakValueDictionary

from exporter.metrics.family import Family
from exporter.metrics.heads import Heads, heads_of
from exporter.metrics.rows import Row
from exporter.metrics.slots import Values

_NOT_FINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}
LARGE = 1e6  # from here on Go writes an exponent


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
    """The text around names and values of a part's rows; `columns` are those of its pieces."""

    __slots__ = ("__weakref__", "_pieces", "columns", "heads", "piece_of")

    def __init__(self, heads: Heads, shared: int, column: Callable[[Family], int]) -> None:
        self.heads = heads
        places: dict[int, list[int]] = {}
        for place, (family, _) in enumerate(heads.all):
            places.setdefault(column(family), []).append(place)
        self.columns = tuple(places)
        self._pieces = tuple(
            tuple((_template(*heads.all[place], shared), place) for place in of_family)
            for of_family in places.values()
        )
        numbers = {place: number for number, piece in enumerate(self._pieces) for _, place in piece}
        self.piece_of = tuple(numbers[place] for place in range(len(heads.all)))

    def pieces(self, values: Values, shared: tuple[str, ...]) -> list[bytes]:
        """The lines of each family. `shared` are the escaped labels that all rows have, by their names."""
        return [self.piece(number, values, shared) for number in range(len(self._pieces))]

    def piece(self, number: int, values: Values, shared: tuple[str, ...]) -> bytes:
        """The lines of one family, those without a value left out."""
        lines = ""
        for template, place in self._pieces[number]:
            value = values[place]
            if value is not None:
                text = repr(value) if -LARGE < value < LARGE else number_text(value)
                if len(template) == 3:
                    first, second, third = template
                    lines += f"{first}{shared[0]}{second}{shared[1]}{third}{text}\n"
                elif len(template) == 2:
                    first, second = template
                    lines += f"{first}{shared[0]}{second}{text}\n"
                else:
                    lines += f"{template[0]}{text}\n"
        return lines.encode("utf-8", "replace")


def _template(family: Family, labels: tuple[str, ...], shared: int) -> tuple[str, ...]:
    """A line without its shared labels, which are the family's first ones, and value: what is before each.

    In an escaped label there is no newline, so that one can stand for what is left out.
    """
    values = ["\n"] * shared + [escaped(label) for label in labels]
    pairs = sorted(zip(family.labels, values, strict=True))
    inner = ",".join(f'{name}="{value}"' for name, value in pairs)
    return tuple((f"{family.name}{{{inner}}} " if inner else f"{family.name} ").split("\n"))


class Shapes:
    """All shapes in use, each once. `column` tells where a family's pieces belong."""

    def __init__(self, column: Callable[[Family], int]) -> None:
        self._column = column
        self._shapes: WeakValueDictionary[tuple[Heads, int], Shape] = WeakValueDictionary()
        self._columns: dict[tuple[int, ...], tuple[int, ...]] = {}

    def of(self, heads: Heads, shared: int) -> Shape:
        """The shape of these rows, which have so many labels more than they name."""
        shape = self._shapes.get((heads, shared))
        if shape is None:
            shape = self._shapes[heads, shared] = Shape(heads, shared, self._column)
        return shape

    def written(self, rows: Iterable[Row], shared: tuple[str, ...]) -> tuple[tuple[int, ...], list[bytes]]:
        """Columns and pieces of rows like which there are no others."""
        listed = list(rows)
        heads = Heads(tuple((family, labels) for family, labels, _ in listed), ())
        shape = Shape(heads, len(shared), self._column)
        columns = self._columns.setdefault(shape.columns, shape.columns)
        return columns, shape.pieces([value for _, _, value in listed], shared)


class Part:
    """Lines of one matter: `pieces`, and the `columns` that they belong to.

    `told` is what they depend on, for those who ask `is_news` before they write. `changed` are the pieces
    that are others than when somebody last cleared it.
    """

    __slots__ = ("_shape", "_values", "changed", "columns", "pieces", "told")

    def __init__(self) -> None:
        self.told: object = self  # nothing is equal to it
        self.columns: tuple[int, ...] = ()
        self.pieces: list[bytes] = []
        self.changed: set[int] | None = None
        self._shape: Shape | None = None
        self._values: Values = []

    def is_news(self, told: object) -> bool:
        """Whether this is not what the lines tell; from now on they do, so they have to be written."""
        if self.told == told:
            return False
        self.told = told
        return True

    def write(self, shapes: Shapes, shared: tuple[str, ...], heads: Heads, values: Values) -> None:
        """Make the lines of these rows, as far as they are new. `values` are not changed afterwards."""
        before, self._values = self._values, values
        shape = self._shape
        if shape is None or shape.heads is not heads:
            shape = self._shape = shapes.of(heads, len(shared))
            self._use(shape.columns, shape.pieces(values, shared))
        elif values is not before:
            old = {shape.piece_of[place] for place in compress(count(), map(ne, values, before))}
            for number in old:
                self.pieces[number] = shape.piece(number, values, shared)
            self.changed = old if self.changed is None else self.changed | old

    def write_rows(self, shapes: Shapes, shared: tuple[str, ...], rows: Iterable[Row]) -> None:
        """The same for rows that come one by one, such as many parts have."""
        listed = list(rows)
        heads = heads_of(tuple((family, labels) for family, labels, _ in listed))
        self.write(shapes, shared, heads, [value for _, _, value in listed])

    def write_once(self, shapes: Shapes, shared: tuple[str, ...], rows: Iterable[Row]) -> None:
        """The same for rows that no other part has, because their labels are names."""
        self._use(*shapes.written(rows, shared))

    def _use(self, columns: tuple[int, ...], pieces: list[bytes]) -> None:
        self.columns, self.pieces = columns, pieces
        self.changed = set(range(len(pieces)))
