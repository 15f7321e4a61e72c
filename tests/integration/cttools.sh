#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# cttools.sh - ordinary programs in a container show the container: its memory,
# its processors, its time, its processes and disks, as its control group has
# them. Unmodified: of this machine in a busybox, and (CT_LONG=1) of Debian,
# installed in it.
#
#	VEFS_ROOTS	see lib_ct.sh; without it only the machine's own are run
# timeout: 3600
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"
# shellcheck source=tests/integration/lib_ct.sh
. "$(dirname "$0")/lib_ct.sh"
# shellcheck source=tests/integration/lib_swap.sh
. "$(dirname "$0")/lib_swap.sh"

HOST_IDS=0
RAM=262144 # KiB
LIMITS=(--ram 256M --swap 64M --cpulimit 150)

# Takes minutes.
long() {
	[ "${CT_LONG:-0}" = 1 ] || skip "takes minutes; CT_LONG=1 runs it"
}

# ---- asking ------------------------------------------------------------------

inside() {
	vefs exec 101 "$@"
}

has() {
	inside "command -v $1 >/dev/null"
}

# cpus PERCENT: how many it is shown
cpus() {
	local all want=$((($1 + 99) / 100))

	all=$(nproc)
	echo $((all < want ? all : want))
}

# swap KIB: what it is shown, where the host has less
swap() {
	local host

	host=$(awk '/^SwapTotal/ { print $2 }' /proc/meminfo)
	echo $((host < $1 ? host : $1))
}

# is WHAT WANTED COMMAND...: it says just that
is() {
	assert_eq "$2" "$(inside "${@:3}" | xargs)" "$1"
}

# tells PATTERN COMMAND...: one of its lines is like that
tells() {
	inside "${@:2}" >"$D/told" 2>&1 || fail "${*:2}: $(cat "$D/told")"
	grep -qE -e "$1" "$D/told" ||
		fail "${*:2}: told '$(head -n 20 "$D/told")', not '$1'"
}

# near A B BY WHAT
near() {
	assert_le "$1" "$(($2 + $3))" "$4"
	assert_le "$(($2 - $3))" "$1" "$4"
}

memory_used() {
	echo $(($(in_group memory memory.current memory.usage_in_bytes) / 1024))
}

# What a program says is free is what the group has not, but for what the
# program itself takes.
free_agrees() {
	local before free

	before=$(memory_used)
	free=$("$@" | xargs)
	near $((RAM - free)) "$before" 16384 "used, by $*"
}

# ---- what everything of it shows ----------------------------------------------

see_free() {
	is "free" "$RAM $(swap 65536)" "$1" -k '|' \
		awk "'/^(Mem|Swap)/ { print \$2 }'"
	free_agrees inside "$1" -k '|' awk "'/^Mem/ { print \$4 }'"
}

see_uptime() {
	# it has just begun, and its host has not
	tells 'up ( ?[0-9]+:[0-5][0-9]|[0-9] min|[0-5][0-9] min)' "$@"
	tells 'load average: [0-9]+\.[0-9][0-9], ' "$@"
	# shellcheck disable=SC2016 # awk's
	near "$(inside "$@" | sed -n 's/.*load average: //p' |
		awk '{ print int($1 * 100) }')" \
		"$(inside cat /proc/loadavg | awk '{ print int($1 * 100) }')" \
		30 "load of $*"
}

# see_ps COMMAND...: it lists the processes of the group, and those alone.
see_ps() {
	local have told

	have=$(in_group pids cgroup.procs | wc -l)
	told=$(inside "$@" | grep -c '[a-z]')
	# the shell and what it runs; a title
	near "$told" "$((have + 3))" 5 "processes of $*"
}

# Nothing has begun before the container, or is still to come.
see_starts() {
	local up

	up=$(inside cut -d. -f1 /proc/uptime)
	inside ps -eo etimes= >"$D/ages"
	awk -v up="$up" '$1 > up + 2 || $1 < 0 { exit 1 }' "$D/ages" ||
		fail "up $up seconds; $(sort -n "$D/ages" | xargs)"
}

see_procps() {
	see_free free
	tells '^MiB Mem : +256\.0 total' top -b -n 1
	tells "^MiB Swap: +$(($(swap 65536) / 1024))\\.0 total" top -b -n 1
	see_uptime uptime
	see_uptime w
	tells '^ +262144 K total memory' vmstat -s
	tells "^ +$(swap 65536) K total swap" vmstat -s
	tells '^ *[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+' vmstat 1 2
	see_ps ps -e
	see_starts
}

see_processors() {
	local n=$1

	is nproc "$n" nproc
	is cpuinfo "$n" grep -c ^processor /proc/cpuinfo
	is stat "$n" grep -c '^cpu[0-9]' /proc/stat
	has getconf || return 0
	is online "$n" getconf _NPROCESSORS_ONLN
	is configured "$n" getconf _NPROCESSORS_CONF
}

see_getconf() {
	is pages $((RAM / 4)) getconf _PHYS_PAGES
	free_agrees inside 'echo $(($(getconf _AVPHYS_PAGES) * 4))'
}

# No disk of the host's.
see_disks() {
	is "/sys/block" simfs ls /sys/block
	is "/sys/class/block" "" ls /sys/class/block
	is "/proc/diskstats" "simfs" awk "'{ print \$3 }'" /proc/diskstats
}

swap_used() {
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		echo $(($(in_group memory memory.swap.current) / 1024))
	else
		in_group memory memory.stat |
			awk '/^total_swap / { print $2 / 1024 }'
	fi
}

# swapped_out TOTAL FREE WHAT: as the group has it, now and a moment ago
swapped_out() {
	assert_eq 65536 "$1" "swap, by $3"
	near "$(($1 - $2))" "$(swap_used)" 4096 "swap used, by $3"
}

# see_swap: what is swapped out is, by everybody.
see_swap() {
	local what total free

	# shellcheck disable=SC2016 # awk's
	for what in "cat /proc/meminfo" "$@"; do
		read -r total free < <(inside "$what" | awk '
			$1 == "Swap:" { print $2, $4 }
			$1 == "SwapTotal:" { total = $2 }
			$1 == "SwapFree:" { print total, $2 }')
		swapped_out "$total" "$free" "$what"
	done
	read -r total free < <(inside cat /proc/swaps |
		awk 'NR == 2 { print $3, $3 - $4 }')
	swapped_out "$total" "$free" /proc/swaps
}

# ---- of this machine -----------------------------------------------------------

t_busybox() {
	swap_hold s
	begin "${LIMITS[@]}"
	see_free free
	see_uptime uptime
	see_ps ps
	see_processors "$(cpus 150)"
	tells '^Mem: [0-9]+K used, [0-9]+K free' top -b -n 1
	see_disks
	vefs --quiet set 101 --ram 128M --cpulimit 100
	sleep 2.2
	RAM=131072
	see_free free
	see_processors 1
}

t_swap() {
	local programs=("busybox free")

	swap_hold x
	[ "$(swap 65536)" = 65536 ] || swap_new 256 ||
		skip "no swap, and none on a file here"
	busybox_root
	take bash
	if command -v free >/dev/null; then
		take free
		programs+=("free -k")
	fi
	begin "${LIMITS[@]}"
	see_swap "${programs[@]}"
	assert_le "$(swap_used)" 4096 "swapped out of a new one"
	# 40 MB more than it may have in memory
	inside 'mkdir /mnt && mount -t tmpfs -o size=400M tmpfs /mnt &&
		dd if=/dev/zero of=/mnt/zeroes bs=1M count=296 2>/dev/null'
	sleep 0.5
	assert_le 32768 "$(swap_used)" "swapped out"
	see_swap "${programs[@]}"
	# less than is used, which version 1 refuses: all of it is used
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		vefs --quiet set 101 --swap 16M
		sleep 1.2
		assert_eq "16384 0" "$(inside free -k '|' awk \
			"'/^Swap/ { print \$2, \$4 }'")" "less than is used"
	fi
}

t_procps() {
	local dumb

	need free
	need getconf
	swap_hold s
	busybox_root
	# its own shell would take its own programs
	take bash free top uptime w vmstat ps nproc getconf
	# top's, wherever the machine has them
	for dumb in /lib/terminfo/d/dumb /usr/share/terminfo/d/dumb; do
		[ ! -e "$dumb" ] || install -D "$dumb" "$D/src$dumb"
	done
	begin "${LIMITS[@]}"
	see_procps
	see_getconf
	see_processors "$(cpus 150)"
	vefs --quiet set 101 --cpulimit 100
	sleep 2.2
	see_processors 1
	vefs --quiet stop --fast 101
	# what it could not have else
	vefs --quiet set 101 --features affinity:off,sysinfo:off --save
	vefs --quiet start 101
	is nproc "$(nproc)" nproc
}

# ---- Debian's -------------------------------------------------------------------

# A class whose main() tells availableProcessors() and maxMemory().
java_class() {
	python3 - <<-'END'
		import struct, sys
		pool = []
		def add(entry):
		    if entry not in pool:
		        pool.append(entry)
		    return pool.index(entry) + 1
		def text(s):
		    return add(b"\1" + struct.pack(">H", len(s)) + s.encode())
		def named(s):
		    return add(b"\7" + struct.pack(">H", text(s)))
		def member(tag, where, name, kind):
		    nt = add(b"\14" + struct.pack(">HH", text(name), text(kind)))
		    return add(struct.pack(">BHH", tag, named(where), nt))
		out = member(9, "java/lang/System", "out", "Ljava/io/PrintStream;")
		get = member(10, "java/lang/Runtime", "getRuntime",
		             "()Ljava/lang/Runtime;")
		code = b""
		for name, kind in ("availableProcessors", "I"), ("maxMemory", "J"):
		    code += struct.pack(">BHBHBHBH", 0xb2, out, 0xb8, get, 0xb6,
		        member(10, "java/lang/Runtime", name, "()" + kind), 0xb6,
		        member(10, "java/io/PrintStream", "println",
		               "(" + kind + ")V"))
		code += b"\xb1"
		body = struct.pack(">HHI", 4, 1, len(code)) + code + b"\0\0\0\0"
		me, top = named("Shows"), named("java/lang/Object")
		method = struct.pack(">HHHHHI", 9, text("main"),
		    text("([Ljava/lang/String;)V"), 1, text("Code"), len(body))
		sys.stdout.buffer.write(b"\xca\xfe\xba\xbe" +
		    struct.pack(">HHH", 0, 49, len(pool) + 1) + b"".join(pool) +
		    struct.pack(">HHHHHH", 0x21, me, top, 0, 0, 1) +
		    method + body + b"\0\0")
	END
}

# Its heap is what fits, and it has as many threads as processors.
see_java() {
	local heap

	# what it prints of its flags: a quarter, or half of so little
	heap=$(inside java -XX:+PrintFlagsFinal -version 2>&1 |
		awk '$2 == "MaxHeapSize" { print $4 }')
	assert_le 33554432 "$heap" "MaxHeapSize"
	assert_le "$heap" 134217728 "MaxHeapSize"
	java_class >"$D/Shows.class"
	inside 'cat >/root/Shows.class' <"$D/Shows.class"
	inside java -cp /root Shows >"$D/java"
	assert_eq "$1" "$(head -n 1 "$D/java")" "availableProcessors"
	assert_le "$(tail -n 1 "$D/java")" 134217728 "maxMemory"
}

see_node() {
	is "node's memory" $((RAM * 1024)) \
		node -p "'os.totalmem()'"
	is "node's processors" "$1" node -p "'os.cpus().length'"
	# what it calls free is available
	near "$(inside node -p "'Math.round(os.freemem() / 1024)'")" \
		"$(inside cat /proc/meminfo | awk '/^MemAvail/ { print $2 }')" \
		49152 "node's free memory"
	inside node -p "'os.loadavg()[0] * 100 | 0'" >"$D/load"
	near "$(cat "$D/load")" "$(inside cat /proc/loadavg |
		awk '{ print int($1 * 100) }')" 50 "node's load"
	# the least that it takes anywhere
	assert_le "$(inside node -p \
		"'v8.getHeapStatistics().heap_size_limit'")" \
		$((300 << 20)) "node's heap"
	assert_le "$(inside node -p "'os.uptime() | 0'")" 3600
}

see_python() {
	is "python's processors" "$1 $1" python3 -c \
		"'import os; print(os.cpu_count(), len(os.sched_getaffinity(0)))'"
	near "$(inside python3 -c \
		"'import os; print(int(os.getloadavg()[0] * 100))'")" \
		"$(inside cat /proc/loadavg | awk '{ print int($1 * 100) }')" \
		30 "python's load"
}

see_sysstat() {
	tells "\\($1 CPU\\)" mpstat
	tells '^[0-9:]+( [AP]M)? +all +[0-9]' mpstat -P ALL 1 1
	is "lines of mpstat" "$1" mpstat -P ALL '|' grep -cE "' +[0-9]+ +[0-9]'"
	tells "\\($1 CPU\\)" iostat -d
	is "iostat's disks" "simfs" iostat -d '|' \
		awk "'d && NF { print \$1 } /^Device/ { d = 1 }'"
}

# Its picture, on a terminal.
see_htop() {
	on_pty "$VEFS_BIN/vefs" --root "$S" enter 101 --exec \
		'TERM=xterm htop -C' <<-'END'
			expect /256M
			expect Uptime
			send q
	END
	python3 - "$D/said" >"$D/screen" <<-'END'
		import re, sys
		s = open(sys.argv[1], "rb").read().decode("utf-8", "replace")
		s = re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z]|[()].)", "", s)
		print(len(set(re.findall(r"([0-9]+|CPU)\[(?!Main)", s))))
	END
	assert_eq "$1" "$(cat "$D/screen")" "processors of htop"
}

has_all() {
	vefs exec 101 'for p in top htop mpstat busybox python3 node java; do
		command -v $p || exit 1; done' >"$D/has" 2>&1
}

debian_tools() {
	local n

	long
	system "$1" "${LIMITS[@]}" --net host
	boot
	# a root may have them: a machine without a network, say
	if ! has_all; then
		use_our_packages
		install_in procps htop sysstat busybox python3-minimal nodejs \
			"$2" libc-bin
		vexits 0 restart --wait 101
	fi
	n=$(cpus 150)
	see_all "$n"
	vefs --quiet set 101 --cpulimit 100
	sleep 2.2
	see_all 1
	vexits 0 stop 101
	assert_clean
}

see_all() {
	see_procps
	see_free 'busybox free'
	see_uptime busybox uptime
	see_processors "$1"
	see_getconf
	see_python "$1"
	see_sysstat "$1"
	see_htop "$1"
	see_java "$1"
	see_node "$1"
	see_disks
}

# shellcheck disable=SC2034 # the frame reads it
t_debian_12_limit=1500
t_debian_12() {
	debian_tools bookworm openjdk-17-jre-headless
}

# shellcheck disable=SC2034 # the frame reads it
t_debian_13_limit=1500
t_debian_13() {
	debian_tools trixie default-jre-headless
}

run_all "$@"
