#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# demo.sh - a container root from a Debian template, shown working; then a
# container that runs on it.
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
vefs=$VEFS_BIN/vefs

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
	if [ -d "$run/store" ]; then
		"$vefs" --root "$run/store" --quiet stop --all --fast ||
			status=1
	fi
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
[ -c /dev/fuse ] || modprobe -q fuse 2>/dev/null ||
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

# What a container needs of the machine, and does not find.
lacking()
{
	grep -qsw memory /sys/fs/cgroup/cgroup.controllers ||
		grep -q '^memory' /proc/cgroups ||
		echo "memory controller among its control groups"
	# none is given in a chroot, whatever the limit
	unshare --user true 2>/dev/null ||
		echo "user namespace to be had"
}

# vefs COMMAND..., shown as it would be typed
show_vefs()
{
	printf '   $ vefs %s\n' "$*"
	"$vefs" "$@" 2>&1 | sed 's/^/   /'
}

say "7. The same root as a template, and a container that runs on it"
if [ -n "$(lacking)" ]; then
	echo "   Not on this machine: there is no $(lacking | head -n 1)."
else
	export VEFS_ROOT=$run/store
	mkdir "$VEFS_ROOT"
	show_vefs --quiet template import "$kind" "$lower"
	show_vefs run "$kind" --ram 64M -- /bin/sh -c \
		'echo "process $$, on $(hostname), as $(id -un)"'
	show_vefs create 101 --template "$kind" --name demo --ram 128M \
		--numproc 100 --diskspace 1G --cpulimit 50 --net none \
		--init '/bin/sh -c "trap exit TERM; while :; do sleep 1; done"'
	show_vefs start demo
	show_vefs exec demo 'grep MemTotal /proc/meminfo; df -h / | tail -n 1'
	show_vefs list -o ctid,status,numproc,numproc.l,physpages,physpages.l
	show_vefs set demo --ram 256M --numproc 200
	show_vefs list -o ctid,status,numproc,numproc.l,physpages,physpages.l
	show_vefs exec demo \
		'mknod /root/disk b 8 0 || echo "no device nodes in here"'
	show_vefs stop demo
	show_vefs destroy demo
	unset VEFS_ROOT
fi

say "Done. The template stays in $lower; the rest is removed."
