"""The Dockerfile: a linter has nothing to say, and what others rely on is in it."""

import json
import re

import pytest

from exporter import DEFAULT_PORT
from tests.stack.files import ROOT, USER, exporter_takes, installed, run

TEXT = (ROOT / "Dockerfile").read_text("utf-8")
FINAL = TEXT.rpartition("\nFROM ")[2].replace("\\\n", "")


def instruction(name: str) -> str:
    """The words of the one instruction of this name in the final stage."""
    (words,) = re.findall(rf"^{name} +(.+)$", FINAL, re.MULTILINE)
    return str(words)


@pytest.mark.real
def test_dockerfile_when_the_linter_looks_at_it_then_it_finds_nothing(tmp_path):
    """And it would find something: a package installed carelessly is told of."""
    assert run(installed("hadolint"), ROOT / "Dockerfile") == (0, "")
    careless = tmp_path / "Dockerfile"
    careless.write_text(TEXT + "RUN apt-get install curl\n", "utf-8")
    code, told = run(installed("hadolint"), careless)
    assert code == 1
    assert "DL3008" in told


def test_image_when_it_is_run_then_its_user_is_a_number_and_not_root():
    """Kubernetes' runAsNonRoot cannot look names up."""
    assert instruction("USER") == f"{USER}:{USER}"


def test_image_when_its_commands_are_read_then_the_exporter_knows_them():
    """Entry point, arguments, health check and port fit the program."""
    assert json.loads(instruction("ENTRYPOINT")) == ["/opt/venv/bin/winet-exporter"]
    assert exporter_takes(json.loads(instruction("CMD"))).config_file == "/etc/winet-exporter/winet.yml"
    (check,) = re.findall(r"CMD (\[.*\])$", instruction("HEALTHCHECK"))
    program, *words = json.loads(check)
    assert program == "/opt/venv/bin/winet-exporter"
    assert exporter_takes(words).url == f"http://127.0.0.1:{DEFAULT_PORT}/-/healthy"
    assert instruction("EXPOSE") == str(DEFAULT_PORT)


def test_build_context_when_files_are_added_to_the_repository_then_they_stay_out():
    """Nothing is sent to the builder but what is named: no password beside the sources gets into an image."""
    lines = [
        line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and line[0] != "#"
    ]
    assert lines[0] == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert kept == {"exporter", "LICENSE", "README.md", "pyproject.toml"}
    copied = set(re.findall(r"[\w./]+", " ".join(re.findall(r"^COPY (?!--from)(.+)$", TEXT, re.MULTILINE))))
    assert {word.removeprefix("./") for word in copied} - {""} == kept
