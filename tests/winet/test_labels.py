"""The gateway's file of labels: its own names for its keys, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.winet.labels import MOST_LABELS, decode_properties, label_of

FILE = """\
I18N_COMMON_TOTAL_DCPOWER=Total DC Power
I18N_COMMON_GROUP_BUNCH_TITLE_AND=String {0}
I18N_COMMON_FORMULA=a = b + c
I18N_COMMON_EMPTY=
"""


@pytest.mark.parametrize(
    "text, labels",
    [
        (FILE, {"I18N_COMMON_TOTAL_DCPOWER": "Total DC Power",
                "I18N_COMMON_GROUP_BUNCH_TITLE_AND": "String {0}",
                "I18N_COMMON_FORMULA": "a = b + c", "I18N_COMMON_EMPTY": ""}),
        (" K \t= V \r\n", {"K": "V"}),
        ("K=first\nK=second", {"K": "first"}),
        ("no label\n\n=no key\n  =neither\n# a remark\nK=V", {"K": "V"}),
        ("K=a\tb\x07c", {"K": "a b c"}),
        ("K=Tägliche Größe ℃", {"K": "Tägliche Größe ℃"}),
        (f"K={'x' * 1000}", {"K": "x" * 200}),
        ("", {}),
        ("<html><body>404</body></html>", {}),
    ],
    ids=["file", "blanks", "twice", "no pairs", "control characters", "umlauts", "long", "empty", "HTML"],
)  # fmt: skip
def test_decode_properties_when_a_file_is_read_then_the_first_equals_parts_key_and_label(text, labels):
    """One pair a line; what is none is passed over, and labels are fit for a page."""
    assert decode_properties(text) == labels


def test_decode_properties_when_a_file_has_no_end_then_it_is_cut():
    """Thousands of lines are expected, not millions."""
    text = "\n".join(f"K{n}=V" for n in range(MOST_LABELS + 10))
    assert len(decode_properties(text)) == MOST_LABELS


@pytest.mark.parametrize(
    "key, label",
    [
        ("I18N_COMMON_TOTAL_DCPOWER", "Total DC Power"),
        ("I18N_COMMON_GROUP_BUNCH_TITLE_AND%@7", "String 7"),
        ("I18N_COMMON_GROUP_BUNCH_TITLE_AND%@12", "String 12"),
        ("I18N_COMMON_GROUP_BUNCH_TITLE_AND", "String "),
        ("I18N_COMMON_TOTAL_DCPOWER%@3", "Total DC Power"),
        ("I18N_COMMON_UNKNOWN", ""),
        ("MPPT1", ""),
        ("", ""),
    ],
)
def test_label_of_when_a_key_has_an_argument_then_it_is_filled_in(key, label):
    """`KEY%@7` is the label of `KEY` with 7 for its `{0}`; no label is an empty one."""
    assert label_of(key, decode_properties(FILE)) == label


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=200), st.text(max_size=10))
def test_decode_properties_when_the_file_is_arbitrary_then_labels_are_printable(text, key):
    """Nothing raises; a label never breaks a terminal's line."""
    labels = decode_properties(text)
    assert all(label.isprintable() and len(label) <= 200 for label in labels.values())
    assert isinstance(label_of(key, labels), str)
