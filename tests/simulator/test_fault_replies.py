"""Faults that change what is answered, over a real socket."""

import json

import aiohttp
import pytest

from exporter.simulator import SimulatedGateway

from .conftest import FORCED, OLD, THREE_PHASE, Client, Dial, noon


async def values(client: Client, service: str = "real", dev_id: str = "1") -> dict[str, str]:
    data = (await client.ask(service, dev_id=dev_id))["result_data"]
    return {entry["data_name"]: entry["data_value"] for entry in data["list"]}


@pytest.mark.parametrize(
    "fault, expected",
    [
        (
            "token-expired",
            {"result_code": 106, "result_msg": "I18N_COMMON_ACCOUNT_OUT_FRESH", "result_data": {}},
        ),
        ("busy", {"result_code": 201, "result_msg": "I18N_COMMON_BUSY"}),
        ("read-failed", {"result_code": 301, "result_msg": "I18N_COMMON_READ_FAILED"}),
        ("refused-service", {"result_code": 211, "result_msg": "I18N_COMMON_NOT_SUPPORT"}),
        ("code:code=104", {"result_code": 104, "result_data": {"service": "real"}}),
        (
            "code:code=104:msg=gone",
            {"result_code": 104, "result_msg": "gone", "result_data": {"service": "real"}},
        ),
        ("no-data", {"result_code": 200}),
        ("missing-data", {"result_code": 1, "result_msg": "success"}),
        (
            "login-timeout",
            {"result_code": 1, "result_msg": "login timeout", "result_data": {"service": "real"}},
        ),
        ("device-vanishes:device=1", {"result_code": 301, "result_msg": "I18N_COMMON_READ_FAILED"}),
    ],
)
async def test_answer_is_replaced_once(dial: Dial, fault: str, expected: object) -> None:
    """The next question about a device is refused in that way, and the one after it answered."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        gateway.inject(f"{fault}:times=1")
        assert await client.ask("real", dev_id="1") == expected
        assert (await client.ask("real", dev_id="1"))["result_data"]["count"] == 36
        assert gateway.faults == []


@pytest.mark.parametrize("fault, code", [("login-refused", 115), ("locked", 114)])
async def test_login_is_refused(dial: Dial, fault: str, code: int) -> None:
    """A good login is refused while the fault lasts."""
    async with SimulatedGateway(FORCED, faults=[fault]) as gateway:
        client = await dial(gateway)
        assert (await client.login())["result_code"] == code
        gateway.clear(fault)
        assert (await client.login())["result_code"] == 1
        assert (gateway.counts.logins, gateway.counts.logins_refused) == (1, 1)


async def test_login_timeout_grants_nothing(dial: Dial) -> None:
    """Code 1 with the message `login timeout` is no login."""
    async with SimulatedGateway(FORCED, faults=["login-timeout:times=1"]) as gateway:
        client = await dial(gateway)
        reply = await client.login()
        assert reply["result_code"] == 1
        assert "token" not in reply["result_data"]
        assert (gateway.counts.logins, gateway.counts.logins_refused) == (0, 1)


@pytest.mark.parametrize("fault, flag", [("must-change-password", 1), ("must-change-password:flag=0", 0)])
async def test_must_change_password(dial: Dial, fault: str, flag: int) -> None:
    """The login is good, and still everything is 401; a flag may say so in advance."""
    async with SimulatedGateway(FORCED, faults=[fault]) as gateway:
        client = await dial(gateway, "socket")
        assert (await client.connect())["result_data"]["forceModifyPasswd"] == flag
        assert (await client.login())["result_data"]["forceModifyPasswd"] == flag
        assert (await client.text("devicelist")).startswith('{"result_code":401, "result_msg"')
        assert (await client.ask("ping"))["result_code"] == 1


async def test_old_generation_has_no_flag(dial: Dial) -> None:
    """Firmware that does not know the flag does not send it."""
    async with SimulatedGateway(OLD, faults=["must-change-password"]) as gateway:
        client = await dial(gateway, "socket")
        assert "forceModifyPasswd" not in (await client.connect())["result_data"]
        assert (await client.ask("state"))["result_code"] == 401


async def test_no_token(dial: Dial) -> None:
    """`connect` succeeds without giving a token."""
    async with SimulatedGateway(OLD, faults=["no-token"]) as gateway:
        client = await dial(gateway, "socket")
        reply = await client.ask("connect")
        assert reply["result_code"] == 1
        assert list(reply["result_data"]) == ["service", "uid", "tips_disable"]
        gateway.inject("no-token:service=ping")
        assert "result_data" not in await client.ask("ping")


async def test_device_vanishes(dial: Dial) -> None:
    """The device is gone from the list and its questions fail, while the others live on."""
    async with SimulatedGateway(OLD, faults=["device-vanishes:device=2"]) as gateway:
        client = await dial(gateway)
        data = (await client.ask("devicelist"))["result_data"]
        assert ([item["dev_id"] for item in data["list"]], data["count"]) == ([1], 1)
        assert (await client.ask("real", dev_id="2"))["result_code"] == 301
        assert (await client.ask("real", dev_id="1"))["result_code"] == 1


async def test_all_zeros(dial: Dial) -> None:
    """Numbers become noughts with the same decimals; states and `--` stay."""
    async with SimulatedGateway(OLD, now=noon) as gateway:
        client = await dial(gateway)
        before = await values(client)
        gateway.inject("all-zeros")
        after = await values(client)
        direct = (await client.ask("direct", dev_id="1"))["result_data"]["list"][0]
    assert after["I18N_COMMON_TOTAL_DCPOWER"] == "0.00"
    assert after["I18N_COMMON_SQUARE_ARRAY_INSULATION_IMPEDANCE"] == "0"
    assert direct["voltage"] == "0.0"
    kept = {key for key, value in before.items() if after[key] == value and float_or_none(value) != 0}
    assert kept == {key for key, value in before.items() if float_or_none(value) is None}


def float_or_none(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@pytest.mark.parametrize(
    "fault, step", [("total-steps-back", -10.0), ("total-spikes", 5000.0), ("total-spikes:by=7.5", 7.5)]
)
async def test_totals_jump(dial: Dial, fault: str, step: float) -> None:
    """Lifetime totals move by so many kWh, in their own unit; daily values and powers do not."""
    async with SimulatedGateway(THREE_PHASE, now=noon) as gateway:
        client = await dial(gateway, "login")
        before = await values(client) | await values(client, dev_id="3")
        gateway.inject(fault)
        after = await values(client) | await values(client, dev_id="3")
    moved = {key for key, value in before.items() if after[key] != value}
    assert moved == {
        "I18N_COMMON_PV_TOTAL_ENERGY_GENERATION",
        "I18N_COMMON_TOTAL_FEED_NETWORK_VOLUME",
        "I18N_COMMON_TOTAL_ELECTRIC_GRID_GET_POWER",
        "I18N_COMMON_TOTAL_FEED_NETWORK_PV",
        "I18N_COMMON_TOTAL_DIRECT_POWER_CONSUMPTION_PV",
        "I18N_COMMON__TOTAL_DELIVERED_ENERGY_BMUDODSV",
    }
    for key in moved:
        scale = 1000 if "DELIVERED" in key else 1
        assert float(after[key]) - float(before[key]) == pytest.approx(step * scale)


async def test_notice_before_the_answer(dial: Dial) -> None:
    """A notice comes first, then the answer."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        gateway.inject("notice:times=1")
        assert await client.ask("state") == {"result_code": 103, "result_data": {"service": "notice"}}
        assert (await client.hear())["result_data"]["service"] == "state"
        gateway.inject("notice:code=100:text=auto logout")
        assert (await client.ask("state"))["result_msg"] == "auto logout"
        assert gateway.counts.messages_sent == 5


async def test_user_limit_reaches_every_session(dial: Dial) -> None:
    """All who said `connect` are told at once that another took over, and their tokens are void."""
    async with SimulatedGateway(OLD) as gateway:
        first, second = await dial(gateway), await dial(gateway)
        bystander = await dial(gateway, "socket")
        gateway.inject("user-limit")
        for client in (first, second):
            assert (await client.hear())["result_msg"] == "normal user limit"
            assert (await client.ask("devicelist"))["result_code"] == 106
        assert (await bystander.connect())["result_code"] == 1
        assert gateway.faults == []


async def test_user_limit_waits_for_a_question(dial: Dial) -> None:
    """With nobody there it strikes at the next question after the login."""
    async with SimulatedGateway(FORCED) as gateway:
        gateway.inject("user-limit")
        client = await dial(gateway, "login")
        assert (await client.ask("devicelist"))["result_data"] == {"service": "notice"}
        assert (await client.hear())["result_code"] == 106
        assert gateway.faults == []


async def test_garbage(dial: Dial) -> None:
    """The answer is no JSON, not even the beginning of it."""
    async with SimulatedGateway(OLD, faults=["garbage:service=state"]) as gateway:
        text = await (await dial(gateway)).text("state")
    assert text[0] not in '{["'
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


async def test_split(dial: Dial) -> None:
    """One answer comes in two messages, which count as two."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        gateway.inject("split")
        first = await client.text("state")
        second = await client.socket.receive_str()
        assert json.loads(first + second)["result_data"]["service"] == "state"
        assert gateway.counts.messages_sent == 3


async def test_compact(dial: Dial) -> None:
    """The answer has no blanks, and means the same."""
    async with SimulatedGateway(OLD, faults=["compact"]) as gateway:
        assert await (await dial(gateway)).text("ping") == '{"result_code":1,"result_msg":"success"}'


async def test_huge(dial: Dial) -> None:
    """The answer has exactly the size that was asked for, and would mean the same."""
    async with SimulatedGateway(OLD, faults=["huge:size=100000:service=real"]) as gateway:
        text = await (await dial(gateway)).text("real", dev_id="1")
        assert len(text.encode()) == 100_000
        assert json.loads(text)["result_data"]["count"] == 36
        assert len(gateway.log[-1].text) < 40_000


async def test_huge_is_too_much_for_a_client(dial: Dial) -> None:
    """Eight MiB are more than a client with usual limits takes."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        gateway.inject("huge")
        await client.send("state")
        assert (await client.socket.receive()).type is aiohttp.WSMsgType.ERROR


@pytest.mark.parametrize("asked, answered", [("real", "state"), ("connect", "state"), ("state", "local")])
async def test_wrong_service(dial: Dial, asked: str, answered: str) -> None:
    """The answer is that of a service nobody asked for."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        gateway.inject("wrong-service")
        assert (await client.ask(asked, dev_id="1"))["result_data"]["service"] == answered
