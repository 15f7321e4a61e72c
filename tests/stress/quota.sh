#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# quota.sh - is what the quota counts what is there? Several processes change a
# mount at random while its worker is killed again and again; then what was
# counted is compared with a scan. Without limits, with limits that are met all
# the time, after an unmount, after the death of everything.
#
#	QUOTA_FS="ext4 xfs btrfs tmpfs"	host filesystems, on loop images
#	OPS=8000	operations of each load
#	PROCESSES=4
#	KILL_MS=100	between two kills; 0: none
#	WINDOW=		MiB: with quota-window, 1 MiB beyond which the
#			container's limit is
#	RECOUNTS=3	times that everything dies, and is counted anew while
#			the load goes on
#	MANY=20000	files that this has to come by
#	SEED=		of the load; random by default
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/stress/lib.sh
. "$here/lib.sh"

QUOTA_FS=${QUOTA_FS:-ext4 xfs btrfs tmpfs}
OPS=${OPS:-8000}
PROCESSES=${PROCESSES:-4}
KILL_MS=${KILL_MS:-100}
WINDOW=${WINDOW:-}
RECOUNTS=${RECOUNTS:-3}
MANY=${MANY:-20000}
SEED=${SEED:-$RANDOM}
QUOTA=${VEFS_PROGS:-$ST_TOP/build/$D/tests}/stress/quota
DISK='' LOOP='' KILLER=''

take_down()
{
	stop_kills
	if st_is_mounted; then
		timeout "$LIMIT" umount "$M" || umount -l "$M"
	fi
	[ -z "$DISK" ] || timeout "$LIMIT" umount "$DISK"
	[ -z "$LOOP" ] || losetup -d "$LOOP"
	DISK='' LOOP=''
}

supported()
{
	[ "$1" = tmpfs ] && return 0
	command -v "mkfs.$1" >/dev/null || {
		st_skip "$1 # no program mkfs.$1"
		return 1
	}
	grep -qw "$1" /proc/filesystems || modprobe "$1" 2>/dev/null || {
		st_skip "$1 # the kernel has no $1"
		return 1
	}
}

put_up()
{
	mkdir -p "$W/disk"
	if [ "$1" = tmpfs ]; then
		mount -t tmpfs -o size=1g none "$W/disk" || return 1
	else
		rm -f "$W/image"
		truncate -s 2G "$W/image"
		"mkfs.$1" -q "$W/image" >/dev/null || return 1
		LOOP=$(losetup --find --show "$W/image") || return 1
		mount "$LOOP" "$W/disk" || return 1
	fi
	DISK=$W/disk
}

make_lower()
{
	local i

	mkdir -p "$W/lower/low"
	for ((i = 0; i < 48; i++)); do
		head -c $((i * 1500)) /dev/urandom >"$W/lower/low/f$i"
	done
	ln "$W/lower/low/f7" "$W/lower/low/again"
}

# mount_it [OPTIONS]
mount_it()
{
	VEFS_OPTS="quota=$DISK/quota.mdb,quota-id=q,crash_limit=1000000${WINDOW:+,quota-window=${WINDOW}M}${1:+,$1}" \
		st_mount "$W/lower" "$DISK/upper"
}

worker()
{
	cat "/proc/$1/task/$1/children" 2>/dev/null
}

kill_now_and_then()
{
	local n=0 pid

	while sleep "$(awk "BEGIN { print $KILL_MS / 1000 }")"; do
		pid=$(worker "$PID")
		[ -n "$pid" ] || continue
		# shellcheck disable=SC2086 # there may be spaces around it
		kill -9 $pid 2>/dev/null && n=$((n + 1))
		echo "$n" >"$W/kills"
	done
}

start_kills()
{
	[ "$KILL_MS" != 0 ] || return
	kill_now_and_then &
	KILLER=$!
}

stop_kills()
{
	st_end "$KILLER"
	KILLER=''
}

# case NAME: what the last command said decides; its output tells.
result()
{
	local status=$?

	if [ "$status" = 0 ]; then
		st_ok "$1"
	else
		st_not_ok "$1 - $(tail -n 40 "$W/said" | tr '\n' ';')"
	fi
}

ask()
{
	timeout "$LIMIT" "$QUOTA" ask "$M" "$@" >"$W/said" 2>&1
}

load()
{
	timeout $((LIMIT * 20)) "$QUOTA" load "$M" "$PROCESSES" "$OPS" "$1" \
		>"$W/said" 2>&1
}

# usage KIND ID: bytes and inodes.
usage()
{
	ask get "$1" "$2"
	awk '$1 == "record" { print $4, $8 }' "$W/said"
}

# Above no hard limit, but for what is never refused: a whiteout's directory,
# an entry in one that grows, a mark.
not_above()
{
	ask get
	awk -v slack="$1" '$1 == "record" &&
		($6 && $4 > $6 + slack || $10 && $8 > $10 + slack / 4096) {
			print "above its limit: " $0; bad = 1 }
		END { exit bad }' "$W/said" >"$W/above"
	status=$?
	mv "$W/above" "$W/said"
	return "$status"
}

# All of the daemon at once: whoever sees the other go takes its place, and ends
# in order when the mount does, with usage that is certain.
die()
{
	local all

	kill -STOP "$PID"
	all="$PID $(worker "$PID")"
	# shellcheck disable=SC2086 # two numbers
	kill -STOP $all
	# shellcheck disable=SC2086
	kill -9 $all
	umount -l "$M"
}

# Files that no daemon has counted.
make_many()
{
	local i

	rm -rf "$DISK/upper/many"
	mkdir "$DISK/upper/many"
	for ((i = 0; i < MANY / 1000; i++)); do
		mkdir -p "$DISK/upper/many/$1-$i"
		seq -f "$DISK/upper/many/$1-$i/%g" 1000 | xargs touch
	done
}

# Counted while it changes, from the first moment.
recounts()
{
	local fs=$1 i

	for ((i = 1; i <= RECOUNTS; i++)); do
		die
		make_many "$i"
		mount_it quota-check=background
		result "$fs mount-uncounted-$i" || return
		# Every other time who counts is killed.
		[ $((i % 2)) = 1 ] || start_kills
		load $((SEED + 1 + i))
		result "$fs load-while-counted-$i"
		stop_kills
		ask check
		result "$fs counted-meanwhile-$i"
	done
}

no_limits()
{
	ask set container 0 space 0 0 && ask set container 0 inodes 0 0 &&
		ask set user 1001 space 0 0 && ask set group 2002 inodes 0 0
}

part()
{
	local fs=$1 space inodes before

	put_up "$fs" && mount_it
	result "$fs mount" || return
	ask enforce container on && ask enforce user on && ask enforce group on
	[ -z "$WINDOW" ] || ask set container 0 space 0 $((1 << 40))
	start_kills
	load "$SEED"
	result "$fs load"
	stop_kills
	echo "# $fs: $(cat "$W/kills" 2>/dev/null) kills, $(usage container 0)"
	ask check
	result "$fs counted"
	read -r space inodes < <(usage container 0)
	ask set container 0 space 0 $((space + ((WINDOW + 1) << 20)))
	ask set container 0 inodes 0 $((inodes + 20))
	read -r space inodes < <(usage user 1001)
	ask set user 1001 space 0 $((space + (128 << 10)))
	read -r space inodes < <(usage group 2002)
	ask set group 2002 inodes 0 $((inodes + 3))
	result "$fs limits"
	start_kills
	load $((SEED + 1))
	result "$fs load-in-limits"
	stop_kills
	grep "refused" "$W/said" | sed "s/^/# $fs /"
	# A window lets by what fills holes.
	not_above $(((WINDOW << 20) + 256 * 1024))
	result "$fs not-above"
	ask check
	result "$fs counted-in-limits"
	st_forget
	# what ext4 adds late is counted when it is there, at an unmount at last
	sync -f "$DISK"
	ask check
	before=$(usage container 0)
	st_umount
	result "$fs unmount"
	mount_it
	result "$fs mount-again"
	usage container 0 | cmp -s - <(echo "$before")
	result "$fs remembered"
	ask check
	result "$fs counted-again"
	die
	mount_it
	result "$fs mount-after-death"
	ask check
	result "$fs counted-after-death"
	no_limits
	recounts "$fs"
	st_umount
	result "$fs unmount-again"
}

st_begin
trap 'take_down; st_cleanup' EXIT
echo "# SEED=$SEED"
make_lower
for fs in $QUOTA_FS; do
	supported "$fs" || continue
	part "$fs"
	take_down
done
[ "$FAILED" -eq 0 ]
