#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# deps.sh - bring a Debian 12 or 13 machine to where `make` works.
#
#	tools/deps.sh			everything: build, test, bench, lint
#	tools/deps.sh GROUP...		only those groups of packages; besides:
#					peers, to be measured beside
#	tools/deps.sh check [GROUP...]	install nothing; 0 when all is there
#	tools/deps.sh mirror		print "URI KEYRING" of the Debian archive
#					that apt is set up to use, if any
#
# Packages come from the distribution by apt. libfuse is built from Debian
# testing's source package into build/deps where the system's cannot serve
# us: older than the Makefile's LIBFUSE_MIN, or fuse_session_custom_io()
# compiled out. Running it again does nothing when nothing is missing.
#
# To add a dependency put its package into the group that needs it.
set -eu

PKG_build='
build-essential
libarchive-dev
libcap-dev
libjansson-dev
liblmdb-dev
libmnl-dev
libseccomp-dev
libxxhash-dev
meson
nettle-dev
ninja-build
patch
pkg-config
zlib1g-dev
'
PKG_test='
acl
attr
btrfs-progs
busybox-static
bzip2
check
debian-archive-keyring
e2fsprogs
fuse3
git
iproute2
iputils-ping
libarchive-tools
libcap2-bin
mmdebstrap
procps
python3
sqlite3
strace
util-linux
xfsprogs
xz-utils
zstd
'
PKG_bench='
fio
fuse-overlayfs
gawk
git
gnuplot-nox
jq
sqlite3
xz-utils
'
PKG_peers='
crun
lxc
lxcfs
podman
runc
'
PKG_lint='
clang
clang-format
clang-tidy
cppcheck
groff-base
shellcheck
'

top=$(cd "$(dirname "$0")/.." && pwd)
FUSE_MIN=$(sed -n 's/^LIBFUSE_MIN := //p' "$top/Makefile")
prefix=$top/build/deps
stamp=$prefix/libfuse.version
log=$top/build/deps.log

say() { printf 'deps: %s\n' "$*"; }
die() {
	printf 'deps: %s\n' "$*" >&2
	exit 1
}

# The packages of the groups in "$@", one a line, once each.
packages_of() {
	for group; do
		case $group in
		build) echo "$PKG_build" ;;
		test) echo "$PKG_test" ;;
		bench) echo "$PKG_bench" ;;
		lint) echo "$PKG_lint" ;;
		peers) echo "$PKG_peers" ;;
		*) die "no group '$group'; there are build, test, bench, lint, \
peers" ;;
		esac
	done | sed '/^$/d' | sort -u
}

# Those of the packages on stdin that are not installed.
missing_of() {
	while read -r p; do
		case $(dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null) in
		*'ok installed'*) ;;
		*) echo "$p" ;;
		esac
	done
}

# Does the libfuse that pkg-config finds (under PKG_CONFIG_PATH) serve us?
# A build without custom io exports the symbol and refuses at run time, so
# the probe is run: a bad descriptor must be what is complained about.
fuse_serves() {
	pkg-config --atleast-version="$FUSE_MIN" fuse3 2>/dev/null || return 1
	probe=$(mktemp -d)
	cat >"$probe/p.c" <<-'END'
		#define FUSE_USE_VERSION 317
		#include <errno.h>
		#include <fuse_lowlevel.h>
		#include <string.h>

		int main(void)
		{
			char *argv[] = { (char *)"probe", NULL };
			struct fuse_args a = FUSE_ARGS_INIT(1, argv);
			struct fuse_lowlevel_ops ops;
			struct fuse_custom_io io;
			struct fuse_session *se;

			memset(&ops, 0, sizeof(ops));
			memset(&io, 0, sizeof(io));
			se = fuse_session_new(&a, &ops, sizeof(ops), NULL);
			if (!se)
				return 2;
			return fuse_session_custom_io(se, &io, sizeof(io),
						      -1) != -EBADF;
		}
	END
	served=1
	# shellcheck disable=SC2046 # flags are words
	if ${CC:-cc} -o "$probe/p" "$probe/p.c" \
		$(pkg-config --cflags --libs fuse3) 2>/dev/null; then
		# A library outside the loader's path counts as well.
		LD_LIBRARY_PATH=$(pkg-config --variable=libdir fuse3) \
			"$probe/p" 2>/dev/null && served=0
	fi
	rm -rf "$probe"
	return "$served"
}

own_fuse_serves() {
	[ -s "$stamp" ] && [ -f "$prefix/lib/libfuse3.a" ]
}

# Run a long command with its output kept in the log, shown when it fails.
quietly() {
	"$@" >>"$log" 2>&1 && return 0
	tail -n 30 "$log" >&2
	return 1
}

apt() {
	apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=600 "$@"
}

# Refresh apt's lists, at most once in a run.
updated=
update_once() {
	[ -z "$updated" ] || return 0
	updated=yes
	say 'apt-get update'
	apt update || die "apt cannot reach its package sources: see \
/etc/apt/sources.list* and the network, then run this again"
}

install_packages() {
	missing=$(packages_of "$@" | missing_of | tr '\n' ' ')
	if [ -z "$missing" ]; then
		say "packages ($*): all there"
		return 0
	fi
	if [ "$(id -u)" -ne 0 ]; then
		die "packages are missing; as root run:
	sudo make deps
or	sudo apt-get install $missing"
	fi
	update_once
	say "apt-get install $missing"
	# shellcheck disable=SC2086 # package names are words
	apt install -y --no-install-recommends $missing ||
		die "apt could not install them (its reason stands above)"
}

# The mirror and keyring that apt itself uses for Debian's main archive, as
# "URI KEYRING"; nothing when apt has no such source.
debian_mirror() {
	for k in pgp gpg; do
		keyring=/usr/share/keyrings/debian-archive-keyring.$k
		[ ! -f "$keyring" ] || break
	done
	apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk -v k="$keyring" '$1 == "Debian" && $2 == "Debian" {
			print $3, k; exit }'
}

# Fetch testing's source package of fuse3 into $1, by an apt whose sources,
# lists and cache are all below $1: the system's are not touched. apt checks
# the archive's signature and every file's hash.
fetch_fuse() {
	mirror=$(debian_mirror)
	if [ -z "$mirror" ] && [ "$(id -u)" -eq 0 ]; then
		update_once
		mirror=$(debian_mirror)
	fi
	[ -n "$mirror" ] || die "apt has no usable source of Debian's main \
archive: configure one in /etc/apt/sources.list.d and run apt-get update"

	mkdir -p "$1/sources.list.d" "$1/lists/partial" \
		"$1/cache/archives/partial"
	{
		echo 'Types: deb-src'
		echo "URIs: ${mirror% *}"
		echo 'Suites: testing'
		echo 'Components: main'
		echo "Signed-By: ${mirror#* }"
	} >"$1/sources.list.d/testing.sources"
	set -- "$1" -o Dir::Etc::sourcelist=/dev/null \
		-o Dir::Etc::sourceparts="$1/sources.list.d" \
		-o Dir::State::lists="$1/lists" -o Dir::Cache="$1/cache" \
		-o APT::Sandbox::User="$(id -un)"
	work=$1
	shift
	say "fetching Debian testing's source of fuse3 from apt's mirror"
	(
		cd "$work" &&
			quietly apt "$@" -o APT::Update::Error-Mode=any update &&
			quietly apt "$@" source --download-only --only-source fuse3
	) || die "Debian testing's source package of fuse3 cannot be fetched \
(log: $log): is the network there? A libfuse >= $FUSE_MIN with custom io \
that pkg-config finds would do as well"
}

build_fuse() {
	mkdir -p "$top/build"
	: >"$log"
	tmp=$(mktemp -d "$top/build/libfuse.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 1' HUP INT TERM
	fetch_fuse "$tmp"

	# apt has checked the archive's signature; the uploader's key, which
	# dpkg-source would ask for, is not a stable system's to have.
	quietly dpkg-source --no-check -x "$tmp"/fuse3_*.dsc "$tmp/src" ||
		die "dpkg-source cannot unpack fuse3 (log: $log)"
	# uring is a transport that cannot survive its daemon, and its two
	# libraries would have to come along.
	set -- --prefix="$prefix" --libdir=lib --bindir=/usr/bin \
		--buildtype=release -Ddebug=true -Ddefault_library=static \
		-Dpkgconfig.relocatable=true
	for opt in enable-custom-io=true enable-io-uring=false utils=false \
		examples=false tests=false useroot=false initscriptdir= ; do
		grep -q "'${opt%%=*}'" "$tmp/src/meson_options.txt" || continue
		set -- "$@" "-D$opt"
	done
	version=$(sed -n 's/^Version: //p' "$tmp"/fuse3_*.dsc)
	say "building libfuse $version into build/deps"
	CFLAGS='-fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIC' \
		quietly meson setup "$tmp/obj" "$tmp/src" "$@" ||
		die "meson cannot configure libfuse (log: $log)"
	quietly ninja -C "$tmp/obj" || die "libfuse does not build (log: $log)"
	quietly ninja -C "$tmp/obj" install ||
		die "libfuse cannot be installed in $prefix (log: $log)"

	PKG_CONFIG_PATH=$prefix/lib/pkgconfig fuse_serves ||
		die "the libfuse just built ($version) lacks custom io"
	echo "$version" >"$stamp"
	# Made by sudo in a user's checkout: the user's `make clean` must do.
	[ -z "${SUDO_UID:-}" ] ||
		chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$top/build"
	say "libfuse $version is in build/deps"
}

export DEBIAN_FRONTEND=noninteractive LC_ALL=C

command -v dpkg-query >/dev/null || die "this is for Debian 12 and 13; \
elsewhere install by hand what stands for$(packages_of build test bench \
lint | awk '{ printf " %s", $0 }') \
and libfuse >= $FUSE_MIN built with -Denable-custom-io=true"

if [ "${1:-}" = mirror ]; then
	debian_mirror
	exit
fi
mode=install
if [ "${1:-}" = check ]; then
	mode=check
	shift
fi
[ $# -gt 0 ] || set -- build test bench lint

if [ "$mode" = check ]; then
	[ -z "$(packages_of "$@" | missing_of)" ] || exit 1
	own_fuse_serves || fuse_serves
	exit
fi

install_packages "$@"
if own_fuse_serves; then
	say "libfuse $(cat "$stamp"): in build/deps"
elif fuse_serves; then
	say "libfuse $(pkg-config --modversion fuse3): the system's serves"
else
	build_fuse
fi
