"""What must outlive the process: refused logins, locks, and that a gateway has spoken TLS.

Without it, a restart loop would try a wrong password again and again until the account is locked, and a
gateway's first answer after a restart could be had in plain text. Passwords are not kept: a salted, slow
digest tells whether they have changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import math
import os
import secrets
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path

from dataclasses_json import DataClassJsonMixin

from exporter.telemetry import State

FILE = "sessions.json"
VERSION = 1
LARGEST_FILE = 16 << 20

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Record(DataClassJsonMixin):
    """One gateway. `until` is wall time (seconds since 1970); `state` is "" where no login was refused."""

    tls_seen: bool = False
    state: str = ""
    until: float = 0.0
    refusals: int = 0
    salt: str = ""
    digest: str = ""


def digest(salt: str, username: str, password: str) -> str:
    """What tells one account from another, and cannot be turned back. Takes 50 ms on purpose: blocks."""
    text = f"{len(username)}:{username}:{password}".encode()
    return hashlib.scrypt(text, salt=bytes.fromhex(salt), n=1 << 14, r=8, p=1).hex()


class Memory:
    """The records of all gateways, by address. `folder` None keeps them for the life of the process only."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = folder / FILE if folder is not None else None
        self._records: dict[str, Record] = {}  # those that say something
        self._in_use: weakref.WeakValueDictionary[str, Record] = weakref.WeakValueDictionary()
        self._saving = asyncio.Lock()
        self._dirty = False

    @classmethod
    def load(cls, folder: Path) -> Memory:
        """Read what the last process knew. Raises `OSError` if the folder cannot be used. Blocks."""
        folder.mkdir(parents=True, exist_ok=True)
        memory = cls(folder)
        file = folder / FILE
        try:
            memory._records = _decode(file)
        except FileNotFoundError:
            pass
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            aside = file.with_suffix(".broken")
            file.replace(aside)
            log.warning(
                "stored sessions cannot be read and are set aside",
                extra={"fields": {"file": str(aside), "error": type(error).__name__}},
            )
        memory._write()
        return memory

    def record(self, place: str) -> Record:
        """What is known of the gateway at this address; changes to it are told by `save`.

        As long as that is nothing, it is forgotten with its last user: probes name any address.
        """
        record = self._records.get(place) or self._in_use.get(place)
        if record is None:
            record = self._in_use[place] = Record()
        return record

    async def save(self) -> None:
        """Write down what has changed. A disk that is full costs a warning, nothing else."""
        for place in [place for place, record in self._in_use.items() if record != Record()]:
            self._records[place] = self._in_use.pop(place)
        if self._file is None:
            return
        self._dirty = True
        async with self._saving:
            if self._dirty:  # whoever waited may have been served by the one before
                self._dirty = False
                try:
                    await asyncio.to_thread(self._write)
                except OSError as error:
                    log.warning("sessions cannot be stored", extra={"fields": {"error": str(error)}})

    def _write(self) -> None:
        """Atomically: a crash leaves the old file or the new one."""
        assert self._file is not None
        known = {
            place: record.to_dict() for place, record in list(self._records.items()) if record != Record()
        }
        handle, name = tempfile.mkstemp(dir=self._file.parent, prefix=f".{FILE}")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"version": VERSION, "gateways": known}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._file)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise


def _decode(file: Path) -> dict[str, Record]:
    if file.stat().st_size > LARGEST_FILE:
        raise ValueError("too large")
    document = json.loads(file.read_text("utf-8"))
    if document["version"] != VERSION:
        raise ValueError("another version")
    if not isinstance(document["gateways"], dict):
        raise TypeError("gateways")
    return {str(place): _checked(raw) for place, raw in document["gateways"].items()}


def _checked(raw: object) -> Record:
    """dataclasses_json would take text for a flag; a file that somebody edited is not trusted that far."""
    if not isinstance(raw, dict):
        raise TypeError("no record")
    kinds = {"tls_seen": bool, "state": str, "until": float, "refusals": int, "salt": str, "digest": str}
    for name, kind in kinds.items():
        if name in raw and type(raw[name]) is not kind:
            raise TypeError(name)
    record = Record.from_dict({name: raw[name] for name in kinds if name in raw})
    if (
        record.state not in ("", State.REFUSED, State.LOCKED)
        or record.refusals < 0
        or not math.isfinite(record.until)
    ):
        raise ValueError("state")
    bytes.fromhex(record.salt)
    return record


def new_salt() -> str:
    return secrets.token_hex(16)
