"""The divided times: every time is divided, and nothing else is touched."""

import re

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.alerting.examples import RULES
from tests.alerting.faster import divided, faster_expression, faster_routes, faster_rules, milliseconds

UNITS = ("ms", "s", "m", "h")  # more than 49 days in ms are too many for the parser


@pytest.mark.parametrize("duration, by, expected", [
    ("10m", 60, "10s"),
    ("1h30m", 60, "90s"),
    ("15s", 60, "250ms"),
    ("1d", 60, "1440s"),
    ("0s", 60, "0s"),
    ("10ms", 60, "1ms"),
])  # fmt: skip
def test_divided_when_a_duration_is_given_then_it_is_shorter_but_not_nothing(duration, by, expected):
    """Compound durations are one, and only nought becomes nought."""
    assert divided(duration, by) == expected


@pytest.mark.parametrize("text", ["", "10", "m", "1m 30s", "5x", "-5m"])
def test_milliseconds_when_it_is_no_duration_then_it_is_refused(text):
    """A time that is not understood is not passed on undivided."""
    with pytest.raises(ValueError, match="is no duration"):
        milliseconds(text)


@pytest.mark.parametrize("expression, expected", [
    ("up == 0", "up == 0"),
    ("rate(a_total[5m])", "rate(a_total[5s])"),
    ("max_over_time((up == 0)[1h:1m]) > 0", "max_over_time((up == 0)[60s:1s]) > 0"),
    ("sum_over_time(a[10m:])", "sum_over_time(a[10s:])"),
    ("a offset 1h - a offset -30m", "a offset 60s - a offset -30s"),
    ("increase(site:winet2_pv_energy_kwh:local_day[ 2d ] offset 1d)",
     "increase(site:winet2_pv_energy_kwh:local_day[ 2880s ] offset 1440s)"),
    ('a{x="[5m] offset 1h"}', 'a{x="[5m] offset 1h"}'),
    ('a{x="\\"", y=~"z[5m]"}[5m]', 'a{x="\\"", y=~"z[5m]"}[5s]'),
    ("a{x='[5m]'}[5m] # over [5m]", "a{x='[5m]'}[5s] # over [5m]"),
    ("time() - a > 600", "time() - a > 600"),
    ("offset_5m + a5m", "offset_5m + a5m"),
])  # fmt: skip
def test_expression_when_it_has_times_then_these_and_no_others_are_divided(expression, expected):
    """Ranges, steps of subqueries and offsets; not what stands in texts, comments, names or numbers."""
    found = faster_expression(expression, 60)
    assert found == expected
    promql_parser.parse(found)


@given(
    parts=st.lists(
        st.tuples(st.integers(1, 99), st.sampled_from(UNITS)),
        min_size=1,
        max_size=3,
        unique_by=lambda p: p[1],
    ),
    by=st.integers(1, 100),
)
def test_expression_when_it_is_divided_then_the_parser_sees_the_same_query(parts, by):
    """Put back, it is the query that it was: whatever the duration, only durations change."""
    duration = "".join(f"{n}{unit}" for n, unit in sorted(parts, key=lambda p: -UNITS.index(p[1])))
    expression = f'sum by (x) (rate(a_total{{y=~"[{duration}]"}}[{duration}] offset {duration})) > 0'
    found = faster_expression(expression, by)
    shorter = divided(duration, by)
    assert found == f'sum by (x) (rate(a_total{{y=~"[{duration}]"}}[{shorter}] offset {shorter})) > 0'
    promql_parser.parse(found)


def test_rules_when_they_are_divided_then_all_else_stays():
    """Names, labels, annotations and order are the file's."""
    text = """
groups:
  - name: a
    interval: 1m
    rules:
      - {record: "winet:x_seconds:threshold", expr: 600}
      - alert: WinetX
        expr: avg_over_time(a[10m]) > on () group_left () winet:x_seconds:threshold
        for: 15m
        keep_firing_for: 5m
        labels: {severity: warning}
        annotations: {summary: "for 15m [5m]"}
"""
    assert yaml.safe_load(faster_rules(text, 60)) == {
        "groups": [
            {
                "name": "a",
                "interval": "1s",
                "rules": [
                    {"record": "winet:x_seconds:threshold", "expr": "600"},
                    {
                        "alert": "WinetX",
                        "expr": "avg_over_time(a[10s]) > on () group_left () winet:x_seconds:threshold",
                        "for": "15s",
                        "keep_firing_for": "5s",
                        "labels": {"severity": "warning"},
                        "annotations": {"summary": "for 15m [5m]"},
                    },
                ],
            }
        ]
    }


def test_routes_when_they_are_divided_then_children_are_too():
    """Every route's waits, at whatever depth, and nothing of receivers and inhibition."""
    text = """
route:
  receiver: a
  group_wait: 30s
  routes:
    - {receiver: a, group_interval: 5m, routes: [{receiver: a, repeat_interval: 4h}]}
receivers: [{name: a, webhook_configs: [{url: "http://a/", send_resolved: true}]}]
inhibit_rules: [{source_matchers: ['a="5m"'], target_matchers: ['b="c"'], equal: [d]}]
"""
    expected = yaml.safe_load(text)
    expected["route"]["group_wait"] = "500ms"
    expected["route"]["routes"][0]["group_interval"] = "5s"
    expected["route"]["routes"][0]["routes"][0]["repeat_interval"] = "240s"
    assert yaml.safe_load(faster_routes(text, 60)) == expected


def seen(expression: str) -> tuple[str, list[int]]:
    """What a parser makes of a query: its text without times and blanks, and the times in milliseconds."""
    text = promql_parser.parse(expression).prettify()
    times = r"(\[|:|offset -?)((?:\d+(?:ms|[smhdwy]))+)"
    bare = re.sub(r"\s", "", re.sub(times, r"\1T", text))  # lines break where shorter times would not
    return bare, [milliseconds(time) for _, time in re.findall(times, text)]


@pytest.mark.parametrize("path", sorted(RULES.glob("*.yml")), ids=lambda path: path.stem)
def test_rules_when_those_of_the_example_are_divided_then_a_parser_sees_the_same_but_for_times(path):
    """Every range and offset of every rule is a sixtieth, as another reader of PromQL sees it."""
    before, after = (
        [rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
        for text in (path.read_text("utf-8"), faster_rules(path.read_text("utf-8"), 60))
    )
    assert len(before) == len(after) > 0
    for old, new in zip(before, after, strict=True):
        (old_text, old_times), (new_text, new_times) = seen(str(old)), seen(new)
        assert new_text == old_text
        assert new_times == [round(time / 60) for time in old_times]
        without_texts = re.sub(r'"[^"]*"', "", str(old))
        assert len(old_times) == len(re.findall(r"\[\d|\boffset |\d[smhd]:", without_texts))
