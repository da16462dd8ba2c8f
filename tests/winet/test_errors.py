"""The taxonomy of failures: every kind has its reason, and advice where a person can help."""

import inspect

import pytest

from exporter.telemetry import Reason
from exporter.winet import errors
from exporter.winet.errors import WinetError

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
BRANCHES = (
    WinetError,
    errors.TransportError,
    errors.SessionError,
    errors.AccessError,
    errors.AnswerError,
)
KINDS = [kind for kind in ALL if kind not in BRANCHES]

SHARED = {
    Reason.LOGIN_REFUSED: {errors.LoginRefused, errors.FactoryRefused},
    Reason.NO_ANSWER: {errors.NoAnswer, errors.NoTlsAnswer},
    Reason.SESSION_EXPIRED: {errors.SessionExpired, errors.TokenExpired, errors.NotAuthorized},
    Reason.LOGIN_REQUIRED: {errors.LoginRequired, errors.CredentialsWithheld, errors.PasswordUnreadable},
    Reason.TLS: {errors.TlsFailed, errors.CaFileUnreadable},
    Reason.UNREACHABLE: {errors.Unreachable, errors.PortRefused},
    Reason.GARBLED: {errors.Garbled, errors.Flooded},
}


def make(kind: type[WinetError]) -> WinetError:
    if kind is errors.CertificateMismatch:
        return kind(("AA",), "BB")
    return kind("said", 7) if issubclass(kind, errors.AnswerError) else kind("said")


@pytest.mark.parametrize("kind", ALL)
def test_error_when_it_is_of_this_package_then_it_has_the_one_base(kind):
    """One `except` catches everything that can go wrong with a gateway."""
    assert issubclass(kind, WinetError)


@pytest.mark.parametrize("kind", KINDS)
def test_error_when_it_is_raised_then_it_has_a_reason_of_the_closed_list(kind):
    """Every kind has its label value."""
    assert isinstance(make(kind).reason, Reason)


def test_errors_when_they_share_a_reason_then_they_were_meant_to():
    """Apart from special cases of one failure, each kind has a reason to itself."""
    by_reason: dict[Reason, set[type]] = {}
    for kind in KINDS:
        by_reason.setdefault(kind.reason, set()).add(kind)
    assert {reason: kinds for reason, kinds in by_reason.items() if len(kinds) > 1} == SHARED


@pytest.mark.parametrize(
    "kind",
    [
        errors.Unreachable,
        errors.PortRefused,
        errors.TlsFailed,
        errors.CertificateMismatch,
        errors.RedirectRefused,
        errors.UpgradeRefused,
        errors.NoAnswer,
        errors.UserLimit,
        errors.Watchdog,
        errors.LoginRequired,
        errors.CredentialsWithheld,
        errors.LoginRefused,
        errors.AccountLocked,
        errors.PasswordChangeRequired,
        errors.Internal,
    ],
)
def test_error_when_a_person_can_help_then_there_is_advice(kind):
    """Plain sentences about what to do."""
    assert make(kind).advice.endswith(".")
    assert make(kind).advice[0].isupper()


def test_error_when_it_is_a_matter_of_access_then_each_has_advice_of_its_own():
    """Only a person can mend these, and each needs another thing done."""
    advice = [kind.advice for kind in KINDS if issubclass(kind, errors.AccessError)]
    assert len(advice) == len(set(advice)) == 6
    assert all(advice)


def test_login_refused_when_told_then_the_advice_has_all_three_ways_of_keeping_a_password():
    """Each is noticed in another way, as the README says."""
    advice = errors.LoginRefused("x").advice
    assert "corrected password_file is tried within seconds" in advice
    assert "a password, reload the configuration" in advice
    assert "a password_env, restart" in advice


def test_credentials_withheld_when_told_then_the_advice_is_the_setting():
    """The advice names the line to write."""
    assert "transport: ws" in errors.CredentialsWithheld("x").advice


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, errors.AnswerError)])
def test_answer_error_when_raised_then_it_carries_text_and_code(kind):
    """What the gateway said is there for people, its code for the program."""
    error = make(kind)
    assert (str(error), error.code) == ("said", 7)


def test_certificate_mismatch_when_raised_then_it_names_both_sides():
    """Whoever has to decide sees what was expected and what was shown."""
    error = errors.CertificateMismatch(("AA", "BB"), "CC")
    assert str(error) == "certificate CC is not the pinned one (AA, BB)"
    assert (error.expected, error.got) == (("AA", "BB"), "CC")


def test_transport_error_when_raised_then_it_names_no_question_until_told():
    """One error's question is not another's."""
    told = errors.NoAnswer("x")
    told.service = "real"
    assert errors.NoAnswer("x").service == ""


def test_module_when_read_then_its_tree_names_every_kind():
    """The tree at the top of the module is complete."""
    shown = errors.__doc__ or ""
    inner = {errors.TransportError, errors.NotAuthorized, errors.CredentialsWithheld, errors.Internal}
    assert not [kind.__name__ for kind in ALL if kind.__name__ not in shown and kind not in inner]
