"""Optional questions: gently, one at a time, and never again what was not answered."""

import json
import logging
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.logs import Logfmt, TargetLog
from exporter.telemetry import (
    Counters,
    Device,
    DeviceReport,
    FaultRow,
    GatewayService,
    Reading,
    Reason,
    Snapshot,
)
from exporter.winet import errors, messages
from exporter.winet.survey import Survey

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
TOKEN = "5f3a-token-7c1e"
ABOUT, STATE, STATISTICS, LOCAL, RUNTIME = "about", "state", "statistics", "local", "runtime"
STATE_DATA = {"service": STATE, "total_fault": "0", "cloud_conn_sts": "1"}


def inverter(identity: str = "A", dev_id: str = "1", dev_type: int = 21) -> Device:
    return Device(identity, dev_id, dev_type, 0, "", "", True)


def success(data: dict[str, Any]) -> str:
    return json.dumps({"result_code": 1, "result_msg": "success", "result_data": data})


def refusal(code: int, message: str = "") -> str:
    return json.dumps({"result_code": code, "result_msg": message, "result_data": {}})


def listing(service: str, *entries: object) -> str:
    return success({"service": service, "list": list(entries), "count": 1})


def about_page(firmware: str = "P012") -> str:
    return listing(
        ABOUT,
        {"data_name": "I18N_COMMON_DEVICE_SN", "data_value": "B2400000102", "data_unit": ""},
        {"data_name": "I18N_COMMON_APPLI_SOFT_VERSION", "data_value": firmware, "data_unit": ""},
    )


class World:
    """A survey with a clock, a gateway that answers from a table, and a note of all that was asked."""

    def __init__(self, *devices: Device, interval: float = 10.0) -> None:
        self.now = 1000.0
        self.began = self.now
        self.interval = interval
        self.devices = devices or (inverter(),)
        self.counters = Counters()
        self.asked: list[tuple[float, str]] = []
        self.labels_read = 0
        self.requests: list[str] = []
        self.replies: dict[str, str | Exception] = {
            STATE: success(STATE_DATA),
            ABOUT: about_page(),
            STATISTICS: listing(STATISTICS, {"curr_power": "1", "curr_power_unit": "kW"}),
            LOCAL: listing(LOCAL, {"data_name": "K", "data_value": "V", "data_unit": ""}),
            RUNTIME: listing(RUNTIME, {"curr_power": "1", "curr_power_unit": "kW"}),
            "fault": listing("fault"),
        }
        log = TargetLog(logging.getLogger("test.survey"), "roof")
        self.survey = Survey(interval, self, self.counters, log, lambda: self.now, lambda: self.now + 1e9)

    # The stand-ins for connection and dialer: what they are asked is noted, what they say is in the table.

    async def ask(self, service: str, request: str) -> messages.Reply:
        document = json.loads(request)
        self.requests.append(request)
        assert document["service"] == service
        return messages.decode(self._answer(service, document.get("dev_id", "")))

    async def fetch(self, path: str, most: int = 0) -> str:
        if path == "/i18n/en_US.properties":
            self.labels_read += 1
            return "I18N_CONFIG_KEY_796=AFCI Self Inspection Failure\n"
        assert path == "/about/list"
        return self._answer(ABOUT, "")

    def _answer(self, service: str, dev_id: str) -> str:
        name = f"{service}:{dev_id}" if dev_id else service
        self.asked.append((self.now - self.began, name))
        answer = self.replies.get(name) or self.replies[service]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def cycle(self) -> str | None:
        """One refresh cycle: what was asked in it, if anything was."""
        before = len(self.asked)
        reports = tuple(DeviceReport(device, {}) for device in self.devices)
        try:
            await self.survey.ask(self, TOKEN, Snapshot(self.now, 0.0, reports))
        finally:
            self.now += self.interval
        assert len(self.asked) - before <= max(1, self.interval // 10)
        return self.asked[-1][1] if len(self.asked) > before else None

    async def run(self, seconds: float) -> list[str]:
        """Cycle after cycle; what was asked, in order."""
        until, before = self.now + seconds, len(self.asked)
        while self.now < until:
            await self.cycle()
        return [name for _, name in self.asked[before:]]

    async def introduced(self, service: str) -> float:
        """Run until a service was asked for the first time; when that was."""
        while not any(name.partition(":")[0] == service for _, name in self.asked):
            assert self.now < self.began + DAY, f"{service} was never asked for"
            await self.cycle()
        return self.times(service)[0]

    def times(self, service: str) -> list[float]:
        return [when for when, name in self.asked if name.partition(":")[0] == service]


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    return [(record.getMessage(), getattr(record, "fields", {})) for record in caplog.records]


# The schedule ----------------------------------------------------------------------------------------


async def test_ask_when_the_first_readings_came_then_it_waits_five_minutes():
    """A gateway that has just been found is left alone first."""
    world = World()
    await world.run(300.0)
    assert world.asked == []
    assert await world.cycle() == STATE


async def test_ask_when_all_is_answered_then_a_new_service_comes_every_ten_minutes():
    """In a fixed order, each ten minutes after the one before; `runtime` only in place of `statistics`."""
    world = World()
    await world.run(2 * HOUR)
    first = {name.partition(":")[0]: world.times(name.partition(":")[0])[0] for _, name in world.asked}
    assert first == {STATE: 300.0, ABOUT: 900.0, STATISTICS: 1500.0, LOCAL: 2100.0, "fault": 2700.0}


@pytest.mark.parametrize("interval", [5.0, 7.0, 10.0, 59.0, 60.0, 61.0, 300.0])
async def test_ask_when_cycles_go_on_then_each_topic_comes_at_most_once_a_minute(interval):
    """However fast the cycles are; and each comes as often as cycles and their number allow."""
    world = World(inverter("A", "1"), inverter("B", "2"), interval=interval)
    await world.run(6 * HOUR)
    for name in {name for _, name in world.asked} - {ABOUT}:
        times = [when for when, asked in world.asked if asked == name]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert min(gaps) >= MINUTE
        assert max(gaps) <= max(MINUTE, 7 * max(interval, 10.0)) + 3 * interval


async def test_ask_when_intervals_are_long_then_new_services_are_not_starved():
    """With a cycle every ten minutes the known ones are always due, and a new one still goes first."""
    world = World(interval=600.0)
    asked = await world.run(6000.0)
    assert list(dict.fromkeys(asked)) == [STATE, ABOUT, STATISTICS, LOCAL, "fault:1"]
    assert asked[:6] == [STATE, ABOUT, STATE, STATISTICS, STATE, LOCAL]


async def test_ask_when_fault_lists_cost_the_line_then_no_other_device_is_asked_for_one():
    """It is the firmware that does not bear the question."""
    world = World(inverter("A", "1"), inverter("B", "2"))
    world.replies["fault"] = errors.NoAnswer("x")
    with pytest.raises(errors.NoAnswer):
        await world.introduced("fault")
    await world.run(3600.0)
    assert len(world.times("fault")) == 1


async def test_ask_when_several_are_due_then_the_one_that_waited_longest_comes():
    """Nobody is asked twice before everybody was."""
    world = World(interval=60.0)
    await world.introduced("fault")
    asked = await world.run(12 * MINUTE)
    assert set(asked[:4]) == {STATE, STATISTICS, LOCAL, "fault:1"}
    assert asked == asked[:4] * 12


async def test_ask_when_nothing_is_due_then_nothing_is_asked():
    """Between two minutes the gateway has its peace."""
    world = World()
    await world.introduced(STATE)
    assert await world.run(50.0) == []
    assert await world.run(10.0) == [STATE]


async def test_ask_when_a_connection_is_new_then_the_schedule_goes_on():
    """A reconnect is no reason to hurry, nor to begin anew."""
    world = World()
    await world.run(200.0)
    world.survey.connected()
    assert await world.introduced(STATE) == 300.0


# What is kept ----------------------------------------------------------------------------------------


async def test_ask_when_services_answer_then_the_newest_answers_are_kept():
    """With the times of the reply on both clocks."""
    world = World()
    await world.introduced("fault")
    answers = world.survey.answers
    assert set(answers) == {
        GatewayService.STATE,
        GatewayService.ABOUT,
        GatewayService.STATISTICS,
        GatewayService.LOCAL,
    }
    state = answers[GatewayService.STATE]
    assert Reading("total_fault", "0", "") in state.readings
    assert (state.taken_at, state.taken_wall) == (
        world.began + world.times(STATE)[-1],
        world.began + world.times(STATE)[-1] + 1e9,
    )
    world.replies[STATE] = success({**STATE_DATA, "total_fault": "3"})
    await world.run(MINUTE)
    assert Reading("total_fault", "3", "") in answers[GatewayService.STATE].readings
    assert world.counters.errors == {}


async def test_ask_when_a_service_fails_later_then_its_last_answer_stays_to_age():
    """What it said is not unsaid; how old it is decides at the scrape."""
    world = World()
    await world.introduced(STATE)
    before = world.survey.answers[GatewayService.STATE]
    world.replies[STATE] = refusal(301)
    await world.run(2 * MINUTE)
    assert world.survey.answers[GatewayService.STATE] is before


async def test_ask_when_a_question_is_sent_then_it_is_as_the_gateway_expects_it():
    """Token, language and service; a fault question names device, type and count as text."""
    world = World(inverter("A", "7"))
    world.replies[STATISTICS] = refusal(211)
    await world.introduced(RUNTIME)
    sent = {json.loads(request)["service"]: json.loads(request) for request in world.requests}
    for service in (STATE, STATISTICS, LOCAL, RUNTIME):
        assert sent[service] == {"lang": "en_us", "token": TOKEN, "service": service}
    assert sent["fault"] == {
        "lang": "en_us", "token": TOKEN, "service": "fault", "dev_id": "7", "type": "0", "count": "20",
    }  # fmt: skip


# Refusals --------------------------------------------------------------------------------------------

SOON, TOMORROW, NEVER = "soon", "tomorrow", "never"
REFUSALS = {
    "no data": (refusal(200), Reason.NO_DATA, NEVER),
    "busy": (refusal(201), Reason.BUSY, SOON),
    "no such service": (refusal(211), Reason.UNSUPPORTED, TOMORROW),
    "no such function": (refusal(215), Reason.UNSUPPORTED, TOMORROW),
    "read failed": (refusal(301), Reason.READ_FAILED, SOON),
    "not authorized": (refusal(401, "I18N_COMMON_INTER_ABNORMAL"), Reason.SESSION_EXPIRED, TOMORROW),
    "session": (refusal(104), Reason.SESSION_EXPIRED, TOMORROW),
    "token": (refusal(106), Reason.SESSION_EXPIRED, TOMORROW),
    "login timeout": (refusal(1, "login timeout"), Reason.SESSION_EXPIRED, TOMORROW),
    "locked": (refusal(114), Reason.ACCOUNT_LOCKED, TOMORROW),
    "unknown code": (refusal(999), Reason.REJECTED, NEVER),
    "success without data": (success({}), Reason.NO_DATA, NEVER),
}


@pytest.mark.parametrize("reply, reason, again", REFUSALS.values(), ids=REFUSALS.keys())
@pytest.mark.parametrize("service", [STATE, LOCAL, "fault"])
async def test_ask_when_a_service_is_refused_then_the_code_decides_when_it_is_asked_again(
    service, reply, reason, again
):
    """Busy is asked as before, unsupported tomorrow, and what gives nothing no more; never an exception."""
    world = World(interval=MINUTE)
    world.replies[service] = reply
    began = await world.introduced(service)
    assert world.counters.errors == {reason: 1}
    await world.run(2 * DAY)
    gap = {SOON: MINUTE, TOMORROW: DAY, NEVER: None}[again]
    times = world.times(service)
    if gap is None:
        assert times == [began]
    else:
        assert times[1] - began == pytest.approx(gap, abs=4 * MINUTE)
        assert world.counters.errors == {reason: len(times)}
    assert world.survey.blamed is False
    assert world.times(STATISTICS), "the others go on"


@pytest.mark.parametrize(
    "error", [errors.NoAnswer("x"), errors.Garbled("x"), errors.Flooded("x"), errors.ConnectionLost("x")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_ask_when_a_question_costs_the_line_then_it_is_given_up_and_to_blame(error):
    """One attempt is enough: nothing that is optional may cost readings twice."""
    world = World(interval=MINUTE)
    world.replies[STATE] = error
    with pytest.raises(type(error)) as caught:
        await world.run(HOUR)
    assert caught.value is error
    assert world.survey.blamed is True
    world.survey.connected()
    assert world.survey.blamed is False
    await world.run(2 * DAY)
    assert len(world.times(STATE)) == 1
    assert world.survey.blamed is False


@pytest.mark.parametrize(
    "wrong", [errors.NoAnswer("x"), errors.ConnectionLost("x"), refusal(200), refusal(999)]
)
async def test_ask_when_a_service_has_answered_before_then_one_bad_moment_does_not_end_it(wrong):
    """A WLAN that drops, or dusk, says nothing about a service; three times in a row cost it a day."""
    world = World(interval=MINUTE)
    await world.introduced(STATE)
    good = world.replies[STATE]

    async def bad_moments(count: int) -> None:
        world.replies[STATE] = wrong
        before = len(world.times(STATE))
        while len(world.times(STATE)) < before + count:
            try:
                await world.cycle()
            except errors.WinetError:
                world.survey.connected()
        world.replies[STATE] = good

    for _ in range(3):
        await bad_moments(2)
        asked = len(world.times(STATE))
        await world.run(10 * MINUTE)
        assert len(world.times(STATE)) >= asked + 8
    await bad_moments(3)
    asked = len(world.times(STATE))
    await world.run(DAY - 10 * MINUTE)
    assert len(world.times(STATE)) == asked
    await world.run(20 * MINUTE)
    assert len(world.times(STATE)) > asked


async def test_ask_when_a_fault_has_a_key_then_its_words_are_read_once_a_day():
    """For pages: what the gateway itself calls the fault. A healthy plant's file of labels is never read."""
    world = World()
    await world.introduced("fault")
    assert world.labels_read == 0
    world.replies["fault"] = listing("fault", {"fault_code": "10", "fault_name": "I18N_CONFIG_KEY_796"})
    await world.run(3 * HOUR)
    (row,) = world.survey.faults["A"].rows
    assert row == ("10", "AFCI Self Inspection Failure")
    assert world.labels_read == 1
    world.replies["fault"] = listing("fault", {"fault_code": "11", "fault_name": "I18N_UNKNOWN"})
    await world.run(DAY)
    assert world.survey.faults["A"].rows[0].name == "I18N_UNKNOWN"
    assert world.labels_read == 2


async def test_ask_when_devices_come_and_go_then_nothing_is_kept_of_them():
    """A gateway that invents serial numbers fills no memory."""
    world = World()
    await world.introduced("fault")
    for number in range(50):
        world.devices = (inverter(f"S{number}", "1"),)
        await world.run(2 * MINUTE)
    kept = {topic.identity for topic in (*world.survey._not_before, *world.survey._given_up)}
    assert kept <= {"", "S49"}
    assert set(world.survey.faults) <= {"S49"}


@pytest.mark.parametrize(
    "error", [errors.UserLimit("x"), errors.SessionExpired("x"), errors.TokenExpired("x")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_ask_when_a_notice_comes_in_between_then_the_question_is_not_to_blame(error):
    """Somebody who logs in just then says nothing about the service."""
    world = World()
    world.replies[STATE] = error
    with pytest.raises(type(error)):
        await world.run(HOUR)
    assert world.survey.blamed is False
    world.replies[STATE] = success(STATE_DATA)
    world.survey.connected()
    await world.run(2 * MINUTE)
    assert len(world.times(STATE)) == 3


async def test_ask_when_services_are_refused_then_each_is_told_once(caplog):
    """An old firmware that refuses everything is no news every day."""
    caplog.set_level(logging.DEBUG)
    world = World(inverter("A", "1"), inverter("B", "2"), interval=MINUTE)
    for service in world.replies:
        world.replies[service] = refusal(211)
    await world.run(3 * DAY)
    assert [message for message, _ in told(caplog)] == ["optional service not answered"] * 6
    services = [fields["service"] for _, fields in told(caplog)]
    assert services == [STATE, ABOUT, STATISTICS, LOCAL, "fault", RUNTIME]
    assert {record.levelno for record in caplog.records} == {logging.INFO}
    assert all(fields["target"] == "roof" for _, fields in told(caplog))


# The page of versions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer, reason",
    [
        (errors.Unreachable("x"), Reason.UNREACHABLE),
        (errors.NoAnswer("x"), Reason.NO_ANSWER),
        (errors.ConnectionLost("x"), Reason.CONNECTION_LOST),
        (errors.RedirectRefused("x"), Reason.REDIRECT),
        (errors.CertificateMismatch(("A",), "B"), Reason.CERTIFICATE_MISMATCH),
        (errors.Rejected("HTTP 404", 404), Reason.REJECTED),
        (errors.Garbled("too large"), Reason.GARBLED),
        ("<html>", Reason.GARBLED),
        ("[]", Reason.GARBLED),
        ('{"result_code": 1, "result_', Reason.GARBLED),
        ("", Reason.GARBLED),
        (refusal(200), Reason.NO_DATA),
        (refusal(201), Reason.BUSY),
        (refusal(211), Reason.UNSUPPORTED),
        (refusal(999), Reason.REJECTED),
        (success({}), Reason.NO_DATA),
    ],
)
async def test_ask_when_the_page_of_versions_fails_then_it_is_looked_at_again_tomorrow(answer, reason):
    """Its failure costs no line and is never for good: nobody else would tell of other firmware."""
    world = World(interval=MINUTE)
    world.replies[ABOUT] = answer
    began = await world.introduced(ABOUT)
    assert world.counters.errors == {reason: 1}
    assert world.survey.blamed is False
    await world.run(1.5 * DAY)
    assert world.times(ABOUT) == [began, pytest.approx(began + DAY, abs=4 * MINUTE)]
    assert GatewayService.ABOUT not in world.survey.answers


async def test_ask_when_the_page_of_versions_answers_then_it_is_asked_daily():
    """Firmware changes now and then, not every minute."""
    world = World(interval=MINUTE)
    began = await world.introduced(ABOUT)
    await world.run(2.5 * DAY)
    assert [when - began for when in world.times(ABOUT)] == pytest.approx([0.0, DAY, 2 * DAY], abs=8 * MINUTE)


@pytest.mark.parametrize("outage, waits", [(0.0, 600.0), (300.0, 300.0), (599.0, 1.0), (HOUR, 0.0)])
async def test_connected_when_versions_are_known_then_they_are_asked_anew_ten_minutes_after(outage, waits):
    """An update restarts the gateway; a line that breaks off every minute is no update."""
    world = World()
    began = await world.introduced(ABOUT)
    world.now = world.began + began + outage
    world.survey.connected()
    await world.run(1200.0)
    assert world.times(ABOUT)[1] - began - outage == pytest.approx(waits, abs=20.0)


async def test_connected_when_versions_are_not_known_then_they_wait_for_their_time():
    """A page that failed is not asked at each reconnect."""
    world = World(interval=MINUTE)
    world.replies[ABOUT] = errors.Unreachable("x")
    await world.introduced(ABOUT)
    for _ in range(20):
        world.survey.connected()
        await world.run(HOUR)
    assert len(world.times(ABOUT)) == 1


async def test_ask_when_the_firmware_changed_then_all_that_was_given_up_is_asked_again(caplog):
    """Other firmware may answer what this one did not; the change is told once."""
    caplog.set_level(logging.INFO)
    world = World()
    world.replies |= {STATE: refusal(200), STATISTICS: refusal(211), LOCAL: errors.NoAnswer("x")}
    with pytest.raises(errors.NoAnswer):
        await world.introduced(LOCAL)
    await world.introduced("fault")
    counts = {name: len(world.times(name)) for name in (STATE, STATISTICS, LOCAL)}
    world.replies |= {
        LOCAL: listing(LOCAL, {"data_name": "K", "data_value": "V"}),
        ABOUT: about_page("P020\n!"),
    }
    world.survey.connected()
    await world.run(MINUTE)
    assert len(world.times(ABOUT)) == 2
    await world.run(3 * 10 * MINUTE)
    for name, count in counts.items():
        assert len(world.times(name)) > count
    changes = [fields for message, fields in told(caplog) if message == "firmware changed"]
    assert changes == [{"target": "roof", "firmware": "P020 !"}]


@pytest.mark.parametrize(
    "versions, times",
    [(["P012", "P012"], 1), (["", "P012"], 1), (["P020", "P020"], 2), (["", "P020"], 2)],
)
async def test_ask_when_the_firmware_is_the_same_then_what_was_given_up_stays_so(versions, times):
    """A version that is not told is not another one, and does not hide that the next one is."""
    world = World(interval=MINUTE)
    world.replies[STATE] = refusal(200)
    await world.introduced(ABOUT)
    for firmware in versions:
        world.replies[ABOUT] = about_page(firmware)
        await world.run(1.1 * DAY)
    assert len(world.times(ABOUT)) == 3
    assert len(world.times(STATE)) == times


# In place of statistics ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply, asked",
    [(refusal(200), True), (refusal(211), True), (refusal(215), True), (refusal(999), True),
     (refusal(201), False), (refusal(301), False)],
)  # fmt: skip
async def test_ask_when_statistics_is_refused_then_runtime_is_asked_in_its_place(reply, asked):
    """Not when it only was busy; and only when its turn has come."""
    world = World()
    world.replies[STATISTICS] = reply
    await world.run(2 * HOUR)
    assert bool(world.times(RUNTIME)) is asked
    if asked:
        assert world.times(RUNTIME)[0] == 3300.0
        assert GatewayService.RUNTIME in world.survey.answers


async def test_ask_when_statistics_answers_again_then_runtime_is_left_alone():
    """A refusal of 211 is asked again after a day."""
    world = World(interval=MINUTE)
    world.replies[STATISTICS] = refusal(211)
    await world.introduced(RUNTIME)
    world.replies[STATISTICS] = listing(STATISTICS, {"curr_power": "1"})
    await world.run(DAY)
    assert GatewayService.STATISTICS in world.survey.answers
    asked = await world.run(HOUR)
    assert RUNTIME not in asked
    assert STATISTICS in asked


# Faults ----------------------------------------------------------------------------------------------


async def test_ask_when_devices_are_listed_then_only_inverters_are_asked_for_faults():
    """Each inverter for its own, no battery, meter or charger."""
    types = (0, 1, 21, 35, 44, 18, 46, 99)
    world = World(*(inverter(f"S{n}", str(n), dev_type) for n, dev_type in enumerate(types)))
    await world.introduced("fault")
    await world.run(5 * MINUTE)
    assert {name for _, name in world.asked if name.startswith("fault")} == {f"fault:{n}" for n in range(4)}
    assert set(world.survey.faults) == {"S0", "S1", "S2", "S3"}


async def test_ask_when_faults_are_told_then_they_are_kept_with_their_time():
    """Known by serial number, and replaced by the next answer."""
    world = World()
    world.replies["fault"] = listing("fault", {"fault_code": "514", "fault_name": "I18N_FAULT_514"})
    began = await world.introduced("fault")
    assert world.survey.faults["A"] == (world.began + began, (FaultRow("514", "I18N_FAULT_514"),))
    world.replies["fault"] = listing("fault")
    await world.run(2 * MINUTE)
    assert world.survey.faults["A"].rows == ()


async def test_ask_when_a_device_has_another_dev_id_then_the_new_one_is_asked():
    """Devices are known by serial number; a device that is gone is asked nothing."""
    world = World(inverter("A", "1"), inverter("B", "2"))
    await world.introduced("fault")
    await world.run(MINUTE)
    world.devices = (inverter("B", "9"),)
    asked = await world.run(3 * MINUTE)
    assert {name for name in asked if name.startswith("fault")} == {"fault:9"}


async def test_ask_when_one_inverter_refuses_then_the_other_is_still_asked():
    """A refusal is the device's own."""
    world = World(inverter("A", "1"), inverter("B", "2"))
    world.replies["fault:1"] = refusal(211)
    await world.introduced("fault")
    asked = await world.run(10 * MINUTE)
    assert "fault:1" not in asked
    assert asked.count("fault:2") >= 9


async def test_ask_when_there_is_no_inverter_then_the_turn_goes_to_the_next():
    """Nothing waits for a question that nobody can be asked."""
    world = World(inverter("A", "1", 44))
    world.replies[STATISTICS] = refusal(211)
    await world.run(2 * HOUR)
    assert world.times("fault") == []
    assert world.times(RUNTIME)[0] == 2700.0


async def test_ask_when_fault_rows_are_of_an_unknown_kind_then_a_capture_is_asked_for_once(caplog):
    """The first true fault list ever seen should not be lost; every row is counted."""
    world = World(inverter("A", "1"), inverter("B", "2"))
    row = {"begin": "2026-06-01", "secret": "a value nobody should read"}
    world.replies["fault"] = listing("fault", row, {"fault_code": "7"}, row)
    await world.introduced("fault")
    await world.run(10 * MINUTE)
    count = len(world.times("fault"))
    assert world.counters.errors == {Reason.INVALID_READING: 2 * count}
    assert world.counters.schema_errors == 2 * count
    assert world.survey.faults["B"].rows == (FaultRow("7", ""),)
    ((message, fields),) = told(caplog)
    assert "kind never seen (fields: begin, secret)" in message
    assert "report it with a recording" in fields["advice"]
    assert fields["service"] == "fault"
    assert "a value nobody" not in caplog.text


# Secrets and whatever comes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        refusal(999, "no"),
        refusal(401),
        success({"token": "s3cret"}),
        errors.NoAnswer("x"),
        listing("fault", {"p": TOKEN}),
    ],
    ids=["rejected", "not authorized", "of no use", "silence", "odd fault"],
)
async def test_ask_when_anything_is_logged_then_no_token_is_in_it(caplog, reply):
    """Requests hold the token of the session; no line shows it."""
    caplog.set_level(logging.DEBUG)
    world = World()
    world.replies = dict.fromkeys(world.replies, reply)
    for _ in range(8):
        try:
            await world.run(HOUR)
        except errors.NoAnswer:
            world.survey.connected()
    lines = "\n".join(Logfmt().format(record) for record in caplog.records)
    assert lines
    assert TOKEN not in lines
    assert "s3cret" not in lines


_values = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
_data = st.dictionaries(
    st.sampled_from(["list", "total_fault", "code", "service", "data_name", "data_value"])
    | st.text(max_size=3),
    st.recursive(
        _values,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["code", "data_name", "data_value", "x"]), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=4,
)
_replies = st.one_of(
    st.builds(success, _data),
    st.builds(refusal, st.integers(0, 400), st.text(max_size=5)),
)


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(st.lists(_replies, min_size=6, max_size=6), st.sampled_from([10.0, 60.0, 900.0]))
async def test_ask_when_replies_are_arbitrary_then_nothing_is_raised(replies, interval):
    """Whatever an optional service says, it never costs the line, and is never asked in a storm."""
    world = World(inverter("A", "1"), inverter("B", "2"), interval=interval)
    world.replies = dict(zip(world.replies, replies, strict=True))
    await world.run(90 * MINUTE)
    assert len(world.asked) <= 90 * 6
    assert world.survey.blamed is False
