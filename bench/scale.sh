#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What more and more mounted, idle containers of one template cost, each step on
# top of the last: memory of their daemons and of the kernel, threads, open
# files, wake-ups, the time of a mount; and the slope over all steps. SCALE.md
# tells what follows for a large machine.
#
# usage: scale.sh [-q]    -q: 10 and 50. Environment: see lib.sh, and
#   MOUNTS   the steps ("10 100 500 1000")
#   IDLE     seconds that wake-ups are counted for (10; -q: 3)
#   THREADS  of each worker; what vefs would take if not set
set -u
PEERS=vefs
. "$(dirname "$0")/lib.sh"

steps="10 100 500 1000" idle=10
while getopts q option; do
	case $option in
	q) steps="10 50" idle=3 ;;
	*) die "usage: ${0##*/} [-q]   (see ${0%/*}/README.md)" ;;
	esac
done
MOUNTS=${MOUNTS:-$steps}
IDLE=${IDLE:-$idle}
MAX_SECONDS=${MAX_SECONDS:-540}
BENCH_SIZE=${BENCH_SIZE:-12G}

# What is looked at, its unit, and what it is called.
facts=(
	"pss:KiB:PSS of its daemons"
	"anon:KiB:memory of their own, PSS"
	"shmem:KiB:shared memory, PSS"
	"kernel:KiB:memory of the kernel"
	"available:KiB:memory that the machine has less"
	"threads:count:threads"
	"files:count:open files of the machine"
	"fds:count:descriptors of its table"
	"wakeups:a second:wake-ups"
	"mount:ms:create and mount"
	"umount:ms:umount"
)

vefs()
{
	"$VEFS_BIN/vefs" --root "$work_dir/store" --quiet "$@"
}

# mount_one ID
mount_one()
{
	local dir=$work_dir/store/containers/$1 to=$work_dir/store/root/$1

	vefs create "$1" --template scale || return
	if [ -z "${THREADS:-}" ]; then
		vefs mount "$1"
		return
	fi
	mkdir -p "$to"
	"$VEFS_BIN/mount.vefs" -o "template=scale,store=$work_dir/store,\
upperdir=$dir/upper,workdir=$dir/work,quota=$dir/quota.mdb,threads=$THREADS" "$to"
}

# Keepers and workers alike have the mount's directory in their arguments.
daemons()
{
	# not in the arguments of grep itself
	grep -lsFf <(echo "$work_dir/store") /proc/[0-9]*/cmdline |
		sed 's/[^0-9]//g' | sort -n
}

# One line of all figures that are totals, in the order of `totals`.
totals=(pss anon shmem kernel available threads files fds)
look()
{
	local pids pid task fd threads=0 fds=0

	mapfile -t pids < <(daemons)
	for pid in "${pids[@]}"; do
		task=("/proc/$pid/task"/*) fd=("/proc/$pid/fd"/*)
		threads=$((threads + ${#task[@]})) fds=$((fds + ${#fd[@]}))
		echo "/proc/$pid/smaps_rollup"
	done >"$bench_dir/paths"
	{
		xargs -r cat <"$bench_dir/paths"
		cat /proc/meminfo
		awk '{ print "Files:", $1 - $2 }' /proc/sys/fs/file-nr
	} | awk -v threads="$threads" -v fds="$fds" '
		{ sub(":", "", $1); v[$1] += $2 }
		END {
			kernel = v["Slab"] + v["KernelStack"]
			kernel += v["PageTables"] + v["Percpu"]
			# keeper and worker have one table of descriptors
			print v["Pss"] + 0, v["Pss_Anon"] + 0, v["Pss_Shmem"] + 0,
				kernel, -v["MemAvailable"], threads,
				v["Files"], fds / 2
		}'
}

switches()
{
	daemons | while read -r pid; do
		cat "/proc/$pid"/task/*/status 2>/dev/null
	done | awk '/ctxt_switches/ { n += $2 } END { print n + 0 }'
}

# tell FACT KEY OF VALUE
tell()
{
	local fact unit title

	for fact in "${facts[@]}"; do
		[ "${fact%%:*}" = "$1" ] || continue
		IFS=: read -r _ unit title <<<"$fact"
		figure "$out" 1 vefs "$1_$2" "$unit" "$title, $3" "$4"
	done
}

# Mounts up to N; milliseconds each.
mount_up_to()
{
	local began=${EPOCHREALTIME/./} from=$mounted

	while [ "$mounted" -lt "$1" ]; do
		mount_one $((1001 + mounted)) || die "mount $mounted failed"
		mounted=$((mounted + 1))
	done
	awk -v us=$((${EPOCHREALTIME/./} - began)) -v n=$(($1 - from)) \
		'BEGIN { printf "%.3f", us / 1000 / n }' >"$bench_dir/took"
}

# step N: what is there more than without any, for each mount.
step()
{
	local n=$1 now before i

	mount_up_to "$n"
	sync -f "$work_dir"
	sleep 2
	read -r -a now <<<"$(look)"
	for i in "${!totals[@]}"; do
		tell "${totals[i]}" "$n" "each of $n" "$(awk -v n="$n" \
			-v a="${now[i]}" -v b="${none[i]}" \
			'BEGIN { printf "%.2f", (a - b) / n }')"
	done
	before=$(switches)
	sleep "$IDLE"
	tell wakeups "$n" "all of $n together" "$(awk -v s="$IDLE" \
		-v n=$(($(switches) - before)) 'BEGIN { printf "%.2f", n / s }')"
	tell mount "$n" "each, up to $n" "$(cat "$bench_dir/took")"
	echo "$n ${now[*]}" >>"$bench_dir/steps"
	say "$n mounts: PSS $((now[0] / n)) KiB each"
}

# Least squares over all steps: what one more costs.
slopes()
{
	local i

	[ "$(wc -l <"$bench_dir/steps")" -gt 1 ] || return
	for i in "${!totals[@]}"; do
		tell "${totals[i]}" slope "one more" "$(awk -v i=$((i + 2)) '
			{ x += $1; y += $i; xx += $1 * $1; xy += $1 * $i; n++ }
			END { printf "%.2f",
				(n * xy - x * y) / (n * xx - x * x) }' \
			"$bench_dir/steps")"
	done
}

umount_all()
{
	local began n=$mounted

	began=${EPOCHREALTIME/./}
	if [ -z "${THREADS:-}" ]; then
		while [ "$mounted" -gt 0 ]; do
			mounted=$((mounted - 1))
			vefs umount $((1001 + mounted)) || return
		done
	else
		bench_umount_all
	fi
	tell umount "$n" "each of $n" "$(awk -v us=$((${EPOCHREALTIME/./} - \
		began)) -v n="$n" 'BEGIN { printf "%.3f", us / 1000 / n }')"
}

bench_init "$@"
[ ${#peers[@]} -gt 0 ] || exit 1
mkdir "$work_dir/tree"
"$mkfiles" names 1000 "$work_dir/tree" || die "disk full?"
vefs template import scale "$work_dir/tree" || die "cannot import a template"
out=$(set_file scale "$bench_dir")
set_begin "$out" scale "Mounted, idle containers\
${THREADS:+, $THREADS threads each}" vefs
mounted=0
# the first mounts pay for what is loaded once
mount_one 1000 || die "cannot mount"
vefs umount 1000 || bench_umount_all
sleep 1
read -r -a none <<<"$(look)"
for n in $MOUNTS; do
	if [ $((SECONDS * 3)) -gt $((MAX_SECONDS * 2)) ]; then
		skipped "$n mounts: MAX_SECONDS=$MAX_SECONDS"
		break
	fi
	step "$n"
done
slopes
umount_all
set_end "Mounted, idle containers" "$out"
