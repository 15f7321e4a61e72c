# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lib.sh - what the stress scripts share: a folder with layers, the mount, and
# what its daemon holds. To be sourced.
#
# Environment: VEFS_BIN, VEFS_PROGS, VEFS_TMP, VEFS_SLOW, D as tests/run.sh
# sets them; without them a checkout's D=opt build and a folder in TMPDIR.
# VEFS_LOWER=template: st_mount takes the bottom lower as a template.
set -u

ST_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
D=${D:-opt}
if [ "$D" = opt ]; then ST_BIN=$ST_TOP/build/bin; else ST_BIN=$ST_TOP/build/$D/bin; fi
VEFS_BIN=${VEFS_BIN:-$ST_BIN}
VEFS_SLOW=${VEFS_SLOW:-1}
VEFS_LOWER=${VEFS_LOWER:-dir}
NS=${VEFS_PROGS:-$ST_TOP/build/$D/tests}/stress/ns
W='' M='' PID=''
FAILED=0
export LC_ALL=C

# shellcheck source=tests/integration/lib_lower.sh
. "$ST_TOP/tests/integration/lib_lower.sh"

# Seconds after which an unmount or a mount is not coming any more.
LIMIT=$((30 * VEFS_SLOW))

st_ok()
{
	echo "ok $*"
}

st_not_ok()
{
	echo "not ok $*"
	FAILED=$((FAILED + 1))
}

st_skip()
{
	echo "skip $*"
}

st_is_mounted()
{
	mountpoint -q "$M"
}

# st_end PID: end what runs beside us; "": nothing does.
st_end()
{
	[ -n "$1" ] || return 0
	kill "$1"
	wait "$1" 2>/dev/null
}

st_cleanup()
{
	trap - EXIT
	[ -n "$W" ] || return
	if st_is_mounted; then
		timeout "$LIMIT" umount "$M" || timeout "$LIMIT" umount -f "$M" ||
			umount -l "$M"
	fi
	rm -rf --one-file-system "$W"
}

# A folder of its own, below VEFS_TMP.
st_begin()
{
	[ "$(id -u)" -eq 0 ] || {
		echo "$0: needs root: it mounts" >&2
		exit 1
	}
	[ -x "$NS" ] && [ -x "$VEFS_BIN/mount.vefs" ] || {
		echo "$0: no $NS or $VEFS_BIN/mount.vefs: build them (make)" >&2
		exit 1
	}
	W=$(mktemp -d "${VEFS_TMP:-${TMPDIR:-/var/tmp}}/vefs-stress.XXXXXX") ||
		exit 1
	trap st_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	M=$W/mnt LOWER_AT=$W
	mkdir "$M"
}

# st_mount LOWERS UPPER: mount, and find out who serves it.
st_mount()
{
	local opts

	mkdir -p "$2" "$2.work"
	opts=$(lower_opts "lowerdir=$1,upperdir=$2,workdir=$2.work") || return
	timeout "$LIMIT" "$VEFS_BIN/mount.vefs" -o \
		"$opts${VEFS_OPTS:+,$VEFS_OPTS}" "$M" || return 1
	st_is_mounted || return 1
	PID=$(st_find_daemon)
	[ -n "$PID" ]
}

# The process that has our mount point as its last argument.
st_find_daemon()
{
	local dir

	for dir in /proc/[0-9]*; do
		[ "$(readlink "$dir/exe" 2>/dev/null)" = \
			"$(readlink -f "$VEFS_BIN/mount.vefs")" ] || continue
		if tr '\0' '\n' <"$dir/cmdline" 2>/dev/null | grep -qxF "$M"; then
			echo "${dir#/proc/}"
			return
		fi
	done
}

# Has somebody copied our mount with a mount namespace of his own?
st_is_copied()
{
	grep -qsF " $M " /proc/[0-9]*/mountinfo
}

# Unmount; the daemon must be gone soon after. Where a copy of the mount in
# another namespace keeps it, the connection is cut.
st_umount()
{
	local i dev

	dev=$(mountpoint -d "$M")
	timeout "$LIMIT" umount "$M" || return 1
	for ((i = 0; i < LIMIT * 10; i++)); do
		[ -d "/proc/$PID" ] || return 0
		if [ "$i" -eq 20 ] && st_is_copied; then
			echo 1 >"/sys/fs/fuse/connections/${dev#*:}/abort"
		fi
		sleep 0.1
	done
	echo "# the daemon $PID is still there"
	return 1
}

# Let the kernel forget what nobody uses, and the daemon what it forgot.
st_forget()
{
	sync -f "$W"
	echo 2 >/proc/sys/vm/drop_caches
	sleep $((1 + VEFS_SLOW / 4))
	echo 2 >/proc/sys/vm/drop_caches
	sleep $((1 + VEFS_SLOW / 4))
}

st_fds()
{
	find "/proc/$PID/fd" -mindepth 1 | wc -l
}

st_threads()
{
	find "/proc/$PID/task" -mindepth 1 -maxdepth 1 -type d | wc -l
}

# Memory that is its own, KiB.
st_pss()
{
	awk '$1 == "Pss:" { print $2 }' "/proc/$PID/smaps_rollup"
}

# KiB in the inode table's regions.
st_table()
{
	local fd sum=0 blocks

	for fd in "/proc/$PID/fd"/*; do
		case $(readlink "$fd") in
		*memfd:vefs-inodes* | *memfd:vefs-private* | *memfd:vefs-arena*)
			blocks=$(stat -L -c %b "$fd")
			sum=$((sum + blocks / 2))
			;;
		esac
	done
	echo "$sum"
}

# What the kernel said since `st_dmesg_begin`, as far as it may be about us.
st_dmesg_begin()
{
	ST_DMESG=$(dmesg 2>/dev/null | tail -n 1)
}

st_dmesg_new()
{
	dmesg | awk -v last="$ST_DMESG" '
		{ line[NR] = $0; if ($0 == last) from = NR }
		END { for (i = from + 1; i <= NR; i++) print line[i] }' |
		grep -E 'WARNING:|BUG:|Oops|general protection|hung_task|blocked for more|fuse|vefs'
}
