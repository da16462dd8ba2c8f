"""Targets that come, go, change and are left alone while the pool runs."""

import pytest

from exporter.config import Config, Target
from exporter.simulator import SimulatedGateway
from tests.harness import OLD, STRING, Harness, received


def targets(harness: Harness, *raw: dict[str, object]) -> tuple[Target, ...]:
    return harness.configuration(*raw).targets


async def test_apply_with_the_same_target_keeps_its_socket_and_its_counters(harness: Harness) -> None:
    """A reload is nothing to a target that did not change."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    assert await harness.pool.apply(targets(harness, harness.target(gateway))) == frozenset()
    await harness.cycles(2)
    assert gateway.counts.upgrades == 1
    assert harness.counts_agree(gateway)


async def test_apply_with_a_changed_target_logs_out_before_it_connects_anew(harness: Harness) -> None:
    """Never two sockets, and the counters go on."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    changed = targets(harness, harness.target(gateway, labels={"site": "home"}))
    assert await harness.pool.apply(changed) == frozenset()
    await harness.until(lambda: gateway.counts.upgrades == 2)
    await harness.cycles(1)
    services = [event.service for event in received(gateway)]
    assert services.index("logout") < len(services) - 1 - services[::-1].index("connect")
    assert gateway.counts.max_sockets_open == 1
    assert harness.value("winet2_ws_connection_successes_total") == 2
    assert harness.value("winet2_ws_reconnections_total") == 1
    assert harness.value("winet2_target_info", site="home") == 1


async def test_apply_without_a_target_logs_it_out(harness: Harness) -> None:
    """Its name is told, so that its series can go."""
    stays, goes = await harness.gateway(OLD), await harness.gateway(STRING)
    await harness.start(harness.target(stays, name="stays"), harness.target(goes, name="goes"))
    await harness.cycles(target="goes")
    assert await harness.pool.apply(targets(harness, harness.target(stays, name="stays"))) == {"goes"}
    await goes.until(lambda: goes.counts.sockets_open == 0)
    assert received(goes, "logout")
    assert harness.pool.names == ("stays",)
    with pytest.raises(KeyError):
        harness.pool.status("goes")


async def test_apply_with_another_name_for_a_gateway_never_opens_a_second_socket(harness: Harness) -> None:
    """A renamed target is the old one's end before it is a new one's beginning."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway, name="old"))
    await harness.cycles(target="old")
    await harness.pool.apply(targets(harness, harness.target(gateway, name="new")))
    await harness.cycles(target="new")
    assert gateway.counts.max_sockets_open == 1


async def test_apply_with_a_silent_gateway_takes_no_longer_than_its_end(harness: Harness) -> None:
    """Three seconds, whatever it does."""
    gateway = await harness.gateway(OLD, faults=["silence:service=real"])
    await harness.start(harness.target(gateway))
    await harness.pass_time(1)
    began = harness.loop.time()
    await harness.pool.apply(())
    assert harness.loop.time() - began <= 3.1


# Pauses ----------------------------------------------------------------------------------------------


async def test_pause_with_a_running_session_logs_out_and_stays_away(harness: Harness) -> None:
    """A person can use the gateway's own page; afterwards the exporter is back by itself."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    harness.pool.pause("roof", 900)
    await harness.state("paused")
    await gateway.until(lambda: gateway.counts.sockets_open == 0)
    assert received(gateway)[-1].service == "logout"
    accepted = gateway.counts.tcp_accepted
    await harness.pass_time(890)
    assert gateway.counts.tcp_accepted == accepted
    assert harness.value("winet2_target_state", state="paused") == 1
    assert harness.value("winet2_up") == 0
    await harness.pass_time(20)
    assert harness.pool.status("roof").state == "online"
    assert harness.errors() == {}


async def test_resume_with_a_pause_ends_it_at_once(harness: Harness) -> None:
    """Who is done early says so."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    assert harness.pool.resume("roof") is False
    harness.pool.pause("roof", 86400)
    await harness.state("paused")
    assert harness.pool.resume("roof") is True
    began = harness.loop.time()
    await harness.state("online")
    assert harness.loop.time() - began < 2


async def long_gone(harness: Harness) -> SimulatedGateway:
    """A gateway that has been out of reach for half an hour."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    gateway.inject("gateway-vanishes")
    await harness.pass_time(1800)
    return gateway


async def long_pause(harness: Harness) -> None:
    """Until the next attempt is more than a minute away."""
    await harness.until(lambda: (harness.pool.status("roof").retry_at or 0.0) > harness.clock() + 60)


async def test_resume_in_a_back_off_tries_once_and_the_pauses_go_on_growing(harness: Harness) -> None:
    """Who has just mended the cable need not wait; if it was not the cable, nothing is forgotten."""
    gateway = await long_gone(harness)
    await long_pause(harness)
    await harness.pass_time(5)
    attempts = harness.pool.status("roof").counters.attempts
    assert harness.pool.resume("roof") is True
    await harness.pass_time(1)
    assert harness.pool.status("roof").counters.attempts == attempts + 1
    await long_pause(harness)
    await gateway.clear()
    assert harness.pool.resume("roof") is True
    began = harness.loop.time()
    await harness.state("online")
    assert harness.loop.time() - began < 3


async def test_resume_again_and_again_tries_no_sooner_than_two_seconds_after_the_last_attempt(
    harness: Harness,
) -> None:
    """A hand on the button must not keep a small computer down."""
    await long_gone(harness)
    attempts = harness.pool.status("roof").counters.attempts
    for _ in range(200):
        harness.pool.resume("roof")
        await harness.pass_time(0.1)
    assert 8 <= harness.pool.status("roof").counters.attempts - attempts <= 11


async def test_resume_of_a_paused_target_ends_its_back_off_too(harness: Harness) -> None:
    """Who worked at the gateway says that they are done."""
    gateway = await long_gone(harness)
    await long_pause(harness)
    harness.pool.pause("roof", 10)
    await harness.state("paused")
    await gateway.clear()
    assert harness.pool.resume("roof") is True
    began = harness.loop.time()
    await harness.state("online")
    assert harness.loop.time() - began < 3


@pytest.mark.parametrize("fault, state", [
    ("login-refused", "refused"), ("locked", "locked"), ("user-limit", "yielded"),
])  # fmt: skip
async def test_resume_with_a_wait_that_is_for_an_account_or_a_person_does_nothing(
    harness: Harness, fault: str, state: str
) -> None:
    """A button must not lock an account, nor throw out who is logged in."""
    gateway = await harness.gateway(STRING, faults=[fault])
    await harness.start(harness.target(gateway))
    await harness.state(state)
    retry_at = harness.pool.status("roof").retry_at
    assert harness.pool.resume("roof") is False
    await harness.pass_time(200)
    assert (harness.pool.status("roof").state, harness.pool.status("roof").retry_at) == (state, retry_at)
    assert len(received(gateway, "login")) == 1


async def test_pause_with_another_pause_under_way_replaces_it(harness: Harness) -> None:
    """The last word counts, be it longer or shorter."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    harness.pool.pause("roof", 60)
    await harness.state("paused")
    harness.pool.pause("roof", 600)
    await harness.pass_time(300)
    assert harness.pool.status("roof").state == "paused"
    harness.pool.pause("roof", 1)
    await harness.pass_time(5)
    assert harness.pool.status("roof").state == "online"


async def test_pause_in_a_refusal_does_not_shorten_it(harness: Harness) -> None:
    """A wrong password is not tried again because somebody pressed a button."""
    gateway = await harness.gateway(STRING, faults=["login-refused"])
    await harness.start(harness.target(gateway))
    await harness.state("refused")
    harness.pool.pause("roof", 60)
    await harness.state("paused")
    await harness.state("refused")
    await harness.pass_time(1600)
    assert len(received(gateway, "login")) == 1
    await harness.pass_time(300)
    assert len(received(gateway, "login")) == 2


async def test_pause_before_the_login_sends_none(harness: Harness) -> None:
    """The login would throw out the person that the pause is for."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway))
    harness.pool.pause("roof", 60)
    await harness.state("paused")
    assert received(gateway, "login") == []


async def test_pause_with_a_changed_target_goes_on(harness: Harness) -> None:
    """A reload does not end it."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    harness.pool.pause("roof", 600)
    await harness.state("paused")
    await harness.pool.apply(targets(harness, harness.target(gateway, labels={"site": "home"})))
    await harness.pass_time(500)
    assert harness.pool.status("roof").state == "paused"
    await harness.pass_time(110)
    assert harness.pool.status("roof").state == "online"


async def test_pause_of_a_target_that_is_not_there_is_an_error(harness: Harness) -> None:
    """Names are checked."""
    await harness.run(Config(targets=()))
    for act in (lambda: harness.pool.pause("cellar", 1), lambda: harness.pool.resume("cellar")):
        with pytest.raises(KeyError):
            act()


# Single targets --------------------------------------------------------------------------------------


async def test_add_and_retire_with_one_gateway_never_overlap(harness: Harness) -> None:
    """Who comes back while the last session is just leaving waits for its end."""
    gateway = await harness.gateway(STRING)
    await harness.run(Config(targets=()))
    (target,) = targets(harness, harness.target(gateway))
    for _ in range(3):
        await harness.pool.add(target)
        await harness.cycles()
        harness.pool.retire("roof")
    await harness.pool.add(target)
    await harness.pool.add(target)
    await harness.cycles()
    assert gateway.counts.max_sockets_open == 1
    assert len(received(gateway, "logout")) == 3
