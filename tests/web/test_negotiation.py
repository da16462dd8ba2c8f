"""Which text format a scraper gets: by quality, and never an error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.metrics.exposition import Format
from exporter.web.negotiation import LONGEST_HEADER, choose_format, wants_gzip

TEXT, TEXT_1, OPENMETRICS = Format.TEXT, Format.TEXT_1, Format.OPENMETRICS
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROTOBUF_FIRST = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept, form",
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        (BROWSER, TEXT),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (PROTOBUF_FIRST, OPENMETRICS),
        ("text/plain", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("text/*", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", OPENMETRICS),
        ('application/openmetrics-text; version="1.0.0"', OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0", OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        (
            "application/openmetrics-text;version=2.0.0,application/openmetrics-text;version=1.0.0;q=0.1",
            OPENMETRICS,
        ),
        ("application/json", TEXT),
    ],
)
def test_choose_format_when_a_header_is_known_then_the_scraper_gets_what_it_prefers(accept, form):
    """The headers of Prometheus, curl and browsers."""
    assert choose_format(accept) is form


@pytest.mark.parametrize(
    "openmetrics, text, form",
    [
        ("0.5", "0.4", OPENMETRICS),
        ("0.4", "0.5", TEXT),
        ("1", "0.999", OPENMETRICS),
        ("0.999", "1", TEXT),
        ("1.000", "0", OPENMETRICS),
        ("0", "1", TEXT),
        ("0", "0", TEXT),
        ("0.0", "0.001", TEXT),
        ("0.001", "0", OPENMETRICS),
    ],
)
def test_choose_format_when_qualities_differ_then_the_higher_wins(openmetrics, text, form):
    """The order in the header does not matter then."""
    ranges = [f"application/openmetrics-text;q={openmetrics}", f"text/plain;q={text}"]
    assert choose_format(",".join(ranges)) is form
    assert choose_format(" , ".join(reversed(ranges))) is form


def test_choose_format_when_qualities_are_equal_then_the_first_wins():
    """Between two that are as good, the order is the wish."""
    assert choose_format("text/plain;q=0.5,application/openmetrics-text;q=0.5") is TEXT
    assert choose_format("application/openmetrics-text;q=0.5,text/plain;q=0.5") is OPENMETRICS


def test_choose_format_when_openmetrics_is_forbidden_then_it_is_not_sent():
    """A quality of nought means never."""
    assert choose_format("application/openmetrics-text;q=0,*/*;q=0.1") is TEXT
    assert choose_format("application/openmetrics-text;q=0") is TEXT


@pytest.mark.parametrize(
    "quality", ["", "x", "-1", "2", "1.0001", "0.12345", "1e0", "nan", "inf", "0,5", "\u0661", "."]
)
def test_choose_format_when_a_quality_is_no_quality_then_the_range_does_not_count(quality):
    """A strange quality is not guessed at."""
    assert choose_format(f"application/openmetrics-text;q={quality}") is TEXT


@pytest.mark.parametrize(
    "accept",
    [";", ",", ";;,,==", "q=1", "/", "*", "text/plain;;q", "\x00", "application/openmetrics-text;q==1",
     ";version=1.0.0", "=" * 5000, "a/b;" * 5000, '"', "ä"],
)  # fmt: skip
def test_choose_format_when_a_header_is_strange_then_it_is_plain_text(accept):
    """Never an error."""
    assert choose_format(accept) is TEXT


def test_choose_format_when_a_header_is_endless_then_only_its_beginning_is_read():
    """A header cannot keep the exporter busy."""
    padding = "a/b," * (LONGEST_HEADER // 4)
    assert choose_format(f"{padding}application/openmetrics-text") is TEXT
    assert choose_format(f"application/openmetrics-text,{padding}") is OPENMETRICS


_parts = st.sampled_from(
    [
        "application/openmetrics-text",
        "text/plain",
        "*/*",
        ";",
        ",",
        "q=",
        "version=",
        "1.0.0",
        "0.5",
        '"',
        "=",
        " ",
    ]
)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.none() | st.text(max_size=60) | st.lists(_parts, max_size=12).map("".join))
def test_choose_format_when_a_header_is_arbitrary_then_it_is_one_of_the_formats(accept):
    """Any header has an answer."""
    assert choose_format(accept) in Format


# Text 1.0.0 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept, form",
    [
        ("text/plain;version=1.0.0", TEXT_1),
        ("text/plain; version=1.0.0; escaping=allow-utf-8", TEXT_1),
        ('Text/Plain; Version="1.0.0"', TEXT_1),
        ("text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3", TEXT_1),
        ("text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.4", TEXT),
        ("text/plain;version=1.0.0;q=0,*/*;q=0.1", TEXT),
        ("text/plain;version=1.0.0,application/openmetrics-text;q=0.9", TEXT_1),
        ("text/plain;version=1.0.0;q=0.8,application/openmetrics-text;q=0.9", OPENMETRICS),
        ("text/plain;version=1.0.1", TEXT),
        ("text/*;version=1.0.0", TEXT),
    ],
)
def test_choose_format_when_text_1_is_wanted_then_only_that_version_brings_it(accept, form):
    """Whoever does not ask for it by its version gets the text that everybody reads."""
    assert choose_format(accept) is form


# Packing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept_encoding, packed",
    [
        (None, False), ("", False), ("gzip", True), ("GZIP", True), ("gzip, deflate, br", True),
        ("br", False),
        ("identity", False), ("*", True), ("*;q=0", False), ("*;q=0.1", True), ("gzip;q=0", False),
        ("gzip;q=0.0", False), ("gzip;q=0.001", True), ("gzip;q=1.000", True), ("gzip; q=0.5", True),
        ("*, gzip;q=0", False), ("gzip;q=0, *", False), ("*;q=0, gzip", True),
        ("identity;q=0, gzip;q=0", False),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True), ("x-gzip", False), ("gzip;q=x", False), ("gzip;q=2", False),
        ("gzip;q=-1", False), ("gzip;q=nan", False), ("gzipx", False), (" gzip ", True), (";q=1", False),
    ],
)  # fmt: skip
def test_wants_gzip_when_a_header_is_given_then_its_qualities_count(accept_encoding, packed):
    """`*` stands for gzip only where gzip is not named; nought is never, and what is no quality is nought."""
    assert wants_gzip(accept_encoding) is packed


def test_wants_gzip_when_a_header_is_endless_then_only_its_beginning_is_read():
    """A header cannot keep the exporter busy."""
    padding = "a," * LONGEST_HEADER
    assert wants_gzip(f"{padding}gzip") is False
    assert wants_gzip(f"gzip,{padding}") is True


_packings = st.sampled_from(["gzip", "*", "br", "identity", ";", ",", "q=", "0", "1", "0.5", "=", " ", '"'])


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.none() | st.text(max_size=60) | st.lists(_packings, max_size=12).map("".join))
def test_wants_gzip_when_a_header_is_arbitrary_then_it_is_yes_or_no(accept_encoding):
    """Any header has an answer; one that speaks neither of gzip nor of everything gets none packed."""
    packed = wants_gzip(accept_encoding)
    assert isinstance(packed, bool)
    if packed:
        assert "gzip" in accept_encoding.lower() or "*" in accept_encoding
