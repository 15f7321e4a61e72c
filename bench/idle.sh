#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a mount costs while nobody uses it: memory, descriptors and wake-ups of
# its daemon, fresh, with many inodes looked up, and after the kernel has
# forgotten them.
#
# usage: idle.sh [-q]     -q: 3 s of idleness, not 10. Environment: lib.sh, and
#   MOUNTS   how many mounts the memory of one is averaged over (10)
set -u
PEERS=${PEERS:-fuse-overlayfs vefs}
. "$(dirname "$0")/lib.sh"

idle_seconds=10
while getopts q option; do
	case $option in
	q) idle_seconds=3 ;;
	*) say "usage: ${0##*/} [-q]"; exit 2 ;;
	esac
done
MOUNTS=${MOUNTS:-10}

# KEY:GOAL:TITLE; goals are vefs's upper limits, "-" is none.
rows=(
	"pss_idle:1536:fresh mount, PSS, KiB"
	"private_idle:-:fresh mount, private, KiB"
	"pss_each:1536:each of $MOUNTS fresh mounts, PSS, KiB"
	"threads:-:threads"
	"fds:-:open descriptors"
	"wakeups:0:wake-ups in $idle_seconds s, fresh"
	"pss_many:20480:100,000 inodes looked up, PSS, KiB"
	"fds_many:-:100,000 inodes looked up, open descriptors"
	"pss_forgot:as fresh:then forgotten, PSS, KiB"
	"pss_many2:20480:looked up once more, PSS, KiB"
	"pss_forgot2:as fresh:forgotten once more, PSS, KiB"
	"wakeups_after:0:wake-ups in $idle_seconds s, after all that"
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
	values[$peer.$1]=$2
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
}

report()
{
	local row key goal title cells

	printf '| |'
	printf ' %s |' "${peers[@]}"
	printf ' goal |\n|---|'
	printf -- '---:|%.0s' "${peers[@]}"
	printf -- '---:|\n'
	for row in "${rows[@]}"; do
		IFS=: read -r key goal title <<<"$row"
		cells=
		for peer in "${peers[@]}"; do
			cells="$cells ${values[$peer.$key]:-–} |"
		done
		printf '| %s |%s %s |\n' "$title" "$cells" "$goal"
	done
}

bench_init "$@"
declare -A values
mkdir "$work_dir/lower"
"$mkfiles" many "$work_dir/lower" || die "disk full?"
for peer in "${peers[@]}"; do
	measure
done
echo "## An idle mount"
echo
facts_list
echo
report
