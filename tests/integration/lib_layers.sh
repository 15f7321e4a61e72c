# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lib_layers.sh - the layers of a case and the mounts on them; sourced by
# lib.sh, whose variables it uses.

# shellcheck source-path=SCRIPTDIR source=lib_quota.sh
. "$LIB_DIR/lib_quota.sh"
# shellcheck source-path=SCRIPTDIR source=lib_lower.sh
. "$LIB_DIR/lib_lower.sh"

# ---- layers ----------------------------------------------------------------

# put PATH TEXT: a file with this text and the folders above it.
put() {
	mkdir -p "$(dirname "$1")"
	printf '%s' "$2" >"$1"
}

# use_lowers N: mount l1 (topmost) to lN.
use_lowers() {
	local i

	LOWERS=$D/l1
	for ((i = 2; i <= $1; i++)); do
		LOWERS=$LOWERS:$D/l$i
	done
}

# fill_random FILE SIZE
fill_random() {
	head -c "$2" /dev/urandom >"$1"
}

# Everything of a tree that a guest must not change, as one text.
tree_of() {
	(
		cd "$1" || exit
		find . -printf '%p %y %m %U %G %T@ %C@ %l ' -type f -printf '%s %n' \
			-o -printf '\n' | sort
		find . -type f -size -8192k -print0 | sort -z |
			xargs -0 -r sha256sum
	)
}

# seal / assert_sealed: no lower may ever change.
seal() {
	local i

	for i in 1 2 3 4 5; do
		tree_of "$D/l$i"
	done >"$D/sealed"
}

assert_sealed() {
	local i

	for i in 1 2 3 4 5; do
		tree_of "$D/l$i"
	done >"$D/sealed.now"
	cmp -s "$D/sealed" "$D/sealed.now" ||
		lib_assert_failed "a lower changed: $(diff "$D/sealed" \
			"$D/sealed.now" | head -5)"
}

is_whiteout() {
	[ "$(stat -c '%F %t:%T' "$1")" = "character special file 0:0" ]
}

# blocks PATH: 512 byte blocks, as the filesystem below says.
blocks() {
	stat -c %b "$1"
}

# ---- a template for the bottom lower ---------------------------------------

# needs_dir_lower REASON: of a template this cannot be had.
needs_dir_lower() {
	if [ "$VEFS_LOWER" = template ] && [ "$VEFS_ALL" = 0 ]; then
		skip "template: $1"
	fi
}

# ---- mounts ----------------------------------------------------------------

# mount_fs OPTIONS TARGET: mount what is under test, options as they are.
mount_fs() {
	local opts limit=$((20 * VEFS_SLOW))

	opts=$(lower_opts "$(quota_opts "$1")") || return
	case $VEFS_FS in
	vefs)
		timeout "$limit" "$VEFS_BIN/mount.vefs" \
			-o "$opts${VEFS_OPTS:+,$VEFS_OPTS}" "$2" &&
			quota_limit "$2"
		;;
	fuse-overlayfs)
		timeout "$limit" fuse-overlayfs \
			-o "$opts${VEFS_OPTS:+,$VEFS_OPTS}" "$2"
		;;
	overlay)
		case $opts in
		*upperdir=*) opts=$opts,$LIB_OVERLAY_OPTS ;;
		*:*) ;;
		*) opts=${opts/lowerdir=/lowerdir=$D/empty:} ;;
		esac
		timeout "$limit" mount -t overlay overlay \
			-o "$opts${VEFS_OPTS:+,$VEFS_OPTS}" "$2"
		;;
	esac
}

# mnt [OPTIONS]: LOWERS, U and W on M.
mnt() {
	mount_fs "lowerdir=$LOWERS,upperdir=$U,workdir=$W${1:+,$1}" "$M"
	mountpoint -q "$M"
}

# mnt_ro [OPTIONS]: no upper.
mnt_ro() {
	mount_fs "lowerdir=$LOWERS${1:+,$1}" "$M"
	mountpoint -q "$M"
}

umnt() {
	quota_check "$M"
	timeout $((20 * VEFS_SLOW)) umount "$M"
}

umnt_at() {
	quota_check "$1"
	timeout $((20 * VEFS_SLOW)) umount "$1"
}

remnt() {
	umnt
	mnt "$@"
}

# Forget what the kernel may forget: dentries, inodes, clean pages.
drop_caches() {
	sync -f "$D"
	echo 3 >/proc/sys/vm/drop_caches
}

# The daemon of this case's mount (there is none for the kernel's).
daemon_pids() {
	"$VT" pids "$M"
}

# umount returns while the daemon is still ending: it sweeps work then.
daemons_end() {
	[ "$VEFS_FS" = overlay ] || "$VT" gone "$D/" $((10 * VEFS_SLOW))
}

# kill_daemon: all of it at once; stopped, none can stand in for another.
kill_daemon() {
	local all

	all=$(daemon_pids)
	# shellcheck disable=SC2086 # several
	kill -STOP $all
	# shellcheck disable=SC2086 # several
	kill -KILL $all
	daemons_end
}

# new_fs ext4|xfs|btrfs|tmpfs|ramfs SIZE DIR: an empty filesystem on DIR, from
# an image beside it; unmounting frees the loop device.
new_fs() {
	local type=$1 size=$2 dir=$3 image=$3.img

	mkdir -p "$dir"
	case $type in
	tmpfs)
		mount -t tmpfs -o "size=$size,mode=755" vefs-test "$dir"
		return
		;;
	ramfs)
		mount -t ramfs -o mode=755 vefs-test "$dir"
		return
		;;
	esac
	command -v "mkfs.$type" >/dev/null || return 1
	truncate -s "$size" "$image"
	case $type in
	ext4) mkfs.ext4 -q -F -E lazy_itable_init=1,nodiscard "$image" ;;
	xfs) mkfs.xfs -q -f -m reflink=1 "$image" ;;
	btrfs) mkfs.btrfs -q -f "$image" >/dev/null 2>&1 ;;
	*) return 1 ;;
	esac
	mount -o loop "$image" "$dir"
	rm -rf "$dir/lost+found"
}

# as_user UID GID COMMAND...: without privileges, no other groups.
as_user() {
	lib_bounded as_user "$@"
}
