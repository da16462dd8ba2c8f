"""The gateway's own names for its keys: a properties file per language. Pure.

Firmware renames labels, so nothing is ever identified by one; they only help a person to read.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporter.winet.messages import clean

LABELS_PATH = "/i18n/en_US.properties"
MOST_LABELS = 20_000


def decode_properties(text: str) -> dict[str, str]:
    """`KEY=Value`, one a line; the first "=" parts them and a value may hold more (seen in captures)."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and key.strip() and len(found) < MOST_LABELS:
            found.setdefault(key.strip(), clean(value))
    return found


def label_of(key: str, labels: Mapping[str, str]) -> str:
    """What the gateway calls a key; `KEY%@7` fills the 7 into the label's `{0}`. "" where it has no word."""
    name, _, argument = key.partition("%@")
    return labels.get(name, "").replace("{0}", argument)
