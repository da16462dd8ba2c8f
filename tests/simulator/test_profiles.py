"""Profiles: each is complete, and says what its model is known to say."""

import math
from importlib.resources import files

import pytest

from exporter.simulator import Plant, Profile, load_profile, profile_names
from exporter.simulator.profile import Value

from .conftest import FORCED, LARGE, NIGHT, NOON, OLD, THREE_PHASE

SHAPES = {
    # devices by type; readings of each; readings of real_battery; entries of direct
    OLD: ([35, 44], [36, 8], [15, None], [4, None]),
    FORCED: ([21], [22], [None], [5]),
    THREE_PHASE: ([35, 44, 46], [45, 8, 19], [15, None, None], [5, None, None]),
    LARGE: ([21], [20], [None], [21]),
    NIGHT: ([35], [39], [15], [8]),
}


def length(entries: tuple[object, ...] | None) -> int | None:
    return None if entries is None else len(entries)


def labels(locale: str) -> dict[str, str]:
    text = files("exporter.simulator").joinpath("i18n", f"{locale}.properties").read_text("utf-8")
    pairs = [line.partition("=") for line in text.splitlines()]
    assert len({key for key, _, _ in pairs}) == len(pairs)
    return {key: value for key, _, value in pairs}


def everything(profile: Profile) -> list[tuple[str, Value]]:
    found = [(point.key, point.value) for point in profile.local]
    for device in profile.devices:
        found += [(point.key, point.value) for point in (device.real or ()) + (device.real_battery or ())]
        for entry in device.direct or ():
            found += [(entry.name, entry.voltage), (entry.name, entry.current)]
    return found


def test_there_are_five() -> None:
    """The profiles are those known here, sorted by name."""
    assert list(profile_names()) == sorted(SHAPES)


@pytest.mark.parametrize("name", SHAPES)
def test_shape(name: str) -> None:
    """Each profile has the devices and the numbers of readings of its model."""
    types, real, battery, direct = SHAPES[name]
    devices = load_profile(name).devices
    assert [device.item["dev_type"] for device in devices] == types
    assert [length(device.real) for device in devices] == real
    assert [length(device.real_battery) for device in devices] == battery
    assert [length(device.direct) for device in devices] == direct


@pytest.mark.parametrize("name", SHAPES)
def test_every_value_can_be_printed(name: str) -> None:
    """Every quantity exists, and every text is a finite number, a state, a name, `--` or a fact in quotes."""
    profile = load_profile(name)
    plant = Plant(profile.plant)
    values, texts = plant.values(NOON), plant.texts(NOON)
    for _, value in everything(profile):
        text = value.print(values, texts)
        assert text
        if value.quantity and value.quantity not in texts:
            assert math.isfinite(float(text))


@pytest.mark.parametrize("locale", ["en_US", "de_DE"])
@pytest.mark.parametrize("name", SHAPES)
def test_every_key_has_a_name(name: str, locale: str) -> None:
    """Every key that the profile sends, as name or as value, is in the file of names."""
    profile = load_profile(name)
    known = labels(locale)
    plant = Plant(profile.plant)
    values, texts = plant.values(NOON), plant.texts(NOON)
    sent = {str(entry["data_name"]) for entry in profile.about}
    sent |= {profile.plant.run_state, profile.plant.standby_state}
    for key, value in everything(profile):
        sent |= {key.partition("%@")[0], value.print(values, texts)}
    keys = {key for key in sent if key.startswith("I18N_")}
    assert len(keys) > 20
    assert keys <= set(known)
    assert all(known.values())
    assert "{0}" in known["I18N_COMMON_GROUP_BUNCH_TITLE_AND"]


def test_serial_numbers_differ() -> None:
    """No serial number occurs twice, neither of devices nor of dongles."""
    profiles = [load_profile(name) for name in SHAPES]
    numbers = [str(device.item["dev_sn"]) for profile in profiles for device in profile.devices]
    numbers += [str(profile.about[0]["data_value"]) for profile in profiles]
    assert len(set(numbers)) == len(numbers) == 13


def test_units_that_vary() -> None:
    """The same key has another unit on another model."""

    def unit(name: str, key: str) -> str | None:
        points = load_profile(name).devices[0].real or ()
        return next(point.unit for point in points if point.key == f"I18N_COMMON_{key}")

    assert unit(OLD, "TOTAL_BACKUP_POWER_WLECIVPM") == "kW"
    assert unit(NIGHT, "TOTAL_BACKUP_POWER_WLECIVPM") == "W"
    assert unit(THREE_PHASE, "MAXIMUM_APPARENT_POWER_SIWHFGQY") == "kVar"
    assert unit(NIGHT, "MAXIMUM_APPARENT_POWER_SIWHFGQY") == "VA"
    assert unit(THREE_PHASE, "BACKUP_FREQUENCY_MPPOWHDF") == "HZ"


def test_prefix_is_enough() -> None:
    """The beginning of a name will do if it fits one profile only."""
    assert load_profile("SH5.0RS") is load_profile(OLD)


@pytest.mark.parametrize(
    "name, complaint",
    [("SG", "'SG' is ambiguous; there are: SG10RS"), ("X1", "'X1' is unknown; there are")],
)
def test_wrong_names_are_explained(name: str, complaint: str) -> None:
    """A name that fits none or several profiles is refused with those there are."""
    with pytest.raises(ValueError, match=complaint):
        load_profile(name)
