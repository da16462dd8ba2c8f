"""One refresh cycle after the other: device list, questions, and the snapshot of what is known by then.

A reading that cannot be used costs itself, a device that does not answer costs its own values; the
snapshot is published with the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from exporter.config import Target
from exporter.logs import TargetLog
from exporter.telemetry import (
    Answer,
    Counters,
    Device,
    DeviceReport,
    Reason,
    Service,
    Snapshot,
)
from exporter.winet import errors, lists, messages
from exporter.winet.agenda import Agenda, Question
from exporter.winet.connection import Connection
from exporter.winet.messages import Reply
from exporter.winet.survey import Survey
from exporter.winet.wording import Wordings

LIST_SECONDS = 600.0  # so that new devices appear
WATCHDOG_CYCLES = 5
NONE: frozenset[tuple[Reason, str, str]] = frozenset()  # one for all: an empty set takes 216 bytes
MOST_HELD = 5000  # readings of one gateway, all devices together; the most ever seen are 143

Asked = dict[str, Question]  # what is asked together, by service


class Cycle:
    """The refreshing of one target: survives its connections, so that no device is forgotten with them."""

    def __init__(
        self,
        target: Target,
        counters: Counters,
        survey: Survey,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.snapshot: Snapshot | None = None
        self.last_with_devices: Snapshot | None = None
        self.seconds: float | None = None
        self.device_count: int | None = None
        self.had_one = False  # a cycle has ended
        self.answered = False  # the newest cycle brought readings
        self.complete = False  # … and every question was answered, if only with a refusal
        self.others_answered = False  # it broke off at one device, but others had answered
        self._target = target
        self._counters = counters
        self._survey = survey
        self._clock = clock
        self._wall = wall
        self._log = TargetLog(logging.getLogger(__name__), target.name)
        self._told = NONE  # reason, device or "", service
        self._agenda = Agenda(target.refresh_interval)
        self._devices: tuple[Device, ...] = ()
        self._answers: dict[str, dict[Service, Answer]] = {}
        self._list_due = 0.0
        self._fruitless = 0
        self._logged_in = False
        self._under_way: Asked = {}
        self._refusals: list[errors.AnswerError] = []
        self._wordings = Wordings()
        self._grouped: list[Question] | None = None  # of these questions, for this token, are the groups
        self._grouped_for = ""
        self._groups: list[tuple[Asked, dict[str, str]]] = []

    def decode(self, text: str) -> Reply:
        """What a text from the gateway says: for its connection, which takes every message through here."""
        return self._wordings.decode(text)

    async def list_devices(
        self, connection: Connection, token: str, *, logged_in: bool
    ) -> errors.WinetError | None:
        """Ask for the devices at the start of a session. Returns what the gateway had against it."""
        self._agenda.connected()
        self._agenda.devices_listed(())  # the ids of the last session may mean others now
        self._logged_in = logged_in
        self._fruitless = 0
        self._list_due = 0.0
        return await self._ask_for_list(connection, token)

    async def refresh(self, connection: Connection, token: str) -> None:
        """One cycle. Raises what ends the connection; by then the snapshot holds what had come."""
        started = self._clock()
        self.answered = self.complete = self.others_answered = False
        question: Question | None = None
        finished = False
        try:
            await self._list_again(connection, token)
            await self._ask_all(connection, token)
            finished = True
        except (errors.NoAnswer, errors.Garbled) as error:
            question = self._charge(error)
            raise
        finally:
            self.complete = finished and self.answered
            self.others_answered = self.answered and question is not None
            self._publish(started)
        self._watch()

    async def _list_again(self, connection: Connection, token: str) -> None:
        if self._clock() < self._list_due:
            return
        error = await self._ask_for_list(connection, token)
        if error is not None and not isinstance(error, errors.AnswerError):
            raise error

    async def _ask_for_list(self, connection: Connection, token: str) -> errors.WinetError | None:
        """Take the device list over. Returns what the gateway had against it; a mere refusal is noted."""
        reply = await connection.ask("devicelist", messages.device_list_request(token))
        error = messages.failure(reply, logged_in=self._logged_in) or self._take_list(reply)
        if isinstance(error, errors.AnswerError):
            self._note(error.reason, "devicelist", str(error))
        return error

    def _take_list(self, reply: Reply) -> errors.AnswerError | None:
        decoded = lists.decode_devices(reply)
        if decoded is None:
            self._counters.schema_errors += 1
            return errors.NoData("the reply to devicelist has no list", reply.code)
        self._note_problems(decoded.problems)
        if decoded.items != self._devices:
            self._log.info("devices listed", extra={"devices": len(decoded.items)})
        self._devices = decoded.items
        self.device_count = len(decoded.items)
        self._agenda.devices_listed(decoded.items)
        listed = {device.identity for device in decoded.items}
        self._told = frozenset(told for told in self._told if told[1] in ("", *listed)) or NONE
        self._answers = {identity: a for identity, a in self._answers.items() if identity in listed}
        if decoded.items:
            self._list_due = self._clock() + LIST_SECONDS
        return None

    async def _ask_all(self, connection: Connection, token: str) -> None:
        """Ask what is due, unless the gateway asks for a rest."""
        questions = self._agenda.due(self._clock())
        if questions is not self._grouped or token != self._grouped_for:
            self._groups = list(self._group(questions, token))
            self._grouped, self._grouped_for = questions, token
        for asked, requests in self._groups:
            self._under_way = asked
            if self._refusals:
                self._refusals = []
            await connection.ask_all(requests, self._take)
            if self._refusals and any(isinstance(refusal, errors.Busy) for refusal in self._refusals):
                break  # it asked for a rest: the other devices wait for the next cycle

    def _group(self, questions: list[Question], token: str) -> Iterator[tuple[Asked, dict[str, str]]]:
        """What is asked together, by service, and its texts."""
        together = [[question] for question in questions]
        if self._target.pipeline:
            by_device = groupby(questions, key=lambda question: question.device.identity)
            together = [list(group) for _, group in by_device]
        for group in together:
            texts = {
                str(q.service): messages.reading_request(token, q.service, q.device.dev_id) for q in group
            }
            yield {str(question.service): question for question in group}, texts

    def _take(self, service: str, reply: Reply) -> None:
        """Keep what a reply brought, or note its refusal. Raises what ends the session."""
        question = self._under_way[service]
        self._agenda.answered(question)
        if reply.told is not None:  # worded like a success
            self._keep(question, reply)
            return
        error = messages.failure(reply, logged_in=self._logged_in) or self._keep(question, reply)
        if error is None:
            return
        if not isinstance(error, errors.AnswerError):
            raise error
        self._refusals.append(error)
        before = None
        if isinstance(error, errors.Unsupported):  # what it said before is no longer so
            before = self._answers.get(question.device.identity, {}).pop(question.service, None)
        self._agenda.refused(question, error, self._clock(), answered_before=before is not None)
        self._note(error.reason, question.service, str(error), question.device)

    def _keep(self, question: Question, reply: Reply) -> errors.NoData | None:
        direct = question.service is Service.DIRECT
        answers = self._answers.setdefault(question.device.identity, {})
        wording = None
        if reply.told is not None:
            wording, values = reply.told
            last = answers.get(question.service)
            before = None
            if last is not None and last.layout is wording:
                before = last.inputs if direct else last.readings
            items: tuple[Any, ...] = wording.told(values, before)
        else:
            decoded = lists.decode_inputs(reply) if direct else lists.decode_readings(reply)
            if decoded is None:
                self._counters.schema_errors += 1
                return errors.NoData(f"the reply to {question.service} has no list", reply.code)
            self._note_problems(decoded.problems)
            items = decoded.items
        last = answers.pop(question.service, None)
        if wording is None or last is None or last.layout is not wording:  # there may be more of them now
            room = MOST_HELD - self._held()
            if len(items) > room:
                too_many = f"{question.service} brings more than {MOST_HELD} readings in all"
                self._note_problems([lists.Problem(Reason.INVALID_READING, too_many)])
                items, wording = items[:room], None
        answers[question.service] = Answer(
            self._clock(), self._wall(), () if direct else items, items if direct else (), wording
        )
        self.answered = True
        return None

    def _held(self) -> int:
        """How many readings there are of all devices together."""
        return sum(
            len(answer.readings) + len(answer.inputs)
            for answers in self._answers.values()
            for answer in answers.values()
        )

    def _charge(self, error: errors.NoAnswer | errors.Garbled) -> Question | None:
        """Hold the question that was under way to account for the lost line."""
        question = self._under_way.get(error.service)
        if question is not None:
            self._agenda.silent(question, self._clock())
        return question

    def _publish(self, started: float) -> None:
        """The new snapshot; without a single answer it keeps the age of the last one."""
        self._counters.refreshes += 1
        self.had_one = True
        now, wall = self._clock(), self._wall()
        if self.answered:
            self.seconds = now - started
        else:
            self._counters.refresh_failures += 1
            if self.snapshot is None:
                return
            now, wall = self.snapshot.taken_at, self.snapshot.taken_wall
        faults = self._survey.faults
        reports = (
            DeviceReport(device, dict(self._answers.get(device.identity, {})), faults.get(device.identity))
            for device in self._devices
        )
        self.snapshot = Snapshot(now, wall, tuple(reports), dict(self._survey.answers))
        if self._devices:
            self.last_with_devices = self.snapshot

    def _watch(self) -> None:
        self._fruitless = 0 if self.answered else self._fruitless + 1
        if self._fruitless >= WATCHDOG_CYCLES:
            self._counters.watchdog_triggers += 1
            raise errors.Watchdog(f"{WATCHDOG_CYCLES} cycles in a row brought no reading")

    def _note_problems(self, problems: Iterable[lists.Problem]) -> None:
        for problem in problems:
            self._counters.schema_errors += 1
            service = problem.detail.partition(" ")[0]
            self._note(problem.reason, service, problem.detail)

    def _note(self, reason: Reason, place: str, what: str, device: Device | None = None) -> None:
        """Count it, and tell it once."""
        self._counters.count(reason)
        key = (reason, device.identity if device else "", place)
        if key in self._told:
            return
        self._told |= {key}
        fields = {"device": device.identity} if device else {}
        self._log.warning(what, extra={"reason": reason, "service": place, **fields})
