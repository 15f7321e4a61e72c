# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lib_quota.sh - VEFS_QUOTA=1: each mount that has an upper gets a quota with a
# limit that nobody reaches, so that every writer goes through the daemon; and
# at each unmount what was counted must be what is there. Sourced by
# lib_layers.sh.

QUOTA_ASK=${VEFS_PROGS:-$LIB_ROOT/build/${D:-opt}/tests}/stress/quota

# quota_opts OPTIONS: the options, and a quota.
quota_opts() {
	case $VEFS_QUOTA,$1 in
	1,*quota=*) echo "$1" ;;
	1,*"upperdir=$U",* | 1,*"upperdir=$U")
		# a new upper begins anew
		[ -n "$(ls -A "$U" 2>/dev/null)" ] || rm -f "$U.quota"
		echo "$1,quota=$U.quota"
		;;
	*) echo "$1" ;;
	esac
}

quota_has() {
	[ "$VEFS_QUOTA" = 1 ] && "$QUOTA_ASK" ask "$1" get container 0 \
		>/dev/null 2>&1
}

# quota_limit TARGET: a limit that is far away.
quota_limit() {
	quota_has "$1" || return 0
	"$QUOTA_ASK" ask "$1" set container 0 space 0 $((1 << 50)) >/dev/null
}

# quota_check TARGET: what was counted is what is there.
quota_check() {
	local said

	quota_has "$1" || return 0
	said=$("$QUOTA_ASK" ask "$1" check) ||
		lib_assert_failed "the quota counts wrongly: $said"
}
