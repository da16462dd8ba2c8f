"""Columns against the plainest account of them, whatever is put, withdrawn and scraped in between."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.metrics import columns
from exporter.metrics.columns import Body, Columns, Kept
from exporter.metrics.family import Family
from exporter.metrics.formats import Format, head

FAMILIES = [Family(f"winet2_{name}", "gauge", "A gauge.", ("target",)) for name in "abcd"]
END = b"the end\n"

_pieces = st.lists(st.sampled_from([b"", b"one\n", b"two\n", b"three\n" * 9]), max_size=len(FAMILIES))
_forms = st.sampled_from([Format.TEXT, Format.OPENMETRICS])
_steps = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 5), _pieces),
    st.tuples(st.just("withdraw"), st.integers(0, 5), st.none()),
    st.tuples(st.just("scrape"), st.booleans(), _forms),
    st.tuples(st.just("begin"), st.booleans(), _forms),
    st.tuples(st.just("finish"), st.none(), st.none()),
)


class Account:
    """The same, made from scratch for each body."""

    def __init__(self) -> None:
        self.columns = Columns()
        self.places: dict[int, int] = {}  # by who has them
        self.rows: dict[int, list[bytes]] = {}  # by place

    def put(self, who: int, pieces: list[bytes]) -> None:
        while len(self.columns) < len(pieces):
            self.columns.number(FAMILIES[len(self.columns)])
        if who not in self.places:
            self.places[who] = self.columns.place()
        self.rows[self.places[who]] = pieces
        self.columns.put(self.places[who], tuple(pieces))

    def withdraw(self, who: int) -> None:
        if who in self.places:
            del self.rows[self.places[who]]
            self.columns.withdraw(self.places.pop(who))

    def begin(self, apart: bool, form: Format) -> tuple[Body, bytes]:
        """A body that nothing was taken of yet, and what it is to be."""
        expected = b""
        for number, family in enumerate(FAMILIES):
            lines = b"".join(row[number] for _, row in sorted(self.rows.items()) if number < len(row))
            expected += head(family, form) + lines if lines else b""
        return self.columns.of_all(form, END, apart=apart), expected + END


def check(begun: tuple[Body, bytes]) -> None:
    body, expected = begun
    assert body.whole() == expected
    assert body.length == len(expected)


@settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.lists(_steps, max_size=40))
@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"APART": 1, "AT_ONCE": 8, "STEADY_AFTER": 1},
        {"AT_ONCE": 8, "MOST_KEPT": 8, "SENT_AT_ONCE": 3},
        {"LINED_UP_AT_ONCE": 3, "APART": 1},
    ],
    ids=["as it is", "soon steady", "long columns", "little room"],
)
def test_of_all_when_anything_happened_then_the_body_is_what_the_places_held(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], steps: list[tuple[str, int, object]]
) -> None:
    """What happens after a body was begun is not in it, however late it is taken."""
    for name, value in limits.items():
        monkeypatch.setattr(columns, name, value)
    account = Account()
    late: list[tuple[Body, bytes]] = []
    for step, one, other in steps:
        if step == "put":
            account.put(one, other)
        elif step == "withdraw":
            account.withdraw(one)
        elif step == "scrape":
            check(account.begin(one, other))
        elif step == "begin":
            late.append(account.begin(one, other))
        elif late:
            check(late.pop())
    for begun in late:
        check(begun)
    for apart in (True, False):
        check(account.begin(apart, Format.TEXT))


def test_place_when_one_was_withdrawn_then_it_is_given_again() -> None:
    """Gateways that come and go, as those of probes do, take no more room than there are at one time."""
    made = Columns()
    first, second = made.place(), made.place()
    made.withdraw(first)
    assert made.place() == first
    assert made.place() not in (first, second)


def kept_of(made: Columns, form: Format = Format.TEXT) -> list[Kept]:
    return [piece for piece in made.of_all(form, b"", apart=True).pieces if isinstance(piece, Kept)]


def test_kept_when_a_column_does_not_change_then_it_is_the_same_until_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that it is packed once, with its head: those of two formats are two."""
    monkeypatch.setattr(columns, "APART", 1)
    account = Account()
    account.put(0, [b"one\n", b"two\n"])
    assert kept_of(account.columns) == []  # they have changed
    before = kept_of(account.columns)
    assert [kept.lines for kept in before] == [
        head(FAMILIES[0], Format.TEXT) + b"one\n",
        head(FAMILIES[1], Format.TEXT) + b"two\n",
    ]
    assert kept_of(account.columns) == before
    assert set(kept_of(account.columns, Format.OPENMETRICS)).isdisjoint(before)
    account.put(0, [b"one\n", b"three\n"])
    assert kept_of(account.columns) == before[:1]
    assert kept_of(account.columns)[0] is before[0]


def test_kept_when_it_is_only_packed_then_it_is_not_joined_for_good() -> None:
    """Beside the pieces it would take as much memory as they do."""
    kept = Kept((b"one\n", b"two\n"))
    assert kept.lines == b"one\ntwo\n"
    assert kept.lines is not kept.lines
    assert kept.joined() is kept.joined() is kept.lines


def test_kept_when_a_late_body_keeps_what_has_changed_since_then_no_other_body_has_it() -> None:
    """A slow reader takes what was true; those after it take what is."""
    account = Account()
    account.put(0, [b"one\n"])
    check(account.begin(False, Format.TEXT))
    late = account.begin(False, Format.TEXT)
    account.put(0, [b"two\n"])
    check(account.begin(False, Format.TEXT))
    check(late)
    check(account.begin(False, Format.TEXT))
