#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# quotalife - grace over time, what df says, and the file of the quota: over
# unmounts and deaths, damaged, foreign, missing.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib_survive.sh
. "$LIB_DIR/lib_survive.sh"
# shellcheck source-path=SCRIPTDIR source=lib_limits.sh
. "$LIB_DIR/lib_limits.sh"

MIB=1048576

# assert_files NAME...: what there is of the quota's.
assert_files() {
	assert_eq "$*" "$(cd "$UP" && echo quota*)" "the quota's files"
}

# ---- soft limits -----------------------------------------------------------

# soft RESOURCE LEFT: a soft limit that leaves that much, a hard one far off.
soft() {
	until_ok 10 is_settled
	if [ "$1" = space ]; then
		ask set "$KIND" "$ID" space $((SPACE + $2)) $((SPACE + 64 * MIB))
	else
		ask set "$KIND" "$ID" inodes $((INODES + $2)) $((INODES + 1000))
	fi
}

# Is the time over? Only its own clock can say.
is_late() {
	[ "$(date +%s)" -ge "$1" ]
}

# run_out RESOURCE: no time is left to $KIND $ID. A grace of seconds might be over
# on a busy machine before a case is.
run_out() {
	ask deadline "$KIND" "$ID" "$1" 1
	until_ok 10 is_late "$(deadline_of "$1")"
}

# Begins with the first excess, refuses at its end, is gone below, is new then.
grace_of_space() {
	local f=$H/soft-$KIND first

	ask grace "$KIND" space 1000
	soft space 65536
	assert_eq 0 "$(deadline_of space)" "deadline below the limit"
	as_owner "$VT" fill "$f" 61440
	sync -f "$UP"
	assert_eq 0 "$(deadline_of space)" "deadline below the limit"
	as_owner "$VT" fill "$f-2" 65536
	first=$(deadline_of space)
	assert_ne 0 "$first" "deadline above the limit"
	assert_le "$first" $(($(date +%s) + 1000)) "deadline"
	as_owner "$VT" write "$f-2" 65536 "more, while there is time"
	assert_eq "$first" "$(deadline_of space)" "deadline after more"
	run_out space
	owner_refused "$WANT" "$VT" write "$f-2" 131072 "too late"
	owner_refused "$WANT" mkdir "$f-dir"
	as_owner "$VT" write "$f-2" 0 "what has its blocks may be written"
	as_owner rm "$f-2"
	until_ok 10 no_deadline space
	as_owner "$VT" fill "$f-3" 131072
	assert_ne 0 "$(deadline_of space)" "a new deadline"
	assert_ne "$first" "$(deadline_of space)" "a new deadline"
}

no_deadline() {
	[ "$(deadline_of "$1")" = 0 ]
}

t_grace_of_space() {
	qmnt
	each_level grace_of_space
}

grace_of_inodes() {
	local d=$H/soft-$KIND first

	ask grace "$KIND" inodes 1000
	as_owner mkdir "$d"
	soft inodes 3
	as_owner touch "$d/1" "$d/2" "$d/3"
	assert_eq 0 "$(deadline_of inodes)" "deadline at the limit"
	as_owner touch "$d/4" "$d/5"
	first=$(deadline_of inodes)
	assert_ne 0 "$first" "deadline above the limit"
	run_out inodes
	owner_refused "$WANT" touch "$d/6"
	as_owner "$VT" write "$d/1" 0 "space is not inodes"
	as_owner rm "$d/4"
	owner_refused "$WANT" touch "$d/6"
	as_owner rm "$d/5"
	until_ok 10 no_deadline inodes
	as_owner touch "$d/6"
}

t_grace_of_inodes() {
	qmnt
	each_level grace_of_inodes
}

# Time goes on while its worker dies, and while it is not mounted at all.
t_grace_over_death_and_unmount() {
	local first

	qserve
	about_user
	ask grace user space 1000
	soft space 4096
	as_owner "$VT" fill "$H/f" 65536
	first=$(deadline_of space)
	assert_ne 0 "$first" "deadline"
	kill_worker
	assert_eq "$first" "$(deadline_of space)" "deadline after a death"
	as_owner "$VT" write "$H/f" 65536 "there is time"
	unmounts_well
	serve_again
	assert_eq "$first" "$(deadline_of space)" "deadline after an unmount"
	ask get
	grep -q '^grace user space 1000$' "$D/said"
	run_out space
	owner_refused EDQUOT "$VT" write "$H/f" 131072 "too late"
	kill_worker
	owner_refused EDQUOT "$VT" write "$H/f" 131072 "too late"
	as_owner rm "$H/f"
	until_ok 10 no_deadline space
	no_drift
	unmounts_well
}

# An administrator gives more time, or takes it.
t_grace_by_hand() {
	qmnt
	about_user
	ask grace user space 1000
	soft space 4096
	as_owner "$VT" fill "$H/f" 65536
	run_out space
	owner_refused EDQUOT "$VT" write "$H/f" 131072 text
	ask deadline user 1001 space 500
	as_owner "$VT" write "$H/f" 131072 text
	ask set user 1001 space 0 0
	assert_eq 0 "$(deadline_of space)" "deadline without a limit"
	no_drift
}

# ---- what is told ----------------------------------------------------------

t_warned_once() {
	local i

	qserve quota-id=web
	about_user
	ask set user 1001 inodes 2 4
	as_owner touch "$H/1" "$H/2"
	assert_log 'quota of web: inodes of user 1001 is above its soft limit'
	as_owner touch "$H/3"
	for i in 1 2 3; do
		owner_refused EDQUOT touch "$H/no$i"
	done
	assert_log 'quota of web: inodes of user 1001 has reached its hard'
	said 1 'is above its soft limit'
	said 1 'has reached its hard limit'
	ask set user 1001 inodes 0 0
	about container:0:ENOSPC
	give space 0
	for i in 1 2 3; do
		owner_refused ENOSPC "$VT" write "$H/1" 0 "$i"
	done
	assert_log 'quota of web: space of the container has reached its hard'
	said 1 'space of the container has reached its hard limit'
	unmounts_well
}

# ---- df --------------------------------------------------------------------

# of_df FIELD [OPTION]
of_df() {
	df ${2:+"$2"} -B1 --output="$1" "$M" | tail -n 1 | tr -d ' '
}

# inodes_of FIELD: itotal, iused, iavail
inodes_of() {
	df --output="$1" "$M" | tail -n 1 | tr -d ' '
}

t_df() {
	local host block used

	qmnt
	as_owner "$VT" fill "$H/f" $((3 * MIB))
	sync -f "$UP"
	no_drift
	block=$(stat -f -c %S "$M")
	host=$(stat -f -c $'%b %S' "$UP")
	assert_eq "$host" "$(stat -f -c $'%b %S' "$M")" "without a limit"
	usage_of container 0
	used=$(((SPACE + block - 1) / block * block))
	ask set container 0 space $((16 * MIB)) $((32 * MIB))
	ask set container 0 inodes 100 200
	assert_eq $((16 * MIB)) "$(of_df size)" "size"
	assert_eq "$used" "$(of_df used)" "used"
	assert_eq $((16 * MIB - used)) "$(of_df avail)" "available"
	assert_eq 100 "$(inodes_of itotal)" "inodes"
	assert_eq "$INODES" "$(inodes_of iused)" "inodes in use"
	assert_eq $((100 - INODES)) "$(inodes_of iavail)" "free inodes"
	# Without a soft limit it is the hard one; used up, it is full.
	ask set container 0 space 0 $((24 * MIB))
	assert_eq $((24 * MIB)) "$(of_df size)" "size by the hard limit"
	ask set container 0 space "$MIB" $((24 * MIB))
	assert_eq 0 "$(of_df avail)" "available above the soft limit"
	assert_eq "$MIB" "$(of_df size)" "size"
	ask set container 0 inodes 1 0
	assert_eq 0 "$(inodes_of iavail)" "free inodes above the limit"
	ask enforce container off
	assert_eq "$host" "$(stat -f -c $'%b %S' "$M")" "limits off"
	ask enforce container on
	# A user's limits are no disk.
	ask set container 0 space 0 0
	ask set user 1001 space 0 "$MIB"
	assert_eq "$host" "$(stat -f -c $'%b %S' "$M")" "limits of a user"
}

# Without a limit it is counted when it is closed, which nobody waits for.
has_counted() {
	usage_of container 0
	[ "$SPACE" -ge "$1" ]
}

# What the host does not have makes the disk smaller, never fuller.
t_df_when_the_host_is_short() {
	local used free

	new_fs tmpfs 32M "$D/small"
	UP=$D/small U=$D/small/upper W=$D/small/work
	mkdir "$U" "$W"
	qmnt
	as_owner "$VT" fill "$H/f" $((3 * MIB))
	until_ok 10 has_counted $((3 * MIB))
	used=$SPACE
	ask set container 0 space $((256 * MIB)) $((256 * MIB))
	free=$(df -B1 --output=avail "$D/small" | tail -n 1)
	assert_eq "$used" "$(of_df used)" "used"
	assert_eq "$((free))" "$(of_df avail)" "available"
	assert_eq $((free + used)) "$(of_df size)" "size"
	head -c $((8 * MIB)) /dev/zero >"$D/small/others"
	assert_eq "$used" "$(of_df used)" "used, when others fill the host"
	assert_eq $((free + used - 8 * MIB)) "$(of_df size)" "size then"
	# The host's own end is told as what it is, and counted right.
	grow write wronly 64K 64M 1 "$H/g"
	all_ended ENOSPC
	is_readable
	no_drift
}

# ---- limits that change ----------------------------------------------------

t_limits_raised_and_lowered() {
	qmnt
	about_user
	give space 65536
	grow write wronly 16K 16M 1 "$H/f"
	all_ended EDQUOT
	give space 65536
	grow write wronly 16K 16M 1 "$H/g"
	all_ended EDQUOT
	is_readable
	# Below what is there: nothing more, and removing helps.
	ask set user 1001 space 0 8192
	owner_refused EDQUOT "$VT" write "$H/f" 131072 text
	as_owner "$VT" write "$H/f" 0 text
	as_owner rm "$H/g"
	owner_refused EDQUOT "$VT" write "$H/f" 131072 text
	ask enforce user off
	as_owner "$VT" write "$H/f" 131072 text
	ask enforce user on
	owner_refused EDQUOT "$VT" write "$H/f" 262144 text
	ask enforce group off
	owner_refused EDQUOT "$VT" write "$H/f" 262144 text
	no_limit
	as_owner "$VT" write "$H/f" 262144 text
	no_drift
}

# Two limits at once: the one that is met first says so.
t_both_levels() {
	qmnt
	about container:0:ENOSPC
	give space 131072
	about_user
	give space 65536
	grow write wronly 16K 16M 1 "$H/f"
	all_ended EDQUOT
	usage_of container 0
	grow write wronly 16K 16M 1 "$H/no"
	all_ended EDQUOT
	"$VT" grow write wronly 16K 16M 1 "$M/of-root" >"$D/grown"
	all_ended ENOSPC
	no_limit
	grow write wronly 16K 16M 1 "$H/f2"
	all_ended ENOSPC
	no_drift
}

t_bad_requests() {
	qmnt
	ask_refused "soft limit 20 is above the hard" set user 1 space 20 10
	ask_refused "is no soft limit" set user 1 space -1 10
	ask_refused "is no hard limit" set user 1 space 1 10G
	ask_refused "is no hard limit" set user 1 space 1 99999999999999999999
	ask_refused "is no id" set user 4294967295 space 1 10
	ask_refused "is no id" set user nobody space 1 10
	ask_refused "is no id of a container" set container 7 space 1 10
	ask_refused "is no resource" set user 1 blocks 1 10
	ask_refused "is no kind" set project 1 space 1 10
	ask_refused "lacks a word" set user 1 space 1
	ask_refused "is too much" set user 1 space 1 2 3
	ask get
	if grep -q '^record user 1 ' "$D/said"; then
		fail "a refused request changed something"
	fi
}

# ---- its file --------------------------------------------------------------

t_remembered() {
	local before

	qserve
	some_limits
	no_drift
	ask get
	before=$(sort "$D/said")
	unmounts_well
	: >"$D/vefs.log"
	serve_again
	ask get
	assert_eq "$before" "$(sort "$D/said")" "after an unmount"
	said 0 counted
	no_drift
	unmounts_well
}

# damaged HOW...: it is set aside and counted anew; its limits are lost.
damaged() {
	qserve
	some_limits
	unmounts_well
	"$@"
	cp "$MDB" "$D/was"
	: >"$D/vefs.log"
	serve_again
	assert_log "quota: .*quota.mdb is damaged"
	cmp "$D/was" "$MDB.damaged-1"
	no_drift
	usage_of user 1001
	assert_le 65536 "$SPACE" "usage"
	ask get
	if grep -q " $MIB " "$D/said"; then
		fail "a limit of a damaged file: $(cat "$D/said")"
	fi
	as_owner touch "$H/more"
	unmounts_well
	assert_files quota.mdb quota.mdb.damaged-1
}

# While it is mounted all that it says is in memory, over a worker's death too.
t_damaged_while_mounted() {
	local before

	qserve
	some_limits
	no_drift
	ask get
	before=$(sort "$D/said")
	garbage_all
	kill_worker KILL
	assert_log "quota: .*quota.mdb is damaged"
	ask get
	assert_eq "$before" "$(sort "$D/said")" "after the worker's death"
	as_owner touch "$H/more"
	as_owner rm "$H/more"
	unmounts_well
	serve_again
	ask get
	assert_eq "$before" "$(sort "$D/said")" "after an unmount"
	no_drift
	unmounts_well
	assert_files quota.mdb quota.mdb.damaged-1
}

garbage_all() {
	fill_random "$MDB" "$(stat -c %s "$MDB")"
}

# In the pages of its content, not its heads.
garbage_inside() {
	head -c $(($(stat -c %s "$MDB") - 8192)) /dev/urandom |
		dd of="$MDB" bs=8192 seek=1 conv=notrunc status=none
}

cut_off() {
	truncate -s 9000 "$MDB"
}

emptied() {
	: >"$MDB"
}

t_damaged_garbage() {
	damaged garbage_all
}

t_damaged_inside() {
	damaged garbage_inside
}

t_damaged_cut() {
	damaged cut_off
}

t_damaged_empty() {
	damaged emptied
}

# refused_mount PATTERN OPTIONS: with a message, and nothing is mounted.
refused_mount() {
	if mount_fs "lowerdir=$LOWERS,upperdir=$U,workdir=$W,$2" "$M" \
		2>"$D/message"; then
		fail "mounted with $2"
	fi
	grep -q -e "$1" "$D/message" ||
		fail "$2: said $(cat "$D/message")"
	if mountpoint -q "$M"; then
		fail "$2: mounted"
	fi
}

t_missing_folder() {
	limits_begin
	refused_mount "quota=$D/no/quota.mdb: No such file or directory" \
		"quota=$D/no/quota.mdb"
	assert_absent "$D/no"
}

t_bad_options() {
	limits_begin
	refused_mount "quota" "quota="
	refused_mount "quota-check" \
		"quota=$UP/quota.mdb,quota-check=sometimes"
	assert_absent "$UP/quota.mdb"
}

# What is no file is no quota's, and is left alone.
t_a_folder_for_a_file() {
	limits_begin
	mkdir "$D/folder"
	put "$D/folder/f" text
	refused_mount "quota=$D/folder: " "quota=$D/folder"
	assert_text "$D/folder/f" text
}

t_of_another_container() {
	qserve quota-id=one
	some_limits
	unmounts_well
	refused_mount "that of container one, not of two" \
		"quota=$MDB,quota-id=two"
	: >"$D/vefs.log"
	serve_again quota-id=one
	assert_some_limits
	said 0 counted
	no_drift
	unmounts_well
	assert_files quota.mdb
}

# Of a database that this program does not know.
t_of_another_version() {
	local at

	qserve
	some_limits
	unmounts_well
	cp "$MDB" "$D/was"
	for at in 20 4116; do
		printf '\143' | dd of="$MDB" bs=1 seek="$at" conv=notrunc \
			status=none
	done
	refused_mount "quota=$MDB: .*version" "quota=$MDB"
	cp "$D/was" "$MDB"
	serve_again
	assert_some_limits
	no_drift
	unmounts_well
}

# A full disk is not a broken one, however much of a write still fits.
t_file_on_a_full_disk() {
	local pages

	begin
	limits_begin
	for ((pages = 1; pages <= 8; pages++)); do
		mkdir -p "$D/small"
		mount -t tmpfs -o "size=$((pages * 4))k" small "$D/small"
		mkdir "$D/small/upper" "$D/small/work"
		if "$VEFS_BIN/mount.vefs" -o "lowerdir=$LOWERS,upperdir=$D/small/upper,workdir=$D/small/work,quota=$D/small/quota.mdb" \
			"$M" >"$D/said" 2>&1; then
			umount "$M"
			"$VT" gone "$M" $((10 * VEFS_SLOW))
		else
			grep -q "No space left on device" "$D/said" ||
				fail "with $pages pages: $(cat "$D/said")"
		fi
		until_ok 10 umount "$D/small" || fail "busy"
	done
}

run_all
