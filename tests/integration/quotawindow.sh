#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# quotawindow - files with limits written by passthrough while the limits are
# far, and asked for when they are near. What is measured is told: by how much
# a limit was exceeded.
# shellcheck disable=SC2034 # read by what is sourced
BUILD=${D:-opt}
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib_survive.sh
. "$LIB_DIR/lib_survive.sh"
# shellcheck source-path=SCRIPTDIR source=lib_limits.sh
. "$LIB_DIR/lib_limits.sh"

exec 8>&1

MIB=1048576
WINDOW=32

# on_fs TYPE: upper is on a fresh one.
on_fs() {
	new_fs "$1" 1500M "$D/disk" || skip "no $1 can be made here"
	UP=$D/disk
	U=$UP/upper
	W=$UP/work
	mkdir -p "$U" "$W"
}

# wmnt [OPTIONS]: M with a quota and a window, and a home.
wmnt() {
	begin
	limits_begin
	serve_rw "quota=$UP/quota.mdb,quota-window=${WINDOW}M${1:+,$1}"
	if log_says "quota-window: cannot watch"; then
		since_linux 6 14 && fail "$(grep quota-window "$D/vefs.log")"
		skip "this kernel (before 6.14) has no FAN_PRE_ACCESS"
	fi
	have_home
}

# Into what the script says, past the log of the case.
measured() {
	echo "# $*" >&8
}

# overshoot WHAT: of $KIND $ID; what is above the limit is within the window.
overshoot() {
	local over

	usage_of "$KIND" "$ID"
	over=$((SPACE > HARD ? SPACE - HARD : 0))
	measured "$1: $((over / 1024)) KiB above the limit," \
		"$((SPACE < HARD ? (HARD - SPACE) / 1024 : 0)) KiB below"
	assert_le "$over" $((WINDOW * MIB)) "overshoot"
}

# asked FROM: requests that the daemon answered since.
asked() {
	echo $(($(stats answered) - $1))
}

# fill CHUNK PROCESSES: files of the owner's, each a process, to the limit.
fill() {
	local before

	give space $((160 * MIB))
	before=$(stats answered)
	grow write wronly "$1" 1G "$2" "$H/$KIND-$1-%"
	all_ended "$WANT"
	measured "$(asked "$before") requests"
	# 160 MiB are 40960 writes of 4 KiB
	[ "$1" != 4K ] || assert_le "$(asked "$before")" 16000 "requests"
	overshoot "$UP_FS $KIND, $2 writers of $1"
	is_readable
	no_drift
	rm -f "$H"/*
}

fill_all() {
	UP_FS=$1
	on_fs "$1"
	wmnt
	about container:0:ENOSPC
	fill 4K 1
	fill 4K 8
	fill 1M 8
	no_limit
	about_user
	fill 64K 4
	unmounts_well
}

t_ext4_limit=120
t_ext4() {
	fill_all ext4
}

t_xfs_limit=120
t_xfs() {
	fill_all xfs
}

t_btrfs_limit=120
t_btrfs() {
	fill_all btrfs
}

# write_more FD COUNT: MiB to what is open already.
write_more() {
	dd if=/dev/zero bs=1M count="$2" status=none >&"$1"
}

# refused ERROR FD
refused() {
	local out

	if out=$(write_more "$2" 1 2>&1); then
		fail "it worked"
	fi
	[[ $out == *"$("$VT" strerror "$1")"* ]] || fail "expected $1: $out"
}

# Where nobody can be asked every write goes through the daemon, as without.
t_tmpfs() {
	on_fs tmpfs
	begin
	limits_begin
	serve_rw "quota=$UP/quota.mdb,quota-window=32M"
	assert_log "quota-window: cannot watch .*through the daemon"
	have_home
	about_user
	give space $((8 * MIB))
	grow write wronly 24K 64M 4 "$H/f%"
	all_ended EDQUOT
	usage_of user 1001
	assert_le "$SPACE" "$HARD" "usage"
	no_drift
	unmounts_well
}

# Open since it was far: refused when others have come near.
t_open_before() {
	local before

	wmnt
	about container:0:ENOSPC
	give space $((200 * MIB))
	exec 5>"$H/old"
	write_more 5 20
	before=$(stats answered)
	write_more 5 20
	assert_le "$(asked "$before")" 10 "requests for 20 writes"
	grow write wronly 64K 1G 2 "$H/f%"
	all_ended ENOSPC
	refused ENOSPC 5
	# room again, and it goes on
	rm "$H"/f*
	write_more 5 20
	exec 5>&-
	no_drift
	unmounts_well
}

both_refused() {
	! write_more 5 1 2>"$D/err" && ! write_more 6 1 2>>"$D/err" &&
		[ "$(grep -c "$("$VT" strerror EDQUOT)" "$D/err")" = 2 ]
}

# Where an appending write begins is not what the kernel says.
t_append_by_two() {
	local n

	wmnt
	about_user
	give space $((100 * MIB))
	: >"$H/log"
	chown 1001 "$H/log"
	exec 5>>"$H/log" 6>>"$H/log"
	n=0
	while write_more 5 1 2>"$D/err" && write_more 6 1 2>"$D/err"; do
		n=$((n + 1))
		assert_le "$n" 60 "rounds"
	done
	# what was counted for those under way may be given back
	until_ok 10 both_refused
	overshoot "two who append in turns"
	exec 5>&- 6>&-
	no_drift
	unmounts_well
}

# Reading is never refused, at the end of the file neither.
t_read_when_full() {
	wmnt
	about container:0:ENOSPC
	give space $((100 * MIB))
	exec 5<>"$H/f"
	write_more 5 50
	printf 'odd' >&5
	# fills it up to the last page
	! dd if=/dev/zero of="$H/rest" bs=4k status=none 2>"$D/err" ||
		fail "it never became full"
	refused ENOSPC 5
	assert_eq $((50 * MIB + 3)) "$(wc -c <"$H/f")"
	dd if="$H/f" bs=60M count=2 status=none | wc -c >"$D/n"
	assert_eq $((50 * MIB + 3)) "$(cat "$D/n")"
	# what is inside may be written
	dd if=/dev/zero of="$H/f" bs=1M count=50 conv=notrunc status=none
	exec 5>&-
	unmounts_well
}

# Killed while everything is asked for: nobody sees it, nothing gets by.
t_killed_inside() {
	local writer

	wmnt
	about container:0:ENOSPC
	give space $((200 * MIB))
	as_owner "$VT" grow write wronly 4K 1G 4 "$H/f%" >"$D/grown" &
	writer=$!
	kill_while "$writer"
	all_ended ENOSPC
	overshoot "killed all the time"
	is_readable
	no_drift
	unmounts_well
}

# While it is stopped nothing is written; the next one answers.
t_waits_for_the_next() {
	local pid size

	wmnt
	about container:0:ENOSPC
	give space $((100 * MIB))
	exec 5>"$H/f"
	write_more 5 90
	# by now it is near
	until_ok 10 asks_now
	size=$(stat -c %s "$U/home/f")
	freeze "$WORKER"
	until_ok 10 is_stopped "$WORKER"
	write_more 5 1 &
	pid=$!
	sleep 0.5
	[ -d "/proc/$pid/fd" ] || fail "nobody was asked"
	assert_eq "$size" "$(stat -c %s "$U/home/f")" "size meanwhile"
	kill_worker
	FROZEN=
	wait "$pid"
	assert_eq $((size + MIB)) "$(stat -c %s "$H/f")" "size after"
	exec 5>&-
	no_drift
	unmounts_well
}

# is_stopped PID: each of its threads.
is_stopped() {
	! grep -L '^State:.T' "/proc/$1/task"/*/status | grep -q .
}

# The mark ignores nothing.
asks_now() {
	grep -qs '^fanotify mnt_id.* ignored_mask:0$' "/proc/$KEEPER/fdinfo"/*
}

# A worker that dies with an event in its hands.
t_killed_with_an_event() {
	local point

	[ "$BUILD" = crash ] || skip "needs a build that can die there: D=crash"
	for point in WINDOW_ASKED WINDOW_ANSWERED; do
		crash_file
		export VEFS_CRASH=$D/crash
		wmnt
		unset VEFS_CRASH
		about container:0:ENOSPC
		give space $((100 * MIB))
		exec 5>"$H/f"
		write_more 5 90
		until_ok 10 asks_now
		crash_arm "$point"
		write_more 5 1
		next_worker "$WORKER"
		assert_eq $((91 * MIB)) "$(stat -c %s "$H/f")" "size"
		crash_arm "$point"
		until ! write_more 5 1 2>"$D/err"; do
			:
		done
		grep -q "No space left" "$D/err"
		overshoot "killed at $point"
		exec 5>&-
		next_worker 0
		no_drift
		rm "$H/f"
		unmounts_well
		assert_eq 2 "$(crash_fired)" "deaths"
	done
}

# crash.h's control file: its points are those of the list.
crash_points() {
	sed -n 's/^\tX(\([A-Z_]*\)).*/\1/p' "$LIB_ROOT/fs/base/crash.h"
}

crash_put() {
	local v=$2 bytes=''

	for _ in 1 2 3 4 5 6 7 8; do
		bytes+=$(printf '\\x%02x' $((v & 255)))
		v=$((v >> 8))
	done
	printf '%b' "$bytes" |
		dd of="$D/crash" bs=8 seek="$1" conv=notrunc status=none
}

crash_file() {
	local n

	n=$(crash_points | wc -l)
	rm -f "$D/crash"
	truncate -s $((32 + n * 1024)) "$D/crash"
	crash_put 0 $(((32 + n * 1024) << 32 | 0x76630001))
	crash_put 1 "$n"
}

crash_arm() {
	local at

	at=$(crash_points | grep -nx "$1")
	crash_put 2 $((0xffff << 16 | ${at%%:*}))
}

crash_fired() {
	od -An -t u8 -j 24 -N 8 "$D/crash" | tr -d ' '
}

# Limits that come, go and grow while a file is open.
t_limits_live() {
	wmnt
	about_user
	: >"$H/f"
	chown 1001 "$H/f"
	exec 5>"$H/f"
	write_more 5 20
	give space 0
	until_ok 10 asks_now
	refused EDQUOT 5
	give space $((5 * MIB))
	write_more 5 5
	refused EDQUOT 5
	give space $((100 * MIB))
	write_more 5 90
	no_limit
	write_more 5 50
	until_ok 10 asks_no_more
	ask enforce user off
	give space 0
	write_more 5 5
	ask enforce user on
	refused EDQUOT 5
	exec 5>&-
	no_drift
	unmounts_well
}

asks_no_more() {
	! asks_now
}

# Who only read it has it open so that it cannot be watched.
t_readers_first() {
	local before

	wmnt
	about_user
	give space $((200 * MIB))
	head -c 8192 /dev/zero >"$H/f"
	chown 1001 "$H/f"
	# no longer kept ready for writing
	remount_served
	exec 6<"$H/f"
	exec 5>>"$H/f"
	before=$(stats answered)
	write_more 5 2
	[ "$(asked "$before")" -ge 2 ] || fail "nobody saw it"
	exec 5>&- 6<&-
	exec 5>>"$H/f"
	before=$(stats answered)
	write_more 5 20
	assert_le "$(asked "$before")" 10 "requests for 20 writes"
	exec 5>&-
	no_drift
	unmounts_well
}

remount_served() {
	unmounts_well
	wmnt
}

t_upgrade_inside() {
	wmnt
	about container:0:ENOSPC
	give space $((100 * MIB))
	exec 5>"$H/f"
	write_more 5 90
	"$VEFS_BIN/vefsd" --upgrade "$M"
	next_worker "$WORKER"
	write_more 5 5
	! write_more 5 20 2>"$D/err" || fail "it worked"
	refused ENOSPC 5
	overshoot "another program in the middle"
	exec 5>&-
	no_drift
	unmounts_well
}

# A process without a cache of its own, in parts and out of order.
t_direct_and_sparse() {
	wmnt
	about container:0:ENOSPC
	give space $((100 * MIB))
	exec 5>"$H/f" 6>"$H/g"
	write_more 5 80
	until_ok 10 asks_now
	dd if=/dev/zero bs=1M count=4 oflag=direct status=none >&5
	# a hole takes nothing, what is behind it does
	dd if=/dev/zero bs=1M seek=1000 count=4 status=none >&6
	! dd if=/dev/zero bs=1M count=40 status=none >&6 2>"$D/err" ||
		fail "it worked"
	overshoot "direct and sparse"
	exec 5>&- 6>&-
	no_drift
	unmounts_well
}

t_bad_sizes() {
	local bad

	limits_begin
	for bad in 1M x -5 0.1 99999999999G; do
		if "$VEFS_BIN/mount.vefs" -o \
			"lowerdir=$L,upperdir=$U,workdir=$W,quota=$D/q,quota-window=$bad" \
			"$M" 2>"$D/err"; then
			fail "$bad: mounted"
		fi
		grep -q "quota-window=$bad.*16M" "$D/err"
	done
}

run_all "$@"
