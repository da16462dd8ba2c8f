"""The crowd says what a simulated gateway says, at many addresses, and counts what it sees."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from benchmarks.crowd import PING, Crowd, address, crowd_process, serial
from benchmarks.gateway import hybrid_alone
from exporter.telemetry import Service
from exporter.winet import lists, messages

pytestmark = pytest.mark.real


async def ask(socket: aiohttp.ClientWebSocketResponse, request: str) -> Any:
    await socket.send_str(request)
    async with asyncio.timeout(20):
        return json.loads((await socket.receive()).data)


@pytest.mark.parametrize("tls", [False, True])
async def test_gateways_of_a_crowd_answer_each_with_its_own_serial_number(tls: bool) -> None:
    """Every question of a session is answered as by a gateway, and every address is one."""
    profile = hybrid_alone()
    with crowd_process(tls=tls, interval=10.0) as crowd:
        async with aiohttp.ClientSession() as http:
            for number in (0, 249, 250, 999):
                url = f"{'wss' if tls else 'ws'}://{address(number)}:{crowd.port}/ws/home/overview"
                async with http.ws_connect(url, ssl=False) as socket:
                    greeting = await ask(socket, messages.connect_request())
                    token = greeting["result_data"]["token"]
                    reply = messages.decode(
                        json.dumps(await ask(socket, messages.device_list_request(token)))
                    )
                    decoded = lists.decode_devices(reply)
                    assert decoded is not None
                    assert [device.identity for device in decoded.items] == [serial(number)]
                    device = decoded.items[0]
                    for service in Service:
                        answer = await ask(socket, messages.reading_request(token, service, device.dev_id))
                        expected = getattr(profile.devices[0], service)
                        assert answer["result_data"]["count"] == len(expected)
                    ping = await ask(socket, messages.ping_request("x"))
                    assert ping == json.loads(PING.partition(b"{")[1] + PING.partition(b"{")[2])
                    assert (await ask(socket, messages.logout_request(token)))["result_code"] == 1
        figures = await settled(crowd)
    assert figures["accepted"] == figures["refreshed"] == 4
    assert figures["most_under_way"] == 1
    assert figures["questions"] == 4 * 7


async def settled(crowd: Crowd) -> dict[str, Any]:
    """Its figures once every connection is gone."""
    async with asyncio.timeout(20):
        while (figures := await asyncio.to_thread(crowd.figures))["open"]:
            pass
    return figures


def test_addresses_and_serial_numbers_are_all_different() -> None:
    """Ten thousand gateways have as many addresses, all of them this computer's own."""
    addresses = {address(number) for number in range(70_000)}
    assert len(addresses) == 70_000
    assert all(text.startswith("127.") and not text.endswith((".0", ".255")) for text in addresses)
    assert len({serial(number) for number in range(70_000)}) == 70_000
