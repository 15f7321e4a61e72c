#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctexec.sh - what runs in a container that runs: commands, shells, the console.
# All of them are a busybox.
#
# timeout: 900
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"
# shellcheck source=tests/integration/lib_ct.sh
. "$(dirname "$0")/lib_ct.sh"

HOST_IDS=0

# ---- working in it -----------------------------------------------------------

t_exec() {
	begin
	assert_eq out "$(vefs exec 101 'echo out; echo err >&2' 2>"$D/err")"
	assert_text "$D/err" $'err\n'
	vexits 8 exec 101 'exit 3'
	vexits 3 exec2 101 'exit 3'
	vexits 137 exec2 101 'kill -9 $$'
	vexits 0 exec 101 -- true
	vexits 8 exec 101 nosuch-command
	vexits 127 exec2 101 nosuch-command
	assert_eq "a b" "$(vefs exec 101 echo a b)"
	assert_eq "1 2" "$(printf 'x=1\necho $x 2\n' | vefs exec 101 -)"
	vexits 5 exec2 101 - <<<'exit 5'
	assert_eq / "$(vefs exec 101 pwd)"
	assert_eq "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
		"$(SECRET=1 vefs exec 101 env | grep -E 'PATH=|SECRET')"
	# what is left behind does not keep us
	vexits 0 exec 101 'sleep 1000 >/dev/null 2>&1 &'
	vexits 0 exec 101 'sleep 1000 &'
	# all of it is the command, none of it the shell's options
	vexits 127 exec2 101 -l
	says "[-]l: (command )?not found"
	vexits 127 exec2 101 --all ls
	says "[-]-all: (command )?not found"
	vexits 1 destroy 101
	says "container 101 is running: 'vefs stop 101' first"
	vefs --quiet stop --fast 101
}

t_exec_pipes() {
	local sum

	begin
	head -c 20000000 /dev/urandom >"$D/data"
	sum=$(md5sum <"$D/data")
	# by files and by pipes
	assert_eq "$sum" "$(vefs exec 101 md5sum <"$D/data")"
	assert_eq "$sum" "$(cat <"$D/data" | vefs exec 101 cat | md5sum)"
	vefs exec 101 cat <"$D/data" >"$D/back"
	assert_same_content "$D/data" "$D/back"
	vefs exec 101 'cat >/root/x; cat /root/x' <"$D/data" >>"$D/back"
	assert_eq 40000000 "$(stat -c %s "$D/back")"
	vefs exec 101 'yes' | head -n 1 >"$D/said" # it ends with its reader
	vefs exec 101 'cat' </dev/null
	vefs exec 101 true <"$D/data"
	# both at the same time, with somebody who reads late
	assert_eq "$sum" "$(vefs exec 101 'cat >&2' <"$D/data" \
		2>&1 >/dev/null | (sleep 1 && md5sum))"
}

# Files that it is given are not to be opened anew, or led out by.
t_exec_gives_no_files() {
	begin
	echo "the host's" >"$D/file"
	for n in 0 1 2; do
		vefs exec 101 "a=\$(readlink /proc/\$\$/fd/$n)
			echo \$a >/root/link" <"$D/file" >>"$D/out" 2>>"$D/err"
		case $(cat "$S/root/101/root/link") in
		pipe:*) ;;
		*) fail "$n is $(cat "$S/root/101/root/link")" ;;
		esac
	done
	! vefs exec2 101 "cat /proc/self/fd/0/../file" <"$D" >"$D/out" 2>&1 ||
		fail "it was led out"
	! grep host "$D/out" || fail "it was led out"
	printf 'readlink /proc/$$/fd/0\n' >"$D/script"
	case $(vefs runscript 101 "$D/script") in
	pipe:*) ;;
	*) fail "it has the script itself" ;;
	esac
	vefs run bb -- readlink /proc/self/fd/1 >"$D/out"
	case $(cat "$D/out") in
	pipe:*) ;;
	*) fail "$(cat "$D/out")" ;;
	esac
}

# What is for its next start is not for what is run in it now: whose network it
# has, what it may do. Nor is what somebody writes into its vefs.conf.
t_exec_is_held_as_it_was_started() {
	local init bounds

	begin --capability sys_nice:off
	init=$(state 101 INIT)
	bounds=$(bounds_of "$init")
	is_held
	vefs --quiet set 101 --net host --capability sys_nice:on --save \
		2>"$D/said"
	is_held
	# what it is by its words is not known any more
	rm "$S/containers/101/run/live"
	is_held
	echo 'USERNS="off"' >>"$S/containers/101/vefs.conf"
	is_held
	# nor what it was started with, as by an older version
	sed -i '/^NET_MODE=\|^CAPS_\|^FEATURES=/d' \
		"$S/containers/101/run/state"
	is_held
	vefs --quiet stop --fast 101
}

# The host's network is not given to one who then has it for his own.
t_exec_is_held_as_the_hosts_was() {
	local init bounds

	begin --userns off --net host
	init=$(state 101 INIT)
	bounds=$(bounds_of "$init")
	is_held
	vefs --quiet set 101 --net private --capability sys_admin:on --save \
		2>"$D/said"
	is_held
	rm "$S/containers/101/run/live"
	is_held
	sed -i '/^NET_MODE=\|^CAPS_\|^FEATURES=/d' \
		"$S/containers/101/run/state"
	is_held
	vefs --quiet stop --fast 101
	# the same of one with less
	vefs --quiet set 101 --net host --capability '' --save
	vefs --quiet set 101 --capability chown:off --save
	vefs --quiet start 101
	init=$(state 101 INIT)
	assert_ne "$bounds" "$(bounds_of "$init")"
	bounds=$(bounds_of "$init")
	is_held
	vefs --quiet set 101 --capability '' --save 2>"$D/said"
	is_held
	vefs --quiet stop --fast 101
}

bounds_of() {
	awk '/^CapBnd/ { print $2 }' "/proc/$1/status"
}

# What is run in 101 has the namespaces of $init, and what $bounds says.
is_held() {
	local said ns

	for ns in cgroup ipc mnt net pid time user uts; do
		[ ! -e "/proc/self/ns/$ns" ] ||
			readlink "/proc/$init/ns/$ns"
	done >"$D/its"
	echo "$bounds" >>"$D/its"
	for said in exec "enter --exec"; do
		# shellcheck disable=SC2086 # words
		set -- $said
		vefs "$1" 101 "${@:2}" 'for ns in cgroup ipc mnt net pid time \
			user uts; do readlink /proc/self/ns/$ns; done
			grep CapBnd /proc/self/status | cut -f 2' </dev/null |
			tr -d '\r' >"$D/ours"
		assert_same_content "$D/its" "$D/ours"
	done
}

# ^C for vefs is one for all of what it runs.
t_exec_is_interrupted() {
	local pid

	begin
	own exec2 101 'sleep 1001; echo not to be' >"$D/out" &
	pid=$!
	until_true vefs exec 101 pidof sleep
	kill -TERM "$pid"
	wait $! || assert_eq 143 $?
	until_true gone_inside sleep
	assert_text "$D/out" ""
}

gone_inside() {
	! vefs exec 101 "pidof '$1'"
}

# of PID STATE: is it in one that ps shows so?
in_state() {
	case $(ps -o stat= -p "$1") in
	"$2"*) ;;
	*) return 1 ;;
	esac
}

# Who runs something in it does not hold it up: neither one who is stopped,
t_exec_is_stopped() {
	local pid status

	begin
	own exec2 101 'echo here; sleep 1002' >"$D/out" &
	pid=$!
	until_true grep -q here "$D/out"
	kill -STOP "$pid"
	until_true in_state "$pid" T
	vexits 0 stop --fast 101
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
	kill -CONT "$pid"
	status=0
	wait "$pid" || status=$?
	assert_eq 137 "$status"
	assert_clean
	# and it is started again, and enters the next
	vefs --quiet start 101
	own exec2 101 'echo here; sleep 1002' >"$D/out" &
	pid=$!
	until_true grep -q here "$D/out"
	kill -STOP "$pid"
	vexits 0 restart --fast 101
	vexits 0 exec 101 true
	kill -CONT "$pid"
	! wait "$pid" || fail "it ended well"
	vefs --quiet stop --fast 101
	assert_clean
}

# on_stuck_pty ARGUMENT...: vefs on a terminal that nobody reads, until there is
# a $D/go; then what it says is thrown away. Its number is in $D/pid. To be run
# in the background.
on_stuck_pty() {
	exec python3 -c '
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
with open(sys.argv[1] + "/pid.new", "w") as f:
    print(pid, file=f)
os.rename(sys.argv[1] + "/pid.new", sys.argv[1] + "/pid")
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.1)
try:
    while os.read(fd, 65536):
        pass
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)
' "$D" "$VEFS_BIN/vefs" --root "$S" "$@"
}

# 101 has a program that says more than any terminal keeps, and counts that.
begin_with_talker() {
	busybox_root
	cat >"$D/src/bin/talk" <<-'END'
		#!/bin/sh
		rm -f /root/count
		while :; do
			seq 1 1000
			printf x >>/root/count
		done
	END
	chmod 755 "$D/src/bin/talk"
	begin
}

# It waits for its terminal: it counts no further.
is_stuck() {
	local before

	before=$(stat -c %s "$S/root/101/root/count")
	sleep 1
	[ "$before" -gt 0 ] &&
		[ "$before" = "$(stat -c %s "$S/root/101/root/count")" ]
}

# nor one whose terminal takes nothing.
t_exec_on_a_stuck_terminal() {
	local how status

	begin_with_talker
	for how in "exec2 101" "enter 101 --exec"; do
		rm -f "$D/go" "$S/root/101/root/count"
		# shellcheck disable=SC2086
		on_stuck_pty $how talk &
		until_true is_stuck
		vexits 0 stop --fast 101
		assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
		touch "$D/go"
		status=0
		wait $! || status=$?
		assert_eq 137 "$status"
		assert_clean
		vefs --quiet start 101
	done
	vefs --quiet stop --fast 101
}

# Who waits for his terminal is told to end all the same: what he runs is, and
# then he does not wait for what that said.
t_exec_on_a_stuck_terminal_is_told() {
	local pid

	begin_with_talker
	on_stuck_pty exec2 101 exec talk &
	until_true is_stuck
	read -r pid <"$D/pid"
	kill -TERM "$pid"
	until_true gone_inside talk
	kill -TERM "$pid"
	until_true in_state "$pid" Z
	touch "$D/go"
	! wait $! || fail "it ended well"
	vefs --quiet stop --fast 101
}

# However it ends that is told, and a command of the host that is killed takes
# nothing with it but its pipes.
t_exec_is_killed() {
	local pid sig

	begin
	for sig in HUP:129 SEGV:139 USR1:138 TERM:143; do
		vexits "${sig#*:}" exec2 101 "kill -${sig%:*} \$\$"
	done
	own exec2 101 'echo here; echo $$ >/root/pid; exec sleep 1003' \
		>"$D/out" &
	pid=$!
	until_true grep -q here "$D/out"
	kill -KILL "$pid"
	! wait "$pid" || fail "it ended well"
	vefs exec 101 'kill -0 "$(cat /root/pid)"'
	vefs exec 101 'kill "$(cat /root/pid)"'
	until_true gone_inside sleep
	# nobody waits for it any more, but it leaves nothing
	own exec2 101 'echo here; exec sleep 1003' >"$D/out" &
	pid=$!
	until_true grep -q here "$D/out"
	kill -KILL "$pid"
	! wait "$pid" || fail "it ended well"
	vexits 0 stop --fast 101
	assert_clean
}

t_runscript() {
	begin
	printf 'echo in $(hostname)\nexit 4\n' >"$D/script"
	vexits 4 runscript 101 "$D/script"
	says "^in 101$"
	vexits 1 runscript 101 "$D/nosuch"
	says nosuch
}

t_enter() {
	local status=0

	begin
	vefs_on_pty enter 101 <<'END' || status=$?
expect #
send tty; stty size\n
expect /dev/pts/\d
expect 33 99
resize 20 50
send stty size\n
expect 20 50
send sh -c 'echo re${x}ady; exec sleep 1000'\n
expect ready
send \x03
send echo TERM is $TERM in $PWD\n
expect TERM is \w+ in /root
send exit 7\n
END
	assert_eq 7 "$status"
	vefs_on_pty enter 101 --exec 'tty; echo $((6 * 7))' </dev/null
	says "/dev/pts"
	says "42"
	# what comes by a pipe ends
	assert_eq "pty" "$(echo 'test -t 0 && echo p""ty' | timeout 60 \
		"$VEFS_BIN/vefs" --root "$S" enter 101 | tr -d '\r' |
		grep -x pty)"
}

t_console() {
	begin
	until_true grep -q booted "$S/containers/101/run/console.log"
	vefs logs 101 | grep -q booted
	vefs_on_pty console 101 <<'END'
expect leaves
send echo $((6 * 7)) on $(tty)\n
expect 42 on /dev/console
send stty size\n
expect 33 99
send \x1b.
END
	# it is still there, and was noted
	vefs logs 101 | grep -q "42 on"
	vefs_on_pty console 101 <<'END'
send echo again\n
expect again
send \x1b.
END
	# a terminal is shown nothing that it obeys
	vefs exec 101 'printf "\033[2Jnot cleared" >/dev/console'
	until_true grep -q "not cleared" "$S/containers/101/run/console.log"
	vefs_on_pty logs 101 </dev/null
	grep -q 'not cleared' "$D/said"
	! grep -q $'\033' "$D/said" || fail "there is an Esc"
	# and says so when it ends
	vefs_on_pty console 101 <<'END'
expect leaves
send poweroff -f\n
END
	until_true status_is 101 "unmounted down"
	vefs --quiet start 101
	assert_eq 2 "$(vefs logs 101 | grep -c booted)"
}

# Much on the console: the monitor goes on, the log stays small.
t_console_flood() {
	local i log=$D/store/containers/101/run/console.log

	begin
	vefs exec 101 'yes 0123456789012345678901234567890123456789 \
		>/dev/console 2>&1 &' >"$D/said" 2>&1
	until_true test -e "$log.1"
	for ((i = 0; i < 200000; i++)); do
		[ -e "$log" ] || fail "for a moment there is no log"
	done
	vexits 0 exec 101 echo ok
	assert_le "$(stat -c %s "$log")" 1100000 "the log"
	assert_le "$(stat -c %s "$log.1")" 1100000 "the log before"
	vexits 0 stop --fast 101
	assert_clean
}

# ---- suspended ---------------------------------------------------------------

t_suspend() {
	begin
	vefs exec 101 'while :; do date +%s.%N >/root/now; sleep 0.02; done \
		>/dev/null 2>&1 &'
	until_true test -s "$S/root/101/root/now"
	vexits 0 suspend 101
	assert_eq "CTID 101 exist mounted running suspended" "$(vefs status 101)"
	vexits 1 suspend 101
	says "suspended already"
	# its filesystem is not
	cp "$S/root/101/root/now" "$D/then"
	echo "by the host" >"$S/root/101/root/note"
	sleep 0.3
	assert_same_content "$S/root/101/root/now" "$D/then"
	vexits 1 exec 101 true
	says "is suspended"
	vexits 0 resume 101
	vexits 1 resume 101
	assert_eq "by the host" "$(vefs exec 101 cat /root/note)"
	until_true differs_from "$S/root/101/root/now" "$D/then"
	vexits 0 suspend 101
	vexits 0 stop --fast 101
	assert_clean
	vefs --quiet start 101
	vexits 0 suspend 101
	vexits 0 stop 101
	vefs --quiet start 101
	vexits 0 suspend 101
	vefs --quiet kill 101
	until_true status_is 101 "unmounted down"
	assert_clean
}

differs_from() {
	! cmp -s "$1" "$2"
}

# ---- what cannot be written --------------------------------------------------

# not_said STATUS ARGUMENT...: of vefs, where nothing can be written
not_said() {
	local want=$1 status=0

	shift
	vefs "$@" >/dev/full 2>"$D/said" </dev/null || status=$?
	assert_eq "$want" "$status" "$*"
	says "writing what it said: No space left"
}

t_output_that_is_lost() {
	begin
	not_said 8 exec 101 "echo hello"
	not_said 1 exec2 101 "echo hello"
	not_said 7 exec2 101 "echo hello; exit 7"
	not_said 1 enter 101 --exec "echo hello"
	not_said 1 run bb -- echo hello
	vefs exec 101 true >/dev/full
}

run_all "$@"
