"""Answers that are worded like an earlier one: only their values are looked at. Pure.

From one refresh to the next a device repeats thousands of characters and changes some numbers. In JSON
without a backslash the quotation marks alone tell what is text, so `"data_value":"` can be nothing but a
member's name and the beginning of its value. An answer that equals an earlier, decoded one everywhere but in
these values therefore says the same of other values, and needs no decoding to know it. Whatever differs by
more is decoded from its first character, and judged as if it were the first.

Wordings are shared: a thousand gateways of one model have their keys and units in memory once.
"""

from __future__ import annotations

import re
import weakref
from typing import Any, NamedTuple

from exporter.telemetry import DirectInput, Reading, Service
from exporter.winet import lists, messages
from exporter.winet.messages import Reply

MOST_KNOWN = 16  # wordings of one target; four devices have seven
LONGEST_LEARNED = 1 << 16  # characters; the longest answer seen has 18 kB
NAMES: dict[str, tuple[str, ...]] = {
    Service.REAL: ("data_value",),
    Service.REAL_BATTERY: ("data_value",),
    Service.DIRECT: ("voltage", "current"),
}


class Apart(NamedTuple):
    """A text taken apart: what stands before the first value, behind each, and the values themselves."""

    head: str
    rests: tuple[str, ...]
    values: tuple[str, ...]


class Wording:
    """All of an answer but its values; `items` are those that it was learned from."""

    __slots__ = ("__weakref__", "_ends", "_head", "_length", "_marks", "items", "service")

    def __init__(self, service: str, marks: tuple[str, ...], apart: Apart, items: tuple[Any, ...]) -> None:
        self.service = service
        self.items = items
        self._marks = marks
        self._head = apart.head
        # what is behind each value, and between two of them if there are two marks
        self._ends = tuple(f'"{rest}' for rest in apart.rests)
        marked = len(apart.rests) // len(marks) * sum(map(len, marks))
        self._length = len(apart.head) + sum(map(len, self._ends)) + marked

    def values(self, text: str) -> tuple[str, ...] | None:
        """The values in a text that is worded like this; None for any other."""
        if not text.startswith(self._head) or "\\" in text:
            return None
        head, *pieces = text.split(self._marks[0])
        if head != self._head or len(pieces) * len(self._marks) != len(self._ends):
            return None
        values = self._without_ends(pieces)
        told = "".join(values)
        # an end that is not there was not taken away
        if len(told) + self._length != len(text) or '"' in told or not told.isprintable():
            return None
        if len(told) > messages.LONGEST_TEXT and max(map(len, values)) > messages.LONGEST_TEXT:
            return None
        return tuple(values)

    def _without_ends(self, pieces: list[str]) -> list[str]:
        if len(self._marks) == 1:
            return list(map(str.removesuffix, pieces, self._ends))
        values: list[str] = []
        for piece, between, end in zip(pieces, self._ends[::2], self._ends[1::2], strict=True):
            first, _, second = piece.removesuffix(end).partition(between + self._marks[1])
            values += (first, second)
        return values

    def told(self, values: tuple[str, ...], last: tuple[Any, ...] | None) -> tuple[Any, ...]:
        """The items with these values: those that are as in `last` (of this wording) are the same objects.

        If all are, it is `last` itself.
        """
        before: tuple[Any, ...] = self.items if last is None else last
        new = tuple.__new__  # what Reading() and DirectInput() do, without their calls
        if len(self._marks) == 1:
            now = tuple(
                [
                    old if old[1] == value else new(Reading, (old[0], value, old[2]))
                    for old, value in zip(before, values, strict=True)
                ]
            )
        else:
            now = tuple(
                [
                    old
                    if old[1] == volts and old[3] == amperes
                    else new(DirectInput, (old[0], volts, old[2], amperes, old[4]))
                    for old, volts, amperes in zip(before, values[::2], values[1::2], strict=True)
                ]
            )
        return before if now == before else now


_shared: weakref.WeakValueDictionary[object, Wording] = weakref.WeakValueDictionary()


class Wordings:
    """The wordings of one target's answers."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: list[Wording] = []

    def decode(self, text: str) -> Reply:
        """What `messages.decode` makes of a text, with `told` if its wording is known now."""
        for wording in self._known:
            values = wording.values(text)
            if values is not None:
                return Reply(messages.CODE_SUCCESS, messages.SUCCESS, wording.service, {}, (wording, values))
        reply = messages.decode(text)
        is_of_use = reply.service in NAMES and len(text) <= LONGEST_LEARNED
        learned = learn(text, reply) if is_of_use else None
        if learned is None:
            return reply
        self._known = [learned[0], *self._known[: MOST_KNOWN - 1]]
        return reply._replace(told=learned)


def learn(text: str, reply: Reply) -> tuple[Wording, tuple[str, ...]] | None:
    """The wording of a decoded answer, and its values; None if it could not be told by its marks alone."""
    names = NAMES[reply.service]
    if reply.code != messages.CODE_SUCCESS or reply.message != messages.SUCCESS or "\\" in text:
        return None
    direct = reply.service == Service.DIRECT
    decoded = lists.decode_inputs(reply) if direct else lists.decode_readings(reply)
    if decoded is None or decoded.problems or not decoded.items:
        return None
    if not all(_is_plain(entry, names) for entry in reply.data["list"]):
        return None
    values = tuple(entry[name] for entry in reply.data["list"] for name in names)
    found = [re.search(rf'"{name}"\s*:\s*"', text) for name in names]
    marks = tuple(match[0] for match in found if match is not None)
    # each entry has each name once, and there are no more: so every mark is an entry's own
    if len(marks) < len(names) or any(text.count(f'"{name}"') != len(decoded.items) for name in names):
        return None
    apart = _take_apart(text, marks)
    if apart is None or apart.values != values or not "".join(values).isprintable():
        return None
    key = (reply.service, marks, apart.head, apart.rests)
    wording = _shared.get(key)
    if wording is None:
        wording = _shared[key] = Wording(reply.service, marks, apart._replace(values=()), decoded.items)
    return wording, values


def _is_plain(entry: dict[str, Any], names: tuple[str, ...]) -> bool:
    """Whether the values are texts, and nothing inside the entry could have such names again."""
    return all(type(entry.get(name)) is str for name in names) and not any(
        isinstance(value, dict | list) for value in entry.values()
    )


def _take_apart(text: str, marks: tuple[str, ...]) -> Apart | None:
    """Split a text at its values: one mark for each entry, or two in turn."""
    head, *pieces = text.split(marks[0])
    if not pieces:
        return None
    if len(marks) == 1:
        values, _, rests = zip(*[piece.partition('"') for piece in pieces], strict=True)
        return Apart(head, rests, values)
    found: list[str] = []
    between_and_behind: list[str] = []
    for piece in pieces:
        first, _, rest = piece.partition('"')
        between, mark, behind = rest.partition(marks[1])
        second, _, rest = behind.partition('"')
        if not mark:
            return None
        found += (first, second)
        between_and_behind += (between, rest)
    return Apart(head, tuple(between_and_behind), tuple(found))
