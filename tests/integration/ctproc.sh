#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctproc.sh - what the virtual files of a container say: compared with its
# control group, and as programs read them.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_ctproc.sh
. "$(dirname "$0")/lib_ctproc.sh"
# shellcheck source=tests/integration/lib_swap.sh
. "$(dirname "$0")/lib_swap.sh"

t_memory_is_the_groups() {
	local host total swap before free after

	swap_hold s
	container
	host=$(awk '/^SwapTotal/ { print $2 }' /proc/meminfo)
	swap=$((host < 65536 ? host : 65536))
	total=$((256 * 1024))
	assert_eq "$total" "$(of meminfo MemTotal)"
	assert_eq "$swap" "$(of meminfo SwapTotal)"
	inside mount -t tmpfs tmpfs /mnt
	inside dd if=/dev/zero of=/mnt/zeroes bs=1M count=40 2>/dev/null
	later
	before=$(($(memory_used) / 1024))
	free=$(of meminfo MemFree)
	after=$(($(memory_used) / 1024))
	assert_le 40960 "$before" "what the group has"
	assert_le "$((total - (before > after ? before : after) - 256))" \
		"$free" "free"
	assert_le "$free" \
		"$((total - (before < after ? before : after) + 256))" "free"
	assert_le 40960 "$(of meminfo Shmem)" "Shmem"
	assert_le "$(of meminfo MemAvailable)" "$total" "available"
	# nothing of the host's
	assert_eq 0 "$(of meminfo Buffers)"
	assert_eq 0 "$(of meminfo DirectMap4k)"
}

t_processors_are_the_groups() {
	local want

	container
	want=$(cpus_for 2)
	assert_eq "$want" "$(grep -c '^processor' "$T/proc/cpuinfo")" cpuinfo
	assert_eq "$want" "$(grep -c '^cpu[0-9]' "$T/proc/stat")" stat
	for f in online possible present; do
		assert_eq "$([ "$want" = 1 ] && echo 0 || echo 0-1)" \
			"$(cat "$T/sys/devices/system/cpu/$f")" "$f"
	done
	assert_eq "" "$(cat "$T/sys/devices/system/cpu/offline")"
	assert_eq "$want" \
		"$(find "$T/sys/devices/system/cpu/" -maxdepth 1 \
			-name 'cpu[0-9]*' | wc -l)"
}

t_limits_are_live() {
	container
	if is_v2; then
		echo "50000 100000" >"$(group)/cpu.max"
		echo $((128 * MIB)) >"$(group)/memory.max"
	else
		echo 50000 >"$(group cpu)/cpu.cfs_quota_us"
		echo $((128 * MIB)) >"$(group memory)/memory.limit_in_bytes"
	fi
	later
	assert_eq 1 "$(grep -c '^processor' "$T/proc/cpuinfo")"
	assert_eq 1 "$(grep -c '^cpu[0-9]' "$T/proc/stat")"
	assert_eq 0 "$(cat "$T/sys/devices/system/cpu/online")"
	assert_eq $((128 * 1024)) "$(of meminfo MemTotal)"
}

t_programs_see_the_container() {
	local want

	need free
	need top
	need vmstat
	container
	want=$(cpus_for 2)
	bind_inside
	assert_eq 256 "$(inside free -m | awk '/^Mem/ { print $2 }')" free
	inside top -b -n 1 >top
	grep -Eq '^MiB Mem : +256\.0 total' top || fail "top: $(sed -n 4p top)"
	assert_eq "$want" "$(inside getconf _NPROCESSORS_ONLN)" getconf
	assert_eq "$want" "$(inside getconf _NPROCESSORS_CONF)" getconf
	inside vmstat -s >vmstat
	grep -Eq '^ +262144 K total memory' vmstat || fail "$(head -1 vmstat)"
	inside uptime >uptime
	grep -q 'load average: 0\.' uptime || fail "$(cat uptime)"
	if command -v lscpu >/dev/null; then
		assert_eq "$want" "$(inside lscpu | awk '/^CPU\(s\)/ {
			print $2 }')" lscpu
	fi
}

t_processor_time_is_the_groups() {
	local began ticks used

	container
	burn 2 &
	burn 2
	wait $!
	sleep 0.5
	began=$(cpu_used)
	ticks=$(stat_used)
	used=$(cpu_used)
	assert_le 100000 "$began" "the group's time"
	assert_le "$((began / 10000 - 30))" "$ticks" "ticks"
	assert_le "$ticks" "$((used / 10000 + 1))" "ticks"
	# the loops are over: most of it is idle time, and not more than there is
	awk -v up="$(cut -d' ' -f1 "$T/proc/uptime")" \
		-v slack="$VEFS_SLOW" '/^cpu / {
			sum = $2 + $3 + $4 + $5 + $9
			exit !(sum <= 200 * (up + slack) && sum >= 50 * up)
		}' "$T/proc/stat" || fail "$(head -1 "$T/proc/stat")"
}

t_time_never_falls() {
	local last=0 now i

	since_linux 6 9 || skip "this kernel does not send requests again"
	container
	for i in $(seq 12); do
		burn 0.1
		now=$(awk '/^cpu / { print $2 + $3 + $4 + $5 + $9 }' \
			"$T/proc/stat")
		assert_le "$last" "$now" "all time"
		last=$now
		if [ $((i % 4)) = 0 ]; then kill -KILL "$(server)"; fi
		sleep 0.15
	done
	assert_le 20 "$last" "ticks"
}

t_the_clock_agrees() {
	local btime up now

	container
	later
	btime=$(of stat btime)
	up=$(cut -d. -f1 "$T/proc/uptime")
	now=$(date +%s)
	assert_le "$((now - 2))" "$((btime + up))"
	assert_le "$((btime + up))" "$((now + 2))"
	assert_le "$up" $((60 * VEFS_SLOW)) "the container's uptime"
}

t_load_is_the_groups() {
	local i running

	container
	assert_eq 0.00 "$(cut -d' ' -f1 "$T/proc/loadavg")"
	for i in 1 2 3; do
		burn $((50 * VEFS_SLOW)) &
	done
	for i in $(seq 11); do
		sleep 1
		cat "$T/proc/loadavg" "$T/proc/stat" >/dev/null
	done
	running=$(of stat procs_running)
	assert_le 3 "$running" "running"
	assert_le "$running" 6 "running"
	awk '{ split($4, n, "/"); exit !($1 >= 0.2 && $1 < 3 && n[1] >= 3 &&
		n[2] >= 4) }' "$T/proc/loadavg" || fail "$(cat "$T/proc/loadavg")"
	groups_kill
}

t_last_pid_is_the_namespaces() {
	local i

	container
	inside sh -c 'for i in 1 2 3 4 5 6 7 8 9; do /bin/true; done;
		sleep "$0" & sleep "$0"' $((4 * VEFS_SLOW)) &
	for ((i = 0; i < 30 * VEFS_SLOW; i++)); do
		[ "$(of stat processes)" -lt 10 ] || break
		sleep 0.1
	done
	assert_le 10 "$(of stat processes)" "processes"
	assert_le "$(of stat processes)" 200 "processes"
	wait $!
}

t_disks_are_the_groups() {
	local read

	container
	dd if=/dev/urandom of="$D/data" bs=1M count=8 conv=fsync 2>/dev/null
	inside dd if="$D/data" of=/dev/null bs=1M iflag=direct 2>/dev/null ||
		skip "no direct I/O on $D"
	if is_v2; then
		read=$(awk '{ for (i = 2; i <= NF; i++)
			if (sub("^rbytes=", "", $i)) n += $i } END { print n + 0 }' \
			"$(group)/io.stat")
	else
		read=$(awk '$2 == "Read" { n += $3 } END { print n + 0 }' \
		"$(group blkio)/blkio.throttle.io_service_bytes_recursive")
	fi
	[ "$read" -gt 0 ] || skip "this kernel counts no I/O by group"
	later
	assert_eq 1 "$(wc -l <"$T/proc/diskstats")"
	assert_eq "$((read / 512))" "$(awk '{ print $6 }' "$T/proc/diskstats")"
}

run_all
