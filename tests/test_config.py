"""The configuration file: what is understood, and what every mistake is told as."""

import os
import re
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import config
from exporter.config import Config, ConfigError, Credentials, Secret, Target
from exporter.config_check import SETTINGS, TARGET_KEYS, TOP_KEYS
from exporter.config_values import RESERVED_LABELS
from exporter.metrics import catalogue, families
from exporter.strict_yaml import Mistake
from exporter.telemetry import Location, OwnDevice, OwnString

FOLDER = Path("/etc/winet")
PIN = "ab" * 32
ACCOUNT = 'credentials: {default: {username: user, password: "pw"}}'


def read(text: str) -> Config:
    return config.parse(dedent(text), source="winet.yml", folder=FOLDER)


def only_target(text: str) -> Target:
    (target,) = read(text).targets
    return target


def mistakes(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value.mistakes


# What is understood ----------------------------------------------------------------------------------


def test_parse_when_only_a_host_is_given_then_the_rest_is_defaults():
    """One line is enough for a configuration."""
    assert only_target("targets: [{host: 192.0.2.10}]") == Target(
        host="192.0.2.10",
        name="192.0.2.10",
        port=None,
        credentials=None,
        transport="auto",
        verify="bypass",
        fingerprints=(),
        ca_file=None,
        pipeline=False,
        compression=False,
        labels={},
        refresh_interval=10.0,
        request_timeout=30.0,
        stale_after=50.0,
        yield_for=300.0,
        max_unmapped=500,
        http_port=80,
        devices={},
        gateway_services=True,
        timezone=None,
        location=None,
    )
    assert read("targets: [{host: 192.0.2.10}]").catalogue_files == ()


def test_parse_when_everything_is_given_then_everything_arrives():
    """Every key of a target reaches the value that the program uses."""
    target = only_target(
        f"""
        credentials: {{reader: {{username: user, password_file: winet.password}}}}
        targets:
          - host: roof.example:4443
            name: roof
            credentials: reader
            transport: wss
            verify: pinned
            fingerprints: ["{PIN}"]
            pipeline: true
            compression: true
            labels: {{site: home}}
            refresh_interval: 1m30s
            request_timeout: 20s
            stale_after: 5m
            yield_for: 1h
            max_unmapped: 7
            http_port: 8080
            gateway_services: false
            timezone: Australia/Lord_Howe
            location: {{latitude: -31.55, longitude: 159.08}}
            devices:
              A2200000001:
                name: east
                rated_power_watts: 10000
                strings: {{1: {{name: garage, group: east}}, "12": {{name: barn}}, 3: {{}}}}
              "2200000002": {{rated_power_watts: 4600.5}}
        """
    )
    assert target == Target(
        host="roof.example",
        port=4443,
        name="roof",
        credentials=Credentials(username="user", password_file="/etc/winet/winet.password"),
        transport="wss",
        verify="pinned",
        fingerprints=(PIN,),
        pipeline=True,
        compression=True,
        labels={"site": "home"},
        refresh_interval=90.0,
        request_timeout=20.0,
        stale_after=300.0,
        yield_for=3600.0,
        max_unmapped=7,
        http_port=8080,
        gateway_services=False,
        timezone="Australia/Lord_Howe",
        location=Location(-31.55, 159.08),
        devices={
            "A2200000001": OwnDevice(
                "east",
                10_000.0,
                {"1": OwnString("garage", "east"), "12": OwnString("barn", ""), "3": OwnString()},
            ),
            "2200000002": OwnDevice("", 4600.5, {}),
        },
    )


@pytest.mark.parametrize(
    "general, own, stale_after",
    [
        ("", "", 50.0),
        ("", "refresh_interval: 5s", 40.0),
        ("", "refresh_interval: 1m", 300.0),
        ("request_timeout: 2m", "", 140.0),
        ("refresh_interval: 1m", "request_timeout: 5m", 420.0),
        ("stale_after: 90s", "", 90.0),
        ("stale_after: 90s", "stale_after: 2m", 120.0),
    ],
)
def test_parse_when_stale_after_is_left_out_then_it_follows_interval_and_timeout(general, own, stale_after):
    """The default is the longer of five intervals, and the time-out plus two intervals."""
    assert only_target(f"{general}\ntargets: [{{host: a, {own}}}]").stale_after == stale_after


@pytest.mark.parametrize(
    "setting, text, general, own_text, own",
    [
        ("refresh_interval", "20s", 20.0, "1m", 60.0),
        ("request_timeout", "10s", 10.0, "500s", 500.0),
        ("stale_after", "200s", 200.0, "1h", 3600.0),
        ("yield_for", "10m", 600.0, "10s", 10.0),
        ("max_unmapped", "3", 3, "0", 0),
        ("gateway_services", "false", False, "true", True),
        ("timezone", "Europe/Berlin", "Europe/Berlin", "UTC", "UTC"),
        (
            "location",
            "{latitude: 52.5, longitude: 13.4}",
            Location(52.5, 13.4),
            "{latitude: -90, longitude: 180}",
            Location(-90.0, 180.0),
        ),
    ],
)
def test_parse_when_a_target_has_a_setting_of_its_own_then_only_it_differs(
    setting, text, general, own_text, own
):
    """A setting at the top holds for all targets but those that have their own."""
    both = read(f"{setting}: {text}\ntargets: [{{host: a}}, {{host: b, {setting}: {own_text}}}]").targets
    assert [getattr(target, setting) for target in both] == [general, own]


@pytest.mark.parametrize(
    "host, address, port",
    [
        ("192.0.2.10", "192.0.2.10", None),
        ("192.0.2.10:443", "192.0.2.10", 443),
        ("Roof.Example", "roof.example", None),
        ("roof_1:8082", "roof_1", 8082),
        ("roof.example.", "roof.example", None),
        ("2001:db8::1", "2001:db8::1", None),
        ("2001:0DB8:0:0::0001", "2001:db8::1", None),
        ("[2001:db8::1]", "2001:db8::1", None),
        ("[2001:DB8::1]:443", "2001:db8::1", 443),
        ("fe80::1%eth0", "fe80::1%eth0", None),
        ("a:1", "a", 1),
        ("a:65535", "a", 65535),
    ],
)
def test_parse_when_a_host_is_written_in_its_own_way_then_address_and_port_come_apart(host, address, port):
    """Names, IPv4 and IPv6, with and without a port, in any case."""
    target = only_target(f'targets: [{{host: "{host}"}}]')
    assert (target.host, target.port, target.name) == (address, port, host)


@pytest.mark.parametrize(
    "host, written, transport",
    [
        ("a", None, "auto"),
        ("a", "auto", "auto"),
        ("a:80", None, "ws"),
        ("a:8082", None, "ws"),
        ("a:443", None, "wss"),
        ("a:8443", None, "auto"),
        ("a:8082", "auto", "ws"),
        ("a:443", "auto", "wss"),
        ("a:443", "ws", "ws"),
        ("a:8082", "wss", "wss"),
        ("[2001:db8::1]:80", None, "ws"),
    ],
)
def test_parse_when_the_port_is_well_known_then_it_tells_the_transport(host, written, transport):
    """80 and 8082 are plain, 443 is TLS, unless the user says otherwise."""
    own = f", transport: {written}" if written else ""
    assert only_target(f'targets: [{{host: "{host}"{own}}}]').transport == transport


@pytest.mark.parametrize(
    "own, verify",
    [
        ("", "bypass"),
        (f"fingerprints: [{PIN}]", "pinned"),
        ("ca_file: ca.pem", "strict"),
        ("verify: strict", "strict"),
        (f"verify: pinned, fingerprints: [{PIN}]", "pinned"),
    ],
)
def test_parse_when_verify_is_left_out_then_pins_and_ca_imply_it(own, verify):
    """Whoever gives fingerprints or a CA wants them used."""
    assert only_target(f"targets: [{{host: a, {own}}}]").verify == verify


@pytest.mark.parametrize(
    "written",
    [PIN, PIN.upper(), ":".join(["ab"] * 32), ":".join(["AB"] * 32)],
    ids=["plain", "capitals", "colons", "both"],
)
def test_parse_when_a_fingerprint_is_spelled_otherwise_then_it_is_the_same(written):
    """Colons and case are free."""
    assert only_target(f'targets: [{{host: a, fingerprints: ["{written}"]}}]').fingerprints == (PIN,)


def test_parse_when_several_fingerprints_are_given_then_all_are_kept():
    """A change-over needs two pins at once."""
    target = only_target(f'targets: [{{host: a, fingerprints: ["{PIN}", "{"cd" * 32}"]}}]')
    assert target.fingerprints == (PIN, "cd" * 32)


@pytest.mark.parametrize("path, full", [("ca.pem", "/etc/winet/ca.pem"), ("/ssl/ca.pem", "/ssl/ca.pem")])
def test_parse_when_a_path_is_relative_then_it_starts_at_the_files_folder(path, full):
    """Not where the process happens to have been started."""
    assert only_target(f"targets: [{{host: a, ca_file: {path}}}]").ca_file == full


def test_parse_when_catalogue_files_are_named_then_they_start_at_the_files_folder_in_their_order():
    """They hold for all targets, and a later one goes over an earlier one."""
    result = read('catalogue_files: [own.yml, "sub/more.yml", /opt/x.yml]\ntargets: [{host: a}]')
    assert result.catalogue_files == ("/etc/winet/own.yml", "/etc/winet/sub/more.yml", "/opt/x.yml")
    assert read("catalogue_files: []\ntargets: [{host: a}]").catalogue_files == ()


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "UTC", "America/Argentina/Ushuaia", "Etc/GMT+5", "Asia/Kathmandu"]
)
def test_parse_when_a_timezone_is_of_the_database_then_it_is_taken(zone):
    """Whatever name the database has."""
    assert only_target(f"timezone: {zone}\ntargets: [{{host: a}}]").timezone == zone


def test_parse_when_two_targets_name_their_devices_then_each_has_its_own():
    """Devices are not inherited."""
    text = "targets: [{host: a, devices: {A1: {name: x}}}, {host: b, devices: {A1: {name: y}}}, {host: c}]"
    assert [
        {serial: own.name for serial, own in target.devices.items()} for target in read(text).targets
    ] == [
        {"A1": "x"},
        {"A1": "y"},
        {},
    ]


@pytest.mark.parametrize("interval, times", [("9s", 1), ("10s", 0)])
def test_parse_when_the_interval_is_short_then_it_is_allowed_with_a_warning(interval, times):
    """Faster than every 10 s is unwise, not forbidden."""
    warnings = read(f"refresh_interval: {interval}\ntargets: [{{host: a, name: roof}}]").warnings
    assert len(warnings) == times
    assert all(warning.startswith("refresh_interval: ") for warning in warnings)


def test_parse_when_one_target_is_faster_than_the_others_then_the_warning_names_it():
    """A general setting is warned of once, a target's own by its place and name."""
    text = "refresh_interval: 8s\ntargets: [{host: a}, {host: b, name: roof, refresh_interval: 6s}]"
    general, own = read(text).warnings
    assert general.startswith("refresh_interval: ")
    assert own.startswith("targets[1] (roof): ")


def test_parse_when_one_gateway_has_two_ports_then_they_are_two_targets():
    """Behind a router, one address can be two gateways."""
    both = read('targets: [{host: "a:4431"}, {host: "a:4432"}]').targets
    assert [target.port for target in both] == [4431, 4432]


# Mistakes --------------------------------------------------------------------------------------------

MISTAKES = {
    "unknown key at the top": ("colour: red\n", 1, "colour", "is not a known key; known keys: refresh"),
    "unknown key, nearly right": (
        "refresh_intervall: 10s\n",
        1,
        "refresh_intervall",
        'did you mean "refresh_interval"?',
    ),
    "unknown key of a target": (
        "targets:\n  - host: b\n    transprot: ws",
        3,
        "targets[0].transprot",
        'did you mean "transport"?',
    ),
    "unknown key of an account": (
        'credentials:\n  default:\n    username: u\n    password: "p"\n    pasword: "q"',
        5,
        "credentials.default.pasword",
        'did you mean "password"?',
    ),
    "key given twice": (
        "refresh_interval: 10s\nrefresh_interval: 20s",
        2,
        "refresh_interval",
        "is given twice; keep one",
    ),
    "key of a target given twice": (
        "targets:\n  - host: a\n    name: x\n    name: y",
        4,
        "targets[0].name",
        "is given twice; keep one",
    ),
    "no duration": (
        "refresh_interval: soon",
        1,
        "refresh_interval",
        'such as 30s, 5m or 1m30s, not text ("soon")',
    ),
    "duration without unit": (
        "refresh_interval: 10",
        1,
        "refresh_interval",
        "must be a duration with its unit: 10s, not 10",
    ),
    "duration with a stray end": ("yield_for: 5m!", 1, "yield_for", "such as 30s, 5m or 1m30s"),
    "duration of true": ("yield_for: true", 1, "yield_for", "not true/false (true)"),
    "interval too short": (
        "refresh_interval: 4s",
        1,
        "refresh_interval",
        "must be from 5s to 86400s, not 4s",
    ),
    "timeout too long": ("request_timeout: 11m", 1, "request_timeout", "must be from 1s to 600s, not 11m"),
    "stale too soon": (
        "refresh_interval: 1m\ntargets:\n  - host: a\n    stale_after: 30s",
        4,
        "targets[0].stale_after",
        "must not be shorter than the refresh_interval (60s)",
    ),
    "count that is text": (
        "max_unmapped: many",
        1,
        "max_unmapped",
        'must be a whole number from 0 to 100000, not text ("many")',
    ),
    "count that is a fraction": ("max_unmapped: 1.7", 1, "max_unmapped", "from 0 to 100000, not 1.7"),
    "count that is true": ("max_unmapped: true", 1, "max_unmapped", "not true/false (true)"),
    "count below nought": ("max_unmapped: -1", 1, "max_unmapped", "not -1"),
    "flag that is text": (
        'targets:\n  - host: a\n    pipeline: "false"',
        3,
        "targets[0].pipeline",
        'must be true or false, not text ("false")',
    ),
    "name that is a number": (
        "targets:\n  - host: a\n    name: 7",
        3,
        "targets[0].name",
        "must be text, not a number (7); put it in quotes",
    ),
    "name that is blank": ('targets:\n  - host: a\n    name: " "', 3, "targets[0].name", "must not be empty"),
    "name that is a date": (
        "targets:\n  - host: a\n    name: 2026-01-01",
        3,
        "targets[0].name",
        "must be text, not a date",
    ),
    "name that is a list": ("targets:\n  - host: a\n    name: [b]", 3, "targets[0].name", "not a list"),
    "name that is a mapping": ("targets:\n  - host: a\n    name: {b: c}", 3, "targets[0].name", "a mapping"),
    "transport of its own": (
        "targets:\n  - host: a\n    transport: wsss",
        3,
        "targets[0].transport",
        'must be one of auto, wss, ws, not text ("wsss"); did you mean "wss"?',
    ),
    "verify of its own": (
        "targets:\n  - host: a\n    verify: 1",
        3,
        "targets[0].verify",
        "must be one of bypass, pinned, strict, not a number (1)",
    ),
    "no targets": ("refresh_interval: 10s", 0, "targets", 'name at least one gateway: "- host: 192.0.2.10"'),
    "empty targets": ("targets: []", 1, "targets", "is missing or empty"),
    "targets without dash": (
        "targets: {host: a}",
        1,
        "targets",
        'a list ("- host: 192.0.2.10"), not a mapping',
    ),
    "target without host": ("targets:\n  - name: roof", 2, "targets[0]", "needs a host"),
    "host that is a URL": (
        'targets:\n  - host: "https://192.0.2.10"',
        2,
        "targets[0].host",
        "must be a name or address with an optional :port, such as 192.0.2.10",
    ),
    "host with a path": ("targets: [{host: a/b}]", 1, "targets[0].host", "must be a name or address"),
    "port of nought": ('targets: [{host: "a:0"}]', 1, "targets[0].host", "from 1 to 65535, not 0"),
    "port too high": ('targets: [{host: "a:65536"}]', 1, "targets[0].host", "from 1 to 65535, not 65536"),
    "port that is text": ('targets: [{host: "a:b"}]', 1, "targets[0].host", "no host or host:port"),
    "IPv6 in half a bracket": (
        'targets: [{host: "[2001:db8::1"}]',
        1,
        "targets[0].host",
        "an IPv6 address with a port is written [2001:db8::1]:443",
    ),
    "no IPv6 address": ('targets: [{host: "[2001:db8::1::2]"}]', 1, "targets[0].host", "is no IPv6 address"),
    "no IPv4 address": ('targets: [{host: "192.0.2.256"}]', 1, "targets[0].host", "is no IPv4 address"),
    "no host name": ('targets: [{host: "-a"}]', 1, "targets[0].host", "is no host name"),
    "host name too long": (f'targets: [{{host: "{"a." * 127}"}}]', 1, "targets[0].host", "is no host name"),
    "unknown credentials": (
        f"{ACCOUNT}\ntargets:\n  - host: a\n    credentials: defualt",
        4,
        "targets[0].credentials",
        'there are no credentials named "defualt"; known: default',
    ),
    "no credentials at all": (
        "targets:\n  - host: a\n    credentials: default",
        3,
        "targets[0].credentials",
        "there is no credentials section",
    ),
    "account without username": (
        'credentials:\n  default: {password: "pw"}',
        2,
        "credentials.default",
        "needs a username",
    ),
    "account without password": (
        "credentials:\n  default: {username: u}",
        2,
        "credentials.default",
        "needs exactly one of password, password_file, password_env",
    ),
    "account with two passwords": (
        'credentials:\n  default: {username: u, password: "p", password_env: P}',
        2,
        "credentials.default",
        "needs exactly one of password, password_file, password_env",
    ),
    "credentials that are a list": ("credentials: [a]", 1, "credentials", "must map names to accounts"),
    "two targets of one name": (
        "targets:\n  - {host: a, name: x}\n  - {host: b, name: x}",
        3,
        "targets[1].name",
        '"x" is also the name of targets[0]; give another',
    ),
    "two targets of one host and port": (
        'targets:\n  - {host: "a:443", name: x}\n  - {host: "A:443", name: y}',
        3,
        "targets[1].host",
        "is the same gateway as targets[0]; name each gateway once",
    ),
    "two targets of one host, one with a port": (
        'targets:\n  - {host: a, name: x}\n  - {host: "a:8082", name: y}',
        3,
        "targets[1].host",
        "is the same gateway as targets[0]; name each gateway once",
    ),
    "two spellings of one address": (
        'targets:\n  - {host: "2001:db8::1", name: x}\n  - {host: "[2001:DB8:0::1]", name: y}',
        3,
        "targets[1].host",
        "is the same gateway as targets[0]; name each gateway once",
    ),
    "a name that is another's host": (
        "targets:\n  - {host: a, name: b}\n  - {host: b, name: c}",
        2,
        "targets[0].name",
        '"b" is the host of targets[1]; give another',
    ),
    "pinned without fingerprints": (
        "targets:\n  - host: a\n    verify: pinned",
        3,
        "targets[0].verify",
        'pinned needs fingerprints: ["AA:BB:…"] (64 hex digits, SHA-256)',
    ),
    "pins with bypass": (
        f"targets:\n  - host: a\n    verify: bypass\n    fingerprints: [{PIN}]",
        4,
        "targets[0].fingerprints",
        "are not used with verify: bypass; write verify: pinned or drop them",
    ),
    "pins with strict": (
        f"targets:\n  - host: a\n    verify: strict\n    fingerprints: [{PIN}]",
        4,
        "targets[0].fingerprints",
        "are not used with verify: strict; write verify: pinned or drop them",
    ),
    "CA with bypass": (
        "targets:\n  - host: a\n    verify: bypass\n    ca_file: ca.pem",
        4,
        "targets[0].ca_file",
        "is not used with verify: bypass; write verify: strict or drop it",
    ),
    "pinned with ws": (
        f"targets:\n  - host: a\n    transport: ws\n    verify: pinned\n    fingerprints: [{PIN}]",
        4,
        "targets[0].verify",
        "pinned needs TLS; write transport: wss or verify: bypass",
    ),
    "strict with ws": (
        "targets:\n  - host: a\n    transport: ws\n    verify: strict",
        4,
        "targets[0].verify",
        "strict needs TLS; write transport: wss or verify: bypass",
    ),
    "strict on a plain port": (
        'targets:\n  - host: "a:8082"\n    verify: strict',
        3,
        "targets[0].verify",
        "strict needs TLS; write transport: wss or verify: bypass",
    ),
    "fingerprint too short": (
        'targets:\n  - host: a\n    fingerprints: ["AA:BB"]',
        3,
        "targets[0].fingerprints",
        "has 64 hex digits, this one has 4 characters",
    ),
    "fingerprint that is no list": (
        f"targets:\n  - host: a\n    fingerprints: {PIN}",
        3,
        "targets[0].fingerprints",
        'must be a list of SHA-256 fingerprints: ["AA:BB:…"]',
    ),
    "label name": (
        "targets:\n  - host: a\n    labels: {Site: x}",
        3,
        "targets[0].labels",
        '"Site" is no label name: small letters, digits and _ only, a letter first',
    ),
    "label name that is taken": (
        "targets:\n  - host: a\n    labels: {job: x}",
        3,
        "targets[0].labels",
        '"job" is taken: metrics have',
    ),
    "label that is a number": (
        "targets:\n  - host: a\n    labels: {site: 1}",
        3,
        "targets[0].labels",
        'the value of "site" must be text, not a number (1); put it in quotes',
    ),
    "labels that are a list": (
        "targets:\n  - host: a\n    labels: [site]",
        3,
        "targets[0].labels",
        "must map label names to texts, not a list",
    ),
    "timezone that is none": (
        "timezone: Europe/Berln",
        1,
        "timezone",
        '"Europe/Berln" is no name of the time zone database; did you mean "Europe/Berlin"?',
    ),
    "timezone that is nothing like one": ("timezone: 12345x", 1, "timezone", "such as Europe/Berlin"),
    "timezone that is a folder": ("timezone: Europe", 1, "timezone", "is no name of the time zone database"),
    "timezone that is a path": ("timezone: /etc/passwd", 1, "timezone", "is no name of the time zone"),
    "timezone that leaves its folder": (
        "timezone: ../../etc/passwd",
        1,
        "timezone",
        "is no name of the time",
    ),
    "timezone that is an offset": ("timezone: 2", 1, "timezone", "must be text, not a number (2)"),
    "timezone of a target": (
        "targets:\n  - host: a\n    timezone: Mars",
        3,
        "targets[0].timezone",
        "is no name of the time zone database",
    ),
    "location that is a list": (
        "location: [52.5, 13.4]",
        1,
        "location",
        "must be a mapping such as {latitude: 52.5, longitude: 13.4}, not a list",
    ),
    "location that is a city": ("location: Berlin", 1, "location", 'not text ("Berlin")'),
    "location that is nothing": ("location:\nyield_for: 5m", 1, "location", "not nothing"),
    "location without longitude": (
        "location:\n  latitude: 52.5",
        1,
        "location",
        "needs a longitude in degrees",
    ),
    "location with another key": (
        "location:\n  latitude: 52.5\n  longitude: 13.4\n  height: 30",
        4,
        "location.height",
        "is not a known key; known keys: latitude, longitude",
    ),
    "latitude beyond the pole": (
        "location:\n  latitude: 90.1\n  longitude: 13.4",
        2,
        "location.latitude",
        "must be a number from -90 to 90, not 90.1",
    ),
    "longitude beyond the date line": (
        "targets:\n  - host: a\n    location: {latitude: 0, longitude: -180.5}",
        3,
        "targets[0].location.longitude",
        "must be a number from -180 to 180, not -180.5",
    ),
    "latitude in quotes": (
        'location: {latitude: "52.5", longitude: 13.4}',
        1,
        "location.latitude",
        'not text ("52.5")',
    ),
    "latitude that is true": (
        "location: {latitude: true, longitude: 0}",
        1,
        "location.latitude",
        "true/false",
    ),
    "latitude that is no number": (
        "location: {latitude: .nan, longitude: 0}",
        1,
        "location.latitude",
        "not nan",
    ),
    "gateway services in words": (
        "gateway_services: often",
        1,
        "gateway_services",
        'must be true or false, not text ("often")',
    ),
    "catalogue file that is no list": (
        "catalogue_files: own.yml",
        1,
        "catalogue_files",
        'must be a list of texts: ["…"], not text ("own.yml")',
    ),
    "catalogue file that is a number": (
        "catalogue_files: [7]",
        1,
        "catalogue_files",
        "must be text, not a number",
    ),
    "catalogue files of a target": (
        "targets:\n  - host: a\n    catalogue_files: [own.yml]",
        3,
        "targets[0].catalogue_files",
        "is not a known key",
    ),
    "HTTP port of nought": (
        "targets:\n  - host: a\n    http_port: 0",
        3,
        "targets[0].http_port",
        "must be a whole number from 1 to 65535, not 0",
    ),
    "HTTP port too high": (
        "targets:\n  - host: a\n    http_port: 65536",
        3,
        "targets[0].http_port",
        "from 1 to 65535, not 65536",
    ),
    "HTTP port at the top": ("http_port: 80", 1, "http_port", "is not a known key"),
    "devices that are a list": (
        "targets:\n  - host: a\n    devices: [A1]",
        3,
        "targets[0].devices",
        'must be a mapping such as "A220…": {name: east}, not a list',
    ),
    "devices at the top": ("devices: {A1: {name: x}}", 1, "devices", "is not a known key"),
    "serial number without quotes": (
        "targets:\n  - host: a\n    devices:\n      2200000001: {name: x}",
        4,
        "targets[0].devices.2200000001",
        "2200000001 is no serial number in text; put it in quotes",
    ),
    "serial number that is blank": (
        'targets:\n  - host: a\n    devices:\n      " ": {name: x}',
        4,
        "targets[0].devices. ",
        "must not be empty",
    ),
    "device that is a name": (
        "targets:\n  - host: a\n    devices:\n      A1: east",
        4,
        "targets[0].devices.A1",
        'must be a mapping (key: value), not text ("east")',
    ),
    "unknown key of a device": (
        "targets:\n  - host: a\n    devices:\n      A1:\n        rated_power: 5000",
        5,
        "targets[0].devices.A1.rated_power",
        'did you mean "rated_power_watts"?',
    ),
    "device with a number for a name": (
        "targets:\n  - host: a\n    devices:\n      A1: {name: 1}",
        4,
        "targets[0].devices.A1.name",
        "must be text, not a number (1); put it in quotes",
    ),
    "rated power with a unit": (
        "targets:\n  - host: a\n    devices:\n      A1: {rated_power_watts: 10kW}",
        4,
        "targets[0].devices.A1.rated_power_watts",
        'must be a number from 1 to 1e+09, not text ("10kW")',
    ),
    "rated power of nought": (
        "targets:\n  - host: a\n    devices:\n      A1: {rated_power_watts: 0}",
        4,
        "targets[0].devices.A1.rated_power_watts",
        "must be a number from 1 to 1e+09, not 0",
    ),
    "device given twice": (
        "targets:\n  - host: a\n    devices:\n      A1: {name: x}\n      A1: {name: y}",
        5,
        "targets[0].devices.A1",
        "is given twice; keep one",
    ),
    "strings that are a list": (
        "targets:\n  - host: a\n    devices:\n      A1:\n        strings: [garage]",
        5,
        "targets[0].devices.A1.strings",
        "must be a mapping such as {1: {name: garage, group: east}}, not a list",
    ),
    "string that is a name": (
        "targets:\n  - host: a\n    devices:\n      A1:\n        strings:\n          1: garage",
        6,
        "targets[0].devices.A1.strings.1",
        'must be a mapping (key: value), not text ("garage")',
    ),
    "string number of nought": (
        "targets:\n  - host: a\n    devices:\n      A1:\n        strings:\n          0: {name: x}",
        6,
        "targets[0].devices.A1.strings.0",
        "0 is no number of a string (1, 2 …)",
    ),
    "string number too high": (
        "targets:\n  - host: a\n    devices:\n      A1:\n        strings:\n          1000: {name: x}",
        6,
        "targets[0].devices.A1.strings.1000",
        "1000 is no number of a string",
    ),
    "string number in words": (
        "targets:\n  - host: a\n    devices:\n      A1:\n        strings:\n          one: {name: x}",
        6,
        "targets[0].devices.A1.strings.one",
        "one is no number of a string",
    ),
    "string number that is given twice": (
        "targets:\n  - host: a\n    devices:\n      A1:\n        strings:\n          1: {}\n"
        '          "1": {}',
        7,
        "targets[0].devices.A1.strings.1",
        "is given twice; keep one",
    ),
    "unknown key of a string": (
        "targets:\n  - host: a\n    devices:\n      A1:\n        strings:\n          1: {groop: x}",
        6,
        "targets[0].devices.A1.strings.1.groop",
        'did you mean "group"?',
    ),
    "string with an empty group": (
        'targets:\n  - host: a\n    devices:\n      A1:\n        strings:\n          1: {group: ""}',
        6,
        "targets[0].devices.A1.strings.1.group",
        "must not be empty",
    ),
    "no YAML": ("targets: [", 1, "", "not valid YAML"),
    "tab": ("targets:\n\t- host: a", 2, "", "not valid YAML: a tab; indent with blanks"),
    "target that is text": (
        "targets:\n  - {host: a}\n  - 192.0.2.10",
        3,
        "targets[1]",
        'needs its key: "- host: 192.0.2.10"',
    ),
    "target with an account of its own": (
        'targets:\n  - host: a\n    credentials: {username: user, password: "secret"}',
        3,
        "targets[0].credentials",
        "is the name of an account: write the account into the credentials section at the top, and its",
    ),
}


@pytest.mark.parametrize("document, line, path, remedy", MISTAKES.values(), ids=MISTAKES.keys())
def test_parse_when_there_is_one_mistake_then_it_is_named_with_place_and_remedy(document, line, path, remedy):
    """Line, path and what to write instead; and nothing else is complained about."""
    rest = "" if "targets" in document or path == "targets" else "\ntargets: [{host: a}]"
    (mistake,) = mistakes(document + rest)
    assert (mistake.line, mistake.path) == (line, path)
    assert remedy in mistake.message


def test_reserved_labels_when_metrics_are_read_then_they_are_all_of_theirs():
    """Those of every family, of the build, and of Prometheus itself; no other name is kept from users."""
    found = [*families.all_families(), *catalogue.bundled().families]
    labels = {label for family in found for label in family.labels}
    assert labels | {"job", "instance", "version", "pythonversion"} == set(RESERVED_LABELS)


@pytest.mark.parametrize("name", RESERVED_LABELS)
def test_parse_when_a_label_is_one_of_a_metric_then_it_is_refused(name):
    """Discovery would let a user's label take the place of the metric's own, and no rule would match."""
    (mistake,) = mistakes(f"targets: [{{host: a, labels: {{{name}: x}}}}]")
    assert mistake.message == (
        f'"{name}" is taken: metrics have a label of that name; choose another, such as "my_{name}"'
    )


@pytest.mark.parametrize("written", ['name: "\\ud800"', 'labels: {site: "\\udfff"}'])
def test_parse_when_a_text_is_half_a_character_then_it_is_a_mistake(written):
    """YAML can spell what no UTF-8 page could carry; one such label would cost every scrape."""
    assert mistakes(f"targets: [{{host: a, {written}}}]")


def test_parse_when_a_location_is_empty_then_both_of_its_parts_are_missed():
    """Half a thought is no location."""
    found = mistakes("location: {}\ntargets: [{host: a}]")
    assert [(mistake.line, mistake.path, mistake.message) for mistake in found] == [
        (1, "location", "needs a latitude in degrees"),
        (1, "location", "needs a longitude in degrees"),
    ]


def test_parse_when_there_are_many_mistakes_then_one_report_names_them_all_in_order():
    """Nobody has to start the exporter six times to find six mistakes."""
    text = """\
        refresh_interval: 1s
        colour: red
        credentials:
          default: {username: user, password: 1234}
        targets:
          - host: http://a
          - host: b
            verify: pinned
          - {host: c, credentials: other}
        """
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert [mistake.path for mistake in caught.value.mistakes] == [
        "refresh_interval",
        "colour",
        "credentials.default.password",
        "targets[0].host",
        "targets[1].verify",
        "targets[2].credentials",
    ]
    report = str(caught.value).splitlines()
    assert report[0] == "winet.yml: 6 mistakes"
    assert [re.match(r"  line (\d+): ", line)[1] for line in report[1:]] == ["1", "2", "4", "6", "8", "9"]


def test_parse_when_there_is_one_mistake_then_the_report_says_so():
    """The head of the report counts in words that fit."""
    with pytest.raises(ConfigError, match=r"\Awinet\.yml: one mistake\n  line 1: yield_for: must be"):
        read("yield_for: 1s\ntargets: [{host: a}]")


# Probes, target files --------------------------------------------------------------------------------


def test_parse_when_a_probe_section_is_given_then_it_is_the_pattern_of_all_probed_targets():
    """Networks and ports in their usual writing; the rest is as in a target."""
    probe = read(
        f"""
        refresh_interval: 30s
        {ACCOUNT}
        probe:
          allow: [192.0.2.0/24, "2001:DB8:0::/32", 198.51.100.7]
          ports: [8443]
          credentials: default
          verify: pinned
          fingerprints: ["{PIN}"]
          idle_timeout: 5m
          max_sessions: 7
        """
    ).probe
    assert probe is not None
    assert probe.allow == ("192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32")
    assert (probe.ports, probe.idle_timeout, probe.max_sessions) == ((8443,), 300.0, 7)
    assert (probe.target.verify, probe.target.fingerprints) == ("pinned", (PIN,))
    assert probe.target.credentials == Credentials(username="user", password=Secret("pw"))
    assert probe.target.refresh_interval == 30.0


def test_parse_when_a_probe_section_is_empty_then_nothing_may_be_probed():
    """Everything has to be allowed by name; it stands for itself, without a target."""
    probe = read("probe: {}").probe
    assert probe is not None
    assert (probe.allow, probe.ports) == ((), (443, 8082))
    assert (probe.idle_timeout, probe.max_sessions) == (600.0, 1000)
    assert read("targets: [{host: a}]").probe is None


def test_parse_when_target_files_are_given_then_patterns_start_at_the_folder():
    """Whole paths stay; a configuration of target files needs no target of its own."""
    found = read('target_files: ["targets/*.yml", /srv/more.json]')
    assert found.target_files == ("/etc/winet/targets/*.yml", "/srv/more.json")
    assert found.targets == ()
    assert read("targets: [{host: a}]").target_files == ()


PROBE_MISTAKES = {
    "no mapping": ("probe: [a]", 1, "probe", "must be a mapping"),
    "unknown key": ("probe:\n  alow: []", 2, "probe.alow", 'did you mean "allow"?'),
    "a target's key": ("probe:\n  transport: ws", 2, "probe.transport", "is not a known key"),
    "a host": ("probe:\n  host: 192.0.2.1", 2, "probe.host", "is not a known key"),
    "allow that is text": ("probe:\n  allow: 192.0.2.0/24", 2, "probe.allow", "must be a list of texts"),
    "no network": ("probe:\n  allow: [solar.example]", 2, "probe.allow", "solar.example is no network"),
    "host bits": ("probe:\n  allow: [192.0.2.1/24]", 2, "probe.allow", "has host bits set"),
    "a number for a network": ("probe:\n  allow: [1]", 2, "probe.allow", "must be text, not a number (1)"),
    "ports that are one": ("probe:\n  ports: 443", 2, "probe.ports", "must be a list of ports: [443, 8082]"),
    "no port at all": ("probe:\n  ports: []", 2, "probe.ports", "must be a list of ports: [443, 8082]"),
    "port 0": ("probe:\n  ports: [0]", 2, "probe.ports", "must be a list of ports: [443, 8082]"),
    "a port too high": ("probe:\n  ports: [65536]", 2, "probe.ports", "must be a list of ports: [443, 8082]"),
    "true for a port": ("probe:\n  ports: [true]", 2, "probe.ports", "must be a list of ports: [443, 8082]"),
    "unknown account": ("probe:\n  credentials: x", 2, "probe.credentials", 'no credentials named "x"'),
    "account over an unverified line": (
        f"{ACCOUNT}\nprobe:\n  credentials: default",
        3, "probe.credentials", "only with verify: pinned or strict",
    ),
    "no flag": (
        "probe:\n  send_credentials_unverified: 1",
        2, "probe.send_credentials_unverified", "must be true or false",
    ),
    "pinned without a pin": ("probe:\n  verify: pinned", 2, "probe.verify", "pinned needs fingerprints"),
    "a pin of odd length": ('probe:\n  fingerprints: ["ab"]', 2, "probe.fingerprints", "has 64 hex digits"),
    "a pin with bypass": (
        f'probe:\n  verify: bypass\n  fingerprints: ["{PIN}"]',
        3, "probe.fingerprints", "write verify: pinned",
    ),
    "too short to be idle": ("probe:\n  idle_timeout: 5s", 2, "probe.idle_timeout", "must be from 10s"),
    "no session at all": ("probe:\n  max_sessions: 0", 2, "probe.max_sessions", "number from 1 to 100000"),
    "target files that are text": ("target_files: a.yml", 1, "target_files", "must be a list of texts"),
    "a target file that is a number": ("target_files:\n  - 1", 1, "target_files", "must be text"),
    "an empty pattern": ('target_files: [""]', 1, "target_files", "must not be empty"),
}  # fmt: skip


@pytest.mark.parametrize("document, line, path, remedy", PROBE_MISTAKES.values(), ids=PROBE_MISTAKES.keys())
def test_parse_when_a_probe_or_target_file_is_wrong_then_it_is_told_once(document, line, path, remedy):
    """Path, line and remedy of each mistake, and nothing else."""
    (mistake,) = mistakes(document)
    assert (mistake.path, mistake.line) == (path, line)
    assert remedy in mistake.message
    assert "[443, 8082], not a list" not in mistake.message


@pytest.mark.parametrize(
    "rest",
    [f'fingerprints: ["{PIN}"]', "verify: strict", "ca_file: ca.pem", "send_credentials_unverified: true"],
)
def test_parse_when_probes_may_have_an_account_then_it_is_taken(rest):
    """Over a line that is verified, or by an explicit word."""
    probe = read(f"{ACCOUNT}\nprobe:\n  credentials: default\n  {rest}").probe
    assert probe is not None
    assert probe.target.credentials is not None


def test_load_when_the_password_file_of_probes_is_missing_then_it_is_a_mistake(tmp_path):
    """As for a target: what could not work is told when it is checked."""
    file = tmp_path / "winet.yml"
    file.write_text(
        "credentials: {a: {username: u, password_file: pw}}\n"
        "probe: {credentials: a, verify: strict, ca_file: ca.pem}"
    )
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert [mistake.path for mistake in caught.value.mistakes] == ["password_file", "ca_file"]


def test_load_when_no_target_of_the_file_has_the_account_then_it_is_checked_all_the_same(
    tmp_path, monkeypatch
):
    """Target files may name it, and nobody tells of a missing password when they change."""
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    file = tmp_path / "winet.yml"
    file.write_text(
        "credentials:\n  a: {username: u, password_file: pw}\n"
        "  b: {username: u, password_env: NO_SUCH_VARIABLE}\n"
        "target_files: [targets.yml]"
    )
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    (mistake,) = caught.value.mistakes
    assert (mistake.path, mistake.message) == (
        "password_file",
        f"cannot read the password file {tmp_path / 'pw'}: No such file or directory",
    )
    (tmp_path / "pw").write_text("pw")
    (tmp_path / "pw").chmod(0o600)
    assert config.load(file).warnings == ("the environment variable NO_SUCH_VARIABLE is not set",)


@pytest.mark.parametrize(
    "mode, warned", [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1), (0o644, 1), (0o610, 1)]
)
def test_load_when_others_may_read_a_password_file_then_it_warns(tmp_path, mode, warned):
    """Once for each file, however many use it, with the remedy; it is used all the same."""
    file, password = tmp_path / "winet.yml", tmp_path / "pw"
    file.write_text(
        "credentials: {a: {username: u, password_file: pw}, b: {username: v, password_file: pw}}\n"
        "targets: [{host: a, credentials: a}, {host: b, credentials: b}]"
    )
    password.write_text("pw")
    password.chmod(mode)
    warnings = config.load(file).warnings
    assert len(warnings) == warned
    for warning in warnings:
        assert f"chmod 600 {password}" in warning


@pytest.mark.parametrize("mode, warned", [(0o440, 0), (0o640, 0), (0o644, 1), (0o444, 1)])
def test_load_when_a_password_file_is_another_users_then_its_group_may_read_it(
    tmp_path, monkeypatch, mode, warned
):
    """As Kubernetes mounts secrets and root gives them to a service: there is no other way to have it."""
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert_warned_of_everybody(tmp_path, mode, warned)


@pytest.mark.parametrize("mode, warned", [(0o440, 0), (0o640, 0), (0o644, 1), (0o444, 1)])
def test_load_when_a_password_file_was_given_to_another_group_then_that_may_read_it(
    tmp_path, monkeypatch, mode, warned
):
    """As root sees what it has made for a service: 600 would lock the service out."""
    monkeypatch.setattr(os, "getegid", lambda: (tmp_path / "pw").stat().st_gid + 1)
    assert_warned_of_everybody(tmp_path, mode, warned)


def assert_warned_of_everybody(folder, mode, warned):
    """A remedy that leaves the group what it has."""
    password = folder / "pw"
    password.write_text("pw")
    password.chmod(mode)
    file = folder / "winet.yml"
    file.write_text(
        "credentials: {a: {username: u, password_file: pw}}\ntargets: [{host: a, credentials: a}]"
    )
    told = f"the password file {password} may be read by everybody; chmod o= {password}"
    assert config.load(file).warnings == (told,) * warned


@pytest.mark.parametrize("text", ["", "# nothing", "~", "[1, 2]", "text", "7"])
def test_parse_when_there_is_no_mapping_then_it_is_a_mistake(text):
    """An empty file and one that is something else are refused like any other mistake."""
    assert mistakes(text)


def test_parse_when_durations_without_end_are_given_then_it_is_a_mistake():
    """A number that no clock can hold is out of range, not a crash."""
    (mistake,) = mistakes(f"yield_for: {'9' * 400}s\ntargets: [{{host: a}}]")
    assert mistake.path == "yield_for"


def test_parse_when_an_inherited_stale_after_is_too_short_then_it_is_said_once():
    """A mistake in a general setting is one mistake, however many targets inherit it."""
    found = mistakes("refresh_interval: 30s\nstale_after: 10s\ntargets: [{host: a}, {host: b}]")
    assert [mistake.path for mistake in found] == ["stale_after"]


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 70000),
    st.floats(allow_nan=False),
    st.sampled_from(
        ["a", "b", "10s", "1m", "192.0.2.1:443", "[::1]:80", "ws", "pinned", "strict", "default", PIN]
    ),
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=8),
)
_keys = st.one_of(
    st.sampled_from((*TOP_KEYS, *TARGET_KEYS, "username", "password", "password_file")), st.text(max_size=3)
)
_anything = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)
_target = st.fixed_dictionaries({}, optional={key: _anything for key in TARGET_KEYS})
_documents = st.fixed_dictionaries(
    {},
    optional={
        "targets": st.one_of(_anything, st.lists(_target, max_size=3)),
        "credentials": st.one_of(_anything, st.dictionaries(st.just("default"), _anything, max_size=1)),
        **{key: _anything for key in SETTINGS},
    },
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(_documents)
def test_parse_when_anything_stands_anywhere_then_only_config_errors_escape(document):
    """Whatever kind of value stands at whatever key, it is used or reported."""
    text = yaml.safe_dump(document, allow_unicode=True)
    try:
        result = config.parse(text, source="winet.yml", folder=FOLDER)
    except ConfigError:
        return
    assert all(target.host and target.name for target in result.targets)


# Secrets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written, shown",
    [
        ("0123456", ["0123456", "42798"]),
        ("8675309", ["8675309"]),
        ("12:30:00", ["12:30:00", "45000"]),
        ("1.5e+3", ["1.5", "1500"]),
        ("2026-01-02", ["2026"]),
        ("yes", ["yes", "true", "True"]),
        ("[secretword]", ["secretword"]),
        ("{secretword: x}", ["secretword"]),
        ("*secretword", ["secretword"]),
        ("!secretword", ["secretword"]),
        ("!topse'cret", ["topse", "cret"]),
        ("!a!secretword", ["secretword"]),
        ("!<secretword", ["secretword"]),
    ],
)
def test_parse_when_a_password_is_not_quoted_then_no_report_shows_it(written, shown):
    """A password that YAML takes for something else is refused, and stays secret in the report."""
    document = (
        f"credentials:\n  default:\n    username: user\n    password: {written}\ntargets: [{{host: a}}]\n"
    )
    with pytest.raises(ConfigError) as caught:
        read(document)
    assert "line 4" in str(caught.value)
    assert not [text for text in shown if text in str(caught.value)]


def test_parse_when_a_password_is_a_number_then_the_remedy_is_quotes():
    """The message says what to write instead."""
    (mistake,) = mistakes("credentials: {d: {username: u, password: 0123}}\ntargets: [{host: a}]")
    assert mistake.path == "credentials.d.password"
    assert "put it in quotes" in mistake.message


@pytest.mark.parametrize(
    "document",
    [
        "credentials: {default: secretword}\ntargets: [{host: a}]",
        "credentials: secretword\ntargets: [{host: a}]",
        'targets: [{host: "wss://user:secretword@192.0.2.1"}]',
        'targets: [{host: "user:secretword@192.0.2.1"}]',
    ],
    ids=["in place of an account", "in place of the accounts", "in a URL", "before the host"],
)
def test_parse_when_a_password_stands_in_the_wrong_place_then_no_report_shows_it(document):
    """Where people do put passwords, the report does not repeat what it found."""
    with pytest.raises(ConfigError) as caught:
        read(document)
    assert "secretword" not in str(caught.value)


def test_config_when_printed_then_no_secret_is_shown():
    """Neither repr nor str nor the JSON form of a configuration holds a password."""
    result = read(
        'credentials: {d: {username: u, password: "secretword"}}\ntargets: [{host: a, credentials: d}]'
    )
    assert result.targets[0].credentials.read_password() == "secretword"
    for shown in (repr(result), str(result), result.to_json(), str(result.to_dict()), f"{result}"):
        assert "secretword" not in shown
        assert "<secret>" in shown


def test_secret_when_compared_then_its_text_decides():
    """Changed credentials can be told from unchanged ones without showing either."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert f"{Secret('a')} {Secret('a')!r} {Secret('a')!s}" == "<secret> <secret> <secret>"


# Where passwords come from ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, password", [("pw", "pw"), ("pw\n", "pw"), ("pw\r\n", "pw"), (" p w \n\n", " p w ")]
)
def test_read_password_when_the_file_ends_with_a_newline_then_it_is_no_part_of_it(
    tmp_path, content, password
):
    """Editors end files with a newline; blanks may be meant."""
    (tmp_path / "pw").write_bytes(content.encode())
    text = "credentials: {d: {username: u, password_file: pw}}\ntargets: [{host: a, credentials: d}]"
    account = config.parse(text, source="c", folder=tmp_path).targets[0].credentials
    assert account.read_password() == password


def test_read_password_when_the_file_changes_then_the_new_one_is_used(tmp_path):
    """A rotated password needs no restart."""
    file = tmp_path / "pw"
    account = Credentials(username="u", password_file=str(file))
    for password in ("old", "new"):
        file.write_text(password)
        assert account.read_password() == password


@pytest.mark.parametrize(
    "content, words",
    [(None, "cannot read the password file .*: No such file"), (b"", "is empty"), (b"\n", "is empty"),
     (b"\xff\xfe", "not UTF-8")],
)  # fmt: skip
def test_read_password_when_the_file_is_of_no_use_then_the_error_names_it(tmp_path, content, words):
    """The error tells the file and what is wrong with it."""
    file = tmp_path / "pw"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        Credentials(username="u", password_file=str(file)).read_password()
    assert str(file) in str(caught.value)


def test_read_password_when_it_is_in_the_environment_then_it_is_read_there(monkeypatch):
    """`password_env` names a variable."""
    monkeypatch.setenv("WINET_TEST_PW", "pw")
    assert Credentials(username="u", password_env="WINET_TEST_PW").read_password() == "pw"


@pytest.mark.parametrize("value", [None, ""])
def test_read_password_when_the_variable_is_missing_then_the_error_names_it(monkeypatch, value):
    """An unset and an empty variable are the same mistake."""
    monkeypatch.delenv("WINET_TEST_PW", raising=False)
    if value is not None:
        monkeypatch.setenv("WINET_TEST_PW", value)
    with pytest.raises(ValueError, match="environment variable WINET_TEST_PW is not set"):
        Credentials(username="u", password_env="WINET_TEST_PW").read_password()


# Files and environment -------------------------------------------------------------------------------


def test_load_when_the_file_is_sound_then_relative_paths_start_beside_it(tmp_path):
    """`load` is `parse` of a file, with its folder."""
    file = tmp_path / "winet.yml"
    (tmp_path / "ca.pem").touch()
    file.write_text("targets: [{host: a, ca_file: ca.pem}]")
    assert config.load(file).targets[0].ca_file == str(tmp_path / "ca.pem")


def test_load_when_files_it_names_are_missing_then_each_is_a_mistake(tmp_path, monkeypatch):
    """What could not work when it runs is told when it is checked; a variable may come later."""
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    file = tmp_path / "winet.yml"
    file.write_text(
        "credentials:\n  a: {username: u, password_file: pw}\n"
        "  b: {username: u, password_env: NO_SUCH_VARIABLE}\n"
        "targets: [{host: a, credentials: a, ca_file: ca.pem}, {host: b, credentials: b}]"
    )
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert [mistake.path for mistake in caught.value.mistakes] == ["password_file", "ca_file"]
    (tmp_path / "pw").write_text("pw")
    (tmp_path / "pw").chmod(0o600)
    (tmp_path / "ca.pem").touch()
    assert config.load(file).warnings == ("the environment variable NO_SUCH_VARIABLE is not set",)


def test_read_password_when_the_file_is_a_pipe_then_it_is_refused(tmp_path):
    """A pipe without a writer would hold up the end of the program."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="no regular file"):
        Credentials(username="u", password_file=str(tmp_path / "pipe")).read_password()


@pytest.mark.parametrize(
    "one, other", [("a.local", "a.local."), ("192.0.2.1", '"::ffff:192.0.2.1"'), ("A.local", "a.local")]
)
def test_parse_when_one_gateway_is_written_in_two_ways_then_it_is_found_out(one, other):
    """Two sockets to one gateway would throw each other out."""
    assert (
        "is the same gateway"
        in mistakes(f"targets: [{{host: {one}, name: x}}, {{host: {other}, name: y}}]")[0].message
    )


def test_parse_when_aliases_multiply_then_it_ends():
    """Half a kilobyte must not become a day's work."""
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    assert mistakes(bomb)


def test_load_when_the_file_is_missing_then_the_error_says_so(tmp_path):
    """A missing file is a configuration error, with the system's reason."""
    with pytest.raises(ConfigError, match=r"none\.yml: one mistake\n  cannot be read: No such file"):
        config.load(tmp_path / "none.yml")


def test_load_when_the_file_is_no_text_then_the_error_says_so(tmp_path):
    """Latin-1 umlauts are told as what they are."""
    file = tmp_path / "winet.yml"
    file.write_bytes("# für\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        config.load(file)


def test_from_environment_when_no_host_is_set_then_there_is_no_configuration():
    """Without WINET_HOST the environment says nothing."""
    assert config.from_environment({"WINET_PASSWORD": "x"}) is None
    assert config.from_environment({"WINET_HOST": ""}) is None


def test_from_environment_when_everything_is_set_then_it_makes_one_target(monkeypatch):
    """Four variables are a configuration."""
    monkeypatch.setenv("WINET_PASSWORD", "pw")
    result = config.from_environment(
        {
            "WINET_HOST": "192.0.2.1:8082",
            "WINET_USERNAME": "user",
            "WINET_PASSWORD": "pw",
            "WINET_REFRESH_INTERVAL": "1m",
        }
    )
    (target,) = result.targets
    assert (target.host, target.port, target.transport, target.refresh_interval) == (
        "192.0.2.1",
        8082,
        "ws",
        60.0,
    )
    assert target.credentials.username == "user"
    assert target.credentials.read_password() == "pw"
    assert "pw" not in repr(result).replace("password", "")


def test_from_environment_when_a_password_file_is_set_then_it_is_read(tmp_path):
    """Containers get their secrets as files."""
    (tmp_path / "pw").write_text("pw\n")
    environ = {"WINET_HOST": "a", "WINET_USERNAME": "u", "WINET_PASSWORD_FILE": str(tmp_path / "pw")}
    assert config.from_environment(environ).targets[0].credentials.read_password() == "pw"


def test_from_environment_when_the_password_file_is_missing_then_it_is_a_mistake(tmp_path, monkeypatch):
    """As in a file: it would have been found out at the first login."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        config.from_environment({"WINET_HOST": "a", "WINET_USERNAME": "u", "WINET_PASSWORD_FILE": "nofile"})
    assert str(caught.value) == (
        "environment (WINET_…): one mistake\n"
        f"  WINET_PASSWORD_FILE: cannot read the password file {tmp_path / 'nofile'}: "
        "No such file or directory"
    )


def test_from_environment_when_others_may_read_the_password_file_then_it_warns(tmp_path):
    """As in a file."""
    (tmp_path / "pw").write_text("pw")
    (tmp_path / "pw").chmod(0o644)
    environ = {"WINET_HOST": "a", "WINET_USERNAME": "u", "WINET_PASSWORD_FILE": str(tmp_path / "pw")}
    (warning,) = config.from_environment(environ).warnings
    assert f"chmod 600 {tmp_path / 'pw'}" in warning


def test_from_environment_when_only_the_host_is_set_then_there_is_no_account():
    """No user name, no login."""
    assert config.from_environment({"WINET_HOST": "a"}).targets[0].credentials is None


@pytest.mark.parametrize("variable", ["WINET_PASSWORD", "WINET_PASSWORD_FILE"])
def test_from_environment_when_the_user_name_is_missing_then_it_is_a_mistake(variable):
    """A password that would never be used is told of, and not shown."""
    with pytest.raises(ConfigError, match="without WINET_USERNAME") as caught:
        config.from_environment({"WINET_HOST": "a", variable: "secretword"})
    assert "secretword" not in str(caught.value)


def test_from_environment_when_values_are_wrong_then_all_are_named():
    """The environment is checked as strictly as a file."""
    with pytest.raises(ConfigError) as caught:
        config.from_environment({"WINET_HOST": "http://a", "WINET_REFRESH_INTERVAL": "1s"})
    assert str(caught.value).startswith("environment (WINET_…): 2 mistakes")


def test_from_environment_when_called_then_the_environment_is_left_as_it_was():
    """Reading is reading."""
    before = dict(os.environ)
    config.from_environment({"WINET_HOST": "a", "WINET_USERNAME": "u", "WINET_PASSWORD": "p"})
    assert dict(os.environ) == before
