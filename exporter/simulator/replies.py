"""What the gateway answers: one question in, one text out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from exporter.simulator.accounts import Accounts, Login
from exporter.simulator.faults import DEVICE_SERVICES, ActiveFaults, Fault
from exporter.simulator.journal import Counts
from exporter.simulator.plant import Plant
from exporter.simulator.printing import Document, Json, one_line, pretty
from exporter.simulator.profile import Device, Input, Point, Profile, Value

_REFUSALS = {
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
class Question:
    """One request, as far as the gateway looks at it."""

    service: str
    token: str = ""
    dev_id: str = ""
    username: str = ""
    password: str = ""

    @classmethod
    def read(cls, document: Mapping[str, object]) -> "Question":
        """Take what is a string: a dev_id that is a number is not understood (all clients send text)."""

        def text(name: str) -> str:
            value = document.get(name)
            return value if isinstance(value, str) else ""

        return cls(text("service"), text("token"), text("dev_id"), text("username"), text("passwd"))


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as a document, and how it is printed."""

    document: Document
    printed_by: Callable[[Document], str] = pretty

    @property
    def text(self) -> str:
        """The message's text."""
        return self.printed_by(self.document)


class Answerer:
    """Answers questions for one gateway, and knows what login did to the other connections."""

    def __init__(
        self,
        profile: Profile,
        plant: Plant,
        accounts: Accounts,
        faults: ActiveFaults,
        counts: Counts,
        now: Callable[[], datetime],
        taken_over: Callable[[int], None],
    ) -> None:
        self._profile = profile
        self._plant = plant
        self._accounts = accounts
        self._faults = faults
        self._counts = counts
        self._now = now
        self._taken_over = taken_over

    def answer(self, question: Question, connection: int) -> Reply:
        """The reply to a question, with what the faults in force make of it."""
        if (struck := self._refused_by_fault(question)) is not None:
            if question.service == "login":
                self._counts.logins_refused += 1
            return struck
        locked_out = self._take("must-change-password", question)
        if locked_out and question.service not in ("connect", "login"):
            return _gate(question)
        reply = self._honest(question, connection, forced=locked_out)
        return self._spoilt(question, reply)

    def another(self, question: Question) -> Reply:
        """What another service would have answered."""
        return self._plant_service(Question("local" if question.service == "state" else "state"))

    def about(self) -> str | None:
        """The body of `GET /about/list`, serial number and versions; None without such a page."""
        about: list[Json] = list(self._profile.about)
        return pretty({"result_code": 1, "result_msg": "success", "result_data": {"list": about}})

    def _refused_by_fault(self, question: Question) -> Reply | None:
        for name, (code, message) in _REFUSALS.items():
            if self._take(name, question):
                return _refusal(code, message)
        if self._take("login-timeout", question):
            return success(question.service, {}, message="login timeout")
        if fault := self._take("code", question):
            document: dict[str, Json] = {"result_code": int(fault.number("code"))}
            if fault.word("msg"):
                document["result_msg"] = fault.word("msg")
            return Reply(document | {"result_data": {"service": question.service}})
        if self._take("no-data", question):
            return Reply({"result_code": 200})
        return None

    def _spoilt(self, question: Question, reply: Reply) -> Reply:
        if self._take("missing-data", question):
            return Reply({key: value for key, value in reply.document.items() if key != "result_data"})
        data = reply.document.get("result_data")
        if isinstance(data, Mapping) and self._take("no-token", question):
            return Reply({**reply.document, "result_data": {k: v for k, v in data.items() if k != "token"}})
        return reply

    def _honest(self, question: Question, connection: int, forced: Fault | None = None) -> Reply:
        """The reply of a gateway in good health."""
        match question.service:
            case "connect":
                fields = _with_flag(self._profile.connect, forced)
                return success("connect", {"token": self._accounts.connect(connection), **fields})
            case "login":
                return self._login(question, connection, forced)
            case "ping":
                # No `result_data`, no service: only the order ties it to its question (seen in captures).
                return Reply({"result_code": 1, "result_msg": "success"})
        if not self._accounts.knows(question.token):
            return _refusal(*_REFUSALS["token-expired"])
        if not self._accounts.may_read(question.token):
            return _gate(question)
        if question.service in DEVICE_SERVICES:
            return self._device_service(question)
        return self._plant_service(question)

    def _login(self, question: Question, connection: int, forced: Fault | None) -> Reply:
        """A new token, and the password comes back in clear (seen in captures)."""
        rivals = self._accounts.logged_in() - {connection}
        outcome, token = self._accounts.login(
            connection, question.token, question.username, question.password
        )
        if outcome is not Login.ACCEPTED:
            self._counts.logins_refused += 1
            reasons = {
                Login.STALE_TOKEN: "token-expired",
                Login.WRONG: "login-refused",
                Login.LOCKED: "locked",
            }
            return _refusal(*_REFUSALS[reasons[outcome]])
        self._counts.logins += 1
        for rival in sorted(rivals):
            self._taken_over(rival)
        fields = _with_flag(self._profile.login, forced)
        return success("login", {"token": token, "passwd": question.password, **fields})

    def _device_service(self, question: Question) -> Reply:
        device = next((device for device in self._profile.devices if device.dev_id == question.dev_id), None)
        if device is None or self._take("device-vanishes", question):
            return read_failed()
        moment = self._now()
        values, texts = self._plant.values(moment), self._plant.texts(moment)
        alter = self._alteration(question)

        def show(value: Value) -> str:
            return alter(value, value.print(values, texts))

        entries = _entries(device, question.service, show)
        if entries is None:
            return refused_service()
        return listing(question.service, entries)

    def _alteration(self, question: Question) -> Callable[[Value, str], str]:
        """What faults do to each printed value."""
        zeros = self._take("all-zeros", question)
        back = self._take("total-steps-back", question)
        spike = self._take("total-spikes", question)
        step = (spike.number("by") if spike else 0.0) - (back.number("by") if back else 0.0)

        def alter(value: Value, text: str) -> str:
            if zeros:
                return nought(text)
            if step and (value.quantity or "").endswith("_total"):
                return f"{float(text) + step * value.scale:.{value.decimals}f}"
            return text

        return alter

    def _plant_service(self, question: Question) -> Reply:
        moment = self._now()
        match question.service:
            case "devicelist":
                return listing("devicelist", self._listed())
            case "local":
                texts = self._plant.texts(moment)
                points = [_point(point, point.value.print({}, texts)) for point in self._profile.local]
                return success("local", {"list": points, "count": self._profile.local_count})
            case "state":
                raised = {"total_fault": "1"} if self._take("device-fault", question) else {}
                return success("state", {**self._profile.state, **raised})
            case "statistics":
                return listing("statistics", self._statistics(moment))
            case "runtime":
                rows = self._runtime(moment)
                # The only list whose count comes first (seen in captures).
                counts = {"connect_count": len(rows), "off_count": 0}
                return success("runtime", {"count": len(rows), "list": rows, **counts})
            case "fault":
                return listing("fault", self._fault_rows(question))
            case "logout":
                self._accounts.logout(question.token)
                return success("logout", {})
        # Assumed: what a gateway says to a service that it does not have is not known.
        return refused_service()

    def _listed(self) -> list[Json]:
        shown = self._profile.devices
        if gone := self._take("device-vanishes", Question("devicelist")):
            shown = tuple(device for device in shown if device.dev_id != gone.word("device"))
        return [device.item for device in shown]

    def _fault_rows(self, question: Question) -> list[Json]:
        """A healthy plant's list is empty (reported). The fields of a row are not known: assumed."""
        fault = self._take("device-fault", question)
        return [] if fault is None else fault_rows(fault)

    def _statistics(self, moment: datetime) -> list[Json]:
        """Plant totals and numbers of devices: two unlike objects in one list (seen in captures)."""
        values = self._plant.values(moment)
        rows = {
            "today_energy": ("--", "kWh"),
            "total_energy": ("--", "kWh"),
            "curr_power": (f"{values['ac_power']:.2f}", "kW"),
            "curr_reactive": (f"{values['reactive_power']:.2f}", "kvar"),
        }
        for name, text in self._profile.statistics.items():
            rows[name] = (text, "kvar" if "reactive" in name else "kW")
        online = {"online_num": (str(len(self._profile.devices)), ""), "offline_num": ("0", "")}
        return [_with_units(rows), _with_units(online)]

    def _runtime(self, moment: datetime) -> list[Json]:
        """One row for each inverter; the only reply that names the device (seen in captures)."""
        values, texts = self._plant.values(moment), self._plant.texts(moment)
        readings = _with_units(
            {
                "today_energy": ("--", "kWh"),
                "total_energy": ("--", "kWh"),
                "dev_state": (texts["state_number"], ""),
                "curr_power": (f"{values['ac_power']:.2f}", "kW"),
                "reactive_power": (f"{values['reactive_power']:.2f}", "kvar"),
            }
        )
        names = ("dev_name", "dev_model", "dev_type", "dev_procotol")
        inverters = [device.item for device in self._profile.devices if device.is_inverter]
        return [{name: item[name] for name in names} | readings for item in inverters]

    def _take(self, fault: str, question: Question) -> Fault | None:
        return self._faults.take(fault, question.service, question.dev_id)


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
    return _refusal(*_REFUSALS["read-failed"])


def refused_service() -> Reply:
    """Not applicable to this device."""
    return _refusal(*_REFUSALS["refused-service"])


def success(service: str, data: Mapping[str, Json], message: str = "success") -> Reply:
    """A good answer."""
    return Reply({"result_code": 1, "result_msg": message, "result_data": {"service": service, **data}})


def listing(service: str, entries: list[Json]) -> Reply:
    """A good answer that is a list, with its length behind it."""
    return success(service, {"list": entries, "count": len(entries)})


def _refusal(code: int, message: str) -> Reply:
    """106 has an empty `result_data` (re-typed by an owner), the others have none (301 seen in captures)."""
    document: dict[str, Json] = {"result_code": code, "result_msg": message}
    return Reply(document | {"result_data": {}} if code == 106 else document)


def _gate(question: Question) -> Reply:
    code, message = _UNAUTHORIZED
    data = {"service": question.service}
    return Reply({"result_code": code, "result_msg": message, "result_data": data}, one_line)


def _with_flag(fields: Mapping[str, Json], forced: Fault | None) -> Mapping[str, Json]:
    if forced and forced.number("flag") and "forceModifyPasswd" in fields:
        return {**fields, "forceModifyPasswd": 1}
    return fields


def _entries(device: Device, service: str, show: Callable[[Value], str]) -> list[Json] | None:
    if service == "direct":
        return None if device.direct is None else [_input(entry, show) for entry in device.direct]
    points = device.real if service == "real" else device.real_battery
    return None if points is None else [_point(point, show(point.value)) for point in points]


def _point(point: Point, text: str) -> Json:
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


def _with_units(rows: Mapping[str, tuple[str, str]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, (text, unit) in rows.items():
        found |= {name: text, f"{name}_unit": unit}
    return found
