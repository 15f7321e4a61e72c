#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 900
# keeper - what the keeper of a mount decides: when a request is at fault, when
# to give up, when to end; what is when it dies, and another program in its
# place.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib_survive.sh
. "$(dirname "$0")/lib_survive.sh"

# ---- when it cannot go on --------------------------------------------------

# Below the mount stands another one whose processes stop: what asks it hangs.
BELOW=''
serve_on_a_mount() {
	mkdir -p "$D/b"
	put "$D/l2/poison" "no poison"
	put "$D/l2/d/f" "text"
	"$VEFS_BIN/mount.vefs" -f -o "lowerdir=$D/l2" "$D/b" 2>"$D/below.log" &
	BELOW=$!
	until_ok 30 is_live "$D/b" || fail "no mount: $(cat "$D/below.log")"
	LOWERS=$D/b
	serve_rw "$1"
	mkdir "$M/own"
	# Looked up again, when memory is short, it would ask the lower.
	exec 9<"$M/own"
	freeze "$BELOW" "$(child_of "$BELOW")"
}

# Is a request of ours waiting for the mount below?
is_hanging() {
	grep -q '^[0-9]* *fuse\|request_wait\|fuse_simple\|fuse_send' \
		"/proc/$WORKER"/task/*/stack 2>/dev/null
}

# hangs READER: until a request of its waits below; else tell who does what.
hangs() {
	until_ok 10 is_hanging && return
	tell_tasks "$1"
	tell_tasks "$WORKER"
	return 1
}

# A thread that waits does not take a fault; the second signal finds another.
fault() {
	kill -SEGV "$1"
	sleep 0.05
	[ ! -d "/proc/$1/fd" ] || kill -ABRT "$1" || [ ! -d "/proc/$1/fd" ]
}

t_poison() {
	local reader old tries

	needs_dir_lower "nothing below it can hang"
	begin
	serve_on_a_mount "crash_limit=1000"
	cat "$M/poison" >"$D/got" 2>&1 &
	reader=$!
	for ((tries = 0; tries < 15; tries++)); do
		# Seen or not, it is under way: faults must tell.
		hangs "$reader" || echo "fault $tries without a sight of it"
		[ -d "/proc/$reader/fd" ] || break
		old=$WORKER
		fault "$old"
		next_worker "$old"
		[ -d "/proc/$reader/fd" ] || break
	done
	[ ! -d "/proc/$reader/fd" ] || fail "it hangs after $tries faults"
	if wait "$reader"; then
		fail "the request was answered: $(cat "$D/got")"
	fi
	tail -n 20 "$D/vefs.log"
	assert_le 3 "$(grep -c 'was killed by SIG' "$D/vefs.log")" "deaths"
	grep -q "Input/output error" "$D/got" || fail "told: $(cat "$D/got")"
	assert_log \
		'LOOKUP of inode 1 has killed this process 3 times: refused with EIO'
	printf "upper works" >"$M/own/new"
	assert_text "$M/own/new" "upper works"
	thaw
	assert_text "$M/poison" "no poison"
	assert_text "$M/d/f" text
	kill_worker KILL
	assert_text "$M/poison" "no poison"
	exec 9<&-
	unmounts_well
	umnt_at "$D/b"
	wait "$BELOW"
}

# A kill is nobody's fault: the same request is done again and again.
t_killed_without_fault() {
	local reader i

	needs_dir_lower "nothing below it can hang"
	begin
	serve_on_a_mount "crash_limit=1000"
	cat "$M/poison" >"$D/got" 2>&1 &
	reader=$!
	for i in 1 2 3 4 5 6; do
		hangs "$reader" || fail "round $i: it does not ask again"
		kill_worker KILL
	done
	hangs "$reader" || fail "it does not ask again"
	[ -d "/proc/$reader/fd" ] || fail "told: $(cat "$D/got")"
	thaw
	wait "$reader"
	assert_eq "no poison" "$(cat "$D/got")"
	exec 9<&-
	unmounts_well
	umnt_at "$D/b"
	wait "$BELOW"
}

# A keeper that ends may have a child for a moment that is no worker.
asks_again_or_is_over() {
	log_says "giving up" || { has_worker_but "$1" && is_hanging; }
}

t_gives_up() {
	local reader i old

	needs_dir_lower "nothing below it can hang"
	begin
	serve_on_a_mount "crash_limit=3"
	exec 9<&-
	cat "$M/poison" >"$D/got" 2>&1 &
	reader=$!
	hangs "$reader" || fail "the reader does not wait"
	for ((i = 0; i < 20; i++)); do
		old=$WORKER
		kill -KILL "$old"
		until_ok 10 asks_again_or_is_over "$old" ||
			fail "round $i: it does not ask again"
		if log_says "giving up"; then
			break
		fi
	done
	assert_le 3 "$i" "workers that were replaced"
	assert_le "$i" 5 "workers that were replaced"
	keeper_ends
	assert_eq 32 "$(cat "$D/status")" "exit status"
	assert_log "the worker of $M was killed by SIGKILL, 4 times without an \
answer: giving up, unmounting"
	if mountpoint -q "$M"; then
		fail "the mount is still there"
	fi
	until_ok 10 test ! -d "/proc/$reader/fd" || fail "the reader hangs"
	if wait "$reader"; then
		fail "the reader was answered: $(cat "$D/got")"
	fi
	thaw
	"$VT" gone "$M" $((10 * VEFS_SLOW))
	# Nothing stands in the way of the next mount.
	: >"$D/vefs.log"
	serve_rw
	assert_text "$M/poison" "no poison"
	unmounts_well
	umnt_at "$D/b"
	wait "$BELOW"
}

# ---- the keeper ------------------------------------------------------------

t_keeper_killed() {
	local i inode

	begin
	put "$L/f" "lower text"
	serve_rw
	exec 5<>"$M/f"
	exec 6<"$M/f"
	flock -n 6
	inode=$(stat -c %i "$M/f")
	for i in 1 2 3; do
		kill_keeper
		assert_log "the keeper of $M is gone: taking its place"
		kill_worker KILL
		kill_worker SEGV
		printf '%s' "$i" >&5
		assert_text "$M/f" "$(seq -s '' "$i")$(tail -c +$((i + 1)) "$L/f")"
		assert_eq "$inode" "$(stat -c %i "$M/f")" "inode number"
	done
	if flock -n "$M/f" true; then
		fail "the lock is lost"
	fi
	exec 5<&- 6<&-
	umnt
	"$VT" gone "$M" $((10 * VEFS_SLOW))
}

t_sigterm() {
	local sig

	begin
	put "$L/f" x
	for sig in TERM INT HUP; do
		serve_rw
		put "$M/$sig" "$sig"
		kill_worker KILL
		kill "-$sig" "$KEEPER"
		keeper_ends
		assert_eq 0 "$(cat "$D/status")" "exit status after SIG$sig"
		if mountpoint -q "$M"; then
			fail "mounted after SIG$sig"
		fi
		"$VT" gone "$M" $((10 * VEFS_SLOW))
		assert_text "$U/$sig" "$sig"
	done
	assert_eq "" "$(find "$VEFS_ROOT/run" -type s)" "sockets that stay"
}

t_sigterm_busy() {
	begin
	put "$L/f" "lower text"
	serve_rw
	exec 5<>"$M/f"
	kill -TERM "$KEEPER"
	until_ok 10 test ! -e "$M/f" || fail "still mounted"
	kill -KILL "$WORKER"
	printf 'UPPER' >&5
	assert_text /proc/self/fd/5 "UPPER text"
	exec 5>&-
	keeper_ends
	assert_eq 0 "$(cat "$D/status")" "exit status"
	assert_text "$U/f" "UPPER text"
}

t_sigterm_to_the_worker() {
	local sig

	begin
	put "$L/f" x
	serve_rw
	for sig in TERM INT HUP PIPE USR2 ALRM; do
		kill "-$sig" "$WORKER"
		answers
		put "$M/f" "$sig"
		assert_text "$M/f" "$sig"
	done
	assert_eq "$WORKER" "$(child_of "$KEEPER")" "the worker"
	kill_worker KILL
	assert_text "$M/f" ALRM
	unmounts_well
}

# ---- another program -------------------------------------------------------

t_upgrade() {
	local i keeper

	begin
	put "$L/f" "lower text"
	mkdir "$D/bin"
	cp "$VEFS_BIN/vefsd" "$D/bin/vefsd"
	serve_rw
	keeper=$KEEPER
	exec 5<>"$M/f" 6<"$M/f"
	flock -n 6
	put "$M/gone" "unlinked"
	exec 7<"$M/gone"
	rm "$M/gone"
	for i in 1 2 3; do
		assert_ok "$VEFS_BIN/vefsd" --upgrade "$M"
		assert_eq "$(realpath "$VEFS_BIN/vefsd")" \
			"$(readlink "/proc/$keeper/exe")" "program of the keeper"
		assert_ok "$D/bin/vefsd" --upgrade "$M"
		assert_eq "$D/bin/vefsd" "$(readlink "/proc/$keeper/exe")" \
			"program of the keeper"
		next_worker 0
		assert_eq "$D/bin/vefsd" "$(readlink "/proc/$WORKER/exe")" \
			"program of the worker"
	done
	kill_worker KILL
	printf 'UPPER' >&5
	assert_text "$M/f" "UPPER text"
	assert_eq "unlinked" "$(cat <&7)"
	if flock -n "$M/f" true; then
		fail "the lock is lost"
	fi
	kill_keeper
	assert_ok "$VEFS_BIN/vefsd" --upgrade "$M"
	assert_text "$M/f" "UPPER text"
	exec 5<&- 6<&- 7<&-
	umnt
	"$VT" gone "$M" $((10 * VEFS_SLOW))
}

# Programs that use the mount meanwhile, and descriptors that stay as many.
# shellcheck disable=SC2034 # for the frame
t_upgrade_under_load_limit=120
t_upgrade_under_load() {
	local i

	begin
	"$VT" walk "$L" 81 300 >/dev/null
	find "$L" -not -type d -links +1 -exec cp -a {} {}.own \; \
		-exec mv {}.own {} \;
	serve_rw
	cp -a "$M" "$D/plain"
	assert_ok "$VEFS_BIN/vefsd" --upgrade "$M"
	open_descriptors >"$D/fds"
	some_walks "$M" >"$D/ours" &
	for i in $(seq 15); do
		assert_ok "$VEFS_BIN/vefsd" --upgrade "$M"
	done
	wait "$!"
	some_walks "$D/plain" >"$D/theirs"
	assert_same_content "$D/theirs" "$D/ours"
	drop_caches
	assert_ok "$VEFS_BIN/vefsd" --upgrade "$M"
	no_more_descriptors "$D/fds" "15 upgrades"
	next_worker 0
	unmounts_well
}

# refused MESSAGE: what stands at $D/bin/vefsd in the keeper's eyes is not
# taken. Who asks sees the real program there.
refused() {
	local out keeper_exe

	keeper_exe=$(readlink "/proc/$KEEPER/exe")
	# shellcheck disable=SC2016 # the other shell's
	if out=$(lib_bounded unshare -m --propagation private bash -c \
		'mount --bind "$1" "$2/bin" && exec "$2/bin/vefsd" --upgrade "$3"' \
		x "$D/real" "$D" "$M" 2>&1); then
		fail "it was taken; $1 was expected"
	fi
	[[ $out == *"$1"* ]] || fail "expected '$1', got: $out"
	assert_log "upgrade of $M: .*$1"
	assert_eq "$keeper_exe" "$(readlink "/proc/$KEEPER/exe")"
	assert_eq "$WORKER" "$(child_of "$KEEPER")" "the worker"
	assert_text "$M/f" "lower text"
}

script_at_bin() {
	put "$D/bin/vefsd" "#!/bin/sh"$'\n'"$1"$'\n'
	chmod 755 "$D/bin/vefsd"
}

t_upgrade_refused() {
	begin
	put "$L/f" "lower text"
	mkdir "$D/bin" "$D/real"
	cp "$VEFS_BIN/vefsd" "$D/real/vefsd"
	serve_rw
	exec 5<"$M/f"
	refused "$D/bin/vefsd: No such file or directory"
	script_at_bin "exec $D/real/vefsd --layout-is \$((\$2 + 1))"
	refused "has another layout of its tables"
	script_at_bin "exec $D/real/vefsd --layout-is none"
	refused "unmount and mount again"
	script_at_bin "echo hello"
	refused "is not this program"
	script_at_bin "exit 1"
	refused "is not this program"
	script_at_bin "exit 0"
	refused "is not this program"
	chmod 644 "$D/bin/vefsd"
	refused "Permission denied"
	rm "$D/bin/vefsd"
	mkdir "$D/bin/vefsd"
	refused "Permission denied"
	rmdir "$D/bin/vefsd"
	put "$D/bin/vefsd" "no program"
	chmod 755 "$D/bin/vefsd"
	refused "is not this program"
	assert_eq "lower text" "$(cat <&5)"
	exec 5<&-
	# After all that it can still be had.
	kill_worker KILL
	assert_ok "$D/real/vefsd" --upgrade "$M"
	assert_text "$M/f" "lower text"
	umnt
}

t_upgrade_of_nothing() {
	local out

	begin
	if out=$("$VEFS_BIN/vefsd" --upgrade "$D" 2>&1); then
		fail "a folder that is no mount was upgraded"
	fi
	[[ $out == *"'$D': no vefs mount"* ]] || fail "it says: $out"
	if out=$("$VEFS_BIN/vefsd" --upgrade "$D/nowhere" 2>&1); then
		fail "what does not exist was upgraded"
	fi
	[[ $out == *"'$D/nowhere': No such file or directory"* ]] ||
		fail "it says: $out"
	# Another run folder: nobody listens there.
	serve_rw
	if out=$(VEFS_ROOT=$D/empty "$VEFS_BIN/vefsd" --upgrade "$M" 2>&1); then
		fail "a keeper listens where it should not"
	fi
	[[ $out == *"VEFS_ROOT"* ]] || fail "it says: $out"
	unmounts_well
}

# A client that says nothing, or nonsense, is no hindrance.
t_control() {
	local path

	begin
	put "$L/f" "lower text"
	serve_rw
	path=$(find "$VEFS_ROOT/run" -type s ! -name "*-quota")
	assert_stat %a 600 "$path"
	assert_ok "$VT" connect "$path"
	assert_ok "$VT" connect "$path"
	assert_ok "$VEFS_BIN/vefsd" --upgrade "$M"
	assert_text "$M/f" "lower text"
	unmounts_well
	assert_absent "$path"
}

run_all
