# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lib_swap.sh - swap is the whole machine's: a case that changes it has it
# alone, one that compares with it has it for itself as it is. Containers show
# for a second or two what was before, so it is held before one is started.
# Held by an flock(2) of the kernel's own list, until the case ends.

# swap_hold s|x: shared, to look at it; alone, to change it.
swap_hold() {
	exec {LIB_SWAP_FD}</proc/swaps
	flock "-$1" "$LIB_SWAP_FD"
}

# swap_new MIB: that much more, on a file; false where there can be none. It goes
# with the case: before the lock does, or who waits for that sees it.
swap_new() {
	dd if=/dev/zero of="$D/swap" bs=1M count="$1" status=none
	chmod 600 "$D/swap"
	mkswap "$D/swap" >/dev/null
	swapon "$D/swap" || return
	trap 'swapoff "$D/swap"' EXIT
}
