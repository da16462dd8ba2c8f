"""`--print-completion SHELL`: a script that completes commands and flags, made from the parser itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import shtab


def print_script(parser: argparse.ArgumentParser, shell: str) -> None:
    for action in _actions(parser):
        if action.metavar == "FILE":
            # that is how shtab wants to be told
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001  argparse has no other way to look at a parser
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for below in action.choices.values():
                yield from _actions(below)
