"""The catalogue: every key of the metrics' table is there, and every mistake in it is named."""

import re
from decimal import Decimal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.metrics import catalogue, units
from exporter.metrics.catalogue import Catalogue, CatalogueError

BUNDLED = catalogue.bundled()

W, KW = ("W", "1"), ("kW", "1000")
WH, KWH = ("Wh", "3600"), ("kWh", "3600000")
V, A, C, HZ, H = ("V", "1"), ("A", "1"), ("\u2103", "1"), ("Hz", "1"), ("h", "3600")
PERCENT, NO_UNIT = ("%", "0.01"), ("", "1")
KVAR, KVA, KOHM = ("kvar", "1000"), ("kVA", "1000"), ("k\u03a9", "1000")

# family (without winet2_), label and its value, the keys in their order (I18N_COMMON_ left out), units
TABLE = [
    ("pv_power_watts", None, ["TOTAL_DCPOWER"], [KW, W]),
    ("ac_active_power_watts", None, ["TOTAL_ACTIVE_POWER", "ACTIVE_POWER"], [KW, W]),
    ("ac_reactive_power_volt_amperes_reactive", None, ["TOTAL_REACTIVE_POWER"], [KVAR, ("var", "1")]),
    ("ac_apparent_power_volt_amperes", None, ["TOTAL_APPARENT_POWER"], [KVA, ("VA", "1")]),
    ("ac_apparent_power_limit_volt_amperes", None, ["MAXIMUM_APPARENT_POWER_SIWHFGQY"], [KVA, KVAR]),
    ("ac_power_factor_ratio", None, ["TOTAL_POWER_FACTOR"], [NO_UNIT]),
    ("grid_frequency_hertz", None, ["GRID_FREQUENCY"], [HZ]),
    ("ac_voltage_volts", ("phase", "a"), ["I18N_COMMONUA"], [V]),
    ("ac_voltage_volts", ("phase", "b"), ["UB"], [V]),
    ("ac_voltage_volts", ("phase", "c"), ["UC"], [V]),
    ("ac_current_amperes", ("phase", "a"), ["FRAGMENT_RUN_TYPE1"], [A]),
    ("ac_current_amperes", ("phase", "b"), ["IB"], [A]),
    ("ac_current_amperes", ("phase", "c"), ["IC"], [A]),
    ("dc_bus_voltage_volts", None, ["BUS_VOLTAGE"], [V]),
    ("internal_temperature_celsius", None, ["AIR_TEM_INSIDE_MACHINE"], [C]),
    ("array_insulation_resistance_ohms", None, ["SQUARE_ARRAY_INSULATION_IMPEDANCE"], [KOHM]),
    ("grid_running_time_seconds_total", None, ["TOTAL_GRID_RUNNING_TIME"], [H]),
    ("pv_energy_today_joules", None, ["PV_DAYILY_ENERGY_GENERATION", "DAILY_POWER_YIELD"], [KWH]),
    ("pv_energy_joules_total", None, ["PV_TOTAL_ENERGY_GENERATION", "TOTAL_YIELD"], [KWH]),
    ("ac_output_energy_today_joules", None, ["DAY_AC_OUTPUT_YIELD"], [KWH]),
    ("ac_output_energy_joules_total", None, ["TOTAL_AC_OUTPUT_YIELD"], [KWH]),
    ("grid_export_power_watts", None, ["FEED_NETWORK_TOTAL_ACTIVE_POWER"], [KW]),
    ("grid_import_power_watts", None, ["I18N_CONFIG_KEY_4060"], [KW]),
    ("load_power_watts", None, ["LOAD_TOTAL_ACTIVE_POWER"], [KW]),
    ("grid_export_energy_today_joules", None, ["DAILY_FEED_NETWORK_VOLUME"], [KWH]),
    ("grid_export_energy_joules_total", None, ["TOTAL_FEED_NETWORK_VOLUME"], [KWH]),
    ("grid_export_pv_energy_today_joules", None, ["DAILY_FEED_NETWORK_PV"], [KWH]),
    ("grid_export_pv_energy_joules_total", None, ["TOTAL_FEED_NETWORK_PV"], [KWH]),
    ("grid_import_energy_today_joules", None, ["ENERGY_GET_FROM_GRID_DAILY"], [KWH]),
    ("grid_import_energy_joules_total", None, ["TOTAL_ELECTRIC_GRID_GET_POWER"], [KWH]),
    ("load_pv_energy_today_joules", None, ["DAILY_DIRECT_CONSUMPTION_ELECTRICITY_PV"], [KWH]),
    ("load_pv_energy_joules_total", None, ["TOTAL_DIRECT_POWER_CONSUMPTION_PV"], [KWH]),
    ("self_consumption_today_ratio", None, ["I18N_CONFIG_KEY_1001188"], [PERCENT]),
    ("battery_charge_power_watts", None, ["I18N_CONFIG_KEY_3907"], [KW]),
    ("battery_discharge_power_watts", None, ["I18N_CONFIG_KEY_3921"], [KW]),
    ("battery_voltage_volts", None, ["BATTERY_VOLTAGE"], [V]),
    ("battery_current_amperes", None, ["BATTERY_CURRENT"], [A]),
    ("battery_temperature_celsius", None, ["BATTERY_TEMPERATURE"], [C]),
    ("battery_state_of_charge_ratio", None, ["BATTERY_SOC", "REMAIN_BATTERY_POWER"], [PERCENT]),
    ("battery_state_of_health_ratio", None, ["BATTARY_HEALTH"], [PERCENT]),
    ("battery_charge_current_limit_amperes", None, ["MAX_CHARGE_CURRENT_BMS"], [A]),
    ("battery_discharge_current_limit_amperes", None, ["MAX_DISCHARGE_CURRENT_BMS"], [A]),
    ("battery_charge_energy_today_joules", None, ["DAILY_BATTERY_CHARGE"], [KWH]),
    ("battery_charge_energy_joules_total", None, ["TOTAL_BATTERY_CHARGE"], [KWH]),
    ("battery_charge_pv_energy_today_joules", None, ["DAILY_BATTERY_CHARGE_PV"], [KWH]),
    ("battery_charge_pv_energy_joules_total", None, ["TOTAL_BATTERY_CHARGE_PV"], [KWH]),
    ("battery_discharge_energy_today_joules", None, ["DAILY_BATTERY_DISCHARGE"], [KWH]),
    ("battery_discharge_energy_joules_total", None,
     ["TOTAL_BATTRY_DISCHARGE", "TOTAL_BATTERY_DISCHARGE_BMS"], [KWH]),
    ("backup_power_watts", None, ["TOTAL_BACKUP_POWER_WLECIVPM"], [KW, W]),
    ("backup_phase_power_watts", ("phase", "a"), ["PHASE_A_BACKUP_POWER_BRBJDGVB"], [KW, W]),
    ("backup_phase_power_watts", ("phase", "b"), ["PHASE_B_BACKUP_POWER_OCDHLMZB"], [KW, W]),
    ("backup_phase_power_watts", ("phase", "c"), ["PHASE_C_BACKUP_POWER_HAMBBGNL"], [KW, W]),
    ("backup_voltage_volts", ("phase", "a"), ["PHASE_A_BACKUP_VOLTAGE_PEIYFKXE"], [V]),
    ("backup_voltage_volts", ("phase", "b"), ["PHASE_B_BACKUP_VOLTAGE_MCDGYUJO"], [V]),
    ("backup_voltage_volts", ("phase", "c"), ["PHASE_C_BACKUP_VOLTAGE_SCJZFFCQ"], [V]),
    ("backup_current_amperes", ("phase", "a"), ["PHASE_A_BACKUP_CURRENT_QFKYGING"], [A]),
    ("backup_current_amperes", ("phase", "b"), ["PHASE_B_BACKUP_CURRENT_ODXCTVMS"], [A]),
    ("backup_current_amperes", ("phase", "c"), ["PHASE_C_BACKUP_CURRENT_PBSQLZIX"], [A]),
    ("backup_frequency_hertz", None, ["BACKUP_FREQUENCY_MPPOWHDF"], [HZ]),
    ("meter_voltage_volts", ("phase", "a"), ["I18N_CONFIG_KEY_1003332"], [V]),
    ("meter_voltage_volts", ("phase", "b"), ["I18N_CONFIG_KEY_1003334"], [V]),
    ("meter_voltage_volts", ("phase", "c"), ["I18N_CONFIG_KEY_1003336"], [V]),
    ("meter_current_amperes", ("phase", "a"), ["I18N_CONFIG_KEY_1003331"], [A]),
    ("meter_current_amperes", ("phase", "b"), ["I18N_CONFIG_KEY_1003333"], [A]),
    ("meter_current_amperes", ("phase", "c"), ["I18N_CONFIG_KEY_1003335"], [A]),
    ("meter_frequency_hertz", None, ["METER_GRID_FREQ_AMMAKPKU"], [HZ]),
    ("meter_reactive_power_volt_amperes_reactive", None, ["REACTIVE_POWER_UPLOADED_BY_ME_KISYMRKR"],
     [KVAR, ("kVar", "1000"), ("var", "1")]),
    ("charger_minimum_power_watts", None, ["MIN_CHARGING_POWER"], [W]),
    ("charger_power_limit_watts", None, ["MEASURING_POIN_36"], [W]),
    ("charger_delivered_energy_joules_total", None, ["_TOTAL_DELIVERED_ENERGY_BMUDODSV"], [WH]),
    ("charger_voltage_volts", ("phase", "a"), ["PHASE_A_CHARGING_VOLTAGE_JYAXKVKA"], [V]),
    ("charger_voltage_volts", ("phase", "b"), ["PHASE_B_CHARGING_VOLTAGE_QMUJVJCG"], [V]),
    ("charger_voltage_volts", ("phase", "c"), ["PHASE_C_CHARGING_VOLTAGE_HYSJHJXA"], [V]),
    ("charger_current_amperes", ("phase", "a"), ["PHASE_A_CHARGING_CURRENT_KMPZTBUO"], [A]),
    ("charger_current_amperes", ("phase", "b"), ["PHASE_B_CHARGING_CURRENT_SAHGKWBA"], [A]),
    ("charger_current_amperes", ("phase", "c"), ["PHASE_C_CHARGING_CURRENT_PESAFOPL"], [A]),
]  # fmt: skip
# what devices were seen to send over `real`, `real_battery` and `direct` (I18N_COMMON_ left out)
SEEN = {
    "inverter": (
        "TOTAL_GRID_RUNNING_TIME DAILY_POWER_YIELD TOTAL_YIELD RUNNING_STATE BUS_VOLTAGE "
        "AIR_TEM_INSIDE_MACHINE SQUARE_ARRAY_INSULATION_IMPEDANCE TOTAL_DCPOWER TOTAL_ACTIVE_POWER "
        "TOTAL_REACTIVE_POWER TOTAL_APPARENT_POWER TOTAL_POWER_FACTOR GRID_FREQUENCY I18N_COMMONUA "
        "FRAGMENT_RUN_TYPE1 MAXIMUM_APPARENT_POWER_SIWHFGQY I18N_CONFIG_KEY_1003332 "
        "I18N_CONFIG_KEY_1003334 I18N_CONFIG_KEY_1003336 I18N_CONFIG_KEY_1003331 I18N_CONFIG_KEY_1003333 "
        "I18N_CONFIG_KEY_1003335 ACTIVE_POWER MPPT1"
    ),
    "hybrid": (
        "TOTAL_GRID_RUNNING_TIME PV_DAYILY_ENERGY_GENERATION PV_TOTAL_ENERGY_GENERATION DAILY_POWER_YIELD "
        "TOTAL_YIELD RUNNING_STATE BUS_VOLTAGE AIR_TEM_INSIDE_MACHINE SQUARE_ARRAY_INSULATION_IMPEDANCE "
        "I18N_CONFIG_KEY_1001188 FEED_NETWORK_TOTAL_ACTIVE_POWER I18N_CONFIG_KEY_4060 "
        "DAILY_FEED_NETWORK_VOLUME TOTAL_FEED_NETWORK_VOLUME ENERGY_GET_FROM_GRID_DAILY "
        "TOTAL_ELECTRIC_GRID_GET_POWER DAILY_FEED_NETWORK_PV TOTAL_FEED_NETWORK_PV "
        "LOAD_TOTAL_ACTIVE_POWER DAILY_DIRECT_CONSUMPTION_ELECTRICITY_PV "
        "TOTAL_DIRECT_POWER_CONSUMPTION_PV TOTAL_DCPOWER TOTAL_ACTIVE_POWER TOTAL_REACTIVE_POWER "
        "TOTAL_APPARENT_POWER TOTAL_POWER_FACTOR GRID_FREQUENCY I18N_COMMONUA FRAGMENT_RUN_TYPE1 "
        "PHASE_A_BACKUP_CURRENT_QFKYGING PHASE_B_BACKUP_CURRENT_ODXCTVMS PHASE_C_BACKUP_CURRENT_PBSQLZIX "
        "PHASE_A_BACKUP_POWER_BRBJDGVB PHASE_B_BACKUP_POWER_OCDHLMZB PHASE_C_BACKUP_POWER_HAMBBGNL "
        "TOTAL_BACKUP_POWER_WLECIVPM DEVICE_STATUS UB UC IB IC PHASE_A_BACKUP_VOLTAGE_PEIYFKXE "
        "PHASE_B_BACKUP_VOLTAGE_MCDGYUJO PHASE_C_BACKUP_VOLTAGE_SCJZFFCQ BACKUP_FREQUENCY_MPPOWHDF "
        "MAXIMUM_APPARENT_POWER_SIWHFGQY METER_GRID_FREQ_AMMAKPKU REACTIVE_POWER_UPLOADED_BY_ME_KISYMRKR "
        "I18N_CONFIG_KEY_3907 I18N_CONFIG_KEY_3921 BATTERY_VOLTAGE BATTERY_CURRENT BATTERY_TEMPERATURE "
        "BATTERY_SOC BATTARY_HEALTH MAX_CHARGE_CURRENT_BMS MAX_DISCHARGE_CURRENT_BMS "
        "DAILY_BATTERY_CHARGE_PV TOTAL_BATTERY_CHARGE_PV DAILY_BATTERY_DISCHARGE TOTAL_BATTRY_DISCHARGE "
        "DAILY_BATTERY_CHARGE TOTAL_BATTERY_CHARGE DAY_AC_OUTPUT_YIELD TOTAL_AC_OUTPUT_YIELD "
        "I18N_CONFIG_KEY_1003331 I18N_CONFIG_KEY_1003333 I18N_CONFIG_KEY_1003335 I18N_CONFIG_KEY_1003332 "
        "MPPT1 MPPT2 GROUP_BUNCH_TITLE_AND%@1 GROUP_BUNCH_TITLE_AND%@2 MPPT3 MPPT4 "
        "GROUP_BUNCH_TITLE_AND%@3 GROUP_BUNCH_TITLE_AND%@4 GROUP_BUNCH_TITLE_AND%@5 "
        "GROUP_BUNCH_TITLE_AND%@6"
    ),
    "battery": (
        "BATTERY_VOLTAGE BATTERY_CURRENT BATTERY_TEMPERATURE REMAIN_BATTERY_POWER BATTARY_HEALTH "
        "TOTAL_BATTERY_CHARGE TOTAL_BATTERY_DISCHARGE_BMS BATTERY_OPERATION_STATUS"
    ),
    "charger": (
        "MIN_CHARGING_POWER MEASURING_POIN_36 _TOTAL_DELIVERED_ENERGY_BMUDODSV "
        "PHASE_A_CHARGING_VOLTAGE_JYAXKVKA PHASE_A_CHARGING_CURRENT_KMPZTBUO "
        "PHASE_B_CHARGING_VOLTAGE_QMUJVJCG PHASE_B_CHARGING_CURRENT_SAHGKWBA "
        "PHASE_C_CHARGING_VOLTAGE_HYSJHJXA PHASE_C_CHARGING_CURRENT_PESAFOPL I18N_CONFIG_KEY_2042"
    ),
}  # fmt: skip
DIRECT_FAMILIES = [
    f"winet2_{label}_{quantity}"
    for label in ("mppt", "string")
    for quantity in ("voltage_volts", "current_amperes", "power_watts")
]


def whole(key: str) -> str:
    return key if key.startswith(("I18N_", "MPPT")) else f"I18N_COMMON_{key}"


# What comes with the package -------------------------------------------------------------------------


@pytest.mark.parametrize("family, label, keys, known_units", TABLE, ids=lambda value: str(value)[:40])
def test_bundled_when_a_key_is_in_the_table_then_it_feeds_its_family(family, label, keys, known_units):
    """Family, label, order of sources and units are those that are documented."""
    for rank, key in enumerate(keys):
        source = BUNDLED.sources[whole(key)]
        assert source.family.name == f"winet2_{family}"
        assert source.label_value == (label[1] if label else None)
        assert source.family.labels == ("target", "device", *([label[0]] if label else []))
        assert source.rank == rank
        for unit, factor in known_units:
            assert units.factor(source.factors, unit) == Decimal(factor)


def test_bundled_when_compared_with_the_table_then_it_has_nothing_else():
    """No key and no family that the table does not know."""
    assert set(BUNDLED.sources) == {whole(key) for _, _, keys, _ in TABLE for key in keys}
    documented = {f"winet2_{family}" for family, *_ in TABLE} | set(DIRECT_FAMILIES)
    assert {family.name for family in BUNDLED.families} == documented


@pytest.mark.parametrize(
    "kind, key", [(kind, whole(key)) for kind, keys in SEEN.items() for key in keys.split()]
)
def test_bundled_when_a_device_was_seen_to_send_a_key_then_its_family_names_the_kind(kind, key):
    """Every measurement that was ever seen has a meaning, save one that nobody knows."""
    if key == "I18N_CONFIG_KEY_2042":
        assert key not in BUNDLED.sources
    elif key in BUNDLED.sources:
        assert kind in BUNDLED.entries[BUNDLED.sources[key].family.name].kinds
    else:
        assert key in BUNDLED.state_keys or any(direct.number(key) for direct in BUNDLED.direct)


@pytest.mark.parametrize("entry", BUNDLED.entries.values(), ids=lambda entry: entry.name)
def test_bundled_when_an_entry_is_read_then_it_tells_kinds_and_version(entry):
    """The documentation says which devices have a metric, and since when."""
    assert entry.kinds
    assert set(entry.kinds) <= set(BUNDLED.kinds.values()) - {"accessory"}
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", entry.since)


def test_bundled_when_powers_are_bounded_then_they_are_those_of_the_device_itself():
    """What house and grid draw, no rating of an inverter bounds."""
    limited = {
        source.family.name.removeprefix("winet2_") for source in BUNDLED.sources.values() if source.limited
    }
    assert limited == {"pv_power_watts", "ac_active_power_watts", "battery_charge_power_watts",
                       "battery_discharge_power_watts", "backup_power_watts"}  # fmt: skip
    assert limited == {
        name.removeprefix("winet2_") for name, entry in BUNDLED.entries.items() if entry.limited
    }


def test_bundled_when_names_are_listed_then_none_comes_twice():
    """Two families of one name would be one family with two HELP lines."""
    names = [family.name for family in BUNDLED.families]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("family", BUNDLED.families, ids=lambda family: family.name)
def test_bundled_when_a_family_is_named_then_by_the_conventions(family):
    """Prefix, base unit at the end, `_total` for counters and for nothing else, no colon, no capital."""
    base_units = (
        "watts|joules|volts|amperes|celsius|hertz|ohms|seconds|ratio|volt_amperes|volt_amperes_reactive"
    )
    assert re.fullmatch(rf"winet2_[a-z][a-z0-9_]*_({base_units})(_total)?", family.name)
    assert (family.kind == "counter") == family.name.endswith("_total")
    assert family.kind in ("counter", "gauge")
    assert "__" not in family.name
    assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in family.labels)


@pytest.mark.parametrize("family", BUNDLED.families, ids=lambda family: family.name)
def test_bundled_when_help_is_read_then_it_names_the_keys_and_the_cache(family):
    """Whoever wonders where a value comes from finds the gateway's key."""
    keys = [key for key, source in BUNDLED.sources.items() if source.family == family]
    patterns = [kind.pattern.pattern for kind in BUNDLED.direct
                if family in (kind.voltage, kind.current, kind.power)]  # fmt: skip
    assert keys or patterns
    shown = [re.sub(r"\(.*\)", "n", pattern) for pattern in patterns]
    assert all(text in family.help for text in keys + shown)
    assert "cached" in family.help
    assert family.help[0].isupper()
    assert family.help.endswith(".")


def test_bundled_when_strings_and_mppts_are_explained_then_help_warns_of_adding_them():
    """Strings are parts of their MPP tracker."""
    for kind in BUNDLED.direct:
        assert "never add both" in kind.power.help
        assert "voltage times current" in kind.power.help


@pytest.mark.parametrize(
    "name, number, label",
    [
        ("MPPT1", "1", "mppt"),
        ("MPPT12", "12", "mppt"),
        ("I18N_COMMON_GROUP_BUNCH_TITLE_AND%@1", "1", "string"),
        ("I18N_COMMON_GROUP_BUNCH_TITLE_AND%@12", "12", "string"),
        ("I18N_COMMON_GROUP_BUNCH_TITLE_AND%@012", "012", "string"),
    ],
)
def test_bundled_when_an_input_is_named_then_one_pattern_fits(name, number, label):
    """The whole number is taken, not its last digit."""
    (match,) = filter(None, (kind.pattern.fullmatch(name) for kind in BUNDLED.direct))
    assert match[1] == number
    (kind,) = (kind for kind in BUNDLED.direct if kind.pattern.fullmatch(name))
    assert kind.voltage.labels == ("target", "device", label)


@pytest.mark.parametrize(
    "name",
    ["MPPT", "MPPT-1", "mppt1", "MPPT1 ", "XMPPT1", "MPPT1234", "MPPT\u0661",
     "I18N_COMMON_GROUP_BUNCH_TITLE_AND%@", "I18N_COMMON_GROUP_BUNCH_TITLE_AND1"],
)  # fmt: skip
def test_bundled_when_an_input_is_named_otherwise_then_no_pattern_fits(name):
    """What only looks like an MPPT is not taken for one."""
    assert not [kind for kind in BUNDLED.direct if kind.pattern.fullmatch(name)]


@pytest.mark.parametrize(
    "dev_types, kind",
    [
        ((0, 1, 21), "inverter"),
        ((35,), "hybrid"),
        ((44,), "battery"),
        ((46,), "charger"),
        ((18,), "meter"),
        ((8, 11, 13, 14, 15, 20, 23, 24, 25, 34, 36, 37, 47, 48), "accessory"),
        ((-1, 2, 99), "unknown"),
    ],
)
def test_kind_of_when_a_type_is_given_then_it_has_a_kind(dev_types, kind):
    """Each device type of the protocol has its kind, all others are unknown."""
    assert {BUNDLED.kind_of(dev_type) for dev_type in dev_types} == {kind}


@pytest.mark.parametrize(
    "kind, states",
    [
        (
            "inverter",
            {"dispatch_run", "standby", "status_run", "on_grid_operation", "stop", "fault", "startup"},
        ),
        ("hybrid", {"dispatch_run", "standby", "energy_dispatch_operation", "off_grid_operation"}),
        ("battery", {"status_run", "standby", "stop", "fault"}),
    ],
)
def test_bundled_when_states_are_known_then_they_are_sorted_and_single(kind, states):
    """The states that were seen, in a stable order."""
    known = BUNDLED.states[kind]
    assert states <= set(known)
    assert list(known) == sorted(set(known))
    assert all(re.fullmatch(r"[a-z][a-z_]*", state) for state in known)


def test_bundled_when_state_keys_are_read_then_they_are_no_sources():
    """A state is no number."""
    assert BUNDLED.state_keys == {
        "I18N_COMMON_RUNNING_STATE",
        "I18N_COMMON_DEVICE_STATUS",
        "I18N_COMMON_BATTERY_OPERATION_STATUS",
    }
    assert not BUNDLED.state_keys & BUNDLED.sources.keys()


# A catalogue of one's own ----------------------------------------------------------------------------

SMALL = {
    "units": 'units: {watts: {W: 1, kW: 1000}, volts: {V: 1}, amperes: {A: "0.5"}}',
    "families": "families: {roof_watts: {help: Power., unit: watts, keys: [K1, K2]}}",
    "direct": 'direct: {mppt: "M([0-9])"}',
    "states": "states: {keys: [S], known: {inverter: [run, idle]}}",
    "kinds": "kinds: {inverter: [0, 1]}",
}


def load(**changes: str) -> Catalogue:
    """The small catalogue with some of its five lines replaced."""
    return catalogue.parse("\n".join({**SMALL, **changes}.values()), "own.yaml")


def family(*lines: str) -> dict[str, str]:
    return {"families": "\n    ".join(["families:\n  roof_watts:", *lines])}


def test_parse_when_a_catalogue_is_sound_then_it_is_loaded():
    """What is written is what is there."""
    small = load()
    assert (small.sources["K1"].rank, small.sources["K2"].rank) == (0, 1)
    assert small.sources["K1"].series == ("winet2_roof_watts", None)
    assert small.sources["K1"].factors["kW"] == small.sources["K1"].factors["kw"] == 1000
    assert small.amperes == {"A": Decimal("0.5"), "a": Decimal("0.5")}
    assert small.volts == {"V": 1, "v": 1}
    assert small.states == {"inverter": ("idle", "run")}
    assert small.kind_of(1) == "inverter"
    assert small.sources["K1"].family.help == "Power. From K1, K2; cached at the last refresh."


def test_parse_when_a_family_takes_further_units_then_only_it_does():
    """`also` adds units to one family."""
    small = load(
        families="families:\n"
        "  roof_watts: {help: P., unit: watts, also: {hp: 735}, keys: [K1]}\n"
        "  cellar_watts: {help: P., unit: watts, keys: [K2]}"
    )
    assert small.sources["K1"].factors["hp"] == 735
    assert "hp" not in small.sources["K2"].factors


def test_parse_when_a_family_has_a_label_then_each_value_has_its_keys():
    """A label's values come from the catalogue."""
    small = load(
        families="families: {roof_watts: {help: P., unit: watts, label: phase, keys: {a: [K1], b: [K2]}}}"
    )
    assert [small.sources[key].label_value for key in ("K1", "K2")] == ["a", "b"]
    assert small.sources["K1"].family.labels == ("target", "device", "phase")


HELP, WATTS, KEYS = "help: P.", "unit: watts", "keys: [K]"
MISTAKES = {
    "no YAML": ({"kinds": "kinds: ["}, 5, "not valid YAML"),
    "unknown section": (
        {"kinds": "kinds: {a: [1]}\nkind: {}"},
        6,
        'kind: is not a known key; did you mean "kinds"?',
    ),
    "key twice": (family(WATTS, WATTS, HELP, KEYS), 5, "is given twice"),
    "families missing": ({"families": ""}, 0, "families: must be a mapping, not nothing"),
    "units that are a list": ({"units": "units: [W]"}, 1, "units: must be a mapping, not a list"),
    "unit without factors": (
        {"units": "units: {watts: 5, volts: {V: 1}}"},
        1,
        "units.watts: must map units to factors",
    ),
    "factor with a fraction": ({"units": "units: {watts: {W: 0.1}}"}, 1, 'a decimal in quotes, not "0.1"'),
    "factor that is text": ({"units": "units: {watts: {W: much}}"}, 1, 'not "much"'),
    "factor of nought": ({"units": "units: {watts: {W: 0}}"}, 1, 'not "0"'),
    "factor below nought": ({"units": "units: {watts: {W: -1}}"}, 1, 'not "-1"'),
    "factor that is no number": ({"units": "units: {watts: {W: NaN}}"}, 1, 'not "NaN"'),
    "factor without end": ({"units": "units: {watts: {W: Infinity}}"}, 1, 'not "Infinity"'),
    "factor that is true": ({"units": "units: {watts: {W: true}}"}, 1, 'not "True"'),
    "family name": (
        {"families": "families: {Roof_watts: {help: P., unit: watts, keys: [K]}}"},
        2,
        "small letters",
    ),
    "family name that is a number": (
        {"families": "families: {7: {help: P., unit: watts, keys: [K]}}"},
        2,
        "small letters",
    ),
    "family that is empty": (
        {"families": "families: {roof_watts: }"},
        2,
        "must be a mapping (key: value), not nothing",
    ),
    "unknown key of a family": (family(HELP, WATTS, "kyes: [K]", KEYS), 6, 'did you mean "keys"?'),
    "unknown unit": (family(HELP, "unit: watt", KEYS), 5, 'did you mean "watts"?'),
    "missing unit": (family(HELP, KEYS), 3, "unit"),
    "missing help": (family(WATTS, KEYS), 3, "help"),
    "missing keys": (family(HELP, WATTS), 0, "must list the gateway's keys"),
    "keys that are text": (family(HELP, WATTS, "keys: K"), 6, "must list the gateway's keys"),
    "keys that are numbers": (family(HELP, WATTS, "keys: [1]"), 6, "must list the gateway's keys"),
    "no keys for the label": (family(HELP, WATTS, "label: phase", "keys: {a: []}"), 7, "for each phase"),
    "label without values": (family(HELP, WATTS, "label: phase", KEYS), 7, "for each phase"),
    "label with one bare key": (
        family(HELP, WATTS, "label: phase", "keys: {a: [KA], b: KB}"),
        7,
        "each phase",
    ),
    "label value that is a number": (
        family(HELP, WATTS, "label: phase", "keys: {1: [K]}"),
        7,
        "families.roof_watts.keys",
    ),
    "values without a label": (family(HELP, WATTS, "keys: {a: [K]}"), 6, "must list the gateway's keys"),
    "label name": (family(HELP, WATTS, "label: the phase", "keys: {a: [K]}"), 6, "label"),
    "key in two families": (
        {
            "families": "families:\n  a_watts: {help: P., unit: watts, keys: [K]}\n"
            "  b_watts: {help: P., unit: watts, keys: [K]}"
        },
        4,
        "K feeds winet2_a_watts already",
    ),
    "key twice in a family": (family(HELP, WATTS, "keys: [K, K]"), 6, "K feeds winet2_roof_watts already"),
    "also that is a list": (family(HELP, WATTS, "also: [hp]", KEYS), 6, "must map units to factors"),
    "pattern that is none": ({"direct": 'direct: {mppt: "M("}'}, 3, "direct.mppt: is no regular expression"),
    "pattern without a group": (
        {"direct": "direct: {mppt: M1}"},
        3,
        "direct.mppt: needs one group, the number",
    ),
    "pattern with two groups": ({"direct": 'direct: {mppt: "(M)(1)"}'}, 3, "needs one group, the number"),
    "direct that is a list": ({"direct": "direct: [M]"}, 3, "direct: must be a mapping, not a list"),
    "states missing": ({"states": ""}, 0, "states: must be a mapping"),
    "state keys that are a number": (
        {"states": "states: {keys: 5, known: {inverter: [run]}}"},
        4,
        "states.keys",
    ),
    "state keys that are text": ({"states": "states: {keys: S, known: {inverter: [run]}}"}, 4, "states.keys"),
    "known states that are a list": ({"states": "states: {keys: [S], known: [run]}"}, 4, "states.known"),
    "known states of a kind that are text": (
        {"states": "states: {keys: [S], known: {inverter: run}}"},
        4,
        "states.known",
    ),
    "known states that are no text": (
        {"states": "states: {keys: [S], known: {inverter: [run, off]}}"},
        4,
        "states.known",
    ),
    "kinds that are a list": ({"kinds": "kinds: [1]"}, 5, "kinds: must be a mapping, not a list"),
    "kind that is a number": ({"kinds": "kinds: {inverter: 1}"}, 5, "kinds.inverter"),
    "kind that is text": ({"kinds": "kinds: {inverter: ab}"}, 5, "kinds.inverter"),
}


@pytest.mark.parametrize("changes, line, words", MISTAKES.values(), ids=MISTAKES.keys())
def test_parse_when_there_is_a_mistake_then_it_is_named_with_its_line(changes, line, words):
    """Catalogue, line and what is wrong."""
    with pytest.raises(CatalogueError) as caught:
        load(**changes)
    head, *found = str(caught.value).splitlines()
    assert head == "own.yaml:"
    place = f"line {line}: " if line else ""
    assert [mistake for mistake in found if mistake.startswith(f"  {place}") and words in mistake]


def test_parse_when_there_are_many_mistakes_then_one_report_names_them_all():
    """One run, all mistakes."""
    with pytest.raises(CatalogueError) as caught:
        load(units="units: {watts: {W: 0.5}}", direct="direct: {mppt: M}", kinds="kinds: 7")
    for place in ("units.watts.W", "direct.mppt", "kinds"):
        assert place in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "text", "7"])
def test_parse_when_there_is_no_mapping_then_it_is_a_mistake(text):
    """An empty catalogue is none."""
    with pytest.raises(CatalogueError):
        catalogue.parse(text, "own.yaml")


_words = st.sampled_from(
    ["watts", "volts", "phase", "K", "help", "M([0-9])", "(", "W", "1", "NaN", "roof_watts"]
)
_values = st.none() | st.booleans() | st.integers(-2, 50) | st.floats() | _words | st.text(max_size=3)
_anything = st.recursive(
    _values,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_words | st.integers(0, 3), inner, max_size=3)
    ),
    max_leaves=8,
)
_keys = st.lists(_words, min_size=1, max_size=2) | st.dictionaries(
    _words | st.integers(0, 3), st.lists(_words, min_size=1, max_size=1) | _anything, max_size=2
)
_family = st.fixed_dictionaries(
    {"help": _words | _anything, "unit": st.just("watts") | _anything, "keys": _keys | _anything},
    optional={"also": _anything, "label": st.just("phase") | _anything},
)
_sections = st.one_of(
    st.fixed_dictionaries(
        {"families": st.dictionaries(st.just("roof_watts") | _words, _family, min_size=1, max_size=2)}
    ),
    st.fixed_dictionaries(
        {
            "units": st.dictionaries(
                _words, st.dictionaries(_words, _values, max_size=2) | _anything, max_size=3
            )
        }
    ),
    st.fixed_dictionaries({"direct": st.dictionaries(_words, _values | _anything, max_size=2)}),
    st.fixed_dictionaries(
        {"states": st.fixed_dictionaries({}, optional={"keys": _anything, "known": _anything})}
    ),
    st.fixed_dictionaries(
        {"kinds": st.dictionaries(_words, st.lists(st.integers()) | _anything, max_size=2)}
    ),
    st.dictionaries(st.sampled_from(list(SMALL)), _anything, max_size=2),
)


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(_sections)
def test_parse_when_anything_stands_anywhere_then_only_catalogue_errors_escape(sections):
    """What is loaded has texts and numbers where they belong; all else is a mistake that is told."""
    document = {**yaml.safe_load("\n".join(SMALL.values())), **sections}
    try:
        loaded = catalogue.parse(yaml.safe_dump(document, allow_unicode=True), "own.yaml")
    except CatalogueError:
        return
    for source in loaded.sources.values():
        assert isinstance(source.label_value, str | None)
        assert (source.label_value is None) == (len(source.family.labels) == 2)
        assert all(factor > 0 for factor in source.factors.values())
    assert all(isinstance(number, int) for number in loaded.kinds)
    assert all(isinstance(name, str) for names in loaded.states.values() for name in names)
