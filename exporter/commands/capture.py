"""`capture HOST -o FILE`: one session with a gateway as a recording that can be shown to others."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import secrets
import sys
from pathlib import Path
from typing import Any

from exporter import config, logs
from exporter.commands import terminal
from exporter.commands.target_flags import find_target, warn_of_login
from exporter.logs import TargetLog
from exporter.metrics import catalogue
from exporter.telemetry import printable
from exporter.winet import advice
from exporter.winet.dial import make_http_client
from exporter.winet.recording import Recorder, Recording
from exporter.winet.redact import Redactor

OWN_UNITS = ("dBm",)  # of the gateway itself, which no family of the catalogue has
SHARING = """\
Serial numbers, addresses, names, tokens and whatever else is not known to be harmless have been replaced.
What you produce and use can still be read from it. Look through the file before you share it, then open an
issue with it and with the model as printed on the device.
Look at it as an exporter does:  winet-exporter simulate --replay {file}"""


def run(arguments: argparse.Namespace) -> int:
    logs.configure(arguments.log_level, arguments.log_format)
    path = Path(arguments.output)
    try:
        if path.exists() and not arguments.force:
            raise ValueError(f"{path} is there already; --force overwrites it")
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise ValueError(f"cannot write {path}")
        target, files = find_target(arguments)
        known = catalogue.load(files)
    except (ValueError, config.ConfigError, catalogue.CatalogueError) as error:
        print(f"winet-exporter capture: {error}", file=sys.stderr)
        return 2
    warn_of_login(target, arguments.host)
    redactor = Redactor({*OWN_UNITS, *(unit for factors in known.units.values() for unit in factors)})
    recording = asyncio.run(record(target, redactor))
    if not recording.devices:
        said = recording.failure or "the gateway lists no devices"
        print(f"winet-exporter capture: {printable(str(said))}", file=sys.stderr)
        if recording.failure is not None:
            print(f"  {advice.for_session(recording.failure)}", file=sys.stderr)
        return 1
    try:
        write_privately(path, recording.document, overwrite=arguments.force)
    except OSError as error:
        print(f"winet-exporter capture: cannot write {path}: {error.strerror}", file=sys.stderr)
        return 1
    tell(recording, redactor, path)
    return 0 if recording.failure is None else 1


async def record(target: config.Target, redactor: Redactor) -> Recording:
    progress: terminal.Progress | None = None

    def advance(done: int, total: int) -> None:
        nonlocal progress
        progress = progress or terminal.Progress(total)
        progress.step()

    try:
        async with make_http_client() as http:
            log = TargetLog(logging.getLogger(__name__), target.name)
            return await Recorder(target, http, redactor, log, advance).record()
    finally:
        if progress is not None:
            progress.clear()


def write_privately(path: Path, document: dict[str, Any], *, overwrite: bool) -> None:
    """The whole file or none, for its owner's eyes. Raises `OSError`."""
    passing = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            passing.replace(path)
        else:
            os.link(passing, path)  # fails if somebody made the file meanwhile
    finally:
        passing.unlink(missing_ok=True)


def tell(recording: Recording, redactor: Redactor, path: Path) -> None:
    terminal.never_fail_to_print()
    for device in recording.devices:
        model = printable(device.model or device.name) or "a device without a model"
        print(f"{model}: dev_type {device.dev_type}, dev_code {device.dev_code}")
    asked = len(recording.document["exchanges"])
    print(f"{recording.answered} of {asked} questions answered, {redactor.replaced} texts replaced.")
    if recording.failure is not None:
        print(f"It ended before its time: {printable(str(recording.failure))}", file=sys.stderr)
    print(SHARING.format(file=path))
