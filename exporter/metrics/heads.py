"""Which series stand in which order: the same for all devices of a model, and so shared by them."""

from __future__ import annotations

from weakref import WeakValueDictionary

from exporter.metrics.family import Family

Head = tuple[Family, tuple[str, ...]]  # a family, and its labels behind those that its part shares


class Heads:
    """Families and labels of rows in their order. `starts` tells the first row of each place of an answer.

    There are no two that are equal: those that `heads_of` gives are the same if what they hold is.
    """

    __slots__ = ("__weakref__", "all", "starts")

    def __init__(self, heads: tuple[Head, ...], starts: tuple[int, ...]) -> None:
        self.all = heads
        self.starts = starts


_known: WeakValueDictionary[object, Heads] = WeakValueDictionary()


def heads_of(heads: tuple[Head, ...], starts: tuple[int, ...] = ()) -> Heads:
    """The one object for these heads."""
    # a family of another catalogue may have the same name; and its own hash would be computed in Python
    key = (starts, *((f.name, f.kind, f.help, f.labels, labels) for f, labels in heads))
    found = _known.get(key)
    if found is None:
        found = _known[key] = Heads(heads, starts)
    return found
