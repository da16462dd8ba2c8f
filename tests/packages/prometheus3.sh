#!/bin/sh
# Runs the tests marked `packages` with the Prometheus and promtool 3 of a later Debian suite. They are unpacked to
# .cache/ in the checkout; the system's own packages, sources and lists are left as they are.
set -eu
cd "$(dirname "$0")/../.."

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
cache=$PWD/.cache/prometheus3
root=$cache/root
log=$cache/apt.log
python=${PYTHON:-.venv/bin/python}

have() { # are both there, do they run, and are they what the tests ask for?
	for tool in prometheus promtool; do
		"$root/usr/bin/$tool" --version 2>&1 | grep -q "^$tool, version 3\." || return 1
	done
}

apt() { # a command of apt with a state of its own
	command=$1
	shift
	"$command" -o Dir::Etc::sourcelist="$cache/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$cache/lists" -o Dir::State::status="$cache/status" -o Dir::Cache="$cache/archives" \
		-o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

mirror() { # the one that the system uses
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
		grep -v -e security -e '^$' | head -n 1
}

fetch() { # SUITE: unpack both from there; fails if it has no version 3
	rm -rf "$root" "$cache/lists" "$cache/debs"
	mkdir -p "$root" "$cache/lists/partial" "$cache/archives/archives/partial" "$cache/debs"
	: >"$cache/status"
	echo "deb [signed-by=$keyring] $from $1 main" >"$cache/sources.list"
	apt apt-get update -q >>"$log" 2>&1 || return 1
	for package in prometheus promtool; do
		version=$(apt apt-cache madison "$package" | awk '$3 ~ /^3\./ { print $3; exit }')
		[ -n "$version" ] || return 1
		(cd "$cache/debs" && apt apt-get download "$package=$version") >>"$log" 2>&1 || return 1
	done
	for package in "$cache"/debs/*.deb; do
		dpkg-deb -x "$package" "$root" || return 1
	done
	rm -rf "$cache/lists" "$cache/debs" "$cache/archives"
	have
}

if ! have 2>/dev/null; then
	command -v apt-get >/dev/null && [ -r "$keyring" ] ||
		{ echo "this needs Debian's apt and its keyring (package debian-archive-keyring)" >&2; exit 1; }
	mkdir -p "$cache"
	: >"$log"
	from=$(mirror)
	from=${from:-http://deb.debian.org/debian}
	for suite in forky trixie; do
		echo "fetching Prometheus 3 from Debian $suite"
		fetch "$suite" && break
	done
	have 2>/dev/null || { tail -n 20 "$log" >&2; echo "no Prometheus 3 could be had; see $log" >&2; exit 1; }
fi

"$root/usr/bin/prometheus" --version 2>&1 | head -n 1
export PROMETHEUS3="$root/usr/bin/prometheus" PROMTOOL3="$root/usr/bin/promtool"
exec "$python" -m pytest -m packages "$@"
