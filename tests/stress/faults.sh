#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# faults.sh - every operation on a mount whose daemon's system calls fail, one
# at a time: see faults.c for what must come out, faults_table.c for the
# scenarios, faultlib.c for how a call is made to fail.
#
#	faults.sh			all scenarios
#	faults.sh PATTERN...		those whose names match
#	faults.sh 'SCENARIO CALL N ERROR MODE'
#					just that, as a failure tells it
#
# DEPTH=1	2: every error at every call, however often it is made
# JOBS=		scenarios at once; all CPUs
# FAULTS_FS=tmpfs	what they run on: a tmpfs, or "disk", where VEFS_TMP is:
#		slower, as every copy-up is synced. Before Linux 6.6 always.
# timeout: 400

# In a mount namespace of our own: nobody who copies the host's keeps a mount
# alive that we have unmounted.
if [ "$(id -u)" -eq 0 ] && [ -z "${VEFS_UNSHARED:-}" ]; then
	VEFS_UNSHARED=1 exec unshare --mount --propagation private \
		bash "$0" "$@"
fi
cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/stress/lib.sh
. ./lib.sh

export DEPTH=${DEPTH:-1}
JOBS=${JOBS:-$(nproc)}
FAULTS=${NS%/ns}/faults
FAULTLIB=${NS%/ns}/faultlib.so
PRELOAD=$FAULTLIB
export VEFS_BIN FAULTS
# One scenario, in seconds.
export LIMIT_ONE=$((60 * VEFS_SLOW * DEPTH * DEPTH))

# What the daemon calls that touches files, so that faultlib must know of it,
# and what of that need not be.
FILE_CALLS='open(at|at2|_by_handle_at)?|name_to_handle_at|.*stat(x|at|vfs|fs)?'
FILE_CALLS+='|p?(read|write)v?2?|.*xattr|(mkdir|mknod|link|symlink|unlink)(at)?'
FILE_CALLS+='|(readlink|futimes|utimens|fchown|fchmod|faccess)(at)?|rename(at2?)?'
FILE_CALLS+='|[lf]?ch(own|mod)|f?truncate|.*fallocate|lseek|f(data)?sync|syncfs'
FILE_CALLS+='|readdir|fdopendir|ioctl|copy_file_range|futimens|sendfile'
# The device's; and what is outside of every layer, by path, or LMDB's of a file
# of its own.
PASSED='writev|mkdir|unlink|readlink|__fxstat'

# Has somebody begun to use a call that cannot be made to fail?
check_interposed()
{
	local missing

	missing=$(comm -23 <(nm -D --undefined-only "$VEFS_BIN/vefsd" |
		awk '{ sub(/@.*/, "", $2); print $2 }' |
		grep -xE "(__)?($FILE_CALLS)(64)?(_2|_chk)?" |
		grep -vxE "$PASSED" | sort -u) \
		<(nm -D --defined-only "$FAULTLIB" |
			awk '{ print $3 }' | sort -u))
	if [ -z "$missing" ]; then
		st_ok interposed
	else
		st_not_ok "interposed - faultlib.c lacks $(paste -sd' ' <<<"$missing")"
	fi
}

# run_one FOLDER WORD...: the helper, in a folder of its own.
run_one()
{
	local dir=$1 status name=$3

	shift
	mkdir -p "$dir"
	FAULT_CONTROL=$dir.control FAULTLIB=$PRELOAD timeout -k 5 "$LIMIT_ONE" \
		"$FAULTS" "$1" "$dir" "${@:2}"
	status=$?
	if [ "$status" -gt 1 ]; then
		echo "not ok $name - status $status at $(cat "$dir/current")"
	fi
	if mountpoint -q "$dir/mnt"; then
		umount -f "$dir/mnt" || umount -l "$dir/mnt"
	fi
	rm -rf --one-file-system "$dir" "$dir.control"
	return "$status"
}
export -f run_one

matching()
{
	local name pattern

	while read -r name; do
		[ $# -gt 0 ] || echo "$name"
		for pattern; do
			# shellcheck disable=SC2053 # a pattern on purpose
			[[ $name != $pattern ]] || echo "$name"
		done
	done < <("$FAULTS" list)
}

finish()
{
	local dir

	for dir in "$W"/fs/*/mnt "$W/fs"; do
		! mountpoint -q "$dir" || umount -l "$dir"
	done
	st_cleanup
}

# $W/fs, on something fast if that has attributes of users.
make_fs()
{
	mkdir "$W/fs"
	[ "${FAULTS_FS:-tmpfs}" = tmpfs ] || return 0
	mount -t tmpfs -o mode=755 faults "$W/fs" || return
	setfattr -n user.test -v 1 "$W/fs" 2>/dev/null || umount "$W/fs"
}

case $D in
asan)
	# The sanitizer wants to be the first.
	asan=$("${CC:-gcc}" -print-file-name=libasan.so)
	[ -e "$asan" ] || {
		st_skip "faults # no libasan.so to load before faultlib.so"
		exit 0
	}
	PRELOAD=$asan:$FAULTLIB
	;;
tsan)
	st_skip "faults # the thread sanitizer is no library: it cannot be first"
	exit 0
	;;
esac
export PRELOAD
[ -x "$FAULTS" ] && [ -e "$FAULTLIB" ] || {
	echo "$0: no $FAULTS or $FAULTLIB: build them (make)" >&2
	exit 1
}
st_begin
trap finish EXIT
make_fs || exit 1
if [[ $# -eq 1 && $1 == *' '* ]]; then
	# shellcheck disable=SC2086 # words
	run_one "$W/fs/1" try $1
	exit
fi
check_interposed
# The folder's number is that of the line, so that no two are alike.
matching "$@" | nl -w1 -s' ' | xargs -r -P "$JOBS" -L1 bash -c \
	'run_one "$0/$1" run "$2"' "$W/fs" || FAILED=1
[ "$FAILED" -eq 0 ]
