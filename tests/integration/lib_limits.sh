# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lib_limits.sh - a mount with a quota, its limits, and whether they held; to
# be sourced after lib.sh.
#
# The container's own user is 1001, group 2002; $H is the folder of theirs.
# LEVELS are the three whom a limit may concern: KIND, ID, ERROR.
LIMITS_ASK=${VEFS_PROGS:-$LIB_ROOT/build/opt/tests}/stress/quota
LEVELS='container:0:ENOSPC user:1001:EDQUOT group:2002:EDQUOT'
KIND='' ID='' WANT=''
SPACE='' INODES='' HARD=''
H='' WATCHER='' SUMMER='' MDB=''

# Short: a socket's path has little room.
limits_begin() {
	only_vefs "has no quota of its own"
	[ -x "$LIMITS_ASK" ] || fail "no $LIMITS_ASK: make it"
	export VEFS_ROOT=$LIB_WORK
}

# qmnt [OPTIONS]: M with a quota, and a home.
qmnt() {
	limits_begin
	mnt "quota=$UP/quota.mdb${1:+,$1}"
	have_home
}

have_home() {
	H=$M/home
	if [ ! -d "$H" ]; then
		mkdir "$H"
		chown 1001:2002 "$H"
	fi
}

as_owner() {
	as_user 1001 2002 "$@"
}

# owner_refused ERROR COMMAND...
owner_refused() {
	assert_errno "$1" as_user 1001 2002 "${@:2}"
}

# about KIND:ID:ERROR: whose limits, and what is said when they are met.
about() {
	# shellcheck disable=SC2034 # WANT is for the cases
	IFS=: read -r KIND ID WANT <<<"$1"
}

about_user() {
	about user:1001:EDQUOT
}

# ---- asking ----------------------------------------------------------------

# ask WORD...: the answer is $D/said; anything but "ok" fails the case.
ask() {
	timeout $((60 * VEFS_SLOW)) "$LIMITS_ASK" ask "$M" "$@" \
		>"$D/said" 2>&1 ||
		fail "quota $*: $(head -n 5 "$D/said" | paste -sd';')"
}

# ask_refused PATTERN WORD...
ask_refused() {
	local pattern=$1

	shift
	if "$LIMITS_ASK" ask "$M" "$@" >"$D/said" 2>&1; then
		fail "quota $*: not refused"
	fi
	grep -q -e "^error: .*$pattern" "$D/said" ||
		fail "quota $*: said $(cat "$D/said")"
}

# usage_of KIND ID: SPACE, INODES.
usage_of() {
	ask get "$1" "$2"
	read -r SPACE INODES < <(awk '$1 == "record" { print $4, $8 }' "$D/said")
}

# deadline_of space|inodes: of $KIND $ID, in seconds since 1970; 0: none.
deadline_of() {
	ask get "$KIND" "$ID"
	awk -v at="$([ "$1" = space ] && echo 7 || echo 11)" \
		'$1 == "record" { print $at }' "$D/said"
}

# give RESOURCE MORE: a hard limit that leaves that much to $KIND $ID. One of 0
# would be none: one byte, or inode, is as good.
give() {
	usage_of "$KIND" "$ID"
	if [ "$1" = space ]; then
		HARD=$((SPACE + $2))
	else
		HARD=$((INODES + $2))
	fi
	[ "$HARD" != 0 ] || HARD=1
	ask set "$KIND" "$ID" "$1" 0 "$HARD"
}

no_limit() {
	ask set "$KIND" "$ID" space 0 0
	ask set "$KIND" "$ID" inodes 0 0
}

# Everything that was counted is what is there.
no_drift() {
	local rc=0

	"$LIMITS_ASK" ask "$M" check >"$D/said" 2>&1 || rc=$?
	[ "$rc" = 0 ] || fail "${1:-check}: $(paste -sd';' "$D/said")"
}

# each_level FUNCTION ARGUMENT...: once for each level, without limits after.
each_level() {
	local level

	for level in $LEVELS; do
		about "$level"
		"$@"
		no_drift "$KIND"
		no_limit
	done
}

# each_level_by_many FUNCTION ARGUMENT...: with one writer and with eight, who
# are added to the arguments.
each_level_by_many() {
	each_level "$@" 1
	each_level "$@" 8
}

# ---- while it happens ------------------------------------------------------

# watch_usage RESOURCE: sample what $KIND $ID has, until unwatch.
watch_usage() {
	rm -f "$D/stop"
	sample_ledger "$1" >"$D/most" &
	WATCHER=$!
	"$VT" sample "$U" "$D/stop" >"$D/summed" &
	SUMMER=$!
}

sample_ledger() {
	local at=4 now most=0 tries=0

	[ "$1" = space ] || at=8
	while [ ! -e "$D/stop" ] && [ "$tries" -lt 2000 ]; do
		now=$("$LIMITS_ASK" ask "$M" get "$KIND" "$ID" |
			awk -v at="$at" '$1 == "record" { print $at }')
		if [ "${now:-0}" -gt "$most" ]; then
			most=$now
		fi
		tries=$((tries + 1))
		sleep 0.01
	done
	echo "$most"
}

# unwatch [SLACK]: it was never above $HARD.
unwatch() {
	touch "$D/stop"
	wait "$WATCHER" "$SUMMER"
	assert_le "$(cat "$D/most")" $((HARD + ${1:-0})) \
		"the most that $KIND was charged with"
}

# For a limit of the container's own on space: what the tree took, too. XFS
# takes more for a while, ahead of a file that grows.
disk_never_above() {
	[ "$KIND" = container ] || return 0
	is_on xfs && return 0
	assert_le "$(cat "$D/summed")" $((HARD + ${1:-0})) \
		"the most that was on disk"
}

# is_on TYPE: the filesystem of upper, as stat(1) calls it.
is_on() {
	[ "$(stat -f -c %T "$UP")" = "$1" ]
}

# ---- what was written ------------------------------------------------------

# grow VERB FLAGS CHUNK MAX PROCESSES PATH [SOURCE]: by the owner; what was
# accepted is $D/grown.
grow() {
	as_owner "$VT" grow "$@" >"$D/grown"
}

# make_until KIND DIR COUNT PROCESSES: names, by the owner.
make_until() {
	as_owner "$VT" make "$@" >"$D/grown"
}

# all_ended ERROR: each writer by this error.
all_ended() {
	assert_eq "$1" "$(awk '$1 == "end" { print $4 }' "$D/grown" | sort -u)" \
		"how they ended"
}

# Bytes, or names, that were accepted.
accepted() {
	awk '$1 == "end" { n += $3 } END { print n + 0 }' "$D/grown"
}

shorts() {
	awk '$1 == "end" { n += $5 } END { print n + 0 }' "$D/grown"
}

# What was accepted is there byte for byte, in the mount and in upper.
is_readable() {
	"$VT" grown <"$D/grown"
	sed "s,$M/,$U/," "$D/grown" >"$D/grown.upper"
	"$VT" grown <"$D/grown.upper"
}

# slack N: how much the host's filesystem may add by itself to N files.
slack() {
	case $(stat -f -c %T "$UP") in
	ext* | xfs) echo $((4096 * $1)) ;;
	*) echo 0 ;;
	esac
}

# Is that all? A file that was closed and removed a moment ago may still count:
# the kernel tells of the closing when it has time.
is_settled() {
	local inodes

	usage_of "$KIND" "$ID"
	inodes=$INODES
	sleep 0.5
	usage_of "$KIND" "$ID"
	[ "$inodes" = "$INODES" ]
}

# ---- with lib_survive.sh ---------------------------------------------------

# A mount in the foreground, with its log in $D/vefs.log.
qserve() {
	begin
	limits_begin
	MDB=$UP/quota.mdb
	serve_rw "quota=$MDB${1:+,$1}"
	have_home
}

serve_again() {
	serve_rw "quota=$MDB${1:+,$1}"
	have_home
}

# said N TEXT: the log has it that often.
said() {
	assert_eq "$1" "$(awk -v what="$2" 'index($0, what) { n++ }
		END { print n + 0 }' "$D/vefs.log")" "lines with '$2'"
}

some_limits() {
	as_owner "$VT" fill "$H/f" 65536
	as_owner ln "$H/f" "$H/again"
	ask set user 1001 space 0 "$MIB"
	ask set container 0 inodes 50 60
	ask grace group inodes 77
	ask enforce group off
}

assert_some_limits() {
	ask get
	grep -qE "^record user 1001 [0-9]+ 0 $MIB 0 " "$D/said"
	grep -qE '^record container 0 .* 50 60 0$' "$D/said"
	grep -q '^grace group inodes 77$' "$D/said"
	grep -q '^enforce group off$' "$D/said"
}
