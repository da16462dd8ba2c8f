"""How answers are worded: documents in the shapes that a gateway gives them, whatever they are about."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.simulator.faults import Fault
from exporter.simulator.printing import Document, Json, one_line, pretty
from exporter.simulator.profile import Device, Input, Point, Value

REFUSALS = {
    # fault: code and message. 106, 114, 301 and 401 with message are seen in captures; the others are
    # reported by single projects, and the messages of 201 and 211 are nowhere to be found: assumed.
    "token-expired": (106, "I18N_COMMON_ACCOUNT_OUT_FRESH"),
    "login-refused": (115, "I18N_COMMON_USR_PASSWD_ERROR_TIMES"),
    "locked": (114, "I18N_COMMON_USR_ACCOUNT_LOCK"),
    "busy": (201, "I18N_COMMON_BUSY"),
    "read-failed": (301, "I18N_COMMON_READ_FAILED"),
    "refused-service": (211, "I18N_COMMON_NOT_SUPPORT"),
}
_UNAUTHORIZED = (401, "I18N_COMMON_INTER_ABNORMAL")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as a document, and how it is printed."""

    document: Document
    printed_by: Callable[[Document], str] = pretty

    @property
    def text(self) -> str:
        """The message's text."""
        return self.printed_by(self.document)


def notice(code: int, message: str) -> str:
    """An unsolicited message of the service `notice` (seen in captures with code 100)."""
    document: dict[str, Json] = {"result_code": code}
    if message:
        document["result_msg"] = message
    return pretty(document | {"result_data": {"service": "notice"}})


def fault_rows(fault: Fault) -> list[Json]:
    """The one row that the fault `device-fault` makes."""
    code, name = str(fault.word("code")), "I18N_CONFIG_KEY_796"
    odd = {"kind": name, "number": code}
    return [odd if fault.number("odd") else {"fault_code": code, "fault_name": name, "time": "--"}]


def read_failed() -> Reply:
    """The device could not be read just now."""
    return refusal(*REFUSALS["read-failed"])


def refused_service() -> Reply:
    """Not applicable to this device."""
    return refusal(*REFUSALS["refused-service"])


def success(service: str, data: Mapping[str, Json], message: str = "success") -> Reply:
    """A good answer."""
    return Reply({"result_code": 1, "result_msg": message, "result_data": {"service": service, **data}})


def listing(service: str, entries: list[Json]) -> Reply:
    """A good answer that is a list, with its length behind it."""
    return success(service, {"list": entries, "count": len(entries)})


def refusal(code: int, message: str) -> Reply:
    """106 has an empty `result_data` (re-typed by an owner), the others have none (301 seen in captures)."""
    document: dict[str, Json] = {"result_code": code, "result_msg": message}
    return Reply(document | {"result_data": {}} if code == 106 else document)


def gate(service: str) -> Reply:
    """Nobody may ask this without a login."""
    code, message = _UNAUTHORIZED
    data = {"service": service}
    return Reply({"result_code": code, "result_msg": message, "result_data": data}, one_line)


def with_flag(fields: Mapping[str, Json], forced: Fault | None) -> Mapping[str, Json]:
    """The fields of a greeting; a gateway that insists on a new password says so in one of them."""
    if forced and forced.number("flag") and "forceModifyPasswd" in fields:
        return {**fields, "forceModifyPasswd": 1}
    return fields


def entries_of(device: Device, service: str, show: Callable[[Value], str]) -> list[Json] | None:
    """What a device says to a service; None if it does not have that one."""
    if service == "direct":
        return None if device.direct is None else [_input(entry, show) for entry in device.direct]
    points = device.real if service == "real" else device.real_battery
    return None if points is None else [point_of(point, show(point.value)) for point in points]


def point_of(point: Point, text: str) -> Json:
    """One reading with this text for its value."""
    entry: dict[str, Json] = {"data_name": point.key, "data_value": text}
    return entry if point.unit is None else entry | {"data_unit": point.unit}


def _input(entry: Input, show: Callable[[Value], str]) -> Json:
    return {
        "name": entry.name,
        "voltage": show(entry.voltage),
        "voltage_unit": "V",
        "current": show(entry.current),
        "current_unit": "A",
    }


def nought(text: str) -> str:
    """0 with as many decimals as the text has; the text itself if it is no number."""
    try:
        float(text)
    except ValueError:
        return text
    _, point, decimals = text.partition(".")
    return "0" + point + "0" * len(decimals)


def with_units(rows: Mapping[str, tuple[str, str]]) -> dict[str, Json]:
    """An object that names the unit of each value beside it."""
    found: dict[str, Json] = {}
    for name, (text, unit) in rows.items():
        found |= {name: text, f"{name}_unit": unit}
    return found
