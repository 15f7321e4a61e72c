#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Single operations, side by side: a plain directory, kernel overlayfs,
# fuse-overlayfs and vefs, each with the same lower and upper on one disk.
# All are mounted at once; every operation goes through all of them before
# the next begins, in another order each time, so that noise meets them alike.
#
# usage: run.sh [-q]      -q: 2 rounds, not 5.  Environment: see lib.sh, and
#   LAYERS   lower directories to stack (1); all have the same directories
#   OPS      operations to run (all; micro -l lists them)
#   SET      what the results are called (micro), with -any and -one
set -u
. "$(dirname "$0")/lib.sh"

usage()
{
	say "usage: ${0##*/} [-q]   (see ${0%/*}/README.md)"
	exit 2
}

rounds=${ROUNDS:-5}
MAX_SECONDS=${MAX_SECONDS:-540}
LAYERS=${LAYERS:-1}
SET=${SET:-micro}
while getopts q option; do
	case $option in
	q) rounds=${ROUNDS:-2} ;;
	*) usage ;;
	esac
done

# The lowers never change: once for all rounds. One set per peer, or the
# first peer would warm the disk's inodes for the others.
lowers_make()
{
	local peer dir i

	for peer in "${peers[@]}"; do
		[ "$peer" = plain ] && continue
		dir=$work_dir/$peer
		peer_dir_make "$peer" "$dir"
		mkdir "$dir/lower1" "$dir/mnt"
		"$mkfiles" lower "$dir/lower1" || die "no room for the lower?"
		for ((i = 2; i <= $(layers_of "$peer"); i++)); do
			mkdir "$dir/lower$i"
			(cd "$dir/lower1" && find . -type d -print0) |
				(cd "$dir/lower$i" && xargs -0 mkdir -p)
		done
		[ "$peer" != template ] || VEFS_ROOT=$dir/store \
			"$VEFS_BIN/vefs" --quiet template import bench \
			"$dir/lower1" || die "cannot import a template"
	done
}

layers_of()
{
	if [ "$1" = five ]; then echo 5; else echo "$LAYERS"; fi
}

# The file-carrying lower is the deepest.
lowers_of()
{
	local i

	if [ "$1" = template ]; then
		echo "template=bench,store=$work_dir/$1/store"
		return
	fi
	for ((i = $(layers_of "$1"); i > 1; i--)); do
		printf '%s/lower%d:' "$work_dir/$1" "$i"
	done
	printf '%s/lower1' "$work_dir/$1"
}

round_begin()
{
	local peer dir

	for peer in "${peers[@]}"; do
		dir=$work_dir/$peer
		if [ "$peer" = plain ]; then
			mkdir -p "$dir/mnt"
			"$mkfiles" lower "$dir/mnt" || die "disk full?"
			"$mkfiles" upper "$dir/mnt" || die "disk full?"
			continue
		fi
		mkdir -p "$dir/upper" "$dir/work"
		"$mkfiles" upper "$dir/upper" || die "disk full?"
	done
	drop_inodes
	for peer in "${peers[@]}"; do
		dir=$work_dir/$peer
		peer_mount "$peer" "$(lowers_of "$peer")" "$dir/upper" \
			"$dir/work" "$dir/mnt"
		# the data is in the page cache, as of a template in use
		[ "$peer" = template ] && cat "$dir/mnt/usr/big" >/dev/null
		[ "$peer" = plain ] || cat "$dir"/lower1/usr/big >/dev/null
	done
}

# One operation on one peer; a failure is a line of its own, not the end.
measure()
{
	local peer=$1 op=$2 line status

	line=$(timeout -k 5 60 "${bench_pin[@]}" "$micro" -t 5 \
		"$work_dir/$peer/mnt" "$op")
	status=$?
	if [ -z "$line" ]; then
		line="{\"op\":\"$op\",\"error\":\"status $status\"}"
		say "$peer: $op ended with status $status"
	fi
	sample "$out" "$round" "$peer" "$line"
}

# Every operation on all peers, with fresh uppers and mounts.
measure_all()
{
	local cpus

	for cpus in ${CPUS:-any one}; do
		cpus_choose "$cpus"
		out=$(set_file "$SET-$cpus" "$bench_dir")
		round_begin
		in_turns "${ops[@]}"
		round_end
	done
}

bench_init "$@"
read -r -a ops <<<"${OPS:-$("$micro" -l | tr '\n' ' ')}"
lowers_make
outs=()
for cpus in ${CPUS:-any one}; do
	out=$(set_file "$SET-$cpus" "$bench_dir")
	set_begin "$out" "$SET-$cpus" "$(case $SET in
		micro) echo "Single operations" ;;
		floor) echo "Single operations beside the least that FUSE can cost" ;;
		*) echo "Single operations, $SET" ;;
		esac), $LAYERS lower, client and daemon $(cpus_text "$cpus")" \
		"${peers[@]}"
	outs+=("$out")
done
rounds_run "$rounds"
set_end "Single operations" "${outs[@]}"
