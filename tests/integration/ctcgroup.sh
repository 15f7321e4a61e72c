#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctcgroup.sh - a container's limits bite, and change while it runs.
#
# The groups' names have the script's process id; whatever a case leaves of
# them is killed and removed before the next, and at the end. CPU shares are
# measured: on a busy machine, so up to three times.
#
# timeout: 900
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_swap.sh
. "$(dirname "$0")/lib_swap.sh"

CG=${VEFS_PROGS:-$LIB_ROOT/build/${D:-opt}/tests}/ctcg
A=it-$$-a
B=it-$$-b
MIB=1048576

# What is there of A and B.
sweep() {
	local name

	for name in "$A" "$B"; do
		if "$CG" "$name" count >/dev/null 2>&1; then
			"$CG" "$name" kill
			"$CG" "$name" remove
		fi
	done
}

# new NAME [WORD=VALUE]...: groups with limits.
new() {
	[ -x "$CG" ] || fail "no $CG: make it"
	trap sweep EXIT
	"$CG" "$1" make || fail "$1 cannot be made"
	[ $# = 1 ] || "$CG" "$1" set "${@:2}"
}

inside() {
	"$CG" "$1" run "${@:2}"
}

usage() {
	"$CG" "$1" usage | awk -v key="$2" '$1 == key { print $2 }'
}

has() {
	"$CG" "$1" path "$2" - >/dev/null 2>&1
}

# wait_for SECONDS COMMAND...: until it is so.
wait_for() {
	local end=$((SECONDS + $1 * VEFS_SLOW))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# eats NAME BYTES: can so much be used inside? Its process ends after.
eats() {
	echo | inside "$1" "$CG" eat "$2" >"$D/said" 2>"$D/eaten" ||
		return 1
	grep -q full "$D/said"
}

# three_times COMMAND...: what a busy machine disturbs now and then.
three_times() {
	local n

	for n in 1 2 3; do
		if "$@"; then
			return
		fi
		echo "try $n was off"
	done
	fail "off three times: $*"
}

# within PERCENT WANT GOT: less exactly where the machine itself stands still now
# and then, as one does that is emulated.
within() {
	echo "wanted $2, got $3"
	awk -v p="$(($1 * (VEFS_SLOW > 4 ? 4 : VEFS_SLOW)))" -v want="$2" -v got="$3" 'BEGIN {
		d = got - want
		exit !((d < 0 ? -d : d) * 100 <= p * want)
	}'
}

# ---- memory ------------------------------------------------------------------

t_memory() {
	local other

	new "$A" ram=32M swap=0
	has "$A" memory || skip "no memory controller"
	new "$B" ram=32M swap=0
	inside "$B" sleep 1000 &
	other=$!
	eats "$A" 16M || fail "16 of 32 MiB"
	assert_eq 0 "$(usage "$A" oom_kills)"
	! eats "$A" 100M || fail "100 of 32 MiB"
	assert_le 1 "$(usage "$A" oom_kills)" "kills, counted"
	kill -0 "$other"
	assert_eq 0 "$(usage "$B" oom_kills)"
	# live, up and down
	"$CG" "$A" set ram=200M
	eats "$A" 100M || fail "100 of 200 MiB"
	"$CG" "$A" set ram=32M
	! eats "$A" 100M || fail "100 of 32 MiB again"
	"$CG" "$A" set ram=unlimited
	eats "$A" 100M || fail "100 MiB of all"
}

t_memory_below_use() {
	new "$A" ram=200M swap=0
	has "$A" memory || skip "no memory controller"
	mkfifo "$D/end"
	exec 5<>"$D/end"
	inside "$A" "$CG" eat 100M <&5 >"$D/said" &
	wait_for 30 grep -q full "$D/said"
	if "$CG" "$A" set ram=32M 2>"$D/why"; then
		fail "it was set"
	fi
	grep -q "too small" "$D/why"
	assert_eq $((200 * MIB)) "$(usage "$A" ram_max)"
	assert_eq 0 "$(usage "$A" oom_kills)"
	echo >&5
	wait
	"$CG" "$A" set ram=32M
}

t_swap() {
	new "$A" ram=32M swap=0
	has "$A" memory || skip "no memory controller"
	swap_hold x
	swap_new 256 || skip "no swap on a file here"
	! eats "$A" 64M || fail "64 of 32 MiB, without swap"
	"$CG" "$A" set swap=100M
	eats "$A" 64M || fail "64 MiB of 32 and 100 of swap"
	! eats "$A" 190M || fail "190 MiB of 32 and 100 of swap"
	"$CG" "$A" set ram=48M swap=8M
	! eats "$A" 64M || fail "64 MiB of 48 and 8 of swap"
	"$CG" "$A" set swap=unlimited
	eats "$A" 190M || fail "190 MiB with all swap"
}

# The daemon is beside: no limit of the payload is its own.
t_daemon_beside() {
	local pid

	new "$A" ram=16M swap=0 numproc=3
	has "$A" memory || skip "no memory controller"
	"$CG" eat 64M >"$D/said" < <(sleep 1000) &
	pid=$!
	"$CG" "$A" bring "$pid" daemon
	wait_for 30 grep -q full "$D/said"
	"$CG" "$A" freeze
	kill -0 "$pid"
	grep -q '^State:.S' "/proc/$pid/status"
	assert_eq 0 "$("$CG" "$A" count)"
	"$CG" "$A" thaw
	"$CG" "$A" kill
	wait_for 20 gone "$pid"
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# ---- CPU ----------------------------------------------------------------------

# Periods in which it might have run, and those in which the limit stopped it.
throttled() {
	awk '/^nr_periods/ { p = $2 } /^nr_throttled/ { t = $2 } END { print p, t }' \
		"$("$CG" "$A" path cpu -)/cpu.stat"
}

# uses PERCENT: it comes to its limit, and not above. 2: others have left it
# less, for in some periods the limit did not stop it.
uses() {
	local before after got

	read -r -a before < <(throttled)
	got=$("$CG" cpu 4 "$A")
	read -r -a after < <(throttled)
	within 5 "$1" "$got" && return
	echo "stopped in $((after[1] - before[1])) of" \
		"$((after[0] - before[0])) periods"
	awk -v want="$1" -v got="$got" 'BEGIN { exit !(got > want) }' && return 1
	[ $(((after[1] - before[1]) * 100)) -ge \
		$(((after[0] - before[0]) * 95)) ] || return 2
	return 1
}

comes_to() {
	local n rc

	for n in 1 2 3; do
		rc=0
		uses "$1" || rc=$?
		[ "$rc" != 0 ] || return 0
	done
	[ "$rc" = 1 ] || skip "others leave it less than its limit of $1 %"
	fail "not $1 %, three times"
}

t_cpulimit() {
	new "$A" cpulimit=50
	inside "$A" "$CG" burn &
	inside "$A" "$CG" burn &
	comes_to 50
	"$CG" "$A" set cpulimit=20
	comes_to 20
	"$CG" "$A" set cpulimit=unlimited
	sleep 1
	"$CG" cpu 3 "$A" | awk '{ exit !($1 > 40) }' ||
		fail "no more without a limit"
}

one_to_three() {
	local a b

	{
		read -r a
		read -r b
	} < <("$CG" cpu 5 "$A" "$B")
	echo "a $a b $b"
	within 10 "$1" "$(awk -v a="$a" -v b="$b" 'BEGIN { print b / a }')"
}

t_cpuunits() {
	new "$A" cpuunits=1000 cpumask=0
	new "$B" cpuunits=3000 cpumask=0
	inside "$A" "$CG" burn &
	inside "$B" "$CG" burn &
	# as many as they like: the container counts
	inside "$A" "$CG" burn &
	inside "$A" "$CG" burn &
	sleep 1
	three_times one_to_three 3
	"$CG" "$A" set cpuunits=3000
	sleep 1
	three_times one_to_three 1
}

t_cpumask() {
	local pid

	[ "$(nproc --all)" -gt 1 ] || skip "one CPU only"
	new "$A" cpumask=1
	"$CG" "$A" run sleep 1000 &
	pid=$!
	wait_for 10 on_cpus "$pid" 1
	"$CG" "$A" set cpumask=0
	on_cpus "$pid" 0
	"$CG" "$A" set cpumask=all
	on_cpus "$pid" "0-$(($(nproc --all) - 1))"
	assert_eq 1 "$("$CG" "$A" count)"
}

on_cpus() {
	[ "$(awk '/^Cpus_allowed_list/ { print $2 }' "/proc/$1/status")" = "$2" ]
}

# ---- processes ---------------------------------------------------------------

t_numproc() {
	new "$A" numproc=20
	# the one that counts is one of them
	assert_eq 19 "$(inside "$A" "$CG" forks 100)"
	"$CG" "$A" set numproc=40
	assert_eq 39 "$(inside "$A" "$CG" forks 100)"
	"$CG" "$A" set numproc=unlimited
	assert_eq 100 "$(inside "$A" "$CG" forks 100)"
}

t_fork_bomb() {
	new "$A" numproc=50
	# shellcheck disable=SC2016 # for the shell inside
	inside "$A" bash -c 'f() { f | f & }; f; sleep 1000' 2>/dev/null &
	wait_for 30 full_of_processes 40
	# the host forks on
	assert_eq 5 "$("$CG" forks 5)"
	"$CG" "$A" kill
	assert_eq 0 "$("$CG" "$A" count)"
}

full_of_processes() {
	[ "$(usage "$A" processes)" -ge "$1" ]
}

t_freeze() {
	local pid before

	new "$A"
	: >"$D/ticks"
	inside "$A" bash -c "while :; do echo >>$D/ticks; sleep 0.01; done" &
	pid=$!
	wait_for 20 test -s "$D/ticks"
	"$CG" "$A" freeze
	before=$(wc -l <"$D/ticks")
	sleep 0.5
	assert_eq "$before" "$(wc -l <"$D/ticks")" "lines while frozen"
	kill -0 "$pid"
	"$CG" "$A" thaw
	wait_for 20 more_ticks "$before"
	"$CG" "$A" freeze
	"$CG" "$A" kill
	wait_for 20 gone "$pid"
	"$CG" "$A" remove
}

more_ticks() {
	[ "$(wc -l <"$D/ticks")" -gt "$1" ]
}

# ---- disks and devices --------------------------------------------------------

# rate NAME if=...|of=...: bytes a second of 3 MiB, past the page cache.
rate() {
	local began ended

	began=$(date +%s%N)
	inside "$1" dd "${@:2}" bs=64k count=48 status=none
	ended=$(date +%s%N)
	echo $((3 * MIB * 1000 / ((ended - began) / 1000000 + 1)))
}

t_iolimit() {
	local dev got

	new "$A"
	has "$A" io || skip "no I/O controller"
	truncate -s 16M "$D/image"
	dev=$(losetup -f --show "$D/image") || skip "no loop device"
	got=$(rate "$A" if=/dev/zero of="$dev" oflag=direct)
	echo "unlimited $got"
	assert_le $((2 * MIB)) "$got" "bytes a second without a limit"
	"$CG" "$A" set iolimit=1M
	got=$(rate "$A" if=/dev/zero of="$dev" oflag=direct)
	echo "written at $got"
	assert_le "$got" $((MIB * 11 / 10)) "bytes a second written"
	got=$(rate "$A" if="$dev" of=/dev/null iflag=direct)
	echo "read at $got"
	assert_le "$got" $((MIB * 11 / 10)) "bytes a second read"
	"$CG" "$A" set iolimit=unlimited iopslimit=20
	got=$(rate "$A" if="$dev" of=/dev/null iflag=direct)
	echo "20 operations of 64 KiB: $got"
	assert_le "$got" $((20 * 65536 * 11 / 10)) "bytes a second in pieces"
	"$CG" "$A" set iopslimit=unlimited
	got=$(rate "$A" if="$dev" of=/dev/null iflag=direct)
	assert_le $((2 * MIB)) "$got" "bytes a second, lifted"
	losetup -d "$dev"
}
# shellcheck disable=SC2034 # for the frame
t_iolimit_limit=120

# What the daemon does counts too, and is not more room.
t_iolimit_together() {
	local dev began ended got pid

	new "$A"
	has "$A" io || skip "no I/O controller"
	truncate -s 16M "$D/image"
	dev=$(losetup -f --show "$D/image") || skip "no loop device"
	"$CG" "$A" set iolimit=1M
	began=$(date +%s%N)
	"$CG" "$A" serve dd if="$dev" of=/dev/null iflag=direct bs=64k \
		count=32 status=none &
	pid=$!
	inside "$A" dd if="$dev" of=/dev/null iflag=direct bs=64k count=32 \
		skip=64 status=none
	wait "$pid"
	ended=$(date +%s%N)
	got=$((4 * MIB * 1000 / ((ended - began) / 1000000 + 1)))
	echo "both at $got"
	losetup -d "$dev"
	# with other controllers in its hierarchy v1 cannot
	[ "$("$CG" "$A" path io payload)" != "$("$CG" "$A" path memory payload)" ] ||
		[ "$("$CG" "$A" path io -)" = "$("$CG" "$A" path "" -)" ] ||
		skip "v1's blkio is mounted with memory"
	assert_le "$got" $((MIB * 11 / 10)) "bytes a second of both"
}

# v2 knows whose a write through the page cache was.
t_iolimit_buffered() {
	local began ended got

	new "$A"
	[[ $("$CG" "$A" path io -) = "$("$CG" "$A" path "" -)" ]] ||
		skip "v1 does not know whose a write behind is"
	new_fs ext4 64M "$D/disk" || skip "no mkfs.ext4"
	"$CG" "$A" set iolimit=1M
	began=$(date +%s%N)
	"$CG" "$A" serve dd if=/dev/zero of="$D/disk/f" bs=64k count=64 \
		conv=fsync status=none
	ended=$(date +%s%N)
	got=$((4 * MIB * 1000 / ((ended - began) / 1000000 + 1)))
	echo "written behind at $got"
	assert_le "$got" $((MIB * 12 / 10)) "bytes a second written behind"
}

t_devices() {
	local dev node

	new "$A"
	truncate -s 1M "$D/image"
	dev=$(losetup -f --show "$D/image") || skip "no loop device"
	node=$(stat -c '%t %T' "$dev")
	node=$((0x${node% *})):$((0x${node#* }))
	inside "$A" mknod "$D/disk" b "${node%:*}" "${node#*:}"
	inside "$A" head -c 1 "$D/disk" >/dev/null
	"$CG" "$A" devices usual || skip "no device limits here"
	if inside "$A" head -c 1 "$D/disk" 2>"$D/why"; then
		fail "a disk could be read"
	fi
	grep -q "not permitted" "$D/why"
	! inside "$A" mknod "$D/disk2" b "${node%:*}" "${node#*:}" ||
		fail "a disk could be made"
	inside "$A" sh -c 'echo x >/dev/null; head -c 1 /dev/urandom' >/dev/null
	inside "$A" mknod "$D/null" c 1 3
	# the host, and the daemon, may
	head -c 1 "$D/disk" >/dev/null
	"$CG" "$A" devices "b:$node"
	inside "$A" head -c 1 "$D/disk" >/dev/null
	"$CG" "$A" devices all
	inside "$A" head -c 1 "$D/disk" >/dev/null
	losetup -d "$dev"
}

(run_all)
status=$?
sweep
exit "$status"
