"""From the flags of a command to the gateway they mean; shared by all commands that speak to one gateway.

HOST is a target of `--config.file`, or is described by the other flags. A password never comes from a
flag, for a command line can be seen by everybody on the machine.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from exporter import config, config_values

FLAGS = ("username", "password_file", "transport", "verify", "fingerprint")


def find_target(arguments: argparse.Namespace) -> tuple[config.Target, tuple[str, ...]]:
    """The target that the flags describe, or the configured one of that name or host; its catalogue files.

    Raises `ValueError` or `ConfigError` in words for the user.
    """
    if arguments.config_file is not None:
        given = [f"--{flag.replace('_', '-')}" for flag in FLAGS if getattr(arguments, flag) is not None]
        if given:
            raise ValueError(f"{', '.join(given)} and --config.file exclude each other: the file says it all")
        return find_in_file(arguments)
    raw: dict[str, Any] = {"host": arguments.host}
    for key in ("transport", "verify"):
        if getattr(arguments, key) is not None:
            raw[key] = getattr(arguments, key)
    if arguments.fingerprint:
        raw["fingerprints"] = [config_values.fingerprint(text) for text in arguments.fingerprint]
    return replace(described(raw), credentials=_account(arguments)), ()


def find_in_file(arguments: argparse.Namespace) -> tuple[config.Target, tuple[str, ...]]:
    """The configured target of that name or host, and the file's own catalogue files."""
    settings = config.load(Path(arguments.config_file))
    for target in settings.targets:
        if arguments.host in (target.name, target.host):
            return target, settings.catalogue_files
    raise ValueError(f"{arguments.config_file} has no target named {arguments.host!r}")


def described(raw: dict[str, Any]) -> config.Target:
    """A target as it would be written in a configuration file. Raises `ConfigError`."""
    # JSON is YAML: the flags go through the same strict check as a file
    text = json.dumps({"targets": [raw]})
    return config.parse(text, source="command line", folder=Path.cwd()).targets[0]


def _account(arguments: argparse.Namespace) -> config.Credentials | None:
    if arguments.username is None:
        arguments.username = os.environ.get("WINET_USERNAME") or None
    if arguments.username is None:
        if arguments.password_file is not None:
            raise ValueError("--password-file needs --username")
        return None
    if arguments.password_file is not None:
        account = config.Credentials(username=arguments.username, password_file=arguments.password_file)
        account.read_password()
        return account
    password = os.environ.get("WINET_PASSWORD")
    if password is None and sys.stdin.isatty():
        try:
            password = getpass.getpass(f"Password of {arguments.username}: ")
        except EOFError:  # Ctrl-D: as an empty line
            print(file=sys.stderr)
    if not password:
        raise ValueError(
            "--username needs a password: --password-file, WINET_PASSWORD, or a terminal to ask on"
        )
    return config.Credentials(username=arguments.username, password=config.Secret(password))


def warn_of_login(target: config.Target, host: str) -> None:
    """Before anything is sent: a gateway knows one user at a time."""
    if target.credentials is not None:
        words = f"Logging in at {host}; whoever else is logged in there is thrown out."
    else:
        words = f"Reading {host}; if it asks for a login, whoever else is logged in is thrown out."
    print(words, file=sys.stderr)
