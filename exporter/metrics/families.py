"""The families that tell of targets and connections rather than of readings: names, types, HELP, labels."""

from __future__ import annotations

from exporter.metrics.family import DEVICE_LABELS, PREFIX, Family

TARGET_LABELS = ("target",)
CACHED = "cached at the last refresh"


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(PREFIX + name, "gauge", text, (*TARGET_LABELS, *labels))


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(f"{PREFIX}{name}_total", "counter", text, (*TARGET_LABELS, *labels))


_STATE = f"From the service state, which only some firmware has; {CACHED}."
_STATISTICS = f"From the service statistics, which only some firmware has; {CACHED}."

CONFIG_RELOAD_SUCCESSFUL = Family(
    f"{PREFIX}config_last_reload_successful",
    "gauge",
    "1 if the configuration was good when it was read last.",
    (),
)
CONFIG_RELOAD_TIMESTAMP = Family(
    f"{PREFIX}config_last_reload_success_timestamp_seconds",
    "gauge",
    "When a good configuration was read last.",
    (),
)

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
DEVICE_RATED_POWER = Family(
    f"{PREFIX}device_rated_power_watts",
    "gauge",
    "Rated power of the device, by the configuration.",
    DEVICE_LABELS,
)
STRING_INFO = Family(
    f"{PREFIX}string_info",
    "gauge",
    "What the configuration calls a string, and the group it is compared within; always 1.",
    (*DEVICE_LABELS, "string", "name", "group"),
)
DEVICE_FAULT = Family(
    f"{PREFIX}device_fault",
    "gauge",
    "1 for each entry of the device's fault list. Unverified: no such entry was ever seen in public, so the "
    "code may be misread; alert on winet2_gateway_faults instead.",
    (*DEVICE_LABELS, "code"),
)

GATEWAY_INFO = _gauge(
    "gateway_info",
    "Serial number and versions of the gateway itself; always 1. From the page /about/list.",
    "serial",
    "hardware",
    "firmware",
)
GATEWAY_FAULTS = _gauge("gateway_faults", f"Faults the gateway counts in its plant. {_STATE}")
GATEWAY_ALARMS = _gauge("gateway_alarms", f"Alarms the gateway counts in its plant. {_STATE}")
CLOUD_CONNECTED = _gauge("gateway_cloud_connected", f"1 while the gateway reaches Sungrow's cloud. {_STATE}")
WIFI_SIGNAL = _gauge(
    "gateway_wifi_signal_dbm",
    f"Strength of the WLAN at the gateway. From I18N_COMMON_WIFI_SIGNAL_STRN of the service local; {CACHED}.",
)
CLOCK_OFFSET = _gauge(
    "gateway_clock_offset_seconds",
    "By how much the gateway's clock is ahead, with the configured timezone. It tells minutes only: give or "
    f"take 60 s. From I18N_COMMON_SYSTEM_TIME of the service local; {CACHED}.",
)
PLANT_POWER = _gauge("plant_power_watts", f"Active power of all inverters together. {_STATISTICS}")
PLANT_RATED_POWER = _gauge("plant_rated_power_watts", f"Rated power of all inverters together. {_STATISTICS}")
PLANT_POWER_LIMIT = _gauge(
    "plant_power_limit_watts", f"Active power that the plant is allowed to make now. {_STATISTICS}"
)
PLANT_DEVICES = _gauge("plant_devices", f"Devices by the state of their link. {_STATISTICS}", "state")

SUN_ELEVATION = _gauge(
    "sun_elevation_degrees",
    "Height of the sun's centre above the horizon at the configured location, without refraction.",
)
SUN_UP = _gauge("sun_up", "1 while the sun is above the horizon at the configured location.")
LOCAL_MIDNIGHT = _gauge(
    "local_midnight_timestamp_seconds",
    "When the present day began, by the configured or the system's timezone.",
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
