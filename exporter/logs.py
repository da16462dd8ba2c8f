"""Logging to stderr as logfmt or JSON lines: a constant message and fields beside it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

LEVELS = ("debug", "info", "warn", "error")


class TargetLog(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines all name their target. Fields: `log.info("…", extra={"device": …})`."""

    def __init__(self, logger: logging.Logger, target: str) -> None:
        super().__init__(logger)
        self._target = target

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, {**kwargs, "extra": {"fields": {"target": self._target, **kwargs.get("extra", {})}}}


def _parts(record: logging.LogRecord) -> dict[str, Any]:
    level = "warn" if record.levelno == logging.WARNING else record.levelname.lower()
    parts = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "msg": record.getMessage(),
        **getattr(record, "fields", {}),
    }
    if record.exc_info and record.exc_info[0] is not None:
        parts["traceback"] = logging.Formatter().formatException(record.exc_info)
    return parts


class Logfmt(logging.Formatter):
    """`ts=… level=… msg="…" target=…` on one line."""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{key}={self._value(value)}" for key, value in _parts(record).items())

    @staticmethod
    def _value(value: object) -> str:
        text = str(value)
        plain = text and all(c.isprintable() and c not in ' "=\\' for c in text)
        return text if plain else json.dumps(text, ensure_ascii=False)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_parts(record), ensure_ascii=False, default=str)


def configure(level: str, style: str) -> None:
    """Set up the root logger once, at the start of a command."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else Logfmt())
    logging.basicConfig(
        level=logging.getLevelNamesMapping()["WARNING" if level == "warn" else level.upper()],
        handlers=[handler],
        force=True,
    )
    # asyncio's own debug lines and aiohttp's line per request say nothing about gateways
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
