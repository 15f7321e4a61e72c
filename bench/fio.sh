#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# fio's jobs, side by side: files of the upper directory that are in the page
# cache, read and written in blocks, by one program and by four. Each job of
# fio/*.fio takes its turn on all peers before the next begins.
#
# usage: fio.sh [-q]     -q: 1 round of few rows. Environment: see lib.sh, and
#   FIO_ROWS  JOB:BLOCK:ENGINE:DEPTH:PROGRAMS, several; "all": the whole matrix
#   RUNTIME   of each (600ms; -q: 250ms)
#   SIZE      MiB of each program's file (64)
set -u
. "$(dirname "$0")/lib.sh"

# What is worth its time: each kind of block, engine and number of programs.
rows_full="seq-read:4k:psync:1:1 seq-read:128k:psync:1:1 seq-read:1m:psync:1:1
	seq-read:1m:psync:1:4 seq-read:128k:io_uring:16:1
	seq-write:4k:psync:1:1 seq-write:128k:psync:1:1 seq-write:1m:psync:1:1
	seq-write:1m:psync:1:4 seq-write:128k:io_uring:16:1
	rand-read:4k:psync:1:1 rand-read:4k:psync:1:4
	rand-read:4k:io_uring:16:1 rand-read:4k:io_uring:16:4
	rand-read:128k:psync:1:1
	rand-write:4k:psync:1:1 rand-write:4k:psync:1:4
	rand-write:4k:io_uring:16:1 rand-write:4k:io_uring:16:4
	rand-write:128k:psync:1:1
	rand-mixed:16k:psync:1:1
	fsync:4k:psync:1:1 fsync:4k:io_uring:1:1"
rows_quick="seq-read:4k:psync:1:1 seq-read:1m:psync:1:4
	seq-write:4k:psync:1:1 seq-write:1m:psync:1:4
	rand-read:4k:io_uring:16:1 rand-write:4k:psync:1:1 fsync:4k:psync:1:1"

rounds=${ROUNDS:-3}
rows=$rows_full
runtime=600ms
while getopts q option; do
	case $option in
	q) rounds=${ROUNDS:-1} rows=$rows_quick runtime=250ms ;;
	*) die "usage: ${0##*/} [-q]   (see ${0%/*}/README.md)" ;;
	esac
done
RUNTIME=${RUNTIME:-$runtime}
SIZE=${SIZE:-64}
MAX_SECONDS=${MAX_SECONDS:-540}

matrix()
{
	local job bs engine programs

	for job in seq-read seq-write rand-read rand-write rand-mixed fsync; do
		for bs in 4k 16k 64k 128k 1m; do
			for engine in psync:1 io_uring:16; do
				for programs in 1 4; do
					echo "$job:$bs:$engine:$programs"
				done
			done
		done
	done
}

# Where a peer's files are put before it is mounted.
below()
{
	if [ "$1" = plain ]; then echo "$work_dir/plain/mnt/fio"
	else echo "$work_dir/$1/upper/fio"; fi
}

round_begin()
{
	local peer dir i

	for peer in "${peers[@]}"; do
		dir=$work_dir/$peer
		[ -d "$dir" ] || peer_dir_make "$peer" "$dir"
		mkdir -p "$(below "$peer")" "$dir/work" "$dir/lower" "$dir/mnt"
		for i in 0 1 2 3; do
			cp "$work_dir/data" "$(below "$peer")/data.$i" ||
				die "disk full?"
		done
	done
	drop_inodes
	for peer in "${peers[@]}"; do
		dir=$work_dir/$peer
		peer_mount "$peer" "$dir/lower" "$dir/upper" "$dir/work" \
			"$dir/mnt"
	done
}

title()
{
	local job=$1 bs=$2 engine=$3 depth=$4 programs=$5

	printf '%s %s, %s%s, %s' "${job/-/ }" "$bs" "$engine" \
		"$([ "$depth" = 1 ] || echo " $depth deep")" \
		"$([ "$programs" = 1 ] && echo 1 program ||
			echo "$programs programs")"
}

# One job on one peer; a failure is a line of its own, not the end.
measure()
{
	local peer=$1 job bs engine depth programs unit=MB/s value op

	IFS=: read -r job bs engine depth programs <<<"$2"
	[ "$job" != fsync ] || unit=IO/s
	cat "$work_dir/$peer"/mnt/fio/data.* >/dev/null
	sync -f "$work_dir"
	"$micro" -m 64
	BS=$bs ENGINE=$engine DEPTH=$depth JOBS=$programs RUNTIME=$RUNTIME \
		SIZE=${SIZE}M DIR=$work_dir/$peer/mnt/fio timeout -k 5 60 \
		"${bench_pin[@]}" fio --output-format=json \
		"$bench_here/fio/$job.fio" >"$bench_dir/output" \
		2>"$bench_dir/stderr" ||
		say "$peer: $2: $(head -n 1 "$bench_dir/stderr")"
	value=$(jq -r --arg unit "$unit" '.jobs[0] | select(.error == 0) |
		if $unit == "IO/s" then .write.iops
		else (.read.bw_bytes + .write.bw_bytes) / 1e6 end' \
		"$bench_dir/output" 2>"$bench_dir/stderr")
	op=${2//:/_}
	figure "$out" "$round" "$peer" "${op//-/_}" "$unit" \
		"$(title "$job" "$bs" "$engine" "$depth" "$programs")" "$value"
}

measure_all()
{
	round_begin
	# shellcheck disable=SC2086 # several
	in_turns $FIO_ROWS
	round_end
}

command -v fio >/dev/null || {
	skipped "fio: not installed (apt-get install fio)"
	exit 0
}
bench_init "$@"
FIO_ROWS=${FIO_ROWS:-$rows}
[ "$FIO_ROWS" != all ] || FIO_ROWS=$(matrix)
[ "${CPUS:-any}" = one ] && cpus_choose one
head -c "${SIZE}M" /dev/urandom >"$work_dir/data" || die "disk full?"
out=$(set_file fio "$bench_dir")
set_begin "$out" fio "fio, $RUNTIME each, $(cpus_text "${CPUS:-any}")" \
	"${peers[@]}"
rounds_run "$rounds"
set_end fio "$out"
