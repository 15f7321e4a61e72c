#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 900
# survive - the mount outlives its worker: what was open stays open, what was
# under way gets done, once, and nothing is left behind.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib_survive.sh
. "$(dirname "$0")/lib_survive.sh"

# ---- what lives on ---------------------------------------------------------

# Programs that were begun before the worker died, with files in every state.
a_guest_with_files() {
	local options=$1 sig=$2 want program fifo=$D/fifo

	begin
	put "$L/d/lower" "lower text"
	put "$L/lock" x
	fill_random "$L/big" 3000000
	cp "$BASH" "$L/shell"
	want=$(sha256sum <"$L/big")
	seal
	mkfifo "$fifo"
	serve_rw "$options"

	cd "$M/d"
	put "$M/gone" "unlinked "
	exec 5<"$M/big" 6<>"$M/d/lower" 7<>"$M/gone" 8<"$M/lock"
	head -c 1000000 <&5 >"$D/got"
	printf 'UPPER' >&6
	rm "$M/gone"
	flock -n 8
	# A program from the mount that has to read more of itself later.
	# shellcheck disable=SC2016 # its own variable
	"$M/shell" -c 'read -r word <"$1"; echo "$word ${word//o/0}"' x \
		"$fifo" >"$D/said" &
	program=$!

	kill_worker "$sig"
	if flock -n "$M/lock" true; then
		fail "the lock is lost"
	fi
	drop_caches
	kill_worker "$sig"

	cat <&5 >>"$D/got"
	assert_eq "$want" "$(sha256sum <"$D/got")" "a file read over it"
	printf ' more' >&6
	assert_text "$M/d/lower" "UPPER more"
	assert_eq 0 "$(stat -L -c %h /proc/self/fd/7)" "links of an unlinked file"
	printf 'text' >&7
	assert_text /proc/self/fd/7 "textnked "
	assert_eq "$M/d" "$(pwd -P)"
	put new "by a relative path"
	assert_names . "lower new"
	assert_text "$U/d/new" "by a relative path"
	echo foo >"$fifo"
	wait "$program"
	assert_eq "foo f00" "$(cat "$D/said")" "what a running program said"
	if flock -n "$M/lock" true; then
		fail "the lock is lost"
	fi
	exec 5<&- 6<&- 7<&- 8<&-
	flock -n "$M/lock" true
	cd "$D"
	assert_log "was killed by SIG$sig: starting another"
	unmounts_well
	assert_sealed
	assert_eq "" "$(find "$W/work" -mindepth 1)" "left in work"
}

t_killed() {
	a_guest_with_files "passthrough=on" KILL
}

t_segv() {
	a_guest_with_files "passthrough=on" SEGV
}

t_abrt() {
	a_guest_with_files "passthrough=on" ABRT
}

t_killed_cached() {
	a_guest_with_files "passthrough=off" KILL
}

t_segv_cached() {
	a_guest_with_files "passthrough=off" SEGV
}

t_abrt_cached() {
	a_guest_with_files "passthrough=off" ABRT
}

t_fsync_strict() {
	a_guest_with_files "fsync=strict" KILL
}

t_volatile() {
	a_guest_with_files "volatile" KILL
}

t_one_thread() {
	a_guest_with_files "threads=1" KILL
}

# shellcheck disable=SC2034 # for the frame
t_dd_limit=120
t_dd() {
	local want

	begin
	fill_random "$D/source" 67108864
	want=$(sha256sum <"$D/source")
	serve_rw "passthrough=off"
	in_pieces <"$D/source" | dd of="$M/copy" bs=16k iflag=fullblock \
		oflag=direct conv=fsync 2>"$D/dd" &
	kill_while "$!"
	assert_eq "$want" "$(sha256sum <"$M/copy")" "written over kills"
	assert_same_content "$D/source" "$U/copy"
	# And the other way: read while it is killed, past the page cache.
	(dd if="$M/copy" bs=16k iflag=direct 2>"$D/dd" | in_pieces >"$D/back") &
	kill_while "$!"
	assert_same_content "$D/source" "$D/back"
	unmounts_well
}

# A pipe that is not too fast: 64 MB with time for some kills.
in_pieces() {
	local i

	for ((i = 0; i < 64; i++)); do
		dd bs=64k count=16 iflag=fullblock status=none
		sleep 0.02
	done
}

# shellcheck disable=SC2034 # for the frame
t_mmap_limit=120
t_mmap() {
	begin
	serve_rw "passthrough=off"
	(
		for i in $(seq 30); do
			head -c 300000 /dev/zero >"$M/a$i"
			"$VT" mmap-shared "$M/a$i"
			head -c 300000 /dev/zero >"$M/b$i"
			"$VT" mmap-private "$M/b$i"
			head -c 300000 /dev/zero >"$M/c$i"
			"$VT" mmap-two "$M/c$i"
			sleep 0.02
		done
	) &
	kill_while "$!"
	unmounts_well
}

# A copy-up and a walk over names, each begun anew until enough died on it.
# shellcheck disable=SC2034 # for the frame
t_copy_up_limit=120
t_copy_up() {
	local i pid

	begin
	for i in $(seq 40); do
		fill_random "$L/f$i" 2000000
	done
	sha256sum "$L"/f* | sed "s|$L/||" >"$D/want"
	serve_rw
	(for i in $(seq 40); do printf 'X' >>"$M/f$i"; done) &
	kill_while "$!"
	for i in $(seq 40); do
		truncate -s -1 "$M/f$i"
	done
	(cd "$M" && sha256sum f*) >"$D/got"
	diff "$D/want" "$D/got"
	unmounts_well
	assert_eq "" "$(find "$W/work" -mindepth 1)" "left in work"
}

# Data that follows its metadata takes the capabilities away for a while.
# shellcheck disable=SC2034 # for the frame
t_capabilities_limit=120
t_capabilities() {
	local i pid

	need setcap
	begin
	for i in $(seq 40); do
		fill_random "$L/f$i" 2000000
		setcap cap_net_raw=ep "$L/f$i"
	done
	serve_rw
	chmod 700 "$M"/f*
	(for i in $(seq 40); do : 5>>"$M/f$i"; done) &
	kill_while "$!"
	for i in $(seq 40); do
		: 5>>"$M/f$i"
		cmp "$L/f$i" "$M/f$i"
		getcap -n "$M/f$i" | grep -q cap_net_raw=ep ||
			fail "f$i has lost its capability"
	done
	unmounts_well
	assert_eq 40 "$(getcap -n "$U"/f* | grep -c cap_net_raw=ep)"
}

# shellcheck disable=SC2034 # for the frame
t_names_limit=120
t_names() {
	local pid

	begin
	"$VT" walk "$L" 71 300 >/dev/null
	find "$L" -not -type d -links +1 -exec cp -a {} {}.own \; \
		-exec mv {}.own {} \;
	seal
	serve_rw
	cp -a "$M" "$D/plain"
	some_walks "$M" >"$D/ours" &
	kill_while "$!"
	some_walks "$D/plain" >"$D/theirs"
	diff "$D/theirs" "$D/ours" | head -n 6 >"$D/diff"
	assert_eq "" "$(cat "$D/diff")" "the same walk on a plain filesystem"
	diff <(cd "$M" && find . -printf '%p %y %m %n %l\n' | sort) \
		<(cd "$D/plain" && find . -printf '%p %y %m %n %l\n' | sort) \
		>"$D/diff" || head -n 6 "$D/diff"
	# A directory's count of links is 1 here, or what its filesystem has.
	assert_eq "" "$(grep -v '^[0-9]\|^---\|^[<>] [^ ]* d ' "$D/diff")" \
		"the trees"
	unmounts_well
	assert_sealed
}

t_read_only() {
	begin
	put "$L/d/f" "lower text"
	put "$D/l2/d/g" "below"
	use_lowers 2
	seal
	serve "lowerdir=$LOWERS"
	exec 5<"$M/d/f"
	cd "$M/d"
	kill_worker KILL
	kill_worker SEGV
	assert_eq "lower text" "$(cat <&5)"
	exec 5<&-
	assert_names . "f g"
	assert_text g below
	assert_errno EROFS touch "$M/d/f"
	cd "$D"
	unmounts_well
	assert_sealed
}

# Everything of a case, in a user namespace of its own.
in_userns() {
	set -eE
	trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR
	serve_rw "$1"
	exec 5<>"$M/f"
	printf 'UPPER' >&5
	put "$M/gone" "unlinked"
	exec 6<"$M/gone"
	rm "$M/gone"
	kill_worker KILL
	kill_worker SEGV
	kill_keeper
	kill_worker KILL
	printf ' more' >&5
	[ "$(cat "$M/f")" = "UPPER more" ]
	[ "$(cat <&6)" = "unlinked" ]
	exec 5<&- 6<&-
	mkdir "$M/d"
	[ "$(ls "$M")" = "d"$'\n'"f" ]
	"$VEFS_BIN/vefsd" --upgrade "$M"
	[ "$(cat "$M/f")" = "UPPER more" ]
	umnt
}

t_user_namespace() {
	begin
	unshare -Urm true || skip "no user namespaces here"
	put "$L/f" "lower text"
	declare -f >"$D/functions"
	declare -p VEFS_QUOTA QUOTA_ASK D L U W M LOWERS LOWER_AT VEFS_BIN VEFS_LOWER VEFS_SLOW \
		VEFS_OPTS VEFS_ROOT VT LIB_SELF >"$D/variables"
	timeout $((50 * VEFS_SLOW)) unshare -Urm bash -c "
		. '$D/variables'; . '$D/functions'; set -u; in_userns ''" ||
		fail "in it: $(tail -n 3 "$D/vefs.log")"
	"$VT" gone "$M" $((10 * VEFS_SLOW))
	assert_text "$U/f" "UPPER more"
}

# In the background, as mount(8) starts it.
t_detached() {
	local pid

	begin
	put "$L/f" "lower text"
	mnt
	for pid in $(daemon_pids); do
		WORKER=$(child_of "$pid")
		if [ -n "$WORKER" ]; then
			KEEPER=$pid
			break
		fi
	done
	assert_ne "" "$KEEPER" "the keeper"
	: >"$D/vefs.log"
	exec 5<>"$M/f"
	kill_worker KILL
	kill_keeper
	kill_worker SEGV
	printf 'UPPER' >&5
	exec 5>&-
	assert_text "$M/f" "UPPER text"
	umnt
	"$VT" gone "$M" $((10 * VEFS_SLOW))
}

# ---- nothing piles up ------------------------------------------------------

# Some of everything, and the same afterwards.
a_bit_of_work() {
	local i

	put "$M/n/a" "text"
	ln "$M/n/a" "$M/n/b"
	mv "$M/n/a" "$M/n/c"
	rm -r "$M/n"
	cat "$M/d/lower" >/dev/null
	ls -lR "$M" >/dev/null
	for i in 1 2 3; do
		exec 9<"$M/d/lower$i"
		exec 9<&-
	done
}

t_statistics() {
	begin
	put "$L/f" x
	serve_rw
	assert_eq 0 "$(stats restarts)" restarts
	assert_eq 1 "$(stats inodes)" inodes
	exec 5<"$M/f"
	assert_eq 1 "$(stats handles)" handles
	kill_worker KILL
	kill_worker SEGV
	assert_eq 2 "$(stats restarts)" restarts
	assert_eq 1 "$(stats handles)" "handles after two kills"
	assert_le 1 "$(stats answered)" answered
	assert_le 1 "$(stats stall_max_us)" stall_max_us
	exec 5<&-
	unmounts_well
}

# shellcheck disable=SC2034 # for the frame
t_thirty_kills_limit=120
t_thirty_kills() {
	local i

	begin
	for i in '' 1 2 3; do
		put "$L/d/lower$i" "lower text $i"
	done
	serve_rw
	exec 5<>"$M/d/lower" 6<>"$M/kept"
	rm "$M/kept"
	for i in $(seq 5); do
		a_bit_of_work
		kill_worker KILL
	done
	a_bit_of_work
	open_descriptors >"$D/fds"
	for i in $(seq 30); do
		a_bit_of_work
		kill_worker "$([ $((i % 2)) = 0 ] && echo KILL || echo SEGV)"
	done
	a_bit_of_work
	no_more_descriptors "$D/fds" "30 more kills"
	assert_eq 2 "$(stats handles)" handles
	assert_eq 35 "$(stats restarts)" restarts
	exec 5<&- 6<&-
	# What the kernel forgot while nobody listened is found out in time.
	drop_caches
	# With a quota those that were changed lately stay known for a while.
	[ "$VEFS_QUOTA" = 1 ] || until_ok 20 only_the_root ||
		fail "$(stats inodes) inodes stay"
	assert_eq 0 "$(stats handles)" handles
	assert_eq 0 "$(stats slots)" slots
	unmounts_well
}

only_the_root() {
	echo 3 >/proc/sys/vm/drop_caches
	[ "$(stats inodes)" = 1 ]
}

t_oom() {
	local own

	begin
	own=$(cat /proc/self/oom_score_adj)
	(echo -1000 >/proc/self/oom_score_adj) 2>/dev/null ||
		skip "oom_score_adj cannot be lowered here"
	serve_rw
	assert_eq -1000 "$(cat "/proc/$KEEPER/oom_score_adj")" keeper
	assert_eq "$own" "$(cat "/proc/$WORKER/oom_score_adj")" worker
	kill_worker KILL
	assert_eq "$own" "$(cat "/proc/$WORKER/oom_score_adj")" "next worker"
	kill_keeper
	assert_eq -1000 "$(cat "/proc/$KEEPER/oom_score_adj")" "next keeper"
	assert_eq "$own" "$(cat "/proc/$WORKER/oom_score_adj")" "its worker"
	"$VEFS_BIN/vefsd" --upgrade "$M"
	next_worker 0
	assert_eq -1000 "$(cat "/proc/$KEEPER/oom_score_adj")" "after upgrade"
	assert_eq "$own" "$(cat "/proc/$WORKER/oom_score_adj")" "its worker"
	umnt
}

# What a new worker lacks may be there again a little later.
t_short_of_memory() {
	local old

	begin
	not_sanitized
	put "$L/f" "lower text"
	serve_rw
	old=$WORKER
	prlimit --pid "$KEEPER" --as=1048576:
	kill -KILL "$old"
	assert_log "lacks memory"
	sleep 1
	[ -d "/proc/$KEEPER" ] || fail "given up: $(cat "$D/vefs.log")"
	prlimit --pid "$KEEPER" --as=unlimited:
	next_worker "$old"
	assert_text "$M/f" "lower text"
	unmounts_well
}

# What watches over memory takes much of it.
not_sanitized() {
	! ldd "$VEFS_BIN/mount.vefs" | grep -qE 'lib[at]san' ||
		skip "not with a sanitizer"
}

run_all
