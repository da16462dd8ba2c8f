# shellcheck shell=sh disable=SC2016,SC2015
# Sourced by the set-ups: packages of a later Debian suite, unpacked to a folder by an apt with a state of its own.
# The system's own packages, sources and lists are left as they are.
#
#   unpack CACHE PATTERN PACKAGE...     the first suite that has all of them in a version that matches the pattern
#                                       (of awk); leaves them in CACHE/root, and the log in CACHE/apt.log

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

mirror() { # the one that the system uses
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
		grep -v -e security -e '^$' | head -n 1
}

debian_mirror() {
	from=$(mirror)
	echo "${from:-http://deb.debian.org/debian}"
}

need_debian() {
	command -v apt-get >/dev/null && [ -r "$keyring" ] ||
		{ echo "this needs Debian's apt and its keyring (package debian-archive-keyring)" >&2; exit 1; }
}

own_apt() { # CACHE COMMAND ARGUMENT...
	state=$1
	command=$2
	shift 2
	"$command" -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status" -o Dir::Cache="$state/archives" \
		-o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

unpack_from() { # SUITE CACHE PATTERN PACKAGE...
	suite=$1
	cache=$2
	pattern=$3
	shift 3
	rm -rf "$cache/root" "$cache/lists" "$cache/debs"
	mkdir -p "$cache/root" "$cache/lists/partial" "$cache/archives/archives/partial" "$cache/debs"
	: >"$cache/status"
	echo "deb [signed-by=$keyring] $(debian_mirror) $suite main" >"$cache/sources.list"
	own_apt "$cache" apt-get update -q >>"$cache/apt.log" 2>&1 || return 1
	for package in "$@"; do
		version=$(own_apt "$cache" apt-cache madison "$package" | awk -v p="$pattern" '$3 ~ p { print $3; exit }')
		[ -n "$version" ] || return 1
		(cd "$cache/debs" && own_apt "$cache" apt-get download "$package=$version") >>"$cache/apt.log" 2>&1 ||
			return 1
	done
	for file in "$cache"/debs/*.deb; do
		dpkg-deb -x "$file" "$cache/root" || return 1
	done
	rm -rf "$cache/lists" "$cache/debs" "$cache/archives"
}

unpack() { # CACHE PATTERN PACKAGE...
	need_debian
	where=$1
	mkdir -p "$where"
	: >"$where/apt.log"
	for try in forky trixie; do
		echo "fetching from Debian $try: $3" >&2
		unpack_from "$try" "$@" && return 0
	done
	tail -n 20 "$where/apt.log" >&2
	echo "it could not be had; see $where/apt.log" >&2
	return 1
}
