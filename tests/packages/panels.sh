#!/bin/sh
# Gets what the boards are drawn with: Grafana's own components, from npm, into .cache/panels in the checkout.
# The last line that it prints is PANELS=<that folder>; without it in the environment the tests are left out.
set -eu
cd "$(dirname "$0")/../.."

pinned=tests/packages/panels
cache=$PWD/.cache/panels
log=$cache/npm.log

have() { # is it there, and is it what is pinned?
	cmp -s "$pinned/package-lock.json" "$cache/installed.json" && [ -x "$cache/node_modules/.bin/esbuild" ]
}

if ! command -v npm >/dev/null; then
	{ [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } ||
		{ echo "this needs Node 18 or newer; as root: apt-get install nodejs npm" >&2; exit 1; }
	echo "fetching Debian's nodejs and npm" >&2
	apt-get update -q >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends nodejs npm >&2
fi

if ! have; then
	echo "fetching Grafana's components, some 430 MB unpacked" >&2
	mkdir -p "$cache"
	cp "$pinned/package.json" "$pinned/package-lock.json" "$cache"
	# nothing that comes is run at once; the peers that it wants (several generations of React) are not ours
	(cd "$cache" && npm ci --ignore-scripts --legacy-peer-deps --no-audit --no-fund >"$log" 2>&1) ||
		{ tail -n 20 "$log" >&2; echo "Grafana's components could not be had; see $log" >&2; exit 1; }
	cp "$cache/package-lock.json" "$cache/installed.json"
fi
echo "PANELS=$cache"
