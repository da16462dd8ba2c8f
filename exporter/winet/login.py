"""From an open line to a token that may read: connect, log in where it is wanted, list the devices.

Three kinds of gateway are known: old firmware reads everything with the token of `connect`, newer wants a
login, and some refuse everything until the factory password was changed.
"""

from __future__ import annotations

import asyncio

from exporter.config import Credentials, Secret, Target
from exporter.logs import TargetLog
from exporter.winet import errors, memory, messages
from exporter.winet.connection import Connection
from exporter.winet.cycle import Cycle

FACTORY_ACCOUNT = Credentials(username="user", password=Secret("pw1111"))  # public, and may only read


class Login:
    """How to get into one target; remembers over its connections what has been tried."""

    def __init__(self, target: Target, log: TargetLog) -> None:
        self._configured = target.credentials
        self._may_send_plain = target.transport == "ws"
        self._account = target.credentials
        self._factory_tried = False
        self._refused: Secret | None = None
        self._log = log

    async def perform(self, connection: Connection, cycle: Cycle, *, plain: bool) -> str:
        """The token for all further questions; the device list is its test. Raises what stands against it.

        `plain` says that the line is not encrypted: configured credentials go out over it only if the
        user named the transport.
        """
        reply = await connection.ask("connect", messages.connect_request())
        error = messages.failure(reply, logged_in=False)
        if error is not None:
            raise _as_session_error(error)
        greeting = messages.decode_handshake(reply)
        if greeting.force_password_change == 1:
            raise errors.PasswordChangeRequired("the gateway demands a new password before it talks")
        token, logged_in = greeting.token, False
        withheld = plain and not self._may_send_plain and self._account is self._configured
        if self._account is not None and not withheld:
            token, logged_in = await self._log_in(connection, token, self._account), True
        error = await cycle.list_devices(connection, token, logged_in=logged_in)
        if isinstance(error, errors.LoginRequired):
            token = await self._log_in_after_all(connection, token, error)
            error = await cycle.list_devices(connection, token, logged_in=True)
        if isinstance(error, errors.NotAuthorized):
            raise errors.PasswordChangeRequired("the login was accepted, but every question is refused (401)")
        if error is not None and not isinstance(error, errors.AnswerError):
            raise error
        return token

    async def _log_in_after_all(self, connection: Connection, token: str, error: errors.LoginRequired) -> str:
        """The gateway wants a login though none was planned: the factory's read-only account, once."""
        if self._configured is not None:
            raise errors.CredentialsWithheld(f"{error}; the line is not encrypted")
        if self._factory_tried:
            raise error
        token = await self._log_in(connection, token, FACTORY_ACCOUNT)
        self._account = FACTORY_ACCOUNT
        return token

    async def _log_in(self, connection: Connection, token: str, account: Credentials) -> str:
        try:
            password = await asyncio.to_thread(account.read_password)
        except ValueError as error:
            raise errors.PasswordUnreadable(str(error)) from None
        connection.conceal(password)
        reply = await connection.ask("login", messages.login_request(token, account.username, password))
        connection.conceal(token)
        self._factory_tried = self._factory_tried or account is FACTORY_ACCOUNT
        failure = messages.login_failure(reply)
        if failure is not None:
            if account is FACTORY_ACCOUNT:
                self._account = None
                if isinstance(failure, errors.LoginRefused):
                    words = f"the gateway wants a login; the factory's account was refused: {failure}"
                    failure = errors.FactoryRefused(words)
            self._refused = Secret(password)
            self._log.warning("login refused", extra={"username": account.username, "code": reply.code})
            raise failure
        try:
            answer = messages.decode_handshake(reply)
        except errors.Garbled as error:  # a login that failed was reported to lack nothing but the token
            self._refused = Secret(password)
            raise errors.LoginRefused(f"the login brought no token ({error})") from error
        self._refused = None
        if answer.force_password_change == 1:
            raise errors.PasswordChangeRequired("the gateway demands a new password for this account")
        connection.conceal(answer.token)
        self._log.info("logged in", extra={"username": account.username})
        return answer.token

    def password_changed(self) -> bool:
        """Whether the configured password is another one than the gateway refused. Reads its file: blocks."""
        if self._configured is None or self._refused is None:
            return False
        try:
            return Secret(self._configured.read_password()) != self._refused
        except ValueError:
            return False

    def digest(self, salt: str) -> str:
        """What tells the refused account, or else the one that would be used, from another; "" where no
        password can be read. Blocks.
        """
        if self._configured is None:
            return memory.digest(salt, "", "")
        try:
            password = self._refused.reveal() if self._refused else self._configured.read_password()
            return memory.digest(salt, self._configured.username, password)
        except ValueError:
            return ""

    def refused_before(self, salt: str, digest: str) -> bool:
        """Whether this is the account that an earlier session was refused with. Blocks."""
        if self._configured is None:
            return self.digest(salt) == digest
        try:
            password = self._configured.read_password()
            same = memory.digest(salt, self._configured.username, password) == digest
        except ValueError:
            return digest == ""
        if same:
            self._refused = Secret(password)
        return same

    def demanded(self) -> bool:
        """A reading was refused for want of a login. True if the next connection can try one."""
        if self._account is not None or self._configured is not None or self._factory_tried:
            return False
        self._account = FACTORY_ACCOUNT
        return True


def _as_session_error(error: errors.WinetError) -> errors.WinetError:
    """A refusal of `connect` itself is no matter of one reading: the session cannot start."""
    if isinstance(error, errors.AnswerError | errors.LoginRequired):
        return errors.SessionExpired(str(error))
    return error
