"""Quantities and times in words."""

import pytest

from exporter.web import words


@pytest.mark.parametrize("watts, said", [
    (0.0, "0 W"), (-0.4, "0 W"), (849.6, "850 W"), (850.5, "851 W"), (-12.0, "-12 W"), (999.4, "999 W"),
    (1000.0, "1.00 kW"), (3594.9, "3.59 kW"), (12_345.0, "12.3 kW"), (106_530.0, "107 kW"),
    (1_250_000.0, "1.25 MW"),
])  # fmt: skip
def test_power_when_it_is_told_then_three_digits_are_enough(watts, said):
    """The unit follows the size, and halves go up."""
    assert words.power(watts) == said.replace(" ", words.SPACE)


@pytest.mark.parametrize("joules, said", [
    (0.0, "0.00 kWh"), (3.168e7, "8.80 kWh"), (1.422e8, "39.5 kWh"), (1.5e9, "417 kWh"), (4.3e9, "1.19 MWh"),
])  # fmt: skip
def test_energy_when_it_is_told_then_in_the_unit_of_every_bill(joules, said):
    """Kilowatt-hours, though metrics are in joules."""
    assert words.energy(joules) == said.replace(" ", words.SPACE)


@pytest.mark.parametrize("seconds, said", [
    (0, "0 s"), (-3, "0 s"), (59.4, "59 s"), (119, "119 s"), (120, "2 min"), (3599, "60 min"),
    (7199, "120 min"), (7200, "2 h"), (172_799, "48 h"), (172_800, "2 d"), (1e7, "116 d"),
])  # fmt: skip
def test_span_when_a_time_is_told_then_as_a_person_would(seconds, said):
    """The unit follows the length."""
    assert words.span(seconds) == said.replace(" ", words.SPACE)


@pytest.mark.parametrize(
    "timestamp, said", [(0.0, "1970-01-01"), (1995531395.0, "2033-03-27"), (1e20, "1" + "0" * 20)]
)
def test_date_when_it_is_told_then_by_the_day(timestamp, said):
    """A day that no calendar has is told as the number it is."""
    assert words.date(timestamp) == said
