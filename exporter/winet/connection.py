"""One WebSocket to a gateway: questions one at a time, pushes for what they are, and a bounded close.

Replies carry no id: only the service's name and the order tie them to a question. So a question whose
answer is late, garbled or no longer wanted spoils the line for all later ones, and the line is closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
from aiohttp import WSMsgType

from exporter.telemetry import Counters, Reason
from exporter.winet import errors, messages
from exporter.winet.deadline import Deadline
from exporter.winet.dial import CLOSE_SECONDS, LARGEST_MESSAGE
from exporter.winet.messages import Reply

MOST_UNASKED = 200  # messages and frames nobody asked for between two questions; more is a flood
BREATH_EVERY = 16  # frames after which other tasks get their turn, since buffered ones never wait
MOST_FRAGMENTS = 16  # text messages that one JSON document may be spread over
SHORTEST_SECRET = 4  # a shorter one would be found in every message
CONCEALED = "(hidden)"
NO_SECRETS: frozenset[str] = frozenset()  # one for all: an empty set takes 216 bytes


class Connection:
    """An open WebSocket. `counters` belong to the target and are counted up here.

    `decode` makes a reply of a text; another than the usual one may know shorter ways to the same.
    """

    __slots__ = (
        "_awaits_pong",
        "_counters",
        "_deadline",
        "_decode_text",
        "_held",
        "_last_service",
        "_raw_socket",
        "_request_timeout",
        "_secrets",
        "_socket",
        "_spoiled",
        "_unasked",
        "answered_since_ping",
    )

    def __init__(
        self,
        websocket: aiohttp.ClientWebSocketResponse,
        counters: Counters,
        request_timeout: float,
        decode: Callable[[str], Reply] = messages.decode,
    ) -> None:
        self._socket = websocket
        self._raw_socket = websocket.get_extra_info("socket")
        self._counters = counters
        self._request_timeout = request_timeout
        self._decode_text = decode
        self._deadline = Deadline(request_timeout)
        self._held: list[str] = []
        self._spoiled = False
        self._awaits_pong = False
        self._unasked = 0
        self._last_service = ""
        self._secrets = NO_SECRETS
        self.answered_since_ping = False

    async def ask(self, service: str, request: str) -> Reply:
        """Send one question and return its reply, whatever its code.

        Raises `NoAnswer` after the time-out, `ConnectionLost`, `Garbled`, and `UserLimit` or
        `SessionExpired` for a notice in between. After any of them the line is of no more use.
        """
        replies: dict[str, Reply] = {}
        await self.ask_all({service: request}, replies.__setitem__)
        return replies[service]

    async def ask_all(self, requests: Mapping[str, str], on_reply: Callable[[str, Reply], None]) -> None:
        """Send questions to different services together; each reply is handed over as it comes.

        A reply that names no service belongs to the oldest open question. `NoAnswer.service` names the
        oldest one left without.
        """
        if self._spoiled:
            raise errors.ConnectionLost("the line is spoiled by an earlier question")
        open_questions = list(requests)
        if self._last_service in requests:
            await self._refuse_leftovers()
        self._unasked = 0
        self._spoiled = True
        try:
            with self._deadline:
                for request in requests.values():
                    await self._hand_over(self._socket.send_str(request))
                    self._counters.messages_sent += 1
                while open_questions:
                    reply = await self._next_reply()
                    known = reply.told is not None and reply.service in open_questions
                    answered = reply.service if known else self._belongs_to(reply, open_questions)
                    if answered is not None:
                        open_questions.remove(answered)
                        self._unasked = 0
                        self._last_service = answered
                        on_reply(answered, reply)
        except TimeoutError:
            self._counters.request_timeouts += 1
            cut_off = ", only part of an answer" if self._held else ""
            self._drop_held()
            error = errors.NoAnswer(
                f"no answer to {open_questions[0]} within {self._request_timeout:g} s{cut_off}"
            )
            error.service = open_questions[0]
            raise error from None
        except errors.Garbled as garbled:
            self._count_invalid()
            garbled.service = open_questions[0]
            raise
        self._spoiled = False
        self.answered_since_ping = True

    def conceal(self, secret: str) -> None:
        """From now on, a message that repeats this text is read as if it did not: it may reach a log."""
        if len(secret) >= SHORTEST_SECRET:
            self._secrets |= {secret, *(json.dumps(secret, ensure_ascii=a)[1:-1] for a in (True, False))}

    async def _refuse_leftovers(self) -> None:
        """See that no second reply to the last question is waiting: it would be taken for the next one's."""
        try:
            async with asyncio.timeout(0):
                while True:
                    reply = await self._next_reply()
                    self._belongs_to(reply, [""])
                    if reply.service == self._last_service:
                        self._spoiled = True
                        raise errors.Garbled(f"two replies to one question ({reply.service})")
        except TimeoutError:
            pass  # nothing was waiting
        except errors.Garbled:
            self._count_invalid()
            raise

    def _belongs_to(self, reply: Reply, open_questions: list[str]) -> str | None:
        """The open question that a reply answers; None for a push that is no matter of ours."""
        if reply.code == messages.CODE_WEB_TIMEOUT:
            return None
        if reply.code == messages.CODE_NOTICE:
            raise messages.notice(reply)
        if not reply.service:
            return open_questions[0]
        if reply.service in open_questions:
            return reply.service
        if reply.service != messages.NOTICE:
            self._counters.count(Reason.INVALID_MESSAGE)
        return None

    async def listen(self) -> None:
        """Read what comes unasked until cancelled (`asyncio.timeout`): pushes, pings, the end of the line.

        Raises `UserLimit`, `SessionExpired` or `ConnectionLost`. Text of no use is counted and passed over.
        """
        self._unasked = 0
        while True:
            try:
                reply = await self._next_reply()
            except errors.Flooded:
                raise
            except errors.Garbled:
                self._count_invalid()
                continue
            self._belongs_to(reply, [""])

    async def ping(self) -> bool:
        """Send a ping frame. False if the last one had no pong although questions were answered since."""
        lost = self._awaits_pong and self.answered_since_ping
        if not lost:
            self._awaits_pong, self.answered_since_ping = True, False
            try:
                async with asyncio.timeout(self._request_timeout):
                    await self._hand_over(self._socket.ping())
            except TimeoutError:
                raise errors.ConnectionLost("the gateway does not read what it is sent") from None
        return not lost

    async def close(self) -> None:
        """Close within a second: a gateway may never answer the close frame."""
        self._spoiled = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close()
        except (TimeoutError, aiohttp.ClientError, OSError):
            pass  # the time limit made aiohttp drop the socket; a dead one needs no good-bye
        finally:
            self._deadline.close()
            self._cut()
            _forget_frames(self._socket.exception())

    def _cut(self) -> None:
        """End the TCP connection now: asyncio would keep it until a peer that does not read has read all."""
        raw = self._raw_socket
        if raw is None or raw.fileno() < 0:
            return
        # the sockets that uvloop shows cannot do it themselves
        with socket.socket(fileno=os.dup(raw.fileno())) as same:
            try:
                same.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other side was faster

    async def _hand_over(self, sending: Awaitable[None]) -> None:
        """Hand a frame to the socket, however it may refuse."""
        try:
            await sending
        except (aiohttp.ClientError, OSError) as error:
            raise errors.ConnectionLost(f"the line is gone ({error})") from error
        except asyncio.CancelledError:
            # an earlier cancel leaves aiohttp waiting on a cancelled future: nobody cancelled us
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise errors.ConnectionLost("the gateway does not read what it is sent") from None

    async def _next_reply(self) -> Reply:
        while True:
            message = await self._socket.receive()
            self._unasked += 1
            if self._unasked > MOST_UNASKED:
                raise errors.Flooded(f"more than {MOST_UNASKED} messages that nobody asked for")
            if self._unasked % BREATH_EVERY == 0:
                await asyncio.sleep(0)
            if message.type is WSMsgType.TEXT:
                self._counters.messages_received += 1
                reply = self._decode(message.data)
                if reply is not None:
                    return reply
            elif message.type is WSMsgType.PONG:
                self._awaits_pong = False
            elif message.type is WSMsgType.PING:
                await self._hand_over(self._socket.pong(message.data))
            else:
                raise self._loss(message)

    def _decode(self, text: str) -> Reply | None:
        """The reply in a text, alone or together with the fragments held; None while one is incomplete."""
        if self._secrets:
            text = self._concealed(text)
        try:
            reply = self._decode_text(text)
        except (messages.Fragment, errors.Garbled) as error:
            return self._join(text, error)
        if self._held:
            self._drop_held()
        return reply

    def _concealed(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, CONCEALED)
        return text

    def _join(self, text: str, error: Exception) -> Reply | None:
        if not self._held and isinstance(error, errors.Garbled):
            raise error
        self._held.append(text)
        joined = "".join(self._held)
        try:
            reply = messages.decode(joined) if len(self._held) > 1 else None
        except messages.Fragment:
            reply = None
        except errors.Garbled:
            self._held.clear()
            raise
        if reply is not None:
            self._held.clear()
        elif len(self._held) >= MOST_FRAGMENTS or len(joined) > LARGEST_MESSAGE:
            self._held.clear()
            raise errors.Garbled(
                f"a message in more than {MOST_FRAGMENTS} parts or above {LARGEST_MESSAGE} bytes"
            )
        return reply

    def _drop_held(self) -> None:
        """What was held never became a message."""
        if self._held:
            self._held.clear()
            self._count_invalid()

    def _count_invalid(self) -> None:
        self._counters.schema_errors += 1
        self._counters.count(Reason.INVALID_MESSAGE)

    def _loss(self, message: aiohttp.WSMessage) -> errors.TransportError:
        """Why no further message will come."""
        if message.type is WSMsgType.BINARY:
            return errors.Garbled("a binary message, where only text is spoken")
        if message.type is WSMsgType.ERROR and isinstance(message.data, aiohttp.WebSocketError):
            return errors.Garbled(f"a frame that cannot be read ({message.data})")
        if message.type is WSMsgType.CLOSE:
            return errors.ConnectionLost(f"closed by the gateway (code {message.data})")
        return errors.ConnectionLost("the connection broke off")


def _forget_frames(error: BaseException | None) -> None:
    """aiohttp keeps the error that ended a WebSocket, and its traceback leads back there: a cycle."""
    while error is not None:
        error.__traceback__ = None
        error = error.__context__
