#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Everything, within a time: each script in turn with its share of it; then one
# result file of all rows, a table of what the project promises, all tables, and
# plots. What is cut for lack of time is said. The exit status is 0 when every
# script that was begun came to its end or ran out of time: figures are not
# judged.
#
# usage: all.sh [-q | -s] [NAME]
#	-q	small trees, few rounds: 4 minutes
#	-s	a smoke test: whether everything runs at all, about a minute
#	NAME	of the results, bench/results/NAME.json, .md, .png, .svg; "latest"
#		is what is kept in git. Default: the time of the day
# Environment: all that the scripts know, and
#   BENCH_SECONDS  how long altogether (1480; -q: 230; -s: 75)
#   BENCH_ONLY     only these sections, "micro trees"; see the table below
set -u
. "$(dirname "$0")/report.sh"

# unless VARIABLE VALUE: what a level takes if nobody asks for another.
unless()
{
	[ -n "${!1:-}" ] || export "$1=$2"
}

level=full
while getopts qs option; do
	case $option in
	q) level=quick ;;
	s) level=smoke ;;
	*) die "usage: ${0##*/} [-q | -s] [NAME]" ;;
	esac
done
shift $((OPTIND - 1))

# NAME:SHARES, of seconds: full, quick, smoke; 0 leaves it out. run_NAME runs it.
sections=(
	"micro:280:46:10"
	"quota:160:20:6"
	"quotahost:40:8:0"
	"layers:50:0:0"
	"floor:22:8:3"
	"fio:170:18:6"
	"trees:220:30:8"
	"programs:160:24:8"
	"templates:130:24:8"
	"ct:70:14:8"
	"proc:60:10:4"
	"scan:12:4:2"
	"survive:45:12:8"
	"idle:95:16:0"
	"scale:90:14:6"
)

case $level in
full) total=1480 quick=() ;;
quick) total=230 quick=(-q) ;;
smoke)
	total=75 quick=(-q)
	unless ROUNDS 1
	unless BENCH_SIZE 2G
	;;
esac
total=${BENCH_SECONDS:-$total}
name=${1:-$(date -u +%Y%m%d-%H%M%S)}
failed=0
child=''
cut=()
told=()

# ---- sections ---------------------------------------------------------------

# script NAME: with the arguments of this level; the end of a run_NAME, which
# is a process of its own.
script()
{
	exec timeout -k 150 "$limit" "$bench_here/$1.sh" "${quick[@]}" \
		>"$BENCH_RUN/$section.out"
}

run_micro()
{
	case $level in
	quick) unless CPUS one ;;
	smoke)
		unless CPUS one
		unless OPS "stat_first_lower open_read create write_4k unlink"
		;;
	esac
	script run
}

# The ways a quota writes; "vefs" has none.
quota_ops="stat_first_lower open_read open_write create create_4k rename \
read_4k write_4k append_4k write_128k write_1m unlink"

run_quota()
{
	export SET=quota
	[ "$level" = full ] || unless CPUS one
	[ "$level" != smoke ] || unless PEERS "vefs counted limited window"
	unless PEERS "plain overlayfs fuse-overlayfs vefs counted limited window"
	[ "$level" != smoke ] || unless OPS "create write_4k"
	unless OPS "$quota_ops"
	script run
}

run_quotahost()
{
	export SET=quota-host CPUS=one BENCH_FS=btrfs PEERS="plain overlayfs vefs host"
	command -v mkfs.btrfs >/dev/null && grep -qw btrfs /proc/filesystems || {
		skipped "a limit kept by the host: no btrfs here"
		return 0
	}
	unless OPS "read_4k write_4k append_4k write_128k create"
	script run
}

# One template, and five directories, beside one directory.
run_layers()
{
	export SET=layers CPUS=one PEERS="plain vefs template five"
	script run
}

# What has a goal to overlayfs, or would like one, beside the least possible.
floor_ops="stat_first_lower stat_first_upper stat_missing getxattr readdir_cold \
open_read create mkdir rename link symlink rmdir unlink"

run_floor()
{
	export SET=floor
	if [ "$level" = smoke ]; then
		unless PEERS "floor vefs"
		unless OPS "create unlink"
		unless CPUS one
	fi
	[ "$level" = full ] || unless CPUS one
	unless PEERS "plain overlayfs floor vefs"
	unless OPS "$floor_ops"
	unless ROUNDS 3
	script run
}

run_fio()
{
	if [ "$level" = smoke ]; then
		unless PEERS "overlayfs vefs"
		unless FIO_ROWS "seq-read:4k:psync:1:1 rand-write:4k:io_uring:4:4"
		unless SIZE 16
	fi
	script fio
}

run_trees()
{
	case $level in
	quick) unless LAYERS 1; unless BIG 4000 ;;
	smoke)
		unless PEERS "overlayfs vefs"
		unless LAYERS 2
		unless FILES 200
		unless UNITS 2
		unless BIG 1000
		unless STEPS "untar list_big git_clone compile rm_big"
		;;
	esac
	script trees
}

run_programs()
{
	[ "$level" = full ] || unless ROUNDS 1
	if [ "$level" = smoke ]; then
		unless PEERS "overlayfs vefs"
		unless STEPS "sqlite"
		unless TRANSACTIONS 20
	fi
	script programs
}

run_templates()
{
	case $level in
	quick)
		unless ROUNDS 1
		unless SIZE 64
		unless BIG 50
		;;
	smoke)
		unless PEERS "plain vefs"
		unless SIZE 8
		unless FILES 200
		unless LAYERS 2
		unless STEPS "import start_1k chown"
		;;
	esac
	script templates
}

run_ct()
{
	[ "$level" != smoke ] || unless MANY 3
	script ct
}

run_proc()
{
	[ "$level" = full ] || unless ROUNDS 1
	[ "$level" != smoke ] || unless TASKS 10
	script proc
}

run_survive()
{
	if [ "$level" = smoke ]; then
		unless KILLS 5
		unless LOWS 100
	fi
	script survive
}

run_idle()
{
	[ "$level" = full ] || unless MOUNTS 5
	script idle
}

run_scale()
{
	if [ "$level" = smoke ]; then
		unless MOUNTS "2 5"
		unless IDLE 1
	fi
	script scale
}

run_scan()
{
	[ "$level" = full ] || unless FILES $((${#quick[@]} ? 30000 : 300000))
	script scan
}

# ---- the run ----------------------------------------------------------------

finish()
{
	local status=$?

	trap - EXIT INT TERM HUP
	[ -z "$child" ] || {
		kill "$child"
		wait "$child"
	}
	[ -z "${BENCH_RUN:-}" ] || rm -rf "$BENCH_RUN"
	exit "$status"
}

seconds_left() { echo $((total - (SECONDS - began))); }

share_of()
{
	local share

	share=$(echo "$1" | cut -d: -f$(($2 + 1)))
	echo $((share * total / whole))
}

# One section with its share of the time, or what is left of it.
section()
{
	local section=$1 share=$2 left status from=$SECONDS limit

	left=$(seconds_left)
	if [ "$left" -lt $((share / 2)) ]; then
		[ "$left" -gt 0 ] || left=no
		cut+=("$section: $left seconds were left")
		return
	fi
	# what it should take, and when it must be done
	[ "$share" -le "$left" ] || share=$left
	limit=$((share * 3 / 2 + 10))
	[ "$limit" -le $((left + 15)) ] || limit=$((left + 15))
	say "$section: $share s of $left"
	(
		trap - EXIT INT TERM HUP
		export MAX_SECONDS=${MAX_SECONDS:-$share}
		"run_$section"
	) &
	child=$!
	wait "$child"
	status=$?
	child=''
	told+=("$section: $((SECONDS - from)) s")
	case $status in
	0) ;;
	124 | 137) cut+=("$section: cut off after $((SECONDS - from)) s") ;;
	*)
		failed=1
		cut+=("$section: failed, status $status")
		;;
	esac
}

lines() { [ $# -eq 0 ] || printf -- '- %s\n' "$@"; }

report()
{
	local files=("$BENCH_RUN"/*.samples) set

	[ -e "${files[0]}" ] || die "nothing was measured"
	files=()
	for set in micro-any micro-one floor-any floor-one quota-any quota-one \
		quota-host-one layers-one fio trees-1 trees-5 programs \
		templates ct proc scan survive idle scale; do
		[ ! -s "$BENCH_RUN/$set.samples" ] ||
			files+=("$BENCH_RUN/$set.samples")
	done
	bench_disk=ext4
	results_save "$name" "${files[@]}"
	{
		echo "# Benchmark: $name"
		echo
		[ "$level" != smoke ] || printf '%s\n\n' \
			"A smoke test: that it runs, not how fast. Judge nothing by it."
		facts_list
		echo
		lines "time: $((SECONDS - began)) s (${told[*]})"
		[ ${#cut[@]} -eq 0 ] || lines "${cut[@]/#/not whole: }"
		echo
		echo "## What is promised"
		echo
		jq -r -L "$bench_here" -f "$bench_here/goals.jq" \
			"$BENCH_RESULTS/$name.json"
		echo
		echo "## Figures"
		table 1 "${files[@]}"
	} >"$BENCH_RESULTS/$name.md"
	"$bench_here/plot.sh" "$BENCH_RESULTS/$name.json"
	cat "$BENCH_RESULTS/$name.md"
	say "all of it: $BENCH_RESULTS/$name.md"
}

[ "$(id -u)" = 0 ] || die "mounting needs root: run it with sudo"
command -v jq >/dev/null || die "needs jq: make deps installs it"
began=$SECONDS
machine_begin
BENCH_RUN=$(mktemp -d /var/tmp/vefs-bench-run.XXXXXX) || exit 1
export BENCH_RUN
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
case $level in full) column=1 ;; quick) column=2 ;; smoke) column=3 ;; esac
whole=0
for one in "${sections[@]}"; do
	whole=$((whole + $(echo "$one" | cut -d: -f$((column + 1)))))
done
for one in "${sections[@]}"; do
	share=$(share_of "$one" "$column")
	[ "$share" -gt 0 ] || continue
	[ -z "${BENCH_ONLY:-}" ] || [[ " $BENCH_ONLY " = *" ${one%%:*} "* ]] ||
		continue
	section "${one%%:*}" "$share"
done
report
exit "$failed"
