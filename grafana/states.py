"""States as numbers, which is what Grafana can draw: their names, colours, and the queries that make them."""

from grafana import colours
from grafana.queries import OF_DEVICE, device, named, target

# The states of a session with a gateway: every one that the exporter knows.
TARGET_STATES = {
    "starting": (1, "Starting", colours.WAITING),
    "connecting": (2, "Connecting", colours.WAITING),
    "authenticating": (3, "Logging in", colours.WAITING),
    "online": (4, "Online", colours.GOOD),
    "backing_off": (5, "Backing off", colours.BAD),
    "asleep": (6, "Asleep", colours.ASLEEP),
    "yielded": (7, "Yielded to a person", colours.CALM),
    "paused": (8, "Paused", colours.CALM),
    "refused": (9, "Login refused", colours.BAD),
    "locked": (10, "Account locked", colours.BAD),
}
# What devices say they do. Firmware has several words for one thing; a state that is in no group is “other”.
DEVICE_STATES = {
    1: ("Stopped", colours.ASLEEP, ("stop", "shutdown")),
    2: ("Standby", colours.CALM, ("standby", "initial_standby")),
    3: ("Starting", colours.WAITING, ("initializing", "startup")),
    4: ("Running", colours.GOOD, ("running", "status_run", "on_grid_operation")),
    5: ("Dispatched", "light-green", ("dispatch_run", "energy_dispatch_operation")),
    6: ("Limited", colours.WARNING, ("derating",)),
    7: ("Off grid", "purple", ("off_grid_operation",)),
    8: ("Maintenance", colours.WARNING, ("maintain_mode",)),
    9: ("Fault", colours.BAD, ("fault", "state_emergency_stop")),
}

OF_TARGETS = {number: (text, colour) for number, text, colour in TARGET_STATES.values()}
OF_DEVICES = {0: ("Other", colours.UNKNOWN)} | {
    number: (text, colour) for number, (text, colour, _) in DEVICE_STATES.items()
}
UP = {0: ("Down", colours.BAD), 1: ("Up", colours.GOOD)}
FRESH = {0: ("No readings", colours.ASLEEP), 1: ("Readings", colours.GOOD)}
YES = {0: ("No", colours.BAD), 1: ("Yes", colours.GOOD)}


def target_state() -> str:
    """The state of each target, by number."""
    terms = (
        f"{number} * {target('winet2_target_state', state=state)}"
        for state, (number, _, _) in TARGET_STATES.items()
    )
    return f"sum by (job, instance, target) ({' or '.join(terms)})"


def device_state(kinds: str = ".+") -> str:
    """The state of each device of some kinds, by number."""
    terms = (
        f"{number} * {device('winet2_device_state', state='~' + '|'.join(states))}"
        for number, (_, _, states) in DEVICE_STATES.items()
    )
    any_state = f"0 * {device('winet2_device_state')}"
    return named(f"sum by ({OF_DEVICE}) ({' or '.join([*terms, any_state])})", kinds)
