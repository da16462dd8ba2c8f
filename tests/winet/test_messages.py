"""Requests as they go over the wire, and what becomes of everything that may come back."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.telemetry import GatewayService, Service
from exporter.winet import errors, lists, messages
from exporter.winet.messages import Fragment, Handshake, Reply

TOKEN = "5f0c3f5e-0000-4000-8000-00000000c0de"

CONNECT = f"""\
{{
\t"result_code":\t1,
\t"result_msg":\t"success",
\t"result_data":\t{{
\t\t"service":\t"connect",
\t\t"token":\t"{TOKEN}",
\t\t"uid":\t1,
\t\t"tips_disable":\t1
\t}}
}}"""
REAL = """\
{
\t"result_code":\t1,
\t"result_msg":\t"success",
\t"result_data":\t{
\t\t"service":\t"real",
\t\t"list":\t[{
\t\t\t\t"data_name":\t"I18N_COMMON_TOTAL_ACTIVE_POWER",
\t\t\t\t"data_value":\t"-0.28",
\t\t\t\t"data_unit":\t"kW"
\t\t\t}, {
\t\t\t\t"data_name":\t"I18N_COMMON_AIR_TEM_INSIDE_MACHINE",
\t\t\t\t"data_value":\t"25.8",
\t\t\t\t"data_unit":\t"℃"
\t\t\t}, {
\t\t\t\t"data_name":\t"I18N_COMMON_TOTAL_YIELD",
\t\t\t\t"data_value":\t"--",
\t\t\t\t"data_unit":\t"kWh"
\t\t\t}],
\t\t"count":\t3
\t}
}"""
REFUSED = (
    '{"result_code":401, "result_msg":"I18N_COMMON_INTER_ABNORMAL", "result_data":{"service":"devicelist"}}'
)
FAILED = '{\n\t"result_code":\t301,\n\t"result_msg":\t"I18N_COMMON_READ_FAILED"\n}'
PING = '{"result_code":1,"result_msg":"success"}'


def reply(code: int, message: str = "", **data: object) -> Reply:
    return Reply(code, message, str(data.get("service", "")), data)


# Requests --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_text, document",
    [
        (messages.connect_request(), {"lang": "en_us", "token": "", "service": "connect"}),
        (
            messages.login_request("T", "user", 'p"w\\ü'),
            {"lang": "en_us", "token": "T", "service": "login", "username": "user", "passwd": 'p"w\\ü'},
        ),
        (
            messages.device_list_request("T"),
            {"lang": "en_us", "token": "T", "service": "devicelist", "type": "0", "is_check_token": "0"},
        ),
        (
            messages.reading_request("T", Service.REAL, "1"),
            {"lang": "en_us", "token": "T", "service": "real", "dev_id": "1"},
        ),
        (
            messages.reading_request("T", Service.REAL_BATTERY, "12"),
            {"lang": "en_us", "token": "T", "service": "real_battery", "dev_id": "12"},
        ),
        (
            messages.reading_request("T", Service.DIRECT, "1"),
            {"lang": "en_us", "token": "T", "service": "direct", "dev_id": "1"},
        ),
        (messages.ping_request("I"), {"lang": "en_us", "token": "", "service": "ping", "id": "I"}),
        (messages.logout_request("T"), {"lang": "en_us", "token": "T", "service": "logout"}),
    ],
    ids=["connect", "login", "devicelist", "real", "real_battery", "direct", "ping", "logout"],
)
def test_request_when_built_then_it_has_exactly_these_fields(request_text, document):
    """Text where a gateway wants text, no field more, and the password nowhere but in the login."""
    assert json.loads(request_text) == document
    assert [type(value) for value in json.loads(request_text).values()] == [str] * len(document)
    assert ("passwd" in request_text) == (document["service"] == "login")


def test_request_when_built_then_it_is_ascii_on_one_line():
    """Nothing in a request depends on how a gateway reads UTF-8 or line ends."""
    text = messages.login_request("T", "müller", "pä\nss")
    assert text.isascii()
    assert "\n" not in text


# Decoding --------------------------------------------------------------------------------------------


def test_decode_when_a_success_is_printed_with_tabs_then_all_of_it_is_there():
    """The way gateways print what went well."""
    assert messages.decode(REAL) == Reply(1, "success", "real", json.loads(REAL)["result_data"])


@pytest.mark.parametrize("text", [CONNECT, REAL, REFUSED, FAILED, PING])
def test_decode_when_printed_otherwise_then_it_is_the_same(text):
    """White space between the parts of a reply means nothing."""
    document = json.loads(text)
    for printed in (
        json.dumps(document, separators=(",", ":")),
        json.dumps(document, indent=4, ensure_ascii=False),
        f" \r\n{text}\n",
    ):
        assert messages.decode(printed) == messages.decode(text)


@pytest.mark.parametrize(
    "text, decoded",
    [
        (REFUSED, Reply(401, "I18N_COMMON_INTER_ABNORMAL", "devicelist", {"service": "devicelist"})),
        (FAILED, Reply(301, "I18N_COMMON_READ_FAILED", "", {})),
        (PING, Reply(1, "success", "", {})),
        ('{"result_code":106,"result_msg":"x","result_data":{}}', Reply(106, "x", "", {})),
        ('{"result_code":200,"result_data":{"service":"real"}}', Reply(200, "", "real", {"service": "real"})),
        ('{"result_code":"1"}', Reply(1, "", "", {})),
        ('{"result_code":-1}', Reply(-1, "", "", {})),
        ('{"result_code":1,"result_msg":null,"result_data":null}', Reply(1, "", "", {})),
        ('{"result_code":1,"result_msg":7,"result_data":[1]}', Reply(1, "", "", {})),
        ('{"result_code":1,"result_data":{"service":7}}', Reply(1, "", "", {"service": 7})),
        ('{"result_code":1,"result_code":301}', Reply(301, "", "", {})),
        ('{"result_code":1,"more":NaN,"most":-Infinity}', Reply(1, "", "", {})),
    ],
)
def test_decode_when_a_part_is_missing_or_odd_then_the_rest_is_used(text, decoded):
    """Only the result code is demanded of a reply."""
    assert messages.decode(text) == decoded


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "ping",
        "null",
        "1",
        '"text"',
        "[]",
        '[{"result_code":1}]',
        "NaN",
        "{}",
        '{"result_code":null}',
        '{"result_code":true}',
        '{"result_code":1.0}',
        '{"result_code":"one"}',
        '{"result_code":"1 "}',
        '{"result_code":[1]}',
        f'{{"result_code":{1 << 63}}}',
        f'{{"result_code":"{"1" * 19}"}}',
        '{"result_code":"\u0661"}',
        f'{{"result_code":{"9" * 5000}}}',
        f'{{"result_code":1,"x":{"9" * 5000}}}',
        '{"result_code":1,}',
        '{"result_code":1}{"result_code":1}',
        "{'result_code':1}",
        '{"result_code" 1, "result_msg":"x"}',
        '{"a":"tab\there"}',
        "<html><body>400 Bad Request</body></html>",
        "\ufeff{}",
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"result_code":1,"x":' + "[" * 400_000 + "]" * 400_000 + "}",
    ],
)
def test_decode_when_the_text_is_no_reply_then_it_is_garbled(text):
    """Every text that can never become a reply is one kind of failure."""
    with pytest.raises(errors.Garbled) as caught:
        messages.decode(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("depth", [10, 200, 400, 600, 900, 2000])
def test_decode_when_a_reply_with_escapes_is_nested_deeply_then_it_is_a_reply_or_garbled(depth):
    """Depth alone brings nothing down, wherever the limit lies."""
    text = '{"result_code":1,"x":' + "[" * depth + '"\\u0041"' + "]" * depth + "}"
    try:
        assert messages.decode(text).code == 1
    except errors.Garbled:
        assert depth > 100


@pytest.mark.parametrize(
    "escaped, text",
    [
        ("\\ud83d", "?"),
        ("a\\udc00b", "a?b"),
        ("\\ude00\\ud83d", "??"),
        ("\\ud83d\\ude00", "\U0001f600"),
        ("\\u00e4", "ä"),
        ("\\u0000", "\x00"),
    ],
)
def test_decode_when_half_a_character_is_escaped_then_it_is_replaced(escaped, text):
    """JSON can spell what no UTF-8 page could carry; it is replaced in names, values and keys."""
    decoded = messages.decode(
        f'{{"result_code":1,"result_msg":"{escaped}","result_data":{{"{escaped}":["{escaped}"]}}}}'
    )
    assert decoded == Reply(1, text, "", {text: [text]})


# Fragments -------------------------------------------------------------------------------------------


def fragments_at(text: str) -> list[int]:
    """The places at which a cut leaves a first part that is not recognised as one."""
    missed = []
    for place in range(1, len(text)):
        try:
            messages.decode(text[:place])
        except Fragment:
            continue
        except errors.Garbled:
            missed.append(place)
        else:
            missed.append(place)
    return missed


@pytest.mark.parametrize(
    "text",
    [
        CONNECT,
        REAL,
        REFUSED,
        FAILED,
        '{"result_code":1,"result_data":{"list":[],"on":true,"off":false,"none":null,"n":{}}}',
        '{"result_code":1,"result_msg":"a \\" b \\\\ c \\/ d"}',
        '{"result_code":1,"result_msg":"\\u0007 \\u00e4 \\ud83d\\ude00"}',
        '{"result_code":1,"result_data":{"power":-12.50,"energy":1.5e-3}}',
    ],
    ids=["connect", "real", "one line", "failed", "words", "escapes", "escapes by number", "numbers"],
)
def test_decode_when_a_reply_is_cut_anywhere_then_its_first_part_is_a_fragment(text):
    """Wherever a reply is split over two messages, the first waits for the second."""
    assert fragments_at(text) == []


@pytest.mark.parametrize(
    "text",
    ['{"result_code":1}abc', '{"result_code":1} x', '{"a" b', '{"a":1 b', '{"a":abc', "{abc", '{"a":[1}'],
)
def test_decode_when_no_continuation_could_mend_it_then_it_is_no_fragment(text):
    """A broken message is told at once; waiting for its end would cost the time-out."""
    with pytest.raises(errors.Garbled):
        messages.decode(text)


# Anything at all -------------------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)
_item = st.dictionaries(
    st.sampled_from(
        ["data_name", "data_value", "data_unit", "name", "voltage", "voltage_unit", "current", "current_unit",
         "dev_id", "dev_type", "dev_sn", "dev_code", "dev_name", "dev_model", "link_status"]
    ),
    _json | st.sampled_from(["--", "1", "12.5", "kW", "A1"]),
    max_size=8,
)  # fmt: skip
_data = st.fixed_dictionaries(
    {},
    optional={
        "service": _json,
        "list": _json | st.lists(_json | _item, max_size=4),
        "token": _json,
        "count": _json,
    },
)
_envelope = st.fixed_dictionaries(
    {},
    optional={"result_code": st.integers(0, 401) | _json, "result_msg": _json, "result_data": _data | _json},
)


def take_apart(text: str) -> None:
    """All that a session does with a message."""
    try:
        decoded = messages.decode(text)
    except (Fragment, errors.WinetError):
        return
    for logged_in in (True, False):
        assert isinstance(messages.failure(decoded, logged_in=logged_in), errors.WinetError | None)
    assert isinstance(messages.login_failure(decoded), errors.WinetError | None)
    assert messages.notice(decoded).reason
    try:
        assert messages.decode_handshake(decoded).token
    except errors.Garbled:
        pass
    entries = decoded.data.get("list")
    for decode in (lists.decode_devices, lists.decode_readings, lists.decode_inputs):
        items = decode(decoded)
        assert (items is None) == (not isinstance(entries, list))
        if items is not None:
            assert len(items.items) <= len(entries)
            json.dumps(items, ensure_ascii=False).encode()


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(_envelope | _json, st.booleans())
def test_decode_when_the_json_is_arbitrary_then_only_errors_of_ours_escape(document, escaped):
    """Any JSON document is a reply, a fragment or one of our errors; its lists never raise."""
    take_apart(json.dumps(document, ensure_ascii=escaped))


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=40) | st.text('{}[]":,\\u1eE-+.tfn \t', max_size=40))
def test_decode_when_the_text_is_arbitrary_then_only_errors_of_ours_escape(text):
    """Any text at all, too."""
    take_apart(text)


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(st.sampled_from([CONNECT, REAL, REFUSED]), st.data())
def test_decode_when_a_reply_is_damaged_then_only_errors_of_ours_escape(text, data):
    """A real reply with a part cut out, doubled or overwritten."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 40, len(text))))
    take_apart(text[:start] + data.draw(st.text(max_size=6) | st.just(text[start:end] * 2)) + text[end:])


# What codes mean -------------------------------------------------------------------------------------

MEANINGS = [
    # code, message, service, after login, before login
    (1, "success", "real", None, None),
    (1, "", "", None, None),
    (1, "login timeout", "real", errors.SessionExpired, errors.SessionExpired),
    (1, "Login Timeout!", "", errors.SessionExpired, errors.SessionExpired),
    (301, "login timeout", "real", errors.SessionExpired, errors.SessionExpired),
    (100, "normal user limit", "notice", errors.UserLimit, errors.UserLimit),
    (100, "Normal User Limit", "notice", errors.UserLimit, errors.UserLimit),
    (100, "", "notice", errors.SessionExpired, errors.SessionExpired),
    (100, "session closed", "notice", errors.SessionExpired, errors.SessionExpired),
    (104, "", "real", errors.SessionExpired, errors.SessionExpired),
    (106, "I18N_COMMON_ACCOUNT_OUT_FRESH", "", errors.TokenExpired, errors.TokenExpired),
    (114, "I18N_COMMON_USR_ACCOUNT_LOCK", "login", errors.AccountLocked, errors.AccountLocked),
    (115, "I18N_COMMON_USR_PASSWD_ERROR_TIMES", "login", errors.LoginRefused, errors.LoginRefused),
    (200, "", "", errors.NoData, errors.NoData),
    (201, "", "real", errors.Busy, errors.Busy),
    (211, "", "real_battery", errors.Unsupported, errors.Unsupported),
    (215, "", "direct", errors.Unsupported, errors.Unsupported),
    (301, "I18N_COMMON_READ_FAILED", "", errors.ReadFailed, errors.ReadFailed),
    (391, "I18N_COMMON_SET_FAILED", "real", errors.Rejected, errors.Rejected),
    (401, "I18N_COMMON_INTER_ABNORMAL", "real", errors.NotAuthorized, errors.LoginRequired),
    (0, "unknown service", "", errors.Rejected, errors.Rejected),
    (-5, "", "", errors.Rejected, errors.Rejected),
    (999, "", "", errors.Rejected, errors.Rejected),
]  # fmt: skip


@pytest.mark.parametrize("code, message, service, after_login, before_login", MEANINGS)
def test_failure_when_a_code_comes_then_it_means_this(code, message, service, after_login, before_login):
    """The table of result codes, before and after a login."""
    answer = reply(code, message, service=service)
    for logged_in, expected in ((True, after_login), (False, before_login)):
        error = messages.failure(answer, logged_in=logged_in)
        assert type(error) is (expected or type(None))


@pytest.mark.parametrize("code, message, service, after_login, before_login", MEANINGS)
def test_failure_when_it_is_told_then_by_what_the_gateway_said(
    code, message, service, after_login, before_login
):
    """Service, code and message are in the text of the error."""
    error = messages.failure(reply(code, message, service=service), logged_in=True)
    if error is not None:
        assert message in str(error)
        assert str(code) in str(error) or isinstance(error, errors.UserLimit)


@pytest.mark.parametrize("code", [200, 201, 211, 215, 301, 391, 0])
def test_failure_when_one_question_was_refused_then_the_error_knows_the_code(code):
    """`code` is there for whoever decides by it."""
    assert messages.failure(reply(code), logged_in=True).code == code


@pytest.mark.parametrize("code, words", [
    (115, "wrong user name or password (115)"), (113, "the login was refused with code 113"),
])  # fmt: skip
def test_login_failure_when_its_meaning_is_known_then_it_is_told_in_words(code, words):
    """A number alone helps nobody; of the others nobody knows what they mean."""
    assert str(messages.login_failure(reply(code, "whatever", service="login"))) == words


def test_failure_when_the_message_is_hostile_then_the_text_is_clean_and_short():
    """A gateway's text cannot forge log lines or fill them."""
    error = messages.failure(reply(999, "a\nb\x1b[31m\x00" + "c" * 10_000), logged_in=True)
    assert str(error).isprintable()
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    "code, message, expected",
    [
        (1, "success", None),
        (115, "I18N_COMMON_USR_PASSWD_ERROR_TIMES", errors.LoginRefused),
        (114, "I18N_COMMON_USR_ACCOUNT_LOCK", errors.AccountLocked),
        (401, "I18N_COMMON_INTER_ABNORMAL", errors.LoginRefused),
        (113, "whatever it is", errors.LoginRefused),
        (0, "", errors.LoginRefused),
        (200, "", errors.LoginRefused),
        (301, "", errors.LoginRefused),
        (201, "", errors.Busy),
        (104, "", errors.SessionExpired),
        (106, "", errors.TokenExpired),
        (1, "login timeout", errors.SessionExpired),
        (100, "normal user limit", errors.UserLimit),
    ],
)
def test_login_failure_when_it_may_be_a_wrong_password_then_it_counts_as_one(code, message, expected):
    """Whatever is not plainly load or session is a refusal: to try again could lock the account."""
    error = messages.login_failure(reply(code, message, service="login"))
    assert type(error) is (expected or type(None))


# Handshakes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, flag",
    [
        ({"uid": 1, "tips_disable": 0}, 0),
        ({"uid": 1}, 0),
        ({"uid": 1, "tips_disable": 1, "ip": "192.0.2.10"}, 0),
        ({"uid": 1, "ip": "192.0.2.10", "forceModifyPasswd": 0}, 0),
        ({"uid": 1, "ip": "192.0.2.10", "forceModifyPasswd": 1}, 1),
        ({"ip": "192.0.2.10", "forceModifyPasswd": 1, "virgin_flag": 1, "isFirstLogin": 0}, 1),
        ({"uid": 3, "role": 0, "passwd": "echoed", "tips_disable": 1}, 0),
        ({"forceModifyPasswd": "1"}, 1),
        ({"forceModifyPasswd": True}, 0),
        ({"forceModifyPasswd": None}, 0),
        ({"forceModifyPasswd": {"a": 1}}, 0),
    ],
)
def test_decode_handshake_when_the_firmware_is_of_any_generation_then_it_is_understood(data, flag):
    """Old, S2 and TLS firmware differ in their fields; token and flag are all that matters."""
    handshake = messages.decode_handshake(reply(1, "success", service="connect", token=TOKEN, **data))
    assert handshake == Handshake(TOKEN, flag)


@pytest.mark.parametrize("token", [TOKEN, "f" * 64, "no uuid at all", "x", "t" * 4096, "ü"])
def test_decode_handshake_when_the_token_is_no_uuid_then_it_is_a_token(token):
    """TLS firmware makes tokens of other forms."""
    assert messages.decode_handshake(reply(1, token=token)).token == token


@pytest.mark.parametrize("token", ["", None, 7, True, [TOKEN], {}, "t" * 4097])
def test_decode_handshake_when_there_is_no_token_then_it_is_garbled(token):
    """Without a token nothing can be asked."""
    with pytest.raises(errors.Garbled, match="the reply to connect has no usable token"):
        messages.decode_handshake(reply(1, service="connect", token=token))


def test_decode_handshake_when_the_token_is_missing_then_the_error_names_the_question():
    """A login without token is told as a login."""
    with pytest.raises(errors.Garbled, match="the reply to login has no usable token"):
        messages.decode_handshake(reply(1, service="login", passwd="echoed"))


def test_handshake_when_printed_then_the_token_is_hidden():
    """A token is as good as a password while it lives."""
    handshake = messages.decode_handshake(reply(1, token=TOKEN, passwd="echoed"))
    assert TOKEN not in repr(handshake)
    assert "echoed" not in repr(handshake)


# Parts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, cleaned",
    [("a", "a"), ("", ""), (" a b ", "a b"), ("a\nb\tc\x00", "a b c"), ("\x1b[0m", "[0m"), ("℃ü", "℃ü"),
     ("\u202eabc", "abc"), ("a" * 300, "a" * 200)],
)  # fmt: skip
def test_clean_when_text_has_control_characters_then_they_are_blanks(text, cleaned):
    """What reaches a log or a label can be printed and has an end."""
    assert messages.clean(text) == cleaned


@pytest.mark.parametrize(
    "value, number",
    [
        (1, 1), (-1, -1), (0, 0), ("1", 1), ("-12", -12), ("007", 7), ("9" * 18, 10**18 - 1),
        ((1 << 63) - 1, (1 << 63) - 1), (1 << 63, None), (-(1 << 63), None), ("9" * 19, None),
        (True, None), (False, None), (1.0, None), ("1.0", None), ("", None), (" 1", None), ("1\n", None),
        ("+1", None), ("--", None), ("\u0661", None), (None, None), ([], None), ({}, None),
    ],
)  # fmt: skip
def test_integer_when_a_value_is_no_whole_number_then_it_is_none(value, number):
    """Whole numbers with or without quotes, and nothing else."""
    assert messages.integer(value) == number
    assert type(messages.integer(value)) in (int, type(None))


def test_requests_when_all_are_listed_then_none_can_write():
    """There is no way to build a request that changes a setting."""
    builders = [name for name in vars(messages) if name.endswith("_request") and not name.startswith("_")]
    assert sorted(builders) == [
        "connect_request",
        "device_list_request",
        "fault_request",
        "gateway_request",
        "login_request",
        "logout_request",
        "ping_request",
        "reading_request",
    ]
    assert set(Service) == {"real", "real_battery", "direct"}
    assert set(GatewayService) == {"about", "state", "statistics", "local", "runtime"}
    assert not re.search("param|passthrough", " ".join(builders))
