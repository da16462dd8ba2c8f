"""YAML read strictly: places of mistakes, kinds of values, and nothing that escapes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.strict_yaml import (
    Document,
    Mistake,
    Section,
    duration,
    flag,
    kind,
    one_of,
    secret_text,
    text,
    whole_number,
)


def only_mistake(yaml_text: str) -> Mistake:
    (mistake,) = Document(yaml_text).mistakes
    return mistake


@pytest.mark.parametrize(
    "mistake, line",
    [
        (Mistake("a.b", "is bad", 3), "line 3: a.b: is bad"),
        (Mistake("a.b", "is bad", 0), "a.b: is bad"),
        (Mistake("", "is bad", 3), "line 3: is bad"),
        (Mistake("", "is bad", 0), "is bad"),
    ],
)
def test_mistake_when_spelled_then_line_and_path_come_first(mistake, line):
    """What is unknown of the place is left out."""
    assert str(mistake) == line


@pytest.mark.parametrize(
    "yaml_text, value",
    [
        ("", None),
        ("a: 1", {"a": 1}),
        ("- a\n- b", ["a", "b"]),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_document_when_the_text_is_sound_then_it_has_the_value(yaml_text, value):
    """Aliases and merges are allowed; they are not mistakes."""
    document = Document(yaml_text)
    assert (document.value, document.mistakes) == (value, [])


@pytest.mark.parametrize(
    "yaml_text, line",
    [
        ("a: {b: 1\n", 2),
        ("a: 1\n b: 2", 2),
        ("a: @x", 1),
        ("a: 1\n---\nb: 1", 2),
        ("? [a]\n: b", 1),
        ("a:\n\t- b", 2),
        ("a: 1\nb: *nowhere", 2),
        ("a: 1\nb: !strange x", 2),
        ("%YAML 3.0\n---\na", 1),
    ],
)
def test_document_when_the_text_is_no_yaml_then_the_line_is_told(yaml_text, line):
    """The one mistake names the line that the reader stumbled over."""
    mistake = only_mistake(yaml_text)
    assert mistake.line == line
    assert mistake.message.startswith("not valid YAML: ")


HOSTILE = {
    "NUL": "\x00",
    "bell": "a: \x07",
    "no date": "2026-99-99",
    "no time zone": "2026-01-01T00:00:00+99:99",
    "no character": '"\\U00110000"',
    "list in itself": "&a [*a]",
    "mapping in itself": "&a {b: *a}",
    "5000 digits": f"a: {'9' * 5000}",
    "500 lists": "[" * 500,
    "500 mappings": "a: " + "{a: " * 500,
    "empty int": '!!int ""',
    "no int": "!!int abc",
    "empty float": '!!float ""',
    "no bool": "!!bool perhaps",
    "no timestamp": "!!timestamp noon",
    "no binary": "!!binary ä",
    "hours without end": "1:" + ":".join(["00"] * 200) + ".0",
}


@pytest.mark.parametrize("yaml_text", HOSTILE.values(), ids=HOSTILE.keys())
def test_document_when_the_text_is_hostile_then_it_is_one_mistake_on_one_line(yaml_text):
    """Nothing that a file may hold brings the reader down."""
    mistake = only_mistake(yaml_text)
    assert "\n" not in str(mistake)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=60) | st.text("{}[]:,-?&*!|>'\"%@`#ab01.~ \n\t_<=", max_size=40))
def test_document_when_the_text_is_arbitrary_then_no_exception_escapes(yaml_text):
    """Any text is either a value or at least one mistake."""
    document = Document(yaml_text)
    assert document.value is None or not [m for m in document.mistakes if m.message.startswith("not valid")]
    assert all(mistake.line >= 0 for mistake in document.mistakes)


@pytest.mark.parametrize(
    "yaml_text, path, line",
    [
        ("a: 1\nb: 2\na: 3", "a", 3),
        ("a:\n  b: 1\n  b: 2", "a.b", 3),
        ("- a: 1\n- b: 1\n  b: 2", "[1].b", 3),
        ("a:\n  - b: 1\n    c: 2\n    b: 3", "a[0].b", 4),
        ('1: a\n"1": b', "1", 2),
    ],
)
def test_document_when_a_key_is_given_twice_then_it_is_a_mistake_where_it_repeats(yaml_text, path, line):
    """The last of two equal keys does not win silently."""
    assert only_mistake(yaml_text) == Mistake(path, "is given twice; keep one", line)


def test_document_when_two_merges_are_given_then_no_key_is_twice():
    """Merging several mappings is no repetition."""
    assert not Document("x: &x {a: 1}\ny: &y {b: 2}\nz: {<<: *x, <<: *y}").mistakes


def test_document_when_a_path_is_not_in_the_text_then_the_line_is_left_out():
    """What is missing has no line."""
    document = Document("a: 1")
    document.add("b", "is missing")
    document.add("a", "is wrong")
    assert document.mistakes == [Mistake("b", "is missing", 0), Mistake("a", "is wrong", 1)]


# Sections --------------------------------------------------------------------------------------------


def section(value: object, *known: str) -> Section:
    return Section(Document(""), "top", value, known)


def test_section_when_a_key_is_unknown_then_the_nearest_one_is_offered():
    """A slip of the finger is told with what was meant."""
    taken = section({"hots": 1}, "host", "name")
    assert taken.document.mistakes == [Mistake("top.hots", 'is not a known key; did you mean "host"?', 0)]


def test_section_when_nothing_is_near_then_all_known_keys_are_named():
    """Without a near one, the reader gets the list."""
    taken = section({7: 1}, "host", "name")
    assert taken.document.mistakes == [Mistake("top.7", "is not a known key; known keys: host, name", 0)]


@pytest.mark.parametrize("value", [None, 1, "a", [1], True])
def test_section_when_it_is_no_mapping_then_it_is_a_mistake_and_empty(value):
    """The rest of the check goes on with an empty section."""
    taken = section(value, "host")
    (mistake,) = taken.document.mistakes
    assert mistake.message.startswith("must be a mapping (key: value), not ")
    assert not taken.has("host")
    assert taken.raw("host") is None
    assert taken.take("host", text, "default") == "default"


def test_take_when_the_value_is_wrong_then_the_default_stands_in():
    """A mistake is noted and the check goes on."""
    taken = section({"host": 7, "name": "roof"}, "host", "name", "port")
    assert taken.take("host", text, "default") == "default"
    assert taken.take("name", text, "default") == "roof"
    assert taken.take("port", text, "default") == "default"
    assert [mistake.path for mistake in taken.document.mistakes] == ["top.host"]


def test_at_when_the_section_is_the_top_then_the_path_is_the_key():
    """Paths have no leading dot."""
    assert Section(Document(""), "", {}, ()).at("host") == "host"


# Kinds of values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, words",
    [
        (None, "nothing"),
        (True, "true/false (true)"),
        (False, "true/false (false)"),
        (7, "a number (7)"),
        (1.5, "a number (1.5)"),
        ("a", 'text ("a")'),
        ("a" * 50, f'text ("{"a" * 40}")'),
        ([], "a list"),
        ({}, "a mapping"),
        (Document("2026-01-01").value, "a date"),
    ],
)
def test_kind_when_a_value_is_told_of_then_in_the_readers_words(value, words):
    """No Python type name reaches a user."""
    assert kind(value) == words


@pytest.mark.parametrize(
    "written, seconds",
    [
        ("5s", 5.0),
        ("5000ms", 5.0),
        ("1m30s", 90.0),
        ("1m", 60.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("1h30m", 5400.0),
        ("90m", 5400.0),
    ],
)
def test_duration_when_written_as_prometheus_does_then_it_is_seconds(written, seconds):
    """All units of a duration, alone and together."""
    assert duration(5)(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", "5", "s", "5 s", " 5s", "5s ", "-5s", "1.5m", "5sec", "5S", "5s5", "\u0665s", None, [], {}, True],
)
def test_duration_when_written_otherwise_then_it_is_refused(written):
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="must be a duration such as 30s, 5m or 1m30s"):
        duration(5)(written)


@pytest.mark.parametrize("number", [0, 10, 1.5, -3])
def test_duration_when_the_unit_is_missing_then_it_is_asked_for(number):
    """A bare number could be seconds or minutes."""
    with pytest.raises(ValueError, match=f"with its unit: {number}s, not {number}"):
        duration(5)(number)


@pytest.mark.parametrize("written, sound", [("5s", True), ("4999ms", False), ("1m", True), ("61s", False)])
def test_duration_when_at_its_bounds_then_they_belong_to_it(written, sound):
    """Both bounds are allowed values."""
    check = duration(5, 60)
    if sound:
        assert check(written) >= 5
    else:
        with pytest.raises(ValueError, match=f"must be from 5s to 60s, not {written}"):
            check(written)


@pytest.mark.parametrize("value, sound", [(0, True), (9, True), (-1, False), (10, False), (True, False),
                                          (1.0, False), ("1", False), (None, False)])  # fmt: skip
def test_whole_number_when_it_is_anything_else_then_it_is_refused(value, sound):
    """Neither True nor 1.0 nor "1" is the number 1."""
    check = whole_number(0, 9)
    if sound:
        assert check(value) == value
    else:
        with pytest.raises(ValueError, match="must be a whole number from 0 to 9, not "):
            check(value)


@pytest.mark.parametrize("value", ["true", 1, 0, None, "yes", []])
def test_flag_when_it_is_not_true_or_false_then_it_is_refused(value):
    """The text "false" is not taken for true."""
    with pytest.raises(ValueError, match="must be true or false, not "):
        flag(value)


def test_flag_when_it_is_true_or_false_then_it_is_that():
    """The two values themselves pass."""
    assert flag(True) is True
    assert flag(False) is False


@pytest.mark.parametrize("value", ["C", 1, None, True, [], {}])
def test_one_of_when_it_is_none_of_them_then_the_choices_are_named(value):
    """The message is the list of what to write."""
    with pytest.raises(ValueError, match="must be one of bypass, pinned, not "):
        one_of("bypass", "pinned")(value)


def test_one_of_when_it_is_nearly_one_then_that_is_offered():
    """A slip of the finger is told with what was meant."""
    with pytest.raises(ValueError, match='did you mean "pinned"'):
        one_of("bypass", "pinned")("pined")
    assert one_of("bypass", "pinned")("pinned") == "pinned"


@pytest.mark.parametrize("value", [1, True, None, [], ""])
def test_secret_text_when_it_is_refused_then_the_message_is_the_same_for_all(value):
    """The message cannot give away what was written."""
    with pytest.raises(ValueError, match=r'\Amust be text that is not empty; put it in quotes: "…"\Z'):
        secret_text(value)


def test_secret_text_when_it_is_blanks_then_it_is_a_password():
    """Blanks are a password; whoever chose them will know."""
    assert secret_text("  ") == "  "
