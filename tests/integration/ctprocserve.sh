#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctprocserve.sh - how the virtual files of a container are served: to whom, by
# whom, for how long, at what cost.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_ctproc.sh
. "$(dirname "$0")/lib_ctproc.sh"

t_nothing_can_be_written() {
	container
	assert_errno EACCES sh -c "echo x >'$T/proc/meminfo'"
	assert_errno EACCES bash -c "echo x >>'$T/proc/meminfo'"
	assert_errno EACCES bash -c "echo x >>'$T/proc/user_beancounters'"
	assert_errno EACCES truncate -s 0 "$T/proc/stat"
	assert_errno EACCES chmod 777 "$T/proc/stat"
	assert_errno EACCES touch "$T/proc/new"
	assert_errno EACCES mkdir "$T/proc/new"
	assert_errno EACCES rm -f "$T/proc/stat"
	assert_errno EACCES mv "$T/proc/stat" "$T/proc/new"
	assert_errno EACCES ln -s a "$T/proc/new"
	assert_eq $((256 * 1024)) "$(of meminfo MemTotal)"
}

t_sizes_are_exact() {
	local f

	container
	for f in meminfo stat cpuinfo vmstat swaps diskstats cmdline; do
		assert_eq "$(stat -c %s "$T/proc/$f")" \
			"$(wc -c <"$T/proc/$f")" "$f"
		[ -s "$T/proc/$f" ] || fail "$f is empty"
	done
	# byte by byte it is the same text, but for what moves
	dd if="$T/proc/cpuinfo" of=slowly bs=7 2>/dev/null
	cmp slowly "$T/proc/cpuinfo"
}

t_beancounters_are_roots() {
	container
	assert_stat %a 400 "$T/proc/user_beancounters"
	assert_errno EACCES as_user 1234 1234 \
		cat "$T/proc/user_beancounters"
	assert_eq "Version: 2.5" "$(head -n 1 "$T/proc/user_beancounters")"
	assert_eq 26 "$(wc -l <"$T/proc/user_beancounters")"
	assert_eq "65536" "$(awk '$1 == "physpages" { print $5 }' \
		"$T/proc/user_beancounters")"
	assert_eq "$P:" "$(awk '$2 == "kmemsize" { print $1 }' \
		"$T/proc/user_beancounters")"
	awk '$1 == "numproc" { exit !($2 >= 1 && $2 <= $3) }' \
		"$T/proc/user_beancounters" || fail "numproc"
}

t_locks_are_counted() {
	need flock
	container
	inside flock "$D/locked" sleep 4 &
	for ((i = 0; i < 30; i++)); do
		[ "$(awk '$1 == "numflock" { print $2 }' \
			"$T/proc/user_beancounters")" != 1 ] || break
		sleep 0.1
	done
	assert_eq 1 "$(awk '$1 == "numflock" { print $2 }' \
		"$T/proc/user_beancounters")"
	# it has the host's network: nothing is told of that
	assert_eq "0 0 0" "$(awk '$1 ~ /^(numtcpsock|numothersock|tcpsndbuf)$/ {
		print $2 }' "$T/proc/user_beancounters" | xargs)"
	wait $!
}

t_mounts_are_the_callers() {
	container
	inside mount -t tmpfs only-inside /mnt
	inside cat "$T/proc/mounts" >inside
	cat "$T/proc/mounts" >outside
	grep -q '^only-inside /mnt ' inside || fail "not its own: $(cat inside)"
	grep -q '^only-inside' outside && fail "another's"
	grep -q "^vefs-proc" outside && fail "the files themselves are listed"
	grep -q ' / ' outside || fail "no root"
}

t_a_killed_server_is_replaced() {
	local i keeper reader

	since_linux 6 9 || skip "this kernel does not send requests again"
	container
	keeper=$(served_by)
	timeout $((40 * VEFS_SLOW)) sh -c 'end=$(($(date +%s) + 4))
		while [ "$(date +%s)" -lt "$end" ]; do
			for f in meminfo stat mounts user_beancounters; do
				cat "$0/proc/$f" >/dev/null || exit 1
			done
		done' "$T" &
	reader=$!
	for i in 1 2 3 4 5 6; do
		kill -KILL "$(server)"
		sleep 0.5
	done
	wait "$reader" || fail "a reader was told of it"
	assert_eq "$keeper" "$(served_by)"
	assert_eq $((256 * 1024)) "$(of meminfo MemTotal)"
}

t_it_ends_when_told() {
	local keeper i

	container
	keeper=$(served_by)
	kill -TERM "$keeper"
	for ((i = 0; i < 100 * VEFS_SLOW; i++)); do
		[ -d "/proc/$keeper" ] || break
		sleep 0.1
	done
	[ ! -d "/proc/$keeper" ] || fail "it goes on"
	assert_names "$T" ""
}

t_a_container_that_ends() {
	local total

	container
	groups_kill
	sleep 0.3
	groups_remove
	later
	# not the host's, and no hang
	total=$(of meminfo MemTotal)
	assert_eq $((256 * 1024)) "$total"
	timeout $((10 * VEFS_SLOW)) cat "$T"/proc/{stat,cpuinfo,loadavg,vmstat,swaps} >all
	[ -s all ] || fail "nothing"
	assert_eq "$(cpus_for 2)" "$(grep -c ^processor all)"
}

t_a_name_to_stumble_over() {
	local up

	groups_new
	T=$D/served
	mkdir "$T"
	cp "$(command -v sleep)" "$D/my ) R init"
	unshare --user --map-root-user --pid --fork "$D/my ) R init" $((60 * VEFS_SLOW)) &
	for ((i = 0; i < 100 * VEFS_SLOW; i++)); do
		P=$(pgrep -P $!) && break
		sleep 0.1
	done
	join "$P"
	timeout $((20 * VEFS_SLOW)) "$VEFS_BIN/vefs" proc --pid "$P" "$T"
	up=$(cut -d. -f1 "$T/proc/uptime")
	assert_le "$up" $((30 * VEFS_SLOW)) uptime
}

t_a_thousand_threads() {
	container
	inside sh -c 'i=0; while [ $i -lt 1000 ]; do sleep "$0" & i=$((i + 1));
		done; wait' $((100 * VEFS_SLOW)) &
	for ((i = 0; i < 600 * VEFS_SLOW; i++)); do
		[ "$(cat "$(group pids)/pids.current")" -lt 1000 ] || break
		sleep 0.1
	done
	timeout $((10 * VEFS_SLOW)) cat "$T/proc/stat" "$T/proc/loadavg" >all
	later
	timeout $((10 * VEFS_SLOW)) cat "$T/proc/user_beancounters" >ubc
	awk '{ split($4, n, "/"); exit !(n[2] >= 900) }' "$T/proc/loadavg" ||
		fail "$(cat "$T/proc/loadavg")"
	assert_le 900 "$(awk '$1 == "numproc" { print $2 }' ubc)" numproc
	groups_kill
}
# shellcheck disable=SC2034 # the frame's
t_a_thousand_threads_limit=120

rss() {
	awk '/^RssAnon/ { print $2 }' "/proc/$(server)/status"
}

t_it_does_not_grow() {
	local before

	container
	find "$T/proc" -type f -exec cat {} + >/dev/null
	before=$(rss)
	timeout $((40 * VEFS_SLOW)) sh -c 'i=0; while [ $i -lt 300 ]; do
			cat "$0"/proc/stat "$0"/proc/mounts "$0"/proc/cpuinfo \
				"$0"/proc/vz/* "$0"/proc/user_beancounters
			i=$((i + 1))
		done' "$T" >/dev/null
	assert_le "$(rss)" "$((before + 200))" "KiB"
	assert_le "$(rss)" 2048 "KiB"
}

switches() {
	cat /proc/"$(server)"/task/*/status |
		awk '/ctxt_switches/ { n += $2 } END { print n }'
}

t_nobody_reads_nobody_wakes() {
	local before i

	container
	cat "$T/proc/loadavg" "$T/proc/stat" "$T/proc/mounts" >/dev/null
	# a kernel that is told to forget tells the server, too
	for i in 1 2 3 4 5; do
		sleep 1
		before=$(switches)
		sleep 3
		[ "$before" != "$(switches)" ] || return 0
	done
	fail "it woke in each of $i times"
}

# ---- over its own ----------------------------------------------------------

# refused WHY WORD...: such a command
refused() {
	local why=$1 said

	shift
	! said=$(timeout 20 "$VEFS_BIN/vefs" proc "$@" 2>&1) || fail "it works"
	[[ $said = *"$why"* ]] || fail "told '$said', not '$why'"
}

its_total() {
	inside awk '/^MemTotal/ { print $2 }' /proc/meminfo
}

over_its_own() {
	pgrep -o -f "proc --pid $P --inside\$"
}

gone() {
	local i

	for ((i = 0; i < 100; i++)); do
		[ -d "/proc/$1" ] || return 0
		sleep 0.1
	done
	fail "$1 goes on"
}

t_over_its_own() {
	local host keeper

	host=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
	container
	assert_eq "$host" "$(its_total)"
	timeout 20 "$VEFS_BIN/vefs" proc --pid "$P" --inside
	assert_eq $((256 * 1024)) "$(its_total)"
	assert_eq "$(cpus_for 2)" "$(inside grep -c ^processor /proc/cpuinfo)"
	assert_eq simfs "$(inside ls /sys/block)"
	assert_eq "$host" "$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)"
	refused "is covered already" --pid "$P" --inside
	keeper=$(over_its_own)
	kill -TERM "$keeper"
	gone "$keeper"
	assert_eq "$host" "$(its_total)"
	# it ends with the container
	timeout 20 "$VEFS_BIN/vefs" proc --pid "$P" --inside
	keeper=$(over_its_own)
	groups_kill
	gone "$keeper"
}

# What would be over the host's own is refused.
t_over_the_hosts() {
	groups_new
	sleep 100 &
	P=$!
	join "$P"
	refused "no mounts of its own" --pid "$P" --inside
	mount --make-rshared /
	unshare --mount --propagation unchanged sleep 100 &
	P=$!
	join "$P"
	sleep 0.5
	refused "no mounts of its own" --pid "$P" --inside
	groups_kill
}

# ---- what is refused -------------------------------------------------------

t_wrong_words() {
	local vefs=$VEFS_BIN/vefs

	mkdir "$D/t"
	assert_errno "its value is missing" "$vefs" proc --pid
	assert_errno "not a process id" "$vefs" proc --pid 1x "$D/t"
	assert_errno ENOENT "$vefs" proc --pid $$ "$D/none"
	assert_errno ENOENT "$vefs" proc --pid 1 "$D/none"
	assert_errno "vefs proc" "$vefs" proc "$D/t"
	assert_errno "vefs proc" "$vefs" proc
	assert_errno "vefs proc" "$vefs" proc --inside
	assert_errno "vefs proc" "$vefs" proc --pid $$ --inside "$D/t"
	assert_names "$D/t" ""
}

t_twice_in_one_place() {
	container
	refused "has such files already" --pid "$P" "$T"
	assert_eq $((256 * 1024)) "$(of meminfo MemTotal)"
}

t_the_host_is_no_container() {
	local line

	mkdir "$D/t"
	while IFS=: read -r _ _ line; do
		[ "$line" = / ] || skip "process 1 is in a group of its own"
	done </proc/1/cgroup
	assert_errno "process 1 is in no control group" "$VEFS_BIN/vefs" proc \
		--pid 1 "$D/t"
	assert_names "$D/t" ""
}

run_all
