"""A gateway that answers from a recording instead of from a plant."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exporter.simulator.answers import (
    Reply,
    fault_rows,
    listing,
    nought,
    read_failed,
    refused_service,
    success,
)
from exporter.simulator.printing import Document, Json, pretty
from exporter.simulator.profile import Profile, Recorded, load_profile
from exporter.simulator.replies import Answerer, Question

FORMAT = "winet-exporter capture"
VERSIONS = (1,)
ACCOUNTS = {"user": "pw1111"}
"""Passwords are in no recording; this is the factory's."""
REMOVED = "(removed)"
ABOUT_PAGE, LABELS_PAGE = "/about/list", "/i18n/en_US.properties"
VALUES = ("data_value", "voltage", "current")


def load_recording(path: Path) -> Profile:
    """The profile that a recording makes; ValueError if the file is none. Raises `OSError` too."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        raise ValueError(f"{path} is no recording: not JSON") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"{path} is no recording of 'winet-exporter capture'")
    if document.get("version") not in VERSIONS:
        raise ValueError(f"{path} is a recording of version {document.get('version')}, which is not known")
    try:
        return _profile(path.name, document)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is a damaged recording ({type(error).__name__}: {error})") from None


def _profile(name: str, document: Mapping[str, Any]) -> Profile:
    answers: dict[tuple[str, str], Document] = {}
    for exchange in document["exchanges"]:
        question = exchange["question"]
        key = question["service"], question.get("dev_id", "")
        for answer in exchange["answers"][-1:]:  # what came before it was pushed
            if key not in answers or answer.get("result_code") == 1:
                answers[key] = answer
    listed = _entries(answers.get(("devicelist", ""), {}))
    pages = document["pages"]
    about = pages.get(ABOUT_PAGE, {}).get("document")
    return dataclasses.replace(
        load_profile("SH5.0RS"),  # its plant stands still behind the recording
        name=f"recording {name}",
        model=str(listed[0].get("dev_model", "")) if listed else "",
        dongle="",
        firmware="",
        tls=document["transport"] == "wss",
        login_required=bool(document["login"]),
        accounts=ACCOUNTS,
        connect=_greeting(answers.get(("connect", ""), {})),
        login=_greeting(answers.get(("login", ""), {})),
        devices=(),
        recorded=Recorded(answers, about, pages.get(LABELS_PAGE, {}).get("status") == 200),
    )


def _greeting(answer: Document) -> dict[str, Json]:
    """What a gateway says at the beginning beside the token, which is a new one each time."""
    data = answer.get("result_data")
    fields = data if isinstance(data, Mapping) else {}
    own = ("service", "token", "passwd")
    return {name: value for name, value in fields.items() if value != REMOVED and name not in own}


def _entries(answer: Document) -> list[dict[str, Any]]:
    data = answer.get("result_data")
    entries = data.get("list") if isinstance(data, Mapping) else None
    return (
        [dict(entry) for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    )


class ReplayAnswerer(Answerer):
    """Answers from the profile's recording; a question that was not recorded is refused with 211."""

    def about(self) -> str | None:
        recorded = self._recorded()
        return None if recorded.about is None else pretty(recorded.about)

    def _recorded(self) -> Recorded:
        assert self._profile.recorded is not None
        return self._profile.recorded

    def _answer(self, question: Question) -> "Document | None":
        return self._recorded().answers.get((question.service, question.dev_id))

    def _device_service(self, question: Question) -> Reply:
        if self._take("device-vanishes", question):
            return read_failed()
        answer = self._answer(question)
        if answer is None:
            return refused_service()
        alter = self._changed(question)
        if alter is None:
            return Reply(answer)
        entries: list[Json] = [
            {n: alter(e, v) if n in VALUES else v for n, v in e.items()} for e in _entries(answer)
        ]
        return listing(question.service, entries)

    def _changed(self, question: Question) -> Callable[[Mapping[str, Any], Json], Json] | None:
        """What faults do to each value; None if there are none. Lifetime totals are known by their keys."""
        zeros = self._take("all-zeros", question)
        back = self._take("total-steps-back", question)
        spike = self._take("total-spikes", question)
        step = (spike.number("by") if spike else 0.0) - (back.number("by") if back else 0.0)
        if not zeros and not step:
            return None

        def alter(entry: Mapping[str, Any], value: Json) -> Json:
            if zeros:
                return nought(str(value))
            total = "_TOTAL_" in str(entry.get("data_name")) and entry.get("data_unit") == "kWh"
            try:
                return f"{float(str(value)) + step:.1f}" if total else value
            except ValueError:
                return value

        return alter

    def _plant_service(self, question: Question) -> Reply:
        match question.service:
            case "logout":
                return super()._plant_service(question)
            case "fault" if fault := self._take("device-fault", question):
                return listing("fault", fault_rows(fault))
        answer = self._answer(question)
        if answer is None:
            return refused_service()
        if question.service == "devicelist" and (gone := self._take("device-vanishes", question)):
            left = [entry for entry in _entries(answer) if str(entry.get("dev_id")) != gone.word("device")]
            return listing("devicelist", list(left))
        if question.service == "state" and self._take("device-fault", question):
            data = answer.get("result_data")
            return success("state", {**(data if isinstance(data, Mapping) else {}), "total_fault": "1"})
        return Reply(answer)
