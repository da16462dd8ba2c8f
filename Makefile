# make demo   makes the environment and runs the exporter on a simulated plant
# make test   makes the environment, installs what the tests need (make tools), and runs lint, types and every test
# make test-unit   the fast tests only: no outside programs, no simulated gateway, nothing is installed
# make test-packages   runs the tests that need what is not installed: the built image, Compose, a newer Prometheus
# make lint   ruff and mypy, strict
# make tools   installs the Debian packages of the programs that tests start, if one is missing
# make bench   what the exporter costs, against floors; ten minutes, ends with 1 if a limit is exceeded
# make docs   writes the tables of docs/metrics.md from the catalogue
# make dashboards   writes grafana/dashboards/*.json from the boards in grafana/boards
# make manifests   writes the rules for Kubernetes from those for Prometheus
# make pictures   draws docs/pictures/*.png: the boards on a simulated day, with Grafana's components from npm
# make faults   lives through every fault and writes the tables of docs/faults.md; a minute or two
# make soak   twenty minutes of an exporter and 200 gateways in trouble; prints what is left of it
# make storm   a thousand gateways vanish and return together, for hours on a clock made of jumps; ten minutes
# make clean   removes the environment and what tests and tools have left behind

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	command -v $$python >/dev/null && $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
# Debian's programs that tests start, and the packages they are in
TOOLS = promtool prometheus prometheus-alertmanager amtool chromium
TOOL_PACKAGES = prometheus prometheus-alertmanager chromium

.PHONY: demo test test-unit test-packages lint bench docs dashboards manifests pictures faults soak storm clean tools
.DEFAULT_GOAL := test

demo: $(VENV)/.runtime
	@exec $(BIN)/winet-exporter demo

test: lint tools
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not packages" --cov --cov-report=term

test-unit: $(VENV)/.development
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not real and not wire and not packages"

test-packages: $(VENV)/.development
	PYTHON=$(BIN)/python tests/packages/run.sh

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.development
	$(BIN)/python -m benchmarks

docs: $(VENV)/.runtime
	$(BIN)/python docs/make_metrics.py

dashboards: $(VENV)/.development
	$(BIN)/python -m grafana

manifests: $(VENV)/.runtime
	$(BIN)/python examples/kubernetes/make_prometheusrule.py

pictures: $(VENV)/.development tools
	made="$$(tests/packages/panels.sh)" && env "$$made" $(BIN)/python -m tests.packages.panels.pictures

faults: $(VENV)/.development
	PYTHONPATH=. $(BIN)/python docs/make_faults.py

soak: $(VENV)/.development
	$(BIN)/python -m tests.endurance.soak --minutes 20 --gateways 200

storm: $(VENV)/.development
	$(BIN)/python -m tests.endurance.storm --gateways 1000

tools:
	@missing=""; for tool in $(TOOLS); do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ]; then run=""; else run="sudo -n"; fi; \
		echo "the tests need$$missing: installing $(TOOL_PACKAGES)"; \
		{ $$run apt-get update -q && $$run env DEBIAN_FRONTEND=noninteractive \
			apt-get install -qy --no-install-recommends $(TOOL_PACKAGES); } \
		|| { echo "cannot install it here; as root: apt-get install $(TOOL_PACKAGES)"; exit 1; }; \
	fi

# Debian keeps venv in a package of its own.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "needs Python 3.11 or newer; as root: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ]; then run=""; else run="sudo -n"; fi; \
		echo "needs the venv module: installing python3-venv"; \
		{ $$run apt-get update -q && $$run apt-get install -qy --no-install-recommends python3-venv; } \
		|| { echo "cannot install it here; as root: apt-get install python3-venv"; exit 1; }; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.runtime: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.development: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) .cache .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
