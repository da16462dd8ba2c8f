"""What a person can do who looks at one gateway now: plain words for every way in which it can fail.

`errors` advises the reader of a running exporter; here somebody sits at a terminal and can try again.
"""

from __future__ import annotations

from exporter.config import Target
from exporter.winet import errors
from exporter.winet.dial import TlsNotSpoken

NAME = (
    "Write the gateway's address instead (the router lists it, often as “espressif”), or search the "
    "network: winet-exporter discover CIDR."
)
WANTS_TLS = (
    "The gateway's TLS port (443) is open: its firmware wants TLS. Use --transport=wss "
    "(transport: wss in the file), without another port in HOST."
)
WANTS_PLAIN = (
    "The plain port (8082) is open: this firmware speaks no TLS yet. Use --transport=ws (transport: ws in "
    "the file), without another port in HOST; a password then travels unencrypted."
)
NO_PORT = (
    "Something is at this address, but no port of a WiNet is open: check the address, or search the "
    "network: winet-exporter discover CIDR. Right after being switched on a gateway needs a minute."
)
NO_DEVICES = (
    "Log in to the gateway's own page and look whether it lists the inverter; check the plug, and restart "
    "the gateway. At night a string inverter may be off."
)
NO_READINGS = (
    "The devices are listed but say nothing. At night that is normal for some; else restart the gateway, "
    "and stop other clients, Modbus included."
)
FACTORY_ACCOUNT = (
    "Nobody has changed the public password of this account. Give the target credentials of its own."
)
NO_ACCOUNT = (
    "The gateway wants a login, and the factory's account has another password by now. Give an account: "
    "--username, and the password when asked for it."
)
NOT_A_WINET = (
    "HTTP answers, but opens no WebSocket: another server may be at this address, so check it; or search "
    "the network: winet-exporter discover CIDR."
)
MAY_WANT_TLS = "If it is a WiNet, its firmware wants TLS: try --transport=wss."
NO_TLS = (
    "Nothing speaks TLS there. With older firmware use --transport=ws, which sends a password unencrypted; "
    "else check address and port."
)
SILENT = (
    "It accepted the connection and then said nothing: a gateway that hangs, or no gateway. Stop other "
    "clients (Modbus included), wait a minute, then switch it off and on."
)
MAY_BE_PLAIN = "The port may speak plain ws: try --transport=ws or auto."
PINNED_ANOTHER = (
    "The gateway was replaced or updated, or something else answers in its place. If you know why it "
    "changed, pin the new one: winet-exporter fingerprint HOST. Until then nothing is sent."
)

_SESSION: dict[type[errors.WinetError], str] = {
    errors.PasswordChangeRequired: (
        "Open the gateway's own page in a browser, log in and change the factory password: until then "
        "newer firmware answers everything with 401. Then give the new one here."
    ),
    errors.AccountLocked: (
        "Too many wrong passwords, by whomever. Wait half an hour or restart the gateway, and do not try "
        "before: each try may prolong it."
    ),
    errors.LoginRefused: (
        "User name or password is wrong. Check both on the gateway's own page; a few wrong passwords lock "
        "the account."
    ),
    errors.FactoryRefused: NO_ACCOUNT,
    errors.CredentialsWithheld: (
        "This line is not encrypted, so the password was not sent. If you accept that everybody on the "
        "network could read it: --transport=ws (transport: ws in the file)."
    ),
    errors.LoginRequired: "Give an account: --username, and the password when asked for it.",
    errors.UserLimit: (
        "Somebody else logged in meanwhile, perhaps an exporter or the gateway's page in a browser. "
        "End that, then try again."
    ),
    errors.NoAnswer: SILENT,
    errors.Garbled: "What answers there speaks another language than a WiNet: check the address.",
    errors.ConnectionLost: "The gateway hung up. Wait a minute and try again; if it stays so, restart it.",
    errors.SessionExpired: (
        "The gateway ended the session. Try again in a minute; if it stays so, restart it."
    ),
    errors.PasswordUnreadable: "Name a readable file that holds the password, or set the variable.",
}


def for_session(error: errors.WinetError) -> str:
    """The words of the error's class, or of the nearest one above it."""
    known = (_SESSION[kind] for kind in type(error).__mro__ if kind in _SESSION)
    return next(known, error.advice)


def for_reading(error: errors.WinetError) -> str:
    """For one who reads once. How far a line came is not known here, so that of the line is as general."""
    return error.advice if isinstance(error, errors.TransportError) else for_session(error)


def for_opening(error: errors.TransportError, target: Target, *, encrypted: bool) -> str:
    """Why no WebSocket came about. `encrypted` says that TLS did."""
    if isinstance(error, errors.CertificateMismatch):
        return PINNED_ANOTHER
    if isinstance(error, errors.NoTlsAnswer):
        return f"{MAY_BE_PLAIN} {SILENT}"
    if isinstance(error, errors.NoAnswer):
        return SILENT
    if isinstance(error, TlsNotSpoken):
        return NO_TLS
    if isinstance(error, errors.UpgradeRefused | errors.ConnectionLost):
        wants_tls = not encrypted and target.transport == "ws"
        words = NOT_A_WINET if isinstance(error, errors.UpgradeRefused) else _SESSION[errors.ConnectionLost]
        return f"{words} {MAY_WANT_TLS}" if wants_tls else words
    return error.advice
