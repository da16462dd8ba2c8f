"""The questions that only some firmware answers: about the gateway itself, its plant, and faults.

They must not hurt a small gateway. So the first comes five minutes after the first readings, a new one
every ten minutes, and then each once a minute at most, one every ten seconds on average. What a gateway does
not answer is not asked again until its firmware has changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from exporter.logs import TargetLog
from exporter.telemetry import (
    Answer,
    Counters,
    Device,
    FaultRow,
    Faults,
    GatewayService,
    Reason,
    Snapshot,
)
from exporter.winet import errors, facts, messages
from exporter.winet.connection import Connection
from exporter.winet.dial import Dialer
from exporter.winet.labels import LABELS_PATH, decode_properties, label_of
from exporter.winet.messages import Reply

NONE: frozenset[Any] = frozenset()  # one for all: an empty set takes 216 bytes
FIRST_SECONDS = 300.0
NEW_SECONDS = 600.0
INTERVAL_SECONDS = 60.0
LOSSES_IN_A_ROW = 3
SECONDS_EACH = 10.0
DAY_SECONDS = 86400.0
FAULT = "fault"
KEY_PREFIX = "I18N_"
FAULT_TYPES = (0, 1, 21, 35)  # inverters: only they were ever asked for faults (reported once)
FIRMWARE_KEY = "I18N_COMMON_APPLI_SOFT_VERSION"
ABOUT_PATH = "/about/list"
LARGEST_ABOUT = 1 << 16  # the largest seen has 1 kB
ORDER: tuple[str, ...] = (
    GatewayService.STATE,
    GatewayService.ABOUT,
    GatewayService.STATISTICS,
    GatewayService.LOCAL,
    FAULT,
    GatewayService.RUNTIME,
)


class Topic(NamedTuple):
    """What one question is about. `identity` is the device's, "" for the gateway as a whole."""

    service: str
    identity: str = ""


class Survey:
    """Asks the optional questions and keeps the newest answers, over all connections to a target."""

    __slots__ = (
        "_answered",
        "_clock",
        "_counters",
        "_dialer",
        "_firmware",
        "_given_up",
        "_introduced",
        "_labels",
        "_labels_due",
        "_labels_wanted",
        "_log",
        "_losses",
        "_next_at",
        "_next_new",
        "_not_before",
        "_refresh_interval",
        "_silent",
        "_told",
        "_wall",
        "answers",
        "blamed",
        "faults",
    )

    def __init__(
        self,
        refresh_interval: float,
        dialer: Dialer,
        counters: Counters,
        log: TargetLog,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.answers: dict[GatewayService, Answer] = {}
        self.faults: dict[str, Faults] = {}
        self.blamed = False  # the line was lost over one of these questions
        self._refresh_interval = refresh_interval
        self._next_at = -math.inf
        self._dialer = dialer
        self._counters = counters
        self._log = log
        self._clock = clock
        self._wall = wall
        self._next_new = math.inf
        self._introduced: frozenset[str] = NONE
        self._not_before: dict[Topic, float] = {}
        self._given_up: frozenset[Topic] = NONE
        self._silent: frozenset[str] = NONE  # services that cost a line and never answered
        self._answered: frozenset[str] = NONE
        self._losses: dict[str, int] = {}  # in a row, of services that have answered before
        self._told: frozenset[str] = NONE
        self._labels: Mapping[str, str] = {}
        self._labels_wanted = False
        self._labels_due = -math.inf
        self._firmware = ""

    def connected(self) -> None:
        """A new connection: the gateway may have been restarted with other firmware."""
        self.blamed = False
        about = self.answers.get(GatewayService.ABOUT)
        if about is not None:
            self._not_before[Topic(GatewayService.ABOUT)] = about.taken_at + NEW_SECONDS

    async def ask(self, connection: Connection, token: str, snapshot: Snapshot) -> None:
        """Ask what is due after a cycle. Raises what ends the connection; refusals are kept in mind."""
        if math.isinf(self._next_new):
            self._next_new = self._clock() + FIRST_SECONDS
        devices = [report.device for report in snapshot.devices]
        self._forget_unlisted({"", *(device.identity for device in devices)})
        self._next_at = max(self._next_at, self._clock() - self._refresh_interval)
        while self._next_at < self._clock():
            topic = self._due(devices, self._clock())
            if topic is None:
                return
            self._next_at += SECONDS_EACH
            await self._raise(connection, token, topic, devices)

    def _forget_unlisted(self, listed: set[str]) -> None:
        """What is kept by device goes with it."""
        if not self._not_before:
            return  # nothing was asked yet
        self.faults = {identity: faults for identity, faults in self.faults.items() if identity in listed}
        self._given_up = frozenset(topic for topic in self._given_up if topic.identity in listed)
        self._not_before = {t: until for t, until in self._not_before.items() if t.identity in listed}

    async def _raise(
        self, connection: Connection, token: str, topic: Topic, devices: Iterable[Device]
    ) -> None:
        now = self._clock()
        if topic.service not in self._introduced:
            self._introduced |= {topic.service}
            self._next_new = now + NEW_SECONDS
        self._not_before[topic] = now + INTERVAL_SECONDS
        try:
            await self._ask(connection, token, topic, devices)
            await self._read_labels()
        except (errors.NoAnswer, errors.Garbled, errors.ConnectionLost) as error:
            self.blamed = True
            if topic.service in self._answered:
                self._bear(topic, error)
            else:
                self._silent |= {topic.service}  # of all devices: each would cost the line anew
                self._refused(topic, error)
            raise

    def _due(self, devices: Iterable[Device], now: float) -> Topic | None:
        """A new topic when its time has come, else the one that has waited longest."""
        waiting = [
            topic
            for topic in self._topics(devices)
            if not self._is_over(topic)
            and self._not_before.get(topic, 0.0) <= now
            and (topic.service in self._introduced or now >= self._next_new)
        ]
        return min(
            waiting,
            key=lambda topic: (topic.service in self._introduced, self._not_before.get(topic, 0.0)),
            default=None,
        )

    def _topics(self, devices: Iterable[Device]) -> list[Topic]:
        topics = []
        for service in ORDER:
            if service == FAULT:
                topics += [
                    Topic(FAULT, device.identity) for device in devices if device.dev_type in FAULT_TYPES
                ]
            elif service != GatewayService.RUNTIME or self._statistics_refused():
                topics.append(Topic(service))
        return topics

    def _statistics_refused(self) -> bool:
        """`runtime` tells little that `statistics` does not, so it is asked only in its place."""
        topic = Topic(GatewayService.STATISTICS)
        return self._is_over(topic) or self._not_before.get(topic, 0.0) > self._clock() + INTERVAL_SECONDS

    def _is_over(self, topic: Topic) -> bool:
        """Whether it is asked no more with this firmware."""
        return topic in self._given_up or topic.service in self._silent

    async def _ask(self, connection: Connection, token: str, topic: Topic, devices: Iterable[Device]) -> None:
        if topic.service == GatewayService.ABOUT:
            await self._read_about()
            return
        if topic.service == FAULT:
            dev_id = next(device.dev_id for device in devices if device.identity == topic.identity)
            request = messages.fault_request(token, dev_id)
        else:
            request = messages.gateway_request(token, GatewayService(topic.service))
        self._take(topic, await connection.ask(topic.service, request))

    async def _read_about(self) -> None:
        """The gateway's page of versions. Its failure says nothing of the WebSocket; tomorrow again."""
        topic = Topic(GatewayService.ABOUT)
        self._not_before[topic] = self._clock() + DAY_SECONDS
        try:
            page = await self._dialer.fetch(ABOUT_PATH, LARGEST_ABOUT)
            try:
                reply = messages.decode(page)
            except messages.Fragment:
                raise errors.Garbled(f"{ABOUT_PATH} is no whole JSON document") from None
        except errors.WinetError as error:
            self._counters.count(error.reason)
            self._refused(topic, error)
        else:
            self._take(topic, reply)

    async def _read_labels(self) -> None:
        """What the gateway calls its faults, for pages; only when there is one, and once a day at most."""
        if not self._labels_wanted or self._clock() < self._labels_due:
            return
        self._labels_due = self._clock() + DAY_SECONDS
        try:
            self._labels = decode_properties(await self._dialer.fetch(LABELS_PATH))
        except errors.WinetError as error:
            self._counters.count(error.reason)
            self._refused(Topic(LABELS_PATH), error)
            return
        self.faults = {
            identity: faults._replace(rows=tuple(map(self._named, faults.rows)))
            for identity, faults in self.faults.items()
        }

    def _named(self, row: FaultRow) -> FaultRow:
        """The row with the gateway's own words for its key, where they are known."""
        return row._replace(name=label_of(row.name, self._labels) or row.name)

    def _take(self, topic: Topic, reply: Reply) -> None:
        """Keep what a reply tells, or what its refusal means for the next time."""
        error = messages.failure(reply, logged_in=True)
        if error is None:
            error = self._keep(topic, reply)
        if error is None:
            self._answered |= {topic.service}
            self._losses.pop(topic.service, None)
            return
        self._counters.count(error.reason)
        if isinstance(error, errors.Busy | errors.ReadFailed):
            return
        if topic.service in self._answered and isinstance(error, errors.NoData | errors.Rejected):
            self._bear(topic, error)
        elif isinstance(error, errors.NoData | errors.Rejected) and topic.service != GatewayService.ABOUT:
            self._give_up(topic, error)
        else:
            # 211, 215; or a word about the session, which the next reading will hear if it is meant; and
            # without `about` nobody would learn of other firmware
            self._not_before[topic] = self._clock() + DAY_SECONDS
            self._refused(topic, error)

    def _bear(self, topic: Topic, error: errors.WinetError) -> None:
        """A service that has answered before is not given up for one bad moment; three cost it a day."""
        losses = self._losses[topic.service] = self._losses.get(topic.service, 0) + 1
        if losses >= LOSSES_IN_A_ROW:
            self._losses.pop(topic.service)
            for other in {topic, *(t for t in self._not_before if t.service == topic.service)}:
                self._not_before[other] = self._clock() + DAY_SECONDS
            self._refused(topic, error)

    def _keep(self, topic: Topic, reply: Reply) -> errors.NoData | None:
        nothing = errors.NoData(f"the reply to {topic.service} tells nothing", reply.code)
        if topic.service == FAULT:
            decoded = facts.decode_faults(reply)
            if decoded is None:
                return nothing
            self.faults[topic.identity] = Faults(self._clock(), tuple(map(self._named, decoded.items)))
            self._labels_wanted = any(row.name.startswith(KEY_PREFIX) for row in decoded.items)
            for problem in decoded.problems:
                self._counters.schema_errors += 1
                self._counters.count(problem.reason)
                self._tell_unknown_fault(problem.detail)
            return None
        service = GatewayService(topic.service)
        readings = facts.decode_facts(service, reply)
        if not readings:
            return nothing
        self.answers[service] = Answer(self._clock(), self._wall(), readings)
        if service is GatewayService.ABOUT:
            self._note_firmware(next((r.value for r in readings if r.key == FIRMWARE_KEY), ""))
        return None

    def _note_firmware(self, firmware: str) -> None:
        """Another firmware may answer what this one did not."""
        if self._firmware and firmware and firmware != self._firmware:
            self._log.info("firmware changed", extra={"firmware": messages.clean(firmware)})
            self._introduced -= {topic.service for topic in self._given_up} | self._silent
            self._given_up = self._silent = NONE
            self._not_before = {Topic(GatewayService.ABOUT): self._not_before[Topic(GatewayService.ABOUT)]}
        self._firmware = firmware or self._firmware

    def _give_up(self, topic: Topic, error: errors.WinetError) -> None:
        self._given_up |= {topic}
        self._refused(topic, error)

    def _refused(self, topic: Topic, error: errors.WinetError) -> None:
        if topic.service not in self._told:
            self._told |= {topic.service}
            self._log.info("optional service not answered", extra={"service": topic.service, "error": error})

    def _tell_unknown_fault(self, detail: str) -> None:
        if Reason.INVALID_READING not in self._told:
            self._told |= {Reason.INVALID_READING}
            advice = "please report it with a recording by 'winet-exporter capture': it is the first one seen"
            self._log.warning(detail, extra={"service": FAULT, "advice": advice})
