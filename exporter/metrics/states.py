"""States of devices: one series for each, so that a graph can show them and none appears from nowhere."""

from __future__ import annotations

from functools import lru_cache

from exporter.metrics import units
from exporter.metrics.family import Family
from exporter.metrics.slots import Sample, Slot
from exporter.telemetry import Reason, Service

MOST_NEW_STATES = 16
OTHER_STATE = "other"
_STATE_PREFIXES = ("I18N_COMMON_", "I18N_")


class States:
    """The states one device has been in: the known ones of its kind, and a bounded number of others."""

    def __init__(self, family: Family, known: tuple[str, ...]) -> None:
        self._family = family
        self._known = known
        self._new: list[str] = []
        self._owner: Service | None = None

    @property
    def known(self) -> int:
        """How many states there are to show."""
        return len(self._new)

    def owned_by(self, service: Service) -> bool:
        """Whether this service tells the state: the first that did keeps it."""
        if self._owner is None:
            self._owner = service
        return self._owner is service

    def samples(self, value: str) -> tuple[tuple[Sample, ...], tuple[Reason, ...]]:
        """One sample a state, so that a graph can show each: 1 for the present one, 0 for the others."""
        present = state_name(value)
        reasons: tuple[Reason, ...] = ()
        full = len(self._new) >= MOST_NEW_STATES
        if present not in self._known and present not in self._new:
            if full:
                present, reasons = OTHER_STATE, (Reason.SERIES_LIMIT,)
            else:
                self._new.append(present)
                full = len(self._new) >= MOST_NEW_STATES
        names = dict.fromkeys([*self._known, *self._new, *([OTHER_STATE] if full else [])])
        return tuple(_sample(self._family, name, present=name == present) for name in names), reasons


@lru_cache(maxsize=1_000)
def _sample(family: Family, name: str, *, present: bool) -> Sample:
    """All devices share the samples of the states that they know."""
    return Sample(family, (name,), float(present))


class State(Slot):
    """A key whose value is the name of a state."""

    __slots__ = ("_service", "_shown", "_states")

    steady = False  # another key's value may have added a state
    is_state = True

    def __init__(self, key: str, service: Service, states: States) -> None:
        super().__init__(key)
        self._service = service
        self._states = states
        self._shown = -1

    def take(self, value: str, unit: str, at: float) -> None:
        if value == self.value and self._shown == self._states.known and not self.reasons:
            return
        self.value = value
        self.samples, self.reasons = (), ()
        if units.has_value(value):
            if self._states.owned_by(self._service):
                self.samples, self.reasons = self._states.samples(value)
                self._shown = self._states.known
            else:
                self.reasons = (Reason.DUPLICATE,)


def state_name(value: str) -> str:
    """`I18N_COMMON_DISPATCH_RUN` -> `dispatch_run`."""
    for prefix in _STATE_PREFIXES:
        if value.startswith(prefix):
            value = value[len(prefix) :]
            break
    folded = "".join(c if c.isascii() and c.isalnum() else "_" for c in value.casefold())
    return folded.strip("_")[:64] or "unknown"
