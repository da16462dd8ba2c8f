"""What is kept of gateways that invent, fail or are asked for once: no more than there is of them now."""

import gc

import pytest

from exporter.winet.connection import Connection
from tests.harness import OLD, Harness


def living(kind: type) -> list[object]:
    """Every object of a class that somebody still holds."""
    gc.collect()
    return [thing for thing in gc.get_objects() if isinstance(thing, kind)]


@pytest.mark.parametrize("fault", ["garbage", "drop", "silence", "token-expired", "user-limit:times=0"])
async def test_session_when_its_line_was_lost_then_nothing_of_the_line_is_kept(
    harness: Harness, fault: str
) -> None:
    """An outage may last for days: the last words of a gateway and its socket must not."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    gateway.inject(f"{fault}:service=real")
    await harness.until(lambda: harness.pool.status("roof").state in ("backing_off", "yielded"))
    assert harness.pool.status("roof").error
    assert living(Connection) == []
