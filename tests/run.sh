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
#	JOBS		how many scripts run at the same time (1). What one says
#			is shown whole when it ends, if there may be others
#	LOGS		where each script's output is kept (build/$D/log)
#	VEFS_TMPDIR	where VEFS_TMP is made: a filesystem with xattrs and
#			ACLs (/var/tmp)
#	VEFS_FORGET=1	the kernel forgets unused dentries and inodes every 10
#			ms meanwhile, as it may when memory is short
#
# What the scripts look at themselves:
#	VEFS_LOWER=template	the directory at the bottom of each mount is
#			imported, and the template is mounted instead of it
#
# What failed is told again at the end, a "#   " line each. The last line is
# "N passed, N failed, N skipped". Exit: 0 when something passed and nothing
# failed.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
export VEFS_SRC=$top
export D=${D:-opt}
if [ "$D" = opt ]; then bin=$top/build/bin; else bin=$top/build/$D/bin; fi
export VEFS_BIN=${VEFS_BIN:-$bin}
export VEFS_PROGS=$top/build/$D/tests
export VEFS_VT=${VEFS_VT:-$VEFS_PROGS/vt}
VEFS_UNIT=$VEFS_PROGS/unit
case $D in
asan) slow=4 ;;
tsan) slow=8 ;;
*) slow=1 ;;
esac
export VEFS_SLOW=${VEFS_SLOW:-$slow}
logs=${LOGS:-$top/build/$D/log}
jobs=${JOBS:-1}
passed=0 failed=0 skipped=0
failures=()
declare -A workers=()
VEFS_TMP=
running=
running_log=
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

# The end of a worker: nothing of its script lives on.
finish_script()
{
	trap - EXIT
	if [ -n "$running" ]; then
		kill "$running" 2>/dev/null
		wait
		[ "$jobs" -eq 1 ] || cat "$running_log"
	fi
	tmp_drop
}

finish()
{
	trap - EXIT
	[ ${#workers[@]} -eq 0 ] || kill "${!workers[@]}" 2>/dev/null
	[ -z "$forgetter" ] || kill "$forgetter"
	wait
	# of those that did not come to their end
	for name in "${workers[@]}"; do
		[ "$jobs" -eq 1 ] || cat "$logs/${name//\//-}.said"
		echo "not ok $name: it was ended"
	done
}

# To end at once, and not to hear of it again: who ends a group of processes
# tells some of them twice.
end_with()
{
	trap '' INT TERM HUP
	exit "$1"
}

# ends_with FUNCTION: what this process does before it ends
ends_with()
{
	# shellcheck disable=SC2064 # its name now
	trap "$1" EXIT
	trap 'end_with 130' INT
	trap 'end_with 143' TERM HUP
}

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
		fail "$2: a sanitizer's report:" \
			"$(grep -m 1 '^SUMMARY: ' "$report")"
		sed -n '1,40s/^/#  /p' "$report"
	done
}

# The unit tests' program counts for itself; its last line is as ours.
run_unit()
{
	local log=$logs/unit.log status oks nots skips before=$SECONDS

	[ -x "$VEFS_UNIT" ] || {
		fail "unit: $VEFS_UNIT is not there: make check"
		return
	}
	echo "# unit"
	sanitizers_to "$logs/unit"
	running_log=$log
	timeout -k 10 $((600 * VEFS_SLOW)) "$VEFS_UNIT" >"$log" 2>&1 </dev/null &
	running=$!
	wait "$running"
	status=$?
	running=
	read -r oks nots skips < <(tail -n 1 "$log" | sed -nE \
		's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p')
	passed=$((passed + ${oks:-0}))
	failed=$((failed + ${nots:-0}))
	skipped=$((skipped + ${skips:-0}))
	grep -E '^SKIP |:[FE]:' "$log"
	echo "unit: ${oks:-0} passed, ${nots:-0} failed, ${skips:-0} skipped"
	if [ "${nots:-0}" -gt 0 ]; then
		while IFS= read -r line; do
			failures+=("unit: $line")
		done < <(grep -E ':[FE]:' "$log" || echo "$nots tests")
	elif [ "$status" -ne 0 ] || [ "${oks:-0}" -eq 0 ]; then
		tail -n 20 "$log" | sed 's/^/#  /'
		fail "unit: exit status $status"
	fi
	sanitizers_said "$logs/unit" unit
	echo "# unit: $((SECONDS - before)) s"
}

# count_lines NAME LOG: what a script said; sets oks, nots and skips.
count_lines()
{
	local line

	oks=0 nots=0 skips=0
	while IFS= read -r line; do
		case $line in
		'ok '*) oks=$((oks + 1)) ;;
		'not ok '*)
			nots=$((nots + 1))
			failures+=("$1: ${line#not ok }")
			;;
		'skip '*' # '?*) skips=$((skips + 1)) ;;
		'skip '*)
			nots=$((nots + 1))
			failures+=("$1: skipped without a reason: $line")
			;;
		esac
	done <"$2"
	passed=$((passed + oks))
	failed=$((failed + nots))
	skipped=$((skipped + skips))
}

run_script()
{
	local script=$1 name=$2 log limit status before left follower
	local oks nots skips

	log=$logs/${name//\//-}
	before=$SECONDS
	limit=$(limit_of "$script")
	VEFS_TMP=$(mktemp -d "${VEFS_TMPDIR:-/var/tmp}/vefs-test.XXXXXX") ||
		die "cannot make a directory in ${VEFS_TMPDIR:-/var/tmp}"
	export VEFS_TMP
	chmod 755 "$VEFS_TMP"
	sanitizers_to "$log"
	echo "# $name"
	# No pipe: a daemon that outlives its script would hold it open.
	: >"$log.log"
	running_log=$log.log
	timeout -k 10 "$limit" bash "$script" </dev/null >>"$log.log" 2>&1 &
	running=$!
	if [ "$jobs" -eq 1 ]; then
		tail -n +1 -s 0.1 -f --pid="$running" "$log.log" &
		follower=$!
	fi
	wait "$running"
	status=$?
	running=
	if [ "$jobs" -eq 1 ]; then wait "$follower"; else cat "$log.log"; fi

	count_lines "$name" "$log.log"
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

# ---- several at once -------------------------------------------------------

# What a process of its own does: NAME, and its verdict into a file.
work()
{
	ends_with finish_script
	workers=() forgetter=
	passed=0 failed=0 skipped=0 failures=()
	case $1 in
	unit) run_unit ;;
	*) run_script "$here/$1.sh" "$1" ;;
	esac
	{
		echo "$passed $failed $skipped"
		[ ${#failures[@]} -eq 0 ] || printf '%s\n' "${failures[@]}"
	} >"$logs/${1//\//-}.verdict"
}

begin_work()
{
	local log=$logs/${1//\//-}

	rm -f "$log.verdict"
	if [ "$jobs" -eq 1 ]; then
		apart "$1" &
	else
		apart "$1" >"$log.said" 2>&1 &
	fi
	workers[$!]=$1
}

# Among mounts of its own: who makes such a namespace copies all mounts that he
# sees, and another script's would live on in it when they are unmounted.
apart()
{
	JOBS=$jobs RUN_ONE=$1 exec unshare --mount --propagation private \
		bash "$here/run.sh"
}

# Wait until one of them is done, and count it.
end_work()
{
	local pid name log p f s line

	wait -n -p pid "${!workers[@]}"
	name=${workers[$pid]}
	unset "workers[$pid]"
	log=$logs/${name//\//-}
	[ "$jobs" -eq 1 ] || cat "$log.said"
	[ -s "$log.verdict" ] || {
		fail "$name: it came to no end"
		return
	}
	{
		read -r p f s
		while IFS= read -r line; do
			failures+=("$line")
		done
	} <"$log.verdict"
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))
}

limit_of()
{
	local limit

	limit=$(sed -n '1,40s/^# timeout: *\([0-9][0-9]*\).*/\1/p' "$1")
	echo $((${limit:-300} * VEFS_SLOW))
}

# Those that may take long come first, so that none of them is alone at last.
long_first()
{
	local name

	for name; do
		case $name in
		unit) echo "0 $name" ;;
		*) echo "-$(limit_of "$here/$name.sh") $name" ;;
		esac
	done | sort -s -n -k 1,1 | cut -d ' ' -f 2
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
[[ $jobs =~ ^[1-9][0-9]?$ ]] || die "JOBS=$jobs: how many at the same time?"
mkdir -p "$logs" || die "cannot write to $logs"

forget()
{
	local never

	exec {never}<> <(:)
	while echo 2 >/proc/sys/vm/drop_caches; do
		# sleeps, but is no process of its own
		read -r -t 0.01 -u "$never"
	done
}

if [ -n "${RUN_ONE:-}" ]; then
	one=$RUN_ONE
	unset RUN_ONE
	work "$one"
	exit
fi
ends_with finish
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
[ "$jobs" -eq 1 ] || mapfile -t names < <(long_first "${names[@]}")
for name in "${names[@]}"; do
	[ ${#workers[@]} -lt "$jobs" ] || end_work
	begin_work "$name"
done
while [ ${#workers[@]} -gt 0 ]; do
	end_work
done

if [ ${#failures[@]} -gt 0 ]; then
	echo "# failed:"
	printf '#   %s\n' "${failures[@]}"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
