"""The question for a password, on a terminal: what is no password ends in one sentence."""

import os
import pty
import subprocess
import sys

import pytest

from tests.commands.running import clean_environment

NOWHERE = "127.0.0.1:9"  # nothing is dialled before there is a password


def answered(command: str, keys: bytes) -> tuple[int, str]:
    """Exit code and standard error of a command whose question for the password got these keys."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "exporter", command, NOWHERE, "--username=user"]
    if command == "capture":
        words.append("--output=unused.json")
    with subprocess.Popen(
        words, stdin=theirs, stderr=subprocess.PIPE, env=clean_environment(), start_new_session=True
    ) as process:
        assert process.stderr is not None
        said = b""
        while not said.endswith(b": ") and (more := process.stderr.read1(100)):
            said += more  # keys that come before the question are thrown away
        os.write(ours, keys)
        said += process.stderr.read()
    os.close(theirs)
    os.close(ours)
    return process.returncode, said.decode()


@pytest.mark.real
@pytest.mark.parametrize("keys", [b"\x04", b"\n"], ids=["Ctrl-D", "nothing"])
@pytest.mark.parametrize("command", ["read", "doctor", "capture"])
def test_prompt_when_no_password_is_given_then_a_sentence_tells_what_to_do(command, keys):
    """The end of the input is like an empty line: wrong usage, and no traceback."""
    assert answered(command, keys) == (
        2,
        f"Password of user: \nwinet-exporter {command}: --username needs a password: "
        "--password-file, WINET_PASSWORD, or a terminal to ask on\n",
    )
