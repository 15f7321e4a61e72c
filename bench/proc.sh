#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What reading a container's /proc costs: open, read, close of each file, by a
# reader in the container's control groups, of the kernel's own /proc, lxcfs's
# files and ours, one after the other in each round. "often" is as fast as one
# can, "seldom" once in 150 ms, when nothing that was kept may be shown again.
#
# usage: proc.sh [-q]     -q: fewer readings. Environment:
#   VEFS_BIN   directory of vefs          (../build/bin)
#   BENCH_BIN  directory of procread      (../build/opt/bench)
#   LXCFS      the program, if not in PATH; its library beside or in
#              LD_LIBRARY_PATH
#   ROUNDS     how often everything is repeated; the median counts (3)
#   MAX_SECONDS  no round begins that would end after it
#   TASKS      sleeping processes in the container (100)
#   MANY       so many containers, in which one reads each, at once (100)
set -u
. "$(dirname "$0")/report.sh"
BENCH_BIN=${BENCH_BIN:-$bench_here/../build/opt/bench}
LXCFS=${LXCFS:-$(command -v lxcfs)}
ROUNDS=${ROUNDS:-3}
TASKS=${TASKS:-100}
MANY=${MANY:-100}
MAX_SECONDS=${MAX_SECONDS:-540}
often=4000
seldom=10
seldom_files="meminfo stat cpuinfo loadavg"
while getopts q option; do
	case $option in
	q) often=1000 seldom=6 seldom_files=meminfo MANY=10 ;;
	*) die "usage: ${0##*/} [-q]" ;;
	esac
done

files=(meminfo stat cpuinfo loadavg uptime swaps diskstats vmstat mounts
	user_beancounters)
name=vefs-bench-proc-$$
dir=
init=
vefs_pid=
lxcfs_pid=
many=0 # of them are there
many_pids=()

# The directories of our own groups, or those of the many, by number: one a
# hierarchy.
groups()
{
	local own=$name${1:+-$1}

	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		echo "/sys/fs/cgroup/$own"
		return
	fi
	printf "/sys/fs/cgroup/%s/$own\n" memory cpu cpuacct cpuset blkio pids
}

every_group()
{
	local i

	groups
	for ((i = 1; i <= many; i++)); do
		groups "$i"
	done
}

new_groups()
{
	local g i

	while read -r g; do
		mkdir "$g" || return
		[ -e "$g/cpuset.cpus" ] && [ ! -e "$g/cgroup.controllers" ] &&
			cat "${g%/*}/cpuset.cpus" >"$g/cpuset.cpus" &&
			cat "${g%/*}/cpuset.mems" >"$g/cpuset.mems"
		for i in memory.max memory.limit_in_bytes; do
			[ -e "$g/$i" ] && echo 1G >"$g/$i"
		done
	done < <(groups "$@")
	return 0
}

finish()
{
	local g pid pids

	trap - EXIT
	[ -n "$vefs_pid" ] && kill "$vefs_pid"
	for pid in "${many_pids[@]}"; do
		kill "$pid"
	done
	[ -n "$lxcfs_pid" ] && kill "$lxcfs_pid"
	sleep 0.5
	while read -r g; do
		# at once: half a number would be somebody else
		pids=$(cat "$g/cgroup.procs")
		for pid in $pids; do
			kill -KILL "$pid" 2>/dev/null
		done
	done < <(every_group)
	sleep 0.5
	while read -r g; do
		rmdir "$g"
	done < <(every_group)
	umount -l "$dir/lxcfs" 2>/dev/null
	rm -rf --one-file-system "$dir"
}

# in_group COMMAND..., in_group_of NUMBER COMMAND...
in_group()
{
	in_group_of "" "$@"
}

in_group_of()
{
	local g

	(
		while read -r g; do
			echo "$BASHPID" >"$g/cgroup.procs"
		done < <(groups "$1")
		exec "${@:2}"
	)
}

# waited CONDITION: until it holds, 20 seconds at most
waited()
{
	local i

	for ((i = 0; i < 100; i++)); do
		eval "$1" && return
		sleep 0.2
	done
	return 1
}

begin()
{
	local parent

	dir=$(mktemp -d) || exit 1
	mkdir "$dir/vefs" "$dir/lxcfs"
	trap finish EXIT
	trap 'exit 130' INT TERM
	new_groups || exit 1
	in_group unshare --user --map-root-user --pid --fork \
		sh -c "i=0; while [ \$i -lt $TASKS ]; do sleep 3600 &
			i=\$((i + 1)); done; wait" >/dev/null &
	parent=$!
	disown "$parent"
	waited '[ -n "$(pgrep -P $parent)" ]' || die "no container"
	init=$(pgrep -P "$parent")
	sleep 1
	"$VEFS_BIN/vefs" proc --pid "$init" "$dir/vefs" -f >/dev/null &
	vefs_pid=$!
	if [ -n "$LXCFS" ]; then
		"$LXCFS" -l "$dir/lxcfs" --pidfile="$dir/lxcfs.pid" \
			>/dev/null 2>&1 &
		lxcfs_pid=$!
	else
		skipped "lxcfs: not installed (apt-get install lxcfs, or LXCFS=)"
	fi
	waited '[ -e "$dir/vefs/proc/stat" ]' || die "vefs does not serve"
	[ -z "$LXCFS" ] || waited '[ -e "$dir/lxcfs/proc/stat" ]' ||
		skipped "lxcfs: does not serve here"
}

where()
{
	case $1 in
	native) echo /proc ;;
	*) echo "$dir/$1/proc" ;;
	esac
}

# measure PEER FILE OP TITLE READS [PAUSE_MS]
measure()
{
	local path said

	path=$(where "$1")/$2
	[ -r "$path" ] || return
	said=$(in_group "$BENCH_BIN/procread" "$path" "${@:5}")
	figure "$out" "$round" "$1" "$3" us "$4" "${said%% *}"
}

# Containers of one process, and their files in $dir/many/NUMBER.
begin_many()
{
	local i pid

	while ((many < MANY)); do
		i=$((++many))
		new_groups "$i" || exit 1
		mkdir -p "$dir/many/$i"
		# nobody whose end the shell would tell
		pid=$(in_group_of "$i" sh -c \
			'sleep 3600 >/dev/null & echo $!')
		"$VEFS_BIN/vefs" proc --pid "$pid" "$dir/many/$i" -f >/dev/null &
		many_pids+=($!)
	done
	for ((i = 1; i <= many; i++)); do
		waited '[ -e "$dir/many/$i/proc/stat" ]' ||
			die "vefs does not serve the $i. of many"
	done
}

# measure_many PEER FILE READS: in each, all begin when the gate is closed
measure_many()
{
	local path from i gate=$dir/gate readers=()

	rm -f "$gate" "$gate.ready"
	mkfifo "$gate"
	exec 7<>"$gate"
	for ((i = 1; i <= many; i++)); do
		path=$(where "$1")/$2
		[ "$1" != vefs ] || path=$dir/many/$i/proc/$2
		# shellcheck disable=SC2016 # the inner shell's
		in_group_of "$i" timeout 100 sh -c 'echo >>"$0.ready"
			read -r _ <"$0"
			exec "$@"' "$gate" "$BENCH_BIN/procread" "$path" "$3" \
			>/dev/null 7>&- &
		readers+=($!)
	done
	waited '[ "$(wc -l <"$gate.ready")" -ge "$many" ]'
	sleep 0.5
	from=$(date +%s%N)
	exec 7>&-
	wait "${readers[@]}"
	figure "$out" "$round" "$1" "${2}_many" us \
		"$2, of all that $many containers read at once" \
		"$(awk -v ns=$(($(date +%s%N) - from)) -v n=$((many * $3)) \
			'BEGIN { printf "%.3f", ns / 1000 / n }')"
}

machine_begin
bench_disk=native
begin
peers=(native)
[ -z "$LXCFS" ] || [ ! -e "$dir/lxcfs/proc/stat" ] || peers+=(lxcfs)
peers+=(vefs)
out=$(set_file proc "$dir")
set_begin "$out" proc "Reading a container's /proc, $TASKS tasks in it: open, \
read, close" "${peers[@]}"
began=$SECONDS
for ((round = 1; round <= ROUNDS; round++)); do
	say "round $round of $ROUNDS"
	for file in "${files[@]}"; do
		for peer in "${peers[@]}"; do
			measure "$peer" "$file" "$file" "$file" "$often"
		done
	done
	for file in $seldom_files; do
		for peer in "${peers[@]}"; do
			measure "$peer" "$file" "${file}_seldom" \
				"$file, once in 150 ms" "$seldom" 150
		done
	done
	[ $((SECONDS - began + (SECONDS - began) / round)) -le "$MAX_SECONDS" ] ||
		break
done
# last: /proc/mounts of everybody has theirs, too
rounds=$((round > ROUNDS ? ROUNDS : round))
begin_many
for ((round = 1; round <= rounds; round++)); do
	for peer in "${peers[@]}"; do
		reads=$often
		[ "$peer" != lxcfs ] || reads=$((often / 40))
		measure_many "$peer" meminfo "$reads"
	done
done
set_end "Reading a container's /proc" "$out"
