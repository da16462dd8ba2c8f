#!/bin/sh
# The image, built by buildah from the repository's Dockerfile and handed to podman. No registry is asked: the base is
# a Debian made by debootstrap, which is kept. Buildah, podman, runc and debootstrap are installed if they are missing.
set -eu
cd "$(dirname "$0")/../.."
. tests/packages/debian.sh

suite=trixie
packages="buildah podman runc debootstrap"
cache=$PWD/.cache/image
base=localhost/winet-base:$suite
image=localhost/winet-exporter:test
authorities=/etc/ssl/certs/ca-certificates.crt
log=$cache/build.log
python=${PYTHON:-.venv/bin/python}

[ "$(id -u)" = 0 ] || {
	echo "building and running images needs root here; without it: SETUPS=\"prometheus3 compose\"" >&2
	exit 1
}
need_debian
missing=""
for tool in $packages; do
	command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
	echo "missing$missing: installing" >&2
	apt-get update -q >&2
	# shellcheck disable=SC2086  # a list
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $packages >&2
fi

mkdir -p "$cache"
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
build() { # a command of buildah with a store of its own
	buildah --root "$cache/buildah" --runroot "$cache/buildah-run" "$@"
}
# vfs needs nothing of the kernel; runc and cgroupfs work without systemd
podman="podman --root $cache/podman --runroot $cache/podman-run --tmpdir $cache/podman-tmp --storage-driver vfs
 --cgroup-manager cgroupfs --runtime runc"
podman=$(echo "$podman" | tr -d '\n')

if ! build inspect --type image "$base" >/dev/null 2>&1; then
	echo "making a base of Debian $suite (once)" >&2
	rm -rf "$cache/debian"
	debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates --keyring="$keyring" \
		"$suite" "$cache/debian" "$(debian_mirror)" >"$cache/debootstrap.log" 2>&1 ||
		{ tail -n 20 "$cache/debootstrap.log" >&2; exit 1; }
	rm -rf "$cache"/debian/var/cache/apt/archives/*.deb "$cache"/debian/var/lib/apt/lists/*
	container=$(build from scratch)
	build add -q "$container" "$cache/debian" / >/dev/null
	build config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
	build commit -q --rm "$container" "$base" >/dev/null
	rm -rf "$cache/debian"
fi

revision=$(git rev-parse HEAD 2>/dev/null || printf "%040d" 0)  # an archive has no history
echo "building $image" >&2
# the build asks the same package index as this machine, and trusts whom this machine trusts
set --
[ ! -r "$authorities" ] || set -- -v "$authorities:$authorities:ro"
index=$("$python" -m pip config list 2>/dev/null | sed -n "s/^\(global\|:env:\)\.index-url='\(.*\)'$/\2/p" | tail -n 1)
if [ -n "$index" ]; then
	printf '[global]\nindex-url = %s\n' "$index" >"$cache/pip.conf"
	set -- "$@" -v "$cache/pip.conf:/etc/pip.conf:ro"
fi
build bud --build-arg BASE="$base" --build-arg VERSION=test --build-arg REVISION="$revision" \
	--format docker "$@" -t "$image" . >"$log" 2>&1 ||
	{ tail -n 40 "$log" >&2; echo "the image cannot be built; see $log" >&2; exit 1; }

# what is left of an earlier run goes, containers included
$podman rm --all --force >/dev/null 2>&1 || true
$podman volume prune --force >/dev/null 2>&1 || true
$podman rmi --all --force >/dev/null 2>&1 || true
rm -f "$cache/image.tar"
build push -q "$image" "docker-archive:$cache/image.tar:$image"
$podman load -q -i "$cache/image.tar" >&2
rm -f "$cache/image.tar"
build rmi "$image" >/dev/null

echo "WINET_ENGINE=$podman"
echo "WINET_IMAGE=$image"
