"""Entries proposed for keys without one: a file that loads, whatever a gateway calls its keys."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.metrics import catalogue
from exporter.metrics.suggestions import Unmapped, as_catalogue_file

BUNDLED = catalogue.bundled()


def unmapped(
    key: str = "I18N_COMMON_OUTPUT_HEAT",
    value: str = "12.5",
    unit: str = "kW",
    *,
    label: str = "Output heat",
    kind: str = "hybrid",
    service: str = "real",
) -> Unmapped:
    return Unmapped("A1", kind, service, key, value, unit, label)


def loaded(text: str, folder: Path) -> catalogue.Catalogue:
    file = folder / "own.yml"
    file.write_text(text, "utf-8")
    return catalogue.load([file])


@pytest.mark.parametrize(
    "reading, name",
    [
        (unmapped(), "output_heat_watts"),
        (unmapped(label=""), "output_heat_watts"),
        (unmapped(unit="Wh"), "output_heat_joules"),
        (unmapped(unit="%"), "output_heat_ratio"),
        (unmapped(unit=""), "output_heat"),
        (unmapped(unit="", label="Mode 7"), "mode_7_value"),
        (unmapped(label="3rd phase"), "hybrid_3rd_phase_watts"),
        (unmapped(label="Wärme, gesamt!"), "w_rme_gesamt_watts"),
        (unmapped(label="\u4e2d\u6587"), "hybrid_watts"),
        (unmapped(label="PV power"), "hybrid_pv_power_watts"),  # pv_power_watts is bundled
        (unmapped(label="Heat watts"), "heat_watts"),
    ],
)
def test_draft_when_a_key_is_numeric_then_it_has_a_name_and_a_unit(reading, name, tmp_path):
    """In the style of the catalogue, and free."""
    draft = as_catalogue_file([reading], BUNDLED)
    assert list(yaml.safe_load(draft)["families"]) == [name]
    source = loaded(draft, tmp_path).sources[reading.key]
    assert source.family.name == f"winet2_{name}"
    assert reading.unit.casefold() in source.factors


def test_draft_when_two_keys_have_one_label_then_each_has_its_own_name(tmp_path):
    """Firmware is not careful with its labels."""
    same = [unmapped(f"I18N_X{number}") for number in range(12)]
    known = loaded(as_catalogue_file(same, BUNDLED), tmp_path)
    assert len({known.sources[reading.key].family.name for reading in same}) == 12


def test_draft_when_devices_share_a_key_then_it_is_there_once():
    """An entry is for a key, not for a device."""
    draft = as_catalogue_file([unmapped(), unmapped()], BUNDLED)
    assert len(yaml.safe_load(draft)["families"]) == 1


@pytest.mark.parametrize(
    "reading, words",
    [
        (unmapped(value="I18N_COMMON_ON"), "text or no value now"),
        (unmapped(value="--"), "text or no value now"),
        (unmapped(unit="furlong"), "its unit is not among the units"),
        (unmapped("PV-Eingang", service="direct"), "needs a pattern"),
    ],
)
def test_draft_when_a_key_cannot_have_an_entry_then_a_comment_says_why(reading, words):
    """It is listed all the same."""
    draft = as_catalogue_file([reading], BUNDLED)
    assert draft.startswith(f"# {reading.key}: ")
    assert words in draft
    assert yaml.safe_load(draft) is None


text = st.text(max_size=30)


hostile = st.builds(
    Unmapped,
    device=text,
    kind=st.sampled_from(["hybrid", "unknown"]),
    service=st.sampled_from(["real", "direct"]),
    key=text.filter(bool),
    value=st.sampled_from(["1", "-2.5", "x", "--"]),
    unit=st.sampled_from(["kW", "", "%", "?"]),
    label=text,
)


@settings(deadline=None, max_examples=100)
@given(st.lists(hostile, max_size=8))
def test_draft_when_a_gateway_is_hostile_then_it_loads_all_the_same(tmp_path_factory, found):
    """No key, label or serial number can break out of its place."""
    draft = as_catalogue_file(found, BUNDLED)
    if "families:" in draft.splitlines():
        loaded(draft, tmp_path_factory.mktemp("own"))
    else:
        assert yaml.safe_load(draft or "# nothing") is None
