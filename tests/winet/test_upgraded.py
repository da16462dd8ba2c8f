"""What an open WebSocket holds on to: nothing of its opening, and still its connection."""

import gc
from types import SimpleNamespace

import pytest

from exporter.config import Target
from exporter.winet import upgraded
from exporter.winet.dial import Dialer, make_http_client
from tests.harness import OLD, STRING, Harness


@pytest.mark.parametrize("profile", [OLD, STRING])
async def test_websocket_when_open_then_its_opening_is_forgotten(harness: Harness, profile: str) -> None:
    """No response, no headers, no parser of HTTP are kept for the months that a line may last."""
    gateway = await harness.gateway(profile)
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gc.collect()
    kinds = {type(kept).__name__ for kept in gc.get_objects()}
    assert "UpgradedWebSocket" in kinds
    assert not kinds & {"ClientResponse", "ClientRequest", "RawResponseMessage", "HttpResponseParser"}


async def test_websocket_when_dropped_without_a_good_bye_then_its_line_ends(harness: Harness) -> None:
    """As with the response that it held before: nothing stays open that nobody can close any more."""
    gateway = await harness.gateway(OLD)
    async with make_http_client() as http:
        target = Target(name="roof", host=gateway.host, port=gateway.port, transport="ws")
        websocket, _ = await Dialer(target, http).open()
        assert gateway.counts.sockets_open == 1
        assert websocket.get_extra_info("peername")[1] == gateway.port
        del websocket
        gc.collect()
        await gateway.until(lambda: gateway.counts.sockets_open == 0)


async def test_websocket_when_closed_then_it_has_no_connection_any_more(harness: Harness) -> None:
    """And to close it once more is no mistake."""
    gateway = await harness.gateway(OLD)
    async with make_http_client() as http:
        target = Target(name="roof", host=gateway.host, port=gateway.port, transport="ws")
        websocket, _ = await Dialer(target, http).open()
        assert await websocket.close()
        assert not await websocket.close()
        assert websocket.get_extra_info("peername", "none") == "none"


def test_websocket_when_aiohttp_has_other_insides_then_the_response_is_kept() -> None:
    """A later version may name them differently: what is not understood is left as it is."""
    response = SimpleNamespace(connection=object(), _connection=None, _closed=False)
    assert upgraded._without_opening(response) is response
    response = SimpleNamespace(connection=None, _connection=None)
    assert upgraded._without_opening(response) is response


def test_websocket_when_the_protocol_has_other_insides_then_they_are_left() -> None:
    """The response can go nevertheless."""
    connection = SimpleNamespace(protocol=SimpleNamespace(upgraded=True, _buffer=["waiting"]))
    response = SimpleNamespace(connection=connection, _connection=connection, _closed=False)
    connection.close = lambda: None
    assert upgraded._without_opening(response).connection is connection
    assert vars(connection.protocol) == {"upgraded": True, "_buffer": ["waiting"]}
    assert response._connection is None


def test_nothing_when_it_is_one_for_all_then_nothing_can_be_put_into_it() -> None:
    """A message that came where none can come would else reach all."""
    upgraded.NOTHING.append("message")
    assert not upgraded.NOTHING
