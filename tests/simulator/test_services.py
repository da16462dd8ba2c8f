"""Each service's answer, as it is on the wire."""

import json

import aiohttp
import pytest

from exporter.simulator import SimulatedGateway

from .conftest import FORCED, LARGE, NIGHT, OLD, THREE_PHASE, Dial, noon


async def test_reply_is_printed_with_tabs(dial: Dial) -> None:
    """A list of devices is printed to the letter as by a gateway: tabs, `[{` and `}, {`."""
    async with SimulatedGateway(OLD) as gateway:
        text = await (await dial(gateway)).text("devicelist", type="0", is_check_token="0")
    lines = text.split("\n")
    assert lines[:9] == [
        "{",
        '\t"result_code":\t1,',
        '\t"result_msg":\t"success",',
        '\t"result_data":\t{',
        '\t\t"service":\t"devicelist",',
        '\t\t"list":\t[{',
        '\t\t\t\t"id":\t1,',
        '\t\t\t\t"dev_id":\t1,',
        '\t\t\t\t"dev_code":\t3343,',
    ]
    assert lines[20:23] == ['\t\t\t\t"dev_special":\t"0",', '\t\t\t\t"list":\t[]', "\t\t\t}, {"]
    assert lines[-4:] == ["\t\t\t}],", '\t\t"count":\t2', "\t}", "}"]


async def test_connect_of_the_old_generation(dial: Dial) -> None:
    """Old firmware answers `connect` with a UUID and two numbers, nothing else."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway, "socket")
        data = (await client.connect())["result_data"]
    assert list(data) == ["service", "token", "uid", "tips_disable"]
    assert len(data["token"]) == 36


async def test_connect_of_the_forced_generation(dial: Dial) -> None:
    """New firmware adds the fields by which clients tell it apart, and its token is no UUID."""
    async with SimulatedGateway(FORCED) as gateway:
        client = await dial(gateway, "socket")
        data = (await client.connect())["result_data"]
    assert {"ip", "forceModifyPasswd", "virgin_flag", "isFirstLogin"} <= set(data)
    assert data["forceModifyPasswd"] == 0
    assert "-" not in data["token"]


async def test_devicelist_types(dial: Dial) -> None:
    """Ids are numbers and addresses text; the second generation has four fields more."""
    async with SimulatedGateway(THREE_PHASE) as gateway:
        data = (await (await dial(gateway, "login")).ask("devicelist"))["result_data"]
    assert data["count"] == 3
    assert [item["dev_type"] for item in data["list"]] == [35, 44, 46]
    inverter = data["list"][0]
    assert isinstance(inverter["dev_id"], int)
    assert isinstance(inverter["phys_addr"], str)
    assert {"optimizer_insert", "install_type", "dev_opt_total_fault", "dev_opt_total_alarm"} <= set(inverter)
    assert inverter["list"] == []


async def test_devicelist_item_with_missing_fields(dial: Dial) -> None:
    """Some firmware leaves out fields that others send."""
    async with SimulatedGateway(FORCED) as gateway:
        data = (await (await dial(gateway, "login")).ask("devicelist"))["result_data"]
    assert not {"inv_type", "logc_addr", "dev_special"} & set(data["list"][0])


async def test_real_has_texts_only(dial: Dial) -> None:
    """All 36 readings of the old hybrid are text, in name, value and unit, and carry no device."""
    async with SimulatedGateway(OLD, now=noon) as gateway:
        text = await (await dial(gateway)).text("real", dev_id="1")
    data = json.loads(text)["result_data"]
    assert list(data) == ["service", "list", "count"]
    assert data["count"] == len(data["list"]) == 36
    assert all(
        list(entry) == ["data_name", "data_value", "data_unit"] and set(map(type, entry.values())) == {str}
        for entry in data["list"]
    )
    assert '"℃"' in text
    assert '"kΩ"' in text
    values = {entry["data_name"]: entry["data_value"] for entry in data["list"]}
    assert values["I18N_COMMON_TOTAL_YIELD"] == "--"
    assert values["I18N_COMMON_RUNNING_STATE"] == "I18N_COMMON_DISPATCH_RUN"
    assert float(values["I18N_COMMON_TOTAL_DCPOWER"]) > 3


async def test_real_battery_is_asked_of_the_inverter(dial: Dial) -> None:
    """The inverter answers `real_battery` with 15 readings, the battery itself refuses it."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        assert (await client.ask("real_battery", dev_id="1"))["result_data"]["count"] == 15
        refusal = await client.ask("real_battery", dev_id="2")
    assert refusal["result_code"] == 211
    assert "result_data" not in refusal


async def test_battery_of_the_night_is_all_noughts(dial: Dial) -> None:
    """A hybrid without battery answers `real_battery` nevertheless, with noughts."""
    async with SimulatedGateway(NIGHT) as gateway:
        data = (await (await dial(gateway)).ask("real_battery", dev_id="1"))["result_data"]
    assert {float(entry["data_value"]) for entry in data["list"]} == {0.0}


async def test_string_inverter_has_no_battery(dial: Dial) -> None:
    """A string inverter refuses `real_battery` with 211."""
    async with SimulatedGateway(FORCED) as gateway:
        assert (await (await dial(gateway, "login")).ask("real_battery", dev_id="1"))["result_code"] == 211


async def test_charger_without_units(dial: Dial) -> None:
    """An EV charger has 19 readings, and some have no `data_unit` at all."""
    async with SimulatedGateway(THREE_PHASE, now=noon) as gateway:
        data = (await (await dial(gateway, "login")).ask("real", dev_id="3"))["result_data"]
    assert data["count"] == 19
    bare = [entry["data_name"] for entry in data["list"] if "data_unit" not in entry]
    assert "I18N_CONFIG_KEY_2042" in bare
    assert 3 <= len(bare) < 19


async def test_direct_lists_trackers_and_strings(dial: Dial) -> None:
    """`direct` has the trackers with one decimal of current and then the strings with two."""
    async with SimulatedGateway(OLD, now=noon) as gateway:
        data = (await (await dial(gateway)).ask("direct", dev_id="1"))["result_data"]
    names = [entry["name"] for entry in data["list"]]
    template = "I18N_COMMON_GROUP_BUNCH_TITLE_AND%@"
    assert names == ["MPPT1", "MPPT2", f"{template}1", f"{template}2"]
    assert list(data["list"][0]) == ["name", "voltage", "voltage_unit", "current", "current_unit"]
    decimals = [len(entry["current"].partition(".")[2]) for entry in data["list"]]
    assert decimals == [1, 1, 2, 2]


async def test_direct_string_numbers_above_nine(dial: Dial) -> None:
    """A commercial inverter has twelve strings and trackers that are not used."""
    async with SimulatedGateway(LARGE, now=noon) as gateway:
        data = (await (await dial(gateway, "login")).ask("direct", dev_id="1"))["result_data"]
    assert data["list"][-1]["name"].endswith("%@12")
    assert data["list"][8] == {
        "name": "MPPT9",
        "voltage": "0.0",
        "voltage_unit": "V",
        "current": "0.0",
        "current_unit": "A",
    }


async def test_night_strings_without_value(dial: Dial) -> None:
    """An unused string input can be `--`."""
    async with SimulatedGateway(NIGHT) as gateway:
        data = (await (await dial(gateway)).ask("direct", dev_id="1"))["result_data"]
    assert data["list"][-1]["voltage"] == data["list"][-1]["current"] == "--"


async def test_ping_has_no_data(dial: Dial) -> None:
    """`ping` needs no token, and its answer names no service."""
    async with SimulatedGateway(FORCED) as gateway:
        client = await dial(gateway, "socket")
        assert await client.text("ping", id="1") == '{\n\t"result_code":\t1,\n\t"result_msg":\t"success"\n}'


async def test_state_is_all_text(dial: Dial) -> None:
    """`state` has plain fields, all of them text."""
    async with SimulatedGateway(OLD) as gateway:
        data = (await (await dial(gateway)).ask("state"))["result_data"]
    assert data["total_fault"] == "0"
    assert len(data) == 11
    assert set(map(type, data.values())) == {str}


async def test_statistics_has_two_shapes(dial: Dial) -> None:
    """`statistics` lists plant totals and numbers of devices, two objects without a common field."""
    async with SimulatedGateway(OLD, now=noon) as gateway:
        data = (await (await dial(gateway)).ask("statistics"))["result_data"]
    plant, numbers = data["list"]
    assert plant["rated_power"] == "5.00"
    assert plant["adjust_reactive_lowlimit_unit"] == "kvar"
    assert numbers == {"online_num": "2", "online_num_unit": "", "offline_num": "0", "offline_num_unit": ""}


async def test_runtime_counts_first(dial: Dial) -> None:
    """`runtime` names the inverters only, and its count comes before the list."""
    async with SimulatedGateway(OLD, now=noon) as gateway:
        data = (await (await dial(gateway)).ask("runtime"))["result_data"]
    assert list(data) == ["service", "count", "list", "connect_count", "off_count"]
    assert [entry["dev_model"] for entry in data["list"]] == ["SH5.0RS"]
    assert data["list"][0]["dev_state"] == "33280"


async def test_local_miscounts(dial: Dial) -> None:
    """`local` has eleven entries, claims eight, and shows the plant's clock."""
    async with SimulatedGateway(OLD, now=noon) as gateway:
        data = (await (await dial(gateway)).ask("local"))["result_data"]
    assert (data["count"], len(data["list"])) == (8, 11)
    assert data["list"][0]["data_value"] == "2026-06-01 12:30"


async def test_fault_list_is_empty(dial: Dial) -> None:
    """A healthy plant has no faults."""
    async with SimulatedGateway(OLD) as gateway:
        data = (await (await dial(gateway)).ask("fault", dev_id="1", type="0", count="20"))["result_data"]
    assert data == {"service": "fault", "list": [], "count": 0}


async def test_logout_ends_the_token(dial: Dial) -> None:
    """After `logout` the token is unknown."""
    async with SimulatedGateway(FORCED) as gateway:
        client = await dial(gateway, "login")
        assert (await client.ask("logout"))["result_data"] == {"service": "logout"}
        assert (await client.ask("devicelist"))["result_code"] == 106


@pytest.mark.parametrize("dev_id", ["7", 1, None])
async def test_unknown_device_cannot_be_read(dial: Dial, dev_id: object) -> None:
    """A dev_id that is unknown, missing or no text is answered 301 without data."""
    async with SimulatedGateway(OLD) as gateway:
        reply = await (await dial(gateway)).ask("real", dev_id=dev_id)
    assert reply == {"result_code": 301, "result_msg": "I18N_COMMON_READ_FAILED"}


async def test_unknown_service_is_refused(dial: Dial) -> None:
    """A service that does not exist is refused, and so is one that writes."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        assert (await client.ask("energyflow"))["result_code"] == 211
        assert (await client.ask("param"))["result_code"] == 211


async def test_names_of_keys_over_http(http: aiohttp.ClientSession) -> None:
    """The names are served without login in two languages, and no other."""
    async with SimulatedGateway(FORCED) as gateway:
        base = f"https://{gateway.host}:{gateway.port}"
        async with http.get(f"{base}/i18n/en_US.properties") as response:
            assert "I18N_COMMON_GROUP_BUNCH_TITLE_AND=String {0}\n" in await response.text("utf-8")
        async with http.get(f"{base}/i18n/de_DE.properties") as response:
            assert "I18N_COMMON_TOTAL_YIELD=Ertrag gesamt\n" in await response.text("utf-8")
        for missing in ("/i18n/ch_CN.properties", "/i18n/../gateway.py.properties", "/product/list"):
            async with http.get(base + missing) as response:
                assert response.status == 404


async def test_about_over_http(http: aiohttp.ClientSession) -> None:
    """The dongle's serial number and versions are served without login, in the gateway's printing."""
    async with (
        SimulatedGateway(OLD) as gateway,
        http.get(f"http://{gateway.host}:{gateway.port}/about/list") as response,
    ):
        text = await response.text()
    assert text.startswith('{\n\t"result_code":\t1,')
    entries = json.loads(text)["result_data"]["list"]
    assert entries[0] == {
        "data_name": "I18N_COMMON_DEVICE_SN",
        "data_value": "B2200000003",
        "data_unit": "",
        "type": "1",
    }
