#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The worker is killed again and again under a load of several programs: how
# many calls failed, and how long the next answer took. The load and its checks
# are those of tests/stress/kill.sh.
#
# usage: survive.sh [-q]   -q: 10 kills. Environment:
#   VEFS_BIN   directory of vefs (../build/bin); ../build/opt/tests/stress/kill
#              is what loads and kills
#   KILLS (60), LOWS (lower files for each program), ROUNDS (1),
#   MAX_SECONDS (120)
set -u
. "$(dirname "$0")/report.sh"

kills=60
while getopts q option; do
	case $option in
	q) kills=10 LOWS=${LOWS:-200} ;;
	*) die "usage: ${0##*/} [-q]" ;;
	esac
done
KILLS=${KILLS:-$kills}
[ -z "${LOWS:-}" ] || export LOWS
ROUNDS=${ROUNDS:-1}
MAX_SECONDS=${MAX_SECONDS:-120}
dir=''
tests=$bench_here/../tests
programs=$bench_here/../build/opt/tests

# number TEXT LINE: the number after that text
number()
{
	sed -n "s/.*$1 *\([0-9.]*\).*/\1/p" <<<"$2"
}

measure()
{
	local said counts stalls calls

	said=$(KILLS=$KILLS POINTS=0 D=opt VEFS_BIN=$VEFS_BIN \
		VEFS_PROGS=$programs VEFS_TMP=$dir timeout -k 30 \
		$((MAX_SECONDS * 3 / 2)) "$tests/stress/kill.sh" 2>&1)
	[ $? -ne 124 ] || skipped "$KILLS kills: not done in time"
	counts=$(grep 'kills .*errors' <<<"$said")
	stalls=$(grep 'kill to next answer' <<<"$said")
	calls=$(number "calls" "$counts")
	[ -n "$stalls" ] || {
		grep -v '^ok' <<<"$said" | tail -n 5 >&2
		! grep -q '^not ok' <<<"$said" || die "no figures"
		return
	}
	grep '^not ok' <<<"$said" >&2
	record kills count "kills of the worker" "$(number kills "$counts")"
	record calls count "calls meanwhile" "$calls"
	record errors count "calls that failed" "$(number errors "$counts")"
	record mismatches count "answers that were wrong" \
		"$(number mismatches "$counts")"
	record stall_p50 ms "kill to the next answer, median" \
		"$(number p50 "$stalls")"
	record stall_p99 ms "kill to the next answer, 99th percentile" \
		"$(number p99 "$stalls")"
	record stall_max ms "kill to the next answer, longest" \
		"$(number max "$stalls")"
}

record()
{
	figure "$out" "$round" vefs "$1" "$2" "$3" "$4"
}

[ "$(id -u)" = 0 ] || die "needs root"
[ -x "$programs/stress/kill" ] || {
	skipped "survive: no $programs/stress/kill (make)"
	exit 0
}
dir=$(mktemp -d /var/tmp/vefs-survive.XXXXXX) || exit 1
trap 'rm -rf --one-file-system "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
machine_begin
out=$(set_file survive "$dir")
set_begin "$out" survive "The worker killed under load" vefs
for ((round = 1; round <= ROUNDS; round++)); do
	measure
done
set_end "The worker killed under load" "$out"
