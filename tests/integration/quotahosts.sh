#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# quotahosts - the cases of quota*.sh that depend on what is below, with upper
# on each filesystem that people use. Arguments: the filesystems.
# QUOTA_ALL=1: every case.
# timeout: 600

set -u

here=$(cd "$(dirname "$0")" && pwd)
failed=0

# What a filesystem says of blocks, holes, attributes and its own state.
space='write write_cached pwrite_to_one_file append copy_* reflink truncate
	every* append_after* behind* fallocate fallocate_z* fallocate_p* fallocate_t*
	mmap mmap_p* killed*'
names='create create_over* hard_links* rename_over unlink* copy_up copy_up_b*
	reference*'
owners='chown chown_while* setgid* xattrs acls extent*' maps='*'
life='df*' counts='counted* check_and*'
if [ "${QUOTA_ALL:-0}" = 1 ]; then
	space='*' names='*' owners='*' life='*' counts='*'
fi

supported() {
	case $1 in
	tmpfs) return 0 ;;
	esac
	if ! command -v "mkfs.$1" >/dev/null; then
		echo "skip $1 # no program mkfs.$1"
		return 1
	fi
	if ! grep -qw "$1" /proc/filesystems && ! modprobe "$1" 2>/dev/null; then
		echo "skip $1 # the kernel has no $1"
		return 1
	fi
}

[ $# != 0 ] || set -- xfs btrfs tmpfs
for fs in "$@"; do
	supported "$fs" || continue
	export VEFS_DISK=$fs VEFS_PREFIX="$fs/"
	set -f
	# shellcheck disable=SC2086 # the patterns are words
	{
		"$here/quota.sh" $space || failed=1
		"$here/quotanames.sh" $names || failed=1
		"$here/quotaowners.sh" $owners || failed=1
		"$here/quotamap.sh" $maps || failed=1
		"$here/quotalife.sh" $life || failed=1
		"$here/quotacount.sh" $counts || failed=1
	}
	set +f
done
exit "$failed"
