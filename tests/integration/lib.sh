# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lib.sh - what every integration script is built on. To be sourced.
#
# A script defines functions t_NAME, one per case, and ends with `run_all`.
# Each case runs in a process group of its own, under `set -eE` and a time
# limit, with a fresh folder: the first command that fails, or the first
# assertion, fails the case and is told. After each case everything below its
# folder is unmounted, its daemons must be gone, and its files are removed.
#
# Variables that a case sees
#   D         its folder; nothing outside it is touched
#   L         the topmost lower ($D/l1); $D/l2 ... $D/l5 exist too
#   LOWERS    the colon separated list that is mounted, "$L" at first
#   U W M     upper, work and mount point; UP is the folder that holds U and W
#
# Environment
#   VEFS_FS          vefs (default), overlay or fuse-overlayfs: what is mounted
#   VEFS_BIN         where mount.vefs is; build/bin of the checkout by default
#   VEFS_QUOTA       1: each mount has a quota, see lib_quota.sh
#   VEFS_LOWER       dir (default) or template: what the bottom lower directory
#                    of each mount is given as; see lower_opts
#   VEFS_OPTS        options added to every mount of VEFS_FS
#   VEFS_TMP         folder for the work (default ${TMPDIR:-/tmp})
#   VEFS_DISK        put U and W on a loop image: ext4, xfs, btrfs or tmpfs
#   VEFS_DISK_LOWER  1: the lowers too
#   VEFS_PREFIX      put before every case's name in the output
#   VEFS_VT          the helper program, if already built
#   VEFS_ALL         1: run what `differs` and `only_vefs` would skip
#   VEFS_KEEP        1: keep the files of failed cases (mounts still go)
#   VEFS_SLOW        factor on all time limits (sanitizers); 1 by default
#
# Arguments of a script are patterns; only cases matching one of them run.
#
# A script runs in a mount namespace of its own: nobody who copies the host's
# (containers, other tests) keeps our mounts alive behind our back, and they
# are gone with the script, however it ends. To look at one from outside:
# nsenter -t PID -m.

set -u

if [ "$(id -u)" = 0 ] && [ -z "${VEFS_UNSHARED:-}" ]; then
	VEFS_UNSHARED=1 exec unshare --mount --propagation private \
		bash "$0" "$@"
fi

LIB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LIB_ROOT=$(cd "$LIB_DIR/../.." && pwd)
LIB_SELF=$0
VEFS_FS=${VEFS_FS:-vefs}
VEFS_BIN=${VEFS_BIN:-$LIB_ROOT/build/bin}
VEFS_LOWER=${VEFS_LOWER:-dir}
VEFS_OPTS=${VEFS_OPTS:-}
VEFS_QUOTA=${VEFS_QUOTA:-0}
VEFS_TMP=${VEFS_TMP:-${TMPDIR:-/tmp}}
VEFS_DISK=${VEFS_DISK:-}
VEFS_DISK_LOWER=${VEFS_DISK_LOWER:-0}
VEFS_PREFIX=${VEFS_PREFIX:-}
VEFS_ALL=${VEFS_ALL:-0}
VEFS_KEEP=${VEFS_KEEP:-0}
VEFS_SLOW=${VEFS_SLOW:-1}
export LC_ALL=C

LIB_OVERLAY_OPTS=metacopy=on,redirect_dir=on,index=on,xino=auto
LIB_PASSED=0
LIB_FAILED=0
LIB_SKIPPED=0
LIB_WORK=
VT=

# ---- the frame -------------------------------------------------------------

lib_die() {
	echo "$0: $*" >&2
	exit 1
}

# Compile vt once; several scripts may start at the same time.
lib_build_vt() {
	local out=$LIB_ROOT/build/tests/vt

	VT=${VEFS_VT:-}
	if [ -n "$VT" ]; then
		return
	fi
	VT=$out
	mkdir -p "${out%/*}" || lib_die "cannot make ${out%/*}"
	(
		flock 9
		if [ -n "$(find "$LIB_DIR/vt" -newer "$out" -print -quit 2>&1)" ]; then
			${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I"$LIB_ROOT" -O1 -g -Wall \
				-Wextra -o "$out.new" "$LIB_DIR"/vt/*.c &&
				mv "$out.new" "$out"
		fi
	) 9>"$out.lock" || lib_die "cannot compile $LIB_DIR/vt"
}

# Unmount everything below a folder, last mounted first. A FUSE mount whose
# daemon hangs is aborted (umount -f) before it is detached.
lib_unmount_below() {
	local top=$1 dir dirs=() n

	# without a process: this is done after each case
	while read -r _ _ _ _ dir _; do
		[[ $dir != "$top"/* ]] || dirs+=("$dir")
	done </proc/self/mountinfo
	for ((n = ${#dirs[@]} - 1; n >= 0; n--)); do
		printf -v dir '%b' "${dirs[n]}"
		timeout 20 umount "$dir" 2>/dev/null && continue
		timeout 20 umount -f "$dir" 2>/dev/null && continue
		timeout 20 umount -l "$dir"
	done
}

# A mapping left behind by a failed dm case would pin its files.
lib_detach_loops() {
	local top=$1 said file

	for said in /sys/block/loop*/loop/backing_file; do
		[ -e "$said" ] && read -r file 2>/dev/null <"$said" || continue
		said=${said%/loop/*}
		[[ $file != "$top"/* ]] || losetup -d "/dev/${said##*/}"
	done
}

lib_swapoff_below() {
	local file

	while read -r file _; do
		[[ $file != "$1"/* ]] || swapoff "$file"
	done </proc/swaps
}

lib_cleanup() {
	trap - EXIT INT TERM HUP
	if [ -n "$LIB_WORK" ] && [ -d "$LIB_WORK" ]; then
		cd /
		lib_swapoff_below "$LIB_WORK"
		lib_unmount_below "$LIB_WORK"
		lib_detach_loops "$LIB_WORK"
		if [ "$VEFS_KEEP" != 1 ] || [ "$LIB_FAILED" = 0 ]; then
			rm -rf --one-file-system "$LIB_WORK"
		fi
	fi
}

lib_start() {
	local sane

	[ "$(id -u)" = 0 ] || lib_die "needs root: it mounts filesystems"
	case $VEFS_FS in
	vefs)
		[ -x "$VEFS_BIN/mount.vefs" ] ||
			lib_die "no $VEFS_BIN/mount.vefs: build it (make) or set VEFS_BIN"
		;;
	overlay | fuse-overlayfs) ;;
	*) lib_die "VEFS_FS=$VEFS_FS: vefs, overlay or fuse-overlayfs" ;;
	esac
	case $VEFS_LOWER,$VEFS_FS in
	dir,* | template,vefs) ;;
	*) lib_die "VEFS_LOWER=$VEFS_LOWER: dir, or template with VEFS_FS=vefs" ;;
	esac
	lib_build_vt
	LIB_WORK=$(mktemp -d "$VEFS_TMP/vefs-$(basename "$LIB_SELF" .sh).XXXXXX") ||
		lib_die "cannot make a folder in $VEFS_TMP"
	LIB_WORK=$(cd "$LIB_WORK" && pwd -P)
	chmod 755 "$LIB_WORK"
	trap lib_cleanup EXIT
	trap 'exit 130' INT TERM HUP
	umask 022
	sane=log_path=$LIB_WORK/sanitizer
	export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}$sane"
	export UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}$sane"
	export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}$sane"
	export LSAN_OPTIONS="${LSAN_OPTIONS:+$LSAN_OPTIONS:}$sane"
	mkdir -p "$LIB_WORK/disk"
	if [ -n "$VEFS_DISK" ]; then
		new_fs "$VEFS_DISK" 1G "$LIB_WORK/disk" ||
			lib_die "cannot make a $VEFS_DISK to work on"
	fi
}

# The cases in the order of the script, filtered by the patterns in $@.
lib_cases() {
	local name pattern

	while read -r name; do
		if [ $# = 0 ]; then
			echo "$name"
			continue
		fi
		for pattern in "$@"; do
			# shellcheck disable=SC2053 # a pattern on purpose
			if [[ $name == $pattern ]]; then
				echo "$name"
				break
			fi
		done
	done < <(sed -n 's/^t_\([a-z0-9_]*\)() {.*/\1/p' "$LIB_SELF")
}

# What a case does around its body; runs in the case's own process group.
lib_case_body() {
	set -eE
	trap 'lib_trapped "$LINENO" "$BASH_COMMAND"' ERR
	mkdir -p "$D"/l1 "$D"/l2 "$D"/l3 "$D"/l4 "$D"/l5 "$D/empty" "$M"
	mkdir -p "$U" "$W"
	cd "$D"
	"t_$1"
}

lib_trapped() {
	lib_why "line $1: $2"
	exit 1
}

# The first reason counts: what follows is a consequence.
lib_why() {
	[ -s "$D.why" ] || printf '%s' "${1:0:600}" | tr '\n' ' ' |
		tr -c '[:print:]' '?' >"$D.why"
}

# Case-local names; also used by the frame itself after the case.
lib_names() {
	D=$LIB_WORK/$1
	if [ -n "$VEFS_DISK" ] && [ "$VEFS_DISK_LOWER" = 1 ]; then
		D=$LIB_WORK/disk/$1
	fi
	UP=$D
	if [ -n "$VEFS_DISK" ]; then
		UP=$LIB_WORK/disk/$1.up
	fi
	L=$D/l1
	LOWERS=$L
	U=$UP/upper
	W=$UP/work
	M=$D/m
	LOWER_AT=$D
}

# tell_tasks PID: what its threads do.
tell_tasks() {
	local task

	echo "$1 $(tr '\0' ' ' <"/proc/$1/cmdline")"
	for task in /proc/"$1"/task/*; do
		echo "${task##*/}: $(awk '/^State/ { print $2 }' \
			"$task/status") $(sed 's/.*] //' "$task/stack" |
			head -5 | xargs)"
	done
}

# What is left of a case, told and then killed: it has our folder's name.
lib_kill_left() {
	local pid

	for pid in $("$VT" pids "$D/"); do
		echo "left:"
		tell_tasks "$pid"
		kill -KILL "$pid"
	done
}

# After a case: nothing of it may live on. Sets LIB_LEFT to what did.
lib_case_end() {
	LIB_LEFT=
	lib_swapoff_below "$D"
	lib_unmount_below "$D"
	if [ "$VEFS_FS" != overlay ] && ! "$VT" gone "$D/" $((10 * VEFS_SLOW)); then
		LIB_LEFT="a daemon is still running after the unmount"
		lib_kill_left >>"$D.log"
	fi
	lib_detach_loops "$D"
	if lib_sanitizers_said; then
		LIB_LEFT="a sanitizer complained (see above)"
	fi
}

# Shows what sanitizers said, and is false when they did not complain: a
# process that is killed while its leaks are looked for has a thread less.
lib_sanitizers_said() {
	local complained=0

	compgen -G "$LIB_WORK/sanitizer*" >/dev/null || return 1
	cat "$LIB_WORK"/sanitizer* >&2
	grep -qhvE '^==[0-9]+==Unable to get registers from thread [0-9]+\.$' \
		"$LIB_WORK"/sanitizer* || complained=1
	rm -f "$LIB_WORK"/sanitizer*
	return "$complained"
}

lib_case_clean() {
	if [ "$VEFS_KEEP" = 1 ] && [ "$1" != 0 ]; then
		return
	fi
	if ! rm -rf --one-file-system "$D" "$UP" "$D.log" "$D.why" 2>/dev/null
	then
		chattr -R -i -a "$D" "$UP" 2>/dev/null
		rm -rf --one-file-system "$D" "$UP" "$D.log" "$D.why"
	fi
}

# lib_run_case NAME: one case, its line of output, the counters.
lib_run_case() {
	local name=$1 shown=$VEFS_PREFIX$1 pid rc why limit

	lib_names "$name"
	limit=t_${name}_limit
	limit=$((${!limit:-60} * VEFS_SLOW))
	mkdir -p "$D"
	set -m
	(lib_case_body "$name") </dev/null >"$D.log" 2>&1 &
	pid=$!
	set +m
	"$VT" watchdog "$pid" "$limit" || lib_why "took longer than ${limit}s"
	{ wait "$pid"; } 2>/dev/null
	rc=$?
	kill -KILL -- "-$pid" 2>/dev/null
	cd /
	lib_case_end
	if [ -n "$LIB_LEFT" ] && { [ "$rc" = 0 ] || [ "$rc" = 77 ]; }; then
		rm -f "$D.why"
		lib_why "$LIB_LEFT"
		rc=1
	fi
	why=$(cat "$D.why" 2>/dev/null)
	case $rc in
	0)
		echo "ok $shown"
		LIB_PASSED=$((LIB_PASSED + 1))
		;;
	77)
		echo "skip $shown # $why"
		LIB_SKIPPED=$((LIB_SKIPPED + 1))
		;;
	*)
		echo "not ok $shown - ${why:-ended with status $rc}"
		tail -n 20 "$D.log" | cut -c-300 | tr -c '[:print:]\n' '?' | sed 's/^/#   /'
		LIB_FAILED=$((LIB_FAILED + 1))
		;;
	esac
	lib_case_clean "$rc"
}

# Run the cases and end the script.
run_all() {
	local name

	lib_start
	while read -r name <&3; do
		lib_run_case "$name" 3<&-
	done 3< <(lib_cases ${LIB_ARGS[@]+"${LIB_ARGS[@]}"})
	echo "# $VEFS_PREFIX$(basename "$LIB_SELF" .sh): $LIB_PASSED passed," \
		"$LIB_FAILED failed, $LIB_SKIPPED skipped"
	[ "$LIB_FAILED" = 0 ] || exit 1
	exit 0
}

LIB_ARGS=("$@")

# ---- verdicts --------------------------------------------------------------

fail() {
	lib_why "line ${BASH_LINENO[0]}: $*"
	exit 1
}

# As fail, but names the line of the case and not the one in here.
lib_assert_failed() {
	local i=1

	while [ "${BASH_SOURCE[$i]-$LIB_SELF}" != "$LIB_SELF" ]; do
		i=$((i + 1))
	done
	lib_why "line ${BASH_LINENO[$((i - 1))]}: $*"
	exit 1
}

skip() {
	lib_why "$*"
	exit 77
}

# since_linux MAJOR MINOR: is this kernel as new?
since_linux() {
	local major minor

	IFS=.- read -r major minor _ < <(uname -r)
	[ "$((major * 1000 + minor))" -ge "$(($1 * 1000 + $2))" ]
}

# differs FS REASON: this promise is ours, FS does otherwise.
differs() {
	if [ "$VEFS_FS" = "$1" ] && [ "$VEFS_ALL" = 0 ]; then
		skip "$1: $2"
	fi
}

# only_vefs REASON: there is nothing to compare with.
only_vefs() {
	if [ "$VEFS_FS" != vefs ] && [ "$VEFS_ALL" = 0 ]; then
		skip "$VEFS_FS: $1"
	fi
}

# need PROGRAM: skip where it is not installed.
need() {
	command -v "$1" >/dev/null || skip "no program $1"
}

assert_eq() {
	[ "$1" = "$2" ] || lib_assert_failed "${3:-value}: expected '$1', got '$2'"
}

assert_ne() {
	[ "$1" != "$2" ] || lib_assert_failed "${3:-value}: must not be '$1'"
}

# assert_le A B [what]: A <= B
assert_le() {
	[ "$1" -le "$2" ] || lib_assert_failed "${3:-value}: $1 is more than $2"
}

# Run with a time limit; as_user is a function, which timeout cannot run.
lib_bounded() {
	if [ "$1" = as_user ]; then
		set -- setpriv --reuid="$2" --regid="$3" --clear-groups "${@:4}"
	fi
	timeout $((30 * VEFS_SLOW)) "$@"
}

assert_ok() {
	local out

	out=$(lib_bounded "$@" 2>&1) || lib_assert_failed "failed: $* ($out)"
}

# assert_errno ENAME COMMAND...: must fail, with just this error.
assert_errno() {
	local want=$1 out

	shift
	if out=$(lib_bounded "$@" 2>&1); then
		lib_assert_failed "no $want: $*"
	fi
	case $out in
	*": $want"*) return ;;
	*"$("$VT" strerror "$want")"*) return ;;
	esac
	lib_assert_failed "expected $want from $*, got: $out"
}

# The content of a file is exactly this text (no newline added).
assert_text() {
	local got

	got=$(cat "$1" 2>&1 && echo x) || lib_assert_failed "cannot read $1: $got"
	[ "${got%x}" = "$2" ] ||
		lib_assert_failed "$1: expected '$2', got '${got%x}'"
}

assert_absent() {
	local p

	for p in "$@"; do
		if [ -e "$p" ] || [ -L "$p" ]; then
			lib_assert_failed "$p exists"
		fi
		case $(ls -a "$(dirname "$p")") in
		*$'\n'"$(basename "$p")" | *$'\n'"$(basename "$p")"$'\n'*)
			lib_assert_failed "$p is listed" ;;
		esac
	done
}

# Entries of a directory without . and .., sorted, with spaces between.
names() {
	find "$1" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | paste -sd' '
}

assert_names() {
	local got

	got=$(names "$1") || lib_assert_failed "cannot list $1"
	[ "$got" = "$2" ] || lib_assert_failed "$1: expected '$2', got '$got'"
}

# assert_stat FORMAT EXPECTED PATH, format as stat(1).
assert_stat() {
	local got

	got=$(stat -c "$1" "$3") || lib_assert_failed "cannot stat $3"
	[ "$got" = "$2" ] ||
		lib_assert_failed "$3: stat $1 expected '$2', got '$got'"
}

assert_same_content() {
	cmp "$1" "$2" || lib_assert_failed "$1 and $2 differ"
}

# shellcheck source-path=SCRIPTDIR source=lib_layers.sh
. "$LIB_DIR/lib_layers.sh"
