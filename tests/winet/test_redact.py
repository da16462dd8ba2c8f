"""Nothing leaves this machine in a capture that is not known to be harmless."""

import json
import random
import re
import string
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator import profile_names
from exporter.winet.redact import REMOVED, Redactor
from tests.golden.making import simulated
from tests.harness import CATALOGUE

UNITS = {unit for factors in CATALOGUE.units.values() for unit in factors} | {"dBm"}
SERVICES = ("devicelist", "state", "statistics", "runtime", "local", "about", "fault", "connect", "login")
ENTRIES = 6  # of a list: the others have the same fields
DEVICE_SERVICES = ("real", "real_battery", "direct")


def redactor() -> Redactor:
    return Redactor(UNITS, b"a key of the tests")


def replies() -> dict[str, Any]:
    """Every reply of every profile, and those that only trouble brings."""
    found: dict[str, Any] = {
        "notice": {"result_code": 100, "result_msg": "normal user limit",
                   "result_data": {"service": "notice"}},
        "refusal": {"result_code": 401, "result_msg": "I18N_COMMON_INTER_ABNORMAL",
                    "result_data": {"service": "real"}},
        "row": {"result_code": 1,
                "result_data": {"list": [{"fault_code": "10", "fault_name": "x", "time": "--"}]}},
        "odd": {"result_code": 1, "result_data": [[1, 2.5, None, True, "x", {"deep": [{"deeper": "x"}]}]]},
    }  # fmt: skip
    for profile in profile_names():
        answer, token = simulated(profile)
        for service in SERVICES:
            found[f"{profile} {service}"] = json.loads(
                answer({"service": service, "token": token, "dev_id": "1"})
            )
        for service in DEVICE_SERVICES:
            for dev_id in ("1", "2", "3"):
                text = answer({"service": service, "token": token, "dev_id": dev_id})
                found[f"{profile} {service} {dev_id}"] = json.loads(text)
    return found


REPLIES = replies()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every scalar in a document, and (with "key" at its end) to every field's name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, name, "key")
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value[:ENTRIES]):
            yield from places(inner, (*path, number))
    else:
        yield (*path, "value")


def planted(document: Any, path: tuple[Any, ...], secret: Any) -> Any:
    """The document with a secret at one place."""
    copy = json.loads(json.dumps(document))
    *way, last, kind = path
    holder = copy
    for step in way:
        holder = holder[step]
    if kind == "value":
        holder[last] = secret
    else:
        holder[str(secret)] = holder.pop(last)
    return copy


def forms(number: int) -> list[Any]:
    """One secret in the shapes that secrets have; each can be told from everything else in the document."""
    rng = random.Random(number)
    letters = "".join(rng.choices(string.ascii_letters, k=12))
    digits = "7" + "".join(rng.choices(string.digits, k=10))
    return [
        letters,
        f"A{digits}",
        digits,
        int(digits),
        float(f"{digits}.5"),
        f"{letters} {digits}, äöü",
        f"10.{int(digits[:2])}.{int(digits[2:4])}.{int(digits[4:6])}",
        f"E8:68:E7:{digits[:2]}:{digits[2:4]}:{digits[4:6]}",
        f"fe80::{digits[:4]}:{digits[4:8]}",
        f"{digits[:8]}-{digits[:4]}-{digits[4:8]}-{digits[:4]}-{digits}{digits[:1]}",
        f"I18N_{letters.lower()}",
        f"I18N_COMMON_{digits}",
        f"SH{digits}",
        f"SG-{letters}",
        f"<html>{letters}</html>",
        {"inner": letters},
        {letters: 1},
        [[letters]],
    ]


def leaves(secret: Any) -> list[str]:
    """The texts that must not be found."""
    if isinstance(secret, dict):
        return [text for pair in secret.items() for part in pair for text in leaves(part) if len(text) > 6]
    if isinstance(secret, list):
        return [text for part in secret for text in leaves(part)]
    return [str(secret)]


@pytest.mark.parametrize("name", REPLIES)
def test_secret_in_any_field_of_any_reply_is_not_in_the_output(name: str) -> None:
    """Whatever place a firmware puts it in: values, units, messages, names of fields, at any depth."""
    document = REPLIES[name]
    for number, path in enumerate(places(document)):
        for secret in forms(number):
            if path[-1] == "key" and not isinstance(secret, str):
                continue
            text = json.dumps(redactor().document(planted(document, path, secret)), ensure_ascii=False)
            for leaf in leaves(secret):
                assert leaf not in text, (path, secret)


@pytest.mark.parametrize("name", REPLIES)
def test_reply_of_a_known_device_keeps_what_it_means(name: str) -> None:
    """Keys, units, numbers, models and codes are as they were; serial numbers and addresses are not."""
    before = REPLIES[name]
    after = redactor().document(before)
    kept = ("data_name", "data_unit", "dev_type", "dev_code", "dev_model", "dev_name", "voltage", "current",
            "name", "result_code", "result_msg", "service", "phys_addr", "dev_state", "total_fault",
            "curr_power")  # fmt: skip
    if name == "odd":
        return
    for path in places(before):
        if path[-1] == "key":
            continue
        old, new = before, after
        for step in path[:-1]:
            old, new = old[step], new[step]
        if path[-2] in kept or (path[-2] == "data_value" and _is_reading(before, path)):
            assert new == old, path
        if path[-2] == "dev_sn":
            assert (len(new), new[0], new == old) == (len(old), "X", False)
        if path[-2] in ("token", "passwd", "uid"):
            assert new == REMOVED


def _is_reading(document: Any, path: tuple[Any, ...]) -> bool:
    for step in path[:-2]:
        document = document[step]
    return document.get("data_unit", "") != ""


def test_word_for_a_text_is_the_same_in_one_capture_and_another_in_the_next() -> None:
    """The device list and a reading that names the device still fit; two captures cannot be compared."""
    first, second = Redactor(UNITS), Redactor(UNITS)
    said = {"dev_sn": "A2200000001", "data_value": "A2200000001", "x1": "A2200000001"}
    words = list(first.document(said).values())
    assert len(set(words)) == 1
    assert list(second.document(said).values()) != words
    assert first.replaced == 2  # one serial number, one name of a field


@pytest.mark.parametrize("text, shape", [
    ("A2200000001", r"X0000\d{6}"),
    ("a-22_000", r"x-\d\d_\d\d\d"),
    ("2200000001", r"9000\d{6}"),
    ("-12345678", r"9\d{7}"),
    ("192.168.1.77", r"192\.0\.2\.\d+"),
    ("e8:68:e7:01:02:03", r"02:00:00(:[0-9a-f]{2}){3}"),
    ("fe80::1:2", r"2001:db8::[0-9a-f]+"),
    ("123e4567-e89b-12d3-a456-426614174000", r"00000000-0000-4000-8000-[0-9a-f]{12}"),
    ("2026-06-17 18:12", "2026-06-01 00:00"),
    ("2026-06-17", "2026-06-01"),
    ("my roof", r"text-[0-9a-f]{8}"),
    ("\ud800", r"text-[0-9a-f]{8}"),
])  # fmt: skip
def test_word_is_of_the_kind_of_its_text(text: str, shape: str) -> None:
    """A program that reads the capture does what it would have done with the text."""
    assert re.fullmatch(shape, redactor().document({"data_value": text})["data_value"])


def test_two_texts_never_get_one_word() -> None:
    """Even where there are few made-up ones, such as addresses."""
    scrub = redactor()
    texts = [f"10.0.{n // 250}.{n % 250}" for n in range(600)] + [str(n) for n in range(100, 1000)]
    words = scrub.document({"list": texts})["list"]
    assert len(set(words)) == len(texts)
    assert not any(word == text for word, text in zip(words, texts, strict=True))


@pytest.mark.parametrize("value, unit, kept", [
    ("12.3", "kW", True), ("-0.00", "kW", True), ("12345678", "Wh", True), ("123456789", "Wh", False),
    ("12.3", "furlong", False), ("0.998", "", True), ("0.998", None, True), ("3", None, True),
    ("1234", None, False), ("1234", "", False), (12.3, "kW", True), (2200000001, "kWh", False),
    (7, None, True), (1e300, "kW", False), (float("nan"), "kW", False), (float("inf"), None, False),
])  # fmt: skip
def test_number_is_kept_with_a_known_unit_or_if_it_is_a_small_one(value: Any, unit: Any, kept: bool) -> None:
    """A serial number in digits has more of them than anything measured."""
    entry = {"data_value": value} | ({} if unit is None else {"data_unit": unit})
    assert (redactor().document(entry)["data_value"] == value) is kept


@pytest.mark.parametrize("name, kept", [
    ("dev_sn", True), ("faultStartTime", True), ("fault_level", True), ("real_battery", True), ("ip", True),
    ("owner", False), ("A2200000001", False), ("fault_A2200000001", False), ("", True), ("é", False),
    ("dev sn", False),
])  # fmt: skip
def test_name_of_a_field_is_kept_if_all_its_words_are_known(name: str, kept: bool) -> None:
    """What a row of a fault list is made of can be learned, and a name that is data is not told."""
    (after,) = redactor().document({name: None})
    assert (after == name) is (kept and name != "") or (name == "" and after.startswith("field-"))


def test_document_without_end_is_cut() -> None:
    """Nesting costs nothing but itself."""
    document: Any = "secret text"
    for _ in range(200):
        document = {"list": [document]}
    assert "secret" not in json.dumps(redactor().document(document))
    assert REMOVED in json.dumps(redactor().document(document))


def test_question_is_known_by_service_and_device_only() -> None:
    """Tokens, names and passwords of a request are not even looked at."""
    request = {"lang": "en_us", "token": "t" * 20, "service": "login", "username": "me", "passwd": "secret"}
    assert redactor().question(json.dumps(request)) == {"service": "login"}
    asked = redactor().question('{"service": "real", "dev_id": "2200000001", "token": "x"}')
    listed = redactor().document({"dev_id": 2200000001})
    assert asked["dev_id"] == str(listed["dev_id"]) != "2200000001"


SECRETS: st.SearchStrategy[str] = st.one_of(
    st.from_regex(r"[a-z]{4}[a-z0-9]{8,20}", fullmatch=True),
    st.from_regex(r"[A-Z][0-9]{10}", fullmatch=True),
    st.from_regex(r"[1-9][0-9]{10,14}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=8).filter(
        lambda text: len(set(text)) > 4 and not re.search("I18N|[0-9]{1,4}[-.:]", text)
    ),
)
NAMES = st.sampled_from(["dev_sn", "data_value", "data_name", "data_unit", "token", "list", "service",
                         "voltage", "voltage_unit", "result_msg", "dev_model", "name", "id",
                         "else"])  # fmt: skip


def _documents(secret: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        secret,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3),
            st.dictionaries(st.one_of(NAMES, secret.map(str)), inner, min_size=1, max_size=4),
        ),
        max_leaves=12,
    )


@given(st.data())
def test_secret_in_a_document_of_any_shape_is_not_in_the_output(data: st.DataObject) -> None:
    """For all documents and all secrets in them, as values, as numbers and as names."""
    secret = data.draw(SECRETS)
    as_number: Callable[[str], Any] = lambda text: int(text) if text.isascii() and text.isdigit() else text  # noqa: E731
    document = data.draw(_documents(st.sampled_from([secret, as_number(secret), f"<{secret}>"])))
    text = json.dumps(redactor().document(document), ensure_ascii=False)
    assert secret not in text
    assert json.dumps(secret)[1:-1] not in text
