"""Who may ask what: tokens, logins, wrong passwords, rivals."""

import asyncio
from typing import Any

import pytest

from exporter.simulator import SimulatedGateway
from exporter.simulator.accounts import LOCKED_FOR, Accounts, Login

from .conftest import FORCED, OLD, Dial


async def test_old_firmware_needs_no_login(dial: Dial) -> None:
    """The token from `connect` reads everything, also after a login gave another one."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        first = client.token
        assert (await client.ask("devicelist"))["result_code"] == 1
        await client.login("admin", "pw8888")
        assert client.token != first
        for token in (first, client.token):
            assert (await client.ask("devicelist", token=token))["result_code"] == 1


async def test_gate_answers_in_one_line(dial: Dial) -> None:
    """Without login everything is 401, printed by another hand than the rest."""
    async with SimulatedGateway(FORCED) as gateway:
        text = await (await dial(gateway)).text("devicelist")
    head = '{"result_code":401, "result_msg":"I18N_COMMON_INTER_ABNORMAL", '
    assert text == head + '"result_data":{"service":"devicelist"}}'


async def test_login_echoes_the_password(dial: Dial) -> None:
    """A login gives a new token in place of the old one and repeats the password in clear."""
    async with SimulatedGateway(FORCED) as gateway:
        client = await dial(gateway)
        first = client.token
        data = (await client.login())["result_data"]
        assert data["passwd"] == "pw1111"
        assert data["token"] != first
        assert (await client.ask("devicelist"))["result_code"] == 1
        assert (await client.ask("devicelist", token=first))["result_code"] == 106
        assert (gateway.counts.logins, gateway.counts.logins_refused) == (1, 0)


async def test_unknown_token(dial: Dial) -> None:
    """A token that the gateway did not give out is 106 with empty data, for questions and for a login."""
    async with SimulatedGateway(FORCED) as gateway:
        client = await dial(gateway)
        expected = {"result_code": 106, "result_msg": "I18N_COMMON_ACCOUNT_OUT_FRESH", "result_data": {}}
        assert await client.ask("devicelist", token="nonsense") == expected
        reply = await client.ask("login", token="nonsense", username="user", passwd="pw1111")
        assert reply == expected
        assert gateway.counts.logins_refused == 1


async def test_own_accounts(dial: Dial) -> None:
    """Accounts given to the gateway replace the profile's."""
    async with SimulatedGateway(FORCED, accounts={"reader": "Sonne"}) as gateway:
        client = await dial(gateway)
        assert (await client.login())["result_code"] == 115
        assert (await client.login("reader", "Sonne"))["result_code"] == 1


async def test_five_wrong_passwords_lock(dial: Dial) -> None:
    """Five wrong passwords are 115 each; from the sixth on it is 114, for the right password too."""
    async with SimulatedGateway(FORCED) as gateway:
        client = await dial(gateway)
        codes = [(await client.login("user", "wrong"))["result_code"] for _ in range(6)]
        assert codes == [115] * 5 + [114]
        assert await client.login() == {"result_code": 114, "result_msg": "I18N_COMMON_USR_ACCOUNT_LOCK"}
        assert (gateway.counts.logins, gateway.counts.logins_refused) == (0, 7)


def test_lock_ends_after_half_an_hour() -> None:
    """A locked account opens after half an hour, and a good login forgets the wrong ones."""
    time = 1000.0
    accounts = Accounts({"user": "good"}, login_required=True, uuid_tokens=True, clock=lambda: time)
    token = accounts.connect(1)
    for _ in range(5):
        assert accounts.login(1, token, "user", "bad") == (Login.WRONG, "")
    assert accounts.login(1, token, "user", "good")[0] is Login.LOCKED
    time += LOCKED_FOR - 1
    assert accounts.login(1, token, "user", "good")[0] is Login.LOCKED
    time += 1
    for _ in range(4):
        assert accounts.login(1, token, "user", "bad")[0] is Login.WRONG
    assert accounts.login(1, token, "user", "good")[0] is Login.ACCEPTED
    token = accounts.connect(1)
    assert accounts.login(1, token, "user", "bad")[0] is Login.WRONG


def test_old_tokens_are_forgotten() -> None:
    """Only the latest tokens are kept, however often clients come back."""
    accounts = Accounts({}, login_required=False, uuid_tokens=True, clock=lambda: 0.0)
    first = accounts.connect(1)
    latest = [accounts.connect(number) for number in range(2, 1000)][-1]
    assert not accounts.knows(first)
    assert accounts.may_read(latest)


async def test_new_login_throws_out_the_other(dial: Dial) -> None:
    """The one who logs in gets everything, the one who was there a notice and 106."""
    async with SimulatedGateway(FORCED) as gateway:
        first = await dial(gateway, "login")
        second = await dial(gateway, "login")
        assert await first.hear() == {
            "result_code": 100,
            "result_msg": "normal user limit",
            "result_data": {"service": "notice"},
        }
        assert (await first.ask("devicelist"))["result_code"] == 106
        assert (await second.ask("devicelist"))["result_code"] == 1


async def test_nobody_is_thrown_out_after_leaving(dial: Dial) -> None:
    """A socket that is closed is no rival, yet its token outlives it."""
    async with SimulatedGateway(FORCED) as gateway:
        first = await dial(gateway, "login")
        await first.socket.close()
        await gateway.until(lambda: gateway.counts.sockets_open == 0)
        second = await dial(gateway, "login")
        assert (await second.ask("devicelist", token=first.token))["result_code"] == 1
        assert "notice" not in {event.service for event in gateway.log}


async def test_reader_without_login_is_left_alone(dial: Dial) -> None:
    """On old firmware a login throws out logged-in sockets only."""
    async with SimulatedGateway(OLD) as gateway:
        reader = await dial(gateway)
        await dial(gateway, "login")
        assert (await reader.ask("devicelist"))["result_code"] == 1


@pytest.mark.parametrize(
    "text", ["ping", "[1]", "{", '"real"'], ids=["literal ping", "list", "broken", "string"]
)
async def test_text_that_is_no_question(dial: Dial, text: str) -> None:
    """What is no JSON object is counted and ignored; the session lives on."""
    async with SimulatedGateway(OLD) as gateway:
        client: Any = await dial(gateway)
        await client.socket.send_str(text)
        async with asyncio.timeout(5):
            assert (await client.ask("state"))["result_code"] == 1
        assert gateway.counts.messages_received == 3
        assert (gateway.counts.messages_sent, gateway.counts.overlapping) == (2, 0)
