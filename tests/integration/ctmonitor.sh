#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctmonitor.sh - who watches a container is killed: its attendant, and nobody
# notices; its monitor, and what is left is told and taken away. And what a
# container has of who started it: nothing. All of them are a busybox.
#
#	CT_LONG=1	for longer
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"
# shellcheck source=tests/integration/lib_ct.sh
. "$(dirname "$0")/lib_ct.sh"

PROGS=${VEFS_PROGS:-$LIB_ROOT/build/${D:-opt}/tests}
KILL_SECONDS=$([ -n "${CT_LONG:-}" ] && echo 60 || echo 3)

# As begin, with what asks in it.
begin_asked() {
	[ -x "$PROGS/ctask" ] || fail "no $PROGS/ctask: make it"
	mkdir -p "$D/src/bin"
	cp "$PROGS/ctask" "$D/src/bin/ctask"
	with_libraries "$PROGS/ctask"
	begin "$@"
}

# attendant ID: its process
attendant() {
	pgrep -P "$(state "$1" MONITOR)" -x vefs-attendant
}

# kill_attendant ID: and wait for another one
kill_attendant() {
	local pid

	pid=$(attendant "$1") || fail "there is no attendant"
	kill -KILL "$pid"
	until_true another_attendant "$1" "$pid"
}

another_attendant() {
	local now

	now=$(attendant "$1") && [ "$now" != "$2" ]
}

another_init() {
	local now

	now=$(state 101 INIT)
	[ "$now" != "$1" ] && [ "$now" != 0 ]
}

# kill_on MILLISECONDS: all attendants of 101, one after another
kill_on() {
	local end pid n=0

	end=$(($(date +%s%3N) + $1))
	while [ "$(date +%s%3N)" -lt "$end" ]; do
		if pid=$(attendant 101) && kill -KILL "$pid"; then
			n=$((n + 1))
		fi
		sleep 0.0$((RANDOM % 10))
	done
	echo "$n"
}

# ---- the attendant -----------------------------------------------------------

# What is switched off is the kernel's own, and nothing else is.
t_calls_left_to_the_kernel() {
	local host

	host=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
	begin_asked --ram 256M
	vexits 0 exec 101 ctask 0
	assert_eq 262144 "$(vefs exec 101 free | awk '/^Mem/ { print $2 }')"
	vefs --quiet stop --fast 101
	vefs --quiet set 101 --features quotactl:off --save
	vefs --quiet start 101
	vexits 8 exec 101 ctask 0
	says '^quotactl: '
	assert_eq 262144 "$(vefs exec 101 free | awk '/^Mem/ { print $2 }')"
	vefs --quiet stop --fast 101
	vefs --quiet set 101 --features quotactl:on,sysinfo:off --save
	vefs --quiet start 101
	vexits 0 exec 101 ctask 0
	assert_eq "$host" "$(vefs exec 101 free | awk '/^Mem/ { print $2 }')"
}

t_attendant_killed() {
	local init monitor

	begin_asked
	init=$(state 101 INIT)
	monitor=$(state 101 MONITOR)
	kill_attendant 101
	assert_eq "CTID 101 exist mounted running" "$(vefs status 101)"
	assert_eq running "$(vefs list -H -o status | xargs)"
	assert_eq ok "$(vefs exec 101 echo ok)"
	vexits 0 exec 101 ctask 0
	vexits 32 start 101
	vefs_on_pty console 101 <<-'END'
		expect Esc and then
		send \n
		expect #
		send echo he''re\n
		expect here
		send \x1b.
	END
	# from inside, and what reboots is begun by the same monitor
	kill_attendant 101
	vefs exec 101 reboot || assert_eq 8 $?
	until_true another_init "$init"
	until_true status_is 101 "mounted running"
	assert_eq "$monitor" "$(state 101 MONITOR)"
	init=$(state 101 INIT)
	kill_attendant 101
	vefs --quiet restart 101
	assert_ne "$init" "$(state 101 INIT)"
	kill_attendant 101
	vefs exec 101 poweroff || assert_eq 8 $?
	until_true status_is 101 "unmounted down"
	assert_eq halted "$(state 101 ENDED)"
	assert_clean
	vefs --quiet start 101
	kill_attendant 101
	vefs --quiet kill 101
	until_true status_is 101 "unmounted down"
	assert_eq "killed by SIGKILL" "$(state 101 ENDED)"
	assert_clean
	vefs --quiet start 101
	kill_attendant 101
	vexits 0 stop 101
	assert_clean
}

# Whoever reads, calls, looks or runs something meanwhile has no error.
# shellcheck disable=SC2034 # the frame reads it
t_attendants_killed_all_the_time_limit=$((KILL_SECONDS + 60))
t_attendants_killed_all_the_time() {
	local pid n=0 killed

	begin_asked
	vefs exec2 101 ctask $((KILL_SECONDS * 1000)) >"$D/asked" 2>&1 &
	pid=$!
	kill_on $((KILL_SECONDS * 1000)) >"$D/killed" &
	while kill -0 "$pid" 2>"$D/gone"; do
		assert_eq ok "$(vefs exec2 101 echo ok)"
		vexits 0 exec2 101 ctask 0
		n=$((n + 1))
	done
	wait "$pid" || fail "inside: $(cat "$D/asked")"
	wait
	killed=$(cat "$D/killed")
	assert_le 3 "$n" "commands"
	assert_le 2 "$killed" "attendants killed"
	assert_eq "CTID 101 exist mounted running" "$(vefs status 101)"
	vexits 0 stop 101
	assert_clean
}

# Who waits for its end, and who looks at the console, need not come again.
t_attendants_killed_at_the_end() {
	local init n

	begin
	init=$(state 101 INIT)
	for n in 1 2; do
		kill_on 1000 >"$D/killed" &
		vexits 0 restart 101
		wait "$!"
		assert_le 1 "$(cat "$D/killed")" "attendants killed"
		assert_ne "$init" "$(state 101 INIT)"
		init=$(state 101 INIT)
		assert_eq ok "$(vefs exec 101 echo ok)"
	done
	(
		sleep 0.3
		kill_attendant 101
		touch "$D/replaced"
	) &
	until_replaced() { until_true test -e "$D/replaced"; }
	vefs_on_pty console 101 <<-'END'
		expect Esc and then
		send \n
		expect #
		send sleep 2; echo st''ill\n
		expect still
		send poweroff\n
		expect poweroff
	END
	until_replaced
	until_true status_is 101 "unmounted down"
	assert_clean
	vefs --quiet start 101
	kill_on 1000 >"$D/killed" &
	vexits 0 stop 101
	wait "$!"
	assert_clean
}

# The start script runs once, whoever sees to it.
t_attendant_killed_at_start() {
	busybox_template
	mkdir -p "$S/etc"
	vefs --quiet create 101 --template bb
	printf '%s\n' 'echo run >>/root/runs' \
		'until [ -e /root/go ]; do sleep 0.1; done' 'echo said' \
		>"$S/etc/101.start"
	own start 101 >"$D/out" 2>&1 &
	until_true grep -q run "$S/root/101/root/runs"
	kill_attendant 101
	kill_attendant 101
	echo >"$S/root/101/root/go"
	wait "$!" || fail "$(cat "$D/out")"
	grep -qx said "$D/out" || fail "$(cat "$D/out")"
	assert_text "$S/root/101/root/runs" $'run\n'
	vexits 0 stop --fast 101
	assert_clean
	rm "$S/containers/101/upper/root/go"
	echo 'exit 3' >>"$S/etc/101.start"
	own start 101 >"$D/out" 2>&1 &
	until_true two_lines "$S/root/101/root/runs"
	kill_attendant 101
	echo >"$S/root/101/root/go"
	! wait "$!" || fail "it started"
	grep -q "start script failed" "$D/out" || fail "$(cat "$D/out")"
	assert_clean
}

two_lines() {
	[ "$(wc -l <"$1")" = 2 ]
}

# `vefs run` has one as well.
t_run() {
	local id

	busybox_template
	own run bb -- sh -c 'echo up; read x; echo "got $x"; exit 7' \
		>"$D/out" < <(until_true test -e "$D/go" && echo this) &
	until_true grep -q up "$D/out"
	id=$(basename "$S"/containers/run-*)
	kill_attendant "$id"
	touch "$D/go"
	wait "$!" || assert_eq 7 $?
	assert_text "$D/out" $'up\ngot this\n'
	assert_clean
}

# ---- the monitor --------------------------------------------------------------

# monitor_dies: and it alone; its attendant goes with it
monitor_dies() {
	local pid

	pid=$(attendant 101)
	kill -KILL "$(state 101 MONITOR)"
	until_true test ! -e "/proc/$pid/fd/0"
}

t_monitor_killed() {
	begin_asked
	monitor_dies
	assert_eq "CTID 101 exist mounted running" "$(vefs status 101)"
	assert_eq running "$(vefs list -H -o status | xargs)"
	assert_eq ok "$(vefs exec 101 cat /proc/meminfo | grep -q MemTotal &&
		echo ok)"
	vexits 0 kill 101
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
	assert_eq stopped "$(vefs list -a -H -o status | xargs)"
	assert_clean
	# one that has ended when nobody looked
	vefs --quiet start 101
	monitor_dies
	vefs exec 101 poweroff || assert_eq 8 $?
	until_true status_is 101 "mounted down"
	vexits 0 stop 101
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
	assert_clean
	vexits 31 stop 101
	vefs --quiet start 101
	monitor_dies
	kill -KILL "$(state 101 INIT)"
	until_true status_is 101 "mounted down"
	vexits 0 start 101
	vexits 0 exec 101 ctask 0
	monitor_dies
	kill -KILL "$(state 101 INIT)"
	until_true status_is 101 "mounted down"
	vexits 0 stop --all
	assert_clean
}

# ---- who started it ------------------------------------------------------------

# What a process of a container has, a line each.
INHERITED='cat /proc/self/limits; umask; cat /proc/self/oom_score_adj
	cut -d" " -f18,19,40,41 /proc/self/stat; cat /proc/self/personality
	cat /proc/self/coredump_filter; grep Cpus_allowed_list /proc/self/status
	ionice -p $$'

# May we have more than we were given? (CAP_SYS_RESOURCE)
can_raise() {
	local caps

	caps=$(awk '/^CapEff/ { print $2 }' /proc/self/status)
	[ $((0x$caps >> 24 & 1)) = 1 ]
}

# As badly as can be: low limits, a low priority, easily killed. Where nobody
# can raise what is hard only what is soft is low.
badly() {
	local how=-S

	if can_raise; then how=; fi
	(
		ulimit -Sn 64
		# shellcheck disable=SC2086 # none is no word
		{
			ulimit $how -n 128
			ulimit $how -f 20000000
			ulimit $how -l 16
			ulimit $how -q 0
			ulimit $how -i 64
			ulimit $how -s 1024
		}
		umask 077
		! can_raise || echo 500 >/proc/self/oom_score_adj
		echo 0x7f >/proc/self/coredump_filter
		exec nice -n 15 ionice -c 3 taskset -c 0 setarch -R \
			chrt --batch 0 "$VEFS_BIN/vefs" --root "$S" "$@"
	)
}

t_nothing_of_who_started_it() {
	local files pid

	busybox_template
	need taskset chrt setarch ionice
	vefs --quiet create 101 --template bb
	# busybox's own: how it is when all is well
	vefs --quiet start 101
	vefs exec 101 "$INHERITED" >"$D/usual"
	files=$(cat /proc/sys/fs/nr_open)
	files=$((files < 524288 ? files : 524288))
	if ! can_raise; then files=$(ulimit -Hn); fi
	grep -Eq "^Max open files +1024 +$files " "$D/usual" ||
		fail "$(cat "$D/usual")"
	grep -Eq "^Max core file size +0 +unlimited " "$D/usual" ||
		fail "$(cat "$D/usual")"
	grep -qx 0022 "$D/usual" || fail "$(cat "$D/usual")"
	assert_eq "20 0 0 0" "$(grep -x "20 .*" "$D/usual")"
	badly exec 101 "$INHERITED" >"$D/exec"
	diff "$D/usual" "$D/exec"
	echo "$INHERITED" >"$D/script"
	badly runscript 101 "$D/script" >"$D/exec"
	diff "$D/usual" "$D/exec"
	badly run bb -- sh -c "$INHERITED" >"$D/exec"
	diff "$D/usual" "$D/exec"
	vefs --quiet stop --fast 101
	badly --quiet start 101
	vefs exec 101 "$(printf '%s' "$INHERITED" |
		sed 's,/self/,/1/,; s,umask,echo 0022,; s,\$\$,1,')" >"$D/init"
	sed 's,/self/,/1/,g' "$D/init" >"$D/exec"
	diff "$D/usual" "$D/exec"
	vefs exec 101 "umask" >"$D/exec"
	assert_text "$D/exec" $'0022\n'
	assert_eq 0022 "$(awk '/^Umask/ { print $2 }' \
		"/proc/$(state 101 INIT)/status")"
	# nor have those who watch it
	for pid in $(state 101 MONITOR) $(attendant 101) \
		$(pgrep -P "$(state 101 MONITOR)" -x "vefs-proc|vefs-notify"); do
		! can_raise ||
			assert_eq -1000 "$(cat "/proc/$pid/oom_score_adj")"
		assert_eq 0 "$(awk '{ print $19 }' "/proc/$pid/stat")"
		grep -Eq "^Max open files +$files +$files " \
			"/proc/$pid/limits" || fail "$(cat "/proc/$pid/limits")"
		grep -Eq "^Max file size +unlimited +unlimited " \
			"/proc/$pid/limits" || fail "$(cat "/proc/$pid/limits")"
	done
	# what is kept in the namespace counts against its maker's limits
	vexits 0 exec 101 "ulimit -n $files"
	vefs --quiet stop --fast 101
	assert_clean
}

# Nobody inside is safer than others from being killed for lack of memory.
t_nobody_is_safe() {
	local init

	begin
	vexits 8 exec 101 'echo -1 >/proc/self/oom_score_adj'
	# by the monitor, which is
	init=$(state 101 INIT)
	vefs exec 101 reboot || assert_eq 8 $?
	until_true another_init "$init"
	until_true status_is 101 "mounted running"
	vexits 8 exec 101 'echo -1 >/proc/1/oom_score_adj'
	vexits 8 exec 101 'echo -1 >/proc/self/oom_score_adj'
	vexits 0 exec 101 'echo 1 >/proc/self/oom_score_adj'
	assert_eq 0 "$(cat "/proc/$(state 101 INIT)/oom_score_adj")"
	vefs --quiet stop --fast 101
	assert_clean
}

# A store that is not called by its whole path.
t_relative_store() {
	busybox_template
	mkdir -p "$S/etc"
	vefs --quiet create 101 --template bb
	printf '#!/bin/sh\necho "$VE_CONFFILE" >%s/umount\n' "$D" \
		>"$S/etc/101.umount"
	chmod 755 "$S/etc/101.umount"
	(cd "$D" && exits 0 "$VEFS_BIN/vefs" --root "${S#"$D"/}" start 101)
	vexits 0 stop --fast 101
	assert_text "$D/umount" "$S/containers/101/vefs.conf"$'\n'
	assert_clean
}

run_all "$@"
