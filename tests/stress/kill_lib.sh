# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kill_lib.sh - what the scripts that kill share: a mount whose keeper stays in
# the foreground, its log, what its tables hold. To be sourced after lib.sh.

KILL=${VEFS_PROGS:-$ST_TOP/build/$D/tests}/stress/kill
FS=${FS:-vefs}
KEEPER='' LOADER='' TURNER=''
ASK=${KILL%/*}/quota
QUOTA=${QUOTA:-}
MOUNTS=0

k_begin()
{
	[ -x "$KILL" ] || {
		echo "$0: no $KILL: build it (make)" >&2
		exit 1
	}
	# Whoever has its working directory in the mount goes first.
	trap 'k_cleanup' EXIT
}

k_cleanup()
{
	trap - EXIT
	[ -z "$LOADER" ] || kill "$LOADER"
	k_turns_end
	sleep 0.2
	[ ! -s "$W/log.$MOUNTS" ] || [ "$FAILED" -eq 0 ] ||
		tail -n 20 "$W/log.$MOUNTS" | sed 's/^/# log: /'
	st_cleanup
}

# k_kernel MAJOR MINOR: is it at least that?
k_kernel()
{
	local major minor

	IFS=.- read -r major minor _ < <(uname -r)
	[ "$major" -gt "$1" ] || { [ "$major" -eq "$1" ] && [ "$minor" -ge "$2" ]; }
}

# k_result NAME BAD WHY: ok if BAD is 0.
k_result()
{
	if [ "$2" -eq 0 ]; then st_ok "$1"; else st_not_ok "$1 - $3"; fi
}

# k_step NAME COMMAND...: its output is told when it fails, and that is the end.
k_step()
{
	local name=$1

	shift
	if "$@" >"$W/said" 2>&1; then
		st_ok "$name"
		return
	fi
	k_tell "$W/said"
	st_not_ok "$name (SEED=${SEED:-})"
	exit 1
}

k_tell()
{
	head -n 60 "$1" | sed 's/^/#  /'
}

# k_wait PID SECONDS: wait for our child; its status, or 99 when it stays.
k_wait()
{
	local i

	for ((i = 0; i < $2 * 10; i++)); do
		[ -d "/proc/$1" ] || break
		sleep 0.1
	done
	[ ! -d "/proc/$1" ] || return 99
	wait "$1"
}

# A window of 64G: a limit below that is near, one far above it far, and none of
# them is ever met.
k_quota()
{
	case $QUOTA in
	daemon) echo ",quota=$1.quota" ;;
	window) echo ",quota=$1.quota,quota-window=64G" ;;
	esac
}

k_limit()
{
	[ -z "$QUOTA" ] || timeout "$LIMIT" "$ASK" ask "$M" \
		set container 0 space 0 "$1" >"$W/said.limit"
}

# Far and near, in turns, in the background.
k_turns()
{
	[ "$QUOTA" = window ] || return
	while sleep 0.3; do
		k_limit $((40 << 30))
		sleep 0.3
		k_limit $((1 << 50))
	done &
	TURNER=$!
}

k_turns_end()
{
	st_end "$TURNER"
	TURNER=''
}

# k_counted NAME: is what was counted what is there?
k_counted()
{
	[ -z "$QUOTA" ] || k_step "$1-counted" \
		timeout "$LIMIT" "$ASK" ask "$M" check
}

k_mount_vefs()
{
	local i lower=$1

	[[ $lower == template=* ]] || lower=lowerdir=$lower
	lower+=$(k_quota "$2")
	MOUNTS=$((MOUNTS + 1))
	"$VEFS_BIN/mount.vefs" -f -o \
		"$lower,upperdir=$2,workdir=$2.work,crash_limit=1000${VEFS_OPTS:+,$VEFS_OPTS}" \
		"$M" >"$W/log.$MOUNTS" 2>&1 &
	KEEPER=$!
	# shellcheck disable=SC2034 # lib.sh's
	PID=$KEEPER
	for ((i = 0; i < LIMIT * 10; i++)); do
		st_is_mounted && timeout "$LIMIT" stat -f "$M" >/dev/null && {
			k_limit $((1 << 50))
			return
		}
		[ -d "/proc/$KEEPER" ] || break
		sleep 0.1
	done
	k_tell "$W/log.$MOUNTS"
	return 1
}

# k_mount LOWER UPPER: a directory, or for vefs "template=...,store=..."
k_mount()
{
	mkdir -p "$2" "$2.work"
	case $FS in
	vefs) k_mount_vefs "$1" "$2" ;;
	overlay) mount -t overlay -o \
		"lowerdir=$1,upperdir=$2,workdir=$2.work,index=on,redirect_dir=on" \
		overlay "$M" ;;
	plain) mount --bind "$1" "$M" ;;
	esac
}

k_umount()
{
	if [ "$FS" = vefs ]; then
		st_umount
	else
		timeout "$LIMIT" umount "$M"
	fi
}

# Until all processes of the load have begun.
k_wait_ready()
{
	local i

	for ((i = 0; i < 600 * VEFS_SLOW; i++)); do
		# not yet there, or not yet whole
		"$KILL" ready state="$W/state" 2>/dev/null && return
		[ -d "/proc/$LOADER" ] || break
		sleep 0.1
	done
	k_tell "$W/load.log"
	st_not_ok "load-begins (SEED=${SEED:-})"
	exit 1
}

k_kills()
{
	"$KILL" report state="$W/state" | sed -nE 's/^# kills ([0-9]+),.*/\1/p'
}

# The line that the worker writes when it is asked; the last one.
k_stats()
{
	local i before

	before=$(grep -c 'stats: ' "$W/log.$MOUNTS")
	kill -USR1 "$KEEPER"
	for ((i = 0; i < 100 * VEFS_SLOW; i++)); do
		[ "$(grep -c 'stats: ' "$W/log.$MOUNTS")" -le "$before" ] ||
			break
		sleep 0.1
	done
	grep 'stats: ' "$W/log.$MOUNTS" | tail -n 1
}

# k_stat NAME: one number of it.
k_stat()
{
	k_stats | grep -oE "(^| )$1=[0-9]+" | grep -oE '[0-9]+$'
}

k_is_empty()
{
	local what want

	for what in inodes:1 handles:0 slots:0 backing:0; do
		want=${what#*:} what=${what%:*}
		grep -qE "(^| )$what=$want( |\$)" <<<"$1" || return 1
	done
}

# k_tables NAME: they hold the root, and nothing else, once the kernel was asked
# about those whose FORGET died with a worker.
k_tables()
{
	local line i

	# A quota on ext4 looks at what was written when that is on the disk.
	for ((i = 0; i < ${QUOTA:+9}0 + 20 * VEFS_SLOW; i++)); do
		line=$(k_stats)
		k_is_empty "$line" && {
			st_ok "$1-tables # ${line##*stats: }"
			return
		}
		sleep 1
	done
	st_not_ok "$1-tables - ${line:-no line of statistics}"
}
