"""Many sessions at once: how they begin, that they leave each other alone, and how they end."""

import asyncio

import pytest

from tests.harness import OLD, STRING, Harness

STEPS = ["mute", *(f"silence:service={service}" for service in ("connect", "login", "devicelist", "real"))]


async def test_pool_begins_the_first_twenty_at_once(harness: Harness) -> None:
    """A home waits for nothing."""
    gateways = [await harness.gateway(OLD, host=f"127.0.0.{n}") for n in range(1, 21)]
    await harness.start(*(harness.target(g, name=g.host) for g in gateways))
    await harness.until(lambda: all(s.state == "online" for s in harness.pool.statuses().values()))
    assert harness.loop.time() - harness.began < 2


async def test_pool_never_has_more_than_fifty_connections_under_way(harness: Harness) -> None:
    """With eighty mute gateways, fifty are being opened and thirty wait for their turn."""
    gateways = [await harness.gateway(OLD, host=f"127.0.1.{n}", faults=["mute"]) for n in range(1, 81)]
    await harness.start(*(harness.target(g, name=g.host) for g in gateways))
    await harness.pass_time(15)
    assert sum(gateway.counts.tcp_accepted for gateway in gateways) == 50
    await harness.pass_time(10)
    assert all(gateway.counts.tcp_accepted for gateway in gateways)
    assert sum(gateway.counts.tcp_accepted for gateway in gateways) == 100


async def test_pool_with_one_sick_gateway_serves_the_others(harness: Harness) -> None:
    """Silence, garbage and resets of one target are nobody else's."""
    sick = await harness.gateway(OLD, faults=["reset:service=real"])
    sound = await harness.gateway(STRING)
    await harness.start(harness.target(sick, name="sick"), harness.target(sound, name="sound"))
    await harness.pass_time(600)
    assert harness.value("winet2_up", target="sick") == 0
    assert harness.value("winet2_up", target="sound") == 1
    assert harness.errors("sound") == {}
    assert sound.counts.upgrades == 1
    assert harness.counts_agree(sound, "sound")


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("fault", STEPS)
async def test_pool_closed_at_any_step_leaves_no_task_and_no_socket(
    harness: Harness, fault: str, tls: bool
) -> None:
    """Whatever a gateway keeps us waiting for, the end comes within three seconds and is complete."""
    gateway = await harness.gateway(STRING, tls=tls, faults=[fault])
    await harness.start(harness.target(gateway))
    await harness.pass_time(1)
    began = harness.loop.time()
    await harness.stop()
    assert harness.loop.time() - began <= 3.1
    await gateway.until(lambda: gateway.counts.sockets_open == 0)
    counters = harness.pool.status("roof").counters
    assert counters.attempts == counters.successes + counters.failures == 1


async def test_pool_closed_while_backing_off_ends_at_once(harness: Harness) -> None:
    """Nobody waits for a pause of half an hour."""
    gateway = await harness.gateway(STRING, faults=["login-refused"])
    await harness.start(harness.target(gateway))
    await harness.state("refused")
    began = harness.loop.time()
    await harness.stop()
    assert harness.loop.time() - began < 0.1


async def test_pool_cancelled_from_outside_closes_its_sockets(harness: Harness) -> None:
    """A session's task that is cancelled in mid-question takes its socket with it."""
    gateway = await harness.gateway(OLD, faults=["silence:service=real"])
    await harness.start(harness.target(gateway))
    await gateway.until(lambda: gateway.counts.messages_received >= 3)
    task = next(task for task in asyncio.all_tasks() if task.get_name() == "winet:roof")
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    await gateway.until(lambda: gateway.counts.sockets_open == 0)
    assert not harness.pool.tasks_alive()
    harness.may_lose_sessions = True


async def test_pool_with_a_defect_in_a_session_goes_on_and_counts_it(
    harness: Harness, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours is an ERROR with traceback and a back-off, never a dead target."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    cycle = harness.pool._sessions["roof"]._cycle

    def broken(started: float) -> None:
        raise ZeroDivisionError("made on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(cycle, "_publish", broken)
        await harness.state("backing_off")
    assert harness.errors()["internal"] == 1
    assert any(record.levelname == "ERROR" and record.exc_info for record in caplog.records)
    await harness.until(lambda: harness.pool.status("roof").state == "online")
    await harness.cycles()


async def test_pool_counters_agree_with_the_gateway_through_drops_and_refusals(harness: Harness) -> None:
    """Where faults fall between messages the six counters are exactly the gateway's."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway))
    for fault in ("drop:service=real:times=1", "upgrade-refused:times=2", "drop:service=direct:times=1"):
        await harness.cycles(2)
        gateway.inject(fault)
    await harness.cycles(3)
    gateway.inject("gateway-vanishes:seconds=200")
    await harness.pass_time(900)
    await harness.cycles(2)
    assert harness.counts_agree(gateway, apart=0)
    refused = harness.errors()
    assert harness.value("winet2_ws_connection_failures_total") == sum(
        refused.get(reason, 0) for reason in ("upgrade_refused", "unreachable")
    )


async def test_pool_logs_the_first_failure_and_the_recovery_once(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """WARNING at first, DEBUG for repeats, INFO with the outage's length at the end."""
    caplog.set_level("DEBUG")
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    gateway.inject("upgrade-refused")
    gateway.inject("drop:service=real:times=1")
    await harness.pass_time(600)
    gateway.clear()
    await harness.until(lambda: harness.value("winet2_up") == 1)
    failures = [r for r in caplog.records if r.getMessage() == "connection failed"]
    reasons = [r.fields["reason"] for r in failures if r.levelname == "WARNING"]
    assert reasons == ["connection_lost", "upgrade_refused"]
    assert len([r for r in failures if r.levelname == "DEBUG"]) >= 4
    (recovered,) = [r for r in caplog.records if r.getMessage() == "recovered"]
    assert recovered.levelname == "INFO"
    assert recovered.fields["outage_seconds"] > 500
    assert all(r.fields["target"] == "roof" for r in failures)
