"""Pauses after failures: a floor, growth, chance, and slow forgetting."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.telemetry import State
from exporter.winet import errors
from exporter.winet.recovery import Pause, Recovery

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
YIELD_FOR = 300.0


class Highest(random.Random):
    """Chance that always takes the longest pause."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Lowest(random.Random):
    """Chance that always takes the shortest pause."""

    def uniform(self, a: float, b: float) -> float:
        return a


def recovery(rng: random.Random | None = None) -> Recovery:
    return Recovery(YIELD_FOR, rng or Highest())


def lost() -> errors.WinetError:
    return errors.ConnectionLost("the connection broke off")


# Back-off --------------------------------------------------------------------------------------------


def test_pause_after_when_failures_go_on_then_the_longest_pause_doubles_up_to_five_minutes():
    """1 s + 2^n s, and never above 5 min."""
    made = recovery()
    pauses = [made.pause_after(lost(), 0.0) for _ in range(12)]
    assert {pause.state for pause in pauses} == {State.BACKING_OFF}
    assert [pause.seconds for pause in pauses] == [2, 3, 5, 9, 17, 33, 65, 129, 257, 300, 300, 300]


def test_pause_after_when_chance_is_kind_then_there_is_still_a_second():
    """No two attempts are closer than a second."""
    made = recovery(Lowest())
    assert {made.pause_after(lost(), 0.0).seconds for _ in range(50)} == {1.0}


@pytest.mark.parametrize("seed", range(5))
def test_pause_after_when_seeded_then_pauses_lie_in_their_bounds_and_are_spread(seed):
    """Each pause is 1 s + random(0 … 2^n s): gateways that failed together do not come back together."""
    made = recovery(random.Random(seed))
    pauses = [made.pause_after(lost(), 0.0).seconds for _ in range(2000)]
    for n, seconds in enumerate(pauses):
        assert 1.0 <= seconds <= min(1.0 + 2.0**n, 300.0) if n < 16 else 1.0 <= seconds <= 300.0
    late = pauses[20:]
    assert min(late) < 20
    assert max(late) > 280
    assert 140 < sum(late) / len(late) < 160


@pytest.mark.parametrize(
    "error",
    [
        errors.Unreachable("x"),
        errors.TlsFailed("x"),
        errors.CertificateMismatch(("A",), "B"),
        errors.RedirectRefused("x"),
        errors.UpgradeRefused("x"),
        errors.NoAnswer("x"),
        errors.ConnectionLost("x"),
        errors.Garbled("x"),
        errors.SessionExpired("x"),
        errors.NotAuthorized("x"),
        errors.Watchdog("x"),
        errors.Busy("x", 201),
        errors.Internal("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_pause_after_when_the_line_or_the_session_failed_then_it_backs_off(error):
    """Whatever may pass by itself is tried again, more and more slowly."""
    made = recovery()
    assert [made.pause_after(error, 0.0) for _ in range(2)] == [
        Pause(State.BACKING_OFF, 2.0),
        Pause(State.BACKING_OFF, 3.0),
    ]


def test_pause_after_when_others_answered_then_the_back_off_does_not_grow():
    """One silent device does not slow down the ones that answer."""
    made = recovery()
    for _ in range(5):
        assert made.pause_after(errors.NoAnswer("x"), 0.0, others_answered=True).seconds == 2.0
    assert made.failures == 0
    made.pause_after(lost(), 0.0)
    assert made.pause_after(errors.NoAnswer("x"), 0.0, others_answered=True).seconds == 3.0
    assert made.failures == 1


@pytest.mark.parametrize(
    "complete_at, failed_at, forgotten",
    [
        ([], 1000.0, False),
        ([100.0], 100.0, False),
        ([100.0], 1000.0, False),
        ([100.0, 159.9], 1000.0, False),
        ([100.0, 160.0], 160.0, True),
        ([100.0, 500.0], 1000.0, True),
    ],
    ids=["never complete", "at once", "one and then silence", "just short", "a minute", "long"],
)
def test_pause_after_when_a_session_was_healthy_then_failures_are_forgotten(
    complete_at, failed_at, forgotten
):
    """Only a complete snapshot and a healthy minute behind it let the back-off begin anew."""
    made = recovery()
    for _ in range(6):
        made.pause_after(lost(), 0.0)
    made.online(50.0)
    for moment in complete_at:
        made.complete_snapshot(moment)
    assert made.pause_after(lost(), failed_at).seconds == (2.0 if forgotten else 65.0)


def test_complete_snapshot_when_there_are_many_then_the_minute_counts_from_the_first():
    """Later snapshots do not begin the minute anew."""
    made = recovery()
    for _ in range(6):
        made.pause_after(lost(), 0.0)
    for now in range(100, 161, 10):
        made.complete_snapshot(float(now))
    assert made.pause_after(lost(), 160.0).seconds == 2.0


def test_complete_snapshot_when_the_line_fails_between_then_minutes_are_not_added_up():
    """Health of one connection is no health of the next."""
    made = recovery()
    made.complete_snapshot(0.0)
    made.pause_after(lost(), 40.0)
    made.complete_snapshot(50.0)
    assert made.pause_after(lost(), 90.0).seconds == 3.0


def test_fruitless_cycle_when_it_comes_between_then_the_minute_begins_anew():
    """Silence in the middle is no health."""
    made = recovery()
    made.pause_after(lost(), 0.0)
    made.complete_snapshot(10.0)
    made.fruitless_cycle()
    made.complete_snapshot(75.0)
    assert made.pause_after(lost(), 80.0).seconds == 3.0


def test_online_when_it_comes_after_a_drop_then_the_undisturbed_time_goes_on():
    """A dropped line is no take-over: what counts is the time since we came back to the gateway."""
    made = recovery()
    made.online(0.0)
    made.pause_after(errors.UserLimit("x"), 10.0)
    made.online(400.0)
    made.pause_after(lost(), 12 * HOUR)
    made.online(12 * HOUR + 5.0)
    assert made.pause_after(errors.UserLimit("x"), 12 * HOUR + 60.0).seconds == 300.0


def test_online_when_a_login_goes_well_then_failures_are_not_forgotten():
    """A gateway that accepts a login and drops the line sees growing pauses."""
    made = recovery()
    pauses = []
    for n in range(5):
        made.online(n * 100.0)
        pauses.append(made.pause_after(lost(), n * 100.0 + 90.0).seconds)
    assert pauses == [2.0, 3.0, 5.0, 9.0, 17.0]


# Access ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error, state",
    [
        (errors.LoginRefused("x"), State.REFUSED),
        (errors.LoginRequired("x"), State.REFUSED),
        (errors.CredentialsWithheld("x"), State.REFUSED),
        (errors.AccountLocked("x"), State.LOCKED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_pause_after_when_access_is_refused_then_pauses_double_from_half_an_hour_to_a_day(error, state):
    """Each wrong login may lock the account."""
    made = recovery()
    pauses = [made.pause_after(error, n * DAY) for n in range(9)]
    assert {pause.state for pause in pauses} == {state}
    assert [pause.seconds / HOUR for pause in pauses] == [0.5, 1, 2, 4, 8, 16, 24, 24, 24]


def test_pause_after_when_a_password_change_is_due_then_it_is_half_an_hour_every_time():
    """A person is at work on it; to stay away for longer would help nobody."""
    made = recovery()
    for _ in range(5):
        pause = made.pause_after(errors.PasswordChangeRequired("x"), 0.0)
        assert pause == Pause(State.REFUSED, 30 * MINUTE)


def test_online_when_a_login_goes_well_then_refusals_are_forgotten():
    """The next refusal is a first one again."""
    made = recovery()
    for _ in range(4):
        made.pause_after(errors.LoginRefused("x"), 0.0)
    made.online(0.0)
    assert made.pause_after(errors.LoginRefused("x"), 0.0).seconds == 30 * MINUTE


def test_pause_after_when_the_line_fails_between_then_refusals_are_not_forgotten():
    """A gateway that was away for a while has not changed the password."""
    made = recovery()
    made.pause_after(errors.LoginRefused("x"), 0.0)
    made.pause_after(lost(), 1800.0)
    assert made.pause_after(errors.LoginRefused("x"), 1801.0).seconds == HOUR


def test_credentials_changed_when_logins_were_refused_then_the_pauses_begin_anew():
    """What was refused is not what will be sent."""
    made = recovery()
    refusals = [made.pause_after(errors.LoginRefused("x"), 0.0).seconds for _ in range(3)]
    made.credentials_changed()
    assert refusals == [30 * MINUTE, HOUR, 2 * HOUR]
    assert made.pause_after(errors.LoginRefused("x"), 0.0).seconds == 30 * MINUTE


# Tokens ----------------------------------------------------------------------------------------------


def test_pause_after_when_a_token_expired_then_it_is_tried_once_at_once():
    """A fresh login cures it; if it does not, the gateway is not stormed."""
    made = recovery()
    assert made.pause_after(errors.TokenExpired("x"), 0.0) == Pause(State.CONNECTING, 0.0)
    assert made.pause_after(errors.TokenExpired("x"), 1.0) == Pause(State.BACKING_OFF, 2.0)
    assert made.pause_after(errors.TokenExpired("x"), 2.0) == Pause(State.BACKING_OFF, 3.0)


def test_complete_snapshot_when_it_follows_then_the_next_expiry_is_a_new_one():
    """Tokens expire again and again over the months."""
    made = recovery()
    for now in (0.0, 1000.0, 2000.0):
        assert made.pause_after(errors.TokenExpired("x"), now).seconds == 0.0
        made.complete_snapshot(now + 10.0)
        made.complete_snapshot(now + 70.0)


def test_pause_after_when_tokens_expire_within_the_minute_then_it_backs_off():
    """One good cycle between two expiries is no excuse for a login every few seconds."""
    made = recovery()
    made.pause_after(errors.TokenExpired("x"), 0.0)
    made.complete_snapshot(10.0)
    assert made.pause_after(errors.TokenExpired("x"), 15.0).state is State.BACKING_OFF


def test_online_when_only_the_login_worked_then_the_token_is_not_tried_at_once_again():
    """A gateway whose tokens are stale at once is no reason for a storm of logins."""
    made = recovery()
    made.pause_after(errors.TokenExpired("x"), 0.0)
    made.online(1.0)
    assert made.pause_after(errors.TokenExpired("x"), 2.0).state is State.BACKING_OFF


# Yielding --------------------------------------------------------------------------------------------


def taken_over(made: Recovery, *seconds_after_return: float) -> list[float]:
    """The pauses when somebody takes over so and so long after each return."""
    now, pauses = 0.0, []
    for seconds in seconds_after_return:
        made.online(now)
        now += seconds
        pause = made.pause_after(errors.UserLimit("x"), now)
        assert pause.state is State.YIELDED
        pauses.append(pause.seconds)
        now += pause.seconds
    return pauses


@pytest.mark.parametrize(
    "seconds_after_return, pauses",
    [
        ([100], [300]),
        ([100, 599, 0, 1, 1, 1], [300, 600, 1200, 2400, 3600, 3600]),
        ([100, 100, 600, 3599], [300, 600, 600, 600]),
        ([100, 100, 100, 3600, 100], [300, 600, 1200, 300, 600]),
        ([5000, 100], [300, 600]),
    ],
    ids=["first", "soon again", "not so soon", "an undisturbed hour", "a first one after hours"],
)
def test_pause_after_when_somebody_takes_over_then_it_yields_for_longer_the_sooner(
    seconds_after_return, pauses
):
    """Within 10 min of the return the pause doubles, up to 1 h; an undisturbed hour resets it."""
    assert taken_over(recovery(), *seconds_after_return) == pauses


def test_pause_after_when_taken_over_before_any_login_then_it_yields_as_configured():
    """Somebody is at the gateway already when the exporter starts."""
    assert recovery().pause_after(errors.UserLimit("x"), 0.0) == Pause(State.YIELDED, YIELD_FOR)


def test_pause_after_when_taken_over_before_every_return_then_the_pause_is_not_reset():
    """An hour in which every attempt was turned away was not undisturbed."""
    made = recovery()
    made.online(0.0)
    now, pauses = 100.0, []
    for _ in range(8):
        pauses.append(made.pause_after(errors.UserLimit("x"), now).seconds)
        now += pauses[-1] + 5.0
    assert now > HOUR
    assert pauses == sorted(pauses)


def test_pause_after_when_it_yielded_then_the_back_off_has_not_grown():
    """A take-over is no failure of the line."""
    made = recovery()
    made.online(0.0)
    made.pause_after(errors.UserLimit("x"), 10.0)
    assert made.pause_after(lost(), 400.0).seconds == 2.0


# Asleep ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rng, seconds", [(Highest(), 285.0), (Lowest(), 300.0)])
def test_pause_after_when_the_gateway_sleeps_then_it_is_knocked_at_every_five_minutes(rng, seconds):
    """All night long; gateways of one roof are not all knocked at in the same second."""
    made = recovery(rng)
    for n in range(200):
        assert made.pause_after(lost(), n * 300.0, asleep=True) == Pause(State.ASLEEP, seconds)


def test_pause_after_when_it_slept_then_the_back_off_has_not_grown():
    """A night is no outage: what fails after it begins where the evening ended."""
    made = recovery()
    made.pause_after(lost(), 0.0)
    for n in range(100):
        made.pause_after(lost(), n * 300.0, asleep=True)
    assert made.failures == 1
    assert made.pause_after(lost(), 40_000.0) == Pause(State.BACKING_OFF, 3.0)


@pytest.mark.parametrize(
    "error, pause",
    [
        (errors.LoginRefused("x"), Pause(State.REFUSED, 30 * MINUTE)),
        (errors.AccountLocked("x"), Pause(State.LOCKED, 30 * MINUTE)),
        (errors.UserLimit("x"), Pause(State.YIELDED, YIELD_FOR)),
        (errors.TokenExpired("x"), Pause(State.CONNECTING, 0.0)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_pause_after_when_something_answered_then_it_does_not_sleep(error, pause):
    """Whoever refuses, yields or hands out tokens is awake."""
    assert recovery().pause_after(error, 0.0, asleep=True) == pause


def test_pause_after_when_it_slept_then_a_healthy_minute_begins_anew():
    """Health of the evening is no health of the morning."""
    made = recovery()
    made.pause_after(lost(), 0.0)
    made.complete_snapshot(10.0)
    made.pause_after(lost(), 50.0, asleep=True)
    made.complete_snapshot(75.0)
    assert made.failures == 1


# Whatever happens ------------------------------------------------------------------------------------

_errors = st.sampled_from(
    [
        lost(),
        errors.NoAnswer("x"),
        errors.TokenExpired("x"),
        errors.SessionExpired("x"),
        errors.UserLimit("x"),
        errors.LoginRefused("x"),
        errors.AccountLocked("x"),
        errors.PasswordChangeRequired("x"),
        errors.Watchdog("x"),
        errors.Internal("x"),
        RuntimeError("x"),
    ]
)
_events = st.one_of(st.sampled_from(["online", "complete"]), st.tuples(_errors, st.booleans(), st.booleans()))


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(_events, st.floats(0.0, 5000.0)), max_size=40), st.integers())
def test_pause_after_when_anything_happens_then_attempts_are_never_a_storm(events, seed):
    """Only one pause in a row is shorter than a second, and only for a token; none is above a day."""
    made = Recovery(YIELD_FOR, random.Random(seed))
    now, at_once = 0.0, False
    for event, seconds in events:
        now += seconds
        if event == "online":
            made.online(now)
        elif event == "complete":
            made.complete_snapshot(now)
            at_once = False
        else:
            error, others_answered, asleep = event
            pause = made.pause_after(error, now, others_answered=others_answered, asleep=asleep)
            assert pause.seconds <= DAY
            if pause.seconds < 1.0:
                assert isinstance(error, errors.TokenExpired)
                assert not at_once
                at_once = True
