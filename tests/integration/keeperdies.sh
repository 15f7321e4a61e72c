#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 900
# keeperdies - the keeper of a mount is killed, whatever its worker is doing,
# or finds no room among the descriptors.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib_survive.sh
. "$(dirname "$0")/lib_survive.sh"

BUILD=${D:-opt} # D is a case's folder

# ---- who takes its place ---------------------------------------------------

# The kernel does not tell a thread of its parent's death that has changed its
# ids, as for a file of another user's.
t_ids() {
	local i

	begin
	serve_rw "threads=1"
	chmod 777 "$M"
	for i in 1 2 3; do
		assert_ok setpriv --reuid 1000 --clear-groups mkdir "$M/$i"
		kill_keeper
		assert_stat %u 1000 "$M/$i"
		kill_worker KILL
	done
	umnt
	"$VT" gone "$M" $((10 * VEFS_SLOW))
}

# Its worker is only just there, and has not asked to be told.
t_at_once() {
	local i old

	begin
	put "$L/f" "lower text"
	serve_rw
	for i in $(seq 20); do
		old=$WORKER
		kill -KILL "$old"
		until has_worker_but "$old"; do :; done
		kill_keeper
		assert_text "$M/f" "lower text"
	done
	umnt
	"$VT" gone "$M" $((10 * VEFS_SLOW))
}

# Who wants the daemons of a mount, for a group say, asks who listens.
t_who_listens() {
	begin
	serve_rw
	for _ in 1 2; do
		kill_keeper
		assert_eq "$KEEPER" "$(python3 - "$VEFS_ROOT"/run/* <<-'END'
			import socket, struct, sys
			s = socket.socket(socket.AF_UNIX)
			s.connect(sys.argv[1])
			print(struct.unpack("3i", s.getsockopt(
			    socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])
		END
		)"
	done
	umnt
}

# a_copy_at FOLDER: of the programs.
a_copy_at() {
	mkdir "$1"
	cp "$VEFS_BIN/vefsd" "$1/vefsd"
	ln -s vefsd "$1/mount.vefs"
}

keeper_is() {
	assert_eq "$1" "$(readlink "/proc/$KEEPER/exe")" "program of the keeper"
	assert_eq mount.vefs "$(cat "/proc/$KEEPER/comm")" "its name"
	assert_text "$M/f" "lower text"
}

# What goes on is the program that ran, whatever has its name by now.
t_program() {
	begin
	put "$L/f" "lower text"
	a_copy_at "$D/bin"
	a_copy_at "$D/new"
	VEFS_BIN=$D/bin serve_rw
	exec 5<"$M/f"
	mv "$D/bin/vefsd" "$D/bin/old"
	put "$D/bin/vefsd" "#!/bin/sh"$'\n'"exit 85"$'\n'
	chmod 755 "$D/bin/vefsd"
	kill_keeper
	keeper_is "$D/bin/old"
	rm "$D/bin/old"
	kill_keeper
	keeper_is "$D/bin/old (deleted)"
	kill_keeper
	kill_worker KILL
	# Another one is taken as ever, and stays.
	assert_ok "$D/new/vefsd" --upgrade "$M"
	next_worker 0
	keeper_is "$D/new/vefsd"
	kill_keeper
	keeper_is "$D/new/vefsd"
	assert_eq "lower text" "$(cat <&5)"
	exec 5<&-
	umnt
	"$VT" gone "$M" $((10 * VEFS_SLOW))
}

# ---- under load ------------------------------------------------------------

# What orders two uses of a descriptor is the kernel, between a request's answer
# and the next request. A checker of threads knows that of descriptors that the
# process has seen opened; a program that was executed has not.
begin_load() {
	[ "$BUILD" != tsan ] || skip "the thread checker does not see the order"
	begin
}

# kill_keepers STOP PID...: some times, while these work, until a file STOP is
# there: they are to have done all right.
kill_keepers() {
	local stop=$1 i pid

	shift
	for i in $(seq 12); do
		kill_keeper
		sleep 0.15
	done
	: >"$stop"
	for pid; do
		wait "$pid" || fail "one of them: $(tail -n 3 "$D/said")"
	done
}

# Descriptors are opened to the last moment: nobody gets another's.
# shellcheck disable=SC2034 # for the frame
t_readers_limit=120
t_readers() {
	local pids='' i

	begin_load
	mkdir "$L/many"
	"$VT" own-make "$L/many" 12000
	serve_rw
	for i in 1 2 3; do
		"$VT" own-read "$M/many" 12000 "$D/stop" "$i" >>"$D/said" 2>&1 &
		pids+=" $!"
	done
	# shellcheck disable=SC2086 # several
	kill_keepers "$D/stop" $pids
	umnt
	"$VT" gone "$M" $((10 * VEFS_SLOW))
}

# shellcheck disable=SC2034 # for the frame
t_writers_limit=120
t_writers() {
	local pids='' i

	begin_load
	serve_rw "passthrough=off"
	for i in 1 2 3; do
		mkdir "$M/$i"
		"$VT" own-write "$M/$i" "$D/stop" "$i" >>"$D/said" 2>&1 &
		pids+=" $!"
	done
	# shellcheck disable=SC2086 # several
	kill_keepers "$D/stop" $pids
	umnt
	"$VT" gone "$M" $((10 * VEFS_SLOW))
	for i in 1 2 3; do
		# shellcheck disable=SC2046 # names
		assert_ok "$VT" own-check "$U/$i" $(ls "$U/$i")
	done
}

# ---- no descriptor left ----------------------------------------------------

limit_files() {
	prlimit --pid "$1" --nofile="$2"
}

# Open files take all descriptors that there may be: whoever comes next has
# some left.
t_full_table() {
	local holder

	begin
	mkdir "$L/many"
	"$VT" own-make "$L/many" 250
	serve_rw
	limit_files "$KEEPER" 200:200
	kill_worker KILL
	"$VT" own-hold "$M/many" 250 "$D/stop" >"$D/said" 2>&1 &
	holder=$!
	until_ok 20 grep -q held "$D/said" || fail "it says: $(cat "$D/said")"
	assert_le "$(sed -n 's/^held //p' "$D/said")" 199 "files"
	kill_worker KILL
	kill_worker KILL
	kill_keeper
	limit_files "$KEEPER" 200:200
	kill_worker KILL
	assert_ok "$VEFS_BIN/vefsd" --upgrade "$M"
	next_worker 0
	limit_files "$KEEPER" 200:200
	kill_worker KILL
	: >"$D/stop"
	wait "$holder" || fail "it says: $(cat "$D/said")"
	until_ok 20 cmp -s "$M/many/249" "$L/many/249" || fail "it stays full"
	umnt
	"$VT" gone "$M" $((10 * VEFS_SLOW))
}

# Of processor time, in hundredths of a second.
ticks_of() {
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

# sleeps_while_full PROCESS SOCKET: it has no descriptor for who asks there.
sleeps_while_full() {
	local before asking

	limit_files "$1" 20:
	"$VT" connect "$2" &
	asking=$!
	sleep 0.2
	before=$(ticks_of "$1")
	sleep 1
	assert_le $(($(ticks_of "$1") - before)) 30 "hundredths of a second"
	limit_files "$1" 1024:
	wait "$asking" || fail "nobody answered"
}

t_no_descriptor_for_who_asks() {
	begin
	# shellcheck disable=SC2034 # lib_quota.sh's
	VEFS_QUOTA=1
	serve_rw
	sleeps_while_full "$KEEPER" \
		"$(find "$VEFS_ROOT/run" -type s ! -name "*-quota")"
	sleeps_while_full "$WORKER" \
		"$(find "$VEFS_ROOT/run" -type s -name "*-quota")"
	kill_worker KILL
	assert_ok "$VEFS_BIN/vefsd" --upgrade "$M"
	umnt
	"$VT" gone "$M" $((10 * VEFS_SLOW))
}

run_all
