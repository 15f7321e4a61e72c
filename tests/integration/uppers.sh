#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# uppers - the basic, metadata and data cases again with upper, work and lowers
# on each filesystem that people use. Arguments: the filesystems.

set -u

here=$(cd "$(dirname "$0")" && pwd)
failed=0

# Cases that say nothing about the filesystem below, or take long.
basic='[a-p]* r[a-n]* t[a-o]* unlink*'
metadata='chmod* each* write* times* copy* special* acl* capabilities owner*'
data='copy* seek* fallocate* mmap* append direct* trunc* beyond* race_for*
	sizes* o_trunc* unlinked*'
special='tmpfile chattr* birth_time names_of_255'

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

[ $# != 0 ] || set -- ext4 xfs btrfs tmpfs
for fs in "$@"; do
	supported "$fs" || continue
	export VEFS_DISK=$fs VEFS_DISK_LOWER=1 VEFS_PREFIX="$fs/"
	set -f
	# shellcheck disable=SC2086 # the patterns are words
	{
		"$here/basic.sh" $basic || failed=1
		"$here/metadata.sh" $metadata || failed=1
		"$here/data.sh" $data || failed=1
		"$here/special.sh" $special || failed=1
	}
	set +f
done
exit "$failed"
