#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run.sh - run the fuzzers, each for so many seconds.
#
#	FUZZ=build/fuzz/tests/fuzz tests/fuzz/run.sh SECONDS [NAME...]
#
# The corpora are made by seeds.py and grow in build/fuzz/corpus; an input that
# crashed once belongs into tests/fuzz/NAME/, which is run as well. Prints
# "ok NAME" or "not ok NAME" after what was found.
set -u

here=$(cd "$(dirname "$0")" && pwd)
seconds=${1:-60}
shift
names=("$@")
[ ${#names[@]} -gt 0 ] ||
	names=(command import index proc quotadb words)
FUZZ=$(realpath "$FUZZ") || exit 1
work=$FUZZ/../../corpus
failed=0
mkdir -p "$work" || exit 1
# What they make they make here, and others may be at it elsewhere.
scratch=$(mktemp -d /dev/shm/vefs-fuzz.XXXXXX) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

for name in "${names[@]}"; do
	corpus=$work/$name
	mkdir -p "$corpus"
	python3 "$here/seeds.py" "$name" "$corpus" || exit 1
	kept=()
	[ -d "$here/$name" ] && kept=("$here/$name")
	if "$FUZZ/fuzz_$name" -max_total_time="$seconds" -timeout=60 \
		-rss_limit_mb=4096 -max_len=65536 -print_final_stats=1 \
		-artifact_prefix="$work/$name-" "$corpus" "${kept[@]}" \
		>"$work/$name.log" 2>&1; then
		grep -E 'number_of_executed|new_units' "$work/$name.log"
		echo "ok fuzz $name"
	else
		tail -n 40 "$work/$name.log"
		echo "not ok fuzz $name"
		failed=$((failed + 1))
	fi
done
[ "$failed" -eq 0 ]
