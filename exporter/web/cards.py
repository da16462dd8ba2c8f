"""One card a target, as the server writes it; `static/status.js` builds the same one from the JSON."""

from __future__ import annotations

from exporter.web.flow import flow
from exporter.web.markup import Html, element, foreign
from exporter.web.status import Certificate, DeviceStatus, Target
from exporter.web.words import date, energy, fixed, percent, plain, power, span

# what a device's line says, in this order
_DEVICE_VALUES = (
    ("pv_power_watts", "PV", power),
    ("ac_active_power_watts", "AC", power),
    ("battery_state_of_charge_ratio", "charge", percent),
    ("battery_state_of_health_ratio", "health", percent),
    ("pv_energy_today_joules", "today", energy),
)

_CHECKS = {
    "bypass": "certificate not checked",
    "pinned": "certificate pinned",
    "strict": "certificate checked",
}


def card(target: Target) -> Html:
    """Everything about a target, with what matters first."""
    return element(
        "article",
        {"class": f"card {level(target)}", "data-target": target.name},
        element(
            "header", {},
            element("h2", {}, foreign(target.name)),
            element("p", {"class": "state"}, plain(target.state)),
        ),
        element("p", {"class": "meta"}, foreign(target.host), _transport(target)),
        _labels(target),
        element("p", {"class": "meta"}, " · ".join(_times(target))),
        _error(target),
        _silence(target),
        _alarms(target),
        flow(target.plant),
        _without(target),
        element("ul", {"class": "devices"}, *map(_device, target.devices)) if target.devices else None,
        _details(target),
    )  # fmt: skip


def level(target: Target) -> str:
    """The class by which a card is coloured."""
    if target.problem:
        return "bad"
    return "good" if target.state == "online" else "waiting"


def _labels(target: Target) -> Html | None:
    told = " · ".join(f"{name}: {value}" for name, value in target.labels.items() if value)
    return element("p", {"class": "meta"}, foreign(told)) if told else None


def _transport(target: Target) -> str:
    check = "not encrypted" if target.transport == "ws" else _CHECKS.get(target.verify, target.verify)
    return f" · {target.transport} · {check}"


def _times(target: Target) -> list[str]:
    times = [f"{plain(target.state)} for {span(target.state_age_seconds)}"]
    if target.failing_for_seconds is not None:
        times.append(f"down for {span(target.failing_for_seconds)}")
    if target.retry_in_seconds is not None:
        times.append(f"next try in {span(target.retry_in_seconds)}")
    age = target.last_refresh_age_seconds
    times.append("never read" if age is None else f"read {span(age)} ago")
    return times


def _error(target: Target) -> Html | None:
    if target.error is None:
        return None
    past = target.state in ("online", "asleep")
    return element(
        "div",
        {"class": "error past" if past else "error"},
        element("p", {"class": "what"}, "Last error: " if past else None, foreign(target.error)),
        None if target.advice is None or past else element("p", {}, target.advice),
    )


def _silence(target: Target) -> Html | None:
    if target.state != "online" or target.up or not target.had_first_cycle:
        return None
    return element("p", {"class": "alarm"}, "It is online, but gives no readings.")


def _alarms(target: Target) -> Html | None:
    told = []
    for count, what in ((target.gateway.faults, "fault"), (target.gateway.alarms, "alarm")):
        if count:
            told.append(f"{fixed(count, 0)} {what}{'' if count == 1 else 's'}")
    return element("p", {"class": "alarm"}, f"The gateway reports {' and '.join(told)}.") if told else None


def _without(target: Target) -> Html | None:
    if not target.plant.without:
        return None
    names = {device.device: device.name for device in target.devices}
    told = ", ".join(names.get(identity, identity) for identity in target.plant.without)
    return element("p", {"class": "meta"}, "Not in the sum, for the gateway has no link: ", foreign(told))


def _device(device: DeviceStatus) -> Html:
    if device.online is False:
        state = "no link"
    elif not device.up:
        state = "no readings"
    else:
        state = plain(device.state or "")
    values = [
        f"{label} {say(device.values[name])}" for name, label, say in _DEVICE_VALUES if name in device.values
    ]
    faults = f"fault {', '.join(device.faults)}" if device.faults else ""
    how = ", ".join(filter(None, (state, faults)))
    kind = f" · {device.kind}{' · ' if how else ''}"
    wrong = bool(faults) or device.online is False or device.state == "fault"
    return element(
        "li", {},
        element("span", {"class": "name"}, foreign(device.name or device.device)), " ",
        element("span", {"class": "meta"}, foreign(device.model), kind),
        element("span", {"class": "wrong" if wrong else "how"}, foreign(how)),
        element("span", {"class": "values"}, " · ".join(values)),
    )  # fmt: skip


def _details(target: Target) -> Html:
    gateway = target.gateway
    rows = [
        ("Firmware", gateway.firmware),
        ("Hardware", gateway.hardware),
        ("Serial number", gateway.serial),
        ("Cloud", {None: None, True: "connected", False: "not connected"}[gateway.cloud_connected]),
        ("WLAN", None if gateway.wifi_signal_dbm is None else f"{fixed(gateway.wifi_signal_dbm, 0)} dBm"),
        ("Sun", {None: None, True: "up", False: "down"}[target.sun_up]),
        *_certificate(target.certificate),
        *(("Device", f"{device.device} {device.model}".strip()) for device in target.devices),
    ]
    told = [(name, value) for name, value in rows if value is not None]
    if not told:
        told = [("Gateway", "nothing is known yet")]
    parts = [
        part for name, value in told for part in (element("dt", {}, name), element("dd", {}, foreign(value)))
    ]
    return element(
        "details", {}, element("summary", {}, "Gateway and serial numbers"), element("dl", {}, *parts)
    )


def _certificate(certificate: Certificate | None) -> list[tuple[str, str | None]]:
    if certificate is None:
        return []
    end, left = certificate.expiry_timestamp_seconds, certificate.expires_in_seconds
    valid = None
    if end is not None and left is not None:
        valid = f"{date(end)}, {f'in {span(left)}' if left > 0 else 'which is past'}"
    return [("Certificate ends", valid), ("Fingerprint", certificate.fingerprint_sha256)]
