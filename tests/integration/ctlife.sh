#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctlife.sh - containers begin, are worked in, and end, each in its way; and
# nothing of them is left. All of them are a busybox.
#
#	VEFS_CYCLES	how often t_leaks starts and stops (20)
# timeout: 900
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"
# shellcheck source=tests/integration/lib_ct.sh
. "$(dirname "$0")/lib_ct.sh"

VEFS_CYCLES=${VEFS_CYCLES:-20}
HOST_IDS=0

# In the background a function of the shell would be one more process.

# ---- beginning and ending ----------------------------------------------------

t_start_stop() {
	local init

	begin
	assert_eq "CTID 101 exist mounted running" "$(vefs status 101)"
	init=$(state 101 INIT)
	assert_eq 101 "$(vefs exec 101 hostname)"
	vexits 32 start 101
	says "is running already"
	vexits 1 umount 101
	says "is running"
	vefs --quiet restart 101 --fast
	assert_ne "$init" "$(state 101 INIT)"
	assert_eq ok "$(vefs exec 101 echo ok)"
	vefs --quiet stop 101
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
	assert_clean
	vexits 31 stop 101
	says "not running"
	vexits 31 exec 101 true
	vexits 31 kill 101
	vexits 31 suspend 101
	vexits 31 enter 101
	vexits 31 console 101
	vefs --quiet restart 101
	vefs --quiet stop --fast 101
	assert_eq "CTID 102 deleted unmounted down" "$(vefs status 102)"
	vexits 1 start 102
	says "no container 102"
	vefs --quiet destroy 101
	assert_absent "$S/containers/101"
	[ ! -d "$S/idranges" ] || assert_names "$S/idranges" ""
}

# Uptime, ids, hostname and addresses are its own.
t_it_is_its_own() {
	local host base

	begin --hostname www.example.org
	assert_eq www.example.org "$(vefs exec 101 hostname)"
	assert_le "$(vefs exec 101 'cut -d. -f1 /proc/uptime')" $((30 * VEFS_SLOW)) "its uptime"
	base=$(state 101 BASE)
	assert_le 65536 "$base" "its first id"
	assert_eq "0 $base 65536" "$(vefs exec 101 cat /proc/self/uid_map | xargs)"
	assert_eq "0 $base 65536" "$(vefs exec 101 cat /proc/self/gid_map | xargs)"
	assert_eq "$base" "$(stat -c %u "/proc/$(state 101 INIT)")"
	assert_eq "uid=0(root) gid=0(root)" \
		"$(vefs exec 101 id | sed 's/ groups=0(root)$//')"
	vefs exec 101 'echo x >/root/f; chown 5:6 /root/f'
	# on the host's side of the mount they are the host's
	assert_eq "$((base + 5)) $((base + 6))" \
		"$(stat -c '%u %g' "$S/root/101/root/f")"
	# at rest they are the container's
	assert_eq "5 6" "$(stat -c '%u %g' "$S/containers/101/upper/root/f")"
	for host in mnt pid ipc uts net user cgroup time; do
		[ -e "/proc/self/ns/$host" ] || continue
		assert_ne "$(readlink "/proc/self/ns/$host")" \
			"$(readlink "/proc/$(state 101 INIT)/ns/$host")" "$host"
	done
	# the monitor's own children are the host's again when it is down
	mkdir -p "$S/etc"
	printf '#!/bin/sh\nreadlink /proc/self/ns/time >%s/time\n' "$D" \
		>"$S/etc/101.umount"
	printf 'kill -0 $$; grep -E "Sig(Blk|Ign)" /proc/self/status >%s/sig\n' \
		"$D" >>"$S/etc/101.umount"
	chmod 755 "$S/etc/101.umount"
	vefs --quiet stop --fast 101
	assert_eq "$(readlink /proc/self/ns/time)" "$(cat "$D/time")"
	assert_eq "0000000000000000" "$(awk '/SigBlk/ { print $2 }' "$D/sig")"
}

# Those who end it: from inside, by a signal, by themselves.
t_ends_from_inside() {
	begin
	# before that its init hears no signal
	until_true booted 101
	# it may be gone before its shell is
	vefs exec 101 poweroff || assert_eq 8 $?
	until_true status_is 101 "unmounted down"
	assert_eq halted "$(state 101 ENDED)"
	assert_clean
	vefs --quiet start 101
	until_true booted 101
	init=$(state 101 INIT)
	vefs exec 101 'echo here >/root/mark; reboot' || assert_eq 8 $?
	until_true another_init "$init"
	until_true status_is 101 "mounted running"
	assert_eq here "$(vefs exec 101 cat /root/mark)"
	vefs --quiet kill 101
	until_true status_is 101 "unmounted down"
	assert_eq "killed by SIGKILL" "$(state 101 ENDED)"
	assert_clean
}

# An init that has a runlevel when /level has.
t_waits_for_the_boot() {
	busybox_root
	rm -f "$D/src/sbin/init" "$D/src/bin/runlevel"
	cp "$D/src/bin/busybox" "$D/src/sbin/init"
	printf '#!/bin/sh\n[ -e /hang ] && sleep 1000\ncat /level\n' \
		>"$D/src/bin/runlevel"
	chmod 755 "$D/src/bin/runlevel"
	busybox_template
	vefs --quiet create 101 --template bb
	vexits 1 start --wait --timeout 1 101
	says "101 has not booted after 1 seconds: 'vefs logs 101'"
	status_is 101 "mounted running"
	vefs exec 101 'echo N 2 >/level'
	vefs --quiet stop --fast 101
	vexits 0 start --wait --timeout $((60 * VEFS_SLOW)) 101
	vefs --quiet stop --fast 101
	# who is asked need not answer
	echo >"$S/containers/101/upper/hang"
	vexits 1 start --wait --timeout 1 101
	says "101 has not booted after 1 seconds: 'vefs logs 101'"
	until_true gone_inside 'sleep 1000'
	vefs --quiet stop --fast 101
}

gone_inside() {
	! vefs exec 101 "pgrep -xf '$1'"
}

booted() {
	vefs logs "$1" | grep -q booted
}

another_init() {
	local now

	now=$(state 101 INIT)
	[ "$now" != "$1" ] && [ "$now" != 0 ]
}

# What began and was over at once has not started. It may take its time. On a
# slow machine it is seen to run before it ends.
over_at_once() {
	local status=0

	vefs start "$1" >"$D/said" 2>&1 || status=$?
	if [ "$status" = 0 ] && [ "$VEFS_SLOW" -gt 1 ]; then
		until_true status_is "$1" "unmounted down"
		return
	fi
	assert_eq 1 "$status"
	says "ended at once: exit status $2"
}

t_init_that_ends() {
	busybox_template
	vefs --quiet create 101 --template bb --init /bin/false
	over_at_once 101 1
	assert_clean
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
	vefs --quiet create 102 --template bb --init /bin/nosuch
	vexits 1 start 102
	says "no program /bin/nosuch"
	assert_clean
	vefs --quiet create 103 --template bb
	vefs --quiet mount 103
	rm "$S/root/103/sbin/init" "$S/root/103/bin/init"
	vefs --quiet umount 103
	vexits 1 start 103
	says "has no init.*a package like systemd-sysv, or 'vefs set' it --init"
	# a program that cannot be run
	vefs --quiet mount 103
	echo "#!/nosuch" >"$S/root/103/sbin/init"
	chmod 755 "$S/root/103/sbin/init"
	vefs --quiet umount 103
	vexits 1 start 103
	says "/sbin/init"
	assert_clean
	# with what it said
	vefs --quiet create 104 --template bb \
		--init "/bin/sh -c 'echo lost my way'"
	over_at_once 104 0
	assert_eq "lost my way" "$(vefs logs 104 | tr -d '\r')"
}

t_refused() {
	busybox_template
	vexits 1 create 101 --template nosuch
	assert_absent "$S/containers/101"
	vexits 125 run nosuch -- true
	vexits 2 start
	vexits 2 start 101 --nosuch
	vexits 2 kill 101 NOSUCH
	vexits 2 exec 101
	vexits 2 enter 101 nosuch
	vefs --quiet create 101 --template bb
	vexits 2 stop 101 --timeout soon
	exec 9<"$S/containers/101"
	flock 9
	vexits 9 start 101
	vexits 9 stop 101
	vexits 9 restart 101
	vexits 9 suspend 101
	exec 9<&-
	assert_clean
	chmod 755 "$S"
	exits 1 setpriv --reuid=1000 --regid=1000 --clear-groups \
		"$VEFS_BIN/vefs" --root "$S" start 101
	assert_clean
}

# Two commands at the same moment: one does it.
t_two_at_once() {
	local a=0 b=0

	busybox_template
	vefs --quiet create 101 --template bb
	for _ in 1 2 3; do
		own --quiet start 101 &
		vefs --quiet start 101 || a=$?
		wait $! || b=$?
		assert_eq "mounted running" "$(vefs status 101 | cut -d ' ' -f 4-)"
		case $a,$b in
		0,9 | 9,0 | 0,32 | 32,0) ;;
		*) fail "exit statuses $a and $b" ;;
		esac
		a=0 b=0
		own --quiet stop --fast 101 &
		vefs --quiet stop --fast 101 || a=$?
		wait $! || b=$?
		assert_eq "unmounted down" "$(vefs status 101 | cut -d ' ' -f 4-)"
		case $a,$b in
		0,9 | 9,0 | 0,31 | 31,0) ;;
		*) fail "exit statuses $a and $b" ;;
		esac
		a=0 b=0
		assert_clean
	done
}

# As cron or a daemon starts it: without standard input and output, children
# ignored, others' files and locks at hand, nobody to wait for.
t_started_by_anybody() {
	local n

	busybox_template
	vefs --quiet create 101 --template bb
	(vefs --quiet start 101 <&- >&- 2>&-)
	assert_eq ok "$(vefs exec 101 echo ok)"
	(vefs --quiet stop --fast 101 <&- >&- 2>&-)
	assert_clean
	(
		trap "" CHLD HUP INT TERM PIPE
		vefs --quiet start 101
	)
	assert_eq "" "$(
		trap "" CHLD HUP INT TERM PIPE USR1
		vefs run bb -- awk '/Sig(Blk|Ign)/ && $2 !~ /^0*$/' \
			/proc/self/status
	)"
	(
		trap "" CHLD
		vefs --quiet stop --fast 101
	)
	assert_clean
	# whoever waits for the end of what we say is not kept waiting
	assert_eq "container 101 is running" "$(timeout 60 \
		"$VEFS_BIN/vefs" --root "$S" start 101 2>&1 | cat)"
	vefs --quiet stop --fast 101
	exec 9>"$D/lock" 8</etc/passwd
	flock 9
	vefs --quiet start 101
	for n in $("$VT" pids "$S") $(state 101 INIT); do
		! find "/proc/$n/fd" -lname "$D/lock" -o -lname /etc/passwd |
			grep . || fail "process $n has a file of who started it"
	done
	exec 9>&- 8<&-
	flock --nonblock "$D/lock" true
	# nor has it one of ours
	assert_eq "0 1 2" "$(vefs exec 101 'ls /proc/1/fd' | xargs)"
	assert_eq "0 1 2" "$(vefs exec 101 'ls /proc/$$/fd; true' | xargs)"
	assert_eq "0 1 2" "$(vefs exec2 101 ls /proc/self/fd | grep -vx 3 | xargs)"
}

# ---- what goes wrong ---------------------------------------------------------

t_monitor_killed() {
	local monitor

	begin
	vefs exec 101 'echo kept >/root/f'
	monitor=$(state 101 MONITOR)
	kill -KILL "$monitor"
	until_true test ! -e "/proc/$monitor/fd/0"
	# it runs on
	assert_eq "CTID 101 exist mounted running" "$(vefs status 101)"
	assert_eq kept "$(vefs exec 101 cat /root/f)"
	vexits 32 start 101
	vexits 1 console 101
	vexits 0 stop 101
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
	assert_clean
	# with an init that ends when nobody looks
	vefs --quiet start 101
	monitor=$(state 101 MONITOR)
	kill -KILL "$monitor" "$(state 101 INIT)"
	until_true status_is 101 "mounted down"
	vexits 0 start 101
	assert_eq kept "$(vefs exec 101 cat /root/f)"
	kill -KILL "$(state 101 MONITOR)"
	vexits 0 restart 101
	assert_eq kept "$(vefs exec 101 cat /root/f)"
	vefs --quiet stop --fast 101
	assert_clean
}

# Between any two steps of a start its command or its monitor may be killed.
t_start_killed() {
	local n pid

	busybox_template
	vefs --quiet create 101 --template bb
	for n in 0 0.005 0.01 0.015 0.02 0.025 0.03 0.04 0.05; do
		own --quiet start 101 &
		pid=$!
		sleep "$n"
		kill -KILL "$pid" || true_if_gone "$pid"
		wait "$pid" || killed $?
		# what mounts it for the dead may be about to
		until_true runs_now
		assert_eq ok "$(vefs exec 101 echo ok)"
		vefs --quiet stop --fast 101
		assert_clean
	done
}

runs_now() {
	local status=0

	vefs --quiet start 101 || status=$?
	[ "$status" = 0 ] || [ "$status" = 32 ]
}

t_worker_killed() {
	local keeper worker n

	since_linux 6 9 || skip "this kernel does not send requests again"
	begin
	vefs exec 101 'while :; do date >>/root/log || echo failed >>/dev/shm/f
		sleep 0.01; done >/dev/null 2>&1 &'
	keeper=$(for n in $("$VT" pids "$S/root/101"); do
		[ "$(awk '/PPid/ { print $2 }' "/proc/$n/status")" != 1 ] ||
			echo "$n"
	done)
	[ -n "$keeper" ] || fail "no keeper"
	for _ in 1 2 3; do
		worker=$(pgrep -P "$keeper" | head -n 1)
		kill -KILL "$worker"
		assert_eq ok "$(vefs exec 101 'cat /etc/passwd >/root/p; echo ok')"
	done
	assert_eq "" "$(vefs exec 101 'cat /dev/shm/f 2>/dev/null || true')"
	vexits 0 stop --fast 101
	assert_clean
}

t_full_of_processes() {
	begin --numproc 40
	vefs exec 101 'b() { b | b & }; b' >"$D/said" 2>&1 || assert_eq 8 $?
	until_true full 101
	# its filesystem works, for the host and inside
	echo "by the host" >"$S/root/101/root/note"
	assert_text "$S/root/101/root/note" $'by the host\n'
	vefs --quiet status 101
	vexits 0 stop --timeout 5 101
	assert_clean
	# and it starts again
	vefs --quiet start 101
	assert_eq "by the host" "$(vefs exec 101 cat /root/note)"
}

full() {
	local group

	group=$(state "$1" GROUP)
	# forks were refused
	cat "/sys/fs/cgroup/pids/vefs/$group/payload/pids.events" \
		"/sys/fs/cgroup/vefs/$group/payload/pids.events" 2>/dev/null |
		grep -q 'max [1-9]'
}

t_out_of_memory() {
	begin --ram 24M --swap 0
	vexits 8 exec 101 'head -c 100000000 /dev/zero | tail'
	assert_eq ok "$(vefs exec 101 echo ok)"
	head -c 50000000 /dev/zero >"$S/root/101/root/big"
	assert_eq 50000000 "$(vefs exec 101 'wc -c </root/big')"
	# with version 2 the kernel kills for pages that wait for a slow disk, on
	# any filesystem
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		vexits 0 exec 101 'for i in $(seq 0 47); do
			dd if=/root/big of=/root/copy bs=1M count=1 skip=$i \
				seek=$i conv=notrunc,fsync 2>/dev/null || exit
		done'
	else
		vexits 0 exec 101 'cat /root/big >/root/copy'
	fi
	vexits 0 stop --fast 101
	assert_clean
}

# No room for anything: said, and nothing is left.
t_full_disk() {
	new_fs ext4 64M "$D/disk" || skip "no mkfs.ext4"
	S=$D/disk/store
	busybox_template
	vefs --quiet create 101 --template bb
	vefs --quiet create 102 --template bb
	! head -c 100M /dev/zero >"$D/disk/fill" || fail "not full"
	vexits 1 start 101
	says "No space|no space"
	assert_clean
	rm "$D/disk/fill"
	vefs --quiet start 101
	! head -c 100M /dev/zero >"$D/disk/fill" || fail "not full"
	assert_eq ok "$(vefs exec 101 echo ok)"
	vexits 0 stop --fast 101
	assert_clean
	rm "$D/disk/fill"
	vefs --quiet start 102
	vefs --quiet stop --fast 102
}

# Somebody is in it on the host's side: it is down, and told.
t_busy_at_stop() {
	begin
	exec 7<"$S/root/101/etc/passwd"
	vexits 33 stop --fast 101
	says "mounted"
	status_is 101 "mounted down" || fail "$(vefs status 101)"
	exec 7<&-
	vefs --quiet start 101
	assert_eq ok "$(vefs exec 101 echo ok)"
	vexits 0 stop --fast 101
	assert_clean
}

# ---- scripts -----------------------------------------------------------------

t_scripts() {
	busybox_template
	mkdir -p "$S/etc"
	vefs --quiet create 101 --template bb --stop-timeout 60
	printf '%s\n' 'echo started in $(hostname)' \
		'a=$(readlink /proc/$$/fd/2); echo $a >/root/out' \
		>"$S/etc/101.start"
	echo 'echo stopped >/root/stopped' >"$S/etc/101.stop"
	vexits 0 start 101
	says "started in 101"
	case $(cat "$S/root/101/root/out") in
	pipe:*) ;;
	*) fail "it has a file of ours" ;;
	esac
	vefs --quiet stop 101
	assert_text "$S/containers/101/upper/root/stopped" $'stopped\n'
	echo 'exit 3' >"$S/etc/101.start"
	vexits 1 start 101
	says "start script failed"
	says "exit status 3"
	assert_clean
}

# What is inside can wait for ever, and stop even those who came from outside:
# the monitor hears all the same.
t_scripts_that_hang() {
	busybox_template
	mkdir -p "$S/etc"
	vefs --quiet create 101 --template bb
	echo 'sleep 1000' >"$S/etc/101.stop"
	vefs --quiet start 101
	vexits 0 stop --timeout 1 101
	assert_clean
	vefs --quiet start 101
	own --quiet stop --timeout 1000 101 &
	until_true vefs exec 101 pidof sleep
	assert_eq ok "$(vefs exec 101 echo ok)"
	kill "$!"
	wait "$!" || assert_eq 143 $?
	vexits 0 stop --fast 101
	assert_clean
	# one that never gets to its program
	vefs --quiet start 101
	# not before who began it has ended: he would be stopped, too
	vefs exec 101 '(sleep 1; while :; do kill -STOP -1; done) \
		>/dev/null 2>&1 &'
	sleep 2
	vexits 0 stop --timeout 1 101
	assert_clean
	rm "$S/etc/101.stop"
	echo 'sleep 1000' >"$S/etc/101.start"
	own start 101 >"$D/out" 2>&1 &
	until_true vefs exec 101 pidof sleep
	kill "$(state 101 MONITOR)"
	! wait "$!" || fail "it started"
	assert_clean
	# nor does it keep who starts it
	own start 101 >"$D/out" 2>&1 &
	until_true vefs exec 101 pidof sleep
	kill -TERM "$!"
	! wait "$!" || fail "it started"
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
	assert_clean
}

# ---- nothing is left -----------------------------------------------------------

# shellcheck disable=SC2034 # the frame reads it
t_leaks_limit=600
t_leaks() {
	local n files init

	busybox_template
	vefs --quiet create 101 --template bb
	vefs --quiet start 101
	vefs --quiet stop --fast 101
	assert_clean
	find "$S" | sort >"$D/before"
	for ((n = 0; n < VEFS_CYCLES; n++)); do
		vefs --quiet start 101
		vefs exec 101 true
		vefs --quiet stop --fast 101
		nothing_runs || assert_clean
	done
	vefs --quiet run bb -- true
	find "$S" | sort >"$D/after"
	diff "$D/before" "$D/after"
	# nor by a monitor that goes on
	vefs --quiet start 101
	files=$(find "/proc/$(state 101 MONITOR)/fd" -type l | wc -l)
	for n in 1 2 3; do
		init=$(state 101 INIT)
		vefs exec 101 reboot || assert_eq 8 $?
		until_true another_init "$init"
		until_true status_is 101 "mounted running"
	done
	assert_eq "$files" "$(find "/proc/$(state 101 MONITOR)/fd" -type l | wc -l)" \
		"descriptors of the monitor"
	vefs --quiet stop --fast 101
	assert_clean
	vefs --quiet destroy 101
	[ ! -d "$S/idranges" ] || assert_names "$S/idranges" ""
}

run_all "$@"
