"""HTML out of elements: whatever is not an element itself is escaped."""

from __future__ import annotations

from html import escape


class Html(str):
    """Text that is HTML already: only `element` and trusted constants make it."""

    __slots__ = ()


Content = str | None
Attributes = dict[str, str]


def element(name: str, attributes: Attributes, *children: Content) -> Html:
    """`<name attributes>children</name>`. Children that are None are left out."""
    inside = "".join(
        child if isinstance(child, Html) else escape(child, quote=False)
        for child in children
        if child is not None
    )
    return Html(f"{empty(name, attributes)}{inside}</{name}>")


def empty(name: str, attributes: Attributes) -> Html:
    """An element that has no inside, and no end: `<input …>`."""
    written = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{written}>")


def foreign(text: str) -> Html:
    """Text from outside: whichever way it is written, the page around it stays as it is."""
    return element("bdi", {}, text)
