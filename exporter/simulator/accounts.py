"""Tokens, logins, wrong passwords: who may ask what."""

import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

WRONG_BEFORE_LOCK = 5
"""Wrong passwords until an account is locked. Assumed: no source has the figure."""

LOCKED_FOR = 30 * 60.0
"""Seconds for which an account stays locked. Assumed: other clients advise to wait half an hour."""

_TOKENS_KEPT = 256
_NOBODY = 0


class Login(Enum):
    """How a login ended."""

    ACCEPTED = "accepted"
    STALE_TOKEN = "token"
    WRONG = "wrong"
    LOCKED = "locked"


@dataclass(slots=True)
class _Token:
    connection: int
    logged_in: bool


class Accounts:
    """All tokens and accounts of one gateway.

    A token belongs to no socket: one owner's script closed the socket after the login and went on using the
    token.
    """

    def __init__(
        self,
        passwords: Mapping[str, str],
        *,
        login_required: bool,
        uuid_tokens: bool,
        clock: Callable[[], float],
    ) -> None:
        self._passwords = dict(passwords)
        self._login_required = login_required
        self._uuid_tokens = uuid_tokens
        self._clock = clock
        self._tokens: dict[str, _Token] = {}
        self._wrong: dict[str, int] = {}
        self._locked_until: dict[str, float] = {}

    def connect(self, connection: int) -> str:
        """A new token for a connection that has just introduced itself."""
        return self._new_token(connection, logged_in=False)

    def login(self, connection: int, token: str, username: str, password: str) -> tuple[Login, str]:
        """Try a login; with it the new token, empty unless accepted.

        Where a login is required the new token replaces the one from `connect`; old firmware goes on reading
        with either (seen in captures).
        """
        if token not in self._tokens:
            return Login.STALE_TOKEN, ""
        if self._clock() < self._locked_until.get(username, float("-inf")):
            return Login.LOCKED, ""
        if self._passwords.get(username) != password:
            self._remember_wrong(username)
            return Login.WRONG, ""
        self._wrong.pop(username, None)
        if self._login_required:
            del self._tokens[token]
        return Login.ACCEPTED, self._new_token(connection, logged_in=True)

    def knows(self, token: str) -> bool:
        """Whether the token was given out and is still good for something."""
        return token in self._tokens

    def may_read(self, token: str) -> bool:
        """Whether questions with this token are answered."""
        known = self._tokens.get(token)
        return known is not None and (known.logged_in or not self._login_required)

    def logout(self, token: str) -> None:
        """Forget a token."""
        self._tokens.pop(token, None)

    def logged_in(self) -> set[int]:
        """The connections whose login is in force."""
        return {token.connection for token in self._tokens.values() if token.logged_in} - {_NOBODY}

    def leave(self, connection: int) -> None:
        """The connection has ended: a new login takes nothing away from it any more. Its tokens stay good."""
        for token in self._tokens.values():
            if token.connection == connection:
                token.connection = _NOBODY

    def revoke(self, connection: int) -> None:
        """Make all tokens of a connection worthless."""
        self._tokens = {text: token for text, token in self._tokens.items() if token.connection != connection}

    def _new_token(self, connection: int, *, logged_in: bool) -> str:
        # Newer firmware was reported to give out tokens that are no UUIDs; their real form is not known.
        text = str(uuid.uuid4()) if self._uuid_tokens else secrets.token_hex(16)
        while len(self._tokens) >= _TOKENS_KEPT:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[text] = _Token(connection, logged_in)
        return text

    def _remember_wrong(self, username: str) -> None:
        self._wrong[username] = self._wrong.get(username, 0) + 1
        if self._wrong[username] >= WRONG_BEFORE_LOCK:
            del self._wrong[username]
            self._locked_until[username] = self._clock() + LOCKED_FOR
