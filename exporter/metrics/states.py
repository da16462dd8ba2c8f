"""States of devices: one series for each, so that a graph can show them and none appears from nowhere."""

from __future__ import annotations

from functools import lru_cache

from exporter.metrics import units
from exporter.metrics.family import Family
from exporter.metrics.heads import Head
from exporter.metrics.slots import Item, Moment, Reasons, Slot, Values
from exporter.telemetry import Reason, Service

MOST_NEW_STATES = 16
OTHER_STATE = "other"
_STATE_PREFIXES = ("I18N_COMMON_", "I18N_")


class States:
    """The states one device has been in: the known ones of its kind, and a bounded number of others."""

    __slots__ = ("_family", "_known", "_new", "_owner")

    def __init__(self, family: Family, known: tuple[str, ...]) -> None:
        self._family = family
        self._known = known
        self._new: list[str] = []
        self._owner: Service | None = None

    def owned_by(self, service: Service) -> bool:
        """Whether this service tells the state: the first that did keeps it."""
        if self._owner is None:
            self._owner = service
        return self._owner is service

    def admit(self, value: str) -> tuple[str, Reasons]:
        """The name of a state, which is one of them from now on; `other` if there are too many."""
        present = state_name(value)
        if present in self._known or present in self._new:
            return present, ()
        if len(self._new) >= MOST_NEW_STATES:
            return OTHER_STATE, (Reason.SERIES_LIMIT,)
        self._new.append(present)
        return present, ()

    def heads(self) -> tuple[Head, ...]:
        full = len(self._new) >= MOST_NEW_STATES
        names = dict.fromkeys([*self._known, *self._new, *([OTHER_STATE] if full else [])])
        return tuple(_head(self._family, name) for name in names)


@lru_cache(maxsize=1_000)
def _head(family: Family, name: str) -> Head:
    """All devices share the heads of the states that they know."""
    return family, (name,)


class StateSlot(Slot):
    """A key whose value is the name of a state. `settle` comes before each `write`."""

    __slots__ = ("_present", "_reasons", "_service", "_states")

    is_state = True

    def __init__(self, service: Service, states: States) -> None:
        super().__init__()
        self._service = service
        self._states = states
        self._present = ""
        self._reasons: Reasons = ()

    def settle(self, item: Item, *, first: bool) -> bool:
        """Find out which states there are. True if it shows them: only the `first` of an answer may."""
        self.heads, self._reasons = (), ()
        if not units.has_value(item[1]):
            return False
        if not first or not self._states.owned_by(self._service):
            self._reasons = (Reason.DUPLICATE,)
            return False
        self._present, self._reasons = self._states.admit(item[1])
        self.heads = self._states.heads()
        return True

    def write(self, item: Item, when: Moment, values: Values, row: int) -> Reasons:
        """One value a state, so that a graph can show each: 1 for the present one, 0 for the others."""
        for place, (_, (name,)) in enumerate(self.heads, row):
            values[place] = float(name == self._present)
        return self._reasons


def state_name(value: str) -> str:
    """`I18N_COMMON_DISPATCH_RUN` -> `dispatch_run`."""
    for prefix in _STATE_PREFIXES:
        if value.startswith(prefix):
            value = value[len(prefix) :]
            break
    folded = "".join(c if c.isascii() and c.isalnum() else "_" for c in value.casefold())
    return folded.strip("_")[:64] or "unknown"
