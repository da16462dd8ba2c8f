"""A look-alike of a WiNet gateway on a real socket."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from types import TracebackType

from exporter.simulator.accounts import Accounts
from exporter.simulator.certificate import (
    certificates_ready,
    changed_identity,
    identity,
    prepare_certificates,
)
from exporter.simulator.conversation import Conversation
from exporter.simulator.faults import ActiveFaults, Fault, parse_fault
from exporter.simulator.frames import accept_key
from exporter.simulator.http11 import LARGEST_HEAD, Request, Response, read_request, text_response
from exporter.simulator.journal import Counts, Event, Journal
from exporter.simulator.listener import Line, Listener
from exporter.simulator.pages import page
from exporter.simulator.plant import Now, Plant
from exporter.simulator.profile import Profile, load_profile
from exporter.simulator.replay import ReplayAnswerer
from exporter.simulator.replies import Answerer

WEBSOCKET_PATH = "/ws/home/overview"
LOG_SIZE = 100_000


def real_local_time() -> datetime:
    """The wall clock in this machine's time zone."""
    return datetime.now().astimezone()


class SimulatedGateway:
    """One gateway of a profile, with its plant, on one port.

    Use it as an async context manager, or call `start` and `stop`. What it did is in `counts` and `log`; wait
    for it with `until`. What goes wrong is told to `inject` and `clear`, or, from another process, to
    `/simulator/faults`.
    """

    def __init__(
        self,
        profile: str | Profile,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool | None = None,
        accounts: Mapping[str, str] | None = None,
        now: Now = real_local_time,
        faults: Iterable[str] = (),
        log_size: int = LOG_SIZE,
    ) -> None:
        self.profile = load_profile(profile) if isinstance(profile, str) else profile
        self.host = host
        self.tls = self.profile.tls if tls is None else tls
        self.plant = Plant(self.profile.plant, now().utcoffset() or timedelta(0))
        self._asked_port = port
        self._faults = ActiveFaults(parse_fault(text) for text in faults)
        self._journal = Journal(log_size)
        self._listener = Listener(host, self._serve, self._context, self._accepted)
        self._conversations: dict[int, Conversation] = {}
        self._returning: asyncio.Task[None] | None = None
        self._return_timer: asyncio.TimerHandle | None = None
        # Accounts are locked by the event loop's clock, which is asked for only when one is running.
        self._sessions = Accounts(
            self.profile.accounts if accounts is None else accounts,
            login_required=self.profile.login_required,
            uuid_tokens=self.profile.uuid_tokens,
            clock=lambda: asyncio.get_running_loop().time(),
        )
        answers = Answerer if self.profile.recorded is None else ReplayAnswerer
        self._answerer = answers(
            self.profile, self.plant, self._sessions, self._faults, self.counts, now, self._take_over
        )

    @property
    def port(self) -> int:
        """The port it listens on, known from `start` on; the same again after it vanished."""
        return self._listener.port

    @property
    def url(self) -> str:
        """The WebSocket's address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.tls else 'ws'}://{host}:{self.port}{WEBSOCKET_PATH}"

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the certificate that the next connection sees, `AA:BB:…`; None without TLS."""
        if not self.tls:
            return None
        return (changed_identity if self._faults.has("certificate-changed") else identity)().fingerprint

    @property
    def counts(self) -> Counts:
        """Exact counts of what has happened since the gateway was made."""
        return self._journal.counts

    @property
    def log(self) -> deque[Event]:
        """The latest events, oldest first."""
        return self._journal.log

    @property
    def faults(self) -> list[str]:
        """The faults in force, as they were written."""
        return self._faults.texts

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at after each event, and there is no time limit."""
        await self._journal.until(condition)

    async def __aenter__(self) -> "SimulatedGateway":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen. With TLS, the first gateway of a process takes a moment to make its keys."""
        if self.tls and not certificates_ready():
            await asyncio.to_thread(prepare_certificates)
        await self._listener.open(self.port or self._asked_port)
        if vanished := self._faults.first("gateway-vanishes"):
            self._vanish(vanished)

    async def stop(self) -> None:
        """End everything within a second, whatever clients do; no task is left. It may be started again."""
        self._cancel_return()
        if self._returning is not None:
            await asyncio.wait({self._returning})
            self._returning = None
        await self._listener.close()

    def inject(self, fault: str | Fault) -> None:
        """Put a fault in force, now; ValueError if there is none like it."""
        fault = parse_fault(fault) if isinstance(fault, str) else fault
        self._faults.add(fault)
        match fault.kind.name:
            case "gateway-vanishes" if self._listener.holds_port:
                self._vanish(fault)
            case "user-limit":
                greeted = [number for number, talk in self._conversations.items() if talk.greeted]
                # Asked as if about a question of any socket: a fault limited to one service waits for that
                # question.
                if greeted and self._faults.take("user-limit", "devicelist"):
                    for number in greeted:
                        self._take_over(number)
        self._journal.changed()

    def clear(self, name: str | None = None) -> "asyncio.Future[None]":
        """Lift the faults of that name, or all of them.

        Await the result to be sure that a gateway that had vanished listens again; everything else is done at
        once.
        """
        self._faults.clear(name)
        self._journal.changed()
        if self._listener.hidden and not self._faults.has("gateway-vanishes"):
            return self._return()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def _vanish(self, fault: Fault) -> None:
        self._listener.hide()
        if seconds := fault.number("seconds"):
            self._cancel_return()
            loop = asyncio.get_running_loop()
            self._return_timer = loop.call_later(seconds, self.clear, "gateway-vanishes")

    def _return(self) -> "asyncio.Future[None]":
        self._cancel_return()
        if self._returning is None or self._returning.done():
            name = f"simulator {self.host}:{self.port} returns"
            self._returning = asyncio.get_running_loop().create_task(self._come_back(), name=name)
        # Who gives up waiting does not keep the gateway away.
        return asyncio.shield(self._returning)

    async def _come_back(self) -> None:
        await self._listener.show()
        if self._faults.has("gateway-vanishes"):
            # It was told to vanish again while it was coming back.
            self._listener.hide()

    def _cancel_return(self) -> None:
        if self._return_timer is not None:
            self._return_timer.cancel()
            self._return_timer = None

    def _take_over(self, connection: int) -> None:
        """Another user logged in: tell the one on this connection, and void its tokens."""
        self._sessions.revoke(connection)
        if conversation := self._conversations.get(connection):
            conversation.push(100, "normal user limit")

    def _accepted(self) -> None:
        self.counts.tcp_accepted += 1
        self._journal.changed()

    def _context(self) -> ssl.SSLContext | None:
        if not self.tls:
            return None
        return (changed_identity if self._faults.take("certificate-changed") else identity)().context

    async def _serve(self, line: Line) -> None:
        """One connection: one HTTP request, which may become a WebSocket."""
        request = await read_request(line.reader)
        if request.path == WEBSOCKET_PATH:
            await self._serve_websocket(line, request)
            return
        if not request.path.startswith("/simulator"):
            self._journal.counts.pages += 1
        response, afterwards = page(request, self, self._answerer.about)
        await _respond(line, response)
        afterwards()

    async def _serve_websocket(self, line: Line, request: Request) -> None:
        if self._faults.take("mute"):
            # Until the client gives up.
            while await line.reader.read(LARGEST_HEAD):
                pass
            return
        response = self._upgrade(request)
        if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
            self.counts.upgrades_refused += 1
            self._journal.changed()
            await _respond(line, response)
            return
        self.counts.upgrades += 1
        line.write(response.encode())
        conversation = Conversation(line, self._answerer, self._faults, self._journal, self._take_over)
        self._conversations[line.number] = conversation
        try:
            await conversation.run()
        finally:
            del self._conversations[line.number]
            self._sessions.leave(line.number)

    def _upgrade(self, request: Request) -> Response:
        """Header names must be spelt just so: a gateway does not know them in lower case (reported)."""
        if fault := self._faults.take("redirect"):
            return Response(HTTPStatus.FOUND, headers=[("Location", fault.word("to"))])
        if fault := self._faults.take("upgrade-refused"):
            return text_response(int(fault.number("status")), "refused\n")
        key = request.exactly("Sec-WebSocket-Key")
        upgrade = request.exactly("Upgrade") or ""
        connection = request.exactly("Connection") or ""
        if key is None or upgrade.lower() != "websocket" or "upgrade" not in connection.lower():
            return text_response(HTTPStatus.BAD_REQUEST, "not a WebSocket upgrade\n")
        headers = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept_key(key)),
        ]
        return Response(HTTPStatus.SWITCHING_PROTOCOLS, headers=headers)


async def _respond(line: Line, response: Response) -> None:
    line.write(response.encode())
    await line.drain()
    line.close()
