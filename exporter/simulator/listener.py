"""The gateway's port: accepts TCP connections, puts TLS on them, and can disappear and come back."""

import asyncio
import itertools
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable

from exporter.simulator.http11 import LARGEST_HEAD

_PATIENCE = 0.4
"""Seconds for which closing waits for tasks and sockets; twice this is the longest that `close` can take."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Line:
    """One accepted TCP connection, with TLS on it if the gateway has it."""

    def __init__(self, number: int, transport: asyncio.Transport, lost: Callable[["Line"], None]) -> None:
        self.number = number
        self.reader = asyncio.StreamReader(limit=LARGEST_HEAD)
        self._tcp = self._transport = transport
        self._protocol = _LineProtocol(self.reader, lambda: lost(self))
        self._writer: asyncio.StreamWriter | None = None
        # asyncio does so itself only for sockets made with the protocol's number, which these are not.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def begin(self, context: ssl.SSLContext | None) -> None:
        """Start reading, after the TLS handshake if there is a context."""
        loop = asyncio.get_running_loop()
        if context is None:
            self._transport.set_protocol(self._protocol)
        else:
            self._protocol.half_open = False
            secured = await loop.start_tls(
                self._transport, self._protocol, context, server_side=True, ssl_shutdown_timeout=_PATIENCE
            )
            if secured is None:
                raise ConnectionResetError("the peer left during the handshake")
            self._transport = secured
        self._protocol.connection_made(self._transport)
        self._writer = asyncio.StreamWriter(self._transport, self._protocol, self.reader, loop)
        if context is None:
            self._transport.resume_reading()

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket."""
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait while the peer reads too slowly."""
        if self._writer is not None:
            await self._writer.drain()

    def close(self) -> None:
        """Send what is under way, then end the connection."""
        # A second close would make asyncio's TLS forget its socket.
        if not self._transport.is_closing():
            self._transport.close()

    def reset(self) -> None:
        """End the connection at once; the peer sees a TCP reset."""
        sock = self._tcp.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._tcp.abort()


class Listener:
    """One port and all connections that came in through it.

    `serve` is run once for each connection; `context` says at each connection which certificate to show, None
    for plain TCP.
    """

    def __init__(
        self,
        host: str,
        serve: Callable[[Line], Awaitable[None]],
        context: Callable[[], ssl.SSLContext | None],
        accepted: Callable[[], None],
    ) -> None:
        self._host = host
        self._serve = serve
        self._context = context
        self._accepted = accepted
        self._server: asyncio.Server | None = None
        self._placeholder: socket.socket | None = None
        self._numbers = itertools.count(1)
        self._lines: set[Line] = set()
        """All whose transport is not gone yet, though nobody may be talking any more."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def hidden(self) -> bool:
        """Whether the port is held, but closed."""
        return self._placeholder is not None

    @property
    def holds_port(self) -> bool:
        """Whether the port is taken, listening or hidden."""
        return self._server is not None or self.hidden

    async def open(self, port: int) -> None:
        """Listen; port 0 takes a free one."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        sock = socket.create_server((self._host, port), family=family)
        self.port = sock.getsockname()[1]
        self._server = await asyncio.get_running_loop().create_server(self._arrival, sock=sock)

    def hide(self) -> None:
        """Refuse all connections and reset those that are open, but let nobody else have the port."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._placeholder = socket.socket(family, socket.SOCK_STREAM)
        self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._placeholder.bind((self._host, self.port))
        self._reset_all()

    async def show(self) -> None:
        """Listen again, on the same port."""
        if self._placeholder is None:
            return
        self._placeholder.listen(100)
        sock, self._placeholder = self._placeholder, None
        self._server = await asyncio.get_running_loop().create_server(self._arrival, sock=sock)

    async def close(self) -> None:
        """Refuse, reset, and wait until no task and no socket is left."""
        server, self._server = self._server, None
        if self._placeholder is not None:
            self._placeholder.close()
            self._placeholder = None
        if server is not None:
            server.close()
        self._reset_all()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_PATIENCE)
        if server is not None:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await server.wait_closed()
            except TimeoutError:
                # A transport that does not go: it has been aborted, nothing more can be done for it.
                pass
        # Python 3.11 does not wait for the transports above; aborting them takes these turns of the loop.
        for _ in range(4):
            await asyncio.sleep(0)

    def _reset_all(self) -> None:
        for line in tuple(self._lines):
            line.reset()

    def _arrival(self) -> asyncio.Protocol:
        return _Arrival(self._welcome)

    def _welcome(self, transport: asyncio.Transport) -> None:
        if self._server is None:
            transport.abort()
            return
        line = Line(next(self._numbers), transport, self._lines.discard)
        name = f"simulator {self._host}:{self.port} connection {line.number}"
        task = asyncio.get_running_loop().create_task(self._attend(line), name=name)
        self._lines.add(line)
        self._tasks.add(task)
        task.add_done_callback(self._attended)
        self._accepted()

    async def _attend(self, line: Line) -> None:
        try:
            await line.begin(self._context())
        except OSError:
            # No TLS came about, and asyncio tells nobody but this task that the transport is gone.
            self._lines.discard(line)
            line.reset()
            return
        try:
            await self._serve(line)
        except (OSError, EOFError):
            # The peer left, or does not speak HTTP: nobody is there to be told.
            return
        finally:
            line.close()

    def _attended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            task.get_loop().call_exception_handler(
                {"message": f"{task.get_name()} failed", "exception": error, "task": task}
            )


class _LineProtocol(asyncio.StreamReaderProtocol):
    """Tells when its transport is gone."""

    half_open = True
    """Whether it may still send after the peer has stopped sending, which TLS does not allow."""

    def __init__(self, reader: asyncio.StreamReader, lost: Callable[[], None]) -> None:
        super().__init__(reader)
        self._lost = lost

    def eof_received(self) -> bool:
        super().eof_received()
        return self.half_open

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lost()


class _Arrival(asyncio.Protocol):
    """Holds a new connection back until it is known what will be spoken on it."""

    def __init__(self, welcome: Callable[[asyncio.Transport], None]) -> None:
        self._welcome = welcome

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._welcome(transport)
