"""Requests and replies of the gateway's JSON protocol. Pure: text in, values out, no sockets.

A reply carries no request id and no device, only the name of its service and sometimes not even that
(seen in captures). What the lists hold is the matter of `lists`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from exporter.telemetry import GatewayService, Service, printable
from exporter.winet import errors

if TYPE_CHECKING:
    from exporter.winet.wording import Wording

LANGUAGE = "en_us"
LONGEST_TEXT = 200  # of what goes to a log line or a label
LONGEST_TOKEN = 4096

NOTICE = "notice"
CODE_SUCCESS = 1
SUCCESS = "success"
CODE_NOTICE = 100
CODE_WEB_TIMEOUT = 103  # pushed when the gateway's own web page timed out (reported once); not ours


class Fragment(Exception):
    """The text is the beginning of a JSON document that may go on in the next message (reported once)."""


class Reply(NamedTuple):
    """One decoded message. `service` is empty where the gateway left it out (ping, 106, 301).

    `told` is a known wording and its values, if that is how the message was read; `data` may be empty then.
    """

    code: int
    message: str
    service: str
    data: Mapping[str, Any]
    told: tuple[Wording, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Handshake:
    """What `connect` and `login` tell. The flag is known from newer firmware only (reported)."""

    token: str = field(repr=False)
    force_password_change: int = 0


# Requests --------------------------------------------------------------------------------------------


def _request(token: str, service: str, **more: str) -> str:
    return json.dumps({"lang": LANGUAGE, "token": token, "service": service, **more})


def connect_request() -> str:
    """The first message on every socket."""
    return _request("", "connect")


def login_request(token: str, username: str, password: str) -> str:
    """The only message that holds a password. The reply echoes it (seen in captures)."""
    return _request(token, "login", username=username, passwd=password)


def device_list_request(token: str) -> str:
    return _request(token, "devicelist", type="0", is_check_token="0")


def reading_request(token: str, service: Service, dev_id: str) -> str:
    """`dev_id` is a number in replies and text in requests (seen in captures)."""
    return _request(token, service, dev_id=dev_id)


def ping_request(identity: str) -> str:
    """The keep-alive of the gateway's own page; its reply names no service (seen in captures)."""
    return _request("", "ping", id=identity)


def logout_request(token: str) -> str:
    return _request(token, "logout")


def gateway_request(token: str, service: GatewayService) -> str:
    """A question about the gateway or the plant as a whole, which needs no more than its name."""
    return _request(token, service)


def fault_request(token: str, dev_id: str) -> str:
    """The fault list of one device, 20 entries at most (reported once)."""
    return _request(token, "fault", dev_id=dev_id, type="0", count="20")


# Replies ---------------------------------------------------------------------------------------------


def decode(text: str) -> Reply:
    """Decode one message. Raises `Fragment` if it may be the first part of one, `Garbled` if it is none."""
    try:
        document = json.loads(text)
        if "\\" in text and "\\u" in text:  # the first look is much the faster one, and mostly enough
            document = _without_lone_surrogates(document)
    except json.JSONDecodeError as error:
        if _is_cut_off(text, error):
            raise Fragment from None
        raise errors.Garbled(f"a message is no JSON ({error.msg} at character {error.pos})") from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, nesting without end
        raise errors.Garbled(f"a message is no usable JSON ({type(error).__name__})") from None
    if not isinstance(document, dict):
        raise errors.Garbled("a message is JSON, but no object")
    code = integer(document.get("result_code"))
    if code is None:
        raise errors.Garbled("a message has no usable result_code")
    message = document.get("result_msg")
    data = document.get("result_data")
    data = data if isinstance(data, dict) else {}
    service = data.get("service")
    return Reply(
        code,
        message if isinstance(message, str) else "",
        service if isinstance(service, str) else "",
        data,
    )


def failure(reply: Reply, *, logged_in: bool) -> errors.WinetError | None:
    """What a reply's code means for the session; None for success. Meanings are seen or reported."""
    if reply.code == CODE_SUCCESS and reply.message == SUCCESS:
        return None
    code, message = reply.code, clean(reply.message)
    if "login timeout" in message.lower():
        return errors.SessionExpired(f"the gateway says “{message}” (code {code})")
    if code == CODE_SUCCESS:
        return None
    said = f"{reply.service or 'the question'} was answered with code {code}" + (
        f" ({message})" if message else ""
    )
    if code == CODE_NOTICE:
        return notice(reply)
    if code == 401:  # not logged in; in mid-session also an internal error (both seen)
        return errors.NotAuthorized(said) if logged_in else errors.LoginRequired(said)
    simple = _BY_CODE.get(code)
    if simple is not None:
        return simple(said)
    return _ANSWER_BY_CODE.get(code, errors.Rejected)(said, code)


def notice(reply: Reply) -> errors.SessionError:
    """What a push with code 100 means: its text tells a take-over (seen) from a time-out (assumed)."""
    message = clean(reply.message)
    if "user limit" in message.lower():
        return errors.UserLimit(f"the gateway says “{message}”: somebody else logged in")
    return errors.SessionExpired(f"the gateway ended the session (code {reply.code} “{message}”)")


_BY_CODE: Mapping[int, Callable[[str], errors.WinetError]] = {
    104: errors.SessionExpired,
    106: errors.TokenExpired,
    114: errors.AccountLocked,
    115: errors.LoginRefused,
}
_ANSWER_BY_CODE: Mapping[int, type[errors.AnswerError]] = {
    200: errors.NoData,
    201: errors.Busy,
    211: errors.Unsupported,
    215: errors.Unsupported,
    301: errors.ReadFailed,
}


def login_failure(reply: Reply) -> errors.WinetError | None:
    """What the answer to a login means; None for success.

    The code of a wrong password is known from one source only, so every refusal that is no matter of
    load or of the session counts as one: asking again with the same password could lock the account.
    """
    if reply.code == CODE_NOTICE:
        return notice(reply)
    if "login timeout" in reply.message.lower():
        return errors.SessionExpired("the gateway says “login timeout”")
    error = failure(reply._replace(message=""), logged_in=False)  # the text might repeat the password
    if isinstance(error, errors.AccountLocked):
        return errors.AccountLocked(f"the account is locked (code {reply.code})")
    if error is None or isinstance(error, errors.SessionError | errors.Busy):
        return error
    if isinstance(error, errors.LoginRefused):
        return errors.LoginRefused(f"wrong user name or password ({reply.code})")
    return errors.LoginRefused(f"the login was refused with code {reply.code}")


def decode_handshake(reply: Reply) -> Handshake:
    """Token and flags out of a `connect` or `login` reply; raises `Garbled` without a usable token."""
    token = reply.data.get("token")
    if not isinstance(token, str) or not 0 < len(token) <= LONGEST_TOKEN:
        raise errors.Garbled(f"the reply to {reply.service or 'connect'} has no usable token")
    flag = integer(reply.data.get("forceModifyPasswd"))
    return Handshake(token, flag or 0)


# Parts -----------------------------------------------------------------------------------------------


def clean(text: str, limit: int = LONGEST_TEXT) -> str:
    """Text from a gateway, fit for a log line or a label: no control characters, not too long."""
    return printable(text[:limit]).strip()


def integer(value: object) -> int | None:
    """A whole number, or text that is one: firmware differs in what it puts in quotes."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else None
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    return None


def _is_cut_off(text: str, error: json.JSONDecodeError) -> bool:
    """Whether the text could be the beginning of a document: all that is wrong with it is that it ends."""
    if not text.lstrip().startswith("{") or error.msg == "Extra data":
        return False
    rest = text[error.pos :].rstrip()
    if not rest or error.msg.startswith("Unterminated string"):
        return True
    if error.msg.startswith("Invalid \\u"):
        return re.fullmatch(r"\\?u?[0-9A-Fa-f]{0,4}", rest) is not None
    if error.msg == "Expecting value":
        return rest == "-" or any(word.startswith(rest) for word in ("true", "false", "null"))
    if error.msg.startswith("Expecting ','"):  # "12." or "1.5e-": a number that has only begun
        return text[error.pos - 1].isdigit() and re.fullmatch(r"\.|[eE][+-]?", rest) is not None
    return False


def _without_lone_surrogates(value: Any) -> Any:
    """JSON escapes can spell half characters, which no UTF-8 page could carry."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_without_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_lone_surrogates(k): _without_lone_surrogates(v) for k, v in value.items()}
    return value
