"""The end of a certificate, read without a library: as `cryptography` reads it, and never an accident."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.winet import der

KEY = ec.generate_private_key(ec.SECP256R1())
BEGINS = datetime.datetime(1950, 1, 1, tzinfo=datetime.UTC)
EDGES = (
    datetime.datetime(1950, 1, 2, tzinfo=datetime.UTC),
    datetime.datetime(1968, 2, 29, 23, 59, 59, tzinfo=datetime.UTC),
    datetime.datetime(1999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC),
    datetime.datetime(2000, 2, 29, tzinfo=datetime.UTC),
    datetime.datetime(2049, 12, 31, 23, 59, 59, tzinfo=datetime.UTC),
    datetime.datetime(2050, 1, 1, tzinfo=datetime.UTC),  # from here on with four digits
    datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC),
)


def made(ends: datetime.datetime, serial: int = 7, name: str = "Gateway") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] * 5)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    builder = builder.public_key(KEY.public_key()).serial_number(serial)
    certificate = builder.not_valid_before(BEGINS).not_valid_after(ends).sign(KEY, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.DER)


SHOWN = made(EDGES[4])


def value(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    assert len(content) < 128
    return bytes([tag, len(content)]) + content


def worded(tag: int, time: bytes, version: bytes = b"") -> bytes:
    """As much of a certificate as is looked at."""
    validity = value(0x30, value(0x17, b"200101000000Z"), value(tag, time))
    return value(0x30, value(0x30, version, value(0x02, b"\1"), value(0x30), value(0x30), validity))


@pytest.mark.parametrize("ends", EDGES, ids=str)
def test_not_after_when_at_the_edge_of_a_century_then_as_it_was_made(ends):
    """Both ways to write a year."""
    assert der.not_after(made(ends)) == ends.timestamp()


@settings(max_examples=50, deadline=None)
@given(
    ends=st.integers(int(EDGES[0].timestamp()), int(EDGES[-1].timestamp())),
    serial=st.integers(1, 2**158),
    name=st.text("ab", min_size=1, max_size=64),
)
def test_not_after_when_any_certificate_then_as_the_library_reads_it(ends, serial, name):
    """Lengths of one byte and of several."""
    written = made(datetime.datetime.fromtimestamp(ends, datetime.UTC), serial, name)
    assert x509.load_der_x509_certificate(written).not_valid_after_utc.timestamp() == ends
    assert der.not_after(written) == ends


def test_not_after_when_of_the_first_version_then_it_is_found_too():
    """Those name no version."""
    expected = datetime.datetime(2033, 3, 27, 10, 16, 35, tzinfo=datetime.UTC).timestamp()
    assert der.not_after(worded(0x17, b"330327101635Z")) == expected
    assert der.not_after(worded(0x17, b"330327101635Z", value(0xA0, b"\2\1\2"))) == expected


@pytest.mark.parametrize(
    "tag, time",
    [
        (0x17, b"330327101635"),
        (0x17, b"331327101635Z"),
        (0x17, b"20330327101635Z"),
        (0x18, b"330327101635Z"),
        (0x18, b"00000327101635Z"),
        (0x17, b"33032710163+Z"),
        (0x17, b"3303271016\xc3\xa9Z"),
        (0x04, b"330327101635Z"),
    ],
)
def test_not_after_when_the_time_is_none_then_it_is_an_error(tag, time):
    """No date is made up."""
    with pytest.raises(ValueError, match=r".+"):
        der.not_after(worded(tag, time))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_not_after_when_bytes_are_wrong_or_missing_then_never_another_error(data):
    """What a gateway shows is anything."""
    shown = bytearray(SHOWN)
    for _ in range(data.draw(st.integers(0, 3))):
        shown[data.draw(st.integers(0, 120))] = data.draw(st.integers(0, 255))
    try:
        found = der.not_after(bytes(shown[: data.draw(st.integers(0, len(shown)))]))
    except ValueError:
        return
    assert isinstance(found, float)


@pytest.mark.parametrize("garbage", [b"", b"0", b"\x30\x80\0\0", b"\x30\x85\0\0\0\0\1", b"\x30\x81", b"\2\1"])
def test_not_after_when_no_length_or_another_tag_then_it_is_an_error(garbage):
    """Lengths without end, of more bytes than there are, and what is no certificate."""
    with pytest.raises(ValueError, match=r".+"):
        der.not_after(garbage)
