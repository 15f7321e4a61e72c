#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# demo.sh - a container root from a Debian template, shown working.
#
# Makes the template once, with mmdebstrap, and keeps it in
# ${VEFS_ROOT:-/var/lib/vefs}/demo; where no package archive is reached a
# busybox root takes its place. Everything else is taken away at the end.
# VEFS_BIN is the directory of mount.vefs (build/bin).
set -eu -o pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
VEFS_BIN=${VEFS_BIN:-$top/build/bin}
store=${VEFS_ROOT:-/var/lib/vefs}/demo
big_mib=64
run=

say()
{
	printf '\n== %s\n' "$*"
}

# show COMMAND...: the command, then what it says.
show()
{
	printf '   $ %s\n' "$*"
	"$@" 2>&1 | sed 's/^/   /'
}

# inside SCRIPT: run in the container root, by the root's own shell.
inside()
{
	printf '   (inside) # %s\n' "$1"
	chroot "$root" /bin/sh -c "$1" 2>&1 | sed 's/^/   /'
}

die()
{
	echo "demo: $*" >&2
	exit 1
}

cleanup()
{
	local status=$?

	trap - EXIT
	cd /
	rm -rf --one-file-system "$store/new"
	[ -n "$run" ] || exit "$status"
	if mountpoint -q "$run/root" && ! umount "$run/root"; then
		umount -l "$run/root"
	fi
	rm -rf --one-file-system "$run"
	exit "$status"
}

# Make $store/new into a Debian root; fails where no archive is reached.
debian_root()
{
	local suite mirror

	command -v mmdebstrap >/dev/null || return
	suite=$(. /etc/os-release && [ "$ID" = debian ] &&
		echo "${VERSION_CODENAME:-}") || suite=
	mirror=$("$top/tools/deps.sh" mirror | cut -d' ' -f1) || mirror=
	timeout 900 mmdebstrap --quiet --variant=minbase \
		"${suite:-stable}" "$store/new" ${mirror:+"$mirror"}
}

busybox_root()
{
	local busybox

	busybox=$(command -v busybox) || die "neither a package archive nor \
busybox is there: sudo make deps"
	rm -rf --one-file-system "$store/new"
	mkdir -p "$store"/new/{bin,dev,etc,opt,proc,root,tmp,usr/share/doc,var}
	cp "$busybox" "$store/new/bin/busybox"
	chroot "$store/new" /bin/busybox --install -s /bin ||
		die "$busybox does not run in a root of its own: it must be \
the static one (busybox-static)"
	echo 'PRETTY_NAME="a busybox root"' >"$store/new/etc/os-release"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$store/new/etc/passwd"
	echo 'read me' >"$store/new/usr/share/doc/README"
}

template_make()
{
	mkdir -p "$store"
	rm -rf --one-file-system "$store/new"
	if debian_root; then
		kind=debian
	else
		echo "   No Debian archive can be reached from here:" \
			"a busybox root takes its place."
		busybox_root
		kind=busybox
	fi
	head -c "${big_mib}M" /dev/urandom >"$store/new/opt/big.bin"
	mv -T "$store/new" "$store/$kind"
}

[ "$(id -u)" -eq 0 ] || die "mounting needs root: sudo make demo"
[ -x "$VEFS_BIN/mount.vefs" ] ||
	die "$VEFS_BIN/mount.vefs is not there: make, or set VEFS_BIN"
[ -c /dev/fuse ] || modprobe -q fuse ||
	die "there is no /dev/fuse: a kernel with FUSE is needed"
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say "1. The template: a root that many containers may share, never written to"
if [ -d "$store/debian" ]; then
	kind=debian
	echo "   It is there from an earlier run."
else
	echo "   Making a Debian root with mmdebstrap (once, it is kept) ..."
	# An older busybox root does for the next time without a network.
	rm -rf --one-file-system "$store/busybox"
	template_make
fi
lower=$store/$kind
show du -sh "$lower"

run=$(mktemp -d "$store/run.XXXXXX")
root=$run/root
mkdir "$run/upper" "$run/work" "$root"

say "2. Mount it, with an empty upper directory for all that changes"
show "$VEFS_BIN/mount.vefs" \
	-o "lowerdir=$lower,upperdir=$run/upper,workdir=$run/work" "$root"
mountpoint -q "$root" || die "the mount is not there"
show findmnt -n -o FSTYPE,TARGET "$root"

say "3. Run something inside"
inside 'grep PRETTY_NAME /etc/os-release'
[ "$kind" != debian ] || inside 'dpkg-query -l | grep -c ^ii'
inside 'echo "written inside" >/root/hello; cat /root/hello'
inside 'rm -r /usr/share/doc; [ -e /usr/share/doc ] || echo gone'
inside 'mv /opt /srv2; ls /srv2'
inside 'chmod 600 /srv2/big.bin; ls -l /srv2/big.bin'

say "4. What landed in upper: only that"
(cd "$run/upper" && show find . ! -type d -ls)
show du -sh "$run/upper"
cat <<-END
	   The character device 0, 0 is a whiteout: it hides what the template has
	   under that name. A directory's new name is kept beside it, its
	   content stays below. big.bin of $big_mib MiB has a new mode: that is
	   recorded, no data was copied.
END
show ls -l "$lower/opt/big.bin"
[ -e "$lower/opt/big.bin" ] && [ -d "$lower/usr/share/doc" ] &&
	[ ! -e "$lower/root/hello" ] || die "the template has changed"
echo "   The template is as it was."
[ "$(du -sm "$run/upper" | cut -f1)" -lt "$big_mib" ] ||
	die "chmod has copied the data of big.bin"

say "5. What the mount says of itself"
show df -h "$root"
show stat -f -c 'type %T, names up to %l bytes' "$root"

say "6. Unmount, mount again: all is still there"
show umount "$root"
show "$VEFS_BIN/mount.vefs" \
	-o "lowerdir=$lower,upperdir=$run/upper,workdir=$run/work" "$root"
inside 'cat /root/hello; stat -c "%a %s %n" /srv2/big.bin'
show umount "$root"

say "Done. The template stays in $lower; the rest is removed."
