"""The life with one gateway over real sockets: what it was asked, and what /metrics says of it."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.config import Config, Credentials
from exporter.simulator import KINDS, load_profile
from tests.harness import LARGE, NIGHT, OLD, PASSWORD, STRING, THREE_PHASE, Harness, received


@pytest.mark.parametrize("profile", [OLD, STRING, THREE_PHASE, LARGE, NIGHT])
async def test_session_for_every_profile_brings_readings_and_agrees_with_the_gateway(
    harness: Harness, profile: str
) -> None:
    """Every firmware generation is read, and both ends count the same messages."""
    gateway = await harness.gateway(profile)
    await harness.start(harness.target(gateway))
    await harness.state("online")
    await harness.cycles(3)
    assert harness.value("winet2_up", target="roof") == 1
    assert harness.value("winet2_target_state", state="online") == 1
    assert harness.value("winet2_devices") == len(gateway.profile.devices)
    assert set(harness.values("winet2_device_up").values()) == {1.0}
    assert harness.errors() == {}
    assert harness.counts_agree(gateway)
    assert gateway.counts.logins == int(gateway.profile.login_required)


async def test_session_at_its_end_logs_out_and_leaves_no_socket(harness: Harness) -> None:
    """The gateway gets a log-out as the last message, and its socket back."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles()
    await harness.stop()
    await gateway.until(lambda: gateway.counts.sockets_open == 0)
    assert received(gateway)[-1].service == "logout"


async def test_session_asks_each_device_what_its_type_answers(harness: Harness) -> None:
    """A hybrid is asked three questions, battery and charger one each."""
    gateway = await harness.gateway(THREE_PHASE)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    asked = [(event.service, event.dev_id) for event in received(gateway)]
    assert asked == [
        ("connect", ""),
        ("login", ""),
        ("devicelist", ""),
        ("real", "1"),
        ("real_battery", "1"),
        ("direct", "1"),
        ("real", "2"),
        ("real", "3"),
    ]


async def test_session_refreshes_at_its_interval(harness: Harness) -> None:
    """Cycles begin ten seconds apart, however long each takes."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles(6)
    starts = [event.at for event in received(gateway, "real") if event.dev_id == "1"]
    apart = [after - before for before, after in pairwise(starts)]
    assert apart == pytest.approx([10.0] * len(apart), abs=0.2)


async def test_session_lists_devices_again_after_ten_minutes(harness: Harness) -> None:
    """A device that was added appears without a restart, one that was removed goes."""
    gateway = await harness.gateway(faults=["device-vanishes:device=2"])
    await harness.start(harness.target(gateway))
    await harness.cycles()
    assert harness.value("winet2_devices") == 1
    gateway.clear()
    await harness.until(lambda: len(harness.values("winet2_device_up")) == 2)
    lists = received(gateway, "devicelist")
    assert len(lists) == 2
    assert 599 <= lists[1].at - lists[0].at <= 611
    assert gateway.counts.upgrades == 1


async def test_session_with_a_long_interval_keeps_the_line_alive(harness: Harness) -> None:
    """Between two cycles two minutes apart the gateway's own keep-alive is asked, and pings go out."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway, refresh_interval="2m"))
    await harness.cycles(2)
    assert 3 <= len(received(gateway, "ping")) <= 5
    assert gateway.counts.pings >= 4
    assert gateway.counts.upgrades == 1
    assert harness.counts_agree(gateway)


async def test_session_whose_keep_alive_is_not_answered_never_asks_it_again(harness: Harness) -> None:
    """Firmware without the JSON ping costs one connection, not one every cycle."""
    gateway = await harness.gateway(faults=["silence:service=ping"])
    await harness.start(harness.target(gateway, refresh_interval="2m"))
    await harness.cycles(4)
    assert len(received(gateway, "ping")) == 1
    assert gateway.counts.upgrades == 2


async def test_session_without_pongs_stops_pinging_and_stays(harness: Harness) -> None:
    """A gateway that answers questions but no pings is left connected and pinged no more."""
    gateway = await harness.gateway(faults=["no-pong"])
    await harness.start(harness.target(gateway, refresh_interval="1m"))
    await harness.cycles(10)
    assert 1 <= gateway.counts.pings <= 2
    assert gateway.counts.upgrades == 1
    assert harness.errors() == {}


async def test_session_with_pipeline_asks_different_services_together(harness: Harness) -> None:
    """Questions to three services of one device are under way at once and bring the same readings."""
    harness.pipelined = True
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway, pipeline=True))
    await harness.cycles(2)
    assert gateway.counts.overlapping > 0
    assert harness.value("winet2_pv_power_watts") > 0
    assert harness.value("winet2_battery_state_of_charge_ratio", device="A2200000001") > 0
    assert len(harness.values("winet2_mppt_voltage_volts")) == 2
    assert harness.errors() == {}
    talk = [(e.direction, e.service) for e in gateway.log if e.direction in ("in", "out") and e.service]
    first = talk.index(("in", "real"))
    assert [service for _, service in talk[first : first + 6]].count("real_battery") == 2
    assert talk.index(("in", "direct")) < talk.index(("out", "real_battery"))


async def test_session_with_pipeline_when_one_service_is_silent_keeps_the_other_answers(
    harness: Harness,
) -> None:
    """What came before the time-out is kept, and the silent question is charged."""
    harness.pipelined = True
    gateway = await harness.gateway(faults=["silence:service=direct"])
    await harness.start(harness.target(gateway, pipeline=True))
    await harness.cycles(1)
    assert harness.value("winet2_pv_power_watts") > 0
    assert harness.values("winet2_mppt_voltage_volts") == {}
    assert harness.errors() == {"no_answer": 1}


# Reply codes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault, reason",
    [
        ("code:code=104:service=real:times=1", "session_expired"),
        ("code:code=401:service=real:times=1", "session_expired"),
        ("login-timeout:service=real:times=1", "session_expired"),
        ("notice:code=100:text=bye:service=real:times=1", "session_expired"),
    ],
)
async def test_session_that_has_expired_is_opened_anew_with_back_off(
    harness: Harness, fault: str, reason: str
) -> None:
    """104, 401 in mid-session, “login timeout” and an unknown notice end the session, not the target."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gateway.inject(fault)
    await harness.state("backing_off")
    assert harness.errors() == {reason: 1}
    await harness.state("online")
    await harness.cycles()
    assert gateway.counts.upgrades == gateway.counts.logins == 2
    assert harness.value("winet2_ws_reconnections_total") == 1
    assert harness.counts_agree(gateway, apart=1)


async def test_session_with_an_expired_token_logs_in_at_once_and_only_once(harness: Harness) -> None:
    """106 brings one fresh login without a pause; a second 106 in a row brings the back-off."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gateway.inject("token-expired:service=real:times=1")
    await harness.until(lambda: gateway.counts.logins == 2)
    assert ("roof", "backing_off") not in harness.states
    await harness.cycles(8)
    gateway.inject("token-expired:service=real:times=2")
    await harness.state("backing_off")
    assert gateway.counts.logins == 3
    assert harness.errors() == {"session_expired": 3}


async def test_session_with_tokens_that_always_expire_does_not_storm(harness: Harness) -> None:
    """In five minutes of 106 there are few logins, for the back-off grows."""
    gateway = await harness.gateway(STRING, faults=["token-expired:service=real"])
    await harness.start(harness.target(gateway))
    await harness.pass_time(300)
    assert gateway.counts.logins <= 12


async def test_session_told_of_a_web_timeout_goes_on(harness: Harness) -> None:
    """103 in between is no matter of ours."""
    gateway = await harness.gateway(faults=["notice:code=103"])
    await harness.start(harness.target(gateway))
    await harness.cycles(3)
    assert harness.errors() == {}
    assert gateway.counts.upgrades == 1
    assert harness.value("winet2_up") == 1


@pytest.mark.parametrize(
    "fault, reason",
    [
        ("no-data:service=real:device=2", "no_data"),
        ("missing-data:service=real:device=2", "no_data"),
        ("read-failed:device=2", "read_failed"),
        ("code:code=999:service=real:device=2", "rejected"),
        ("code:code=215:service=real:device=2", "unsupported"),
    ],
)
async def test_session_when_one_device_is_refused_keeps_its_neighbour(
    harness: Harness, fault: str, reason: str
) -> None:
    """A refusal costs the device its readings, and nobody the connection."""
    gateway = await harness.gateway(faults=[fault])
    await harness.start(harness.target(gateway))
    await harness.cycles(3)
    assert set(harness.errors()) == {reason}
    assert harness.value("winet2_device_up", device="A2200000001") == 1
    assert harness.value("winet2_device_up", device="S2200000002") == 0
    assert harness.value("winet2_up") == 1
    assert gateway.counts.upgrades == 1


async def test_session_told_busy_leaves_the_rest_of_the_cycle(harness: Harness) -> None:
    """After 201 nothing more is asked until the next cycle."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    before = len(received(gateway))
    gateway.inject("busy:service=real:times=1")
    await harness.cycles(1)
    assert [event.service for event in received(gateway)[before:]] == ["real"]
    assert harness.errors() == {"busy": 1}
    assert gateway.counts.upgrades == 1


async def test_session_does_not_ask_a_refused_service_again_until_it_reconnects(harness: Harness) -> None:
    """211 for real_battery is remembered for the session, and tried once in the next."""
    gateway = await harness.gateway(faults=["refused-service:service=real_battery"])
    await harness.start(harness.target(gateway))
    await harness.cycles(3)
    assert len(received(gateway, "real_battery")) == 1
    assert harness.values("winet2_battery_charge_power_watts") == {}
    gateway.inject("drop:service=real:times=1")
    await harness.until(lambda: gateway.counts.upgrades == 2)
    await harness.cycles(3)
    assert len(received(gateway, "real_battery")) == 2


async def test_session_of_a_device_nobody_knows_asks_it_once(harness: Harness) -> None:
    """An unknown device type that refuses `real` is left alone, over reconnects too."""
    profile = load_profile(OLD)
    inverter, battery = profile.devices
    odd = replace(battery, item={**battery.item, "dev_type": 99})
    gateway = await harness.gateway(
        replace(profile, devices=(inverter, odd)), faults=["refused-service:device=2"]
    )
    await harness.start(harness.target(gateway))
    await harness.cycles(3)
    gateway.inject("drop:service=direct:times=1")
    await harness.until(lambda: gateway.counts.upgrades == 2)
    await harness.cycles(2)
    assert len([event for event in received(gateway, "real") if event.dev_id == "2"]) == 1
    assert harness.value("winet2_device_info", device="S2200000002", kind="unknown") == 1


# Silence, noise and lost lines -----------------------------------------------------------------------


async def test_session_with_a_silent_gateway_closes_the_socket_and_its_values_vanish(
    harness: Harness,
) -> None:
    """After the time-out comes a new socket; after stale_after there are no gauges and winet2_up is 0."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gateway.inject("silence")
    await harness.state("backing_off")
    assert harness.value("winet2_request_timeouts_total") == 1
    assert harness.values("winet2_pv_power_watts")
    assert harness.value("winet2_up") == 1
    await harness.pass_time(30)
    assert harness.value("winet2_up") == 0
    assert set(harness.values("winet2_device_up").values()) == {0.0}
    assert harness.values("winet2_pv_power_watts") == {}
    assert harness.values("winet2_pv_energy_joules_total") == {}
    assert harness.values("winet2_device_state") == {}
    assert harness.value("winet2_last_refresh_timestamp_seconds") > 0
    gateway.clear()
    await harness.until(lambda: harness.value("winet2_up") == 1)
    assert harness.counts_agree(gateway, apart=int(harness.value("winet2_request_timeouts_total")))


async def test_session_with_one_silent_device_keeps_the_others_and_asks_it_rarely(harness: Harness) -> None:
    """The silent one comes last, then only every tenth cycle; its neighbour is fresh all the time."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gateway.inject("silence:device=1:service=real")
    await harness.until(lambda: harness.value("winet2_request_timeouts_total") == 2)
    order = [(e.service, e.dev_id) for e in received(gateway) if e.dev_id][-5:]
    assert order[-1] == ("real", "1")
    assert harness.value("winet2_device_up", device="S2200000002") == 1
    asked = len([e for e in received(gateway, "real") if e.dev_id == "1"])
    await harness.pass_time(90)
    assert len([e for e in received(gateway, "real") if e.dev_id == "1"]) == asked
    await harness.until(lambda: harness.value("winet2_request_timeouts_total") == 4)
    assert harness.value("winet2_up") == 1
    assert harness.value("winet2_device_up", device="S2200000002") == 1
    assert harness.values("winet2_pv_power_watts") == {}
    assert harness.values("winet2_mppt_voltage_volts")
    waits = [a for (name, a) in harness.states if name == "roof"]
    assert "backing_off" in waits
    gateway.clear()
    await harness.until(lambda: bool(harness.values("winet2_pv_power_watts")))


async def test_session_with_a_late_answer_never_takes_it_for_another_question(harness: Harness) -> None:
    """An answer after the time-out meets a closed socket; what is shown never comes from it."""
    gateway = await harness.gateway(faults=["slow:seconds=31:device=1:service=real:times=1"])
    await harness.start(harness.target(gateway))
    await harness.until(lambda: bool(harness.values("winet2_pv_power_watts")))
    assert gateway.counts.upgrades == 2
    soc = harness.values("winet2_battery_state_of_charge_ratio", device="S2200000002")
    assert len(soc) == 1
    assert harness.values("winet2_pv_power_watts", device="S2200000002") == {}


async def test_session_with_a_slow_gateway_waits(harness: Harness) -> None:
    """Five seconds for an answer are no fault."""
    gateway = await harness.gateway(faults=["slow:seconds=5"])
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    assert harness.errors() == {}
    assert 20 <= harness.value("winet2_refresh_duration_seconds") <= 30


@pytest.mark.parametrize(
    "fault, reason, apart",
    [
        ("drop:service=real:times=1", "connection_lost", 0),
        ("reset:service=real:times=1", "connection_lost", 0),
        ("reset:half=1:service=real:times=1", "connection_lost", 1),
        ("garbage:service=real:times=1", "garbled", 0),
        ("huge:service=real:times=1", "garbled", 1),
        ("wrong-service:service=real:times=1", "no_answer", 0),
    ],
)
async def test_session_with_a_broken_line_comes_back_by_itself(
    harness: Harness, fault: str, reason: str, apart: int
) -> None:
    """A lost or spoilt line costs one reconnect, and both ends agree on what was said."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gateway.inject(fault)
    await harness.state("backing_off")
    assert harness.errors()[reason] == 1
    await harness.state("online")
    await harness.cycles(2)
    assert harness.value("winet2_up") == 1
    assert gateway.counts.upgrades == 2
    assert harness.counts_agree(gateway, apart=apart)


@pytest.mark.parametrize("fault", ["split", "compact"])
async def test_session_reads_every_way_of_writing(harness: Harness, fault: str) -> None:
    """Answers in two messages, or without blanks, are answers."""
    gateway = await harness.gateway(faults=[fault])
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    assert harness.errors() == {}
    assert harness.value("winet2_pv_power_watts") > 0
    assert harness.counts_agree(gateway)


async def test_session_with_garbage_counts_it_as_a_validation_error(harness: Harness) -> None:
    """What is no JSON is counted by the schema counter and by its reason."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gateway.inject("garbage:service=real:times=1")
    await harness.state("backing_off")
    assert harness.value("winet2_schema_validation_errors_total") == 1
    assert harness.errors() == {"garbled": 1, "invalid_message": 1}


async def test_session_answered_only_with_busy_is_given_up_by_the_watchdog(harness: Harness) -> None:
    """Five cycles in a row without a reading force a reconnect."""
    gateway = await harness.gateway(faults=["busy"])
    await harness.start(harness.target(gateway))
    await harness.state("backing_off")
    assert harness.value("winet2_watchdog_triggers_total") == 1
    assert harness.value("winet2_refresh_failures_total") == 5
    assert harness.errors() == {"busy": 5, "watchdog": 1}
    gateway.clear()
    await harness.until(lambda: harness.value("winet2_up") == 1)


async def test_session_whose_gateway_vanishes_and_returns_recovers(harness: Harness) -> None:
    """Attempts follow the back-off while it is gone, and one finds it again."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gateway.inject("gateway-vanishes")
    await harness.state("backing_off")
    await harness.pass_time(3600)
    attempts = harness.value("winet2_ws_connection_attempts_total")
    assert 12 <= attempts <= 60
    assert harness.value("winet2_up") == 0
    assert harness.errors()["unreachable"] == harness.value("winet2_ws_connection_failures_total")
    await gateway.clear()
    await harness.until(lambda: harness.value("winet2_up") == 1)
    assert harness.counts_agree(gateway, apart=1)


@pytest.mark.parametrize("fault, state", [("gateway-vanishes", "backing_off"), ("user-limit", "yielded")])
async def test_session_that_is_tried_again_tells_what_the_failure_before_led_to(
    harness: Harness, fault: str, state: str
) -> None:
    """Its state alone tells no outage from a first start, and no trouble from a person at the gateway."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles()
    assert harness.pool.status("roof").failed_into is None
    gateway.inject(fault)
    await harness.state(state)
    await harness.state("connecting")
    assert harness.pool.status("roof").failed_into == state
    await gateway.clear()
    await harness.cycles()
    assert harness.pool.status("roof").failed_into is None


async def test_session_that_is_accepted_and_dropped_again_and_again_backs_off(harness: Harness) -> None:
    """A mere connection forgets no failure: the pauses grow."""
    gateway = await harness.gateway(faults=["drop:service=real"])
    await harness.start(harness.target(gateway))
    await harness.pass_time(1800)
    opened = [event.at for event in gateway.log if event.direction == "open"]
    pauses = [after - before for before, after in pairwise(opened)]
    assert len(opened) <= 25
    assert max(pauses[-3:]) > 60
    assert min(pauses) >= 1


@pytest.mark.parametrize("tls", [False, True])
async def test_session_with_a_gateway_that_never_closes_does_not_hang(harness: Harness, tls: bool) -> None:
    """The end takes a second at most although the close frame is never answered."""
    gateway = await harness.gateway(tls=tls, faults=["never-closes"])
    await harness.start(harness.target(gateway))
    await harness.cycles()
    began = harness.loop.time()
    await harness.stop()
    assert harness.loop.time() - began <= 3


# Logging in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault, state, reason",
    [("login-refused", "refused", "login_refused"), ("locked", "locked", "account_locked")],
)
async def test_session_with_a_refused_login_waits_half_an_hour_and_doubles(
    harness: Harness, fault: str, state: str, reason: str
) -> None:
    """A wrong password is not repeated before 30 min, then 60, so that no account is locked by us."""
    gateway = await harness.gateway(STRING, faults=[fault])
    await harness.start(harness.target(gateway))
    await harness.state(state)
    assert harness.value("winet2_target_state", state=state) == 1
    assert harness.errors() == {reason: 1}
    await harness.pass_time(5.6 * 3600)
    logins = [event.at for event in received(gateway, "login")]
    apart = [after - before for before, after in pairwise(logins)]
    assert apart == pytest.approx([1800, 3600, 7200], abs=5)
    gateway.clear()
    await harness.pass_time(4 * 3600)
    await harness.state("online")


@pytest.mark.parametrize("fault", ["must-change-password", "must-change-password:flag=0"])
async def test_session_when_the_password_must_be_changed_keeps_its_distance(
    harness: Harness, fault: str
) -> None:
    """Nobody who is changing the password is thrown out more often than every half hour."""
    gateway = await harness.gateway(STRING, faults=[fault])
    await harness.start(harness.target(gateway))
    await harness.state("refused")
    assert harness.errors() == {"password_change_required": 1}
    assert "web page" in harness.pool.status("roof").advice
    await harness.pass_time(3 * 3600)
    openings = [event.at for event in gateway.log if event.direction == "open"]
    assert len(openings) <= 7
    assert min(b - a for a, b in pairwise(openings)) >= 1800


async def test_session_thrown_out_by_a_person_yields_and_yields_longer_the_next_time(
    harness: Harness,
) -> None:
    """After “normal user limit” the gateway is left alone for 5 min; taken again soon after, for 10."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gateway.inject("user-limit")
    await harness.state("yielded")
    left = harness.loop.time()
    assert harness.errors() == {"user_limit": 1}
    await harness.state("online")
    assert harness.loop.time() - left == pytest.approx(300, abs=2)
    await harness.cycles()
    gateway.inject("user-limit")
    await harness.state("yielded")
    left = harness.loop.time()
    messages = gateway.counts.messages_received
    await harness.pass_time(590)
    assert gateway.counts.messages_received == messages
    assert gateway.counts.sockets_open == 0
    await harness.state("online")
    assert harness.loop.time() - left == pytest.approx(600, abs=2)


async def test_session_without_credentials_uses_the_factory_account_if_asked(harness: Harness) -> None:
    """A gateway that wants a login gets the public read-only account, and keeps it over reconnects."""
    gateway = await harness.gateway(STRING)
    await harness.start({k: v for k, v in harness.target(gateway).items() if k != "credentials"})
    await harness.cycles()
    assert gateway.counts.logins == 1
    gateway.inject("drop:service=real:times=1")
    await harness.until(lambda: gateway.counts.upgrades == 2)
    await harness.cycles()
    assert gateway.counts.logins == 2
    assert gateway.counts.logins_refused == 0


async def test_session_whose_factory_account_is_refused_never_tries_it_again(harness: Harness) -> None:
    """The factory account is tried once; afterwards only the question is put whether a login is wanted."""
    gateway = await harness.gateway(STRING, accounts={"user": "another"})
    await harness.start({k: v for k, v in harness.target(gateway).items() if k != "credentials"})
    await harness.state("refused")
    status = harness.pool.status("roof")
    refused = "the factory's account was refused: wrong user name or password (115)"
    assert status.error == f"the gateway wants a login; {refused}"
    assert "Give the target credentials" in status.advice
    await harness.pass_time(24 * 3600)
    assert len(received(gateway, "login")) == 1
    assert len(received(gateway, "connect")) >= 3
    assert harness.errors()["login_required"] >= 2


async def test_session_with_an_own_password_never_shows_it(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """Password and tokens are in no log line, metric, status or repr."""
    caplog.set_level("DEBUG")
    gateway = await harness.gateway(STRING, accounts={"user": PASSWORD})
    await harness.start(harness.target(gateway, credentials="own"))
    await harness.cycles(2)
    gateway.inject("drop:service=real:times=1")
    await harness.until(lambda: gateway.counts.upgrades == 2)
    await harness.cycles()
    session = harness.pool._sessions["roof"]
    shown = "\n".join(
        [
            *(str(vars(record)) for record in caplog.records),
            repr(harness.metrics()),
            repr(harness.pool.status("roof")),
            repr(session.target),
            repr(vars(session._login)),
        ]
    )
    tokens = {
        json.loads(event.text)["result_data"]["token"]
        for event in gateway.log
        if event.direction == "out" and event.service in ("connect", "login")
    }
    assert len(tokens) == 4
    for secret in (PASSWORD, PASSWORD[:8], *tokens):
        assert secret not in shown


async def test_session_with_a_missing_password_file_says_which(harness: Harness) -> None:
    """A password that cannot be read is a clear error, and no empty password is sent."""
    gateway = await harness.gateway(STRING)
    settings = harness.configuration(harness.target(gateway))
    target = replace(
        settings.targets[0], credentials=Credentials(username="user", password_file="/nowhere/at/all")
    )
    await harness.run(Config(targets=(target,)))
    await harness.state("backing_off")
    assert harness.errors() == {"login_required": 1}
    assert "/nowhere/at/all" in harness.pool.status("roof").error
    assert received(gateway, "login") == []


# Values ----------------------------------------------------------------------------------------------


async def test_session_with_all_zeros_shows_no_total_and_no_battery(harness: Harness) -> None:
    """Totals of exactly 0 are held off, and a battery without voltage, charge and health is none."""
    gateway = await harness.gateway(faults=["all-zeros"])
    await harness.start(harness.target(gateway))
    await harness.cycles()
    inverter = "A2200000001"
    assert harness.values("winet2_pv_energy_joules_total") == {}
    assert harness.values("winet2_battery_state_of_charge_ratio", device=inverter) == {}
    assert harness.values("winet2_pv_power_watts") == {}
    assert harness.values("winet2_grid_frequency_hertz") == {}
    assert harness.errors()["implausible"] >= 2


async def test_session_with_all_zeros_for_minutes_keeps_the_totals_out_of_prometheus(
    harness: Harness,
) -> None:
    """A gateway that says 0 for a while and then the truth again makes no lifetime count twice."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    before = harness.value("winet2_pv_energy_joules_total")
    gateway.inject("all-zeros")
    for _ in range(12):
        await harness.cycles()
        assert harness.values("winet2_pv_energy_joules_total") == {}
    gateway.clear()
    await harness.cycles()
    assert harness.value("winet2_pv_energy_joules_total") >= before
    assert harness.values("winet2_counter_resets_total") == {}


@pytest.mark.parametrize("fault", ["total-steps-back", "total-spikes"])
async def test_session_with_a_total_that_jumps_holds_it_off(harness: Harness, fault: str) -> None:
    """One wrong reading of a total is no sample; two cycles later nothing is left of it."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    before = harness.value("winet2_pv_energy_joules_total")
    gateway.inject(f"{fault}:service=real:device=1:times=1")
    await harness.cycles()
    assert harness.values("winet2_pv_energy_joules_total") == {}
    assert harness.value("winet2_pv_power_watts") > 0
    await harness.cycles()
    assert before <= harness.value("winet2_pv_energy_joules_total") <= before + 3.6e6
    assert harness.values("winet2_counter_resets_total") == {}


async def test_session_with_a_total_that_stays_lower_accepts_it_as_a_reset(harness: Harness) -> None:
    """A step back that lasts three cycles is true, and counted."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    before = harness.value("winet2_pv_energy_joules_total")
    gateway.inject("total-steps-back:by=100:service=real:device=1")
    await harness.cycles(3)
    assert harness.value("winet2_pv_energy_joules_total") == pytest.approx(before - 3.6e8, abs=3.6e6)
    assert harness.value("winet2_counter_resets_total", family="winet2_pv_energy_joules_total") == 1


async def test_session_of_a_vanished_device_drops_its_series_with_the_list(harness: Harness) -> None:
    """While it is listed its values go stale, and with the next list they are gone."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gateway.inject("device-vanishes:device=2")
    await harness.until(lambda: harness.value("winet2_device_up", device="S2200000002") == 0)
    assert harness.values("winet2_battery_voltage_volts", device="S2200000002") == {}
    assert harness.value("winet2_device_up", device="A2200000001") == 1
    await harness.until(lambda: not harness.values("winet2_device_up", device="S2200000002"))
    assert harness.value("winet2_devices") == 1


# Handshake and list ----------------------------------------------------------------------------------


async def test_session_whose_connect_brings_no_token_backs_off(harness: Harness) -> None:
    """A greeting without token is garbled, and the next one is taken."""
    gateway = await harness.gateway(STRING, faults=["no-token:times=1"])
    await harness.start(harness.target(gateway))
    await harness.state("backing_off")
    assert harness.errors() == {"garbled": 1}
    assert received(gateway, "login") == []
    await harness.cycles()
    assert harness.value("winet2_up") == 1


@pytest.mark.parametrize(
    "fault, reason",
    [
        ("login-timeout:service=login:times=1", "session_expired"),
        ("code:code=201:service=login:times=1", "busy"),
        ("code:code=104:service=login:times=1", "session_expired"),
        ("code:code=104:service=connect:times=1", "session_expired"),
        ("code:code=201:service=connect:times=1", "session_expired"),
    ],
)
async def test_session_whose_login_fails_for_no_fault_of_the_password_backs_off(
    harness: Harness, fault: str, reason: str
) -> None:
    """A busy or forgetful gateway is asked again within seconds, not after half an hour."""
    gateway = await harness.gateway(STRING, faults=[fault])
    await harness.start(harness.target(gateway))
    await harness.state("backing_off")
    assert harness.errors() == {reason: 1}
    await harness.cycles()
    assert harness.loop.time() - harness.began < 10


async def test_session_whose_login_is_refused_with_an_unknown_code_does_not_repeat_it(
    harness: Harness,
) -> None:
    """The code of a wrong password is not sure, so any refusal counts as one."""
    gateway = await harness.gateway(STRING, faults=["code:code=117:service=login"])
    await harness.start(harness.target(gateway))
    await harness.state("refused")
    await harness.pass_time(1700)
    assert len(received(gateway, "login")) == 1
    assert harness.errors() == {"login_refused": 1}


async def test_session_told_in_midlife_that_the_account_is_locked_stays_away(harness: Harness) -> None:
    """114 as the answer to a reading is a lock as well."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gateway.inject("code:code=114:service=real:times=1")
    await harness.state("locked")
    logins = gateway.counts.logins
    await harness.pass_time(1790)
    assert gateway.counts.logins == logins


@pytest.mark.parametrize(
    "fault", ["code:code=301:service=devicelist:times=2", "missing-data:service=devicelist:times=2"]
)
async def test_session_whose_device_list_fails_asks_for_it_again_in_the_next_cycle(
    harness: Harness, fault: str
) -> None:
    """Without a list there is nothing to ask; the list is asked again, on the same line."""
    gateway = await harness.gateway(STRING, faults=[fault])
    await harness.start(harness.target(gateway))
    await harness.until(lambda: harness.value("winet2_up") == 1)
    assert len(received(gateway, "devicelist")) == 3
    assert gateway.counts.upgrades == 1


async def test_session_keeps_a_device_apart_from_its_dev_id(harness: Harness) -> None:
    """After a reconnect the ids are exchanged; the series stay with the serial numbers."""
    profile = load_profile(OLD)
    inverter, battery = profile.devices
    swapped = replace(
        profile,
        devices=(
            replace(inverter, item={**inverter.item, "dev_id": 2}),
            replace(battery, item={**battery.item, "dev_id": 1}),
        ),
    )
    gateway = await harness.gateway(profile)
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    before = harness.values("winet2_pv_energy_joules_total")
    port = gateway.port
    await gateway.stop()
    await harness.state("backing_off")
    other = await harness.gateway(swapped, port=port)
    await harness.until(lambda: other.counts.messages_received >= 6)
    await harness.cycles()
    assert ("real_battery", "2") in [(event.service, event.dev_id) for event in received(other)]
    assert harness.values("winet2_pv_energy_joules_total").keys() == before.keys()
    assert len(harness.values("winet2_device_info")) == 2
    assert harness.value("winet2_battery_state_of_charge_ratio", device="S2200000002") > 0


async def test_session_with_entries_that_cannot_be_used_counts_and_keeps_the_rest(harness: Harness) -> None:
    """A device without dev_id and one without serial cost only themselves."""
    profile = load_profile(OLD)
    inverter, battery = profile.devices
    nobody = replace(inverter, item={**inverter.item, "dev_id": "none"})
    nameless = replace(battery, item={k: v for k, v in battery.item.items() if k != "dev_sn"})
    gateway = await harness.gateway(replace(profile, devices=(inverter, nobody, nameless)))
    await harness.start(harness.target(gateway))
    await harness.cycles()
    assert harness.errors() == {"invalid_device": 1, "missing_serial": 1}
    assert harness.value("winet2_schema_validation_errors_total") == 2
    assert harness.value("winet2_device_up", device="dev_id:2") == 1
    assert harness.value("winet2_device_up", device="A2200000001") == 1
    assert harness.value("winet2_devices") == 2


async def test_session_without_a_new_device_list_asks_nothing_by_old_ids(harness: Harness) -> None:
    """After a reconnect ids may mean other devices: until they are listed anew, nobody is asked."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gateway.inject("code:code=201:service=devicelist")
    gateway.inject("drop:service=real:times=1")
    await harness.until(lambda: gateway.counts.upgrades == 2)
    before = len(received(gateway, "real"))
    await harness.cycles(2)
    assert len(received(gateway, "real")) == before
    gateway.clear()
    await harness.until(lambda: len(received(gateway, "real")) > before)


async def test_session_refused_a_reading_for_want_of_a_login_tries_the_factory_account(
    harness: Harness,
) -> None:
    """A gateway that lists freely and reads only after a login gets one at the next connection."""
    gateway = await harness.gateway(OLD, faults=["code:code=401:service=real:times=1"])
    await harness.start(harness.target(gateway))
    await harness.state("backing_off")
    await harness.cycles()
    assert len(received(gateway, "login")) == 1
    assert harness.value("winet2_up") == 1


async def test_session_whose_factory_login_was_cut_off_may_try_it_again(harness: Harness) -> None:
    """A dropped line is no refusal."""
    gateway = await harness.gateway(STRING, faults=["drop:service=login:times=1"])
    await harness.start({k: v for k, v in harness.target(gateway).items() if k != "credentials"})
    await harness.cycles()
    assert gateway.counts.upgrades == 2
    assert harness.value("winet2_up") == 1


async def test_session_stopped_while_it_opens_begins_nothing_new(harness: Harness) -> None:
    """After the end was asked for, nobody is thrown out by a login."""
    gateway = await harness.gateway(STRING, faults=["slow:seconds=1:service=connect"])
    await harness.start(harness.target(gateway))
    await gateway.until(lambda: gateway.counts.messages_received == 1)
    await harness.stop()
    await gateway.until(lambda: gateway.counts.sockets_open == 0)
    assert received(gateway, "login") == []


async def test_session_with_equal_serials_keeps_them_apart_whatever_the_order(harness: Harness) -> None:
    """The order of the list may change; which of two equal serial numbers is which may not."""
    profile = load_profile(OLD)
    inverter, battery = profile.devices
    twin = replace(battery, item={**battery.item, "dev_sn": inverter.item["dev_sn"]})
    for devices in ((inverter, twin), (twin, inverter)):
        gateway = await harness.gateway(replace(profile, devices=devices))
        await harness.start(harness.target(gateway))
        await harness.cycles()
        assert harness.value("winet2_device_info", device="A2200000001", kind="hybrid") == 1
        assert harness.value("winet2_device_info", device="A2200000001#2", kind="battery") == 1
        await harness.stop()


async def test_session_with_thousands_of_devices_takes_a_bounded_number(harness: Harness) -> None:
    """A mad gateway costs itself, not the others."""
    profile = load_profile(OLD)
    inverter, _ = profile.devices
    many = tuple(replace(inverter, item={**inverter.item, "dev_id": n}) for n in range(1, 2001))
    gateway = await harness.gateway(replace(profile, devices=many))
    await harness.start(harness.target(gateway))
    await harness.state("online")
    await harness.until(lambda: harness.pool.status("roof").device_count is not None)
    assert harness.pool.status("roof").device_count == 64
    assert harness.errors()["invalid_device"] == 1


async def test_session_whose_password_file_was_corrected_tries_at_once(
    harness: Harness, tmp_path: Path
) -> None:
    """Nobody waits half an hour after mending the file; a wrong one is not repeated."""
    gateway = await harness.gateway(STRING)
    file = tmp_path / "password"
    file.write_text("wrong\n")
    settings = harness.configuration(harness.target(gateway))
    account = Credentials(username="user", password_file=str(file))
    await harness.run(Config(targets=(replace(settings.targets[0], credentials=account),)))
    await harness.state("refused")
    await harness.pass_time(600)
    assert len(received(gateway, "login")) == 1
    file.write_text("pw1111\n")
    mended = harness.loop.time()
    await harness.state("online")
    assert harness.loop.time() - mended < 20
    assert len(received(gateway, "login")) == 2


async def test_session_whose_corrected_password_must_be_changed_keeps_its_distance(
    harness: Harness, tmp_path: Path
) -> None:
    """An accepted password is not the refused one of before: nobody is thrown out every few seconds."""
    gateway = await harness.gateway(STRING)
    file = tmp_path / "password"
    file.write_text("wrong\n")
    settings = harness.configuration(harness.target(gateway))
    account = Credentials(username="user", password_file=str(file))
    await harness.run(Config(targets=(replace(settings.targets[0], credentials=account),)))
    await harness.state("refused")
    gateway.inject("must-change-password:flag=0")
    file.write_text("pw1111\n")
    await harness.until(lambda: "password_change_required" in harness.errors())
    logins = len(received(gateway, "login"))
    await harness.pass_time(1700)
    assert len(received(gateway, "login")) == logins


def test_every_fault_of_the_simulator_has_a_test_over_a_real_socket() -> None:
    """A fault that can be named but is not tried would be a promise only."""
    folder = Path(__file__).parent
    tried = "".join(path.read_text() for path in folder.glob("test_*.py"))
    assert [name for name in KINDS if f'"{name}' not in tried] == []
