#!/bin/sh
# Docker's Compose of a later Debian suite. It needs no engine to read a file and say what is wrong with it.
set -eu
cd "$(dirname "$0")/../.."
. tests/packages/debian.sh

cache=$PWD/.cache/compose
compose=$cache/root/usr/libexec/docker/cli-plugins/docker-compose

have() {
	"$compose" version --short 2>/dev/null | grep -q '^v\{0,1\}[2-9]'
}

have || unpack "$cache" '^[2-9]' docker-compose
have || { echo "no Compose could be had" >&2; exit 1; }
echo "Docker Compose $("$compose" version --short)" >&2
echo "COMPOSE=$compose"
