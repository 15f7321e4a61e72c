#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a mount costs while nobody uses it: memory, descriptors and wake-ups of
# its daemon, fresh, with many inodes looked up, and after the kernel has
# forgotten them; and what a quota of many users takes.
#
# usage: idle.sh [-q]     -q: 3 s of idleness, not 10, and no quota.
# Environment: lib.sh, and
#   MOUNTS   how many mounts the memory of one is averaged over (10)
#   OWNERS   users of the quota (100000)
set -u
PEERS=${PEERS:-fuse-overlayfs vefs}
. "$(dirname "$0")/lib.sh"

idle_seconds=10
owners=100000
while getopts q option; do
	case $option in
	q) idle_seconds=3 owners=0 ;;
	*) say "usage: ${0##*/} [-q]"; exit 2 ;;
	esac
done
MOUNTS=${MOUNTS:-10}
OWNERS=${OWNERS:-$owners}

# Each row's unit and title, by its name.
declare -A row=(
	[pss_idle]="KiB:fresh mount, PSS"
	[private_idle]="KiB:fresh mount, private"
	[pss_each]="KiB:each of $MOUNTS fresh mounts, PSS"
	[threads]="count:threads"
	[fds]="count:open descriptors"
	[wakeups]="count:wake-ups in $idle_seconds s, fresh"
	[pss_many]="KiB:100,000 inodes looked up, PSS"
	[fds_many]="count:100,000 inodes looked up, open descriptors"
	[pss_forgot]="KiB:then forgotten, PSS"
	[pss_many2]="KiB:looked up once more, PSS"
	[pss_forgot2]="KiB:forgotten once more, PSS"
	[pss_owners]="KiB:quota of $OWNERS users, more than of one, PSS"
	[wakeups_after]="count:wake-ups in $idle_seconds s, after all that"
)

# The processes that serve a mount: its path is in their command line, or
# they are children of such a one.
daemons_of()
{
	local pid parent found=" "

	for pid in $(printf '%s\n' /proc/[0-9]* | sort -V); do
		pid=${pid#/proc/}
		[ "$pid" = $$ ] && continue
		if tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" |
			grep -qF -- "$1"; then
			found="$found$pid "
			continue
		fi
		parent=$(awk '/^PPid/ { print $2 }' "/proc/$pid/status" \
			2>/dev/null)
		case $found in
		*" $parent "*) found="$found$pid " ;;
		esac
	done
	# shellcheck disable=SC2086 # one word each
	echo $found
}

# smaps FIELD... PID...: KiB, all fields of all processes together.
smaps()
{
	local fields=$1 pid

	shift
	for pid; do
		cat "/proc/$pid/smaps_rollup"
	done | awk -v fields="^($fields):" '$1 ~ fields { kib += $2 }
		END { print kib + 0 }'
}

fds()
{
	local pid

	for pid; do
		ls "/proc/$pid/fd"
	done | wc -l
}

threads()
{
	local pid

	for pid; do
		ls "/proc/$pid/task"
	done | wc -l
}

switches()
{
	local pid

	for pid; do
		cat "/proc/$pid"/task/*/status
	done | awk '/ctxt_switches/ { n += $2 } END { print n + 0 }'
}

wakeups()
{
	local before

	before=$(switches "$@")
	sleep "$idle_seconds"
	echo $(($(switches "$@") - before))
}

# The PSS once it has stood still for two seconds, at most 20.
pss_settled()
{
	local last=-1 now i

	for ((i = 0; i < 10; i++)); do
		now=$(smaps Pss "$@")
		[ "$now" = "$last" ] && break
		last=$now
		sleep 2
	done
	echo "$now"
}

result()
{
	figure "$out" 1 "$peer" "$1" "${row[$1]%%:*}" "${row[$1]#*:}" "$2"
	say "$peer: $1 $2"
}

mount_one()
{
	local dir=$work_dir/$peer.$1

	mkdir -p "$dir/upper" "$dir/work" "$dir/mnt"
	peer_mount "$peer" "$work_dir/lower" "$dir/upper" "$dir/work" \
		"$dir/mnt"
}

look_up_all()
{
	local seen

	seen=$(timeout 120 find "$1/many" -printf '%s\n' | wc -l)
	[ "$seen" = 100101 ] || die "$peer: find saw $seen of 100101 files"
}

measure_fresh()
{
	result pss_idle "$(smaps Pss "$@")"
	result private_idle "$(smaps 'Private_Clean|Private_Dirty' "$@")"
	result threads "$(threads "$@")"
	result fds "$(fds "$@")"
	result wakeups "$(wakeups "$@")"
}

measure_many()
{
	local target=$1 again

	shift
	for again in "" 2; do
		look_up_all "$target"
		result "pss_many$again" "$(smaps Pss "$@")"
		[ -n "$again" ] || result fds_many "$(fds "$@")"
		drop_inodes
		result "pss_forgot$again" "$(pss_settled "$@")"
	done
	result wakeups_after "$(wakeups "$@")"
}

# pss_counted DIR: what is in its upper was counted and written down.
pss_counted()
{
	local pids

	rm -f "$1"/work.quota*
	peer_mount counted "$work_dir/lower" "$1/upper" "$1/work" "$1/mnt"
	sleep 6 # a change is written five seconds later
	read -r -a pids <<<"$(daemons_of "$1/mnt")"
	pss_settled "${pids[@]}"
	bench_umount_all
}

# The same files, as one user's and each as another's.
measure_owners()
{
	local dir=$work_dir/$peer.owned one

	mkdir -p "$dir"/{upper,work,mnt}
	"$mkfiles" names "$OWNERS" "$dir/upper" || die "disk full?"
	one=$(pss_counted "$dir")
	"$mkfiles" owners "$OWNERS" "$dir/upper" || die "no owners"
	result pss_owners "$(($(pss_counted "$dir") - one))"
}

measure()
{
	local target=$work_dir/$peer.1/mnt pids i all=()

	mount_one 1
	sleep 1
	read -r -a pids <<<"$(daemons_of "$target")"
	[ ${#pids[@]} -gt 0 ] || die "no process of $peer names $target"
	say "$peer is served by ${pids[*]}"
	measure_fresh "${pids[@]}"
	measure_many "$target" "${pids[@]}"
	bench_umount_all
	for ((i = 1; i <= MOUNTS; i++)); do
		mount_one "$((i + 1))"
	done
	sleep 1
	for ((i = 1; i <= MOUNTS; i++)); do
		read -r -a pids <<<"$(daemons_of "$work_dir/$peer.$((i + 1))/mnt")"
		all+=("${pids[@]}")
	done
	result pss_each "$(($(smaps Pss "${all[@]}") / MOUNTS))"
	bench_umount_all
	if [ "$peer" = vefs ] && [ "$OWNERS" != 0 ]; then
		measure_owners
	fi
}

bench_init "$@"
mkdir "$work_dir/lower"
"$mkfiles" many "$work_dir/lower" || die "disk full?"
out=$(set_file idle "$bench_dir")
set_begin "$out" idle "An idle mount" "${peers[@]}"
for peer in "${peers[@]}"; do
	measure
done
set_end "An idle mount" "$out"
