"""Faults by name: what can go wrong at a gateway, and when it does.

A fault is written `name[:option=value]...`, for example `silence:device=2:times=3`. All faults understand
`times` (it clears itself after so many uses) and `after` (so many fitting occasions are spared first); those
about questions also `device` (a dev_id) and `service`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

OptionValue: TypeAlias = str | int | float

DEVICE_SERVICES = frozenset({"real", "real_battery", "direct"})
GREETINGS = frozenset({"connect", "login", "ping"})
"""Services that every client asks first and that need no authority."""
SERVICES = DEVICE_SERVICES | GREETINGS | {
    "devicelist", "fault", "local", "logout", "runtime", "state", "statistics",
}  # fmt: skip
LOGIN = frozenset({"login"})
DATA_SERVICES = SERVICES - GREETINGS


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a fault by its name."""

    name: str
    meaning: str
    services: frozenset[str] | None = None
    """Services it strikes unless the option `service` names another; None for a fault of the line itself."""
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    """Its own options with their defaults; the default's type is the option's."""
    requires: frozenset[str] = frozenset()
    counted: bool = True
    """Whether it has single uses; one that lasts from its beginning to its end has none."""

    def all_options(self) -> dict[str, OptionValue]:
        """Every option it understands, with its default."""
        common: dict[str, OptionValue] = {"times": 0, "after": 0} if self.counted else {}
        if self.services is not None:
            common |= {"device": "", "service": ""}
        return common | dict(self.options)


_KINDS = (
    Kind("silence", "never answers, keeps the socket open", SERVICES),
    Kind("slow", "answers after `seconds`", SERVICES, {"seconds": 5.0}),
    Kind("drop", "closes instead of answering: close frame, then the end of the TCP connection", SERVICES),
    Kind(
        "reset", "TCP reset instead of the answer, with half=1 after half of its frame", SERVICES, {"half": 0}
    ),
    Kind("garbage", "text that is no JSON", SERVICES),
    Kind("split", "one answer in two text messages", SERVICES),
    Kind("compact", "JSON without blanks", SERVICES),
    Kind("huge", "an answer of `size` bytes, blown up with blanks", SERVICES, {"size": 8 * 1024 * 1024}),
    Kind("wrong-service", "the answer of another service", SERVICES),
    Kind("notice", "an unsolicited notice before the answer", SERVICES, {"code": 103, "text": ""}),
    Kind("user-limit", "all sockets are told that another user took over", DATA_SERVICES, {"times": 1}),
    Kind("token-expired", "106: the token is not known any more", DATA_SERVICES),
    Kind("login-refused", "115: wrong password", LOGIN),
    Kind("locked", "114: the account is locked", LOGIN),
    Kind(
        "must-change-password",
        "401 even after a good login, until the password has been changed; flag=0 does not say so in advance",
        SERVICES - {"ping"},
        {"flag": 1},
    ),
    Kind("login-timeout", "code 1 with the message `login timeout`", SERVICES - {"connect", "ping"}),
    Kind("busy", "201: not now", DEVICE_SERVICES),
    Kind("read-failed", "301: the device could not be read", DEVICE_SERVICES),
    Kind("refused-service", "211: not applicable to this device", DEVICE_SERVICES),
    Kind("code", "any code", DATA_SERVICES, {"code": 0, "msg": ""}, frozenset({"code"})),
    Kind("no-data", "200: an acknowledgement without message and data", DATA_SERVICES),
    Kind("missing-data", "success without `result_data`", DATA_SERVICES),
    Kind("no-token", "the answer to `connect` has no token", frozenset({"connect"})),
    Kind(
        "redirect", "the upgrade is answered with 302 to another address", None, {"to": "http://127.0.0.1/"}
    ),
    Kind("upgrade-refused", "the upgrade is answered with an HTTP status", None, {"status": 400}),
    Kind("mute", "the upgrade is never answered"),
    Kind("no-pong", "ping frames are not answered"),
    Kind("all-zeros", "every number is nought", DEVICE_SERVICES),
    Kind("total-steps-back", "lifetime totals are lower by so many kWh", DEVICE_SERVICES, {"by": 10.0}),
    Kind("total-spikes", "lifetime totals are higher by so many kWh", DEVICE_SERVICES, {"by": 5000.0}),
    Kind(
        "device-fault",
        "a fault is raised: `state` counts it and `fault` lists it, with assumed fields; odd=1 with others",
        frozenset({"state", "fault"}),
        {"code": "10", "odd": 0},
    ),
    Kind("certificate-changed", "new connections see another certificate"),
    Kind("never-closes", "ignores close frames and keeps the TCP connection open"),
    Kind(
        "device-vanishes",
        "a device is gone from the list and cannot be read",
        DEVICE_SERVICES | {"devicelist"},
        {},
        frozenset({"device"}),
    ),
    Kind(
        "gateway-vanishes",
        "the host is gone until cleared, or for so many seconds",
        None,
        {"seconds": 0.0},
        counted=False,
    ),
)
KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _KINDS})


@dataclass(slots=True)
class Fault:
    """A fault that was asked for."""

    text: str
    """As it was written."""
    kind: Kind
    options: Mapping[str, OptionValue]
    occasions: int = 0
    """How often it could have struck; the first `after` of them were spared."""

    @property
    def uses(self) -> int:
        """How often it struck."""
        return max(0, self.occasions - int(self.options["after"]))

    @property
    def used_up(self) -> bool:
        """Whether it has struck as often as it was meant to."""
        return 0 < int(self.options["times"]) <= self.uses

    def number(self, option: str) -> float:
        """The value of a numeric option."""
        return float(self.options[option])

    def word(self, option: str) -> str:
        """The value of a text option."""
        return str(self.options[option])

    def fits(self, service: str, dev_id: str) -> bool:
        """Whether a question is one that this fault is about."""
        if self.kind.services is None:
            return True
        chosen = self.word("service")
        if service != chosen if chosen else service not in self.kind.services:
            return False
        device = self.word("device")
        # A list of devices is asked without a dev_id, and still lacks the device that has vanished.
        names_none = self.kind.name == "device-vanishes" and service == "devicelist"
        return not device or names_none or dev_id == device


def parse_fault(text: str) -> Fault:
    """Read `name[:option=value]...`; the ValueError says what is wrong and what there is."""
    name, *pairs = _divide(text.strip())
    if name not in KINDS:
        raise ValueError(f"fault {name!r} is unknown; there are: {', '.join(KINDS)}")
    kind = KINDS[name]
    options = kind.all_options()
    given: set[str] = set()
    for pair in pairs:
        option, equals, value = pair.partition("=")
        if not equals or option not in options:
            raise ValueError(f"fault {name!r} has no option {pair!r}; it has: {', '.join(options)}")
        options[option] = _convert(name, option, value, options[option])
        given.add(option)
    if missing := kind.requires - given:
        raise ValueError(f"fault {name!r} needs the option {', '.join(sorted(missing))}")
    service = options.get("service")
    if service and service not in SERVICES:
        raise ValueError(f"service {service!r} is unknown; there are: {', '.join(sorted(SERVICES))}")
    return Fault(text.strip(), kind, options)


def _divide(text: str) -> list[str]:
    """The parts between colons; a piece without "=" belongs to the value before it, as in to=http://host:80/."""
    parts: list[str] = []
    for piece in text.split(":"):
        if len(parts) > 1 and "=" not in piece:
            parts[-1] += f":{piece}"
        else:
            parts.append(piece)
    return parts


def _convert(name: str, option: str, value: str, default: OptionValue) -> OptionValue:
    if isinstance(default, str):
        return value
    try:
        number = type(default)(value)
    except ValueError:
        raise ValueError(f"fault {name!r}: {option}={value} is no number") from None
    if not 0 <= number < float("inf"):
        raise ValueError(f"fault {name!r}: {option}={value} must not be negative or endless")
    return number


class ActiveFaults:
    """The faults of one gateway that are in force, oldest first."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = list(faults)

    @property
    def texts(self) -> list[str]:
        """The faults in force, as they were written."""
        return [fault.text for fault in self._faults]

    def add(self, fault: Fault) -> None:
        """Put a fault in force."""
        self._faults.append(fault)

    def clear(self, name: str | None = None) -> list[Fault]:
        """Lift all faults, or those of one name, and return them."""
        if name is not None and name not in KINDS:
            raise ValueError(f"fault {name!r} is unknown; there are: {', '.join(KINDS)}")
        lifted = [fault for fault in self._faults if name in (None, fault.kind.name)]
        self._faults = [fault for fault in self._faults if fault not in lifted]
        return lifted

    def has(self, name: str) -> bool:
        """Whether a fault of that name is in force, without using it."""
        return self.first(name) is not None

    def first(self, name: str) -> Fault | None:
        """The oldest fault of that name, without using it."""
        return next((fault for fault in self._faults if fault.kind.name == name), None)

    def take(self, name: str, service: str = "", dev_id: str = "") -> Fault | None:
        """The fault of that name that strikes now, if any; that is one use of it."""
        for fault in self._faults:
            if fault.kind.name != name or not fault.fits(service, dev_id):
                continue
            fault.occasions += 1
            if fault.uses == 0:
                continue
            if fault.used_up:
                self._faults = [other for other in self._faults if other is not fault]
            return fault
        return None
