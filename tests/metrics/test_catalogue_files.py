"""A user's own files on top of the bundled catalogue: what they change, and every mistake in them."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.metrics import catalogue, families, units
from exporter.metrics.catalogue import Catalogue, CatalogueError
from exporter.metrics.mapping import TargetView
from exporter.telemetry import (
    Answer,
    Device,
    DeviceReport,
    DirectInput,
    Service,
    Snapshot,
    TargetInfo,
)
from tests.metrics.test_catalogue import BUNDLED


def load(folder: Path, *texts: str) -> Catalogue:
    """The catalogue with files of these texts, called 1.yaml, 2.yaml …"""
    paths = [folder / f"{number}.yaml" for number, _ in enumerate(texts, 1)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, "utf-8")
    return catalogue.load(paths)


def mistakes(folder: Path, *texts: str) -> list[str]:
    with pytest.raises(CatalogueError) as caught:
        load(folder, *texts)
    return str(caught.value).splitlines()


def family(name: str, keys: str = "[MY_KEY]", unit: str = "watts", more: str = "") -> str:
    return f"families: {{{name}: {{help: Mine., unit: {unit}, keys: {keys}{more}}}}}\n"


def names(loaded: Catalogue) -> list[str]:
    return [family.name for family in loaded.families]


# What a file changes ---------------------------------------------------------------------------------


def test_load_when_there_is_no_file_then_it_is_the_bundled_catalogue():
    """Without files of one's own nothing changes."""
    assert catalogue.load([]) == BUNDLED


def test_load_when_a_file_adds_a_family_then_all_others_stay(tmp_path):
    """A new data point costs nothing that was there."""
    loaded = load(tmp_path, family("pool_pump_watts"))
    assert loaded.sources["MY_KEY"].family.name == "winet2_pool_pump_watts"
    assert loaded.sources["MY_KEY"].family.help == "Mine. From MY_KEY; cached at the last refresh."
    assert set(names(loaded)) == {*names(BUNDLED), "winet2_pool_pump_watts"}
    assert {key: loaded.sources[key] for key in BUNDLED.sources} == BUNDLED.sources
    assert set(loaded.entries) == {family.name for family in loaded.families} - {
        family.name for kind in loaded.direct for family in kind.families
    }


def test_load_when_a_file_has_a_bundled_family_then_it_replaces_the_whole_of_it(tmp_path):
    """Keys that the bundled family had and the file's has not are free again."""
    loaded = load(tmp_path, family("ac_voltage_volts", unit="volts"))
    source = loaded.sources["MY_KEY"]
    assert source.family.labels == ("target", "device")
    assert source.family.help.startswith("Mine. From MY_KEY;")
    assert not {"I18N_COMMONUA", "I18N_COMMON_UB", "I18N_COMMON_UC"} & loaded.sources.keys()
    assert names(loaded).count("winet2_ac_voltage_volts") == 1


def test_load_when_a_file_names_a_key_then_it_leaves_the_family_it_fed(tmp_path):
    """The others of its old family move up, and its HELP no longer names it."""
    loaded = load(tmp_path, family("my_watts", "[I18N_COMMON_TOTAL_ACTIVE_POWER]"))
    assert loaded.sources["I18N_COMMON_TOTAL_ACTIVE_POWER"].family.name == "winet2_my_watts"
    left = loaded.sources["I18N_COMMON_ACTIVE_POWER"]
    assert (left.family.name, left.rank) == ("winet2_ac_active_power_watts", 0)
    assert "TOTAL_ACTIVE_POWER" not in left.family.help


def test_load_when_a_label_value_loses_its_keys_then_only_it_is_gone(tmp_path):
    """One phase taken leaves the two others."""
    loaded = load(tmp_path, family("my_volts", "[I18N_COMMONUA]", "volts"))
    assert list(loaded.entries["winet2_ac_voltage_volts"].keys) == ["b", "c"]


def test_load_when_a_family_loses_its_last_key_then_it_disappears(tmp_path):
    """A family that nothing can feed is not there, and its name is free for OpenMetrics."""
    loaded = load(tmp_path, family("load_power_watts_total", "[I18N_COMMON_LOAD_TOTAL_ACTIVE_POWER]"))
    assert "winet2_load_power_watts" not in names(loaded)
    assert loaded.sources["I18N_COMMON_LOAD_TOTAL_ACTIVE_POWER"].family.kind == "counter"


def test_load_when_two_files_name_a_key_then_the_later_one_has_it(tmp_path):
    """The last file lies uppermost."""
    loaded = load(tmp_path, family("first_watts"), family("second_watts"))
    assert loaded.sources["MY_KEY"].family.name == "winet2_second_watts"
    assert "winet2_first_watts" not in names(loaded)


def test_load_when_a_file_adds_a_unit_then_it_is_extended_for_every_family(tmp_path):
    """One table of units for all: the bundled families know the new one too, and keep the old ones."""
    loaded = load(tmp_path, 'units: {watts: {GW: 1000000000}, litres: {l: 1, ml: "0.001"}}\n')
    bundled = loaded.sources["I18N_COMMON_TOTAL_DCPOWER"]
    assert [units.factor(bundled.factors, unit) for unit in ("GW", "gw", "kW")] == [10**9, 10**9, 1000]
    assert loaded.units["litres"]["ml"] == Decimal("0.001")


def test_load_when_a_file_changes_a_unit_then_every_spelling_of_it_is_changed(tmp_path):
    """Capitals make no difference between files either."""
    loaded = load(tmp_path, "units: {watts: {kw: 999}}\n")
    factors = loaded.sources["I18N_COMMON_TOTAL_DCPOWER"].factors
    assert [units.factor(factors, unit) for unit in ("kW", "KW", "kw", "W")] == [999, 999, 999, 1]


def test_load_when_volts_are_extended_then_direct_inputs_know_them(tmp_path):
    """MPPTs and strings convert by the same table."""
    loaded = load(tmp_path, 'units: {volts: {mV: "0.001"}, amperes: {kA: 1000}}\n')
    assert loaded.volts["mV"] == Decimal("0.001")
    assert (loaded.amperes["kA"], loaded.amperes["A"]) == (1000, 1)


def test_load_when_a_family_uses_a_unit_of_another_file_then_it_is_known(tmp_path):
    """The order of files is no trap for units."""
    loaded = load(tmp_path, family("water_litres", unit="litres"), "units: {litres: {l: 1}}\n")
    assert loaded.sources["MY_KEY"].factors["l"] == 1


def test_load_when_a_file_has_a_pattern_then_it_replaces_or_joins_the_bundled_ones(tmp_path):
    """By label; a new label makes its own three families."""
    loaded = load(tmp_path, 'direct: {mppt: "TRACKER([0-9]+)", tracker: "T([0-9]+)"}\n')
    assert [kind.voltage.labels[-1] for kind in loaded.direct] == ["mppt", "string", "tracker"]
    assert loaded.direct[0].number("TRACKER7") == "7"
    assert loaded.direct[0].number("MPPT7") is None
    assert loaded.direct[2].power.name == "winet2_tracker_power_watts"
    assert "of each tracker." in loaded.direct[2].power.help


def test_load_when_a_file_adds_states_and_kinds_then_the_bundled_ones_stay(tmp_path):
    """Added, not replaced; a device type of the file's is of the file's kind."""
    loaded = load(
        tmp_path,
        "states: {keys: [MY_STATE], known: {battery: [heating], pump: [wet]}}\nkinds: {pump: [99, 36]}\n",
    )
    assert loaded.state_keys == BUNDLED.state_keys | {"MY_STATE"}
    assert loaded.states["battery"] == tuple(sorted([*BUNDLED.states["battery"], "heating"]))
    assert loaded.states["pump"] == ("wet",)
    assert [loaded.kind_of(number) for number in (99, 36, 35)] == ["pump", "pump", "hybrid"]


@pytest.mark.parametrize("states", ["{}", "{keys: []}", "{known: {}}"])
def test_load_when_a_part_of_the_states_is_left_out_then_nothing_is_lost(tmp_path, states):
    """Every section of a user's file and every part of it is optional."""
    assert load(tmp_path, f"states: {states}\n").states == BUNDLED.states


def test_load_when_a_key_turns_from_number_to_state_then_it_is_a_state_only(tmp_path):
    """The upper file decides what a key is."""
    key = "I18N_COMMON_LOAD_TOTAL_ACTIVE_POWER"
    loaded = load(tmp_path, f"states: {{keys: [{key}]}}\n")
    assert key not in loaded.sources
    back = load(tmp_path, f"states: {{keys: [{key}]}}\n", family("load_watts", f"[{key}]"))
    assert key not in back.state_keys
    assert back.sources[key].family.name == "winet2_load_watts"


@pytest.mark.parametrize("name, number", [("IN7", "7"), ("IN07", "7"), ("INx", None), ("IN", None),
                                          ("IN" + "9" * 5000, None), ("IN\u00b2", None)])  # fmt: skip
def test_number_when_a_pattern_takes_more_than_digits_then_only_digits_are_a_number(tmp_path, name, number):
    """A pattern of the user's own can match anything; a label is a number all the same."""
    loaded = load(tmp_path, 'direct: {mppt: "IN(.*)?"}\n')
    assert loaded.direct[0].number(name) == number


def test_view_when_an_input_has_no_number_then_its_readings_are_generic(tmp_path):
    """A loose pattern costs a name, not the refresh."""
    loaded = load(tmp_path, 'direct: {mppt: "IN(.*)"}\n')
    view = TargetView(loaded, families.READING, families.DEVICE_STATE, 10)
    answer = Answer(1.0, 2.0, (), (DirectInput("INx", "1", "V", "2", "A"),))
    device = Device("SN", "1", 35, 1, "n", "m", True)
    view.update(
        Snapshot(1.0, 2.0, (DeviceReport(device, {Service.DIRECT: answer}),)),
        TargetInfo("roof", "192.0.2.10", "ws", "bypass", {}, 50.0, 500),
    )
    shown = [sample.labels for sample in view.devices["SN"].entries[Service.DIRECT].samples()]
    assert shown == [("INx", "V"), ("INx", "A")]


def test_load_when_an_entry_tells_kinds_version_and_limit_then_they_are_kept(tmp_path):
    """`since` is the file's where the entry has none; a kind of the file's own is known."""
    more = ', limit: rated_power, kinds: [pump, hybrid], since: "2.0.0"'
    loaded = load(
        tmp_path,
        'since: "1.5.0"\nkinds: {pump: [99]}\ndirect: {input: "I([0-9])"}\n'
        + family("pump_watts", more=more),
        'since: "1.6.0"\n' + family("tank_watts", "[K]"),
        family("well_watts", "[L]"),
    )
    pump, tank, well = (loaded.entries[f"winet2_{name}_watts"] for name in ("pump", "tank", "well"))
    assert (pump.kinds, pump.since, pump.limited) == (("pump", "hybrid"), "2.0.0", True)
    assert (tank.kinds, tank.since, tank.limited) == ((), "1.6.0", False)
    assert well.since == ""
    assert [loaded.sources[key].limited for key in ("MY_KEY", "K")] == [True, False]
    assert [kind.since for kind in loaded.direct] == ["0.1.0", "0.1.0", "1.5.0"]


# Mistakes --------------------------------------------------------------------------------------------

OWN_NAMES = sorted(
    {family.name.removeprefix("winet2_") for family in families.all_families()}
    | {"reading", "device_state", "target_info", "errors", "up_total", "exporter_build_info", "string_info",
       "device_rated_power_watts", "local_midnight_timestamp_seconds", "gateway_watts", "plant_watts",
       "sun_elevation_ratio"}
)  # fmt: skip


@pytest.mark.parametrize("name", OWN_NAMES)
def test_load_when_a_family_has_a_name_of_the_exporter_then_it_is_a_mistake(tmp_path, name):
    """Nobody can put a reading in the place of the exporter's own word."""
    head, found = mistakes(tmp_path, family(name))
    assert head == f"{tmp_path}/1.yaml:"
    assert found == f"  line 1: families.{name}: is a name of the exporter's own; choose another one"


@pytest.mark.parametrize("label", ["mppt", "string", "tracker"])
@pytest.mark.parametrize("quantity", ["voltage_volts", "current_amperes", "power_watts", "power_watts_total"])
def test_load_when_a_family_is_one_of_the_direct_inputs_then_it_is_a_mistake(tmp_path, label, quantity):
    """What `direct` makes cannot be made twice."""
    found = mistakes(tmp_path, 'direct: {tracker: "T([0-9])"}\n' + family(f"{label}_{quantity}"))
    assert found[1:] == [
        f"  line 2: families.{label}_{quantity}: is fed by direct.{label}; "
        "change the pattern there, or the name here"
    ]


@pytest.mark.parametrize("ending", ["_info", "_count", "_sum", "_bucket", "_created", "_gcount", "_gsum"])
def test_load_when_a_name_has_an_ending_of_openmetrics_then_it_is_a_mistake(tmp_path, ending):
    """A gauge x_count would be read as a part of x."""
    found = mistakes(tmp_path, family(f"pump{ending}"))
    assert f"families.pump{ending}: must not end in {ending}, which OpenMetrics keeps for itself" in found[1]


@pytest.mark.parametrize(
    "text, place, twin",
    [
        (family("pv_energy_joules", unit="joules"), "pv_energy_joules", "winet2_pv_energy_joules_total"),
        (family("pv_power_watts_total"), "pv_power_watts_total", "winet2_pv_power_watts"),
    ],
)
def test_load_when_a_gauge_and_a_counter_are_one_in_openmetrics_then_it_is_a_mistake(
    tmp_path, text, place, twin
):
    """OpenMetrics knows the counter x_total as x."""
    found = mistakes(tmp_path, text)
    assert found[1:] == [
        f"  line 1: families.{place}: is the same as {twin} in OpenMetrics; choose another name"
    ]


def test_load_when_one_file_has_both_of_a_clash_then_it_is_a_mistake(tmp_path):
    """Within a file as between files."""
    found = mistakes(
        tmp_path,
        "families:\n  x_watts: {help: X., unit: watts, keys: [A]}\n"
        "  x_watts_total: {help: X., unit: watts, keys: [B]}\n",
    )
    assert [line.split(" in OpenMetrics")[0] for line in found[1:]] == [
        "  line 2: families.x_watts: is the same as winet2_x_watts_total",
        "  line 3: families.x_watts_total: is the same as winet2_x_watts",
    ]


@pytest.mark.parametrize(
    "label, words",
    [
        ("target", "must not be target"),
        ("device", "must not be device"),
        ("le", "must not be le"),
        ("quantile", "must not be quantile"),
        ("__phase", "must be a label name"),
        ("the phase", "must be a label name"),
        ("7", "must be a label name"),
    ],
)
def test_load_when_a_label_has_a_meaning_already_then_it_is_a_mistake(tmp_path, label, words):
    """For families and for direct inputs; the exporter's and Prometheus' own labels stay theirs."""
    found = mistakes(tmp_path, family("pump_watts", "{a: [K]}", more=f", label: {label}"))
    assert f"line 1: families.pump_watts.label: {words}" in found[1]
    found = mistakes(tmp_path, f'direct: {{{label}: "I([0-9])"}}\n')
    assert f"line 1: direct.{label}: {words}" in found[1]


@pytest.mark.parametrize(
    "label, name",
    [("sun", "sun_voltage_volts"), ("ac", "ac_voltage_volts"), ("device_rated", "device_rated_power_watts")],
)
def test_load_when_a_direct_input_would_feed_a_taken_family_then_it_is_a_mistake(tmp_path, label, name):
    """Neither the exporter's own names nor those of bundled families."""
    found = mistakes(tmp_path, f'direct: {{{label}: "I([0-9])"}}\n')
    assert (
        f"  line 1: direct.{label}: would feed winet2_{name}, which is taken; choose another label" in found
    )


WRONG = {
    "no YAML": ("families: [", "line 1: not valid YAML"),
    "unknown section": ("famlies: {}", 'line 1: famlies: is not a known key; did you mean "families"?'),
    "section that is nothing": ("families:", "line 1: families: must be a mapping, not nothing"),
    "states that are nothing": ("states:", "line 1: states: must be a mapping (key: value), not nothing"),
    "known states that are nothing": ("states: {known: }", "states.known: must be a mapping, not nothing"),
    "unknown unit": (family("x_watts", unit="wats"), 'line 1: families.x_watts.unit: must be one of'),
    "missing help": ("families: {x_watts: {unit: watts, keys: [K]}}", "families.x_watts: needs a help"),
    "missing unit": ("families: {x_watts: {help: X., keys: [K]}}", "families.x_watts: needs a unit"),
    "key twice": (
        family("x_watts", "{a: [K], b: [K]}", more=", label: phase"),
        "families.x_watts.keys: K feeds winet2_x_watts already; keep one",
    ),
    "key as number and state": (
        "states: {keys: [MY_KEY]}\n" + family("x_watts"),
        "line 2: families.x_watts.keys: MY_KEY feeds the state of the device already; keep one",
    ),
    "device type in two kinds": ("kinds: {a: [99], b: [99]}", "line 1: kinds.b: 99 is a already; keep one"),
    "factor out of all bounds": ('units: {watts: {XW: "1e999999"}}', "units.watts.XW: must be a whole"),
    "unknown kind": (family("x_watts", more=", kinds: [hybird]"), 'kinds: must be one of'),
    "kinds that are text": (family("x_watts", more=", kinds: hybrid"), "kinds: must be a list of texts"),
    "version that is a number": (family("x_watts", more=", since: 0.1"), "since: must be text, not a number"),
    "version of the file": ("since: 0.1", "line 1: since: must be text, not a number"),
    "unknown limit": (family("x_watts", more=", limit: 5000"), "limit: must be one of rated_power"),
    "limit of no power": (
        family("x_volts", unit="volts", more=", limit: rated_power"),
        "line 1: families.x_volts.limit: needs the unit watts",
    ),
    "pattern without end": (
        'direct: {mppt: "M([0-9]{99999999999999999999})"}',
        "line 1: direct.mppt: is no regular expression",
    ),
}  # fmt: skip


@pytest.mark.parametrize("text, words", WRONG.values(), ids=WRONG.keys())
def test_load_when_a_file_has_a_mistake_then_it_is_named_with_file_and_line(tmp_path, text, words):
    """File, line, path and what to do."""
    head, *found = mistakes(tmp_path, text)
    assert head == f"{tmp_path}/1.yaml:"
    assert len(found) == 1, found
    assert words in found[0]


def test_load_when_a_file_is_not_there_then_the_error_names_it(tmp_path):
    """A path that was mistyped is told like any other mistake."""
    with pytest.raises(
        CatalogueError, match=re.escape(f"{tmp_path}/none.yaml:\n  cannot be read: No such file")
    ):
        catalogue.load([tmp_path / "none.yaml"])


def test_load_when_a_file_is_not_utf8_then_the_error_names_the_line(tmp_path):
    """An old editor's encoding is told, not guessed."""
    path = tmp_path / "old.yaml"
    path.write_bytes(b"# fine\n# K\xfcche\n")
    with pytest.raises(CatalogueError, match="line 2: is not UTF-8; save the file in that encoding"):
        catalogue.load([path])


def test_load_when_several_files_are_wrong_then_one_error_has_all_their_mistakes(tmp_path):
    """One start, every mistake of every file."""
    (tmp_path / "1.yaml").write_text("families: {Up: {help: U., unit: watts, keys: [K]}, up: 7}\n")
    (tmp_path / "2.yaml").write_bytes(b"\xff")
    (tmp_path / "3.yaml").write_text("kinds: 5\nunits: 7\n")
    with pytest.raises(CatalogueError) as caught:
        catalogue.load([tmp_path / f"{number}.yaml" for number in (1, 2, 3, 4)])
    report = str(caught.value)
    for number in (1, 2, 3, 4):
        assert f"{tmp_path}/{number}.yaml:\n" in report
    for words in ("families.Up: a family's name", "families.up: must be", "kinds: must", "units: must"):
        assert words in report
    lines = [line for line in report.splitlines() if "line" in line and ("kinds" in line or "units" in line)]
    assert [line.split(":")[0].strip() for line in lines] == ["line 1", "line 2"]


def test_all_families_when_they_are_listed_then_each_is_there_once():
    """The list that keeps names free is complete."""
    listed = [family.name for family in families.all_families()]
    assert len(listed) == len(set(listed))
    assert {"winet2_up", "winet2_target_info", "winet2_reading", "winet2_errors_total"} <= set(listed)
    assert not set(listed) & set(names(BUNDLED))
