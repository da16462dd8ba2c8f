"""One class per way to fail with a gateway. `reason` is the metric's label, `advice` what a reader can do.

WinetError
├── TransportError            the line: retried with back-off
│   ├── Unreachable (and PortRefused), TlsFailed (and CaFileUnreadable), CertificateMismatch
│   ├── RedirectRefused, UpgradeRefused
│   ├── NoAnswer              a deadline passed (and NoTlsAnswer)
│   └── ConnectionLost, Garbled (and Flooded)
├── SessionError              the line works, the session does not
│   ├── SessionExpired        with TokenExpired (one fresh login at once) and NotAuthorized (401)
│   ├── UserLimit             somebody else logged in: leave the gateway alone
│   └── PasswordUnreadable, Watchdog
├── AccessError               nothing but a person can mend it: long pauses
│   └── LoginRequired (and CredentialsWithheld), LoginRefused (and FactoryRefused), AccountLocked,
│       PasswordChangeRequired
├── AnswerError               one question got no reading; the session goes on
│   └── Busy, ReadFailed, NoData, Unsupported, Rejected
└── Internal                  a defect of this program
"""

from __future__ import annotations

from typing import ClassVar

from exporter.telemetry import Reason


class WinetError(Exception):
    """Base of everything that can go wrong with a gateway."""

    reason: ClassVar[Reason]
    advice: ClassVar[str] = ""

    def let_go(self) -> None:
        """Forget how it came about: that holds the line and its last message for as long as this is kept."""
        self.__traceback__ = self.__cause__ = self.__context__ = None


class TransportError(WinetError):
    """The line to the gateway failed. `service` is the question that was under way, if one was."""

    service: str = ""


class Unreachable(TransportError):
    reason = Reason.UNREACHABLE
    advice = (
        "Check that the gateway has power and network, and that host and port are right. "
        "String inverters switch it off at night."
    )


class PortRefused(Unreachable):
    """Something is at the address, and nothing listens on the port."""

    advice = (
        "Something is at this address, but nothing listens on this port: check host and port, and transport "
        "(wss is 443, ws 8082). Right after being switched on a gateway needs a minute."
    )


class TlsFailed(TransportError):
    reason = Reason.TLS
    advice = "With verify: strict, check ca_file and the host name; else use verify: pinned or bypass."


class CertificateMismatch(TransportError):
    """The certificate shown is none of the pinned ones; nothing was sent."""

    reason = Reason.CERTIFICATE_MISMATCH
    advice = "If the gateway was replaced or updated on purpose, add the new fingerprint; else find out why."

    def __init__(self, expected: tuple[str, ...], got: str) -> None:
        super().__init__(f"certificate {got} is not the pinned one ({', '.join(expected)})")
        self.expected = expected
        self.got = got


class RedirectRefused(TransportError):
    reason = Reason.REDIRECT
    advice = "Something answers in the gateway's place: check the address."


class UpgradeRefused(TransportError):
    reason = Reason.UPGRADE_REFUSED
    advice = "This does not look like a WiNet, or the port wants another transport (ws or wss)."


class CaFileUnreadable(TlsFailed):
    advice = "Make the file that ca_file names readable; it is read anew at the next attempt."


class NoAnswer(TransportError):
    reason = Reason.NO_ANSWER
    advice = "The gateway is silent. If it stays so, take the load off it and power-cycle it."


class NoTlsAnswer(NoAnswer):
    """Not even TLS was answered, and never was by this target."""

    advice = f"The port may speak plain ws: set transport: ws or auto if it does. Else: {NoAnswer.advice}"


class ConnectionLost(TransportError):
    reason = Reason.CONNECTION_LOST


class Garbled(TransportError):
    reason = Reason.GARBLED


class Flooded(Garbled):
    """So much unasked for that nothing else would be done any more."""


class SessionError(WinetError):
    """The line works, the session does not."""


class SessionExpired(SessionError):
    reason = Reason.SESSION_EXPIRED


class TokenExpired(SessionExpired):
    """Code 106: worth one fresh connect and login at once, then back-off."""


class NotAuthorized(SessionExpired):
    """Code 401 although the login was accepted, or none was needed until now."""


class PasswordUnreadable(SessionError):
    """There is no password to send: nothing was tried, so nothing can be locked."""

    reason = Reason.LOGIN_REQUIRED
    advice = "Create the password file or set the variable; it is read anew at the next attempt."


class UserLimit(SessionError):
    """A person or another program logged in; their session is theirs for a while."""

    reason = Reason.USER_LIMIT
    advice = "Somebody else logged in to this gateway. The exporter stays away for a while."


class Watchdog(SessionError):
    reason = Reason.WATCHDOG
    advice = "The gateway answers, but without readings. Restart it if this goes on."


class AccessError(WinetError):
    """Only a person can mend it."""


class LoginRequired(AccessError):
    reason = Reason.LOGIN_REQUIRED
    advice = "Give the target credentials in the configuration."


class CredentialsWithheld(LoginRequired):
    """A plain line, `transport: auto`, and configured credentials that go out over TLS only."""

    advice = (
        "Credentials are not sent over an unencrypted line unless asked to: "
        "set transport: ws for this target to allow it."
    )


class LoginRefused(AccessError):
    reason = Reason.LOGIN_REFUSED
    advice = (
        "Check user name and password. A corrected password_file is tried within seconds; after correcting "
        "a password, reload the configuration; after correcting a password_env, restart the exporter. By "
        "itself it waits half an hour or longer, for a few wrong passwords lock the account."
    )


class FactoryRefused(LoginRefused):
    """A login is wanted, none was configured, and the factory's account has another password by now."""

    advice = "Give the target credentials in the configuration: the factory's password was changed."


class AccountLocked(AccessError):
    reason = Reason.ACCOUNT_LOCKED
    advice = "The account is locked after wrong passwords. Wait half an hour or restart the gateway."


class PasswordChangeRequired(AccessError):
    reason = Reason.PASSWORD_CHANGE_REQUIRED
    advice = "Open the gateway's own web page, log in and change the factory password; it insists on that."


class AnswerError(WinetError):
    """The gateway refused one question; the session goes on. `code` is its result code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Busy(AnswerError):
    reason = Reason.BUSY


class ReadFailed(AnswerError):
    reason = Reason.READ_FAILED


class NoData(AnswerError):
    reason = Reason.NO_DATA


class Unsupported(AnswerError):
    reason = Reason.UNSUPPORTED


class Rejected(AnswerError):
    reason = Reason.REJECTED


class Internal(WinetError):
    reason = Reason.INTERNAL
    advice = "This is a defect of the exporter. Please report it with the log's traceback."
