#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# quota - limits on space, by every way to write: never above, a short write
# and then the error, what was accepted is there. At the level of the
# container, a user, a group; with one writer and with eight.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib_limits.sh
. "$LIB_DIR/lib_limits.sh"
# shellcheck source-path=SCRIPTDIR source=lib_survive.sh
. "$LIB_DIR/lib_survive.sh"

MIB=1048576

# up_to_the_limit VERB FLAGS NAME PROCESSES: 24 KiB at a time, which do not
# divide what is left. NAME with a % is a file for each.
up_to_the_limit() {
	local name=$H/$KIND-$4-$3 more=0

	# Eight who write here and there make files of many pieces, and so may
	# who writes to the disk at once: what finds those takes blocks of its
	# own.
	case $2:$3:$4 in
	*:shared:8) more=$(slack 2) ;;
	*sync*) more=$(slack "$4") ;;
	esac
	give space "$MIB"
	watch_usage space
	grow "$1" "$2" 24K 16M "$4" "$name" "$H/source"
	unwatch "$more"
	disk_never_above "$more"
	all_ended "$WANT"
	usage_of "$KIND" "$ID"
	assert_le "$SPACE" $((HARD + more)) "usage"
	# Nothing is left that a block would have gone into.
	assert_le $((HARD - SPACE)) "$(slack 1)" "room that is left"
	assert_le "$(accepted)" "$MIB" "accepted"
	assert_le $((MIB - $(slack $(($4 + 1))))) "$(accepted)" "accepted"
	assert_ne 0 "$(shorts)" "short writes"
	is_readable
}

t_write() {
	qmnt
	each_level_by_many up_to_the_limit write wronly 'f%'
}

t_write_cached() {
	qmnt
	each_level_by_many up_to_the_limit write rdwr 'f%'
}

t_pwrite_to_one_file() {
	qmnt
	each_level_by_many up_to_the_limit pwrite wronly shared
}

t_pwrite_to_one_file_cached() {
	qmnt
	each_level_by_many up_to_the_limit pwrite rdwr shared
}

t_append() {
	qmnt
	each_level_by_many up_to_the_limit write wronly,append log
}

t_direct() {
	qmnt
	"$VT" open "$H/probe" rdwr,creat,direct || skip "no O_DIRECT below"
	each_level_by_many up_to_the_limit write wronly,direct 'f%'
}

t_sync() {
	qmnt
	each_level_by_many up_to_the_limit write wronly,sync 'f%'
}

# By copy_file_range(2), which shares blocks where the filesystem can.
t_copy_range() {
	qmnt
	grow write wronly 64K 4M 1 "$H/source"
	each_level_by_many up_to_the_limit copy wronly 'f%'
}

# Blocks that are shared are charged to each that has them.
t_reflink() {
	qmnt
	about_user
	grow write wronly 64K 1M 1 "$H/source"
	give space $((MIB / 2))
	owner_refused EOPNOTSUPP "$VT" clone "$H/source" "$H/clone"
	owner_refused EDQUOT cp --reflink=auto "$H/source" "$H/copy"
	usage_of user 1001
	assert_le "$SPACE" "$HARD" "usage"
	assert_le $((HARD - SPACE)) "$(slack 1)" "room that is left"
	cmp -n $((MIB / 2 - $(slack 2))) "$H/source" "$H/copy"
	no_drift
}

# Where blocks are shared, holes are: what was full takes blocks again when it is
# written.
t_copy_holes() {
	qmnt
	about_user
	give space $((4 * MIB))
	grow write wronly 64K 1M 1 "$H/f"
	as_owner truncate -s 1M "$H/holes"
	usage_of user 1001
	BEFORE=$SPACE
	as_owner "$VT" cfr "$H/holes" 0 "$H/f" 0 1M >"$D/copied"
	give space 65536
	grow pwrite wronly 24K 1M 1 "$H/f"
	if [ "$BEFORE" -gt $((SPACE + MIB / 2)) ]; then
		all_ended EDQUOT
		assert_le "$(accepted)" 65536 "accepted"
	else
		all_ended ok
	fi
	is_readable
	usage_of user 1001
	assert_le "$SPACE" "$HARD" "usage"
	no_drift
}

# ---- holes -----------------------------------------------------------------

# A file of holes takes nothing; what is written into it does.
sparse_at() {
	local name=$H/$KIND-sparse before

	usage_of "$KIND" "$ID"
	before=$SPACE
	as_owner truncate -s 64M "$name"
	give space $((MIB / 2))
	assert_eq "$before" "$SPACE" "usage after truncate"
	grow pwrite wronly 4K 16M 1 "$name"
	all_ended "$WANT"
	assert_stat %s 67108864 "$name"
	# Full: longer is still free, and so is what has its blocks.
	as_owner truncate -s 128M "$name"
	grow pwrite wronly 4K 256K 1 "$name"
	all_ended ok
	is_readable
	as_owner truncate -s 256K "$name"
	usage_of "$KIND" "$ID"
	assert_le "$SPACE" $((HARD - MIB / 4)) "usage after truncate down"
	# What that made free can be had, no more.
	grow write wronly,append 4K 16M 1 "$name"
	all_ended "$WANT"
	usage_of "$KIND" "$ID"
	assert_le "$SPACE" "$HARD" "usage"
	is_readable
	as_owner truncate -s 0 "$name"
	usage_of "$KIND" "$ID"
	assert_eq "$before" "$SPACE" "usage after truncate to 0"
}

t_truncate() {
	qmnt
	each_level sparse_at
}

# Whom others read by passthrough gets its blocks when it is opened to be
# written, too: that is no change that anybody made.
t_filling_is_no_change() {
	qmnt
	about_user
	as_owner truncate -s 1M "$H/f"
	as_owner touch -d '2001-02-03 04:05:06' "$H/f"
	exec 5<"$H/f"
	give space $((4 * MIB))
	as_owner "$VT" open "$H/f" rdwr
	exec 5<&-
	assert_stat %Y "$(date -d '2001-02-03 04:05:06' +%s)" "$U/home/f"
	usage_of user 1001
	if ! is_on tmpfs; then
		assert_le $((MIB + HARD - 4 * MIB)) "$SPACE" "usage, filled"
	fi
	no_drift
}

# Every other block, then what is between them.
t_every_other_block() {
	local i

	qmnt
	about_user
	as_owner truncate -s 1M "$H/f"
	for ((i = 0; i < 16; i++)); do
		printf x | dd of="$H/f" bs=1 seek=$((i * 8192)) conv=notrunc \
			status=none
	done
	no_drift "after the holes"
	give space 40960
	# 16 blocks are there, 10 more fit: 26 in a row and no more.
	grow pwrite wronly 64K 1M 1 "$H/f"
	all_ended EDQUOT
	assert_le "$(accepted)" $((21 * 4096)) "accepted"
	assert_le $((20 * 4096 - $(slack 2))) "$(accepted)" "accepted"
	is_readable
	no_drift
}

# append_at_limit FILE: what is there already is no room.
append_at_limit() {
	give space $((MIB / 2))
	grow write wronly,append 64K 16M 1 "$1"
	all_ended EDQUOT
	usage_of user 1001
	assert_le "$SPACE" "$HARD" "usage"
	assert_le "$(accepted)" $((MIB / 2)) "accepted"
	is_readable
	no_drift
}

t_append_after_a_hole() {
	qmnt
	about_user
	as_owner truncate -s 64M "$H/f"
	append_at_limit "$H/f"
}

t_append_after_fallocate() {
	qmnt
	about_user
	as_owner fallocate -l 1M "$H/f"
	append_at_limit "$H/f"
}

# What the host's filesystem has reserved behind the end becomes the file's own
# when that moves on, or when blocks are asked for: it must not count then, or
# usage is above the limit without a question. 1600 KiB in small pieces, then the
# change.
behind_the_end() {
	as_owner "$VT" behind "$H/$1" 4096 400 "$1"
	usage_of user 1001
	assert_le "$SPACE" $((BEFORE + 1638400 + $2 + $(slack 1))) "$1"
	BEFORE=$SPACE
	no_drift
}

t_behind_the_end() {
	BEFORE=0
	qmnt
	about_user
	give space $((64 * MIB))
	behind_the_end write 4096
	behind_the_end truncate 0
	behind_the_end fallocate 4096
	behind_the_end copy 4096
}

# ---- fallocate -------------------------------------------------------------

# allocate VERB PROCESSES: all or nothing, as often as it fits.
allocate() {
	local name=$H/$1-$KIND-$2 i

	for ((i = 0; i < $2; i++)); do
		as_owner touch "$name-$i"
	done
	give space "$MIB"
	watch_usage space
	grow "$1" wronly 256K 16M "$2" "$name-%"
	unwatch
	disk_never_above
	all_ended "$WANT"
	assert_eq "$MIB" "$(accepted)" "allocated"
	usage_of "$KIND" "$ID"
	assert_le "$SPACE" "$HARD" "usage"
	if [ "$1" = keep ]; then
		assert_eq 0 "$(cat "$name"-* | wc -c)" "size"
	else
		assert_eq "$MIB" "$(cat "$name"-* | wc -c)" "size"
	fi
}

t_fallocate() {
	qmnt
	each_level_by_many allocate alloc
}

t_fallocate_keep_size() {
	qmnt
	each_level_by_many allocate keep
}

t_fallocate_zero() {
	qmnt
	"$VT" fill "$H/probe" 4096
	"$VT" fallocate "$H/probe" zero 0 4096 ||
		skip "the filesystem below has no zero range"
	each_level_by_many allocate zero
}

# Full: what is allocated can be written, punched out, and had again.
punch_at() {
	local name=$H/$KIND-punch

	give space "$MIB"
	as_owner fallocate -l "$MIB" "$name"
	owner_refused "$WANT" fallocate -o "$MIB" -l 4096 "$name"
	owner_refused "$WANT" fallocate -n -o "$MIB" -l 4096 "$name"
	assert_stat %s "$MIB" "$name"
	as_owner fallocate -p -o 262144 -l 262144 "$name"
	usage_of "$KIND" "$ID"
	assert_le "$SPACE" $((HARD - 262144 + $(slack 1))) "usage after punch"
	grow write wronly 64K 16M 1 "$H/$KIND-other"
	all_ended "$WANT"
	assert_le $((262144 - $(slack 2))) "$(accepted)" "what the hole gave"
	is_readable
	# The hole is a hole.
	owner_refused "$WANT" "$VT" write "$name" 300000 "no room"
}

t_fallocate_punch() {
	qmnt
	each_level punch_at
}

# What was allocated can be written when there is no room.
t_fallocate_then_write() {
	qmnt
	if is_on tmpfs; then
		skip "tmpfs has no FIEMAP: what it allocated shows no place"
	fi
	about_user
	give space "$MIB"
	as_owner fallocate -l "$MIB" "$H/f"
	owner_refused EDQUOT "$VT" write "$H/f" "$MIB" text
	grow pwrite wronly 64K "$MIB" 1 "$H/f"
	all_ended ok
	is_readable
	no_drift
}

t_fallocate_shifts() {
	qmnt
	about_user
	grow write wronly 64K 256K 1 "$H/f"
	give space 0
	if ! "$VT" fallocate "$H/f" collapse 4096 8192; then
		assert_errno EOPNOTSUPP "$VT" fallocate "$H/f" collapse 4096 8192
		skip "the kernel passes no collapse on: EOPNOTSUPP"
	fi
	"$VT" fallocate "$H/f" insert 16384 8192
	no_drift
	owner_refused EDQUOT "$VT" write "$H/f" 16384 text
}

# ---- mmap ------------------------------------------------------------------

# Stores into holes, one page after the other: msync tells which are lost.
map_at() {
	local name=$H/$KIND-map-$1 i pids=()

	for ((i = 0; i < $1; i++)); do
		as_owner truncate -s 1M "$name-$i"
	done
	give space $((MIB / 4))
	watch_usage space
	for ((i = 0; i < $1; i++)); do
		as_owner "$VT" grow-map "$name-$i" 0 1M 4K >"$D/map.$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	cat "$D"/map.* >"$D/grown"
	rm "$D"/map.*
	unwatch "$(slack "$1")"
	disk_never_above "$(slack "$1")"
	all_ended "$WANT"
	assert_le "$(accepted)" $((MIB / 4)) "stored"
	assert_le $((MIB / 4 - $(slack "$1"))) "$(accepted)" "stored"
	drop_caches
	is_readable
}

t_mmap() {
	qmnt
	each_level_by_many map_at
}

# One msync over all: it must not say that everything was stored.
t_mmap_at_once() {
	qmnt
	about_user
	as_owner truncate -s 1M "$H/f"
	give space $((MIB / 4))
	as_owner "$VT" grow-map "$H/f" 0 1M 1M >"$D/grown"
	all_ended EDQUOT
	usage_of user 1001
	assert_le "$SPACE" $((HARD + $(slack 1))) "usage"
	no_drift
}

# What is mapped comes to us later: it is no hole until then, either.
t_mapped_stores_are_copied() {
	local n

	qmnt
	about container:0:ENOSPC
	ask set container 0 space 0 $((1 << 30))
	"$VT" fill "$M/f" 1
	truncate -s 1M "$M/f"
	"$VT" open "$M/new" rdwr,creat
	truncate -s 1M "$M/new"
	for n in f new; do
		"$VT" map-store "$M/$n" 512K cp "$M/$n" "$D/copy"
		assert_eq MAPPED "$(tail -c +524289 "$D/copy" | head -c 6)" \
			"what was copied of $n"
	done
	no_drift
}

# The store that does not fit in the middle of what the kernel writes back at
# once: 3 pages of room, 8 pages to write, again and again.
t_mmap_partial() {
	local i

	qmnt
	about_user
	for ((i = 0; i < 8; i++)); do
		no_limit
		as_owner truncate -s 32K "$H/f$i"
		give space 12288
		as_owner "$VT" grow-map "$H/f$i" 0 32K 32K >"$D/grown"
		all_ended EDQUOT
		usage_of user 1001
		assert_le "$SPACE" $((HARD + $(slack 1))) "usage"
	done
	no_drift
}

# ---- who dies meanwhile ----------------------------------------------------

# The worker is killed while writers go up to the limit.
t_killed_at_the_limit() {
	local pid

	begin
	limits_begin
	serve_rw "quota=$UP/quota.mdb"
	have_home
	about_user
	give space $((4 * MIB))
	as_owner "$VT" grow write wronly,sync 12K 16M 4 "$H/f%" >"$D/grown" &
	pid=$!
	kill_while "$pid"
	all_ended EDQUOT
	usage_of user 1001
	assert_le "$SPACE" "$HARD" "usage"
	assert_le $((HARD - SPACE)) "$(slack 1)" "room that is left"
	is_readable
	no_drift
	take_the_rest
	kill_worker
	take_the_rest
	usage_of user 1001
	assert_le "$SPACE" "$HARD" "usage"
	no_drift
	unmounts_well
}

# What a filesystem reserves ahead of writers (XFS) it gives back later: there
# may be room for a few blocks more, each below the end but the first.
take_the_rest() {
	local at

	for ((at = 32 * MIB; at > 16 * MIB; at -= 64 * 1024)); do
		as_owner "$VT" write "$H/f0" "$at" text 2>"$D/err" || break
	done
	owner_refused EDQUOT "$VT" write "$H/f0" $((at - 65536)) text
}

# ---- limits that change ----------------------------------------------------

# A limit that comes while a file is open for writing holds at its next open.
t_limit_while_open() {
	qmnt
	about_user
	exec 5>"$H/f"
	chown 1001:2002 "$H/f"
	head -c 65536 /dev/zero >&5
	give space 0
	exec 5>&-
	no_drift
	owner_refused EDQUOT "$VT" write "$H/f" 65536 text
	owner_refused EDQUOT "$VT" write "$H/f" 65536 text rdwr
}

# Four who write and remove until they are told to stop.
busy() {
	local rounds=0

	while [ ! -e "$D/stop" ] && [ "$rounds" -lt 1000 ]; do
		rm -f "$H"/f*
		grow pwrite rdwr 4K 4M 4 "$H/f%"
		rounds=$((rounds + 1))
	done
	echo "$rounds" >"$D/rounds"
}

t_limits_of_a_busy_mount() {
	local i pid

	qmnt
	about container:0:ENOSPC
	busy &
	pid=$!
	for i in $(seq 20); do
		give space "$MIB"
		ask enforce container off
		ask set user 1001 space 0 $((i * 262144))
		ask enforce user off
		ask enforce container on
		give space $((i * 262144))
		ask enforce user on
		ask set group 2002 inodes 0 $((i % 5 + 1))
	done
	touch "$D/stop"
	wait "$pid"
	assert_ne 0 "$(cat "$D/rounds")" "rounds"
	no_drift
	rm -f "$H"/f*
	give space "$MIB"
	ask set user 1001 space 0 0
	ask set group 2002 inodes 0 0
	grow pwrite rdwr 4K 4M 4 "$H/g%"
	all_ended ENOSPC
	is_readable
	usage_of container 0
	assert_le "$SPACE" "$HARD" "usage"
	no_drift
}

run_all
