"""Whole expositions against committed ones, and the committed ones against arithmetic of their own."""

import difflib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.metrics.exposition import Format
from exporter.simulator import Plant, Profile, load_profile, profile_names
from exporter.simulator.profile import Device, Point, Value
from tests.golden.by_hand import (
    BOOKKEEPING,
    BY_HAND,
    ERRORS_BY_HAND,
    FACTS_BY_HAND,
    MEANINGS,
    STATES,
    STRING,
    UNITS,
    UNMAPPED_BY_HAND,
)
from tests.golden.making import FOLDER, MOMENT, SUFFIXES, committed, made, names, path_of, written_names
from tests.harness import Series, series
from tests.prometheus import metric_findings


def parsed(name: str, form: Format = Format.TEXT) -> Series:
    parse = parse_text if form is Format.TEXT else parse_openmetrics
    return series(parse(committed(name, form)))


def readings(name: str) -> dict[str, float]:
    """What devices measured: device, family and own labels in one text, as BY_HAND writes them."""
    found: dict[str, float] = {}
    for (family, pairs), value in parsed(name).items():
        labels = dict(pairs)
        device = labels.get("device")
        short = family.removeprefix("winet2_")
        if device is None or short.removeprefix("device_") in BOOKKEEPING:
            continue
        own = [
            labels[label] for label in ("phase", "mppt", "string", "code", "key", "unit") if label in labels
        ]
        found[" ".join([device, short, *own])] = value
    return found


# The committed files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("name", names())
def test_golden_when_made_again_then_not_a_letter_differs(name: str, form: Format) -> None:
    """The whole exposition is as committed; `python -m tests.golden` writes it anew."""
    now, before = made(name)[form], committed(name, form)
    difference = difflib.unified_diff(
        before.splitlines(), now.splitlines(), "committed", "made now", lineterm="", n=0
    )
    if now != before:
        pytest.fail(f"{path_of(name, form).name} (python -m tests.golden):\n" + "\n".join(difference))


def test_golden_when_a_gateway_is_no_more_then_neither_are_its_files() -> None:
    """Each committed exposition has a gateway behind it."""
    files = {path.name for suffix in SUFFIXES.values() for path in FOLDER.glob(f"*{suffix}")}
    assert files == {path_of(name, form).name for name in names() for form in SUFFIXES}


@pytest.mark.parametrize("name", names())
def test_golden_when_both_formats_are_parsed_then_they_say_the_same_once(name: str) -> None:
    """Strict parsers read both, no series is there twice, and the two agree."""
    assert parsed(name) == parsed(name, Format.OPENMETRICS)


@pytest.mark.parametrize("name", names())
def test_golden_when_values_are_read_then_none_is_minus_nought_or_no_number(name: str) -> None:
    """No "-0.0", NaN or infinity comes through."""
    values = {line.rpartition(" ")[2] for line in committed(name, Format.TEXT).split("\n")[:-1]}
    assert not values & {"-0.0", "-0", "NaN", "+Inf", "-Inf"}


@pytest.mark.real
@pytest.mark.parametrize("name", names())
def test_golden_when_promtool_reads_it_then_it_has_nothing_to_say(name: str) -> None:
    """`promtool check metrics` has no finding."""
    assert metric_findings(committed(name, Format.TEXT).encode()) == []


# Profiles, value by value ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", profile_names())
def test_profile_when_each_reading_is_reckoned_apart_then_the_golden_file_has_just_those(name: str) -> None:
    """Each point that the profile prints is one sample in base units, and there is none besides."""
    assert readings(name) == pytest.approx(dict(reckoned(load_profile(name))), rel=1e-12)


def reckoned(profile: Profile) -> Iterator[tuple[str, float]]:
    """What `readings` should find, out of the profile's points and the tables above."""
    plant = Plant(profile.plant, timedelta(0))
    values, texts = plant.values(MOMENT), plant.texts(MOMENT)

    def number(value: Value) -> float | None:
        text = value.print(values, texts)
        return None if text == "--" or text.startswith("I18N_") else float(text)

    for device in profile.devices:
        serial = str(device.item["dev_sn"])
        for point in points_of(device):
            value = number(point.value)
            if value is None or point.key in STATES:
                continue
            if point.key in MEANINGS:
                meaning = MEANINGS[point.key]
                word, factor = UNITS[str(point.unit)]
                assert meaning.partition(" ")[0].removesuffix("_total").endswith(f"_{word}"), point
                yield f"{serial} {meaning}", value * factor
            else:
                yield f"{serial} reading {point.key} {point.unit or ''}", value
        for entry in device.direct or ():
            kind, label = (
                ("mppt", entry.name.removeprefix("MPPT"))
                if entry.name.startswith("MPPT")
                else ("string", entry.name.removeprefix(STRING))
            )
            volts, amperes = number(entry.voltage), number(entry.current)
            if volts is not None and amperes is not None:
                yield f"{serial} {kind}_voltage_volts {label}", volts
                yield f"{serial} {kind}_current_amperes {label}", amperes
                yield f"{serial} {kind}_power_watts {label}", volts * amperes


@pytest.mark.parametrize("name", profile_names())
def test_profile_when_a_device_tells_its_state_then_that_one_is_one(name: str) -> None:
    """The state is the plant's, and no other is 1."""
    profile = load_profile(name)
    texts = Plant(profile.plant, timedelta(0)).texts(MOMENT)
    told = [
        (str(device.item["dev_sn"]), point.value.print({}, texts).removeprefix("I18N_COMMON_").lower())
        for device in profile.devices
        for point in device.real or ()
        if point.key in STATES
    ]
    found = [
        (labels["device"], labels["state"])
        for (family, pairs), value in parsed(name).items()
        if family == "winet2_device_state" and value == 1 and (labels := dict(pairs))
    ]
    assert told
    assert sorted(found) == sorted(told)


def points_of(device: Device) -> list[Point]:
    """All points, without those of a battery that is nothing but noughts: it does not exist."""
    battery = device.real_battery or ()
    if all(point.value.text is not None and float(point.value.text) == 0 for point in battery):
        battery = ()
    return [*(device.real or ()), *battery]


# Replies written by hand -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", written_names())
def test_replies_when_each_reading_is_reckoned_by_hand_then_the_golden_file_has_just_those(name: str) -> None:
    """Whatever stands in a reply, what comes out is what a person would read in it, or nothing."""
    devices = [dict(labels)["device"] for family, labels in parsed(name) if family == "winet2_device_info"]
    expected = {
        key if key.startswith(tuple(f"{device} " for device in devices)) else f"{devices[0]} {key}": value
        for key, value in BY_HAND[name].items()
    }
    assert readings(name) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", written_names())
def test_replies_when_something_is_of_no_use_then_it_is_counted_under_its_reason(name: str) -> None:
    """What is missing among the readings is found among the errors, and unknown keys are counted."""
    found = {
        dict(labels)["reason"]: value
        for (family, labels), value in parsed(name).items()
        if family == "winet2_errors_total" and value and ("reason", "unsupported") not in labels
    }
    assert found == ERRORS_BY_HAND[name]
    assert parsed(name)["winet2_unmapped_readings", (("target", "roof"),)] == UNMAPPED_BY_HAND[name]


def test_replies_when_a_gateway_tells_of_itself_then_its_facts_are_those_reckoned_by_hand() -> None:
    """What services beside the readings tell is shown in base units, and what is of no use is not."""
    found = {
        " ".join([name.removeprefix("winet2_"), *(v for label, v in labels if label == "state")]): value
        for (name, labels), value in parsed("gateway").items()
        if name.startswith(("winet2_gateway_", "winet2_plant_"))
        and not name.startswith(("winet2_gateway_certificate_", "winet2_gateway_info"))
    }
    assert found == FACTS_BY_HAND
