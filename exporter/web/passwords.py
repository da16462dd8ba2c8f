"""Basic authentication: who may come in, by bcrypt hashes, one at a time, and without a hint who is known."""

from __future__ import annotations

import asyncio
import base64
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping

import bcrypt

LONGEST_PASSWORD = 72  # bytes; bcrypt looks at no more
MOST_WAITING = 50  # logins in line for bcrypt, each of which takes some 70 ms
MOST_REMEMBERED = 100  # of either kind
_FAKE_DIGEST = b"." * 53  # of no password: what comes of it is thrown away


class TooBusyError(Exception):
    """More logins are waiting than could be answered soon."""


def parse_header(header: str | None) -> tuple[bytes, bytes] | None:
    """User and password of an `Authorization` header; None for another scheme and for nonsense."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip().encode("ascii"), validate=True)
    except ValueError:
        return None
    user, colon, password = decoded.partition(b":")
    return (user, password) if colon else None


class Passwords:
    """Compares passwords with bcrypt hashes and remembers a bounded number of outcomes.

    Remembered is a keyed digest of user, hash and password, never the password; refused and accepted logins
    have a memory each, so that guesses do not push out those who come every few seconds.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._remembered: dict[bool, OrderedDict[bytes, None]] = {True: OrderedDict(), False: OrderedDict()}
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def check(self, users: Mapping[bytes, bytes], user: bytes, password: bytes) -> bool:
        """Is this the password of a user? Raises `TooBusyError` rather than let a long line grow longer."""
        known = user in users
        hashed = users[user] if known else self._fake(users, user)
        if len(password) > LONGEST_PASSWORD:
            return False
        digest = self._digest(user, hashed, password)
        outcome = self._recall(digest)
        if outcome is not None:
            return outcome
        if self._waiting >= MOST_WAITING:
            raise TooBusyError
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                outcome = self._recall(digest)  # the same login may have been in line before this one
                if outcome is None:
                    fits = await asyncio.to_thread(bcrypt.checkpw, password, hashed)
                    outcome = fits and known
                    self._remember(digest, outcome)
        finally:
            self._waiting -= 1
        return outcome

    def _fake(self, users: Mapping[bytes, bytes], user: bytes) -> bytes:
        """A hash for somebody unknown that takes as long as one of the known, always the same one."""
        hashes = list(users.values())
        choice = int.from_bytes(self._digest(user)[:8], "big") % len(hashes)
        return hashes[choice][:7] + _FAKE_DIGEST

    def _digest(self, *parts: bytes) -> bytes:
        code = hmac.new(self._secret, digestmod="sha256")
        for part in parts:
            code.update(len(part).to_bytes(4, "big") + part)
        return code.digest()

    def _recall(self, digest: bytes) -> bool | None:
        for outcome, memory in self._remembered.items():
            if digest in memory:
                memory.move_to_end(digest)
                return outcome
        return None

    def _remember(self, digest: bytes, outcome: bool) -> None:
        memory = self._remembered[outcome]
        memory[digest] = None
        if len(memory) > MOST_REMEMBERED:
            memory.popitem(last=False)
