#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# quotacount - usage that is counted: after a death, while changes go on, by a
# check.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib_survive.sh
. "$LIB_DIR/lib_survive.sh"
# shellcheck source-path=SCRIPTDIR source=lib_limits.sh
. "$LIB_DIR/lib_limits.sh"

MIB=1048576

# After the death of everything usage is counted, limits are as they were.
t_counted_after_a_death() {
	qserve
	some_limits
	as_owner "$VT" fill "$H/late" 131072
	kill -STOP "$KEEPER" "$WORKER"
	kill -KILL "$KEEPER" "$WORKER"
	umount -l "$M"
	mkdir "$U/home/behind-our-back"
	serve_again
	assert_log 'quota: counted [0-9]* inodes'
	assert_some_limits
	no_drift
	usage_of user 1001
	assert_le 196608 "$SPACE" "usage"
	unmounts_well
}

t_counted_in_the_background() {
	qserve
	make_until file "$H" 500 1
	all_ended ok
	ask set user 1001 space 0 "$MIB"
	kill -STOP "$KEEPER" "$WORKER"
	kill -KILL "$KEEPER" "$WORKER"
	umount -l "$M"
	: >"$D/vefs.log"
	serve_again quota-check=background
	as_owner "$VT" fill "$H/meanwhile" 65536
	assert_log 'quota: counted [0-9]* inodes'
	no_drift
	about_user
	usage_of user 1001
	assert_eq 502 "$INODES" "inodes of the user"
	grow write wronly 64K 16M 1 "$H/full"
	all_ended EDQUOT
	unmounts_well
	: >"$D/vefs.log"
	serve_again quota-check=background
	no_drift
	said 0 counted
	unmounts_well
}

# New, renamed, moved with their folder, linked, removed.
change_names_of() {
	local i

	for ((i = 0; i < 20; i++)); do
		as_owner mv "$H/behind/$i" "$H/moved$i"
		as_owner touch "$H/moved$i/new"
		as_owner mv "$H/moved$i/1" "$H/one$i"
		as_owner ln "$H/moved$i/2" "$H/two$i"
		as_owner rm "$H/moved$i/3"
		as_owner mv "$H/moved$i" "$H/behind/again$i"
	done
}

# Nobody waits until all is counted.
t_counted_while_it_changes() {
	local i

	qserve
	kill -STOP "$KEEPER" "$WORKER"
	kill -KILL "$KEEPER" "$WORKER"
	umount -l "$M"
	for ((i = 0; i < 20; i++)); do
		mkdir -p "$U/home/behind/$i"
		seq -f "$U/home/behind/$i/%g" 500 | xargs touch
	done
	chown -R 1001:2002 "$U/home/behind"
	: >"$D/vefs.log"
	serve_again quota-check=background
	change_names_of
	assert_log 'quota: counted [0-9]* inodes'
	no_drift
	usage_of user 1001
	assert_eq $((2 + 20 * 501)) "$INODES" "inodes of the user"
	unmounts_well
}

# check finds what is wrong, "fix" sets it right.
t_check_and_fix() {
	local rc=0

	qmnt
	"$VT" fill "$H/f" 65536
	umnt
	fill_random "$U/home/behind" 262144
	sync -f "$UP"
	mnt "quota=$UP/quota.mdb"
	"$LIMITS_ASK" ask "$M" check >"$D/said" || rc=$?
	assert_eq 2 "$rc" "status of a check that finds something"
	grep -q '^drift container 0 ' "$D/said"
	grep -q '^drift user 0 ' "$D/said"
	rc=0
	"$LIMITS_ASK" ask "$M" check fix >"$D/said" || rc=$?
	assert_eq 2 "$rc" "status of a fix that finds something"
	no_drift
	remnt "quota=$UP/quota.mdb"
	no_drift
}

# Who has no limit is not stopped by a check, and it is right all the same.
t_check_while_it_is_written() {
	local i pid

	qmnt
	as_owner "$VT" make file "$H" 1000 1 >"$D/made"
	as_owner "$VT" grow write wronly 4K 400M 2 "$H/f%" >"$D/grown" &
	pid=$!
	for i in 1 2 3 4 5 6; do
		no_drift "check $i"
	done
	ask check fix
	wait "$pid"
	all_ended ok
	no_drift
}

# scattered FILE: what the kernel needs to find its blocks by comes when it is
# written back.
scattered() {
	local i

	: >"$1"
	for ((i = 0; i < 400; i++)); do
		"$VT" write "$1" $((i * 65536)) x
	done
}

# Nobody waits for what others have changed on the host's filesystem.
t_waits_for_nobody_else() {
	local lib=${VEFS_PROGS:-$LIB_ROOT/build/opt/tests}/integration/syncs.so

	case $(stat -f -c %T "$UP") in
	ext2/ext3 | xfs) ;;
	*) skip "nothing but a sync of all makes a change safe there" ;;
	esac
	export SYNCS=$D/syncs
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0
	LD_PRELOAD=$lib qserve
	scattered "$H/scattered"
	no_drift
	ask check fix
	unmounts_well
	: >"$D/vefs.log"
	LD_PRELOAD=$lib serve_again
	said 0 counted
	sync -f "$UP"
	no_drift
	scattered "$H/late"
	kill -STOP "$KEEPER" "$WORKER"
	kill -KILL "$KEEPER" "$WORKER"
	umount -l "$M"
	LD_PRELOAD=$lib serve_again quota-check=background
	assert_log 'quota: counted [0-9]* inodes'
	sync -f "$UP"
	no_drift
	unmounts_well
	[ ! -e "$SYNCS" ] || fail "$(wc -l <"$SYNCS") times it synced all there is"
}

# What is never synced has its blocks when it is too late to count them.
t_right_after_an_unsynced_end() {
	qmnt volatile
	scattered "$H/scattered"
	remnt "quota=$UP/quota.mdb,volatile"
	sync -f "$UP"
	no_drift
	umnt
	mnt "quota=$UP/quota.mdb"
	no_drift
}

run_all
