"""Log lines: a constant message, fields beside it, and one line whatever they hold."""

import io
import json
import logging
import shlex
import sys
from collections.abc import Iterator

import pytest

from exporter import logs
from exporter.logs import JsonLines, Logfmt, TargetLog
from exporter.telemetry import Reason


class Lines:
    """A logger of its own and what it has written."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self._stream = io.StringIO()
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(formatter)
        self.logger = logging.getLogger("tests.lines")
        self.logger.setLevel(logging.DEBUG)
        self.logger.propagate = False
        self.logger.handlers = [handler]

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def logfmt(self) -> dict[str, str]:
        (line,) = self.text.splitlines()
        return dict(part.split("=", 1) for part in shlex.split(line))

    def json(self) -> dict[str, object]:
        (line,) = self.text.split("\n")[:-1]
        return json.loads(line)


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, given back as it was."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    logger.handlers = []
    yield logger
    logger.handlers = handlers
    logger.setLevel(level)


def test_logfmt_when_a_line_is_written_then_time_level_and_message_lead_it():
    """`ts`, `level`, `msg`, then the fields in their order."""
    lines = Lines(Logfmt())
    TargetLog(lines.logger, "roof").info("devices listed", extra={"devices": 3})
    assert list(lines.logfmt()) == ["ts", "level", "msg", "target", "devices"]
    assert lines.text.endswith(' level=info msg="devices listed" target=roof devices=3\n')


def test_json_lines_when_a_line_is_written_then_it_is_one_object():
    """The same parts as JSON."""
    lines = Lines(JsonLines())
    TargetLog(lines.logger, "roof").warning("login refused", extra={"reason": Reason.BUSY, "code": 115})
    parts = lines.json()
    assert parts.pop("ts").endswith("+00:00")
    assert parts == {"level": "warn", "msg": "login refused", "target": "roof", "reason": "busy", "code": 115}


@pytest.mark.parametrize(
    "level, name",
    [(logging.DEBUG, "debug"), (logging.INFO, "info"), (logging.WARNING, "warn"), (logging.ERROR, "error")],
)
def test_logfmt_when_a_level_is_written_then_by_the_name_of_the_flag(level, name):
    """The levels are called as `--log.level` calls them."""
    lines = Lines(Logfmt())
    lines.logger.log(level, "x")
    assert lines.logfmt()["level"] == name
    assert name in logs.LEVELS


@pytest.mark.parametrize(
    "value, written",
    [
        ("plain", "plain"),
        (7, "7"),
        (None, "None"),
        (Reason.BUSY, "busy"),
        ("", '""'),
        ("two words", '"two words"'),
        ('a"b', '"a\\"b"'),
        ("a=b", '"a=b"'),
        ("a\\b", '"a\\\\b"'),
        ("a\nlevel=error", '"a\\nlevel=error"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("für", "für"),
        ("25 ℃", '"25 ℃"'),
    ],
)
def test_logfmt_when_a_value_is_not_plain_then_it_is_quoted(value, written):
    """No value can end its line or begin another field."""
    lines = Lines(Logfmt())
    lines.logger.info("x", extra={"fields": {"field": value}})
    assert lines.text.split(" field=", 1)[1] == written + "\n"


@pytest.mark.parametrize("formatter", [Logfmt(), JsonLines()])
def test_format_when_there_is_a_traceback_then_it_stays_on_its_line(formatter):
    """A traceback is a field, not twenty lines."""
    lines = Lines(formatter)
    try:
        raise ZeroDivisionError("by nought")
    except ZeroDivisionError as error:
        TargetLog(lines.logger, "roof").error("internal error", exc_info=error)
    assert lines.text.count("\n") == 1
    assert "ZeroDivisionError: by nought" in lines.text
    assert "Traceback" in lines.text


def test_format_when_there_is_no_exception_then_there_is_no_traceback():
    """`exc_info=True` outside an except clause adds nothing."""
    record = logging.makeLogRecord({"msg": "x", "exc_info": (None, None, None)})
    assert set(json.loads(JsonLines().format(record))) == {"ts", "level", "msg"}


def test_json_lines_when_a_field_is_no_json_then_it_is_text():
    """A field of any type is written as its text."""
    lines = Lines(JsonLines())
    TargetLog(lines.logger, "roof").info("x", extra={"error": ValueError("bad"), "endpoint": ("a", 1)})
    assert lines.json()["error"] == "bad"


def test_target_log_when_the_line_has_no_fields_then_it_names_its_target():
    """Every line of a session tells whose it is."""
    lines = Lines(Logfmt())
    TargetLog(lines.logger, "roof").info("x")
    assert lines.logfmt()["target"] == "roof"


@pytest.mark.parametrize(
    "level, number",
    [("debug", logging.DEBUG), ("info", logging.INFO), ("warn", logging.WARNING), ("error", logging.ERROR)],
)
def test_configure_when_a_level_is_chosen_then_it_holds_for_all(root, level, number):
    """Each level of the flag sets the root logger."""
    logs.configure(level, "logfmt")
    assert root.level == number


@pytest.mark.parametrize("style, kind", [("logfmt", Logfmt), ("json", JsonLines)])
def test_configure_when_called_twice_then_there_is_one_handler_to_stderr(root, style, kind):
    """Lines go to stderr, once, in the form that was chosen."""
    logs.configure("info", "logfmt")
    logs.configure("info", style)
    (handler,) = root.handlers
    assert handler.stream is sys.stderr
    assert type(handler.formatter) is kind


def test_configure_when_debugging_then_libraries_stay_quiet(root):
    """Neither asyncio's own lines nor one line per scrape are written."""
    logs.configure("debug", "logfmt")
    for name in ("asyncio", "aiohttp.access"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
