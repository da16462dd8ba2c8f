"""What pages are told of a target: the values of `/metrics`, each only while it is fresh."""

from dataclasses import replace

import pytest

from exporter.metrics.shown import DeviceShown, TargetShown
from exporter.telemetry import (
    Answer,
    FaultRow,
    Faults,
    GatewayService,
    Location,
    OwnDevice,
    Reading,
    Snapshot,
)
from tests.metrics.test_exposition import WALL, Page, device, status_of

POWER = Reading("I18N_COMMON_TOTAL_DCPOWER", "12.3", "kW")
CHARGE = Reading("I18N_COMMON_BATTERY_SOC", "64", "%")
RUNNING = Reading("I18N_COMMON_RUNNING_STATE", "I18N_COMMON_STANDBY", "")
VOLTS = Reading("I18N_COMMONUA", "230", "V")


@pytest.fixture
def page() -> Page:
    return Page()


def shown(page: Page, target: str = "roof") -> TargetShown:
    found = page.exposition.samples(target)
    assert found is not None
    return found


def only_device(page: Page) -> DeviceShown:
    (found,) = shown(page).devices
    return found


def test_samples_when_a_target_is_unknown_then_there_are_none(page):
    """A target that was forgotten between two questions is no error."""
    assert page.exposition.samples("roof") is None
    page.exposition.update(status_of(), None)
    page.exposition.forget("roof")
    assert page.exposition.samples("roof") is None


def test_samples_when_a_target_never_answered_then_nothing_is_claimed(page):
    """No age, no device, no word of the gateway."""
    page.exposition.update(status_of(), None)
    assert shown(page) == TargetShown(
        up=False, age=None, serial="", hardware="", firmware="", gateway={}, sun_up=None, devices=()
    )


def test_samples_when_readings_are_fresh_then_values_go_by_their_family(page):
    """Names are those of the metrics without their prefix; families with labels of their own are left out."""
    page.refresh(page.report(device(), real=[POWER, CHARGE, RUNNING, VOLTS]))
    page.clock.now += 4.0
    assert shown(page).up
    assert shown(page).age == 4.0
    assert only_device(page) == DeviceShown(
        identity="A1",
        name="SH5.0RS(COM1-001)",
        model="SH5.0RS",
        kind="hybrid",
        online=True,
        up=True,
        age=4.0,
        last_wall=WALL,
        state="standby",
        faults=(),
        values={"pv_power_watts": 12300.0, "battery_state_of_charge_ratio": 0.64},
    )


@pytest.mark.parametrize("age, fresh", [(50.0, True), (50.5, False)])
def test_samples_when_readings_are_too_old_then_device_and_target_have_none(page, age, fresh):
    """What `/metrics` drops, pages drop at the same moment; how old it is stays known."""
    page.refresh(page.report(device(), real=[POWER, RUNNING]))
    page.clock.now += age
    assert shown(page).up is fresh
    found = only_device(page)
    assert (found.up, bool(found.values), found.state is not None, found.online) == (
        fresh, fresh, fresh, True if fresh else None,
    )  # fmt: skip
    assert (found.age, found.last_wall) == (age, WALL)


def test_samples_when_a_device_never_answered_then_it_is_listed_without_values(page):
    """It is there, and down."""
    page.refresh(page.report(device()))
    found = only_device(page)
    assert (found.up, found.age, found.last_wall, found.state, found.values) == (False, None, None, None, {})


def test_samples_when_the_user_named_a_device_then_that_is_its_name(page):
    """Own names go before the gateway's, on pages as in `winet2_device_info`."""
    status = status_of()
    own = replace(status.info, devices={"A1": OwnDevice(name="East roof")})
    page.refresh(page.report(device()), status=replace(status, info=own))
    assert only_device(page).name == "East roof"


@pytest.mark.parametrize("age, codes", [(0.0, ("7", "9")), (110.1, ())])
def test_samples_when_a_device_has_faults_then_each_code_is_told_until_it_is_too_old(page, age, codes):
    """One code for each kind of fault."""
    rows = tuple(FaultRow(code, "") for code in ("7", "9", "7"))
    report = replace(page.report(device()), faults=Faults(page.clock.now, rows))
    status = status_of()
    page.refresh(report, status=replace(status, info=replace(status.info, gateway_stale_after=100.0)))
    page.clock.now += age
    assert only_device(page).faults == codes


def test_samples_when_the_gateway_has_words_for_a_fault_then_they_are_told_with_its_code(page):
    """A number says little to a person; what it calls the same as the code is not said twice."""
    rows = (FaultRow("10", "AFCI Self Inspection Failure"), FaultRow("11", "11"))
    page.refresh(replace(page.report(device()), faults=Faults(page.clock.now, rows)))
    assert only_device(page).faults == ("10 (AFCI Self Inspection Failure)", "11")


def gateway_answers(page: Page) -> Snapshot:
    def answer(*readings: Reading) -> Answer:
        return Answer(page.clock.now, WALL, readings)

    return Snapshot(page.clock.now, WALL, (), {
        GatewayService.ABOUT: answer(Reading("I18N_COMMON_DEVICE_SN", "B1", ""),
                                     Reading("I18N_COMMON_VERSION", "M_1", ""),
                                     Reading("I18N_COMMON_APPLI_SOFT_VERSION", "P028", "")),
        GatewayService.STATE: answer(Reading("total_fault", "2", ""), Reading("total_alarm", "0", "")),
        GatewayService.STATISTICS: answer(Reading("online_num", "3", "")),
    })  # fmt: skip


def test_samples_when_the_gateway_tells_of_itself_then_so_does_the_page(page):
    """Serial number and versions stay, counts age."""
    status = status_of()
    status = replace(status, info=replace(status.info, gateway_stale_after=100.0))
    page.exposition.update(status, gateway_answers(page))
    found = shown(page)
    assert (found.serial, found.hardware, found.firmware) == ("B1", "M_1", "P028")
    assert found.gateway == {"gateway_faults": 2.0, "gateway_alarms": 0.0}
    page.clock.now += 100.1
    assert (shown(page).serial, shown(page).gateway) == ("B1", {})


@pytest.mark.parametrize("latitude, longitude, up", [(0.0, 60.0, False), (0.0, -120.0, True)])
def test_samples_when_a_place_is_configured_then_the_sun_is_known(page, latitude, longitude, up):
    """The wall clock of these tests shows 20:26 in Greenwich."""
    status = status_of()
    place = replace(status.info, location=Location(latitude, longitude))
    page.exposition.update(replace(status, info=place), None)
    assert shown(page).sun_up is up
    assert page.value("winet2_sun_up") == float(up)
