#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctescape.sh - ways out of a container that people have found: each is tried
# by its root, with a user namespace and without, and is closed.
#
# A case names the CVE that it is about where there is one. What counts is not
# that the kernel has since been mended, but that the way does not even begin.
# timeout: 900
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"

PROGS=${VEFS_PROGS:-$LIB_ROOT/build/${D:-opt}/tests}
# shellcheck disable=SC2034 # lib_template.sh reads it
HOST_IDS=0
# An id that nobody else has, of this run and case.
CT=escape-$$
# and what its first process is
INIT="/bin/sleep $((1000000 + $$))"

# ---- the container ---------------------------------------------------------

# A root with busybox and the ways out.
tree() {
	local src=$D/src name

	need busybox
	[ -x "$PROGS/escape" ] || fail "no $PROGS/escape: make it"
	mkdir -p "$src"/{bin,etc,root,tmp,var}
	cp "$(command -v busybox)" "$src/bin/busybox"
	ldd "$src/bin/busybox" >"$D/said" 2>&1 && skip "busybox is not static"
	for name in sh cat ls sleep ps id mount mkdir ln readlink kill hostname \
		head touch stat; do
		ln -s busybox "$src/bin/$name"
	done
	cp "$PROGS/escape" "$src/bin/escape"
	with_libraries "$PROGS/escape"
	put "$src/inside" "the container's"
}

# until_true COMMAND...: for a while
until_true() {
	for _ in $(seq $((100 * VEFS_SLOW))); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	fail "never came true: $*"
}

# At the end of a case, whatever became of it.
stop_all() {
	local dir

	trap - ERR
	set +e
	S=$D/store
	for dir in "$S"/containers/*/; do
		[ -d "$dir" ] || continue
		dir=${dir%/}
		vefs --quiet stop "${dir##*/}" --fast >>"$D/stopped" 2>&1
		vefs --quiet umount "${dir##*/}" >>"$D/stopped" 2>&1
	done
}

# Also of one that the frame had to kill.
eval "frame_$(declare -f lib_case_end)"
lib_case_end() {
	(stop_all)
	frame_lib_case_end
}

# begin [OPTION]...: it runs, as CT
begin() {
	only_vefs "its containers"
	export VEFS_ROOT=$D/store
	S=$D/store
	trap stop_all EXIT
	[ -d "$D/src" ] || tree
	vefs --quiet template import t:1 "$D/src"
	vefs --quiet create "$CT" --template t --init "$INIT" "$@"
	vefs --quiet start "$CT" 2>"$D/began"
	cat "$D/began"
}

# both CASE: the function CASE_kind twice, in new containers
both() {
	local kind opts=()

	for kind in on off; do
		[ "$kind" = on ] || opts=(--userns off)
		begin "${opts[@]}"
		KIND=$kind "$1"
		vefs --quiet stop "$CT" --fast
		vefs --quiet destroy "$CT"
		rm -rf "${S:?}"
	done
}

inside() {
	vefs exec2 "$CT" "$@" </dev/null
}

# closed WAY ARGUMENT...: the program could be run, and did not get out
closed() {
	local status=0

	inside escape "$@" >"$D/said" 2>&1 || status=$?
	[ "$status" != 2 ] || return 0
	if [ "$status" != 1 ] || ! grep -q '^closed: ' "$D/said"; then
		fail "${KIND:+userns $KIND: }$* ended with $status:" \
			"$(head -c 300 "$D/said")"
	fi
}

# A file of the host, and that it was neither seen nor changed.
secret() {
	SECRET=$D/secret
	put "$SECRET" "the host's"
	chmod 666 "$SECRET"
}

secret_kept() {
	assert_eq "the host's" "$(cat "$SECRET")"
}

# ---- disks and devices -----------------------------------------------------

# A disk of the host's, $DISK, with numbers $NUMBERS
disk() {
	need losetup
	need mkfs.ext4
	[ -e "$D/disk" ] || {
		truncate -s 8M "$D/disk"
		mkfs.ext4 -q "$D/disk"
	}
	DISK=$(losetup -f --show "$D/disk") || skip "no loop devices"
	NUMBERS=$(($(stat -c '0x%t' "$DISK")))\ $(($(stat -c '0x%T' "$DISK")))
}

# Nor one that the host has put there.
try_given_disk() {
	local pid

	! grep -q "its ids alone keep it" "$D/began" || return 0
	pid=$(pgrep -fx "$INIT")
	# shellcheck disable=SC2086 # two words
	mknod -m 666 "/proc/$pid/root/dev/given" b $NUMBERS
	closed open /dev/given
	closed open + /dev/given
	vefs --quiet set "$CT" --devices "b:${NUMBERS/ /:}:rw" --save
	inside escape open /dev/given >"$D/said" || fail "$(cat "$D/said")"
	vefs --quiet set "$CT" --devices "b:${NUMBERS/ /:}:none" --save
	closed open /dev/given
}

try_disk() {
	try_given_disk
	# shellcheck disable=SC2086 # two words
	closed mknod $NUMBERS b
	closed mknod 1 1 c
	closed mknod 1 2 c
	closed mknod 1 4 c
	closed mknod 10 237 c
	closed open "$DISK" /dev/mem /dev/kmem /dev/port /dev/kmsg \
		/dev/loop-control /dev/simfs
	closed disk "$DISK" ext4
	closed disk /node ext4
	closed disk /dev/node ext4
}

# Making a node of the host's disk, and mounting it.
t_disk() {
	disk
	both try_disk
}

# Its root waits for a device that it is given, and covers it with a file whose
# owner is the host's root.
t_given_node() {
	local file at status=0 before

	begin
	[ -c /dev/loop-control ] || skip "no /dev/loop-control"
	at=$(inside "ls /sys/fs/cgroup/cgroup.max.depth \
		/sys/fs/cgroup/*/cgroup.max.depth 2>/dev/null || :" |
		head -n 1)
	[ -n "$at" ] || skip "no control groups inside"
	file=/proc/$(pgrep -fx "$INIT")/root$at
	before=$(stat -c %u:%g "$file")
	inside "until [ -e /dev/loop-control ]; do :; done
		mount -o bind $at /dev/loop-control" &
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 LATE=60 \
		LD_PRELOAD=$PROGS/integration/escape/late.so \
		vefs --quiet set "$CT" --devnodes loop-control:rw \
		2>"$D/said" || status=$?
	wait %% || fail "nothing was mounted"
	assert_eq "1 $before" "$status $(stat -c %u:%g "$file")"
	grep -q "/dev/loop-control: Invalid cross-device link" "$D/said" ||
		fail "said: $(cat "$D/said")"
	# as before: another try gives it
	inside "! ls /dev/loop-control 2>/dev/null"
	vefs --quiet set "$CT" --devnodes loop-control:rw
	assert_eq 0:0 "$(inside stat -c %u:%g /dev/loop-control)"
}

try_template_node() {
	closed open /disk-node /null-node
	closed open + /disk-node /null-node
	closed disk /disk-node ext4
	closed uncover /disk-node /null-node
}

# A template that brings its devices along.
t_template_node() {
	disk
	tree
	# shellcheck disable=SC2086 # two words
	mknod -m 666 "$D/src/disk-node" b $NUMBERS
	mknod -m 666 "$D/src/null-node" c 1 3
	both try_template_node
}

try_filesystems() {
	local type

	for type in ext4 xfs btrfs vfat iso9660 9p; do
		closed fsopen "$type"
	done
	closed kernelfs debugfs tracefs securityfs configfs devtmpfs fusectl \
		pstore efivarfs
}

# CVE-2022-0185 began with fsopen() in a user namespace: what lies on disks is
# not for one, and the kernel's own filesystems are not either.
t_filesystems() {
	both try_filesystems
}

# ---- the kernel ------------------------------------------------------------

try_kernel() {
	closed module
	closed kexec
	closed key
	closed bpf
	closed perf
	closed clock
	closed dmesg
	closed vsock
	closed uring
	closed handle
}

# CVE-2014-3519: file handles led out of OpenVZ's simfs; others of what knows
# no container: modules, kexec, keys, clocks.
t_kernel() {
	both try_kernel
}

# To be had where it is asked for, as far as the host has it.
t_io_uring() {
	local said

	begin --features io_uring:on
	said=$("$PROGS/escape" uring) || skip "the host: $said"
	assert_eq "$said" "$(inside escape uring)"
}

try_sysctl() {
	local name before

	for name in kernel/core_pattern kernel/modprobe kernel/sysrq \
		kernel/panic kernel/randomize_va_space vm/drop_caches \
		vm/overcommit_memory fs/file-max fs/suid_dumpable; do
		[ -e "/proc/sys/$name" ] || continue
		before=$(stat -c %a "/proc/sys/$name")
		closed open + "/proc/sys/$name"
		closed uncover "/proc/sys/$name"
		! grep -q ENOENT "$D/said" || fail "no /proc/sys/$name inside"
		assert_eq "$before" "$(stat -c %a "/proc/sys/$name")"
	done
	closed open + /proc/sysrq-trigger /proc/irq/default_smp_affinity \
		/proc/mtrr /sys/kernel/uevent_helper /sys/power/state \
		/sys/kernel/mm/ksm/run /sys/module/kernel/parameters/panic \
		/proc/kmsg
	closed uncover /proc/sysrq-trigger /sys/kernel/uevent_helper \
		/sys/power/state /sys/kernel/mm/ksm/run
	assert_eq 0 "$(inside cat /proc/kcore 2>/dev/null | head -c 64 | wc -c)"
	[ ! -e /proc/keys ] || assert_eq 0 "$(inside cat /proc/keys | wc -c)"
}

# /proc/sys, core_pattern (CVE-2021-3493 and many more end there), sysrq,
# kcore, uevent_helper.
t_sysctl() {
	both try_sysctl
}

# What is its own goes no further than it.
t_own_names() {
	local name

	name=$(hostname)
	begin
	inside hostname elsewhere
	assert_eq elsewhere "$(inside hostname)"
	assert_eq "$name" "$(hostname)"
}

# ---- control groups --------------------------------------------------------

try_cgroup() {
	closed cgroup
}

# CVE-2022-0492: release_agent; and its own limits.
t_cgroup() {
	both try_cgroup
}

# ---- files -----------------------------------------------------------------

try_files() {
	local at

	for at in "" /.. /../../.. /proc/1/root /proc/self/root \
		/proc/1/root/.. /proc/1/cwd/../.. /proc/self/cwd/../.. \
		/dev/fd/../../.. /proc/1/task/1/root; do
		inside cat "$at$SECRET" >"$D/said" 2>&1 &&
			fail "userns $KIND: $at$SECRET can be read"
		assert_eq "the container's" "$(inside cat "${at%/dev/fd*}/inside" \
			2>/dev/null || echo "the container's")"
	done
	inside ln -s "$SECRET" /link
	inside ln -s "../../../../../../../../..$SECRET" /link2
	closed open /link /link2
	inside ln "$SECRET" /hard >"$D/said" 2>&1 && fail "a hard link"
	closed chroot "$SECRET"
	closed moved "$SECRET"
	closed unmount "$SECRET"
	secret_kept
}

# By symlink, hard link, "..", /proc/PID/root; CVE-2015-2925: a directory that
# is moved out of a bind mount; and the oldest one, chroot in chroot.
t_files() {
	secret
	both try_files
}

# Another container's, and the store.
t_neighbour() {
	local other=$CT-b path

	begin
	vefs --quiet create "$other" --template t --init "$INIT"
	vefs --quiet start "$other"
	CT=$other inside sh -c 'echo private >/mine; chmod 644 /mine'
	for path in "$S/root/$other/mine" "$S/containers/$other/upper/mine" \
		"$S/containers/$other/vefs.conf"; do
		closed open "$path" "/proc/1/root$path"
	done
	assert_ne "$(stat -c %u "$S/root/$CT")" "$(stat -c %u "$S/root/$other")"
	vefs --quiet stop "$other" --fast
	# and nobody on the host reaches what is setuid in there
	inside sh -c 'cp /bin/busybox /bin/owner; chmod 4755 /bin/owner' \
		2>/dev/null || inside sh -c \
		'cat /bin/busybox >/bin/owner; busybox chmod 4755 /bin/owner'
	assert_eq 4755 "$(stat -c %a "$S/root/$CT/bin/owner")"
	! setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$S/root/$CT/bin/owner" id -u >"$D/said" 2>&1 ||
		fail "somebody ran a setuid program of a container"
	! setpriv --reuid=65534 --regid=65534 --clear-groups \
		ls "$S/root/$CT" "$S/containers" >"$D/said" 2>&1 ||
		fail "somebody looked into the store"
}

# CVE-2019-16884, CVE-2019-19921, CVE-2021-30465: a root where /proc, /sys or
# /dev leads elsewhere. It does not start, and what it pointed at has nothing.
t_hostile_root() {
	local name

	for name in proc sys dev; do
		S=$D/store
		rm -rf "$D/src" "$S" "$D/target"
		mkdir -p "$D/target"
		tree
		ln -s "$D/target" "$D/src/$name"
		export VEFS_ROOT=$S
		trap stop_all EXIT
		vefs --quiet template import t:1 "$D/src"
		vefs --quiet create "$CT" --template t --init "$INIT"
		! vefs --quiet start "$CT" 2>"$D/said" ||
			fail "it started with /$name -> elsewhere"
		grep -q "/$name of the container is a symlink" "$D/said" ||
			fail "said: $(cat "$D/said")"
		assert_eq "" "$(ls -A "$D/target")"
	done
}

# CVE-2018-15664 and its kind: files that the host writes inside are not
# written where a symlink points.
t_written_inside() {
	secret
	tree
	ln -s "$SECRET" "$D/src/etc/resolv.conf"
	ln -s "$SECRET" "$D/src/etc/hostname"
	ln -s "$SECRET" "$D/src/etc/hosts"
	begin --nameserver 192.0.2.1 --hostname other --searchdomain example.org
	vefs --quiet set "$CT" --nameserver 192.0.2.2 --hostname third --save
	secret_kept
	rm -rf "$D/src/etc"
	ln -s "$D" "$D/src/etc"
	vefs --quiet stop "$CT" --fast
	vefs --quiet destroy "$CT"
	vefs --quiet template import t:2 "$D/src"
	vefs --quiet create "$CT" --template t:2 --init "$INIT" \
		--nameserver 192.0.2.1 --hostname other
	vefs --quiet start "$CT" || echo "it does not start"
	secret_kept
	[ ! -e "$D/resolv.conf" ] || fail "a resolv.conf of the host's"
	[ ! -e "$D/hostname" ] || fail "a hostname of the host's"
}

# ---- processes -------------------------------------------------------------

try_processes() {
	local pid

	sleep 1000 &
	pid=$!
	closed kill "$pid" "$$" 4194300
	closed ptrace "$pid" "$$"
	inside kill -9 -1 >"$D/said" 2>&1 || echo "its own end"
	kill -0 "$pid" || fail "userns $KIND: a process of the host is gone"
	assert_eq "" "$(inside ps | awk '/vefsd|mount.vefs/')"
	# nothing that it could count
	assert_le "$(inside ls /proc | grep -c '^[0-9]')" 6
	kill "$pid"
	wait "$pid" || echo "ended"
}

# Signals to, and ptrace of, the host's processes.
t_processes() {
	both try_processes
}

try_abstract() {
	closed abstract "$NAME"
}

# CVE-2020-15257: abstract sockets know only networks. Ours has its own; and
# where it shares the host's, none of ours listens on one.
t_abstract() {
	NAME=vefs-test-$$-$RANDOM
	python3 - "$NAME" >"$D/listens" <<-'END' &
		import socket, sys, time
		s = socket.socket(socket.AF_UNIX)
		s.bind("\0" + sys.argv[1])
		s.listen()
		print("yes", flush=True)
		time.sleep(50)
	END
	until_true grep -q yes "$D/listens"
	grep -q "@$NAME" /proc/net/unix || fail "nobody listens"
	both try_abstract
	kill %%
	begin --net host
	assert_eq "" "$(grep -E '@.*vefs' /proc/net/unix | grep -v "@$NAME")"
}

try_leaks() {
	local dir=$D/some/folder

	mkdir -p "$dir"
	(cd "$dir" && exec 7<"$D" 8<"$SECRET" 9<"$dir" && closed leaks) ||
		exit 1
	closed open "../secret" "../../secret" "/proc/self/cwd/../../secret" \
		/proc/self/fd/7/secret /proc/self/fd/8 /proc/1/fd/7
	# the first process has none either
	assert_eq "" "$(inside ls -l /proc/1/fd 2>&1 | grep -F "$D")"
	assert_le "$(inside ls /proc/1/fd | wc -l)" 3
}

# CVE-2024-21626, CVE-2016-9962: a descriptor or a working directory of the
# host that came along.
t_leaks() {
	secret
	both try_leaks
}

try_watch() {
	inside escape watch /until >"$D/watched" 2>&1 &
	until_true inside ps
	for _ in $(seq 60); do
		inside id >"$D/said"
	done
	inside touch /until
	wait %% || echo "watched"
	grep -q '^escaped' "$D/watched" &&
		fail "userns $KIND: $(cat "$D/watched")"
	grep -qE '^(closed|absent)' "$D/watched" ||
		fail "userns $KIND: $(cat "$D/watched")"
	cat "$D/watched"
}

# CVE-2016-9962, CVE-2019-5736: who comes in can be looked into, or traced,
# while he still is the host's program.
t_watch() {
	both try_watch
}

try_borrow() {
	local way got=$S/root/$CT/borrowed

	# its shell is what exec runs first
	inside true >"$D/said" 2>&1 || echo "it ended"
	[ -s "$got" ] || fail "userns $KIND: the host's program did not run" \
		"inside: $(cat "$D/said")"
	for way in chmod setxattr write; do
		assert_eq closed "$(awk -v way="$way" '$1 == way {
				closed = $2 ~ /^(EPERM|EACCES|EROFS)$/
				print closed ? "closed" : $2
				exit
			}' "$got")" "userns $KIND, $way"
	done
}

# CVE-2019-5736: the host's own program, run once more inside under the
# container's libraries ("#!/proc/self/exe"), and then written to.
t_borrow() {
	mkdir "$D/hostbin"
	cp -P "$VEFS_BIN"/* "$D/hostbin/"
	VEFS_BIN=$D/hostbin
	tree
	with_libraries "$D/hostbin/vefs"
	with_libraries "$D/hostbin/vefs-ct"
	cp "$PROGS/integration/escape/borrow.so" "$D/src/borrow.so"
	put "$D/src/etc/ld.so.preload" /borrow.so
	rm "$D/src/bin/sh"
	put "$D/src/bin/sh" '#!/proc/self/exe'
	chmod 755 "$D/src/bin/sh"
	sha256sum "$D"/hostbin/* >"$D/before"
	both try_borrow
	sha256sum --quiet -c "$D/before"
}

try_type() {
	local status=0

	closed type
	script -qec "$VEFS_BIN/vefs exec2 $CT escape type" /dev/null \
		</dev/null >"$D/said" 2>&1 || status=$?
	assert_eq 1 "$status"
	grep -q '^closed' "$D/said" || fail "userns $KIND: $(cat "$D/said")"
}

# CVE-2016-10124, CVE-2017-5226: typing into the terminal that one was called
# from, or the console's.
t_type() {
	need script
	both try_type
}

run_all
