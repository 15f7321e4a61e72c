#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# quotanames - limits on inodes, and on what names and copies up take: at the
# level of the container, a user, a group.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib_limits.sh
. "$LIB_DIR/lib_limits.sh"
# shellcheck source-path=SCRIPTDIR source=lib_survive.sh
. "$LIB_DIR/lib_survive.sh"

# ---- inodes ----------------------------------------------------------------

# names_to_the_limit KIND PROCESSES: 20 more, and not one.
names_to_the_limit() {
	local dir=$H/$1-$KIND-$2

	as_owner mkdir "$dir"
	give inodes 20
	watch_usage inodes
	make_until "$1" "$dir" 30 "$2"
	unwatch
	all_ended "$WANT"
	assert_eq 20 "$(accepted)" "names"
	assert_eq 20 "$(find "$dir" -mindepth 1 | wc -l)" "names that are there"
	usage_of "$KIND" "$ID"
	assert_eq "$HARD" "$INODES" "inodes"
}

t_create() {
	qmnt
	each_level_by_many names_to_the_limit file
}

t_mknod() {
	qmnt
	each_level_by_many names_to_the_limit node
}

t_fifo() {
	qmnt
	each_level_by_many names_to_the_limit fifo
}

t_mkdir() {
	qmnt
	each_level_by_many names_to_the_limit dir
}

t_symlink() {
	qmnt
	each_level_by_many names_to_the_limit symlink
}

t_tmpfile_and_its_link() {
	qmnt
	each_level_by_many names_to_the_limit unnamed
}

# Kill the worker for 3 seconds: where it hurts, if it is built so.
kill_makers() {
	if [[ $VEFS_BIN == */crash/bin ]]; then
		"$VT" dies-making "$VEFS_CRASH" 3 >"$D/deaths"
		assert_le 3 "$(cat "$D/deaths")" "deaths"
		next_worker 0
	else
		kill_for 3
	fi
}

# One more, for eight who all want one, while the worker is killed: what it
# had made is counted before another one is let in.
t_killed_while_making() {
	local pid most made

	begin
	limits_begin
	export VEFS_CRASH=$D/crash
	"$VT" dies-making "$VEFS_CRASH" 0 >"$D/deaths"
	serve_rw "quota=$UP/quota.mdb,crash_limit=1000000"
	have_home
	about_user
	as_owner mkdir "$H"/{0..7}
	give inodes 1
	as_owner "$VT" crowd "$H" 8 "$D/stop" >"$D/crowd" &
	pid=$!
	kill_makers
	touch "$D/stop"
	wait "$pid"
	read -r most made <"$D/crowd"
	assert_eq 1 "$most" "names at a time"
	assert_le 10 "$made" "names"
	until_ok 10 one_inode_less
	no_drift
	unmounts_well
}

# In place of what was removed from below, also: by a swap.
over_whiteouts() {
	local dir=$H/over-$KIND n

	as_owner mkdir "$dir"
	for n in 1 2 3; do
		rm "$M/low/$KIND-$n"
	done
	give inodes 2
	chmod 777 "$M/low"
	as_owner mkdir "$M/low/$KIND-1"
	as_owner touch "$M/low/$KIND-2"
	owner_refused "$WANT" touch "$M/low/$KIND-3"
	owner_refused "$WANT" mkdir "$M/low/$KIND-3"
	assert_absent "$M/low/$KIND-3"
}

t_create_over_a_whiteout() {
	local k n

	for k in container user group; do
		for n in 1 2 3; do
			put "$L/low/$k-$n" text
		done
	done
	qmnt
	chmod 777 "$M/low"
	each_level over_whiteouts
}

# Without a name it counts too, and is free when it is closed.
t_tmpfile_is_counted() {
	qmnt
	about_user
	give space 65536
	give inodes 1
	exec 5<>"$H"/five
	chown 1001:2002 "$H/five"
	rm "$H/five"
	usage_of user 1001
	assert_eq "$HARD" "$INODES" "inodes with an open file without a name"
	owner_refused EDQUOT touch "$H/other"
	no_drift "with an open file that has no name"
	exec 5>&-
	as_owner touch "$H/other"
	no_drift
}

# A link is no inode, and what it names is counted once.
link_at() {
	local i name=$H/linked-$KIND

	as_owner "$VT" fill "$name" 65536
	give inodes 0
	give space 8192
	for ((i = 0; i < 20; i++)); do
		as_owner ln "$name" "$name.$i"
	done
	usage_of "$KIND" "$ID"
	assert_le "$SPACE" $((HARD - 8192 + $(slack 1))) "space"
	as_owner rm "$name"
	owner_refused "$WANT" touch "$H/no"
	usage_of "$KIND" "$ID"
	assert_le $((HARD - 8192)) "$SPACE" "space of the links that are left"
	for ((i = 0; i < 20; i++)); do
		as_owner rm "$name.$i"
	done
	as_owner touch "$H/yes"
	as_owner rm "$H/yes"
}

t_hard_links() {
	qmnt
	each_level link_at
}

one_inode_less() {
	usage_of user 1001
	[ "$INODES" -lt "$HARD" ]
}

# Two names below are one file above.
t_hard_links_from_below() {
	mkdir "$L/low"
	fill_random "$L/low/a" 65536
	ln "$L/low/a" "$L/low/b"
	ln "$L/low/a" "$L/low/c"
	chown -R 1001:2002 "$L/low"
	qmnt
	about_user
	give space $((65536 + $(slack 2)))
	give inodes 2
	as_owner "$VT" write "$M/low/a" 0 TEXT
	as_owner "$VT" write "$M/low/b" 4 TEXT
	as_owner chmod 600 "$M/low/c"
	usage_of user 1001
	assert_eq "$HARD" "$INODES" "inodes: the folder and the file"
	no_drift
	as_owner rm "$M/low/a" "$M/low/b"
	no_drift
	assert_eq TEXTTEXT "$(head -c 8 "$M/low/c")"
	as_owner rm "$M/low/c"
	until_ok 10 one_inode_less
	no_drift
}

# ---- removing --------------------------------------------------------------

# Full to the last: what removes and hides is never refused.
t_whiteouts_are_free() {
	local i

	for i in $(seq 40); do
		put "$L/low/f$i" "lower $i"
		put "$L/low/d$i/f" "lower $i"
	done
	qmnt
	about container:0:ENOSPC
	give space 0
	give inodes 0
	for i in $(seq 40); do
		rm "$M/low/f$i"
		rm -r "$M/low/d$i"
	done
	assert_names "$M/low" ""
	usage_of container 0
	assert_le "$INODES" $((HARD + 1)) "inodes: a folder for the whiteouts"
	no_drift
	owner_refused ENOSPC touch "$H/f"
	remnt "quota=$UP/quota.mdb"
	assert_names "$M/low" ""
	no_drift
}

# A rename over a file frees it; when it is open, at its last close.
rename_over() {
	local a=$H/a-$KIND b=$H/b-$KIND

	as_owner "$VT" fill "$a" 65536
	as_owner "$VT" fill "$b" 131072
	give space 0
	give inodes 0
	owner_refused "$WANT" "$VT" write "$a" 65536 text
	exec 5<"$b"
	as_owner mv "$a" "$b"
	no_drift "renamed over an open file"
	owner_refused "$WANT" "$VT" write "$b" 65536 text
	exec 5<&-
	# At once: who has closed it may have its room.
	as_owner "$VT" write "$b" 65536 text
	as_owner touch "$a"
	assert_eq text "$(tail -c +65537 "$b")"
}

t_rename_over() {
	qmnt
	each_level rename_over
}

# What RENAME_WHITEOUT leaves is an inode, of who asked for it.
leaves_whiteouts() {
	local dir=$H/left-$KIND i

	as_owner mkdir "$dir"
	as_owner touch "$dir/0"
	give inodes 3
	for i in 1 2 3; do
		as_owner "$VT" rename "$dir/$((i - 1))" "$dir/$i" whiteout
	done
	owner_refused "$WANT" "$VT" rename "$dir/3" "$dir/4" whiteout
	assert_names "$dir" "0 1 2 3"
	assert_stat '%F %u %g' "regular empty file 1001 2002" "$dir/3"
	assert_stat '%F %t:%T %u %g' "character special file 0:0 1001 2002" \
		"$dir/0"
	usage_of "$KIND" "$ID"
	assert_eq "$HARD" "$INODES" "inodes"
	as_owner rm "$dir/0"
	until_ok 10 as_owner "$VT" rename "$dir/3" "$dir/4" whiteout
	no_drift
}

t_rename_leaves_a_whiteout() {
	qmnt
	"$VT" mknod "$M/probe" c 600 0 0 ||
		skip "the filesystem has no room for the guest's device 0:0"
	each_level leaves_whiteouts
}

t_exchange_at_the_limit() {
	put "$L/low" text
	qmnt
	about container:0:ENOSPC
	as_owner "$VT" fill "$H/a" 65536
	as_owner "$VT" fill "$H/b" 4096
	give space 0
	give inodes 0
	as_owner "$VT" rename "$H/a" "$H/b" exchange
	assert_stat %s 65536 "$H/b"
	no_drift
}

# $KIND $ID is that far below its limit again.
has_given_back() {
	usage_of "$KIND" "$ID"
	[ $((HARD - SPACE)) -ge "$1" ]
}

# What is counted, and what is there, when it is not.
not_given_back() {
	ls -lsin "$U/home" >"$D/there"
	no_drift "of $HARD are left $SPACE bytes, $INODES inodes"
	fail "of $HARD are left $SPACE bytes, $INODES inodes, rightly:" \
		"$(paste -sd';' "$D/there")"
}

unlink_open() {
	local f=$H/open-$KIND others

	others=$(find "$H" -type f | wc -l)
	as_owner "$VT" fill "$f" 131072
	give space 0
	exec 5<>"$f"
	rm "$f"
	no_drift "an open file without a name"
	grow write wronly 4K 4K 1 "$H/no-$KIND"
	all_ended "$WANT"
	exec 5>&-
	until_ok 60 has_given_back $((131072 - $(slack "$others"))) ||
		not_given_back
	grow write wronly 4K 16M 1 "$H/yes-$KIND"
	all_ended "$WANT"
	assert_le $((131072 - $(slack $((others + 2))))) "$(accepted)" \
		"what it gave back"
	is_readable
}

t_unlink_of_an_open_file() {
	qmnt
	each_level unlink_open
}

# As on a disk: when the last close has returned there is room, also for who
# was refused a moment ago.
t_room_at_the_last_close() {
	local i

	qmnt
	about_user
	as_owner "$VT" fill "$H/other" 65536
	for i in $(seq 20); do
		as_owner "$VT" fill "$H/f" 65536
		give space 0
		as_owner "$VT" last-close "$H/f" "$H/other"
		as_owner truncate -s 65536 "$H/other"
		no_limit
	done
	no_drift
}

# ---- copying up ------------------------------------------------------------

# copy_refused COMMAND...: nothing is left of it.
copy_refused() {
	local before

	before=$(find "$U" "$W" -printf '%p %s %b\n' | sort)
	usage_of "$KIND" "$ID"
	owner_refused "$WANT" "$@"
	assert_eq "$before" "$(find "$U" "$W" -printf '%p %s %b\n' | sort)" \
		"what is in upper and work"
}

# All of the file is asked for before a byte is copied.
copy_up_at() {
	local f=$M/low/$KIND

	give space 500000
	copy_refused "$VT" write "$f" 0 TEXT
	copy_refused "$VT" write "$f" 0 TEXT rdwr
	copy_refused truncate -s 600000 "$f"
	copy_refused "$VT" open "$f" rdwr
	assert_same_content "$f" "$L/low/$KIND"
	give space 600000
	as_owner "$VT" write "$f" 0 TEXT
	cmp <(tail -c +5 "$f") <(tail -c +5 "$L/low/$KIND")
	usage_of "$KIND" "$ID"
	assert_le "$SPACE" "$HARD" "usage"
}

copy_up_inode_at() {
	local f=$M/low/inode-$KIND

	give inodes 0
	copy_refused "$VT" write "$f" 0 TEXT
	copy_refused chmod 600 "$f"
	copy_refused truncate -s 0 "$f"
	copy_refused ln "$f" "$M/low/new"
	as_owner cat "$f" >"$D/read"
	give inodes 1
	as_owner chmod 600 "$f"
	assert_text "$f" "text of it"
}

# Renaming takes nothing, but what it moves from below comes up first; what it
# replaces goes, and that is never refused.
rename_inode_at() {
	local n=$KIND

	as_owner touch "$H/new-$n" "$H/newer-$n"
	give inodes 0
	as_owner mv "$H/new-$n" "$H/other-$n"
	copy_refused mv "$M/low/inode-$n" "$M/low/new"
	copy_refused mv "$M/low/dir-$n" "$M/low/new"
	copy_refused "$VT" rename "$H/newer-$n" "$M/low/inode-$n" exchange
	as_owner mv "$H/other-$n" "$M/low/$n"
	as_owner mv -f "$H/newer-$n" "$M/low/link-$n.1"
	assert_stat %s 0 "$M/low/link-$n.1"
	assert_text "$M/low/link-$n.2" linked
	assert_stat %h 1 "$M/low/link-$n.2"
	usage_of "$KIND" "$ID"
	assert_le "$INODES" $((HARD + 1)) "inodes"
	no_drift
	give inodes 1
	as_owner mv "$M/low/inode-$n" "$M/low/new-$n"
	assert_text "$M/low/new-$n" "text of it"
}

t_rename_of_an_inode() {
	local k

	copy_up_files
	for k in container user group; do
		mkdir "$L/low/dir-$k"
		put "$L/low/link-$k.1" linked
		ln "$L/low/link-$k.1" "$L/low/link-$k.2"
	done
	chown -R 1001:2002 "$L/low"
	seal
	qmnt
	chown 1001:2002 "$M/low"
	each_level rename_inode_at
	assert_sealed
}

copy_up_files() {
	local k

	mkdir "$L/low"
	for k in container user group; do
		fill_random "$L/low/$k" 530000
		put "$L/low/inode-$k" "text of it"
	done
	chown -R 1001:2002 "$L/low"
}

t_copy_up() {
	copy_up_files
	seal
	qmnt
	chown 1001:2002 "$M/low"
	each_level copy_up_at
	assert_sealed
}

t_copy_up_of_an_inode() {
	copy_up_files
	seal
	qmnt
	chown 1001:2002 "$M/low"
	each_level copy_up_inode_at
	assert_sealed
}

# Emptied, it brings nothing along: an inode is all it takes.
t_copy_up_emptied() {
	copy_up_files
	qmnt
	chown 1001:2002 "$M/low"
	about_user
	give space 8192
	as_owner "$VT" open "$M/low/user" wronly,trunc
	assert_stat %s 0 "$M/low/user"
	as_owner "$VT" truncate "$M/low/group" 0
	assert_stat %s 0 "$M/low/group"
	owner_refused EDQUOT "$VT" truncate "$M/low/container" 100000
	no_drift
}

# Eight want different files; only some fit.
copy_up_race() {
	local i pids=() n=0

	give space 200000
	watch_usage space
	for i in 1 2 3 4 5 6 7 8; do
		as_owner "$VT" write "$M/low/$KIND-$i" 0 TEXT \
			2>"$D/race.$i" &
		pids+=($!)
	done
	for i in "${!pids[@]}"; do
		if wait "${pids[$i]}"; then
			n=$((n + 1))
		else
			grep -q ": $WANT" "$D/race.$((i + 1))"
		fi
	done
	unwatch "$(slack 2)"
	usage_of "$KIND" "$ID"
	assert_le "$SPACE" $((HARD + $(slack 2))) "usage"
	assert_le 1 "$n" "files that came up"
	assert_le "$n" 3 "files that came up"
	for i in 1 2 3 4 5 6 7 8; do
		cmp <(tail -c +5 "$M/low/$KIND-$i") \
			<(tail -c +5 "$L/low/$KIND-$i")
	done
}

t_copy_up_by_many() {
	local i k

	mkdir "$L/low"
	for k in container user group; do
		for i in 1 2 3 4 5 6 7 8; do
			fill_random "$L/low/$k-$i" 65536
		done
	done
	chown -R 1001:2002 "$L/low"
	qmnt
	chown 1001:2002 "$M/low"
	each_level copy_up_race
}

# A reference: an inode and no blocks, until it is written.
reference_at() {
	local f=$M/low/$KIND before

	usage_of "$KIND" "$ID"
	before=$SPACE
	as_owner chmod 640 "$f"
	usage_of "$KIND" "$ID"
	assert_le "$SPACE" $((before + $(slack 1))) "what a reference takes"
	give space 500000
	copy_refused "$VT" write "$f" 0 TEXT
	copy_refused "$VT" write "$f" 0 TEXT wronly,append
	assert_same_content "$f" "$L/low/$KIND"
	give space 540000
	as_owner "$VT" write "$f" 0 TEXT
	cmp <(tail -c +5 "$f") <(tail -c +5 "$L/low/$KIND")
	usage_of "$KIND" "$ID"
	assert_le "$SPACE" "$HARD" "usage"
	assert_le $((before + 530000)) "$SPACE" "usage"
}

t_reference_files() {
	copy_up_files
	qmnt
	chown 1001:2002 "$M/low"
	each_level reference_at
}

run_all
