#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a mount with a quota does when it must count: inodes a second, beside du
# and find on the same tree, warm.
#
# usage: scan.sh [-q]   Environment: BENCH_BIN (../build/opt/bench), BENCH_DIR
#   FILES  of the tree (300000; -q: 30000)
#   ROUNDS of the program itself, of which the best counts (3)
set -u
. "$(dirname "$0")/report.sh"

files=300000
while getopts q option; do
	case $option in
	q) files=30000 ;;
	*) die "usage: ${0##*/} [-q]" ;;
	esac
done
FILES=${FILES:-$files}
ROUNDS=${ROUNDS:-3}
BENCH_BIN=${BENCH_BIN:-$bench_here/../build/opt/bench}
dir=''

[ -x "$BENCH_BIN/scan" ] || {
	skipped "scan: no $BENCH_BIN/scan (make)"
	exit 0
}
dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/vefs-scan.XXXXXX") || exit 1
trap 'rm -rf --one-file-system "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
machine_begin
mkdir "$dir/tree"
out=$(set_file scan "$dir")
set_begin "$out" scan "Counting a tree of $FILES files, warm" du find vefs
"$BENCH_BIN/scan" -r "$ROUNDS" -m "$FILES" "$dir/tree" >"$dir/said" ||
	die "scan failed"
for peer in "du -s:du" "find -printf:find" "scan :vefs"; do
	figure "$out" 1 "${peer#*:}" scan inodes/s "inodes counted" \
		"$(awk -v of="${peer%%:*}" 'index($0, of) == 1 {
			sub(of, ""); print $1 }' "$dir/said")"
done
set_end "Counting a tree" "$out"
