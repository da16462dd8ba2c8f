"""Servers at a gateway's address that are none, or mad ones: raw sockets that say what a test wants."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from exporter.simulator.frames import Message, Opcode, accept_key, encode, read_message

LARGEST_HEAD = 1 << 16
SMALL_BUFFER = 1 << 16  # so that what the kernel holds is not taken for what was accepted

Handler = Callable[["Caller"], Awaitable[None]]
Answers = Callable[[Mapping[str, Any]], str | None]


class Caller:
    """One client's connection. `accepted` are the bytes that its side has taken off our hands."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.accepted = 0
        self.key = ""
        self.path = ""

    async def head(self) -> None:
        """Read the HTTP request."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.path = lines[0].split(" ")[1]
        fields = dict(line.split(": ", 1) for line in lines[1:] if line)
        self.key = fields.get("Sec-WebSocket-Key", "")

    async def say(self, data: bytes) -> None:
        """Hand over bytes and wait until the client's side has room for them."""
        self.writer.write(data)
        await self.writer.drain()
        self.accepted += len(data)

    async def upgrade(self) -> None:
        """Become a WebSocket, as a gateway does."""
        await self.head()
        await self.say(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {accept_key(self.key)}\r\n\r\n".encode()
        )

    async def hear(self) -> Message:
        return await read_message(self.reader)

    async def question(self) -> dict[str, Any]:
        """The next question; control frames are passed over. `EOFError` when the client closes."""
        while (message := await self.hear()).opcode is not Opcode.TEXT:
            if message.opcode is Opcode.CLOSE:
                raise EOFError
        document: dict[str, Any] = json.loads(message.data)
        return document

    async def text(self, text: str) -> None:
        await self.say(encode(Opcode.TEXT, text.encode()))

    async def converse(self, answers: Answers) -> None:
        """Answer every question with what `answers` has for it; None is silence."""
        while True:
            answer = answers(await self.question())
            if answer is not None:
                await self.text(answer)


class Peer:
    """A server that treats every caller alike."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()
        self.callers: list[Caller] = []
        self._stopping = False

    @property
    def address(self) -> str:
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    @property
    def accepted(self) -> int:
        """Bytes that all callers together took."""
        return sum(caller.accepted for caller in self.callers)

    async def start(self) -> None:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
        listening.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._attend, sock=listening, limit=LARGEST_HEAD)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writer.transport.set_write_buffer_limits(high=0)
        caller = Caller(reader, writer)
        self.callers.append(caller)
        try:
            await self._handler(caller)
        except (OSError, EOFError):
            pass  # it has had enough of us
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def stop(self) -> None:
        self._server.close()
        self._stopping = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(0)


@asynccontextmanager
async def peer(handler: Handler) -> AsyncIterator[Peer]:
    """A server for the length of a block."""
    server = Peer(handler)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def never(caller: Caller) -> None:
    """Wait until the client gives up."""
    while await caller.reader.read(LARGEST_HEAD):
        pass


def reply(service: str, code: int = 1, **data: Any) -> str:
    """An answer as a gateway words it."""
    message = "success" if code == 1 else f"code {code}"
    document = {"result_code": code, "result_msg": message, "result_data": {"service": service, **data}}
    return json.dumps(document, separators=(",", ":"))


def item(dev_id: int, serial: str, dev_type: int = 35) -> dict[str, Any]:
    """One entry of a device list."""
    return {
        "dev_id": dev_id, "dev_sn": serial, "dev_type": dev_type, "dev_code": 1,
        "dev_name": serial, "dev_model": "X", "link_status": 1, "phys_addr": str(dev_id),
    }  # fmt: skip


def reading(key: str, value: str, unit: str = "") -> dict[str, str]:
    return {"data_name": key, "data_value": value, "data_unit": unit}
