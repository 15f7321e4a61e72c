#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctrun.sh - containers for one command, of a busybox.
#
# timeout: 900
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"
# shellcheck source=tests/integration/lib_ct.sh
. "$(dirname "$0")/lib_ct.sh"

HOST_IDS=0

no_containers() {
	[ -z "$(ls "$S/containers")" ] && nothing_runs
}

t_run() {
	busybox_template
	vexits 0 run bb -- true
	vexits 7 run bb -- sh -c 'exit 7'
	vexits 127 run bb -- sh -c nosuch-command
	vexits 0 run bb </dev/null
	until_true no_containers
	vexits 125 run bb true
	says "usage: vefs run TEMPLATE .*-- COMMAND"
	says "true: a command stands behind '--'"
	vexits 125 run bb --foo -- true
	says "usage: vefs run TEMPLATE .*-- COMMAND"
	no_containers
}

t_run_streams() {
	busybox_template
	assert_eq hello "$(echo hello | vefs run bb -- cat)"
	head -c 5000000 /dev/urandom >"$D/data"
	assert_eq "$(md5sum <"$D/data")" "$(vefs run bb -- md5sum <"$D/data")"
	assert_eq "$(md5sum <"$D/data")" \
		"$(cat <"$D/data" | vefs run bb -- cat | md5sum)"
	assert_eq out "$(vefs run bb -- sh -c 'echo out; echo err >&2' \
		2>"$D/err")"
	assert_text "$D/err" $'err\n'
	assert_eq "0 1 2" "$(vefs run bb -- ls /proc/self/fd | grep -vx 3 | xargs)"
	vexits 125 run bb -- /nosuch
	says "no program /nosuch"
	vexits 125 run bb --ram nosuch -- true
	assert_eq $((64 << 20)) "$(vefs run bb --ram 64M -- \
		awk '/MemTotal/ { print $2 * 1024 }' /proc/meminfo)"
	no_containers || fail "left: $(ls "$S/containers") $(left_of_them)"
}

# Not a byte is lost on the way to a terminal, however slow.
t_run_on_terminal() {
	local status=0

	busybox_template
	vefs_on_pty run bb -- sh -c 'tty; stty size; seq 1 50000' </dev/null
	says "/dev/console"
	says "33 99"
	assert_eq 50000 "$(tr -d '\r' <"$D/said" | grep -cx '[0-9]*')"
	echo "slowly 0.004" |
		vefs_on_pty run bb -- seq 1 50000
	assert_eq 50000 "$(tr -d '\r' <"$D/said" | grep -cx '[0-9]*')"
	vefs_on_pty run bb <<'END' || status=$?
expect #
send exit 9\n
END
	assert_eq 9 "$status"
	no_containers || fail "left: $(ls "$S/containers") $(left_of_them)"
}

# Who stops it has it locked when it is to be taken away.
t_run_stopped() {
	local pid status=0

	busybox_template
	own run bb -- sleep 1000 >"$D/out" 2>&1 </dev/null &
	pid=$!
	until_true runs_one
	vefs --quiet stop --fast "$(vefs list -H -o ctid | xargs)"
	wait "$pid" || status=$?
	assert_eq 137 "$status" "exit status"
	assert_text "$D/out" ""
	no_containers || fail "left: $(ls "$S/containers")"
}

runs_one() {
	[ -n "$(vefs list -H -o ctid)" ]
}

# Killed in any way it takes all with it: told to end, its command told, the
# command of the host killed, its monitor killed.
t_run_killed() {
	local pid monitor

	busybox_template
	for sig in TERM INT HUP KILL; do
		begin_run "$sig"
		kill "-$sig" "$pid"
		! wait "$pid" || fail "$sig: it ended well"
		until_true no_containers
	done
	begin_run monitor
	kill -KILL "$monitor"
	! wait "$pid" || fail "it ended well"
	until_true no_containers
	# what the command does with it is its own
	own run bb -- sh -c 'trap "echo bye; exit 3" TERM
		echo x; while :; do sleep 0.1; done' >"$D/out" &
	pid=$!
	until_true grep -q x "$D/out"
	kill -TERM "$pid"
	wait "$pid" || assert_eq 3 $?
	assert_text "$D/out" $'x\nbye\n'
}

begin_run() {
	own run bb -- sh -c 'echo up; sleep 1000' >"$D/out.$1" &
	pid=$!
	until_true grep -q up "$D/out.$1"
	monitor=$(state "$(ls "$S/containers")" MONITOR)
}

run_all "$@"
