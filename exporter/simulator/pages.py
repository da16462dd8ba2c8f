"""What the gateway serves beside its WebSocket: names of keys, versions, and the simulator's switches."""

import json
from collections.abc import Callable
from http import HTTPStatus
from importlib.resources import files
from typing import Protocol

from exporter.simulator.faults import Fault, parse_fault
from exporter.simulator.http11 import Request, Response, text_response
from exporter.simulator.journal import Counts
from exporter.simulator.profile import Profile

_JSON = "application/json"


class Switches(Protocol):
    """What the simulator's own pages show and change."""

    @property
    def profile(self) -> Profile:
        """The profile played."""

    @property
    def faults(self) -> list[str]:
        """The faults in force."""

    @property
    def counts(self) -> Counts:
        """What has happened."""

    def inject(self, fault: str | Fault) -> None:
        """Put a fault in force."""

    def clear(self, name: str | None = None) -> object:
        """Lift faults."""


Afterwards = Callable[[], None]
"""To be done when the response is on its way: who makes the gateway vanish still gets an answer."""


def page(request: Request, gateway: Switches, about: Callable[[], str | None]) -> tuple[Response, Afterwards]:
    """Answer a request for anything but the WebSocket. No page asks for a login (seen in captures)."""
    match request.method, request.path:
        case "GET", "/about/list":
            if (text := about()) is not None:
                return Response(HTTPStatus.OK, text.encode(), _JSON), _nothing
        case "GET", path if path.startswith("/i18n/") and path.endswith(".properties") and _labels(gateway):
            return _properties(path.removeprefix("/i18n/")), _nothing
        case "GET", "/simulator":
            return _status(gateway, gateway.faults), _nothing
        case "POST", "/simulator/faults":
            return _inject(request, gateway)
        case "DELETE", "/simulator/faults":
            return _clear(request, gateway)
    return text_response(HTTPStatus.NOT_FOUND, "not found\n"), _nothing


def _nothing() -> None:
    return


def _labels(gateway: Switches) -> bool:
    recorded = gateway.profile.recorded
    return recorded is None or recorded.labels


def _properties(name: str) -> Response:
    """Names of keys in one language; a locale that the gateway does not have is not found (reported)."""
    folder = files("exporter.simulator").joinpath("i18n")
    for entry in folder.iterdir():
        if entry.name == name:
            return Response(HTTPStatus.OK, entry.read_bytes(), "text/plain")
    return text_response(HTTPStatus.NOT_FOUND, "not found\n")


def _status(gateway: Switches, faults: list[str]) -> Response:
    document = {"profile": gateway.profile.name, "faults": faults, "counts": gateway.counts.as_dict()}
    return Response(HTTPStatus.OK, json.dumps(document, indent=2).encode(), _JSON)


def _inject(request: Request, gateway: Switches) -> tuple[Response, Afterwards]:
    """One fault a line; all of them, or none if one is wrong."""
    try:
        faults = [parse_fault(line) for line in request.body.splitlines() if line.strip()]
    except ValueError as error:
        return text_response(HTTPStatus.BAD_REQUEST, f"{error}\n"), _nothing

    def inject_all() -> None:
        for fault in faults:
            gateway.inject(fault)

    return _status(gateway, gateway.faults + [fault.text for fault in faults]), inject_all


def _clear(request: Request, gateway: Switches) -> tuple[Response, Afterwards]:
    try:
        for name in request.query.get("fault", [None]):
            gateway.clear(name)
    except ValueError as error:
        return text_response(HTTPStatus.BAD_REQUEST, f"{error}\n"), _nothing
    return _status(gateway, gateway.faults), _nothing
