# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# lib_ctproc.sh - for ctproc.sh and ctprocserve.sh: a process in control groups
# that the case makes, 256 MB of memory, 64 MB of swap, one and a half
# processors, and its virtual files. A machine without the controllers is a
# skip. To be sourced after lib.sh.

T=              # where the files are served
P=              # the container's first process
GROUP_NAME=     # of the groups that the case made
V1_OF=(memory cpu cpuacct cpuset blkio pids)
MIB=$((1024 * 1024))

# ---- groups ----------------------------------------------------------------

is_v2() {
	[ -e /sys/fs/cgroup/cgroup.controllers ]
}

# The directory of the case's group for a controller.
group() {
	if is_v2; then
		echo "/sys/fs/cgroup/$GROUP_NAME"
	else
		echo "/sys/fs/cgroup/$1/$GROUP_NAME"
	fi
}

groups_new_v1() {
	local c dir

	for c in "${V1_OF[@]}"; do
		[ -d "/sys/fs/cgroup/$c" ] || skip "no v1 controller $c"
	done
	[ -e /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes ] ||
		skip "no accounting of swap"
	for c in "${V1_OF[@]}"; do
		mkdir "$(group "$c")"
	done
	dir=$(group cpuset)
	cat /sys/fs/cgroup/cpuset/cpuset.cpus >"$dir/cpuset.cpus"
	cat /sys/fs/cgroup/cpuset/cpuset.mems >"$dir/cpuset.mems"
	echo $((256 * MIB)) >"$(group memory)/memory.limit_in_bytes"
	echo $((320 * MIB)) >"$(group memory)/memory.memsw.limit_in_bytes"
	echo 150000 >"$(group cpu)/cpu.cfs_quota_us"
}

groups_new_v2() {
	local c

	for c in memory cpu io pids cpuset; do
		grep -qw "$c" /sys/fs/cgroup/cgroup.subtree_control ||
			skip "the controller $c is not given to groups"
	done
	mkdir "$(group)"
	echo $((256 * MIB)) >"$(group)/memory.max"
	echo $((64 * MIB)) >"$(group)/memory.swap.max"
	echo "150000 100000" >"$(group)/cpu.max"
}

groups_new() {
	GROUP_NAME=vefs-ctproc-$$-$BASHPID
	trap groups_end EXIT
	if is_v2; then groups_new_v2; else groups_new_v1; fi
}

group_dirs() {
	local c

	if is_v2; then
		group
		return
	fi
	for c in "${V1_OF[@]}"; do
		group "$c"
	done
}

# Everybody in them is the case's own. The list is read at once: a line of one
# that changes meanwhile may be half of a number, and that somebody else.
groups_kill() {
	local pid pids dir

	while read -r dir; do
		[ -d "$dir" ] || continue
		pids=$(cat "$dir/cgroup.procs")
		for pid in $pids; do
			kill -KILL "$pid" || [ ! -d "/proc/$pid" ]
		done
	done < <(group_dirs)
}

groups_remove() {
	local dir tries

	while read -r dir; do
		for ((tries = 0; tries < 100; tries++)); do
			[ -d "$dir" ] || break
			rmdir "$dir" 2>/dev/null && break
			sleep 0.1
		done
	done < <(group_dirs)
}

groups_end() {
	local keeper

	if keeper=$(served_by); then
		[ -z "$keeper" ] || kill -TERM "$keeper"
	fi
	groups_kill 2>/dev/null
	groups_remove
}

join() {
	local dir

	while read -r dir; do
		echo "$1" >"$dir/cgroup.procs"
	done < <(group_dirs)
}

# ---- the container and its files -------------------------------------------

served_by() {
	[ -n "$T" ] || return 0
	# none is no error: it may have been told to end
	pgrep -o -f "proc --pid $P $T\$" || [ $? = 1 ]
}

# One that was killed has a successor soon.
server() {
	local i

	for i in $(seq $((100 * VEFS_SLOW))); do
		pgrep -P "$(served_by)" && return
		sleep 0.05
	done
	fail "no server after $i looks"
}

# A process with namespaces of its own in the group, and its files in $T. What
# is mounted there is seen inside too.
container() {
	T=$D/served
	mkdir -p "$T"
	mount --bind "$T" "$T"
	mount --make-shared "$T"
	groups_new
	unshare --user --map-root-user --mount --propagation slave --pid \
		--fork --mount-proc sleep $((300 * VEFS_SLOW)) &
	for ((i = 0; i < 100 * VEFS_SLOW; i++)); do
		P=$(pgrep -P $!) && break
		sleep 0.1
	done
	[ -n "$P" ] || fail "no container"
	join "$P"
	timeout $((20 * VEFS_SLOW)) "$VEFS_BIN/vefs" proc --pid "$P" "$T"
}

# inside COMMAND...: in the container and its group.
inside() {
	local dirs

	mapfile -t dirs < <(group_dirs)
	# shellcheck disable=SC2016 # the inner shell's
	bash -c 'for d; do
			shift
			[ "$d" = -- ] && break
			echo $$ >"$d/cgroup.procs" || exit 99
		done
		exec nsenter -t "$0" -U -p -m --preserve-credentials "$@"' \
		"$P" "${dirs[@]}" -- "$@"
}

# burn SECONDS: use a processor inside, as far as the group may.
burn() {
	# shellcheck disable=SC2016 # the inner shell's
	inside sh -c 'timeout "$0" sh -c "while :; do :; done"
		[ $? = 124 ]' "$1"
}

# Put the files over those of the container's /proc.
bind_inside() {
	inside sh -c '
		cd "$0/proc" || exit
		for f in cpuinfo diskstats loadavg meminfo stat swaps \
			uptime vmstat; do
			mount --bind "$f" "/proc/$f" || exit
		done
		mount --bind "$0/sys/devices/system/cpu" \
			/sys/devices/system/cpu' "$T"
}

# of FILE KEY: a row's number.
of() {
	awk -v key="$2" '$1 == key || $1 == key ":" { print $2; exit }' \
		"$T/proc/$1"
}

# The text is kept for a moment; wait for what it is then.
later() {
	sleep 1.2
}

memory_used() {
	if is_v2; then
		cat "$(group)/memory.current"
	else
		cat "$(group memory)/memory.usage_in_bytes"
	fi
}

# Microseconds of processor time.
cpu_used() {
	if is_v2; then
		awk '/^usage_usec/ { print $2 }' "$(group)/cpu.stat"
	else
		echo $(($(cat "$(group cpuacct)/cpuacct.usage") / 1000))
	fi
}

# user + nice + system of the first line, in ticks.
stat_used() {
	awk '/^cpu / { print $2 + $3 + $4 }' "$T/proc/stat"
}

cpus_for() {
	local all

	all=$(grep -c '^processor' /proc/cpuinfo)
	echo $((all < $1 ? all : $1))
}
