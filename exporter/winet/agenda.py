"""Which questions a refresh cycle asks, and in which order. Pure.

A question that brought only silence costs the line, and with it the readings of all devices behind it in
the cycle. So it goes to the end of the cycle, and after two failures in a row it is asked rarely.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from exporter.telemetry import Device, Service
from exporter.winet import errors

INVERTER = (Service.REAL, Service.DIRECT)
HYBRID = (Service.REAL, Service.REAL_BATTERY, Service.DIRECT)
ACCESSORY = (Service.REAL,)

# Types 21, 35, 44, 46 and 18 are seen in captures or by several projects, the others reported by one.
SERVICES: dict[int, tuple[Service, ...]] = {
    **dict.fromkeys((0, 1, 21), INVERTER),
    35: HYBRID,
    **dict.fromkeys((44, 46, 18), ACCESSORY),
    **dict.fromkeys((8, 11, 13, 14, 15, 20, 23, 24, 25, 34, 36, 37, 47, 48), ACCESSORY),
}
NONE: frozenset[str] = frozenset()  # one for all: an empty set takes 216 bytes
RARELY_CYCLES = 10
LONGEST_DEFERMENT = 1800.0
UNSUPPORTED_SECONDS = 86400.0  # a battery may have been added since
DOUBTED_SECONDS = 600.0  # a refusal of what was answered before may pass


class Question(NamedTuple):
    device: Device
    service: Service

    @property
    def key(self) -> tuple[str, Service]:
        return self.device.identity, self.service


class Charge:
    """What silence one question has to answer for."""

    __slots__ = ("in_a_row", "not_before")

    def __init__(self) -> None:
        self.in_a_row = 0
        self.not_before = 0.0


class Agenda:
    """The questions for the listed devices of one target. Knows devices by serial number, never by dev_id."""

    __slots__ = (
        "_charges",
        "_devices",
        "_interval",
        "_left_alone",
        "_next_look",
        "_questions",
        "_unsupported",
    )

    def __init__(self, refresh_interval: float) -> None:
        self._interval = refresh_interval
        self._devices: tuple[Device, ...] = ()
        self._charges: dict[tuple[str, Service], Charge] = {}
        self._unsupported: dict[tuple[str, Service], float] = {}  # until when
        self._next_look = math.inf
        self._left_alone = NONE
        self._questions: list[Question] | None = None  # all that may be asked; made anew after a change

    def devices_listed(self, devices: Iterable[Device]) -> None:
        """Take over a new device list; an empty one while there is none yet keeps what was learned."""
        self._devices = tuple(devices)
        self._questions = None
        listed = {device.identity for device in self._devices}
        if listed:
            self._charges = {key: charge for key, charge in self._charges.items() if key[0] in listed}
            self._unsupported = {key: until for key, until in self._unsupported.items() if key[0] in listed}
            self._left_alone = self._left_alone & listed or NONE

    def connected(self) -> None:
        """A new session: what a device refused in the last one may be asked once more."""
        self._unsupported.clear()
        self._questions = None

    def due(self, now: float) -> list[Question]:
        """The questions of this cycle. Charged ones come last; listed devices never make none."""
        if now >= self._next_look:
            self._unsupported = {key: until for key, until in self._unsupported.items() if until > now}
            self._questions = None
        if self._questions is None:
            self._next_look = min(self._unsupported.values(), default=math.inf)
            self._questions = [
                Question(device, service)
                for device in self._devices
                if device.identity not in self._left_alone
                for service in SERVICES.get(device.dev_type, ACCESSORY)
                if (device.identity, service) not in self._unsupported
            ]
        questions = self._questions
        if not self._charges:
            return questions
        sound = [question for question in questions if question.key not in self._charges]
        charged = [question for question in questions if question.key in self._charges]
        charged.sort(key=lambda question: self._charges[question.key].not_before)
        ready = [question for question in charged if self._charges[question.key].not_before <= now]
        if not sound and not ready:
            ready = charged[:1]
        return sound + ready

    def answered(self, question: Question) -> None:
        """The device answered, with whatever code."""
        if self._charges:
            self._charges.pop(question.key, None)

    def silent(self, question: Question, now: float) -> None:
        """The question brought no usable answer and cost the line."""
        charge = self._charges.setdefault(question.key, Charge())
        charge.in_a_row += 1
        if charge.in_a_row >= 2:
            cycles = RARELY_CYCLES * 2 ** min(charge.in_a_row - 2, 16)
            charge.not_before = now + min(cycles * self._interval, LONGEST_DEFERMENT)

    def refused(
        self, question: Question, error: errors.AnswerError, now: float, *, answered_before: bool = False
    ) -> None:
        """The device has no such service: not in this session or for a day, whichever ends first.

        A service that brought readings until now is asked once more ten minutes later. A type that nobody
        knows is left alone.
        """
        self._questions = None
        if question.device.dev_type not in SERVICES and isinstance(
            error, errors.Unsupported | errors.Rejected
        ):
            self._left_alone |= {question.device.identity}
        if isinstance(error, errors.Unsupported):
            seconds = DOUBTED_SECONDS if answered_before else UNSUPPORTED_SECONDS
            self._unsupported[question.key] = now + seconds
