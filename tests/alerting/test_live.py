"""Faults of simulated gateways, through exporter, Prometheus and Alertmanager, to the message that is read.

All programs are the real ones. The rules and routes are the examples', with every time divided by sixty.
The faults begin together; each test waits for what its own raises, then ends it. Any order of them will do.
"""

import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from tests.alerting.alertmanager import TIME_ZONE, rendered
from tests.alerting.examples import TEMPLATES
from tests.alerting.live import Fault, Live, live
from tests.alerting.plant import MIDNIGHT, Gateway, Said

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

RUNBOOKS = "https://github.com/winet-exporter/winet-exporter/blob/main/docs/runbooks.md"
Step = Callable[[Live], object]


def inject(name: str, fault: str) -> Step:
    return lambda here: here.gateways[name].simulated.inject(fault)


def clear(name: str) -> Step:
    return lambda here: here.gateways[name].simulated.clear()


def say(name: str, key: str, value: str) -> Step:
    return lambda here: here.gateways[name].said.update({key: value})


def say_nothing(name: str) -> Step:
    return lambda here: here.gateways[name].said.clear()


def right_password(here: Live) -> None:
    mill = here.gateways["mill"]
    mill.write_password(here.folder, mill.account[1])


INSULATION = "I18N_COMMON_SQUARE_ARRAY_INSULATION_IMPEDANCE"
# what takes longest is so from the start
DAMP = Fault("WinetInsulationLow", "everyday", "roof", lambda here: None, say_nothing("roof"))
REFUSED = Fault("WinetLoginRefused", "everyday", "mill", lambda here: None, right_password)
GONE = Fault("WinetGatewayDown", "urgent", "roof", inject("roof", "gateway-vanishes"), clear("roof"))
NIGHT = Fault("none", "nobody", "night", inject("night", "gateway-vanishes"), clear("night"))
SILENT = Fault(
    "WinetDeviceDown", "everyday", "house", inject("house", "read-failed:device=2"), clear("house")
)
VOLTAGE = Fault(
    "WinetGridVoltageHigh", "everyday", "barn", say("barn", "I18N_COMMONUA", "261.5"), say_nothing("barn")
)
BROKEN = Fault(
    "WinetDeviceFault", "urgent", "attic",
    say("attic", "I18N_COMMON_RUNNING_STATE", "I18N_COMMON_FAULT"), say_nothing("attic"),
)  # fmt: skip
BACKWARDS = Fault(
    "WinetCounterReset", "quiet", "shed", inject("shed", "total-steps-back:by=10:device=1"), clear("shed")
)
AT_ONCE = (NIGHT, SILENT, VOLTAGE, BROKEN, BACKWARDS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    gateways = [
        Gateway("roof", "SG10RS", said=Said({INSULATION: "120"})),
        Gateway("house", "SH10RT"),
        Gateway("barn", "SH5.0RS"),
        Gateway("mill", "SG10RS", password="not-the-one"),
        Gateway("attic", "SG10RS"),
        Gateway("shed", "SH5.0RS"),
        Gateway("night", "SG10RS", hour=MIDNIGHT),
    ]
    async with live(gateways, tmp_path_factory.mktemp("live")) as running:
        await running.until("winet2_up == 1", len(gateways) - 1)
        for fault in AT_ONCE:
            running.begin(fault)
        yield running


async def raised(here: Live, fault: Fault) -> dict[str, Any]:
    """The message about a fault, which is ended then."""
    if fault is GONE:
        # what comes of a damp array outlives the gateway, and shows what is inhibited
        await here.told(DAMP)
        here.begin(GONE)
    payload = await here.told(fault)
    if fault is GONE and not here.during:
        here.during = await here.alertmanager.alerts(target=fault.target)
    here.end(fault)
    return payload


def clock(moment: str) -> str:
    """A time as the messages tell it."""
    local = datetime.fromisoformat(moment).astimezone(ZoneInfo(TIME_ZONE))
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def text(payload: dict[str, Any]) -> str:
    return rendered("winet.text", payload, TEMPLATES)


def title(payload: dict[str, Any]) -> str:
    return rendered("winet.title", payload, TEMPLATES)


@pytest.mark.parametrize("fault, place", [
    pytest.param(REFUSED, "mill", id="login refused"),
    pytest.param(BROKEN, "attic, SG10RS(COM1-001), device A2400000101", id="device faulty"),
    pytest.param(VOLTAGE, "barn, SH5.0RS(COM1-001), device A2200000001, phase a", id="grid voltage"),
    pytest.param(SILENT, "house, SBR128(COM1-200), device S2300000202", id="device silent"),
    pytest.param(DAMP, "roof, SG10RS(COM1-001), device A2400000101", id="insulation"),
])  # fmt: skip
async def test_alert_when_a_fault_lasts_then_one_message_tells_what_and_where_and_what_to_do(
    here, fault, place
):
    """From the gateway's answer to the text on a phone, with nothing left blank."""
    payload = await raised(here, fault)
    (alert,) = payload["alerts"]
    assert payload["groupLabels"] == {"job": "winet", "target": fault.target}
    summary, description = alert["annotations"]["summary"], alert["annotations"]["description"]
    urgent = "CRITICAL " if fault.receiver == "urgent" else ""
    assert title(payload) == f"{urgent}{fault.target}: {summary}"
    assert text(payload) == (
        f"{summary}\n"
        f"{place}, since {clock(alert['startsAt'])}\n"
        f"{description}\n"
        f"{RUNBOOKS}#{fault.alert.lower()}\n"
    )
    assert fault.target in description
    assert not re.search(r"no value|NaN|Inf|[{}]|%!", description)


async def test_message_when_the_grid_voltage_is_too_high_then_it_tells_how_high(here):
    """The value is the mean of what the inverter said: it began at 231 V and ends at 261.5 V."""
    payload = await raised(here, VOLTAGE)
    (volts,) = re.findall(r"is ([0-9.]+) V", text(payload))
    assert 253 < float(volts) <= 261.5


async def test_message_when_it_is_about_a_gateway_then_it_reads_as_expected(here):
    """Word by word, once: what somebody reads whom it woke."""
    payload = await raised(here, GONE)
    (alert,) = payload["alerts"]
    assert title(payload) == "CRITICAL roof: A gateway does not answer by day."
    assert text(payload) == (
        "A gateway does not answer by day.\n"
        f"roof, since {clock(alert['startsAt'])}\n"
        "Nothing has been heard of roof for a quarter of an hour, and it is day there. "
        "Whether its inverters produce is not known.\n"
        f"{RUNBOOKS}#winetgatewaydown\n"
    )


async def test_gateway_when_it_is_gone_then_what_is_known_of_its_devices_is_inhibited(here):
    """Alertmanager knows the older alert of its device, and which one silences it."""
    await raised(here, GONE)
    alerts = {alert["labels"]["alertname"]: alert for alert in here.during}
    assert alerts.keys() == {"WinetGatewayDown", "WinetInsulationLow"}
    gone, damp = alerts["WinetGatewayDown"], alerts["WinetInsulationLow"]
    assert gone["status"]["state"] == "active"
    assert damp["status"]["state"] == "suppressed"
    assert damp["status"]["inhibitedBy"] == [gone["fingerprint"]]


async def test_counters_when_they_step_back_then_one_quiet_message_tells_of_all_of_them(here):
    """Eight totals of one inverter: five are told, the others counted, all in one message of the job."""
    payload = await raised(here, BACKWARDS)
    assert payload["groupLabels"] == {"job": "winet"}
    families = {alert["labels"]["family"] for alert in payload["alerts"]}
    assert len(families) == len(payload["alerts"]) == 8
    assert title(payload) == "shed: A lifetime total went back. (8 alerts)"
    assert text(payload).count("shed, SH5.0RS(COM1-001), device A2200000001, since") == 5
    assert text(payload).endswith("\n\nand 3 more\n")


@pytest.mark.parametrize("fault", [REFUSED, BROKEN, VOLTAGE, SILENT, GONE], ids=lambda fault: fault.alert)
async def test_alert_when_the_fault_ends_then_the_same_receiver_is_told_that_it_is_over(here, fault):
    """Nobody is left with a worry that has gone."""
    await raised(here, fault)
    payload = await here.told(fault, "resolved")
    (alert,) = payload["alerts"]
    assert title(payload) == f"OVER {fault.target}: {alert['annotations']['summary']}"
    assert text(payload).startswith(f"Over:\n- {alert['annotations']['summary']} ({fault.target}")
    assert f"{clock(alert['startsAt'])} to {clock(alert['endsAt'])})" in text(payload)


async def test_gateway_when_it_sleeps_at_night_then_nobody_is_told_anything(here):
    """It vanished before the one by day did, which has been reported and has come back meanwhile."""
    await raised(here, GONE)
    await here.told(GONE, "resolved")
    state = await here.values('winet2_target_state{target="night"} == 1', "state")
    up = await here.values('max_over_time(winet2_up{target="night"}[20s])', "target")
    assert (state, up) == ({("asleep",): 1.0}, {("night",): 0.0})
    assert await here.values('count_over_time(ALERTS{target="night"}[1h])', "alertname", "alertstate") == {}
    assert await here.alertmanager.alerts(target="night") == []
    assert here.messages("night") == []


async def test_messages_when_all_faults_have_come_and_gone_then_each_was_told_once(here):
    """No alert twice, none besides, none of a gateway for what another alert explains."""
    for fault in (REFUSED, BROKEN, VOLTAGE, SILENT, DAMP, BACKWARDS, GONE):
        await raised(here, fault)
    for fault in (REFUSED, BROKEN, VOLTAGE, SILENT, GONE):
        await here.told(fault, "resolved")
    ended = [(fault.receiver, "resolved", fault.alert) for fault in (REFUSED, BROKEN, VOLTAGE, SILENT, GONE)]
    begun = [
        (fault.receiver, "firing", fault.alert)
        for fault in (REFUSED, BROKEN, VOLTAGE, SILENT, DAMP, BACKWARDS, GONE)
    ]
    assert sorted(here.all_messages()) == sorted(begun + ended)
