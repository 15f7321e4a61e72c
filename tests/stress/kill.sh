#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kill.sh - the daemon is killed again and again under a load that knows what
# must come out (kill.c): at random times, and at every crash point of every
# operation and of the recovery itself. No program may see an error, nothing
# may be other than the models say, then and after a remount, and nothing may
# be left behind. Prints what it came to as a table.
#
# KILLS=200		how many
# SECONDS_TOTAL=	an end before that; how long, where nothing is killed
# POINTS=1		0: at random times only (all that D=opt can do)
# VARIANTS=plain	one after the other:
#			plain
#			signals	each process gets one every 3 ms
#			inodes	100000 inodes in the table
#			upgrade	50 upgrades besides
#			template	the lower files stand in a template
# LOWS=			lower files for each process; by KILLS
# PROCS=6		processes beside the readers and writers
# FS=vefs		overlay, plain: the same load on the kernel's overlayfs,
#			on the filesystem below, without a kill
# QUOTA=			daemon: with limits that are not met
#			window: with quota-window, near and far in turns
# SEED=N		repeats a run's choices (not its timing)
# timeout: 1800
cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/stress/lib.sh
. ./lib.sh
# shellcheck source=tests/stress/kill_lib.sh
. ./kill_lib.sh

FS=${FS:-vefs}
KILLS=${KILLS:-200}
SECONDS_TOTAL=${SECONDS_TOTAL:-0}
POINTS=${POINTS:-1}
VARIANTS=${VARIANTS:-plain}
LOWS=${LOWS:-$((600 + KILLS * 4))}
PROCS=${PROCS:-6}
SEED=${SEED:-$(date +%s)}
UPGRADES=50
MANY=100000
# Open directories that the daemon may keep, and some.
FDS_KEPT=320
[ "$LOWS" -le 16384 ] || LOWS=16384
if [ "$FS" != vefs ]; then
	KILLS=0
	[ "$SECONDS_TOTAL" -gt 0 ] || SECONDS_TOTAL=10
fi

# What a variant mounts: the lower directory, or what the store made of it.
lower_of()
{
	if [ "$1" = template ]; then
		echo "template=lower:1,store=$W/store"
	else
		echo "$W/lower"
	fi
}

# The load of one variant, in the background.
load_begin()
{
	local more=()

	[ "$1" != signals ] || more+=(signals=1)
	# Remounting makes the kernel forget: not what has to fill the table.
	[ "$1" != inodes ] || more+=(forget=0)
	# Each of these flushes the disk.
	[ "$FS" != overlay ] || more+=(forget=2000)
	[ "$FS" != plain ] || more+=(forget=0)
	[ "$KILLS" -gt 0 ] || more+=("seconds=$SECONDS_TOTAL")
	"$KILL" load mnt="$M" state="$W/state" procs="$PROCS" lows="$LOWS" \
		seed="$SEED" "${more[@]}" 2>"$W/load.log" &
	LOADER=$!
}

load_end()
{
	local status

	[ "$KILLS" -eq 0 ] || "$KILL" stop state="$W/state"
	k_wait "$LOADER" $((SECONDS_TOTAL * (KILLS == 0) + 120 * VEFS_SLOW))
	status=$?
	[ "$status" -eq 99 ] && echo "# the load does not end" || LOADER=
	k_tell "$W/load.log"
	return "$status"
}

# Readers and writers of open files need nobody.
without_worker()
{
	if ! k_kernel 6 9; then
		st_skip "$1-passthrough # Linux 6.9"
	elif "$KILL" passthrough state="$W/state" keeper="$KEEPER"; then
		st_ok "$1-passthrough"
	else
		st_not_ok "$1-passthrough - they wait for a worker"
	fi
}

upgrades()
{
	local n failed=0

	for ((n = 0; n < UPGRADES; n++)); do
		"$VEFS_BIN/vefsd" --upgrade "$M" || failed=$((failed + 1))
		sleep 0.2
	done
	k_result "upgrade-$UPGRADES-times" "$failed" "$failed failed"
}

fill_table()
{
	local there

	there=$(find "$M/many" -type f -size -1 -printf x | wc -c)
	k_result "inodes-$MANY-there" $((there != MANY)) "$there"
	there=$(k_stat inodes)
	k_result "inodes-in-the-table # $there" $((there < MANY)) "$there"
}

kills()
{
	local more=() pid=

	[ "$POINTS" -eq 0 ] || more+=("control=$W/control")
	[ "$1" != upgrade ] || {
		upgrades &
		pid=$!
	}
	"$KILL" kill mnt="$M" state="$W/state" keeper="$KEEPER" \
		kills="$KILLS" seconds="$SECONDS_TOTAL" seed="$SEED" \
		"${more[@]}" 2>"$W/kill.log"
	[ -z "$pid" ] || wait "$pid"
	k_tell "$W/kill.log"
}

# What the run has left: in the tree, in the tables, in work.
afterwards()
{
	local name=$1 lower=$2 upper=$3 now

	k_step "$name-compare" "$KILL" check mnt="$M" state="$W/state"
	if [ "$FS" = vefs ]; then
		st_forget
		k_tables "$name"
		now=$(st_fds)
		k_result "$name-fds # $FDS then, $now now" \
			$((now == 0 || now > FDS + FDS_KEPT)) "$now, $FDS before"
	fi
	k_counted "$name"
	k_step "$name-unmount" k_umount
	k_step "$name-remount" k_mount "$lower" "$upper"
	k_step "$name-compare-again" "$KILL" check mnt="$M" state="$W/state"
	k_counted "$name-again"
	k_step "$name-unmount-again" k_umount
	[ "$FS" != vefs ] || k_result "$name-work-empty" \
		"$(find "$upper.work/work" -mindepth 1 | wc -l)" \
		"$(ls "$upper.work/work")"
}

variant()
{
	local name=$1 upper=$W/upper.$1 lower control=()

	lower=$(lower_of "$name")
	rm -f "$W/state" "$W/control"
	[ "$POINTS" -eq 0 ] || {
		"$KILL" control control="$W/control" || exit 1
		export VEFS_CRASH=$W/control
		control=("control=$W/control")
	}
	[ "$name" != template ] || k_step import "$VEFS_BIN/vefs" --quiet \
		--root "$W/store" template import --no-sync --format dir \
		lower:1 "$W/lower"
	k_step "$name-mount" k_mount "$lower" "$upper"
	[ "$FS" != vefs ] || FDS=$(st_fds)
	[ "$name" != inodes ] || fill_table
	load_begin "$name"
	k_turns
	if [ "$KILLS" -gt 0 ]; then
		k_wait_ready
		[ -n "$QUOTA" ] || without_worker "$name"
		kills "$name"
	fi
	k_turns_end
	load_end "$name"
	k_result "$name-load (SEED=$SEED)" $? "see above"
	"$KILL" report state="$W/state" "${control[@]}" |
		sed "s/^/# $name: /; s/: # /: /"
	[ "$KILLS" -eq 0 ] || [ "$SECONDS_TOTAL" -gt 0 ] || k_result \
		"$name-$KILLS-kills" $(($(k_kills) < KILLS)) "$(k_kills) only"
	afterwards "$name" "$lower" "$upper"
	[ "$name" != template ] || k_step "$name-verify" "$VEFS_BIN/vefs" \
		--quiet --root "$W/store" template verify lower:1
}

st_begin
k_begin
echo "# SEED=$SEED KILLS=$KILLS LOWS=$LOWS D=$D FS=$FS"
[ "$FS" != vefs ] || k_kernel 6 9 || {
	st_skip "kill # Linux 6.9, which sends requests again"
	exit 0
}
if [ "$D" != crash ] || [ "$FS" != vefs ]; then
	POINTS=0
	[ "$FS" != vefs ] || st_skip "crash-points # built without: make D=crash"
fi
st_dmesg_begin
mkdir "$W/lower"
k_step fill "$KILL" fill mnt="$W/lower" procs="$PROCS" lows="$LOWS" \
	many="$(case " $VARIANTS " in *" inodes "*) echo $MANY ;; *) echo 0 ;; esac)"
for name in $VARIANTS; do
	variant "$name"
done
if dmesg >/dev/null 2>&1; then
	said=$(st_dmesg_new)
	k_result kernel-silent "${#said}" "$(head -n 1 <<<"$said")"
else
	st_skip "kernel-silent # the kernel's log cannot be read"
fi
[ "$FAILED" -eq 0 ]
