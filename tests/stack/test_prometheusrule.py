"""The rules as an object of the Prometheus operator: those of Prometheus' own files, and made from them."""

import importlib.util

import pytest
import yaml

from tests.prometheus import tool
from tests.stack.files import EXAMPLES, document, run

FOLDER = EXAMPLES / "kubernetes"
MOST_BYTES = 512 * 1024  # the operator puts rules into ConfigMaps, which hold 1 MiB at most

_spec = importlib.util.spec_from_file_location("make_prometheusrule", FOLDER / "make_prometheusrule.py")
assert _spec is not None
assert _spec.loader is not None
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)


@pytest.mark.real
def test_rules_when_promtool_checks_those_of_the_manifest_then_they_are_good(tmp_path):
    """They are rules still, as many as there are in Prometheus' own files."""
    spec = document(FOLDER / "prometheusrule.yaml")["spec"]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump(spec), "utf-8")
    code, told = run(tool("promtool"), "check", "rules", path)
    assert code == 0, told
    there = sum(
        len(group["rules"])
        for file in (EXAMPLES / "prometheus" / "rules").glob("*.yml")
        for group in document(file)["groups"]
    )
    assert f"SUCCESS: {there} rules found" in told


def test_prometheusrule_when_it_is_made_anew_then_nothing_changes():
    """It is current; `make manifests` brings it up to date."""
    text = (FOLDER / "prometheusrule.yaml").read_text("utf-8")
    assert text == maker.render(), "run: make manifests"
    assert len(text.encode()) < MOST_BYTES


def test_prometheusrule_when_it_is_read_then_it_has_the_groups_of_the_files():
    """Not a rule, label or annotation is lost or changed by being moved."""
    groups = [
        group
        for file in sorted((EXAMPLES / "prometheus" / "rules").glob("*.yml"))
        for group in document(file)["groups"]
    ]
    assert document(FOLDER / "prometheusrule.yaml")["spec"] == {"groups": groups}


@pytest.mark.parametrize("indent", ["", "  ", "    "])
def test_render_when_a_rule_file_is_indented_otherwise_then_its_groups_are_the_same(tmp_path, indent):
    """Comments, blank lines and texts of several lines come along."""
    text = (
        "# about\n\ngroups:\n"
        "# first\n- name: a\n  rules:\n\n  - record: x\n    expr: |\n      up\n        == 0\n"
    )
    head, _, body = text.partition("groups:\n")
    moved = "".join(f"{indent}{line}" if line.strip() else line for line in body.splitlines(keepends=True))
    (tmp_path / "a.yml").write_text(f"{head}groups:\n{moved}", "utf-8")
    (tmp_path / "b.yml").write_text("groups:\n- {name: b, rules: []}\n", "utf-8")
    made = maker.render(tmp_path)
    assert yaml.safe_load(made)["spec"]["groups"] == [
        {"name": "a", "rules": [{"record": "x", "expr": "up\n  == 0\n"}]},
        {"name": "b", "rules": []},
    ]
    assert "# first\n" in made


@pytest.mark.parametrize("text, told", [
    ("groups: []\n", "must have groups"), ("groups: [{name: a, rules: []}]\n", "a line of its own"),
    ("x: 1\ngroups:\n- {name: a, rules: []}\n", "nothing else"), ("", "must have groups"),
])  # fmt: skip
def test_main_when_a_rule_file_is_none_then_it_says_which_and_writes_nothing(
    tmp_path, monkeypatch, capsys, text, told
):
    """What cannot be moved as text is refused, not moved wrongly."""
    (tmp_path / "odd.yml").write_text(text)
    monkeypatch.setattr(maker, "render", lambda render=maker.render: render(tmp_path))
    monkeypatch.setattr(maker, "MANIFEST", tmp_path / "made.yaml")
    assert maker.main() == 1
    error = capsys.readouterr().err
    assert "odd.yml" in error
    assert told in error
    assert not (tmp_path / "made.yaml").exists()


def test_main_when_there_are_no_rule_files_then_it_says_so(tmp_path):
    """An empty folder is a mistake, not a manifest without alerts."""
    with pytest.raises(ValueError, match="there are no rule files"):
        maker.render(tmp_path)
