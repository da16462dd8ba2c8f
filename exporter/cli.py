"""The command line: flags and commands. Each command lives in its own module under `commands`."""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

from exporter import DEFAULT_PORT, __version__
from exporter.logs import LEVELS

DONE, BAD, WRONG_USAGE = 0, 1, 2
COMMANDS = {
    "serve": "run the exporter (the default; the word may be left out)",
    "demo": "run the exporter with a simulated plant: no hardware, no configuration",
    "check-config": "name every mistake in a configuration file",
    "read": "read every device of one gateway once and print it",
    "doctor": "take every step towards a gateway's readings and explain the one that fails",
    "discover": "search a network for gateways and print them as configuration",
    "fingerprint": "print the SHA-256 of a gateway's certificate as the line that pins it",
    "capture": "record one session with a gateway, scrubbed, to show an unknown device",
    "simulate": "run a simulated gateway",
    "healthcheck": "ask a running exporter whether it is alive",
}


class Parser(argparse.ArgumentParser):
    """Of the program, or of one of its commands."""

    commands: Mapping[str, Parser] = MappingProxyType({})

    def check_flags(self, words: Iterable[str]) -> None:
        """Refuse a flag that there is not, before anything else is found to be wrong because of it."""
        for word in itertools.takewhile(lambda word: word != "--", words):
            flag = word.partition("=")[0]
            if flag.startswith("--") and flag not in self._option_string_actions:
                known = (name for name in self._option_string_actions if name.startswith("--"))
                near = _nearest(flag, known)
                self.error(f"there is no flag {flag}{near and f'; did you mean {near}?'}")

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USAGE, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


class _PrintCompletion(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *rest: Any) -> NoReturn:
        importlib.import_module("exporter.commands.completion").print_script(parser, rest[1])
        parser.exit(DONE)


def make_parser() -> Parser:
    parser = Parser(
        prog="winet-exporter",
        description="Prometheus exporter for Sungrow inverters behind WiNet gateways.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"winet-exporter, version {__version__} (Python {_python()})"
    )
    parser.add_argument(
        "--print-completion", action=_PrintCompletion, choices=("bash", "zsh"), metavar="SHELL",
        help="print a script that completes commands and flags in bash or zsh",
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    subparsers = {
        name: commands.add_parser(name, help=text, description=text.capitalize() + ".", allow_abbrev=False)
        for name, text in COMMANDS.items()
    }
    _serve_flags(subparsers["serve"])
    _demo_flags(subparsers["demo"])
    subparsers["check-config"].add_argument("file", metavar="FILE", nargs="?")
    _web_config_flag(subparsers["check-config"], "check this web configuration, too or instead")
    _read_flags(subparsers["read"])
    _target_flags(subparsers["doctor"])
    _json_flag(subparsers["doctor"], "print the steps as JSON")
    _discover_flags(subparsers["discover"])
    _fingerprint_flags(subparsers["fingerprint"])
    _capture_flags(subparsers["capture"])
    _simulate_flags(subparsers["simulate"])
    subparsers["healthcheck"].add_argument(
        "url", metavar="URL", nargs="?", default=f"http://127.0.0.1:{DEFAULT_PORT}/-/healthy"
    )
    levels = {"serve": "info", "demo": "info", "simulate": "warn"}
    for name in ("serve", "demo", "read", "doctor", "discover", "fingerprint", "capture", "simulate"):
        _log_flags(subparsers[name], levels.get(name, "error"))
    parser.commands = subparsers
    return parser


def _serve_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config.file", dest="config_file", metavar="FILE",
        help="configuration; without it WINET_HOST and its fellows in the environment name one target",
    )  # fmt: skip
    _listen_flags(parser, f":{DEFAULT_PORT}")
    parser.add_argument("--web.external-url", dest="external_url", metavar="URL",
                        help="how browsers reach the exporter, if not by its address")  # fmt: skip
    parser.add_argument("--web.enable-lifecycle", dest="lifecycle", action="store_true",
                        help="allow POST to /-/reload, /-/pause and /-/resume")  # fmt: skip
    parser.add_argument("--storage.path", dest="storage_path", metavar="DIR",
                        help="keep refused logins and seen TLS over restarts (default: off)")  # fmt: skip
    parser.add_argument("--shard", type=int, default=0, metavar="N",
                        help="which part of the targets to look after (default: %(default)d)")  # fmt: skip
    parser.add_argument("--total-shards", type=int, default=1, metavar="N",
                        help="how many parts there are (default: %(default)d)")  # fmt: skip


def _demo_flags(parser: argparse.ArgumentParser) -> None:
    _listen_flags(parser, None)
    parser.add_argument(
        "--speed", type=float, default=60.0, metavar="N",
        help="simulated seconds that pass in one second (default: %(default)g; a day takes 24 minutes)",
    )  # fmt: skip


def _listen_flags(parser: argparse.ArgumentParser, default: str | None) -> None:
    shown = default or f"127.0.0.1:{DEFAULT_PORT}, or a free port if that is taken"
    parser.add_argument(
        "--web.listen-address", dest="listen", metavar="ADDRESS", action="append",
        help=f"HOST:PORT or :PORT to listen on, repeatable (default: {shown})",
    )  # fmt: skip
    parser.add_argument(
        "--web.telemetry-path", dest="telemetry_path", metavar="PATH", default="/metrics",
        help="path of the metrics (default: %(default)s)",
    )  # fmt: skip
    _web_config_flag(
        parser, "TLS, client certificates and users, see docs/security.md (default: none of them)"
    )


def _web_config_flag(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--web.config.file", dest="web_config_file", metavar="FILE", help=text)


def _target_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "host", metavar="HOST", help="name or address of a gateway, or a target of --config.file"
    )
    parser.add_argument(
        "--config.file", dest="config_file", metavar="FILE", help="take HOST from this configuration"
    )
    parser.add_argument("--username", help="account to log in with; the password comes from --password-file, "
                        "the environment variable WINET_PASSWORD, or a prompt")  # fmt: skip
    parser.add_argument("--password-file", metavar="FILE", help="file whose first line is the password")
    parser.add_argument("--transport", choices=("auto", "wss", "ws"), help="default: auto")
    parser.add_argument(
        "--verify", choices=("bypass", "pinned", "strict"), help="how to check the certificate"
    )
    parser.add_argument(
        "--fingerprint", action="append", metavar="SHA256", help="pin this certificate, repeatable"
    )


def _read_flags(parser: argparse.ArgumentParser) -> None:
    _target_flags(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--unmapped", action="store_true", help="print the keys without an entry in the "
                        "catalogue, with the gateway's own labels, as a draft of an own one")  # fmt: skip


def _json_flag(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--json", action="store_true", help=text)


def _discover_flags(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Search a private network for gateways. Each is asked for a WebSocket and a `connect`, without a "
        "login; no password is ever sent. Stop the exporter first: a gateway bears one client well."
    )
    parser.add_argument(
        "network", metavar="CIDR", help="such as 192.168.1.0/24: private, and at most a /20 (IPv6: /116)"
    )
    parser.add_argument(
        "--port", type=int, action="append", default=[], metavar="N",
        help="look at this port too, repeatable (443 and 8082 always are)",
    )  # fmt: skip
    _json_flag(parser, "print JSON instead of YAML")


def _fingerprint_flags(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print the SHA-256 of a gateway's certificate as the line of the configuration that pins it. "
        "All gateways are said to share one certificate: a pin proves a WiNet, not yours."
    )
    parser.add_argument(
        "host", metavar="HOST", help="name or address of a gateway, or a target of --config.file"
    )
    parser.add_argument(
        "--config.file", dest="config_file", metavar="FILE", help="take HOST from this configuration"
    )
    _json_flag(parser, "print JSON instead of a line of YAML")


def _capture_flags(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Record one session with a gateway: every service of every device once. Only what is known to be "
        "harmless is written as it is (keys, numbers with units, models, versions); all else is replaced by "
        "made-up words. Play it with: winet-exporter simulate --replay FILE."
    )
    _target_flags(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="where to write the recording")
    parser.add_argument("--force", action="store_true", help="overwrite FILE if it is there")


def _simulate_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile", metavar="P", default="SH5.0RS", help="a plant's recording (default: %(default)s)"
    )
    parser.add_argument("--replay", metavar="FILE", help="answer from a recording of `capture` instead")
    parser.add_argument("--list-profiles", action="store_true", help="name the profiles and end")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="port to listen on (default: a free one)"
    )
    parser.add_argument(
        "--tls", action=argparse.BooleanOptionalAction, help="speak TLS or not (default: as the profile)"
    )
    parser.add_argument("--fault", action="append", default=[], metavar="F",
                        help="begin with a fault, such as silence or drop:times=3; repeatable")  # fmt: skip
    parser.add_argument("--speed", type=float, default=1.0, metavar="N",
                        help="simulated seconds that pass in one second (default: %(default)g)")  # fmt: skip


def _log_flags(parser: argparse.ArgumentParser, level: str) -> None:
    parser.add_argument(
        "--log.level", dest="log_level", choices=LEVELS, default=level, help="default: %(default)s"
    )
    parser.add_argument("--log.format", dest="log_format", choices=("logfmt", "json"), default="logfmt",
                        help="default: %(default)s")  # fmt: skip


def _parse(words: list[str]) -> argparse.Namespace:
    """The arguments; what is wrong with them is told by the parser of the command, which knows its flags."""
    parser = make_parser()
    command = parser.commands.get(words[0], parser)
    if command is not parser:
        command.check_flags(words[1:])
    arguments, left = parser.parse_known_args(words)
    if left:
        command.error(f"{left[0]} is one word too many")
    return arguments


def _nearest(word: str, known: Iterable[str]) -> str:
    from exporter.strict_yaml import nearest  # for mistakes only

    return nearest(word, known) or ""


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. 0 done, 1 the thing asked about is bad, 2 wrong usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    alone = ("-h", "--help", "--version", "--print-completion")
    if not words or (words[0] not in COMMANDS and words[0].partition("=")[0] not in alone):
        if words and not words[0].startswith("-"):
            near = _nearest(words[0], COMMANDS)
            hint = f"; did you mean {near}?" if near else "."
            make_parser().error(f"there is no command {words[0]!r}{hint} Commands: {', '.join(COMMANDS)}")
        words.insert(0, "serve")
    arguments = _parse(words)
    module = importlib.import_module(f"exporter.commands.{arguments.command.replace('-', '_')}")
    try:
        code: int = module.run(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return code
