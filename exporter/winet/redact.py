"""What of a gateway's messages may leave this machine in a capture: a list of what is allowed. Pure.

Firmware to come will say things that nobody thought of, so nothing is looked for: whatever is not known to
be harmless is replaced. Harmless are the gateway's own keys, measured numbers with a known unit, models,
versions, and the small numbers that stand for types and codes. A replacement is made from the text and a
random key that is never written: the same text becomes the same word within one capture, and nobody can
try out which serial number a word was.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Any

REMOVED = "(removed)"
DEEPEST = 12
SHORTEST_SERIAL = 5  # digits that a made-up serial number needs to be told from others
MOST_TRIES = 300  # of finding a made-up word that is not taken

# Never replaced by a word, but removed: of no use to anybody else.
SECRET_FIELDS = frozenset({"token", "passwd", "password", "username", "uid"})

# Names of fields are made of these words, or they are replaced too.
_FIELD_WORDS = """
    accept active addr adjust alarm alarms apparent bat battery cloud cmd code com conn connect count curr
    current daily data date day desc dev device direct end energy energyflow err error eth eth1 eth2 fault
    faults first flag force frequency grid group hardware id info init insert install inv ip is item items
    kind level limit link list load local logc login lowlimit max meter min model modify msg name net no
    num number off offline online opt optimizer param passwd password phase phys plant port pos position
    power procotol product protocol rated reactive real reason result role runtime server service sn
    software soft special start state statistics status sts string sub temperature time times tips today
    token total type uid unit uplimit username value version virgin voltage wifi wireless year disable
"""
_SERVICES = """
    connect login logout devicelist real real_battery direct ping notice state statistics runtime local fault
    proto_modbus104 meter energyflow
"""
WORDS_OF_FIELDS = frozenset(_FIELD_WORDS.split())
SERVICES = frozenset(_SERVICES.split())
# The largest number that is a code and no more; every other field without a unit holds two digits at most.
LARGEST_CODES = {
    "result_code": 999, "id": 999, "dev_id": 999, "dev_code": 65535, "dev_type": 999, "dev_procotol": 999,
    "inv_type": 999, "init_status": 999, "phys_addr": 999, "logc_addr": 999, "dev_state": 65535,
    "count": 9999, "connect_count": 999, "off_count": 999, "online_num": 999, "offline_num": 999,
    "total_fault": 999, "total_alarm": 999, "dev_opt_total_fault": 999, "dev_opt_total_alarm": 999,
    "wireless_cmd": 255, "wifi_cmd": 255, "fault_code": 9999, "faultCode": 9999, "error_code": 9999,
    "code": 9999,
}  # fmt: skip
LARGEST_NUMBER = 99

WORDS = frozenset({
    "", "-", "--", "---", "N/A", "success", "normal user limit", "login timeout",
    "0.0.0.0", "255.255.255.0", "11.11.11.1",  # the same in every home
})  # fmt: skip
_KEY = re.compile(r"(?!.*[0-9]{8})I18N_[A-Z0-9_]{1,100}(?:%@[0-9]{1,2})?")
_NAME = re.compile(
    r"MPPT[0-9]{1,2}|(?:ETH[0-9]?|WIFI|WLAN) IPV[46]|MODBUS-TCP IP[0-9]|F[0-9]"
    r"|[A-Z]{2,3}_V[0-9](?:\([A-Z]{2}\))?"
)
_MODEL = (
    r"(?:SH|SG|SBR|SBH|SBS|ST|AC|DTSD|DTSU|DDSU)[0-9]{1,4}(?:\.[0-9]{1,2})?[A-Z]{0,4}(?:-V?[0-9]{1,3}|-[A-Z]{1,3}){0,2}"
    r"|WiNet(?:-S2?)?"
)
_VERSION = r"(?:WINET-)?S?V[0-9]{1,3}(?:\.[A-Z]?[0-9]{1,3}){1,5}|M_WiNet(?:-S2?)?_V[0-9]{2}_V[0-9]{2}_[A-Z]"
_KNOWN_BY_FIELD = {
    "data_name": _NAME,
    "name": _NAME,
    "dev_model": re.compile(_MODEL),
    "product_name": re.compile(_MODEL),
    "dev_name": re.compile(rf"(?:{_MODEL})(?:\(COM[0-9]-[0-9]{{3}}\))?"),
    "port_name": re.compile(r"COM[0-9]{1,2}"),
    "data_value": re.compile(f"{_MODEL}|{_VERSION}"),
}
_QUANTITY = re.compile(r"[+-]?[0-9]{1,8}(?:\.[0-9]{1,4})?")  # a serial number has more digits
_UNITLESS = re.compile(r"[+-]?(?:[0-9]{1,2}|[0-9]{1,5}\.[0-9]{1,3})")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_TIME = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?")
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_IPV6 = re.compile(r"(?=.*:.*:)[0-9A-Fa-f:]{3,39}(?:%.*)?")
_MAC = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_SERIAL = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Redactor:
    """Scrubs the messages of one capture. `units` are the units that measured numbers may have."""

    def __init__(self, units: Collection[str], key: bytes | None = None) -> None:
        self._units = frozenset(units)
        self._key = key or secrets.token_bytes(32)
        self._made: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()

    @property
    def replaced(self) -> int:
        """How many different texts were replaced."""
        return len(self._made)

    def document(self, value: Any) -> Any:
        """A decoded JSON document without what might be private."""
        return self._scrub(value, "", {}, 0)

    def question(self, request: str) -> dict[str, Any]:
        """What a question was about: its service and device, and no more."""
        asked: dict[str, Any] = json.loads(request)
        about = ("service", "dev_id", "type", "count")
        return {name: self._scrub(asked[name], name, {}, 0) for name in about if name in asked}

    # One value -------------------------------------------------------------------------------------

    def _scrub(self, value: Any, field: str, beside: Mapping[str, Any], depth: int) -> Any:
        """`beside` are the fields of the object that the value is in; a list's entries have none."""
        if field in SECRET_FIELDS or depth > DEEPEST:
            return REMOVED
        if isinstance(value, dict):
            return {self._field(name): self._scrub(v, name, value, depth + 1) for name, v in value.items()}
        if isinstance(value, list):
            return [self._scrub(entry, field, {}, depth + 1) for entry in value]
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            return self._number(value, field, beside)
        return self._text(value, field, beside)

    def _field(self, name: str) -> str:
        parts = re.sub("([A-Z])", r"_\1", name).lower().split("_")
        known = re.fullmatch("[A-Za-z0-9_]{1,60}", name) and set(parts) - {""} <= WORDS_OF_FIELDS
        return name if known or name in SERVICES else self._make("field", name, _word("field"))

    def _number(self, value: float, field: str, beside: Mapping[str, Any]) -> float | None:
        text = repr(value)
        if self._is_allowed_number(text, field, beside):
            return value
        return int(self._make("number", text.lstrip("-"), _digits)) if _NUMBER.fullmatch(text) else None

    def _text(self, text: str, field: str, beside: Mapping[str, Any]) -> str:
        known = _KNOWN_BY_FIELD.get(field)
        if (
            text in WORDS
            or _KEY.fullmatch(text)
            or (field == "service" and text in SERVICES)
            or (field.endswith("_unit") and self._is_unit(text))
            or (known is not None and known.fullmatch(text))
            or self._is_allowed_number(text, field, beside)
        ):
            return text
        return self._pseudonym(text, field)

    def _is_unit(self, text: str) -> bool:
        return text in self._units or text.casefold() in self._units

    def _is_allowed_number(self, text: str, field: str, beside: Mapping[str, Any]) -> bool:
        """Whether it is a measured number with a known unit, or so small that it can only be a code."""
        unit = beside.get("data_unit" if field == "data_value" else f"{field}_unit")
        if isinstance(unit, str) and unit and not field.endswith("_unit"):
            return self._is_unit(unit) and _QUANTITY.fullmatch(text) is not None
        if re.fullmatch("[0-9]{1,5}", text):
            return int(text) <= LARGEST_CODES.get(field, LARGEST_NUMBER)
        return _UNITLESS.fullmatch(text) is not None

    # Made-up words ---------------------------------------------------------------------------------

    def _pseudonym(self, text: str, field: str) -> str:
        """Something of the same kind, so that a program that reads it does what it would have done."""
        if time := _TIME.fullmatch(text):
            return f"{time[1]}-{time[2]}-01" + (" 00:00" if ":" in text else "")
        if _NUMBER.fullmatch(text):
            return self._make("number", text.lstrip("+-"), _digits)
        if field.endswith("_unit"):
            return self._make("unit", text, _word("unit"))
        for shape, made in _SHAPES:
            if shape.fullmatch(text):
                return self._make("shaped", text, made)
        if _SERIAL.fullmatch(text) and sum(map(str.isdigit, text)) >= SHORTEST_SERIAL:
            return self._make("serial", text, _serial)
        return self._make("text", text, _word("text"))

    def _make(self, kind: str, text: str, make: Callable[[str, str], str]) -> str:
        """The word for a text: the same each time, and no other text's."""
        known = self._made.get((kind, text))
        if known is not None:
            return known
        word, attempt = text, 0
        while word == text or word in self._taken:
            secret = f"{kind}:{attempt}:{text}".encode("utf-8", "surrogatepass")
            digest = hmac.new(self._key, secret, hashlib.sha256).hexdigest()
            if attempt < MOST_TRIES:
                word = make(text, digest)
            else:  # all of that kind are taken
                word = str(10**14 + int(digest[:11], 16)) if kind == "number" else f"{kind}-{digest[:12]}"
            attempt += 1
        self._taken.add(word)
        self._made[kind, text] = word
        return word


def _word(kind: str) -> Callable[[str, str], str]:
    return lambda text, digest: f"{kind}-{digest[:8]}"


def _figures(digest: str, length: int) -> str:
    """Noughts with up to six made-up digits behind them."""
    made = min(length, 6)
    return "0" * (length - made) + str(int(digest, 16))[-made:] if length else ""


def _digits(text: str, digest: str) -> str:
    """A whole number of the same length that begins with 9."""
    return "9" + _figures(digest, len(text.partition(".")[0]) - 1)


def _serial(text: str, digest: str) -> str:
    """The same length, letters for letters and digits for digits, plainly made up: `X0000123456`."""
    figures = iter(_figures(digest, sum(map(str.isdigit, text))))
    letters = re.sub("[a-z]", "x", re.sub("[A-Z]", "X", text))
    return re.sub("[0-9]", lambda _: next(figures), letters)


_SHAPES: tuple[tuple[re.Pattern[str], Callable[[str, str], str]], ...] = (
    (_IPV4, lambda text, digest: f"192.0.2.{int(digest, 16) % 254 + 1}"),
    (_MAC, lambda text, digest: ":".join(["02:00:00", digest[:2], digest[2:4], digest[4:6]])),
    (_UUID, lambda text, digest: f"00000000-0000-4000-8000-{digest[:12]}"),
    (_IPV6, lambda text, digest: f"2001:db8::{int(digest[:4], 16):x}"),
)
