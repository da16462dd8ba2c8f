#!/bin/sh
# Makes ready what the tests marked `packages` need, and runs them. All of it goes to .cache/ in the checkout, but for
# the programs that build and run images: these are installed as Debian packages, which needs root.
#
#   tests/packages/run.sh [ARGUMENT OF PYTEST]...
#   SETUPS="prometheus3 compose" tests/packages/run.sh       only these; tests of what was not set up are skipped
#
# A set-up is a script in this folder. It works however often it is called, tells its progress on standard error, and
# prints NAME=VALUE for each variable by which tests find what it made.
set -eu
cd "$(dirname "$0")/../.."

export PYTHON="${PYTHON:-.venv/bin/python}"
folder=tests/packages
made=$PWD/.cache/packages.env

setups=${SETUPS:-}
if [ -z "$setups" ]; then
	for script in "$folder"/*.sh; do
		name=$(basename "$script" .sh)
		case $name in run | debian) ;; *) setups="$setups $name" ;; esac
	done
fi

mkdir -p .cache
: >"$made"
for name in $setups; do
	echo "== $name" >&2
	"$folder/$name.sh" >>"$made"
done
while IFS= read -r variable; do
	export "${variable?}"
done <"$made"

exec "$PYTHON" -m pytest -m packages "$@"
