"""What the gateway answers: one question in, one text out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from exporter.simulator.accounts import Accounts, Login
from exporter.simulator.answers import (
    REFUSALS,
    Reply,
    entries_of,
    fault_rows,
    gate,
    listing,
    nought,
    point_of,
    read_failed,
    refusal,
    refused_service,
    success,
    with_flag,
    with_units,
)
from exporter.simulator.faults import DEVICE_SERVICES, ActiveFaults, Fault
from exporter.simulator.journal import Counts
from exporter.simulator.plant import Plant
from exporter.simulator.printing import Json, pretty
from exporter.simulator.profile import Profile, Value


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
            return gate(question.service)
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
        for name, (code, message) in REFUSALS.items():
            if self._take(name, question):
                return refusal(code, message)
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
                fields = with_flag(self._profile.connect, forced)
                return success("connect", {"token": self._accounts.connect(connection), **fields})
            case "login":
                return self._login(question, connection, forced)
            case "ping":
                # No `result_data`, no service: only the order ties it to its question (seen in captures).
                return Reply({"result_code": 1, "result_msg": "success"})
        if not self._accounts.knows(question.token):
            return refusal(*REFUSALS["token-expired"])
        if not self._accounts.may_read(question.token):
            return gate(question.service)
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
            return refusal(*REFUSALS[reasons[outcome]])
        self._counts.logins += 1
        for rival in sorted(rivals):
            self._taken_over(rival)
        fields = with_flag(self._profile.login, forced)
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

        entries = entries_of(device, question.service, show)
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
                points = [point_of(point, point.value.print({}, texts)) for point in self._profile.local]
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
        return [with_units(rows), with_units(online)]

    def _runtime(self, moment: datetime) -> list[Json]:
        """One row for each inverter; the only reply that names the device (seen in captures)."""
        values, texts = self._plant.values(moment), self._plant.texts(moment)
        readings = with_units(
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
