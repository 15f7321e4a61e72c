#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# options - the command lines that podman, containerd and test suites use, and
# how the program behaves as a program.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# The program under test, as others call it.
prog() {
	case $VEFS_FS in
	vefs) timeout $((20 * VEFS_SLOW)) "$VEFS_BIN/mount.vefs" "$@" ;;
	fuse-overlayfs) timeout $((20 * VEFS_SLOW)) fuse-overlayfs "$@" ;;
	*) skip "overlay: there is no program" ;;
	esac
}

mounted() {
	mountpoint -q "$M" || fail "not mounted"
}

# The fields of our line in /proc/mounts: source, type, options.
mount_line() {
	awk -v m="$M" '$2 == m { print $1, $3, $4 }' /proc/mounts | tail -1
}

t_version() {
	prog --version >"$D/out" </dev/null
	grep -qiE '[0-9]+\.[0-9]+' "$D/out"
	if [ "$VEFS_FS" = vefs ]; then
		prog -V >"$D/out"
		grep -qi vefs "$D/out"
	fi
}

t_help() {
	differs fuse-overlayfs "does not name its own options"
	prog --help >"$D/out" 2>&1
	grep -q lowerdir "$D/out"
	grep -q workdir "$D/out"
}

t_wrong_usage() {
	local rc

	for args in "" "-o lowerdir=$L" "$M" "-o upperdir=$U,workdir=$W $M"; do
		rc=0
		# shellcheck disable=SC2086 # words on purpose
		prog $args >"$D/out" 2>&1 || rc=$?
		assert_ne 0 "$rc" "status of: $args"
		assert_le "$rc" 123 "status of: $args"
		[ -s "$D/out" ] || fail "no message for: $args"
	done
	if mountpoint -q "$M"; then
		fail "mounted without lowerdir"
	fi
}

t_podman_read_write() {
	mkdir -p "$D/overlay/l" "$D/overlay/one/diff" "$D/overlay/two/diff"
	ln -s ../one/diff "$D/overlay/l/ABCONE"
	ln -s ../two/diff "$D/overlay/l/ABCTWO"
	put "$D/overlay/one/diff/f" one
	put "$D/overlay/two/diff/f" two
	put "$D/overlay/two/diff/g" two
	prog -o "lowerdir=$D/overlay/l/ABCONE:$D/overlay/l/ABCTWO,upperdir=$U,workdir=$W,,volatile" \
		"$M" </dev/null
	mounted
	assert_text "$M/f" one
	assert_text "$M/g" two
	put "$M/new" x
	assert_text "$U/new" x
}

t_podman_relative_lowers() {
	mkdir -p "$D/overlay/l" "$D/overlay/one/diff"
	ln -s ../one/diff "$D/overlay/l/ABCONE"
	put "$D/overlay/one/diff/f" one
	cd "$D/overlay"
	prog -o "lowerdir=l/ABCONE,upperdir=$U,workdir=$W,,volatile" "$M"
	cd "$D"
	mounted
	assert_text "$M/f" one
	printf x >>"$M/f"
	assert_text "$U/f" onex
}

t_podman_read_only() {
	put "$L/f" text
	prog -o "lowerdir=$L:$D/empty" "$M" </dev/null
	mounted
	assert_text "$M/f" text
	assert_errno EROFS "$VT" write "$M/f" 0 x
}

t_podman_id_mappings() {
	put "$L/f" x
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W,,volatile,uidmapping=:0:100000:65536,gidmapping=:0:100000:65536" \
		"$M"
	mounted
	assert_stat '%u %g' "100000 100000" "$M/f"
}

t_podman_words() {
	prog -o "private,lowerdir=$L,upperdir=$U,workdir=$W,context=\"system_u:object_r:container_file_t:s0:c1,c2\",volatile,redirect_dir=off" \
		"$M" 2>"$D/message"
	mounted
	put "$M/f" x
	assert_text "$M/f" x
}

t_containerd() {
	prog overlay "$M" -o "workdir=$W" -o "upperdir=$U" -o "lowerdir=$L"
	mounted
	put "$M/f" x
	assert_text "$U/f" x
	if [ "$VEFS_FS" = vefs ]; then
		assert_eq overlay "$(mount_line | cut -d' ' -f1)" "source"
	fi
}

# As mount(8) calls a helper for `mount -n -t fuse.vefs`.
t_mount_helper() {
	differs fuse-overlayfs "-t is not for it"
	prog overlay "$M" -n -v -o "rw,workdir=$W,upperdir=$U,lowerdir=$L" \
		-t fuse.vefs 2>"$D/message"
	mounted
	put "$M/f" x
	assert_text "$U/f" x
	assert_eq "overlay fuse.vefs" "$(mount_line | cut -d' ' -f1,2)"
}

# Its -f is --fake, and fuse's is to stay in front: they are told apart by the
# name that only mount(8) calls.
t_mount_helper_fake() {
	differs fuse-overlayfs "its helper is mount.fuse3"
	ln -s "$VEFS_BIN/vefsd" "$D/mount.fuse.vefs"
	timeout $((20 * VEFS_SLOW)) "$D/mount.fuse.vefs" overlay "$M" -f \
		-o "rw,workdir=$W,upperdir=$U,lowerdir=$L"
	! mountpoint -q "$M" || fail "it is mounted"
	! timeout $((20 * VEFS_SLOW)) "$D/mount.fuse.vefs" overlay "$M" -f \
		-o "upperdir=$U" 2>"$D/message" || fail "it is wrong"
	"$D/mount.fuse.vefs" overlay "$M" -o "lowerdir=$L"
	mounted
}

t_upgrade_of_nothing() {
	differs fuse-overlayfs "no such flag"
	! "$VEFS_BIN/vefsd" --upgrade 2>"$D/message" || fail "it worked"
	grep -q "the mount point" "$D/message"
}

t_options_before_and_after() {
	prog -o "lowerdir=$L" "$M" -o "upperdir=$U" -o "workdir=$W"
	mounted
	put "$M/f" x
	assert_text "$U/f" x
}

t_attached_o() {
	differs fuse-overlayfs "not asked of it"
	prog "-olowerdir=$L,upperdir=$U,workdir=$W" "$M"
	mounted
}

t_empty_options() {
	prog -o ",,lowerdir=$L,,,upperdir=$U,workdir=$W,," "$M"
	mounted
}

t_unknown_options_warn() {
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W,frobnicate,shine=7" "$M" \
		2>"$D/message"
	mounted
	grep -q frobnicate "$D/message"
	grep -q shine "$D/message"
}

t_silent_when_well() {
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W,volatile" "$M" \
		>"$D/message" 2>&1
	mounted
	if [ "$VEFS_FS" = vefs ]; then
		assert_text "$D/message" ""
	fi
}

t_colon_in_a_name() {
	differs fuse-overlayfs "1.10 does not unescape"
	put "$D/a:b/f" colon
	put "$D/c:d:e/g" colons
	prog -o "lowerdir=$D/a\\:b:$D/c\\:d\\:e,upperdir=$U,workdir=$W" "$M"
	mounted
	assert_text "$M/f" colon
	assert_text "$M/g" colons
}

t_backslash_and_comma_in_a_name() {
	only_vefs "its own escapes"
	put "$D/back\\slash/f" backslash
	put "$D/com,ma/g" comma
	prog -o "lowerdir=$D/back\\\\slash:$D/com\\,ma,upperdir=$U,workdir=$W" \
		"$M"
	mounted
	assert_text "$M/f" backslash
	assert_text "$M/g" comma
}

t_spaces_and_odd_names() {
	mkdir -p "$D/with space/up" "$D/with space/wo" "$D/with space/m p"
	put "$D/with space/low/f" text
	prog -o "lowerdir=$D/with space/low,upperdir=$D/with space/up,workdir=$D/with space/wo" \
		"$D/with space/m p"
	assert_text "$D/with space/m p/f" text
	put "$D/with space/m p/g" g
	assert_text "$D/with space/up/g" g
	umnt_at "$D/with space/m p"
}

t_slashes_and_dots() {
	put "$L/f" x
	cd "$D"
	prog -o "lowerdir=$D//l1/,upperdir=./$(basename "$D")/../../$(
		basename "$D")/upper,workdir=$W/." "$D/./m/" 2>"$D/message" ||
		prog -o "lowerdir=$D//l1/,upperdir=$U/,workdir=$W/." "$D/./m/"
	mounted
	assert_text "$M/f" x
	put "$M/new" x
}

t_hundred_lowers() {
	local i list=

	for i in $(seq 1 100); do
		put "$D/n/$i/own$i" "$i"
		put "$D/n/$i/same" "$i"
		list=$list:$D/n/$i
	done
	prog -o "lowerdir=${list#:},upperdir=$U,workdir=$W" "$M"
	mounted
	assert_text "$M/same" 1
	assert_text "$M/own100" 100
	assert_eq 101 "$(names "$M" | wc -w)"
	rm "$M/same"
	assert_absent "$M/same"
}

t_fsname_and_type() {
	differs fuse-overlayfs "says fuse-overlayfs"
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W,fsname=my-name" "$M"
	mounted
	assert_eq "my-name fuse.vefs" "$(mount_line | cut -d' ' -f1,2)"
}

t_mount_flags() {
	differs fuse-overlayfs "not asked of it"
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W" "$M"
	mount_line | grep -q ' rw,'
	if mount_line | grep -qE 'nosuid|nodev|noexec'; then
		fail "flags nobody asked for: $(mount_line)"
	fi
	umnt
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W,nosuid,nodev,noexec,ro" "$M"
	mount_line | grep -q ' ro,.*nosuid.*nodev.*noexec'
	umnt
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W,nosuid,suid,nodev,dev" "$M"
	if mount_line | grep -qE 'nosuid|nodev'; then
		fail "the last word does not win: $(mount_line)"
	fi
}

t_nosuid() {
	cp "$(type -P id)" "$L/id"
	chown 1234 "$L/id"
	chmod 4755 "$L/id"
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W,nosuid" "$M"
	assert_eq 1000 "$(as_user 1000 1000 "$M/id" -u)"
}

t_noacl() {
	differs fuse-overlayfs "as built"
	put "$L/f" x
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W,noacl" "$M"
	assert_errno EOPNOTSUPP setfacl -m u:5:r "$M/f"
	chmod 640 "$M/f"
	assert_stat %a 640 "$M/f"
}

t_timeout() {
	put "$L/f" x
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W,timeout=0.1" "$M"
	mounted
	assert_text "$M/f" x
	put "$M/f" y
	rm "$M/f"
	assert_absent "$M/f"
}

t_volatile_and_fsync() {
	local o

	for o in volatile fsync=0 threaded=1 static_nlink noxattrs=0 \
		allow_other max_idle_threads=4; do
		prog -o "lowerdir=$L,upperdir=$U,workdir=$W,$o" "$M" 2>"$D/message"
		put "$M/f" x
		"$VT" fsync "$M/f"
		assert_text "$M/f" x
		umnt
	done
}

t_bad_values() {
	local o rc

	only_vefs "its own messages"
	for o in timeout=abc uidmapping=1:2 uidmapping=a:b:c squash_to_uid=x \
		gidmapping=0:0:99999999999 lowerdir=; do
		rc=0
		prog -o "lowerdir=$L,upperdir=$U,workdir=$W,$o" "$M" \
			2>"$D/message" || rc=$?
		assert_ne 0 "$rc" "status of $o"
		grep -q "${o%%=*}" "$D/message" ||
			fail "the message does not name ${o%%=*}"
		if mountpoint -q "$M"; then
			fail "mounted with $o"
		fi
	done
}

# The caller reads our stderr to its end: it must come, and the mount be live.
t_daemonizes_when_live() {
	local text

	put "$L/f" x
	text=$(prog -o "lowerdir=$L,upperdir=$U,workdir=$W" "$M" 2>&1 </dev/null |
		cat)
	assert_eq "$text" "${text%error*}"
	mounted
	assert_text "$M/f" x
}

t_failure_ends_the_pipe() {
	local text

	text=$(prog -o "lowerdir=$D/none,upperdir=$U,workdir=$W" "$M" 2>&1 \
		</dev/null | cat)
	[ -n "$text" ] || fail "no message"
	if mountpoint -q "$M"; then
		fail "mounted"
	fi
}

t_daemon_holds_nothing_of_its_caller() {
	local pid fd

	only_vefs "its own promise"
	cd "$D/empty"
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W" "$M" 7<"$D/l5" 8>"$D/held"
	cd "$D"
	for pid in $(daemon_pids); do
		assert_eq / "$(readlink "/proc/$pid/cwd")" "its folder"
		for fd in /proc/"$pid"/fd/*; do
			case $(readlink "$fd") in
			"$D/held" | "$D/l5" | pipe:*"$D"*) fail "holds $(readlink "$fd")" ;;
			esac
		done
		assert_ne "$(ps -o sid= -p $$ | xargs)" \
			"$(ps -o sid= -p "$pid" | xargs)" "session"
	done
}

# Switches of all threads of our daemons, by their own will.
switches() {
	local pid

	for pid in $(daemon_pids); do
		cat /proc/"$pid"/task/*/status
	done | awk '/^voluntary/ { n += $2 } END { print n + 0 }'
}

t_idle_makes_no_wakeups() {
	local before i

	only_vefs "its own promise"
	put "$L/f" x
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W" "$M"
	if grep -qE 'lib(a|t)san' /proc/"$(daemon_pids | head -1)"/maps; then
		skip "a sanitizer has threads of its own"
	fi
	put "$M/f" y
	ls -l "$M" >"$D/out"
	# a kernel that is short of memory, or told to forget, tells the daemon
	for i in 1 2 3 4 5; do
		sleep 1
		before=$(switches)
		assert_ne 0 "$before" "switches so far"
		sleep 1.5
		[ "$(($(switches) - before))" -gt 2 ] || return 0
	done
	fail "it woke in each of $i times"
}

t_foreground() {
	local pid

	put "$L/f" x
	case $VEFS_FS in
	vefs) set -- "$VEFS_BIN/mount.vefs" ;;
	fuse-overlayfs) set -- fuse-overlayfs ;;
	*) skip "overlay: there is no program" ;;
	esac
	"$@" -f -o "lowerdir=$L,upperdir=$U,workdir=$W" "$M" 2>"$D/message" &
	pid=$!
	for _ in $(seq 1 500); do
		mountpoint -q "$M" && break
		sleep 0.02
	done
	mounted
	assert_text "$M/f" x
	put "$M/g" y
	kill -0 "$pid"
	umnt
	wait "$pid"
	assert_text "$U/g" y
}

t_terminate_unmounts() {
	local pid

	put "$L/f" x
	case $VEFS_FS in
	vefs) set -- "$VEFS_BIN/mount.vefs" ;;
	fuse-overlayfs) set -- fuse-overlayfs ;;
	*) skip "overlay: there is no program" ;;
	esac
	"$@" -f -o "lowerdir=$L,upperdir=$U,workdir=$W" "$M" 2>"$D/message" &
	pid=$!
	for _ in $(seq 1 500); do
		mountpoint -q "$M" && break
		sleep 0.02
	done
	put "$M/g" y
	kill -TERM "$pid"
	for _ in $(seq 1 500); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.02
	done
	if kill -0 "$pid" 2>/dev/null; then
		fail "still there after SIGTERM"
	fi
	if mountpoint -q "$M"; then
		fail "still mounted after SIGTERM"
	fi
	assert_text "$U/g" y
}

t_target_gets_covered_twice() {
	mkdir "$D/upper2" "$D/work2"
	put "$L/f" one
	put "$D/l2/f" two
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W" "$M"
	prog -o "lowerdir=$D/l2,upperdir=$D/upper2,workdir=$D/work2" "$M"
	assert_text "$M/f" two
	umnt
	assert_text "$M/f" one
	umnt
}

t_override_stat() {
	put "$L/f" x
	setfattr -n user.containers.override_stat -v 5:6:0100640 "$L/f"
	setfattr -n user.containers.override_stat -v 0:0:040755 "$L" "$U"
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W,xattr_permissions=2" "$M"
	mounted
	assert_stat '%u %g %a' "5 6 640" "$M/f"
	put "$M/new" x
	chown 7:8 "$M/new"
	chmod 4755 "$M/new"
	assert_stat '%u %g %a' "7 8 4755" "$M/new"
	assert_eq 7:8: "$(getfattr --only-values -n user.containers.override_stat \
		"$U/new" | cut -c1-4)"
	assert_stat '%u %g' "0 0" "$U/new"
	umnt
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W,xattr_permissions=2" "$M"
	assert_stat '%u %g %a' "7 8 4755" "$M/new"
	assert_stat '%u %g %a' "5 6 640" "$M/f"
}

t_passthrough_off() {
	only_vefs "its own option"
	put "$L/usr/f" text
	put "$L/f" text
	prog -o "lowerdir=$L,upperdir=$U,workdir=$W,passthrough=off" "$M"
	"$VT" stale-program "$M/usr/f" || "$VT" truncate "$M/usr/f" 20000
	"$VT" mmap-shared "$M/usr/f" || fail "mmap"
	assert_eq 4 "$(stat -c %s "$M/f")"
	"$VT" truncate "$M/f" 20000
	"$VT" mmap-shared "$M/f"
	"$VT" mmap-two "$M/f"
	umnt
	assert_eq MAPPED "$(head -c 6 "$U/f")"
}

t_busy_poll() {
	only_vefs "its own option"
	for o in busy_poll=0 busy_poll=100; do
		prog -o "lowerdir=$L,upperdir=$U,workdir=$W,$o" "$M" 2>"$D/message"
		assert_text "$D/message" ""
		put "$M/f" "$o"
		assert_text "$M/f" "$o"
		umnt
	done
}

run_all
