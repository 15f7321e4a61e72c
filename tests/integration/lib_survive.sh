# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lib_survive.sh - a mount whose processes die; to be sourced after lib.sh.
#
# The keeper stays in the foreground, with its log in $D/vefs.log, and is
# $KEEPER; its worker is $WORKER. Both are of the case's process group.
KEEPER='' WORKER=''

# ---- a mount, its processes ------------------------------------------------

# until_ok SECONDS COMMAND...: try it until it succeeds.
until_ok() {
	local tries=$(($1 * 20 * VEFS_SLOW))

	shift
	until "$@"; do
		[ "$tries" -gt 0 ] || return 1
		tries=$((tries - 1))
		sleep 0.05
	done
}

# The kernel must send requests again.
begin() {
	only_vefs "no worker of its own to lose"
	since_linux 6 9 ||
		skip "this kernel (before 6.9) cannot send requests again"
	ulimit -c 0
	# Short: a socket's path has little room.
	export VEFS_ROOT=$LIB_WORK
	rm -rf "$VEFS_ROOT/run"
	trap 'thaw' EXIT
}

# Ask something that only the daemon knows.
answers() {
	timeout $((30 * VEFS_SLOW)) stat -f "${1:-$M}" >/dev/null
}

is_live() {
	timeout $((20 * VEFS_SLOW)) mountpoint -q "$1" && answers "$1"
}

# The one child of a process that is not dead; nothing if it has none.
child_of() {
	local pid

	[ -r "/proc/$1/task/$1/children" ] || return 0
	# shellcheck disable=SC2013 # words
	for pid in $(cat "/proc/$1/task/$1/children"); do
		if [ -e "/proc/$pid/exe" ]; then
			echo "$pid"
			return
		fi
	done
}

has_worker_but() {
	WORKER=$(child_of "$KEEPER")
	[ -n "$WORKER" ] && [ "$WORKER" != "$1" ]
}

# Wait until the keeper has another worker than $1, and that answers.
next_worker() {
	until_ok 30 has_worker_but "$1" ||
		fail "no new worker; the log: $(tail -n 3 "$D/vefs.log")"
	answers || fail "the new worker does not answer"
}

# serve OPTIONS: the mount $M, in the foreground.
serve() {
	local opts

	opts=$(lower_opts "$(quota_opts "$1")")
	"$VEFS_BIN/mount.vefs" -f -o "$opts${VEFS_OPTS:+,$VEFS_OPTS}" "$M" \
		2>>"$D/vefs.log" &
	KEEPER=$!
	until_ok 30 is_live "$M" || fail "no mount: $(cat "$D/vefs.log")"
	next_worker 0
	quota_limit "$M"
}

serve_rw() {
	serve "lowerdir=$LOWERS,upperdir=$U,workdir=$W${1:+,$1}"
}

# kill_worker [SIGNAL]: it dies and another one answers.
kill_worker() {
	local old=$WORKER

	kill "-${1:-KILL}" "$old"
	next_worker "$old"
}

command_line() {
	[ ! -r "/proc/$1/cmdline" ] || tr '\0' '\n' <"/proc/$1/cmdline"
} 2>/dev/null

# has_keeper_but OLD ORPHAN LINE: is there one, with a worker? They have this
# command line, all of them.
has_keeper_but() {
	local pid

	for pid in $(daemon_pids); do
		if [ "$pid" = "$1" ] || [ "$pid" = "$2" ] ||
			[ "$(command_line "$pid")" != "$3" ]; then
			continue
		fi
		WORKER=$(child_of "$pid")
		if [ -n "$WORKER" ] &&
			[ "$(command_line "$WORKER")" = "$3" ]; then
			KEEPER=$pid
			return
		fi
	done
	return 1
}

# Its worker's copy takes its place, and makes another worker.
kill_keeper() {
	local old=$KEEPER orphan=$WORKER line

	line=$(command_line "$old")
	kill -KILL "$old"
	until_ok 30 has_keeper_but "$old" "$orphan" "$line" ||
		fail "no new keeper; the log: $(tail -n 3 "$D/vefs.log")"
	next_worker 0
}

log_says() {
	grep -q -- "$1" "$D/vefs.log"
}

assert_log() {
	until_ok 10 log_says "$1" ||
		fail "the log does not say '$1': $(tail -n 5 "$D/vefs.log")"
}

# The keeper's exit status, within a bounded time.
keeper_ends() {
	local rc=0

	until_ok 30 test ! -d "/proc/$KEEPER/fd" || fail "the keeper stays"
	wait "$KEEPER" || rc=$?
	echo "$rc" >"$D/status"
}

# Nothing is left in the background, and the end is a good one.
unmounts_well() {
	umnt
	keeper_ends
	assert_eq 0 "$(cat "$D/status")" "exit status after umount"
	if log_says "giving up"; then
		fail "it gave up"
	fi
	"$VT" gone "$M" $((10 * VEFS_SLOW))
}

# What a stopped mount below holds up goes on.
FROZEN=
freeze() {
	FROZEN=$*
	kill -STOP "$@"
}

thaw() {
	local pids=$FROZEN

	FROZEN=
	# shellcheck disable=SC2086 # several
	[ -z "$pids" ] || kill -CONT $pids
}

# A signal that a test sends is no finding of the sanitizer's.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_abort=0

# ---- what happens to it ----------------------------------------------------

# kill_while PID: kill the worker at least once, until the process has ended.
# How often that is depends on the machine.
kill_while() {
	local rounds=0

	kill_worker KILL
	while [ -d "/proc/$1/fd" ] && [ "$rounds" -lt 200 ]; do
		sleep 0.03
		kill_worker KILL
		rounds=$((rounds + 1))
	done
	wait "$1"
}

# kill_for SECONDS: kill the worker as often as there is one.
kill_for() {
	local end=$((SECONDS + $1)) pid rounds=0

	while [ "$SECONDS" -lt "$end" ] && [ "$rounds" -lt 1000 ]; do
		pid=$(child_of "$KEEPER")
		[ -z "$pid" ] || kill -KILL "$pid"
		sleep 0.0$((RANDOM % 6 + 3))
		rounds=$((rounds + 1))
	done
	next_worker 0
}

some_walks() {
	local i

	for i in $(seq 20); do
		"$VT" walk "$1" "$((7200 + i))" 2000
		sleep 0.0$((RANDOM % 6 + 3))
	done
}

# What the keeper and its worker have open, but for where the last client is
# looked for.
open_descriptors() {
	readlink "/proc/$KEEPER/fd"/* | grep -v '^/proc/[0-9]*/task/' | sort
}

has_no_more() {
	open_descriptors >"$D/fds.now"
	[ "$(wc -l <"$D/fds.now")" -le "$(wc -l <"$1")" ]
}

# no_more_descriptors FILE AFTER: than stand in there. What is open for a moment
# goes again.
no_more_descriptors() {
	until_ok 10 has_no_more "$1" ||
		fail "descriptors after $2: $(diff "$1" "$D/fds.now")"
}

# stats NAME: the number in a fresh line of statistics.
stats() {
	local lines

	lines=$(grep -c ' stats: ' "$D/vefs.log") || [ "$lines" = 0 ]
	kill -USR1 "$KEEPER"
	until_ok 10 more_stats "$lines" || fail "no statistics"
	sed -n "s/.* stats: .*\b$1=\([0-9]*\).*/\1/p" "$D/vefs.log" | tail -n 1
}

more_stats() {
	[ "$(grep -c ' stats: ' "$D/vefs.log")" -gt "$1" ]
}
