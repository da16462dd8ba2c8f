"""One WebSocket: questions in, answers and notices out, one after the other."""

import asyncio
import json
from collections.abc import Callable

from exporter.simulator.answers import Reply, notice
from exporter.simulator.faults import ActiveFaults
from exporter.simulator.frames import Message, Opcode, encode, read_message
from exporter.simulator.journal import Journal
from exporter.simulator.listener import Line
from exporter.simulator.printing import compact
from exporter.simulator.replies import Answerer, Question

_NO_JSON = "guru meditation 0x400d1f2c: core 1 panic'ed"
"""What the fault `garbage` sends: not even the beginning of JSON."""


class Conversation:
    """The gateway's end of one WebSocket.

    Questions are answered in their order by one task, while another goes on reading: so a question that comes
    too early is noticed.
    """

    def __init__(
        self,
        line: Line,
        answerer: Answerer,
        faults: ActiveFaults,
        journal: Journal,
        taken_over: Callable[[int], None],
    ) -> None:
        self.number = line.number
        self.greeted = False
        """Whether the client has said `connect`."""
        self._line = line
        self._answerer = answerer
        self._faults = faults
        self._journal = journal
        self._counts = journal.counts
        self._taken_over = taken_over
        self._questions: asyncio.Queue[Question] = asyncio.Queue()
        self._unanswered = 0

    async def run(self) -> None:
        """Converse until one side ends it."""
        self._counts.sockets_open += 1
        self._counts.max_sockets_open = max(self._counts.max_sockets_open, self._counts.sockets_open)
        self._journal.note(self.number, "open")
        name = f"simulator answers on connection {self.number}"
        answering = asyncio.get_running_loop().create_task(self._answer_all(), name=name)
        try:
            await self._read_all()
        finally:
            answering.cancel()
            try:
                await asyncio.wait({answering})
            finally:
                self._counts.sockets_open -= 1
                self._journal.note(self.number, "close")
            if not answering.cancelled():
                # A bug in an answer has ended the line, and outranks the end that the reading side saw.
                answering.result()

    def push(self, code: int, message: str) -> None:
        """Send a notice that nobody asked for."""
        self._send(notice(code, message), "notice", "")

    async def _read_all(self) -> None:
        """Returns when the client sends a close frame, which is not answered: the TCP connection just ends.

        Reported by two projects, whose clients hang in a clean close.
        """
        while True:
            message = await read_message(self._line.reader)
            match message.opcode:
                case Opcode.TEXT:
                    self._receive(message)
                case Opcode.PING:
                    self._counts.pings += 1
                    if not self._faults.take("no-pong"):
                        self._write(encode(Opcode.PONG, message.data))
                    self._journal.changed()
                case Opcode.CLOSE:
                    if not self._faults.take("never-closes"):
                        return
                case _:
                    # Binary messages and pongs: no client sends them, and nothing is known of an effect.
                    continue

    def _receive(self, message: Message) -> None:
        """Queue a question; text that is none is counted, and ignored (assumed: not known)."""
        self._counts.messages_received += 1
        text = message.data.decode("utf-8", "replace")
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            self._journal.note(self.number, "in", text=text)
            return
        question = Question.read(document)
        if self._unanswered:
            self._counts.overlapping += 1
        self._unanswered += 1
        self._questions.put_nowait(question)
        self._journal.note(self.number, "in", question.service, question.dev_id, text)

    async def _answer_all(self) -> None:
        try:
            while not self._line.is_closing:
                await self._answer(await self._questions.get())
                await self._line.drain()
        except ConnectionError:
            # The client left in the middle of the answer; the reading side ends the conversation.
            return
        finally:
            self._line.close()

    async def _answer(self, question: Question) -> None:
        """Answer one question, or do what a fault does instead: then it stays unanswered."""
        asked = question.service, question.dev_id
        if fault := self._faults.take("slow", *asked):
            await asyncio.sleep(fault.number("seconds"))
        if self._faults.take("silence", *asked):
            return
        if self._faults.take("drop", *asked):
            self._write(encode(Opcode.CLOSE, b"\x03\xe8"))
            self._line.close()
            return
        if self._faults.take("user-limit", *asked):
            self._taken_over(self.number)
        if fault := self._faults.take("notice", *asked):
            self.push(int(fault.number("code")), fault.word("text"))
        if fault := self._faults.take("reset", *asked):
            if fault.number("half"):
                frame = encode(Opcode.TEXT, self._answerer.answer(question, self.number).text.encode())
                self._write(frame[: len(frame) // 2])
            self._line.reset()
            return
        self._deliver(question, self._answerer.answer(question, self.number))
        self.greeted = self.greeted or question.service == "connect"
        self._unanswered -= 1

    def _deliver(self, question: Question, reply: Reply) -> None:
        """Hand the answer's text to the socket, with what faults make of its form."""
        asked = question.service, question.dev_id
        text = reply.text
        if self._faults.take("wrong-service", *asked):
            text = self._answerer.another(question).text
        if self._faults.take("compact", *asked):
            text = compact(reply.document)
        if self._faults.take("garbage", *asked):
            text = _NO_JSON
        if fault := self._faults.take("huge", *asked):
            text += " " * (int(fault.number("size")) - len(text.encode()))
        if self._faults.take("split", *asked):
            middle = len(text) // 2
            self._send(text[:middle], *asked)
            text = text[middle:]
        self._send(text, *asked)

    def _send(self, text: str, service: str, dev_id: str) -> None:
        if self._line.is_closing:
            return
        self._write(encode(Opcode.TEXT, text.encode()))
        self._counts.messages_sent += 1
        self._journal.note(self.number, "out", service, dev_id, text)

    def _write(self, data: bytes) -> None:
        if not self._line.is_closing:
            self._line.write(data)
