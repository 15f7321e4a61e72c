#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run.sh - run tests, count what they say.
#
#	tests/run.sh			the unit tests, all of tests/integration
#	tests/run.sh NAME...		only these: "unit", a script of
#					tests/integration, or DIR/SCRIPT, each
#					without .sh
#
# A script prints a line for each thing that it checked,
#
#	ok NAME
#	not ok NAME
#	skip NAME # why it cannot be checked here
#
# and exits non-zero when one was not ok. A script that says nothing, dies,
# hangs, leaves a mount behind, or whose daemon a sanitizer complains about
# counts as one more failure. A script that may take longer than 300 seconds
# has a line "# timeout: SECONDS" at its head.
#
# What a script finds in its environment:
#	VEFS_BIN	the directory of mount.vefs and the other programs
#	VEFS_TMP	a fresh directory of its own, removed afterwards
#	VEFS_VT		the helper program vt
#	VEFS_SLOW	the factor that this build's time limits need
#	VEFS_PROGS	the directory of helper programs: vt, stress/NAME
#	VEFS_SRC	the checkout
#	D		which build this is: opt, asan, tsan, cov
# What run.sh itself looks at besides:
#	VEFS_TMPDIR	where VEFS_TMP is made: a filesystem with xattrs and
#			ACLs (/var/tmp)
#	VEFS_FORGET=1	the kernel forgets unused dentries and inodes every 10
#			ms meanwhile, as it may when memory is short
#
# The last line is "N passed, N failed, N skipped". Exit: 0 when something
# passed and nothing failed.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
export VEFS_SRC=$top
export D=${D:-opt}
if [ "$D" = opt ]; then bin=$top/build/bin; else bin=$top/build/$D/bin; fi
export VEFS_BIN=${VEFS_BIN:-$bin}
export VEFS_PROGS=$top/build/$D/tests
export VEFS_VT=$VEFS_PROGS/vt
VEFS_UNIT=$VEFS_PROGS/unit
case $D in
asan) slow=4 ;;
tsan) slow=8 ;;
*) slow=1 ;;
esac
export VEFS_SLOW=${VEFS_SLOW:-$slow}
logs=$top/build/$D/log
passed=0 failed=0 skipped=0
failures=()
follower=
VEFS_TMP=
running=
forgetter=

die()
{
	echo "tests/run.sh: $*" >&2
	exit 1
}

fail()
{
	echo "not ok $*"
	failed=$((failed + 1))
	failures+=("$*")
}

# Mount points below a directory, the last mounted first.
mounts_below()
{
	awk -v d="$1/" 'index($5 "/", d) == 1 { print $5, $3 }' \
		/proc/self/mountinfo | tac
}

# Take away what is still mounted below a directory. A daemon that no longer
# answers is cut off from its mount first.
unmount_below()
{
	local target dev abort

	while read -r target dev; do
		timeout 10 umount "$target" 2>/dev/null && continue
		abort=/sys/fs/fuse/connections/${dev#*:}/abort
		[ -w "$abort" ] && echo 1 >"$abort"
		timeout 10 umount -l "$target"
	done < <(mounts_below "$1")
}

tmp_drop()
{
	[ -n "$VEFS_TMP" ] || return
	unmount_below "$VEFS_TMP"
	# an immutable file that a test forgot must not stay for ever
	rm -rf --one-file-system "$VEFS_TMP" 2>/dev/null || {
		chattr -R -i -a "$VEFS_TMP" 2>/dev/null
		rm -rf --one-file-system "$VEFS_TMP"
	}
	VEFS_TMP=
}

finish()
{
	trap - EXIT
	[ -z "$running" ] || kill "$running"
	[ -z "$forgetter" ] || kill "$forgetter"
	wait
	tmp_drop
}

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# A daemon has no terminal: sanitizers write where we look afterwards.
sanitizers_to()
{
	rm -f "$1".san.*
	export ASAN_OPTIONS="log_path=$1.san:detect_leaks=1:abort_on_error=0"
	export UBSAN_OPTIONS="log_path=$1.san:print_stacktrace=1"
	export TSAN_OPTIONS="log_path=$1.san:second_deadlock_stack=1"
}

sanitizers_said()
{
	local report

	for report in "$1".san.*; do
		[ -s "$report" ] || continue
		fail "$2: a sanitizer's report"
		sed -n '1,40s/^/#  /p' "$report"
	done
}

# The unit tests' program counts for itself; its last line is as ours.
run_unit()
{
	local log=$logs/unit.log status oks nots skips

	[ -x "$VEFS_UNIT" ] || {
		fail "unit: $VEFS_UNIT is not there: make check"
		return
	}
	echo "# unit"
	sanitizers_to "$logs/unit"
	timeout -k 10 $((300 * VEFS_SLOW)) "$VEFS_UNIT" >"$log" 2>&1 </dev/null
	status=$?
	read -r oks nots skips < <(tail -n 1 "$log" | sed -nE \
		's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p')
	passed=$((passed + ${oks:-0}))
	failed=$((failed + ${nots:-0}))
	skipped=$((skipped + ${skips:-0}))
	grep -E '^SKIP |:[FE]:' "$log"
	echo "unit: ${oks:-0} passed, ${nots:-0} failed, ${skips:-0} skipped"
	if [ "${nots:-0}" -gt 0 ]; then
		failures+=("unit: $nots tests")
	elif [ "$status" -ne 0 ] || [ "${oks:-0}" -eq 0 ]; then
		tail -n 20 "$log" | sed 's/^/#  /'
		fail "unit: exit status $status"
	fi
	sanitizers_said "$logs/unit" unit
}

run_script()
{
	local script=$1 name=$2 log limit status before line left
	local oks=0 nots=0 skips=0

	log=$logs/${name//\//-}
	before=$SECONDS
	limit=$(sed -n '1,40s/^# timeout: *\([0-9][0-9]*\).*/\1/p' "$script")
	limit=$((${limit:-300} * VEFS_SLOW))
	VEFS_TMP=$(mktemp -d "${VEFS_TMPDIR:-/var/tmp}/vefs-test.XXXXXX") ||
		die "cannot make a directory in ${VEFS_TMPDIR:-/var/tmp}"
	export VEFS_TMP
	chmod 755 "$VEFS_TMP"
	sanitizers_to "$log"
	echo "# $name"
	# No pipe: a daemon that outlives its script would hold it open.
	: >"$log.log"
	timeout -k 10 "$limit" bash "$script" </dev/null >>"$log.log" 2>&1 &
	running=$!
	tail -n +1 -s 0.1 -f --pid="$running" "$log.log" &
	follower=$!
	wait "$running"
	status=$?
	running=
	wait "$follower"

	while IFS= read -r line; do
		case $line in
		'ok '*) oks=$((oks + 1)) ;;
		'not ok '*)
			nots=$((nots + 1))
			failures+=("$name: ${line#not ok }")
			;;
		'skip '*' # '?*) skips=$((skips + 1)) ;;
		'skip '*)
			nots=$((nots + 1))
			failures+=("$name: skipped without a reason: $line")
			;;
		esac
	done <"$log.log"
	passed=$((passed + oks))
	failed=$((failed + nots))
	skipped=$((skipped + skips))

	if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
		fail "$name: not done after $limit seconds"
	elif [ "$status" -ne 0 ] && [ "$nots" -eq 0 ]; then
		fail "$name: exit status $status"
	elif [ "$status" -eq 0 ] && [ "$nots" -gt 0 ]; then
		fail "$name: exit status 0 in spite of failures"
	elif [ $((oks + nots + skips)) -eq 0 ]; then
		fail "$name: it checked nothing"
	fi
	left=$(mounts_below "$VEFS_TMP")
	[ -z "$left" ] || fail "$name: left mounted: ${left//$'\n'/, }"
	tmp_drop
	sanitizers_said "$log" "$name"
	echo "# $name: $((SECONDS - before)) s"
}

# The scripts of tests/integration; lib*.sh are what they share.
all_scripts()
{
	local script

	for script in "$here"/integration/*.sh; do
		script=${script##*/}
		case $script in
		lib*.sh | '*.sh') ;;
		*) echo "integration/${script%.sh}" ;;
		esac
	done
}

# What an argument means: "unit", or the path of a script below tests.
full_name()
{
	local name=${1%.sh}

	name=${name#tests/}
	case $name in
	unit | */*) ;;
	*) name=integration/$name ;;
	esac
	[ "$name" = unit ] || [ -f "$here/$name.sh" ] ||
		die "there is no tests/$name.sh"
	echo "$name"
}

[ "$(id -u)" -eq 0 ] || die "mounting needs root: sudo make test"
[ -c /dev/fuse ] || modprobe -q fuse ||
	die "there is no /dev/fuse: a kernel with FUSE is needed"
mkdir -p "$logs" || die "cannot write to $logs"

forget()
{
	while echo 2 >/proc/sys/vm/drop_caches; do
		sleep 0.01
	done
}

names=()
for name in "$@"; do
	name=$(full_name "$name") || exit
	names+=("$name")
done
if [ $# -eq 0 ]; then
	mapfile -t names < <(all_scripts)
	names=(unit "${names[@]}")
fi
if [ "${VEFS_FORGET:-0}" = 1 ]; then
	forget &
	forgetter=$!
fi
for name in "${names[@]}"; do
	case $name in
	unit) run_unit ;;
	*) run_script "$here/$name.sh" "$name" ;;
	esac
done

if [ ${#failures[@]} -gt 0 ]; then
	echo "# failed:"
	printf '#   %s\n' "${failures[@]}"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
