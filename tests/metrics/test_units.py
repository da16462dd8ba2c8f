"""Numbers and units: exact, or nothing."""

import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.metrics import catalogue, units

FACTORS = {
    name: factors
    for name, factors in (
        ("watts", {"W": 1, "kW": 1000, "MW": 1_000_000}),
        ("joules", {"Wh": 3600, "kWh": 3_600_000, "MWh": 3_600_000_000}),
        ("volts", {"V": 1, "kV": 1000}),
        ("amperes", {"A": 1, "mA": "0.001"}),
        ("celsius", {"℃": 1, "°C": 1}),
        ("hertz", {"Hz": 1}),
        ("ohms", {"\u03a9": 1, "k\u03a9": 1000, "M\u03a9": 1_000_000}),
        ("seconds", {"s": 1, "min": 60, "h": 3600}),
        ("percent", {"%": "0.01"}),
        ("factor", {"": 1}),
        ("volt_amperes", {"VA": 1, "kVA": 1000}),
        ("volt_amperes_reactive", {"var": 1, "kvar": 1000}),
    )
}
FAMILY_OF = {
    "watts": "winet2_ac_active_power_watts",
    "joules": "winet2_pv_energy_joules_total",
    "volts": "winet2_dc_bus_voltage_volts",
    "amperes": "winet2_battery_current_amperes",
    "celsius": "winet2_battery_temperature_celsius",
    "hertz": "winet2_grid_frequency_hertz",
    "ohms": "winet2_array_insulation_resistance_ohms",
    "seconds": "winet2_grid_running_time_seconds_total",
    "percent": "winet2_battery_state_of_charge_ratio",
    "factor": "winet2_ac_power_factor_ratio",
    "volt_amperes": "winet2_ac_apparent_power_volt_amperes",
    "volt_amperes_reactive": "winet2_ac_reactive_power_volt_amperes_reactive",
}
SOURCE_OF = {source.family.name: source for source in catalogue.bundled().sources.values()}


def base(value: str, unit: str, kind: str) -> float:
    """A reading as the bundled catalogue turns it into base units."""
    factor = units.factor(SOURCE_OF[FAMILY_OF[kind]].factors, unit)
    assert units.is_number(value)
    assert factor is not None
    return units.scale(factor)(value)


@pytest.mark.parametrize(
    "value, unit, kind, expected",
    [
        ("43.5", "kWh", "joules", 156600000.0),
        ("-0.28", "kW", "watts", -280.0),
        ("55.7", "%", "percent", 0.557),
        ("12.3", "kW", "watts", 12300.0),
        ("64.1", "kW", "watts", 64100.0),
        ("0.682", "kW", "watts", 682.0),
        ("1.068", "kW", "watts", 1068.0),
        ("7000", "W", "watts", 7000.0),
        ("1473.5", "kWh", "joules", 5304600000.0),
        ("0.1", "kWh", "joules", 360000.0),
        ("123", "Wh", "joules", 442800.0),
        ("100.0", "%", "percent", 1.0),
        ("79.5", "%", "percent", 0.795),
        ("0.29", "%", "percent", 0.0029),
        ("1107", "k\u03a9", "ohms", 1107000.0),
        ("0.3", "mA", "amperes", 0.0003),
        ("1.1", "h", "seconds", 3960.0),
        ("999999999999999", "kWh", "joules", 3.5999999999999964e21),
    ],
)
def test_number_when_multiplied_with_its_factor_then_it_is_the_nearest_float(value, unit, kind, expected):
    """12.3 kW are 12300 W, not 12300.000000000002."""
    assert base(value, unit, kind) == expected
    assert repr(base(value, unit, kind)) == repr(expected)


@pytest.mark.parametrize("value", ["-0.00", "-0", "0", "0.000", "+0.0"])
@pytest.mark.parametrize("unit", ["kW", "W"])
def test_to_float_when_the_value_is_nought_then_it_has_no_sign(value, unit):
    """A gateway's -0.00 is 0."""
    assert math.copysign(1.0, base(value, unit, "watts")) == 1.0
    assert base(value, unit, "watts") == 0.0


@pytest.mark.parametrize(
    "unit, kind, factor",
    [
        ("Hz", "hertz", 1),
        ("HZ", "hertz", 1),
        ("hz", "hertz", 1),
        ("kvar", "volt_amperes_reactive", 1000),
        ("kVar", "volt_amperes_reactive", 1000),
        ("var", "volt_amperes_reactive", 1),
        ("Var", "volt_amperes_reactive", 1),
        ("kVA", "volt_amperes", 1000),
        ("VA", "volt_amperes", 1),
        ("\u2103", "celsius", 1),
        ("\u00b0C", "celsius", 1),
        ("k\u03a9", "ohms", 1000),
        ("k\u2126", "ohms", 1000),
        ("\u03a9", "ohms", 1),
        ("\u2126", "ohms", 1),
        ("M\u2126", "ohms", 1_000_000),
        ("kW", "watts", 1000),
        ("KW", "watts", 1000),
        ("w", "watts", 1),
        (" kW ", "watts", 1000),
        ("MW", "watts", 1_000_000),
        ("kwh", "joules", 3_600_000),
        ("MWh", "joules", 3_600_000_000),
        ("", "factor", 1),
        (" ", "factor", 1),
        ("min", "seconds", 60),
        ("mA", "amperes", Decimal("0.001")),
    ],
)
def test_factor_when_a_unit_is_spelled_in_any_case_then_it_is_known(unit, kind, factor):
    """Firmware spells Hz and kvar in several ways, and Unicode has two Ohms."""
    assert units.factor(SOURCE_OF[FAMILY_OF[kind]].factors, unit) == factor


@pytest.mark.parametrize("kind", FACTORS)
def test_factor_when_a_unit_is_of_another_quantity_then_it_is_unknown(kind):
    """No family takes a unit of another one's."""
    factors = SOURCE_OF[FAMILY_OF[kind]].factors
    for other, foreign in FACTORS.items():
        if other != kind:
            assert not [unit for unit in foreign if units.factor(factors, unit) is not None]
    for unit, factor in FACTORS[kind].items():
        assert units.factor(factors, unit) == Decimal(str(factor))


@pytest.mark.parametrize("unit", ["kWp", "dBm", "W/m2", "k W", "W.", "kW\x00", "Watt", "--", "W" * 1000])
def test_factor_when_a_unit_is_unknown_then_there_is_none(unit):
    """A unit that nobody named is not guessed."""
    assert units.factor(SOURCE_OF[FAMILY_OF["watts"]].factors, unit) is None


@pytest.mark.parametrize(
    "text, value",
    [("7.5", "7.5"), ("1107", "1107"), ("-0.28", "-0.28"), ("-78", "-78"), ("+3", "3"), ("007", "7"),
     ("9" * 15, "9" * 15), ("0." + "1" * 12, "0." + "1" * 12)],
)  # fmt: skip
def test_number_when_a_text_is_one_then_it_is_exact(text, value):
    """Digits and one point."""
    assert units.is_number(text)
    assert units.scale(Decimal(1))(text) == float(value)


@pytest.mark.parametrize(
    "text",
    ["", "--", "-", "+", ".", ".5", "5.", "1,5", "1.234,5", "1 000", " 1", "1 ", "1\n", "1e3", "0x1F", "NaN",
     "nan", "inf", "-Infinity", "1.2.3", "--1", "\u0661", "\uff11", "1_000", "I18N_COMMON_RUN",
     "2022-08-29 18:12", "9" * 16, "0." + "1" * 13, "1" * 5000],
)  # fmt: skip
def test_number_when_a_text_is_none_then_it_is_none(text):
    """Nothing is guessed: no commas, no exponents, no foreign digits, no endless ones."""
    assert not units.is_number(text)


@pytest.mark.parametrize("text", ["", " ", "-", "--", "---", " -- ", "N/A", "n/a"])
def test_has_value_when_a_gateway_has_none_then_it_is_false(text):
    """Absence is no mistake."""
    assert not units.has_value(text)


@pytest.mark.parametrize("text", ["0", "0.0", "-1", "I18N_COMMON_RUN", "x", "--1", "NaN", "none"])
def test_has_value_when_there_is_text_then_it_is_true(text):
    """Nought is a value, and so is what cannot be read."""
    assert units.has_value(text)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.decimals(min_value=-(10**9), max_value=10**9, places=3), st.sampled_from(sorted(FACTORS["watts"])))
def test_number_when_any_value_is_converted_then_no_digit_is_lost(value, unit):
    """The float is the one nearest to the exact product, for every value."""
    text = f"{value:.3f}"
    assert base(text, unit, "watts") == float(Decimal(text) * FACTORS["watts"][unit])


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=20) | st.from_regex(r"[+-]?[0-9]{1,15}(\.[0-9]{1,12})?", fullmatch=True))
def test_number_when_the_text_is_arbitrary_then_it_is_finite_or_none(text):
    """No text makes NaN, an infinity or an exception."""
    if units.is_number(text):
        assert units.has_value(text)
        assert all(math.isfinite(units.scale(factor)(text)) for factor in (Decimal(1), Decimal("3.6e6")))
    assert units.factor({"w": Decimal(1)}, text) in (None, 1)
