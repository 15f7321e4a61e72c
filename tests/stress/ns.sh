#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ns.sh - several processes do everything that can be done with names, all at
# once, on a real mount, and know what must come out (ns.c). Afterwards, and
# after an unmount and a mount, all must be as they left it; the lower as it
# was; and the daemon must have given back what it took. Then once more over a
# former upper. The lower below that one has no hard links: which names of a
# lower file belong together is known by upper's work/index alone, and a former
# upper has left its own behind (fs/FORMAT.md).
#
# VEFS_LOWER=template	the directory at the bottom as a template
# SECONDS_TOTAL=20	how long the load runs, both parts together
# SEED=N		repeats a run's choices (not its timing)
# timeout: 400
cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/stress/lib.sh
. ./lib.sh

SECONDS_TOTAL=${SECONDS_TOTAL:-20}
SEED=${SEED:-$(date +%s)}
# Open directories that the daemon may keep, and some.
FDS_KEPT=320
# Of the inode table and of all its memory, KiB.
TABLE_KEPT=512
PSS_KEPT=8192

# step NAME COMMAND...: its output is told when it fails.
step()
{
	local name=$1 out

	shift
	if out=$("$@" 2>&1); then
		st_ok "$name"
		return
	fi
	st_not_ok "$name - $(tail -n 3 <<<"$out" | paste -sd' ') (SEED=$SEED)"
	# What follows would only tell the same again.
	exit 1
}

run_load()
{
	timeout $((SECONDS_TOTAL + 60 * VEFS_SLOW)) \
		"$NS" run "$M" "$W/state" "$1" "$2"
}

given_back()
{
	local name=$1 fds=$2 pss=$3 now

	st_forget
	now=$(st_fds)
	if [ "$now" -le $((fds + FDS_KEPT)) ]; then
		st_ok "$name-fds"
	else
		st_not_ok "$name-fds - $now, $fds before"
		find "/proc/$PID/fd" -mindepth 1 -printf '# %l\n' | sort |
			uniq -c | sort -rn | head -20
	fi
	now=$(st_table)
	if [ "$now" -le "$TABLE_KEPT" ]; then
		st_ok "$name-table"
	else
		st_not_ok "$name-table - $now KiB are still held"
	fi
	if [ "$D" != opt ]; then
		st_skip "$name-memory # a sanitizer keeps memory"
		return
	fi
	now=$(st_pss)
	if [ "$now" -le $((pss + PSS_KEPT)) ]; then
		st_ok "$name-memory"
	else
		st_not_ok "$name-memory - $now KiB, $pss before"
	fi
}

# part NAME LOWERS UPPER SEED SECONDS
part()
{
	local name=$1 fds pss

	step "$name-mount" st_mount "$2" "$3"
	PID=$(st_find_daemon)
	fds=$(st_fds) pss=$(st_pss)
	step "$name-before" "$NS" check "$M" "$W/state"
	step "$name-load" run_load "$4" "$5"
	step "$name-compare" "$NS" check "$M" "$W/state"
	given_back "$name" "$fds" "$pss"
	step "$name-forgotten" "$NS" check "$M" "$W/state"
	step "$name-unmount" st_umount
	step "$name-remount" st_mount "$2" "$3"
	PID=$(st_find_daemon)
	step "$name-compare-again" "$NS" check "$M" "$W/state"
	step "$name-unmount-again" st_umount
	if [ -z "$(ls -A "$3.work/work")" ]; then
		st_ok "$name-work-empty"
	else
		st_not_ok "$name-work-empty - $(ls "$3.work/work")"
	fi
}

st_begin
echo "# SEED=$SEED"
st_dmesg_begin
mkdir "$W/lower"
step fill "$NS" init "$W/lower" "$W/state" "$SEED"
cp "$W/state" "$W/state.lower"
part one "$W/lower" "$W/u1" "$SEED" $((SECONDS_TOTAL - SECONDS_TOTAL / 2))
step lower-unchanged "$NS" check "$W/lower" "$W/state.lower"
cp "$W/state" "$W/state.one"
step lower-still-unchanged "$NS" check "$W/lower" "$W/state.lower"
mkdir "$W/plain"
rm "$W/state"
step fill-plain "$NS" init "$W/plain" "$W/state" "$SEED" nolinks
cp "$W/state" "$W/state.plain"
step make-former-mount st_mount "$W/plain" "$W/u2"
PID=$(st_find_daemon)
step make-former-load run_load $((SEED + 2)) $((SECONDS_TOTAL / 4))
step make-former-unmount st_umount
part two "$W/u2:$W/plain" "$W/u3" $((SEED + 1)) $((SECONDS_TOTAL / 4))
step lowers-unchanged "$NS" check "$W/plain" "$W/state.plain"
step former-upper-mount st_mount "$W/lower" "$W/u1"
PID=$(st_find_daemon)
step former-upper-unchanged "$NS" check "$M" "$W/state.one"
step former-upper-unmount st_umount
if [ "$VEFS_LOWER" = template ]; then
	step store-unchanged "$VEFS_BIN/vefs" --root "$W/lower.store" \
		template verify
fi
said=$(st_dmesg_new)
if [ -z "$said" ]; then
	st_ok kernel-silent
else
	st_not_ok "kernel-silent - $(head -n 1 <<<"$said")"
fi
[ "$FAILED" -eq 0 ]
