#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# quotamap - limits on space, of files that are mapped past the daemon because
# others have them open by passthrough.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib_limits.sh
. "$LIB_DIR/lib_limits.sh"
# shellcheck source-path=SCRIPTDIR source=lib_survive.sh
. "$LIB_DIR/lib_survive.sh"

MIB=1048576

# on_disk NAME: what a file of the home takes in upper.
on_disk() {
	echo $(($(stat -c %b "$U/home/$1") * 512))
}

# A file that others read is mapped past us: no hole comes to be that nobody
# asked for, also when the mapping is all that is left.
holes_at() {
	local how=$1 name=$KIND-$1-${2:-open}

	as_owner "$VT" fill "$H/$name" 4096
	give space "$MIB"
	as_owner "$VT" map-holes "$H/$name" "$how" 4M ${2:+"$2"} \
		>"$D/held" 2>"$D/refused"
	grep -q "$how: $WANT" "$D/refused"
	assert_eq "stored 4096" "$(cat "$D/held")" "what was refused"
	assert_stat %s 4096 "$H/$name"
	assert_le "$(on_disk "$name")" $((4096 + $(slack 1))) "on disk, refused"
	no_limit
	give space $((5 * MIB))
	as_owner "$VT" map-holes "$H/$name" "$how" 4M ${2:+"$2"} >"$D/held"
	assert_eq "stored $((4 * MIB))" "$(cat "$D/held")" "what fits"
	usage_of "$KIND" "$ID"
	assert_le $((HARD - MIB - 4096)) "$SPACE" "usage"
	assert_le "$SPACE" "$HARD" "usage"
	assert_le "$(on_disk "$name")" $((4 * MIB + 4096 + $(slack 1))) "on disk"
}

t_map_holes() {
	local how

	qmnt
	for how in truncate write fallocate copy; do
		each_level holes_at "$how"
		each_level holes_at "$how" closed
	done
}

# What is punched stays: it reads as zeros, and gives no room.
t_map_punched() {
	qmnt
	about_user
	give space $((2 * MIB))
	as_owner "$VT" fill "$H/f" "$MIB"
	give space 65536
	as_owner "$VT" map-holes "$H/f" punch 1M >"$D/held"
	assert_eq "stored $MIB" "$(cat "$D/held")" "stored"
	as_owner "$VT" map-holes "$H/f" none 1M >"$D/held"
	usage_of user 1001
	assert_le "$SPACE" "$HARD" "usage"
	assert_le "$(on_disk f)" $((MIB + $(slack 1))) "on disk"
	assert_le "$MIB" "$(on_disk f)" "on disk"
	as_owner fallocate -p -o 0 -l 1M "$H/f"
	cmp -n "$MIB" "$H/f" /dev/zero
	owner_refused EDQUOT "$VT" fill "$H/g" 262144
	no_drift
}

# Blocks behind the end are none for the holes before it.
t_map_behind_the_end() {
	qmnt
	about_user
	as_owner touch "$H/f"
	as_owner fallocate -n -o 1M -l 1M "$H/f"
	as_owner truncate -s 1M "$H/f"
	give space 65536
	owner_refused EDQUOT "$VT" map-holes "$H/f" none 1M
	give space "$MIB"
	as_owner "$VT" map-holes "$H/f" none 1M >"$D/held"
	assert_eq "stored $MIB" "$(cat "$D/held")" "stored"
	usage_of user 1001
	assert_le "$SPACE" "$HARD" "usage"
	no_drift
}

# Who takes over knows what is mapped.
t_map_holes_killed() {
	local pid

	begin
	limits_begin
	serve_rw "quota=$UP/quota.mdb"
	have_home
	about_user
	as_owner "$VT" fill "$H/f" 4096
	give space "$MIB"
	mkfifo "$D/go"
	as_owner "$VT" map-holes "$H/f" truncate 4M wait \
		<"$D/go" >"$D/held" 2>"$D/refused" &
	pid=$!
	exec 5>"$D/go"
	until_ok 30 grep -q mapped "$D/held"
	kill_worker
	echo >&5
	exec 5>&-
	wait "$pid"
	grep -q "truncate: EDQUOT" "$D/refused"
	assert_le "$(on_disk f)" $((4096 + $(slack 1))) "on disk"
	no_drift
	unmounts_well
}

run_all
