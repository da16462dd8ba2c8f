"""The workflows: valid, with actions that cannot be exchanged, and of rights no more than needed."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.stack.files import ROOT, document, installed, run

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PACKAGES = ROOT / "tests" / "packages"


def steps() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{path.name}: {job}", step)
        for path in WORKFLOWS
        for job, content in document(path)["jobs"].items()
        for step in content["steps"]
    ]


@pytest.mark.real
def test_workflows_when_the_schema_is_asked_then_they_keep_to_it(tmp_path):
    """Which is no empty promise: a misspelt key does not pass."""
    check = (installed("check-jsonschema"), "--builtin-schema", "vendor.github-workflows")
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "image.yml"]
    code, told = run(*check, *WORKFLOWS)
    assert code == 0, told
    wrong = tmp_path / "ci.yml"
    wrong.write_text(WORKFLOWS[0].read_text("utf-8").replace("runs-on", "run-on"), "utf-8")
    assert run(*check, wrong)[0] == 1


@pytest.mark.real
def test_dependabot_when_the_schema_is_asked_then_it_keeps_to_it():
    """What is named by commit or version is looked after."""
    path = ROOT / ".github" / "dependabot.yml"
    code, told = run(installed("check-jsonschema"), "--builtin-schema", "vendor.dependabot", path)
    assert code == 0, told


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_when_they_are_used_then_by_commit_with_the_version_beside_it(path: Path):
    """A tag can be moved by whoever owns the action; a commit cannot."""
    for line in re.findall(r"uses: (.+)$", path.read_text("utf-8"), re.MULTILINE):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_rights_when_a_workflow_runs_then_each_job_has_only_its_own(path: Path):
    """None by default; writing is for the one job that publishes, and never on a pull request."""
    workflow = document(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        writes = {right for right, how in job["permissions"].items() if how == "write"}
        assert writes == ({"packages"} if name == "publish" else set())
        if writes:
            assert job["if"] == "github.event_name == 'push'"
        assert job["timeout-minutes"]
    checkouts = [step for _, step in steps() if "actions/checkout" in step.get("uses", "")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_pythons_when_a_new_one_is_supported_then_it_is_tested():
    """The versions of the matrix are those of the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    supported = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert document(WORKFLOWS[0])["jobs"]["test"]["strategy"]["matrix"]["python"] == supported


def test_steps_when_they_call_make_then_there_is_such_a_target():
    """And the set-ups and test files that they name are there."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = {*re.findall(r"^([\w-]+):", makefile, re.MULTILINE), ".venv/.development"}
    called = [match for _, step in steps() for match in re.findall(r"make ([\w./-]+)", step.get("run", ""))]
    assert set(called) == {"test", "test-packages", ".venv/.development"}
    assert set(called) <= targets
    for where, step in steps():
        for setups in re.findall(r'SETUPS="(.*?)"', step.get("run", "")):
            assert all((PACKAGES / f"{name}.sh").exists() for name in setups.split()), where
        for test in re.findall(r"tests/\S+\.py", step.get("run", "")):
            assert (ROOT / test).exists(), where


def test_image_when_it_is_published_then_for_three_kinds_of_computer_with_its_papers():
    """64-bit PCs and Raspberry Pis, and the 32-bit ones; with provenance and a list of what is inside."""
    (build,) = [
        step["with"] for _, step in steps() if step.get("uses", "").startswith("docker/build-push-action")
    ]
    assert build["platforms"].split(",") == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    assert build["provenance"] == "mode=max"
    assert build["sbom"] is True
    given = re.findall(r"^(\w+)=", build["build-args"], re.MULTILINE)
    assert set(given) == set(
        re.findall(r"^ARG (\w+)=unknown", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    )
