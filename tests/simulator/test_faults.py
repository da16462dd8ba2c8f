"""Faults: how they are written, and when they strike."""

import pytest

from exporter.simulator.faults import KINDS, ActiveFaults, parse_fault


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("silent", "fault 'silent' is unknown; there are: silence, slow"),
        ("", "fault '' is unknown"),
        (
            "slow:second=3",
            "fault 'slow' has no option 'second=3'; it has: times, after, device, service, seconds",
        ),
        ("slow:3", "has no option '3'"),
        ("slow:seconds=soon", "seconds=soon is no number"),
        ("slow:seconds=-1", "must not be negative"),
        ("slow:seconds=inf", "or endless"),
        ("slow:seconds=nan", "or endless"),
        ("silence:times=2.5", "times=2.5 is no number"),
        ("mute:device=1", "fault 'mute' has no option 'device=1'"),
        ("gateway-vanishes:times=1", "fault 'gateway-vanishes' has no option 'times=1'; it has: seconds"),
        ("silence:service=reel", "service 'reel' is unknown; there are: connect, devicelist"),
        ("device-vanishes", "fault 'device-vanishes' needs the option device"),
        ("code", "fault 'code' needs the option code"),
    ],
)
def test_mistakes_are_explained(text: str, complaint: str) -> None:
    """A fault that cannot be read says what is wrong and what there would be."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_fault(text)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_explained(name: str) -> None:
    """Each fault has a meaning, and can be written with nothing but what it requires."""
    kind = KINDS[name]
    assert kind.meaning
    text = ":".join([name, *(f"{option}=1" for option in kind.requires)])
    assert parse_fault(text).text == text


def test_values_may_hold_colons() -> None:
    """An address is a value like any other."""
    fault = parse_fault(" redirect:to=http://127.0.0.2:8080/x:times=1 ")
    assert fault.word("to") == "http://127.0.0.2:8080/x"
    assert fault.number("times") == 1


def test_after_and_times() -> None:
    """The first occasions are spared, then it strikes so often, then it is gone."""
    active = ActiveFaults([parse_fault("silence:after=2:times=2")])
    struck = [bool(active.take("silence", "real", "1")) for _ in range(6)]
    assert struck == [False, False, True, True, False, False]
    assert active.texts == []


def test_device_and_service_narrow_it_down() -> None:
    """Questions about other devices and services neither suffer nor count."""
    active = ActiveFaults([parse_fault("silence:device=2:service=real:times=1")])
    assert not active.take("silence", "real", "1")
    assert not active.take("silence", "direct", "2")
    assert not active.take("busy", "real", "2")
    assert active.take("silence", "real", "2")


def test_services_by_default() -> None:
    """`busy` strikes questions about devices; by name it strikes others too."""
    active = ActiveFaults([parse_fault("busy")])
    assert not active.take("busy", "devicelist")
    assert active.take("busy", "direct", "1")
    active.add(parse_fault("busy:service=devicelist"))
    assert active.take("busy", "devicelist")


def test_clear_by_name() -> None:
    """One name is lifted, or all; a name that does not exist is a mistake."""
    active = ActiveFaults(parse_fault(text) for text in ("mute", "busy", "mute:times=3"))
    assert [fault.text for fault in active.clear("mute")] == ["mute", "mute:times=3"]
    assert active.texts == ["busy"]
    with pytest.raises(ValueError, match="fault 'bussy' is unknown"):
        active.clear("bussy")
    active.clear()
    assert not active.has("busy")
