"""Targets beside the main file: shards, the URL of a probe, and Prometheus' target files."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exporter import config
from exporter.config import Config, ConfigError, Credentials, Target
from exporter.targets import LARGEST_FILE, NotAllowed, TargetFiles, in_shard, parse_file, probed

NAMES = [f"plant-{n}.example:443" for n in range(3000)]


def settings(**sections: Any) -> Config:
    document = {"targets": [{"host": "192.0.2.1", "name": "roof"}], **sections}
    return config.parse(json.dumps(document), source="winet.yml", folder=Path("/etc/winet"))


def shard_of(name: str, total: int) -> int:
    (shard,) = [n for n in range(total) if in_shard(name, n, total)]
    return shard


# Shards ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", [1, 2, 3, 10])
def test_in_shard_when_targets_are_many_then_each_is_in_one_shard_and_the_shards_are_alike(total):
    """No target is read twice or by nobody, and no shard has much more than its part."""
    sizes = [0] * total
    for name in NAMES:
        sizes[shard_of(name, total)] += 1
    assert min(sizes) > 0.85 * len(NAMES) / total
    assert max(sizes) < 1.15 * len(NAMES) / total


@pytest.mark.parametrize("total", [1, 2, 5])
def test_in_shard_when_a_shard_is_added_then_only_its_own_targets_move(total):
    """All others keep their process, and with it their session."""
    moved = [name for name in NAMES if shard_of(name, total) != shard_of(name, total + 1)]
    assert {shard_of(name, total + 1) for name in moved} == {total}
    assert 0.8 < len(moved) * (total + 1) / len(NAMES) < 1.2


@pytest.mark.parametrize("seed", ["0", "1"])
def test_in_shard_when_another_process_asks_then_it_is_the_same_shard(seed):
    """Python's own hashes differ from process to process; these do not."""
    program = (
        "from exporter.targets import in_shard\n"
        "print([[n for n in range(7) if in_shard(f'plant-{k}', n, 7)][0] for k in range(20)])"
    )
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert json.loads(out) == [shard_of(f"plant-{k}", 7) for k in range(20)]


# Probes ----------------------------------------------------------------------------------------------

ALLOW = ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]


def pattern(**probe: Any) -> Config:
    return settings(probe={"allow": ALLOW, **probe})


@pytest.mark.parametrize(
    "text, host, port, name, transport, http_port",
    [
        ("192.0.2.9", "192.0.2.9", None, "192.0.2.9", "auto", 8082),
        (
            "192.0.2.9:443",
            "192.0.2.9",
            None,
            "192.0.2.9",
            "auto",
            8082,
        ),  # one gateway, whichever port is named
        ("192.0.2.9:8082", "192.0.2.9", None, "192.0.2.9", "auto", 8082),
        (" 192.0.2.9:443 ", "192.0.2.9", None, "192.0.2.9", "auto", 8082),
        ("198.51.100.7", "198.51.100.7", None, "198.51.100.7", "auto", 8082),
        ("2001:DB8:0::9", "2001:db8::9", None, "2001:db8::9", "auto", 8082),
        ("[2001:db8::9]", "2001:db8::9", None, "2001:db8::9", "auto", 8082),
        ("[2001:db8::9]:443", "2001:db8::9", None, "2001:db8::9", "auto", 8082),
        ("::ffff:192.0.2.9", "192.0.2.9", None, "192.0.2.9", "auto", 8082),
        ("[::FFFF:C000:209]:8082", "192.0.2.9", None, "192.0.2.9", "auto", 8082),
    ],
)
def test_probed_when_an_address_is_allowed_then_it_is_the_pattern_with_that_address(
    text, host, port, name, transport, http_port
):
    """Every writing of an address is one target; its pages are never asked for on port 80."""
    target = probed(text, pattern())
    assert (target.host, target.port, target.name) == (host, port, name)
    assert (target.transport, target.http_port) == (transport, http_port)


@pytest.mark.parametrize(
    "text, why",
    [
        ("203.0.113.1", "its address is not in probe.allow"),
        ("198.51.100.8", "its address is not in probe.allow"),
        ("::ffff:203.0.113.1", "its address is not in probe.allow"),
        ("::1", "its address is not in probe.allow"),
        ("192.0.2.9:80", "its port is not in probe.ports"),
        ("192.0.2.9:22", "its port is not in probe.ports"),
        ("192.0.2.9:0", "no literal address"),
        ("192.0.2.9:65536", "no literal address"),
        ("192.0.2.9:+443", "no literal address"),
        ("192.0.2.9:", "no literal address"),
        ("localhost", "no literal address"),
        ("solar.example:443", "no literal address"),
        ("192.0.2", "no literal address"),
        ("192.0.2.09", "no literal address"),
        ("3221225993", "no literal address"),
        ("0xc0000209", "no literal address"),
        ("http://192.0.2.9/", "no literal address"),
        ("192.0.2.9/", "no literal address"),
        ("user@192.0.2.9", "no literal address"),
        ("192.0.2.9\n", "no literal address"),
        ("192.0.2.9\x00", "no literal address"),
        ("", "no literal address"),
        ("2001:db8::9:443:1:2:3:4:5:6", "no literal address"),
        ("[2001:db8::9", "no literal address"),
        ("2001:db8::9%eth0", "no literal address"),
        ("2001:db8::9%solar.example", "no literal address"),
        ("[2001:db8::9%eth0]:443", "no literal address"),
    ],
)
def test_probed_when_a_text_is_not_allowed_then_it_says_why(text, why):
    """Names, zones, other addresses and other ports are refused before anything is asked of the system."""
    with pytest.raises(NotAllowed, match=why):
        probed(text, pattern())


@pytest.mark.parametrize(
    "ports, text, port, transport",
    [
        ([443], "192.0.2.9", 443, "wss"),
        ([8082], "192.0.2.9", 8082, "ws"),
        ([443, 9000], "192.0.2.9", 443, "wss"),
        ([9000], "192.0.2.9:9000", 9000, "auto"),
        ([80], "192.0.2.9:80", 80, "auto"),
    ],
)
def test_probed_when_ports_are_listed_then_no_other_is_dialled(ports, text, port, transport):
    """Without a port in the URL it is the usual one that is allowed; pages come from that port, too."""
    target = probed(text, pattern(ports=ports))
    assert (target.port, target.transport, target.http_port) == (port, transport, port)


def test_probed_when_no_usual_port_is_allowed_then_the_url_has_to_name_one():
    """There is nothing to guess."""
    with pytest.raises(NotAllowed, match="needs a port"):
        probed("192.0.2.9", pattern(ports=[9000]))


def test_probed_when_certificates_are_pinned_then_it_is_never_plain():
    """A pin holds on every allowed port."""
    target = probed("192.0.2.9:8082", pattern(fingerprints=["ab" * 32]))
    assert (target.verify, target.fingerprints) == ("pinned", ("ab" * 32,))
    assert target.transport != "ws"


@pytest.mark.parametrize(
    "text", ["roof", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1:443", "[::ffff:c000:201]:8082"]
)
def test_probed_when_a_target_is_named_then_it_is_that_one_in_every_writing(text):
    """Two sessions to one gateway would throw each other out."""
    assert probed(text, pattern()).name == "roof"


def test_probed_when_a_named_target_has_a_port_then_another_port_is_another_gateway():
    """Behind one router there may be several."""
    known = settings(targets=[{"host": "192.0.2.1:443", "name": "roof"}], probe={"allow": ALLOW})
    assert probed("192.0.2.1:443", known).name == "roof"
    assert probed("192.0.2.1", known).name == "roof"
    assert probed("192.0.2.1:8082", known).name == "roof"  # the plain port of the same one
    known = settings(
        targets=[{"host": "192.0.2.1:443", "name": "roof"}], probe={"allow": ALLOW, "ports": [9000]}
    )
    assert probed("192.0.2.1:9000", known).name == "192.0.2.1:9000"


@pytest.mark.parametrize("text", ["192.0.2.9", "192.0.2.1:9000", "solar.example", ""])
def test_probed_when_there_is_no_probe_section_then_only_names_and_hosts_are_known(text):
    """Nothing is probed by default."""
    for text_of_roof in ("roof", "192.0.2.1", "192.0.2.1:443", "[::ffff:192.0.2.1]"):
        assert probed(text_of_roof, settings()).name == "roof"
    with pytest.raises(NotAllowed, match="there is no probe section"):
        probed(text, settings())


# Single target files ---------------------------------------------------------------------------------

ACCOUNTS = {"own": {"username": "me", "password": "secret one"}}
PIN = "ab" * 32


def parse(text: str, path: str = "/etc/winet/more.yml", **sections: Any) -> tuple[Target, ...]:
    return parse_file(text, path, settings(credentials=ACCOUNTS, **sections))


def test_parse_file_when_it_is_yaml_then_each_address_is_a_target():
    """Labels of the group are those of all its targets; what begins with __ is none."""
    text = """
    - targets: [192.0.2.10, "roof.example:443"]
      labels: {site: farm, __scheme__: https}
    - targets: ["[2001:db8::1]:8082"]
    - targets: []
    """
    first, second, third = parse(text)
    assert (first.host, first.port, first.name, first.transport) == ("192.0.2.10", None, "192.0.2.10", "auto")
    assert (second.host, second.port, second.name) == ("roof.example", 443, "roof.example:443")
    assert first.labels == second.labels == {"site": "farm"}
    assert (third.host, third.port, third.transport) == ("2001:db8::1", 8082, "ws")
    assert third.labels == {}


def test_parse_file_when_it_is_json_then_tabs_are_no_mistake():
    """YAML forbids them where JSON does not."""
    text = '[\n\t{\n\t\t"targets": ["192.0.2.10"],\n\t\t"labels": {"site": "farm"}\n\t}\n]'
    (target,) = parse(text, "/etc/winet/more.json")
    assert (target.host, target.labels) == ("192.0.2.10", {"site": "farm"})


def test_parse_file_when_settings_are_given_then_they_are_those_of_the_target():
    """As in the main file; the account comes from there whole, and none of this is a label."""
    labels = {
        "__winet_name": "barn",
        "__winet_credentials": "own",
        "__winet_transport": "wss",
        "__winet_verify": "strict",
        "__winet_refresh_interval": "30s",
        "__winet_request_timeout": "20s",
        "__winet_stale_after": "2m",
        "__winet_yield_for": "10m",
        "__winet_timezone": "Europe/Berlin",
        "site": "farm",
    }
    (target,) = parse(json.dumps([{"targets": ["192.0.2.10"], "labels": labels}]), "/etc/winet/more.json")
    assert target.name == "barn"
    assert target.credentials == Credentials(username="me", password=config.Secret("secret one"))
    assert (target.transport, target.verify) == ("wss", "strict")
    assert (target.refresh_interval, target.request_timeout) == (30, 20)
    assert (target.stale_after, target.yield_for, target.timezone) == (120, 600, "Europe/Berlin")
    assert target.labels == {"site": "farm"}


def test_parse_file_when_the_main_file_has_settings_then_they_hold_here_too():
    """What stands above all targets stands above these."""
    (target,) = parse("[{targets: [192.0.2.10]}]", refresh_interval="20s", timezone="Europe/Berlin")
    assert (target.refresh_interval, target.timezone, target.credentials) == (20, "Europe/Berlin", None)


MISTAKES = {
    "no list": ("targets: [a]", "", "must be a list of groups (targets and labels), not a mapping"),
    "nothing": ("", "", "must be a list of groups (targets and labels), not nothing"),
    "no group": ("- 192.0.2.10", "[0]", "must be a mapping"),
    "no targets": ("- labels: {site: farm}", "[0].targets", "must be a list"),
    "targets that are text": ("- targets: 192.0.2.10", "[0].targets", "must be a list"),
    "unknown key": ("- {targets: [a], label: {}}", "[0].label", 'did you mean "labels"?'),
    "a number for a host": ("- targets: [a, 7]", "[0].targets[1].host", "must be text"),
    "a URL for a host": ("- targets: ['http://u:pw@a/']", "[0].targets[0].host", "no URL"),
    "labels that are a list": ("- {targets: [a], labels: [b]}", "[0].labels", "must map label names"),
    "a label that is a number": ("- {targets: [a], labels: {b: 1}}", "[0].labels", "must map label names"),
    "a taken label": ("- {targets: [a], labels: {job: x}}", "[0].targets[0].labels", '"job" is taken'),
    "a label name in capitals": (
        "- {targets: [a], labels: {Site: x}}", "[0].targets[0].labels", "no label name",
    ),
    "an unknown setting": (
        "- {targets: [a], labels: {__winet_port: '1'}}",
        "[0].labels", "__winet_port is not known; known: name,",
    ),
    "an unknown account": (
        "- {targets: [a], labels: {__winet_credentials: x}}",
        "[0].targets[0].credentials", 'no credentials named "x"; known: own',
    ),
    "a bad transport": (
        "- {targets: [a], labels: {__winet_transport: wsss}}",
        "[0].targets[0].transport", "must be one of auto, wss, ws",
    ),
    "an interval without a unit": (
        "- {targets: [a], labels: {__winet_refresh_interval: '30'}}",
        "[0].targets[0].refresh_interval", "must be a duration",
    ),
    "pinned without a pin": (
        "- {targets: [a], labels: {__winet_verify: pinned}}",
        "[0].targets[0].verify", "pinned needs fingerprints",
    ),
    "no YAML": ("- {targets: [a", "", "not valid YAML"),
    "a key twice": ("- targets: [a]\n  targets: [b]", "[0].targets", "is given twice"),
}  # fmt: skip


@pytest.mark.parametrize("text, place, message", MISTAKES.values(), ids=MISTAKES.keys())
def test_parse_file_when_there_is_a_mistake_then_it_is_told_with_its_place(text, place, message):
    """The file, where in it, and what to write instead; no password is repeated."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert [mistake.path for mistake in caught.value.mistakes] == [place]
    assert message in caught.value.mistakes[0].message
    assert str(caught.value).startswith("/etc/winet/more.yml: one mistake\n")
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[{", "[1,]", "[" * 100_000, "\ufeff[]", "[" + "1" * 5000 + "]"])
def test_parse_file_when_it_is_no_json_then_that_is_the_mistake(text):
    """Never an exception of another kind."""
    with pytest.raises(ConfigError, match="not valid JSON"):
        parse(text, "/etc/winet/more.json")


def test_parse_file_when_there_are_several_mistakes_then_all_are_told():
    """One report names them all."""
    with pytest.raises(ConfigError) as caught:
        parse("- {targets: [a, 1], labels: {job: x}}\n- nothing\n- {targets: []}")
    assert {m.path for m in caught.value.mistakes} == {
        "[0].targets[0].labels", "[0].targets[1].host", "[0].targets[1].labels", "[1]",
    }  # fmt: skip
    assert [m.line for m in caught.value.mistakes if m.path == "[1]"] == [2]


# All target files ------------------------------------------------------------------------------------


class Folder:
    """A folder of target files, and what is read of them."""

    def __init__(self, path: Path, **sections: Any) -> None:
        self.path = path
        self.settings = settings(target_files=[f"{path}/*.yml", f"{path}/*.json"], **sections)
        self.files = TargetFiles()

    def write(self, text: str, name: str = "a.yml") -> None:
        (self.path / name).write_text(text)

    def names(self) -> list[str]:
        return [target.name for target in self.files.read(self.settings)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def problems(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.fields["problem"] for record in caplog.records if record.levelno >= logging.ERROR]
    caplog.clear()
    return found


def test_target_files_when_they_change_then_the_new_targets_are_read(folder):
    """In the order of their names; a file that goes takes its targets with it."""
    assert folder.names() == []
    folder.write("[{targets: [b]}]", "b.yml")
    folder.write("[{targets: [a]}]")
    assert folder.names() == ["a", "b"]
    folder.write("[{targets: [a, c]}]")
    assert folder.names() == ["a", "c", "b"]
    (folder.path / "b.yml").unlink()
    assert folder.names() == ["a", "c"]


def test_target_files_when_a_file_is_unchanged_then_it_is_not_parsed_again(folder, monkeypatch):
    """Thousands of targets are not checked every few seconds; after `forget` they are."""
    folder.write("[{targets: [a]}]")
    assert folder.names() == ["a"]
    parsed = []
    monkeypatch.setattr("exporter.targets.parse_file", lambda *given: parsed.append(given) or ())
    assert folder.names() == ["a"]
    assert parsed == []
    folder.files.forget()
    assert folder.names() == []
    assert len(parsed) == 1


def _bad_yaml(file: Path) -> None:
    file.write_text("[{targets: 1}]")


def _no_text(file: Path) -> None:
    file.write_bytes(b"[{targets: [\xff]}]")


def _too_large(file: Path) -> None:
    with file.open("wb") as handle:
        handle.truncate(LARGEST_FILE + 1)


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("spoil", [_bad_yaml, _no_text, _too_large, _folder, _pipe])
@pytest.mark.timeout(10)
def test_target_files_when_one_becomes_bad_then_it_keeps_what_it_said_and_is_told_once(folder, caplog, spoil):
    """A slip of an editor stops no session; nothing that is no file is waited for."""
    folder.write("[{targets: [a]}]")
    folder.write("[{targets: [b]}]", "b.yml")
    assert folder.names() == ["a", "b"]
    spoil(folder.path / "a.yml")
    for _ in range(3):
        assert folder.names() == ["a", "b"]
    (problem,) = problems(caplog)
    assert str(folder.path / "a.yml") in problem
    assert "what it said before stays" in problem


def test_target_files_when_a_bad_one_was_never_good_then_the_others_count(folder, caplog):
    """And after a reload it is told again."""
    folder.write("[{")
    folder.write("[{targets: [b]}]", "b.yml")
    assert folder.names() == ["b"]
    assert len(problems(caplog)) == 1
    folder.files.forget()
    assert folder.names() == ["b"]
    assert len(problems(caplog)) == 1


@pytest.mark.parametrize(
    "group",
    [
        '{targets: [a], labels: {__winet_name: roof}}',
        "{targets: [192.0.2.1]}",
        '{targets: ["192.0.2.1:8082"]}',
        '{targets: ["192.0.2.1:443"], labels: {__winet_name: barn}}',
        '{targets: ["::ffff:192.0.2.1"], labels: {__winet_name: barn}}',
        '{targets: ["192.0.2.2"], labels: {__winet_name: barn}}',
        '{targets: ["192.0.2.2:9000"]}',
        '{targets: [b], labels: {__winet_name: 192.0.2.1}}',
    ],
)  # fmt: skip
def test_target_files_when_a_target_is_known_from_the_main_file_then_that_one_counts(tmp_path, caplog, group):
    """By its name or its gateway: never two sockets to one."""
    folder = Folder(tmp_path, targets=[{"host": "192.0.2.1", "name": "roof"}, {"host": "192.0.2.2:9000"}])
    folder.write(f"[{group}, {{targets: [other]}}]")
    for _ in range(2):
        assert folder.names() == ["other"]
    (problem,) = problems(caplog)
    assert "is left out, for it is known from elsewhere" in problem


@pytest.mark.parametrize(
    "first, second",
    [
        ("[{targets: [a]}]", "[{targets: [a]}]"),
        ("[{targets: [a]}]", "[{targets: ['a:8082']}]"),
        ("[{targets: ['a:8082']}]", "[{targets: [a]}]"),
        ("[{targets: [a], labels: {__winet_name: x}}]", "[{targets: [b], labels: {__winet_name: x}}]"),
        ("[{targets: [a], labels: {__winet_name: x}}]", "[{targets: [b], labels: {__winet_name: a}}]"),
    ],
)
def test_target_files_when_two_name_one_gateway_then_the_first_counts(folder, caplog, first, second):
    """In the order of the files' names, so that it is the same one every time."""
    folder.write(first)
    folder.write(second, "b.yml")
    (target,) = folder.files.read(folder.settings)
    assert target == parse_file(first, "a.yml", folder.settings)[0]
    assert len(problems(caplog)) == 1


def test_target_files_when_ports_differ_then_they_are_two_gateways(folder):
    """Behind one router there may be several."""
    folder.write('[{targets: ["a:8001", "a:8002"]}]')
    assert folder.names() == ["a:8001", "a:8002"]
