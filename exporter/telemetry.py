"""The seam between the device half (`winet`) and the Prometheus half (`metrics`): plain values.

Nothing here knows a socket or a metric. What a gateway sent is carried as text, unit and all; what it
means is decided by the catalogue. Ages are read off a monotonic clock, never off the wall.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


def printable(text: str) -> str:
    """Text from a gateway without control characters: fit for a log line, a label, a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


class _Word(StrEnum):
    """A word that is looked up in dictionaries for every reading, and so as fast as any other text."""

    __hash__ = str.__hash__


class State(_Word):
    """Where the life with one target stands; exactly one holds at a time."""

    STARTING = "starting"
    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"
    ONLINE = "online"
    BACKING_OFF = "backing_off"
    ASLEEP = "asleep"
    YIELDED = "yielded"
    PAUSED = "paused"
    REFUSED = "refused"
    LOCKED = "locked"


class Reason(_Word):
    """Why something failed: the closed list behind `winet2_errors_total{reason}`."""

    UNREACHABLE = "unreachable"  # name, route or port: no connection came about
    TLS = "tls"  # the TLS handshake or the certificate's check failed
    CERTIFICATE_MISMATCH = "certificate_mismatch"  # pinned, and another certificate was shown
    REDIRECT = "redirect"  # the gateway answered with a redirect, which is never followed
    UPGRADE_REFUSED = "upgrade_refused"  # HTTP answered, but no WebSocket
    NO_ANSWER = "no_answer"  # a deadline passed: opening, or a question
    CONNECTION_LOST = "connection_lost"  # closed or reset by the other side
    GARBLED = "garbled"  # a message that is no reply: not JSON, too large, no result code
    SESSION_EXPIRED = "session_expired"  # 104, 106, 401 in mid-session, "login timeout", notice 100
    LOGIN_REQUIRED = "login_required"  # the gateway wants a login and there is none to give
    LOGIN_REFUSED = "login_refused"  # wrong user name or password (115)
    ACCOUNT_LOCKED = "account_locked"  # too many wrong logins (114)
    PASSWORD_CHANGE_REQUIRED = "password_change_required"  # the factory password must go first
    USER_LIMIT = "user_limit"  # somebody else logged in
    BUSY = "busy"  # 201
    READ_FAILED = "read_failed"  # 301: the gateway could not read the device just now
    NO_DATA = "no_data"  # 200, or success without a list
    UNSUPPORTED = "unsupported"  # 211, 215: this device has no such service
    REJECTED = "rejected"  # any other refusal, by its code
    WATCHDOG = "watchdog"  # five cycles in a row brought nothing
    INVALID_MESSAGE = "invalid_message"  # a message of no use, beside the question under way
    INVALID_DEVICE = "invalid_device"  # an entry of the device list that cannot be used
    INVALID_READING = "invalid_reading"  # an entry of a reply that cannot be used
    MISSING_SERIAL = "missing_serial"  # a device without serial number; known as dev_id:N
    DUPLICATE_SERIAL = "duplicate_serial"  # two devices with one serial number; the later gets #2
    UNKNOWN_UNIT = "unknown_unit"  # a unit that the metric family does not know
    UNREADABLE_VALUE = "unreadable_value"  # text where a number belongs
    IMPLAUSIBLE = "implausible"  # a total that stepped back or jumped
    DUPLICATE = "duplicate"  # a second source for one series
    SERIES_LIMIT = "series_limit"  # more unmapped readings or states than the cap allows
    INTERNAL = "internal"  # a defect of this program


class Service(_Word):
    """The questions that bring readings, in the order in which sources are preferred."""

    REAL = "real"
    REAL_BATTERY = "real_battery"
    DIRECT = "direct"


class Reading(NamedTuple):
    """One key, value and unit as the gateway sent them; the value may be "--" or another key."""

    key: str
    value: str
    unit: str


class DirectInput(NamedTuple):
    """Voltage and current of one MPPT or string, as `direct` lists them."""

    name: str
    voltage: str
    voltage_unit: str
    current: str
    current_unit: str


class Device(NamedTuple):
    """One entry of the gateway's device list.

    `identity` is the serial number, or `dev_id:N` where there is none; it is the label `device`.
    `dev_id` addresses the device in questions and may change between sessions.
    """

    identity: str
    dev_id: str
    dev_type: int
    dev_code: int
    name: str
    model: str
    online: bool | None  # the gateway's link status; None where it does not tell


class Answer(NamedTuple):
    """What one device said to one question, and when (monotonic and wall clock, seconds).

    `inputs` are those of `direct`, which has no readings; all other services have nothing else.

    Two answers with one `layout` (None is none) have the same keys and units in the same order. In the later
    of the two, a reading that has not changed is the same object, and so are `readings` if none has.
    """

    taken_at: float
    taken_wall: float
    readings: tuple[Reading, ...]
    inputs: tuple[DirectInput, ...] = ()
    layout: object = None


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """A listed device with its newest answer to each service; older ones than `stale_after` don't count."""

    device: Device
    answers: Mapping[Service, Answer]
    faults: Faults | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All readings of one target after one refresh cycle.

    `taken_at` is the monotonic end of the newest cycle in which at least one device answered.
    """

    taken_at: float
    taken_wall: float
    devices: tuple[DeviceReport, ...]
    gateway: Mapping[GatewayService, Answer] = field(default_factory=dict)


class GatewayService(_Word):
    """What only some firmware answers about the gateway and its plant as a whole."""

    ABOUT = "about"  # HTTP /about/list: the gateway's serial number and versions
    STATE = "state"
    STATISTICS = "statistics"
    LOCAL = "local"
    RUNTIME = "runtime"


class FaultRow(NamedTuple):
    """One entry of a device's fault list. Such rows were never seen: which fields they have is assumed.

    `name` is the gateway's key or text for the fault, for pages; "" where there is none.
    """

    code: str
    name: str


class Faults(NamedTuple):
    """The fault list of one device and when it was asked for (monotonic)."""

    taken_at: float
    rows: tuple[FaultRow, ...]


@dataclass(frozen=True, slots=True)
class Location:
    """A place on earth in degrees, north and east positive."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class OwnString:
    """What the user calls a string, and the strings it may be compared with."""

    name: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """What the user knows of a device beside what the gateway tells; `strings` by their number."""

    name: str = ""
    rated_power_watts: float | None = None
    strings: Mapping[str, OwnString] = field(default_factory=dict)


@dataclass(slots=True)
class Counters:
    """What happened with one target since this process began to look after it; only ever grows."""

    attempts: int = 0
    successes: int = 0
    failures: int = 0
    reconnections: int = 0
    messages_received: int = 0
    messages_sent: int = 0
    request_timeouts: int = 0
    watchdog_triggers: int = 0
    schema_errors: int = 0
    refreshes: int = 0
    refresh_failures: int = 0
    certificate_changes: int = 0
    errors: dict[Reason, int] = field(default_factory=dict)

    def count(self, reason: Reason) -> None:
        self.errors[reason] = self.errors.get(reason, 0) + 1


@dataclass(frozen=True, slots=True)
class TargetInfo:
    """What a target is called and how it is reached: the labels of `winet2_target_info`."""

    name: str
    host: str
    transport: str
    verify: str
    labels: Mapping[str, str]
    stale_after: float
    max_unmapped: int
    gateway_stale_after: float = 0.0  # for what is asked more rarely; 10 s longer for each device
    timezone: str | None = None  # of tzdata; None is the system's
    location: Location | None = None
    devices: Mapping[str, OwnDevice] = field(default_factory=dict)  # by serial number


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """How it stands with one target at this moment.

    `last_refresh_wall` and `refresh_seconds` tell of the newest cycle that brought readings. `since`,
    `retry_at` and `failing_since` (the beginning of an outage) are monotonic. `failed_into` is the state that
    the newest failure of the outage led to, whatever is being tried since. `error` is the last failure in
    words, `advice` what its reader can do.
    """

    info: TargetInfo
    state: State
    since: float
    counters: Counters
    had_first_cycle: bool = False
    last_refresh_wall: float | None = None
    refresh_seconds: float | None = None
    certificate_expiry_wall: float | None = None
    fingerprint: str | None = None
    retry_at: float | None = None
    failing_since: float | None = None
    failed_into: State | None = None
    error: str = ""
    advice: str = ""
    device_count: int | None = None
