#!/bin/sh
# Prometheus and promtool 3 of a later Debian suite.
set -eu
cd "$(dirname "$0")/../.."
. tests/packages/debian.sh

cache=$PWD/.cache/prometheus3
bin=$cache/root/usr/bin

have() { # are both there, do they run, and are they what the tests ask for?
	for tool in prometheus promtool; do
		"$bin/$tool" --version 2>&1 | grep -q "^$tool, version 3\." || return 1
	done
}

have 2>/dev/null || unpack "$cache" '^3[.]' prometheus promtool
have || { echo "no Prometheus 3 could be had" >&2; exit 1; }
"$bin/prometheus" --version 2>&1 | head -n 1 >&2
echo "PROMETHEUS3=$bin/prometheus"
echo "PROMTOOL3=$bin/promtool"
