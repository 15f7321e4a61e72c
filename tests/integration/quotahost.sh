#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# quotahost.sh - containers whose limit on space the host's filesystem keeps:
# project quotas of XFS and ext4, quota groups of btrfs.
#
# VEFS_MEASURED names a file to which what was measured is appended.
# timeout: 900
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"

LIMIT=$((32 << 20))
H=''      # where the host's filesystem is
R=''      # the container's root
UPPER=''  # and what it changed
KIND=''   # xfs, ext4, btrfs, simple

measured() {
	[ -z "${VEFS_MEASURED:-}" ] || echo "$KIND: $*" >>"$VEFS_MEASURED"
}

# btrfs_quota DIR full|simple, by ioctl: older btrfs-progs know no simple ones.
btrfs_quota() {
	python3 - "$1" "$2" <<'EOF'
import fcntl, os, struct, sys
cmd = {"full": 1, "simple": 4}[sys.argv[2]]
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(fd, 0xc0109428, struct.pack("QQ", cmd, 0))
EOF
}

# new_host KIND: an empty filesystem on $H that keeps quotas, or skip.
new_host() {
	local image=$D/host.img

	KIND=$1
	H=$D/host
	S=$H/store
	R=$D/mnt
	UPPER=$S/containers/101/data/upper
	need python3
	mkdir -p "$H"
	truncate -s 1G "$image"
	case $KIND in
	xfs)
		need mkfs.xfs
		mkfs.xfs -q -f "$image"
		mount -o loop,prjquota "$image" "$H" ||
			skip "the kernel has no quotas of XFS"
		;;
	ext4)
		need mkfs.ext4
		mkfs.ext4 -q -F -O quota,project -E quotatype=prjquota "$image"
		mount -o loop,prjquota "$image" "$H" ||
			skip "the kernel has no project quotas of ext4"
		;;
	btrfs | simple)
		need mkfs.btrfs
		need btrfs
		mkfs.btrfs -q -f "$image" >/dev/null
		mount -o loop "$image" "$H"
		[ "$KIND" = simple ] || btrfs_quota "$H" full
		[ "$KIND" = btrfs ] || btrfs_quota "$H" simple ||
			skip "the kernel has no simple quotas of btrfs"
		[ "$KIND" = simple ] || btrfs quota rescan -w "$H" >/dev/null
		;;
	esac
	if [ "$KIND" = xfs ] || [ "$KIND" = ext4 ]; then
		has_projects || skip "the kernel has no project quotas of $KIND"
	fi
	make_source
	vefs --quiet template import t:1 "$D/src"
}

# Linux does not say it when it has no XFS quotas.
has_projects() {
	vefs create probe --template t --enforce host 2>"$D/probe" ||
		! grep -q 'project quota is off' "$D/probe"
}

make_source() {
	mkdir -p "$D/src/many" "$D/src/dir"
	for n in $(seq 300); do
		put "$D/src/many/name-of-file-$n" "$n"
	done
	head -c 3000000 /dev/urandom >"$D/src/dir/big"
	put "$D/src/f" text
}

# start [OPTION...]: container 101, mounted.
start() {
	vefs --quiet create 101 --template t --enforce host --target "$R" "$@"
	grep -qx 'ENFORCE="host"' "$S/containers/101/vefs.conf"
	vefs --quiet mount 101
}

# until_error FILE [DD-ARGUMENT...]: write until it is refused; the error's text.
until_error() {
	local said

	said=$(LC_ALL=C dd if=/dev/zero of="$1" bs=64k count=2048 "${@:2}" \
		2>&1) && fail "$1: nothing was refused"
	printf '%s\n' "$said" | sed -n 's/^dd: .*: \([A-Z].*\)$/\1/p'
}

is_full() {
	[ "$1" = "Disk quota exceeded" ] || [ "$1" = "No space left on device" ] ||
		fail "refused with '$1'"
}

# What upper takes, in bytes, as the container counts: all but whiteouts.
taken() {
	sync -f "$UPPER"
	find "$UPPER" ! -type c -printf '%i %b\n' | sort -u |
		awk '{ n += $2 } END { print n * 512 }'
}

shown() {
	vefs --json quota show 101 | json '["space"]["usage"]'
}

# What the host says is used of the container's limit.
host_used() {
	sync -f "$UPPER"
	python3 - "$UPPER" "$KIND" <<'EOF'
import ctypes, fcntl, glob, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
if sys.argv[2] in ("xfs", "ext4"):
    x = fcntl.ioctl(fd, 0x801c581f, bytes(28))
    project = struct.unpack_from("I", x, 12)[0]
    buf = ctypes.create_string_buffer(128)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(443, fd, 0x800007 << 8 | 2, project, buf) < 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    print(struct.unpack_from("QQQ", buf.raw)[2])
else:
    x = bytearray(struct.pack("QQ", 0, 256) + bytes(4080))
    fcntl.ioctl(fd, 0xd0009412, x)
    tree = struct.unpack_from("Q", x)[0]
    info = fcntl.ioctl(fd, 0x8400941f, bytes(1024))
    h = info[16:32].hex()
    uuid = "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))
    print(open(f"/sys/fs/btrfs/{uuid}/qgroups/0_{tree}/referenced").read().strip())
EOF
}

# project_of FILE
project_of() {
	python3 - "$1" <<'EOF'
import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
print(struct.unpack_from("I", fcntl.ioctl(fd, 0x801c581f, bytes(28)), 12)[0])
EOF
}

# KEEPER and WORKER of 101
serving() {
	local pid parent

	KEEPER='' WORKER=''
	for pid in $("$VT" pids "$R"); do
		parent=$(awk '/^PPid/ { print $2 }' "/proc/$pid/status")
		if "$VT" pids "$R" | grep -qx "$parent"; then
			KEEPER=$parent WORKER=$pid
		fi
	done
	[ -n "$WORKER" ] || fail "no worker is found"
}

# write(2) to descriptor 7 and nothing else, which nobody could answer
WRITER='import os, sys
left = int(sys.argv[1])
while left > 0:
    left -= os.write(7, bytes(65536))'

# ---- each on each filesystem --------------------------------------------------

# What is written by passthrough stops at the limit.
fills() {
	local said size host

	start --diskspace 32M
	said=$(until_error "$R/fill")
	is_full "$said"
	size=$(taken)
	measured "$said; limit $LIMIT, upper takes $size"
	assert_le "$size" "$LIMIT"
	assert_le $((LIMIT - (256 << 10))) "$size" "what could be used"
	assert_eq "$size" "$(shown)" "usage"
	host=$(host_used)
	measured "the host counts $host, vefs $size"
	if [ "$KIND" = xfs ] || [ "$KIND" = ext4 ]; then
		# nothing but the directories of work
		assert_le "$size" "$host"
		assert_le $((host - size)) 65536 "what the host counts besides"
	fi
	# what was accepted is there
	assert_eq "$(stat -c %s "$R/fill")" "$(tr -d '\0' <"$R/fill" | wc -c |
		awk -v s="$(stat -c %s "$R/fill")" '{ print s - $1 }')"
	said=$(until_error "$R/other")
	is_full "$said"
	assert_le "$(taken)" "$LIMIT"
	rm "$R/fill"
	sync -f "$UPPER"
	dd if=/dev/zero of="$R/fill" bs=1M count=8 status=none
}

# The daemon writes nothing: stopped, it does not hinder.
writes_past() {
	start --diskspace 32M
	exec 7>"$R/open"
	# the kernel asks once whether the file has capabilities to lose
	printf x >&7
	serving
	kill -STOP "$KEEPER" "$WORKER"
	timeout 20 python3 -c "$WRITER" 4194304
	kill -CONT "$KEEPER" "$WORKER"
	exec 7>&-
	assert_eq $(((4 << 20) + 1)) "$(stat -c %s "$R/open")"
}

# Nobody serves: the limit is kept all the same.
holds_without_daemon() {
	local said size

	start --diskspace 32M
	exec 7>"$R/open"
	# the kernel asks once whether the file has capabilities to lose
	printf x >&7
	serving
	kill -STOP "$KEEPER"
	kill -KILL "$WORKER"
	said=$(timeout 60 python3 -c "$WRITER" 134217728 2>&1) &&
		fail "nothing was refused"
	size=$(stat -c %b "$UPPER/open")
	measured "without a daemon: ${said##*$'\n'}; the file takes $((size * 512))"
	assert_le $((size * 512)) "$LIMIT"
	assert_le $((LIMIT - (512 << 10))) $((size * 512)) "what could be used"
	kill -CONT "$KEEPER"
	exec 7>&-
	assert_eq "$(taken)" "$(shown)" "usage"
}

live() {
	local said before

	start --diskspace 32M
	exec 7>"$R/fill"
	dd if=/dev/zero bs=64k count=2048 >&7 2>"$D/dd" && fail "not refused"
	before=$(taken)
	vefs --quiet quota set 101 --space 48M
	dd if=/dev/zero bs=64k count=2048 >&7 2>"$D/dd" && fail "not refused"
	exec 7>&-
	measured "raised by 16 MiB: $before, then $(taken)"
	assert_le $((46 << 20)) "$(taken)" "what could be used"
	assert_le "$(taken)" $((48 << 20))
	vefs --quiet quota set 101 --space 16M
	said=$(until_error "$R/fill" conv=notrunc oflag=append)
	is_full "$said"
	assert_le "$(taken)" $((48 << 20))
	vefs --quiet quota set 101 --space unlimited
	dd if=/dev/zero of="$R/more" bs=1M count=64 status=none
	vefs --quiet quota set 101 --space 4M
	vefs --quiet umount 101
	vefs --quiet mount 101
	said=$(until_error "$R/after")
	is_full "$said"
	[ ! -e "$R/after" ] || assert_le "$(stat -c %b "$R/after")" 8
}

# Removing, hiding, renaming and making smaller need nothing.
never_refused() {
	start --diskspace 32M
	for n in 1 2 3 4 5 6 7 8; do
		until_error "$R/fill$n" >"$D/said$n"
	done
	measured "full: the host counts $(host_used)"
	rm -r "$R/many"
	measured "300 files hidden: the host counts $(host_used)"
	assert_absent "$R/many"
	rm -r "$R/dir" "$R/f"
	mv "$R/fill1" "$R/filled"
	chmod 600 "$R/filled"
	truncate -s 4096 "$R/filled"
	: >"$R/filled"
	assert_le "$(taken)" "$LIMIT"
	measured "after it: the host counts $(host_used)"
	rm "$R"/fill*
	assert_eq "$(taken)" "$(shown)" "usage"
}

# Who has a limit of his own is written by the daemon: both limits hold.
levels() {
	start --diskspace 32M
	vefs --quiet quota set 101 --user 1000 --space 8M
	vefs --quiet quota set 101 --user 1001 --space 64M
	chmod 777 "$R/dir"
	assert_errno EDQUOT as_user 1000 1000 dd if=/dev/zero \
		of="$R/dir/a" bs=64k count=2048
	assert_eq $((8 << 20)) $(($(stat -c %b "$R/dir/a") * 512))
	assert_errno ENOSPC as_user 1001 1001 dd if=/dev/zero \
		of="$R/dir/b" bs=64k count=2048
	assert_le "$(taken)" "$LIMIT"
	assert_eq "$(taken)" "$(shown)" "usage"
	rm "$R/dir/b"
	# one by passthrough, still open and not counted yet; one by the daemon
	exec 7>"$R/open"
	dd if=/dev/zero bs=1M count=20 status=none >&7
	assert_errno ENOSPC as_user 1001 1001 dd if=/dev/zero \
		of="$R/dir/b" bs=64k count=2048
	assert_le "$(taken)" "$LIMIT"
	exec 7>&-
}

# Above the soft limit and out of time: nothing more, by whatever way.
grace() {
	local said

	start --diskspace 8M:32M
	vefs --quiet quota grace 101 --space 1s
	dd if=/dev/zero of="$R/fill" bs=1M count=16 status=none
	for _ in $(seq 100); do
		dd if=/dev/zero of="$R/fill" bs=64k count=1 status=none \
			conv=notrunc oflag=append 2>"$D/dd" || break
		sleep 0.2
	done
	said=$(until_error "$R/fill" conv=notrunc oflag=append)
	is_full "$said"
	assert_le "$(taken)" $((25 << 20))
	vefs --quiet umount 101
	vefs --quiet mount 101
	said=$(until_error "$R/fill" conv=notrunc oflag=append)
	is_full "$said"
	rm "$R/fill"
	vefs --quiet quota set 101 --space 8M:32M
	dd if=/dev/zero of="$R/fill" bs=1M count=4 status=none
}

# What the host's limit may be too high by while a change of metadata needs it
# (quota/README.md): a creation among writers, on btrfs.
LOAN=0

# Several writers at once do not get more than one.
many_writers() {
	start --diskspace 32M
	for n in 1 2 3 4 5 6 7 8; do
		until_error "$R/w$n" >"$D/said$n" &
	done
	wait
	for n in 1 2 3 4 5 6 7 8; do
		is_full "$(cat "$D/said$n")"
	done
	measured "8 writers: limit $LIMIT, upper takes $(taken)"
	case $KIND in btrfs | simple) LOAN=$((32 << 20)) ;; esac
	assert_le "$(taken)" $((LIMIT + LOAN))
	assert_eq "$(taken)" "$(shown)" "usage"
}

# Quotas are off after the host's boot: the daemon keeps the limit.
switched_off() {
	start --diskspace 32M
	vefs --quiet umount 101
	"$VT" gone "$R" 10
	umount "$H"
	mount -o loop "$D/host.img" "$H"
	[ "$KIND" != btrfs ] && [ "$KIND" != simple ] ||
		btrfs quota disable "$H"
	vefs mount 101 2>"$D/said"
	assert_errno ENOSPC dd if=/dev/zero of="$R/fill" bs=64k count=2048
	assert_le "$(taken)" "$LIMIT"
	assert_eq "$(taken)" "$(shown)" "usage"
}

# What a destroyed container had is free for the next.
destroyed() {
	local id

	start --diskspace 4M
	until_error "$R/fill" >"$D/said"
	id=$(project_of "$UPPER")
	vefs --quiet create 102 --template t --enforce auto --diskspace 4M
	if [ "$KIND" = xfs ] || [ "$KIND" = ext4 ]; then
		assert_ne "$id" "$(project_of "$S/containers/102/data")"
	fi
	vefs --quiet umount 101
	vefs --quiet destroy 101
	vefs --quiet destroy 102
	sync -f "$H"
	start --diskspace 8M
	dd if=/dev/zero of="$R/fill" bs=1M count=6 status=none
	[ "$KIND" != xfs ] && [ "$KIND" != ext4 ] ||
		assert_eq "$id" "$(project_of "$UPPER")"
}

# vefs.conf may be told another opinion.
another_opinion() {
	start --diskspace 4M
	vefs --quiet umount 101
	sed -i 's/^ENFORCE=.*/ENFORCE="daemon"/' "$S/containers/101/vefs.conf"
	vefs --quiet quota set 101 --space 16M
	vefs --quiet mount 101
	assert_errno ENOSPC dd if=/dev/zero of="$R/fill" bs=64k count=2048
	assert_le $((15 << 20)) "$(taken)"
	assert_le "$(taken)" $((16 << 20))
}

# ---- the table of cases ------------------------------------------------------

t_xfs_fills() { new_host xfs && fills; }
t_xfs_writes_past() { new_host xfs && writes_past; }
t_xfs_without_daemon() { new_host xfs && holds_without_daemon; }
t_xfs_live() { new_host xfs && live; }
t_xfs_never_refused() { new_host xfs && never_refused; }
t_xfs_levels() { new_host xfs && levels; }
t_xfs_grace() { new_host xfs && grace; }
t_xfs_many_writers() { new_host xfs && many_writers; }
t_xfs_switched_off() { new_host xfs && switched_off; }
t_xfs_destroyed() { new_host xfs && destroyed; }
t_xfs_another_opinion() { new_host xfs && another_opinion; }
t_ext4_fills() { new_host ext4 && fills; }
t_ext4_writes_past() { new_host ext4 && writes_past; }
t_ext4_without_daemon() { new_host ext4 && holds_without_daemon; }
t_ext4_live() { new_host ext4 && live; }
t_ext4_never_refused() { new_host ext4 && never_refused; }
t_ext4_levels() { new_host ext4 && levels; }
t_ext4_grace() { new_host ext4 && grace; }
t_ext4_many_writers() { new_host ext4 && many_writers; }
t_ext4_switched_off() { new_host ext4 && switched_off; }
t_ext4_destroyed() { new_host ext4 && destroyed; }
t_ext4_another_opinion() { new_host ext4 && another_opinion; }
t_btrfs_fills() { new_host btrfs && fills; }
t_btrfs_writes_past() { new_host btrfs && writes_past; }
t_btrfs_without_daemon() { new_host btrfs && holds_without_daemon; }
t_btrfs_live() { new_host btrfs && live; }
t_btrfs_never_refused() { new_host btrfs && never_refused; }
t_btrfs_levels() { new_host btrfs && levels; }
t_btrfs_grace() { new_host btrfs && grace; }
t_btrfs_many_writers() { new_host btrfs && many_writers; }
t_btrfs_switched_off() { new_host btrfs && switched_off; }
t_btrfs_destroyed() { new_host btrfs && destroyed; }
t_btrfs_another_opinion() { new_host btrfs && another_opinion; }
t_simple_fills() { new_host simple && fills; }
t_simple_without_daemon() { new_host simple && holds_without_daemon; }
t_simple_live() { new_host simple && live; }
t_simple_never_refused() { new_host simple && never_refused; }
t_simple_many_writers() { new_host simple && many_writers; }

# ---- without any such filesystem ----------------------------------------------

t_refused() {
	H=$D/host
	S=$H/store
	new_fs tmpfs 200M "$H"
	make_source
	vefs --quiet template import t:1 "$D/src"
	refused "neither XFS, ext4 nor btrfs.*--enforce daemon" \
		create 101 --template t --enforce host
	assert_absent "$S/containers/101"
	vefs --quiet create 101 --template t --enforce auto --diskspace 4M
	grep -qx 'ENFORCE="daemon"' "$S/containers/101/vefs.conf"
	vefs --quiet mount 101
	assert_errno ENOSPC dd if=/dev/zero of="$S/root/101/fill" bs=64k \
		count=2048
	usage_error create 102 --template t --enforce sometimes
	vefs --quiet umount 101
	vefs --quiet destroy 101
}

t_quotas_off() {
	need mkfs.btrfs
	H=$D/host
	S=$H/store
	new_fs btrfs 300M "$H"
	make_source
	vefs --quiet template import t:1 "$D/src"
	refused "quotas are off: 'btrfs quota enable" \
		create 101 --template t --enforce host
	assert_absent "$S/containers/101"
}

# An id that somebody has named is not taken; the container changes none.
projects_of_others() {
	local first

	cp -a /etc "$D/etc"
	start
	first=$(project_of "$UPPER")
	echo "somebody:$((first + 1))" >"$D/etc/projid"
	echo "$((first + 2)):/srv/somebody" >"$D/etc/projects"
	mount --bind "$D/etc" /etc
	vefs --quiet create 102 --template t --enforce host
	umount /etc
	assert_eq $((first + 3)) "$(project_of "$S/containers/102/data")"
	: >"$R/file"
	chattr -p 7 "$R/file" 2>"$D/said" ||
		grep -q 'not supported\|Inappropriate' "$D/said"
	chattr -P "$R/dir" 2>"$D/said" ||
		grep -q 'not supported\|Inappropriate' "$D/said"
	assert_eq "$first" "$(project_of "$UPPER/file")"
	: >"$R/dir/new"
	assert_eq "$first" "$(project_of "$UPPER/dir/new")"
}

t_xfs_projects() { new_host xfs && projects_of_others; }
t_ext4_projects() { new_host ext4 && projects_of_others; }

run_all
