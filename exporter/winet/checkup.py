"""What stands between us and a gateway's readings: one step after the other, with words for a person.

The steps are those of every session, taken by the same classes: dial, connect, log in, list, refresh. Only
the look at the ports is made beforehand, for an error of the dialer cannot tell what else is open.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import aiohttp

from exporter.config import Target
from exporter.logs import TargetLog
from exporter.telemetry import Counters, Snapshot, printable
from exporter.winet import advice, errors, messages, tls
from exporter.winet.cycle import Cycle
from exporter.winet.dial import PLAIN_PORT, TLS_PORT, Dialer, Endpoint
from exporter.winet.login import Login
from exporter.winet.names import SystemResolver
from exporter.winet.survey import Survey
from exporter.winet.tapped import TappedConnection

NAME, PORTS, TLS, WEBSOCKET = "name", "ports", "tls", "websocket"
TOKEN, LOGIN, DEVICES, READINGS = "token", "login", "devices", "readings"
STEPS = (NAME, PORTS, TLS, WEBSOCKET, TOKEN, LOGIN, DEVICES, READINGS)
KNOCK_SECONDS = 5.0


class Step(NamedTuple):
    """How one step went. `ok` is None where there was nothing to do; `advice` is for the person."""

    name: str
    ok: bool | None
    detail: str
    advice: str = ""


async def examine(target: Target, http: aiohttp.ClientSession, log: TargetLog) -> AsyncIterator[Step]:
    """Take every step towards a target's first readings; the first that fails is the last."""
    found, address = await _resolve(target.host)
    yield found
    if not found.ok:
        return
    dialer = Dialer(target, http)
    doors = {port: await knock(address, port) for port in _ports(target)}
    yield (ports := _judge_ports(target, dialer.endpoints(), doors))
    if not ports.ok:
        return
    try:
        websocket, endpoint = await dialer.open()
    except errors.TransportError as error:
        for step in await _why_not_open(error, target, dialer):
            yield step
        return
    connection = TappedConnection(websocket, Counters(), target.request_timeout)
    try:
        if endpoint.scheme == "wss" and dialer.certificate is not None:
            yield Step(TLS, True, await _certificate(dialer.certificate, target))
        else:
            yield Step(TLS, None, "not spoken here: the line is not encrypted")
        yield Step(WEBSOCKET, True, str(endpoint.url))
        async for step in _session(target, dialer, connection, log, plain=endpoint.scheme == "ws"):
            yield step
    finally:
        await connection.close()


# The line --------------------------------------------------------------------------------------------


async def _resolve(host: str) -> tuple[Step, str]:
    """How the look-up of the name went, and the first address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return Step(NAME, True, f"{host} is an address"), host
    try:
        addresses = sorted({entry["host"] for entry in await SystemResolver().resolve(host)})
    except OSError as error:
        words = f"the name {host} cannot be resolved ({error.strerror or error})"
        return Step(NAME, False, words, advice.NAME), ""
    return Step(NAME, True, f"{host} is {', '.join(addresses)}"), addresses[0]


def _ports(target: Target) -> tuple[int, ...]:
    """The ports of every WiNet, and the one that the user named, if another."""
    named = (target.port,) if target.port is not None else ()
    return tuple(dict.fromkeys((*named, TLS_PORT, PLAIN_PORT)))


async def knock(host: str, port: int, seconds: float = KNOCK_SECONDS) -> str:
    """Whether a TCP port is `open`, `closed` (refused), `silent` or, in the system's words, out of reach."""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return "silent"
    except ConnectionRefusedError:
        return "closed"
    except OSError as error:
        return os.strerror(error.errno) if error.errno and error.errno > 0 else "out of reach"
    writer.transport.abort()  # a gateway has few sockets: the next step should find this one free
    return "open"


def _judge_ports(target: Target, wanted: tuple[Endpoint, ...], doors: Mapping[int, str]) -> Step:
    detail = ", ".join(f"{port} {state}" for port, state in doors.items())
    if any(doors[endpoint.port] == "open" for endpoint in wanted):
        return Step(PORTS, True, detail)
    if doors[TLS_PORT] == "open":
        words = advice.WANTS_TLS
    elif doors[PLAIN_PORT] == "open":
        words = advice.WANTS_PLAIN
    elif "closed" in doors.values():
        words = advice.NO_PORT
    else:
        words = errors.Unreachable.advice
    return Step(PORTS, False, detail, words)


async def _why_not_open(error: errors.TransportError, target: Target, dialer: Dialer) -> list[Step]:
    """The steps up to the one that failed; a certificate that was seen shows that TLS came about."""
    steps = []
    certificate = dialer.certificate
    shown = "" if certificate is None else await _certificate(certificate, target)
    words = advice.for_opening(error, target, encrypted=certificate is not None)
    if isinstance(error, errors.CertificateMismatch | errors.TlsFailed):
        return [Step(TLS, False, "; ".join(filter(None, (str(error), shown))), words)]
    if certificate is not None:
        steps.append(Step(TLS, True, shown))
    elif dialer.endpoints()[-1].scheme == "wss":
        return [Step(TLS, False, str(error), words)]
    else:
        steps.append(Step(TLS, None, "not spoken here"))
    return [*steps, Step(WEBSOCKET, False, str(error), words)]


async def _certificate(certificate: tls.Certificate, target: Target) -> str:
    subject = await asyncio.to_thread(tls.subject, certificate)
    ends = tls.expiry(certificate)
    until = "at an unknown time" if ends is None else datetime.fromtimestamp(ends, UTC).date().isoformat()
    pinned = certificate.fingerprint.replace(":", "").lower() in target.fingerprints
    checked = "checked by a CA" if target.verify == "strict" else "pinned" if pinned else "not pinned"
    return f"{printable(subject) or 'no subject'}, ends {until}, {checked}, {certificate.fingerprint}"


# The session -----------------------------------------------------------------------------------------


async def _session(
    target: Target, dialer: Dialer, connection: TappedConnection, log: TargetLog, *, plain: bool
) -> AsyncIterator[Step]:
    counters = Counters()
    survey = Survey(target.refresh_interval, dialer, counters, log, time.monotonic, time.time)
    cycle = Cycle(target, counters, survey, time.monotonic, time.time)
    try:
        token = await Login(target, log).perform(connection, cycle, plain=plain)
    except errors.WinetError as error:
        for step in _why_not_in(error, connection):
            yield step
        return
    yield Step(TOKEN, True, "given by `connect`")
    yield _login_step(target, connection)
    if not cycle.device_count:
        refused = next(e.reply for e in reversed(connection.exchanges) if e.service == "devicelist")
        said = f"devicelist was answered with code {refused.code}" if refused and refused.code != 1 else ""
        yield Step(DEVICES, False, said or "the gateway lists none", advice.NO_DEVICES)
        return
    yield Step(DEVICES, True, f"{cycle.device_count} listed")
    try:
        await cycle.refresh(connection, token)
    except errors.WinetError as error:
        yield Step(READINGS, False, _with_readings(str(error), cycle.snapshot), advice.for_session(error))
        return
    found = _with_readings("", cycle.snapshot)
    yield Step(READINGS, bool(found), found or "no device gave any", "" if found else advice.NO_READINGS)
    try:
        await connection.ask("logout", messages.logout_request(token))
    except errors.WinetError:
        pass  # all that was wanted has been read


def _login_step(target: Target, connection: TappedConnection) -> Step:
    if not any(exchange.service == "login" for exchange in connection.exchanges):
        return Step(LOGIN, None, "none was needed")
    if target.credentials is None:
        return Step(LOGIN, True, "by the factory's read-only account", advice.FACTORY_ACCOUNT)
    return Step(LOGIN, True, f"as {printable(target.credentials.username)}")


def _why_not_in(error: errors.WinetError, connection: TappedConnection) -> list[Step]:
    """Which of the steps `Login` takes it was, by the question that was asked last."""
    last = connection.exchanges[-1].service
    place = {"connect": TOKEN, "login": LOGIN}.get(last, DEVICES)
    if isinstance(error, errors.AccessError | errors.PasswordUnreadable | errors.NotAuthorized):
        place = LOGIN
    steps = []
    if place != TOKEN:
        steps.append(Step(TOKEN, True, "given by `connect`"))
    if place == DEVICES and any(exchange.service == "login" for exchange in connection.exchanges):
        steps.append(Step(LOGIN, True, "accepted"))
    return [*steps, Step(place, False, str(error), advice.for_session(error))]


def _with_readings(before: str, snapshot: Snapshot | None) -> str:
    """Who gave how much, behind what else there is to say."""
    given = []
    for report in snapshot.devices if snapshot is not None else ():
        count = sum(len(answer.readings) + len(answer.inputs) for answer in report.answers.values())
        if count:
            given.append(f"{report.device.model or report.device.name or 'a device'}: {count}")
    return "; ".join(filter(None, (before, ", ".join(given))))
