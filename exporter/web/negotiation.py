"""The text format a scraper gets, by its Accept header. A strange header gets plain text, no error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from exporter.metrics.exposition import Format

LONGEST_HEADER = 4096


class _Range(NamedTuple):
    media_type: str
    version: str
    quality: float


def choose_format(accept: str | None) -> Format:
    """The format of the highest quality that we speak; at equal quality the one named first."""
    best, best_quality = Format.TEXT, 0.0
    for entry in _ranges((accept or "")[:LONGEST_HEADER]):
        form = _spoken(entry)
        if form is not None and entry.quality > best_quality:
            best, best_quality = form, entry.quality
    return best


def _spoken(entry: _Range) -> Format | None:
    if entry.media_type == "application/openmetrics-text":
        return Format.OPENMETRICS if entry.version in ("", "1.0.0", "0.0.1") else None
    if entry.media_type == "text/plain" and entry.version == "1.0.0":
        return Format.TEXT_1
    if entry.media_type in ("text/plain", "text/*", "*/*"):
        return Format.TEXT
    return None


def wants_gzip(accept_encoding: str | None) -> bool:
    """Whether the answer may be packed: gzip, or anything, is wanted more than not at all."""
    wanted: dict[str, float] = {}
    for entry in _ranges((accept_encoding or "")[:LONGEST_HEADER]):
        wanted.setdefault(entry.media_type, entry.quality)
    return wanted.get("gzip", wanted.get("*", 0.0)) > 0.0


def _ranges(header: str) -> Iterator[_Range]:
    for part in header.split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        values = {}
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            values[name.strip().lower()] = value.strip().strip('"')
        quality = values.get("q", "1")
        sound = re.fullmatch(r"[01](?:\.[0-9]{0,3})?", quality)
        yield _Range(
            media_type.lower(), values.get("version", ""), min(float(quality), 1.0) if sound else 0.0
        )
