"""A client for the simulated gateway, made with aiohttp, so that the two ends share no code."""

import json
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import aiohttp
import pytest

from exporter.simulator import prepare_certificates

OLD = "SH5.0RS_WiNet-S_P012"
FORCED = "SG10RS_WiNet-S2_SV300.001.03.P012"
THREE_PHASE = "SH10RT_WiNet-S2_P028"
LARGE = "SG110CX_WiNet-S2_P028"
NIGHT = "SH10RS_WiNet-S_P020_night"

NOON = datetime(2026, 6, 1, 12, 30, 20, tzinfo=timezone(timedelta(hours=2)))


def noon() -> datetime:
    """A clock that stands still at half past twelve on a sunny day."""
    return NOON


class Client:
    """One WebSocket and its token."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.token = ""

    async def send(self, service: str, **fields: Any) -> None:
        question = {"lang": "en_us", "token": self.token, "service": service, **fields}
        await self.socket.send_str(json.dumps(question))

    async def text(self, service: str, **fields: Any) -> str:
        await self.send(service, **fields)
        return await self.socket.receive_str()

    async def ask(self, service: str, **fields: Any) -> dict[str, Any]:
        return json.loads(await self.text(service, **fields))

    async def hear(self) -> dict[str, Any]:
        return json.loads(await self.socket.receive_str())

    async def connect(self) -> dict[str, Any]:
        reply = await self.ask("connect")
        self.token = reply["result_data"]["token"]
        return reply

    async def login(self, username: str = "user", password: str = "pw1111") -> dict[str, Any]:
        reply = await self.ask("login", username=username, passwd=password)
        if "token" in reply.get("result_data", {}):
            self.token = reply["result_data"]["token"]
        return reply


Dial = Callable[..., Any]


@pytest.fixture(scope="session", autouse=True)
def _certificates() -> None:
    """Keys are made once, before any event loop runs."""
    prepare_certificates()


@pytest.fixture
def trusting() -> ssl.SSLContext:
    """What every known client uses: no check at all."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture
async def http(trusting: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session:
        yield session


@pytest.fixture
async def dial(http: aiohttp.ClientSession) -> AsyncIterator[Dial]:
    """Open a WebSocket to a gateway; `stage` says how far: socket, connect or login."""
    clients: list[Client] = []

    async def open_socket(gateway: Any, stage: str = "connect", **options: Any) -> Client:
        client = Client(await http.ws_connect(gateway.url, **options))
        clients.append(client)
        if stage != "socket":
            await client.connect()
        if stage == "login":
            await client.login()
        return client

    yield open_socket
    for client in clients:
        await client.socket.close()
