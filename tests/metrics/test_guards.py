"""Totals that history forbids, and powers beyond all measure: held off, and believed when they last."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.metrics.guards import PowerGuard, TotalGuard, Verdict

ACCEPTED, HELD_OFF, RESET = Verdict.ACCEPTED, Verdict.HELD_OFF, Verdict.RESET
KWH = 3.6e6
TOTAL = 1000 * KWH
CYCLE = 10.0


def judge_all(
    *values: float, rated_watts: float | None = None, guard: TotalGuard | None = None
) -> list[Verdict]:
    """The verdicts on readings that come one cycle apart."""
    guard = guard or TotalGuard()
    return [guard.judge(value, n * CYCLE, rated_watts) for n, value in enumerate(values)]


@pytest.mark.parametrize(
    "values, verdicts",
    [
        ([TOTAL], [ACCEPTED]),
        ([TOTAL, TOTAL, TOTAL], [ACCEPTED] * 3),
        ([TOTAL, TOTAL + 0.1 * KWH, TOTAL + 0.2 * KWH], [ACCEPTED] * 3),
        ([TOTAL, TOTAL + KWH], [ACCEPTED, ACCEPTED]),
        ([0.1], [ACCEPTED]),
    ],
    ids=["first", "no growth", "growth", "as much as may be", "first is little"],
)
def test_judge_when_a_total_grows_then_it_is_accepted(values, verdicts):
    """What a total does every day."""
    assert judge_all(*values) == verdicts


def test_judge_when_a_total_steps_back_then_it_is_held_off_until_it_lasts():
    """One dip is no reset; three cycles of it are, and it is counted."""
    low = 0.1 * KWH
    assert judge_all(TOTAL, low, low, low, 2 * low) == [ACCEPTED, HELD_OFF, HELD_OFF, RESET, ACCEPTED]


def test_judge_when_a_total_falls_to_nought_then_it_is_never_believed():
    """A device that says 0 for hours after thousands of kWh is starting up or broken, not new."""
    assert judge_all(TOTAL, *[0.0] * 50, TOTAL + KWH) == [ACCEPTED, *[HELD_OFF] * 50, ACCEPTED]


@pytest.mark.parametrize("dip", [0.0, 1.0, TOTAL - 1.0])
def test_judge_when_a_total_dips_for_a_moment_then_it_goes_on_as_before(dip):
    """However deep the dip: two cycles of it leave no trace."""
    assert judge_all(TOTAL, dip, dip, TOTAL, dip, dip, TOTAL + 1.0) == [
        ACCEPTED, HELD_OFF, HELD_OFF, ACCEPTED, HELD_OFF, HELD_OFF, ACCEPTED,
    ]  # fmt: skip


def test_judge_when_a_total_spikes_then_it_is_held_off_until_it_lasts():
    """A jump that lasts is accepted, and is no reset."""
    spike = TOTAL + 100 * KWH
    assert judge_all(TOTAL, spike, TOTAL, spike, spike, spike, spike) == [
        ACCEPTED, HELD_OFF, ACCEPTED, HELD_OFF, HELD_OFF, ACCEPTED, ACCEPTED,
    ]  # fmt: skip


def test_judge_when_the_first_total_is_nought_then_it_is_held_off_until_it_lasts():
    """All zeros at dawn are not the beginning of a life; a new device's are."""
    assert judge_all(0.0, 0.0, 0.0, 0.0) == [HELD_OFF, HELD_OFF, ACCEPTED, ACCEPTED]


def test_judge_when_the_first_total_is_nought_for_a_moment_then_the_real_one_is_no_jump():
    """After noughts that were not believed, the first number is the first reading."""
    assert judge_all(0.0, 0.0, TOTAL, TOTAL) == [HELD_OFF, HELD_OFF, ACCEPTED, ACCEPTED]


def test_judge_when_held_values_disagree_then_none_is_believed():
    """What lasts must be one story: growing, or standing still."""
    values = [TOTAL, 5 * KWH, 3 * KWH, 2 * KWH, 1 * KWH, 0.0]
    assert judge_all(*values) == [ACCEPTED, *[HELD_OFF] * 5]
    far_apart = [TOTAL, TOTAL + 100 * KWH, TOTAL + 300 * KWH, TOTAL + 600 * KWH, TOTAL + 1000 * KWH]
    assert judge_all(*far_apart) == [ACCEPTED, *[HELD_OFF] * 4]


def test_judge_when_a_held_total_grows_as_it_may_then_it_lasts():
    """A device that was replaced counts on from its own total."""
    values = [TOTAL, 5 * KWH, 5.1 * KWH, 5.2 * KWH, 5.3 * KWH]
    assert judge_all(*values) == [ACCEPTED, HELD_OFF, HELD_OFF, RESET, ACCEPTED]


def test_judge_when_a_reset_was_accepted_then_the_old_total_is_a_jump():
    """After a reset, the total before it has to last as well."""
    assert judge_all(TOTAL, KWH, KWH, KWH, TOTAL, TOTAL, TOTAL) == [
        ACCEPTED, HELD_OFF, HELD_OFF, RESET, HELD_OFF, HELD_OFF, ACCEPTED,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "seconds, rated_watts, allowed_joules",
    [
        (10.0, None, KWH),
        (10.0, 5000.0, KWH),
        (3600.0, 5000.0, 15 * KWH),
        (3600.0, 10_000.0, 30 * KWH),
        (3600.0, None, 300 * KWH),
        (86400.0, 5000.0, 360 * KWH),
        (0.0, 5000.0, KWH),
        (-100.0, 5000.0, KWH),
    ],
)
def test_judge_when_time_has_passed_then_growth_up_to_three_times_the_rating_is_allowed(
    seconds, rated_watts, allowed_joules
):
    """At least 1 kWh; 3 x rated power x elapsed time, and 100 kW where the rating is unknown."""
    for growth, verdict in ((allowed_joules, ACCEPTED), (allowed_joules + 1.0, HELD_OFF)):
        guard = TotalGuard()
        guard.judge(TOTAL, 1000.0, rated_watts)
        assert guard.judge(TOTAL + growth, 1000.0 + seconds, rated_watts) is verdict


def test_judge_when_a_device_was_silent_for_long_then_its_growth_counts_from_the_last_accepted():
    """Held values do not stop the clock for the real ones."""
    guard = TotalGuard()
    guard.judge(TOTAL, 0.0, 5000.0)
    assert guard.judge(0.0, 3590.0, 5000.0) is HELD_OFF
    assert guard.judge(TOTAL + 14 * KWH, 3600.0, 5000.0) is ACCEPTED


def test_confirm_when_the_last_value_is_read_again_then_growth_counts_from_then_and_nothing_lasts():
    """A total that stood still all night may not grow by a night's worth in ten seconds."""
    guard = TotalGuard()
    guard.judge(TOTAL, 0.0, 5000.0)
    guard.confirm(3600.0)
    assert guard.judge(TOTAL + 14 * KWH, 3610.0, 5000.0) is HELD_OFF
    for _ in range(5):
        guard.confirm(3620.0)
        assert guard.judge(5 * KWH, 3630.0, 5000.0) is HELD_OFF


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from([0.0, KWH, 2 * KWH, 50 * KWH, TOTAL, TOTAL + KWH, 2 * TOTAL]), max_size=30))
def test_judge_when_anything_comes_then_what_is_shown_goes_back_only_at_a_reset(values):
    """The shown series never steps back uncounted, and never jumps without having lasted."""
    guard, shown, held = TotalGuard(), None, 0
    for n, value in enumerate(values):
        verdict = guard.judge(value, n * CYCLE)
        if verdict is HELD_OFF:
            held += 1
            continue
        if shown is not None:
            assert (value < shown) == (verdict is RESET)
            assert held >= 2 or 0 <= value - shown <= KWH + 3 * 100_000 * CYCLE * (held + 1)
        shown, held = value, 0


# Powers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "powers, accepted",
    [
        ([0.0, 5000.0, 7500.0, -7500.0], [True, True, True, True]),
        ([7500.1], [False]),
        ([-7500.1], [False]),
        ([9e9, 9e9, 9e9, 9e9], [False, False, True, True]),
        ([9e9, 8000.0, -9e9], [False, False, True]),
        ([9e9, 9e9, 5000.0, 9e9, 9e9, 9e9], [False, False, True, False, False, True]),
        ([9e9, 9e9, 9e9, 0.0, 9e9], [False, False, True, True, False]),
    ],
    ids=["up to half as much again", "above", "far below nought", "lasting", "lasting, but not the same",
         "spikes", "believed and over"],
)  # fmt: skip
def test_accepts_when_a_power_is_far_above_the_rating_then_it_has_to_last(powers, accepted):
    """Three cycles in a row of more than 1.5 times the rating, in either direction."""
    guard = PowerGuard()
    assert [guard.accepts(watts, 5000.0) for watts in powers] == accepted


def test_accepts_when_the_rating_is_not_known_then_every_power_is_believed():
    """Without a measure nothing is beyond it; and what passed then does not count as lasting."""
    guard = PowerGuard()
    assert [guard.accepts(9e9, rating) for rating in (5000.0, 5000.0, None, 5000.0, 5000.0, 5000.0)] == [
        False, False, True, False, False, True,
    ]  # fmt: skip
