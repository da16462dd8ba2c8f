"""From the text of a `real` list to readings, against the mere parsing of its JSON."""

from __future__ import annotations

import cProfile
import json
import time

from benchmarks.hints import busiest_functions
from benchmarks.measure import Options, Report, require, take_turns
from exporter.simulator.printing import Json, pretty
from exporter.telemetry import Reading
from exporter.winet import lists, messages

READINGS = 60
LIMIT = 4.0
ROUNDS = 15
TIMES = 1000  # decodings in one round
FLOOR = "json.loads of the same text: nobody can know what it says for less."

# Keys as long as a gateway's and values as varied; both are made up.
STEMS = (
    ("I18N_COMMON_INVENTED_ACTIVE_POWER", "kW", "3.417"),
    ("I18N_COMMON_INVENTED_TOTAL_ENERGY_GENERATION", "kWh", "18243.6"),
    ("I18N_COMMON_INVENTED_PHASE_VOLTAGE", "V", "231.8"),
    ("I18N_COMMON_INVENTED_PHASE_CURRENT", "A", "14.7"),
    ("I18N_COMMON_INVENTED_GRID_FREQUENCY", "Hz", "50.01"),
    ("I18N_COMMON_INVENTED_TEMPERATURE", "℃", "41.3"),
    ("I18N_COMMON_INVENTED_INSULATION_IMPEDANCE", "kΩ", "1874"),
    ("I18N_COMMON_INVENTED_DAILY_FEED_VOLUME", "kWh", "--"),
    ("I18N_CONFIG_KEY_99", "%", "87.5"),
    ("I18N_COMMON_INVENTED_POWER_FACTOR", "", "0.998"),
)


def sample() -> tuple[str, tuple[Reading, ...]]:
    """A `real` list as a gateway prints it, and the readings that are in it."""
    readings = tuple(
        Reading(f"{stem}_{number}", value, unit)
        for number in range(READINGS // len(STEMS))
        for stem, unit, value in STEMS
    )
    entries: list[Json] = [{"data_name": r.key, "data_value": r.value, "data_unit": r.unit} for r in readings]
    data: dict[str, Json] = {"service": "real", "list": entries, "count": len(entries)}
    return pretty({"result_code": 1, "result_msg": "success", "result_data": data}), readings


def decode(text: str) -> lists.Decoded[Reading] | None:
    return lists.decode_readings(messages.decode(text))


def run(options: Options) -> Report:
    text, readings = sample()
    decoded = decode(text)
    require(decoded is not None and decoded.items == readings, f"all {READINGS} readings are decoded")
    require(decoded is not None and not decoded.problems, "no reading is a problem")
    rounds, times = (2, 10) if options.smallest else (ROUNDS, TIMES)

    def ours() -> float:
        began = time.process_time()
        for _ in range(times):
            decode(text)
        return (time.process_time() - began) / times

    def floor() -> float:
        began = time.process_time()
        for _ in range(times):
            json.loads(text)
        return (time.process_time() - began) / times

    comparison = take_turns(ours, floor, rounds)
    notes = [f"{READINGS} readings in {len(text)} characters; CPU time of one decoding"]
    if options.profile:
        profiler = cProfile.Profile()
        profiler.runcall(ours)
        notes += busiest_functions(profiler)
    return Report((comparison.row("decode", "µs", 1e-6, LIMIT, FLOOR),), tuple(notes))
