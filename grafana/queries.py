"""PromQL that the boards share: which series a board is about, and how they get names that people know.

Everything is chosen by `$job`, `$target` and `$device`; what is recorded for sites by `$job` and `$site`.
"""

from dataclasses import dataclass

TARGETS = 'job=~"$job",target=~"$target"'
DEVICES = f'{TARGETS},device=~"$device"'
SITES = 'job=~"$job",site=~"$site"'
JOBS = 'job=~"$job"'

OF_DEVICE = "job,instance,target,device"
OF_TARGET = "job,instance,target"
OF_STRING = f"{OF_DEVICE},string"


@dataclass(frozen=True)
class Query:
    """One question of a panel. `instant` asks for the end of the range only, `step` is the least step."""

    expr: str
    legend: str = ""
    instant: bool = False
    table: bool = False
    step: str = ""


def device(metric: str, /, **labels: str) -> str:
    """The chosen devices' series of a metric; further labels as `"value"`, `"!other than"`, `"~pattern"`."""
    return f"{metric}{{{DEVICES}{_matchers(labels)}}}"


def target(metric: str, /, **labels: str) -> str:
    """The chosen targets' series of a metric; further labels as in `device`."""
    return f"{metric}{{{TARGETS}{_matchers(labels)}}}"


def site(name: str) -> str:
    """What is recorded for sites, of the chosen ones to which a chosen target belongs."""
    return f"({name}{{{SITES}}} and on (job,site) target:winet2_site:info{{{TARGETS}}})"


def _matchers(labels: dict[str, str]) -> str:
    operators = {"!": "!=", "~": "=~"}
    found = ((name, operators.get(value[:1]), value) for name, value in labels.items())
    return "".join(
        f',{name}{operator}"{value[1:]}"' if operator else f',{name}="{value}"'
        for name, operator, value in found
    )


def named(expr: str, kinds: str = ".+") -> str:
    """Series of devices of some kinds with the label `name`: by the configuration, else the gateway's."""
    info = device("winet2_device_info") if kinds == ".+" else device("winet2_device_info", kind=f"~{kinds}")
    return f"{expr} * on ({OF_DEVICE}) group_left (name) {info}"


def own_reading(metric: str) -> str:
    """A battery's quantity from one source: the hybrid's reading, else that of the battery devices."""
    series = device(metric)
    hybrids = f"{series} and on ({OF_DEVICE}) {device('winet2_device_info', kind='!battery')}"
    return f"({hybrids} or ({series} unless on ({OF_TARGET}) ({hybrids})))"


def inverters(expr: str) -> str:
    """Of inverters and hybrids only: a battery device counts again what its inverter counts."""
    return f"{expr} and on ({OF_DEVICE}) {device('winet2_device_info', kind='~inverter|hybrid')}"


def string_named(expr: str, metric: str) -> str:
    """Series made of a string's metric with the label `input`: the configured name, else the number."""
    info = device("winet2_string_info", name="!")
    own = f'label_replace({info}, "input", "$1", "name", "(.+)")'
    # anything to the power of nought is 1: factors that only bring a label
    names = f"{own} or on ({OF_STRING}) {numbered(f'{device(metric)} ^ 0', 'String', 'string')}"
    return f"{expr} * on ({OF_STRING}) group_left (input) ({names})"


def numbered(expr: str, word: str, label: str) -> str:
    """Series with the label `input`, made of a word and the number in another label."""
    return f'label_replace({expr}, "input", "{word} $1", "{label}", "(.+)")'
