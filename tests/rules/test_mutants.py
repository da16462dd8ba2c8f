"""The stories are worth something: a rule with one thing wrong makes one of them fail."""

import os
import re
import subprocess
from pathlib import Path

import promql_parser
import pytest
import yaml

from tests.prometheus import tool
from tests.rules import mutants, rule_files
from tests.rules.rule_files import TEST_FILES, Rule

PROMTOOL3 = os.environ.get("PROMTOOL3", "")
# What may be wrong without any story that could notice. promtool evaluates all groups at every step, so that
# the history, which has steps of 15 minutes in truth, is never older than the total itself. And what battery
# devices count is asked for only where no hybrid counts, so that a hybrid among them makes no difference.
# A site that was renamed within the hour has two names in it, and which of them comes first is chance.
ALIKE = re.compile(
    r"device:winet2_energy_joules:day/\w+: without: .* or on \(job, target, device\)"
    r"|device:winet2_energy_joules:\w+/battery_\w+_bms: without: and on .*"
    r"|WinetDataStale: without: max by \(job, target\) \(winet2_last_refresh_timestamp_seconds\) or"
    r"|site:winet2_incomplete_targets:count: without: target:winet2_site:info or on \(job, target\)"
)

RULES = {"/".join(filter(None, mutants.key_of(rule))): rule for rule in rule_files.rules()}
MUTABLE = {name: rule for name, rule in RULES.items() if not name.startswith("target:winet_")}


def passes(folder: Path, rules: object, tests: object) -> bool:
    """Whether a story ends as it should with these rules."""
    (folder / "rules.yml").write_text(yaml.safe_dump(rules, sort_keys=False), "utf-8")
    (folder / "tests.yml").write_text(yaml.safe_dump(tests, sort_keys=False), "utf-8")
    command = [PROMTOOL3 or tool("promtool"), "test", "rules", folder / "tests.yml"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def survivors(rule: Rule, folder: Path) -> list[str]:
    """What can be wrong with a rule without any story that notices."""
    name = mutants.name_of(rule)
    return [
        " ".join(mutant.what.split())
        for mutant in mutants.mutants(rule)
        if all(passes(folder, *documents) for documents in mutants.documents(name, mutant.rule))
    ]


@pytest.mark.packages
@pytest.mark.timeout(900)
@pytest.mark.parametrize("label", MUTABLE)
def test_rule_when_one_thing_in_it_is_wrong_then_a_story_fails(label, tmp_path):
    """Each condition, number, time and severity is held by a story, as far as one can."""
    left = [f"{label}: {what}" for what in survivors(MUTABLE[label], tmp_path)]
    assert [what for what in left if not ALIKE.fullmatch(what)] == []


@pytest.mark.packages
@pytest.mark.timeout(900)
def test_stories_when_nothing_is_wrong_then_each_ends_well_with_the_rules_it_needs(tmp_path):
    """Otherwise mutants would be found out for no merit of the stories."""
    seen = set()
    for rule in MUTABLE.values():
        for rules, tests in mutants.documents(mutants.name_of(rule)):
            name = tests["tests"][0]["name"]
            if name not in seen:
                seen.add(name)
                assert passes(tmp_path, rules, tests), name
    assert seen == {story["name"] for path in TEST_FILES for story in rule_files.load(path)["tests"]}


def test_mutants_when_they_are_made_then_each_is_promql_and_another():
    """One that does not parse would fail every story and prove nothing."""
    for label, rule in MUTABLE.items():
        for mutant in mutants.mutants(rule):
            promql_parser.parse(mutant.rule["expr"])
            assert mutant.rule != rule, label
