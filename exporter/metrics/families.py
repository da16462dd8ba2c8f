"""The families that tell of targets and connections rather than of readings: names, types, HELP, labels."""

from __future__ import annotations

from exporter.metrics.family import DEVICE_LABELS, PREFIX, Family

TARGET_LABELS = ("target",)
CACHED = "cached at the last refresh"


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(PREFIX + name, "gauge", text, (*TARGET_LABELS, *labels))


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(f"{PREFIX}{name}_total", "counter", text, (*TARGET_LABELS, *labels))


ATTEMPTS = _counter(
    "ws_connection_attempts",
    "WebSocket connections begun; successes, failures and one that may be under way.",
)
SUCCESSES = _counter("ws_connection_successes", "WebSocket connections opened.")
FAILURES = _counter("ws_connection_failures", "WebSocket connections that did not open.")
RECONNECTIONS = _counter("ws_reconnections", "WebSocket connections opened after the first one.")
RECEIVED = _counter(
    "ws_messages_received", "WebSocket text messages received; may lag by the cycle under way."
)
SENT = _counter("ws_messages_sent", "WebSocket text messages sent; may lag by the cycle under way.")
TIMEOUTS = _counter("request_timeouts", "Questions that had no answer in time; each costs the connection.")
WATCHDOG = _counter("watchdog_triggers", "Connections given up after five cycles in a row without a reading.")
SCHEMA_ERRORS = _counter("schema_validation_errors", "Messages, devices and readings that failed validation.")
ERRORS = _counter("errors", "Everything that went wrong, by reason.", "reason")

UP = _gauge("up", "1 while the readings of the target are younger than stale_after.")
STATE = _gauge(
    "target_state", "1 for the state the session with the target is in, 0 for the others.", "state"
)
LAST_REFRESH = _gauge("last_refresh_timestamp_seconds", "When the newest readings of the target were taken.")
DURATION = _gauge("refresh_duration_seconds", "How long the newest refresh that brought readings took.")
REFRESHES = _counter("refreshes", "Refresh cycles ended.")
REFRESH_FAILURES = _counter("refresh_failures", "Refresh cycles that brought no reading.")
DEVICES = _gauge("devices", "Devices the gateway lists.")
UNMAPPED = _gauge(
    "unmapped_readings",
    "Keys that the catalogue has no entry for; the numbers among them are winet2_reading.",
)
CERTIFICATE_EXPIRY = _gauge(
    "gateway_certificate_expiry_timestamp_seconds", "When the certificate that the gateway showed ends."
)
CERTIFICATE_CHANGES = _counter(
    "gateway_certificate_changes", "Times the gateway showed another certificate than before."
)
COUNTER_RESETS = _counter(
    "counter_resets", "Times a lifetime total went back and stayed there.", "device", "family"
)

DEVICE_INFO = Family(
    f"{PREFIX}device_info",
    "gauge",
    "What is known of a listed device; always 1.",
    (*DEVICE_LABELS, "name", "model", "kind", "dev_type", "dev_code"),
)
DEVICE_ONLINE = Family(
    f"{PREFIX}device_online",
    "gauge",
    "1 if the gateway has a link to the device, by its list.",
    DEVICE_LABELS,
)
DEVICE_UP = Family(
    f"{PREFIX}device_up",
    "gauge",
    "1 while readings of the device are younger than stale_after.",
    DEVICE_LABELS,
)
DEVICE_LAST_REFRESH = Family(
    f"{PREFIX}device_last_refresh_timestamp_seconds",
    "gauge",
    "When the newest reading of the device was taken.",
    DEVICE_LABELS,
)
DEVICE_STATE = Family(
    f"{PREFIX}device_state",
    "gauge",
    f"1 for the state the device says it is in, 0 for the others. From I18N_COMMON_RUNNING_STATE, "
    f"I18N_COMMON_DEVICE_STATUS, I18N_COMMON_BATTERY_OPERATION_STATUS; {CACHED}.",
    (*DEVICE_LABELS, "state"),
)
READING = Family(
    f"{PREFIX}reading",
    "gauge",
    f"A number the catalogue has no entry for, in the gateway's own unit; the label key names it; {CACHED}.",
    (*DEVICE_LABELS, "key", "unit"),
)
INFO_LABELS = ("host", "transport", "verify", "firmware")


def target_info(own_labels: tuple[str, ...]) -> Family:
    """How targets are reached; `own_labels` is the union of what the configuration gives them."""
    return _gauge(
        "target_info",
        "How the target is reached, and the labels the configuration gives it; always 1.",
        *INFO_LABELS,
        *own_labels,
    )


def all_families() -> tuple[Family, ...]:
    """Every family of this module, in order: for the documentation, and so that nothing else takes a name.

    Of one that a function makes there is the plainest form.
    """
    constants = [value for value in globals().values() if isinstance(value, Family)]
    return (*constants, target_info(()))
