"""Writes prometheusrule.yaml from the rule files of examples/prometheus/rules: `make manifests`.

The Prometheus operator takes rules as an object of Kubernetes. Each file's text below its `groups:` is taken
over as it stands, comments included, so that the two can be compared by eye.
"""

import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent
RULES = HERE.parent / "prometheus" / "rules"
MANIFEST = HERE / "prometheusrule.yaml"

HEAD = """\
# Made from examples/prometheus/rules by `make manifests`: change the rules there.
# For the Prometheus operator; its ruleSelector may want a label of its own, as with the ServiceMonitor.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: winet-exporter
  namespace: winet-exporter
  labels:
    app.kubernetes.io/name: winet-exporter
spec:
  groups:
"""


def groups_of(path: Path) -> str:
    """The list below `groups:`, moved to where the manifest wants it. Raises `ValueError` if it is none."""
    text = path.read_text("utf-8")
    document = yaml.safe_load(text)
    if not isinstance(document, dict) or list(document) != ["groups"] or not document["groups"]:
        raise ValueError(f"{path}: must have groups of rules, and nothing else")
    before, found, below = text.partition("groups:\n")
    if not found or any(line and not line.startswith("#") for line in before.splitlines()):
        raise ValueError(f"{path}: `groups:` must stand on a line of its own, below comments only")
    lines = below.splitlines()
    first = next(line for line in lines if line.strip() and not line.lstrip().startswith("#"))
    # two columns less than the list of the manifest, whatever the file's own indentation is
    margin = " " * (4 - (len(first) - len(first.lstrip())))
    return "".join(f"{margin}{line}\n" if line.strip() else "\n" for line in lines)


def render(folder: Path = RULES) -> str:
    """The whole manifest. Raises `ValueError` if there are no rules."""
    paths = sorted(folder.glob("*.yml"))
    if not paths:
        raise ValueError(f"{folder}: there are no rule files")
    return HEAD + "".join(f"    # {path.name}\n{groups_of(path)}" for path in paths)


def main() -> int:
    try:
        MANIFEST.write_text(render(), "utf-8")
    except ValueError as error:
        print(f"make_prometheusrule: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
