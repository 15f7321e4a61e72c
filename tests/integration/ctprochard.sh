#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctprochard.sh - the virtual files of a container that makes it hard: very many
# processes, groups of its own, limits of nothing, groups that go away while
# its files are read.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_ctproc.sh
. "$(dirname "$0")/lib_ctproc.sh"

FILES=(meminfo stat cpuinfo loadavg swaps diskstats vmstat uptime
	user_beancounters vz/veinfo vz/vestat)

# The group's limit of memory, and of that with swap.
limit_memory() {
	if is_v2; then
		echo "$1" >"$(group)/memory.max"
		return
	fi
	# what is raised first is the outer one
	echo "$1" >"$(group memory)/memory.memsw.limit_in_bytes" 2>/dev/null ||
		[ "$1" -lt $((256 * MIB)) ]
	echo "$1" >"$(group memory)/memory.limit_in_bytes"
	echo "$1" >"$(group memory)/memory.memsw.limit_in_bytes"
}

# All files, each in time and not empty; they are in $D/all then.
read_all() {
	local f

	: >"$D/all"
	for f in "${FILES[@]}"; do
		timeout $((10 * VEFS_SLOW)) cat "$T/proc/$f" >"$D/one" ||
			fail "$f"
		[ "$f" = swaps ] || [ -s "$D/one" ] || fail "$f is empty"
		cat "$D/one" >>"$D/all"
	done
}

bean() {
	awk -v row="$1" -v f="$2" '{ sub("^ *[^ ]*:", "") }
		$1 == row { print $f }' "$T/proc/user_beancounters"
}

# shellcheck disable=SC2034 # the frame's
t_ten_thousand_processes_limit=180
t_ten_thousand_processes() {
	local i

	container
	limit_memory $((4096 * MIB))
	inside "$VT" forks 10000 $((150 * VEFS_SLOW)) >ready &
	for ((i = 0; i < 1000 * VEFS_SLOW; i++)); do
		[ ! -s ready ] || break
		kill -0 $! || skip "this machine has no room for so many"
		sleep 0.1
	done
	assert_eq ready "$(cat ready)"
	read_all
	# what was counted may be shown again for as long as counting them took
	sleep $((2 * VEFS_SLOW))
	read_all
	assert_le 10000 "$(bean numproc 2)" "numproc"
	assert_le 10000 "$(bean numfile 2)" "numfile"
	awk '{ split($4, n, "/"); exit !(n[2] >= 10000 && n[1] < 100) }' \
		"$T/proc/loadavg" || fail "$(cat "$T/proc/loadavg")"
	assert_le 10000 "$(of stat processes)" "processes"
	assert_le "$(of stat procs_running)" 100 "running"
	groups_kill
}

# The group, where several hierarchies have it in each.
tops() {
	if is_v2; then
		group
	else
		group memory
		group pids
	fi
}

# What is in a group of the container's own making is the container's; what is
# limited there is not.
t_groups_below() {
	local top i pid pids

	container
	inside "$VT" forks 20 $((60 * VEFS_SLOW)) >ready &
	for ((i = 0; i < 100 * VEFS_SLOW; i++)); do
		[ ! -s ready ] || break
		sleep 0.1
	done
	pids=$(pgrep -P "$(pgrep -f -o "^$VT forks 20 ")")
	for top in $(tops); do
		mkdir -p "$top/a/b/c"
		for pid in $pids; do
			echo "$pid" >"$top/a/b/c/cgroup.procs"
		done
		assert_eq 20 "$(wc -l <"$top/a/b/c/cgroup.procs")" "moved"
	done
	is_v2 || echo $((8 * MIB)) >"$(
		group memory)/a/b/c/memory.limit_in_bytes"
	later
	assert_eq $((256 * 1024)) "$(of meminfo MemTotal)"
	assert_le 22 "$(bean numproc 2)" "numproc"
	assert_le 20 "$(bean numfile 2)" "numfile"
	awk '{ split($4, n, "/"); exit n[2] < 22 }' "$T/proc/loadavg" ||
		fail "$(cat "$T/proc/loadavg")"
	# they end with the first of them
	groups_kill
	for top in $(tops); do
		for ((i = 0; i < 100 * VEFS_SLOW; i++)); do
			rmdir "$top/a/b/c" 2>/dev/null && break
			sleep 0.1
		done
		rmdir "$top/a/b" "$top/a"
	done
}

# Of a container whose processes have gone, as no other can have them.
t_limits_of_nothing() {
	local i host

	host=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
	container
	groups_kill
	for ((i = 0; i < 100; i++)); do
		[ -n "$(cat "$(group memory)/cgroup.procs")" ] || break
		sleep 0.1
	done
	if is_v2; then
		echo 0 >"$(group)/memory.swap.max"
		echo "1000 1000000" >"$(group)/cpu.max"
	else
		echo 1 >"$(group memory)/memory.force_empty"
		echo 1000000 >"$(group cpu)/cpu.cfs_period_us"
		echo 1000 >"$(group cpu)/cpu.cfs_quota_us"
	fi
	echo 0 >"$(group pids)/pids.max"
	limit_memory 0 2>/dev/null || echo "memory stays: $(memory_used) bytes"
	later
	read_all
	# programs divide by them
	assert_le 4 "$(of meminfo MemTotal)" "MemTotal"
	assert_le "$(of meminfo MemTotal)" $((256 * 1024)) "MemTotal"
	[ "$(of meminfo MemTotal)" != "$host" ] || fail "the host's"
	assert_le "$(of meminfo MemFree)" "$(of meminfo MemTotal)" "MemFree"
	assert_le "$(of meminfo MemAvailable)" "$(of meminfo MemTotal)"
	assert_le "$(of meminfo SwapFree)" "$(of meminfo SwapTotal)"
	assert_eq 1 "$(grep -c ^processor "$T/proc/cpuinfo")" "processors"
	assert_eq 0 "$(bean numproc 5)" "numproc's limit"
}

# Fewer than there are, less than is used: the numbers stay within each other.
t_limits_below_the_use() {
	local i

	container
	inside mount -t tmpfs tmpfs /mnt
	inside dd if=/dev/zero of=/mnt/zeroes bs=1M count=40 2>/dev/null
	inside "$VT" forks 30 $((60 * VEFS_SLOW)) >ready &
	for ((i = 0; i < 100 * VEFS_SLOW; i++)); do
		[ ! -s ready ] || break
		sleep 0.1
	done
	echo 10 >"$(group pids)/pids.max"
	later
	read_all
	assert_eq 10 "$(bean numproc 5)" "numproc's limit"
	assert_le 30 "$(bean numproc 2)" "numproc"
	# refused, or taken and got by reclaiming: either way nothing is negative
	limit_memory $((45 * MIB)) 2>/dev/null || echo "refused"
	later
	read_all
	assert_le "$(of meminfo MemFree)" "$(of meminfo MemTotal)" "MemFree"
	assert_le "$(of meminfo MemAvailable)" "$(of meminfo MemTotal)"
	groups_kill
}

# Nobody is told an error, or what is the host's, in any moment.
t_groups_that_vanish() {
	local host reader i

	host=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
	for i in 1 2 3; do
		container
		# shellcheck disable=SC2016 # the inner shell's
		timeout $((30 * VEFS_SLOW)) sh -c '
			end=$(($(date +%s) + 2))
			while [ "$(date +%s)" -lt "$end" ]; do
				for f in meminfo stat cpuinfo loadavg vmstat \
					user_beancounters vz/veinfo; do
					cat "$0/proc/$f" || exit 1
				done
			done' "$T" >"$D/read" &
		reader=$!
		sleep 0.5
		groups_kill
		groups_remove
		wait "$reader" || fail "a reader was told of it"
		awk -v host="$host" '/^MemTotal/ { n++; bad += $2 == host }
			END { exit !(n > 1 && bad == 0) }' "$D/read" ||
			fail "$(grep -c ^MemTotal "$D/read") times read"
		kill -TERM "$(served_by)"
		for ((n = 0; n < 100; n++)); do
			[ -n "$(served_by)" ] || break
			sleep 0.1
		done
		umount "$T"
	done
}

# Each opens a trigger of pressure and goes without waiting for it; bytes that
# are none; and all of it at once.
t_pressure_that_nobody_waits_for() {
	local i f

	[ -e /proc/pressure/cpu ] || skip "this kernel tells no pressure"
	container
	[ -e "$T/proc/pressure/cpu" ] || skip "the group tells no pressure"
	for i in $(seq 50); do
		for f in cpu io memory; do
			printf 'some 150000 2000000' >"$T/proc/pressure/$f"
			! printf 'nonsense %s' "$i" 2>/dev/null \
				>"$T/proc/pressure/$f" || fail "taken"
			cat "$T/proc/pressure/$f" >pressure
		done
	done
	grep -q '^some avg10=' pressure || fail "$(cat pressure)"
	read_all
}

run_all "$@"
