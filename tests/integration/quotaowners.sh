#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# quotaowners - what goes from one owner to another, and what attributes take.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib_limits.sh
. "$LIB_DIR/lib_limits.sh"
# shellcheck source-path=SCRIPTDIR source=lib_survive.sh
. "$LIB_DIR/lib_survive.sh"

# ---- owners ----------------------------------------------------------------

# chown moves the charge of one to another.
t_chown() {
	qmnt
	"$VT" fill "$H/f" 262144
	usage_of user 1001
	about_user
	give space 262143
	assert_errno EDQUOT chown 1001 "$H/f"
	assert_stat %u 0 "$H/f"
	give space $((262144 + $(slack 1)))
	chown 1001 "$H/f"
	usage_of user 1001
	assert_le "$SPACE" "$HARD" "usage"
	assert_eq 2 "$INODES" "inodes"
	no_drift
	give inodes 0
	"$VT" fill "$H/g" 0
	assert_errno EDQUOT chown 1001 "$H/g"
	assert_errno EDQUOT chown 1001:2002 "$H/g"
	assert_stat %u:%g 0:0 "$H/g"
	chown 0 "$H/f"
	chown 1001 "$H/g"
	no_drift
}

t_chgrp() {
	qmnt
	"$VT" fill "$H/f" 262144
	about group:2002:EDQUOT
	give space 262143
	assert_errno EDQUOT chgrp 2002 "$H/f"
	assert_errno EDQUOT chown 5:2002 "$H/f"
	assert_stat %u:%g 0:0 "$H/f"
	give space $((262144 + $(slack 1)))
	chgrp 2002 "$H/f"
	usage_of group 2002
	assert_le "$SPACE" "$HARD" "usage"
	no_drift
	chgrp 7 "$H/f"
	usage_of group 7
	assert_le 262144 "$SPACE" "usage of the other group"
	no_drift
}

# The container's own limit is not asked: it has as much as before.
t_chown_in_a_full_container() {
	qmnt
	"$VT" fill "$H/f" 65536
	about container:0:ENOSPC
	give space 0
	give inodes 0
	chown 1001:2002 "$H/f"
	no_drift
}

t_chown_by_many() {
	local i pids=() n=0

	qmnt
	about_user
	for i in 1 2 3 4 5 6 7 8; do
		"$VT" fill "$H/f$i" 65536
	done
	sync -f "$UP"
	no_drift
	give space $((3 * 65536 + 4096))
	watch_usage space
	for i in 1 2 3 4 5 6 7 8; do
		chown 1001 "$H/f$i" 2>"$D/chown.$i" &
		pids+=($!)
	done
	for i in "${!pids[@]}"; do
		if wait "${pids[$i]}"; then
			n=$((n + 1))
		else
			grep -q "quota exceeded" "$D/chown.$((i + 1))"
		fi
	done
	unwatch
	assert_eq 3 "$n" "files that could go to the user"
	no_drift
}

has_a_mib() {
	usage_of user 1001
	[ "$SPACE" -ge 1048576 ]
}

# Given away while it is open: the new owner's limits hold from the next open on,
# his usage is right when it is closed.
t_chown_while_open() {
	qmnt
	ask set user 1001 space 0 262144
	exec 5>"$M/f"
	chown 1001 "$M/f"
	head -c 1048576 /dev/zero >&5
	exec 5>&-
	until_ok 30 has_a_mib
	owner_refused EDQUOT "$VT" write "$M/f" 1048576 text
	owner_refused EDQUOT "$VT" write "$M/f" 1048576 text rdwr
	no_drift
}

# What is made in a setgid folder is its group's.
t_setgid_folder() {
	qmnt
	mkdir -m 2777 "$M/shared"
	chgrp 2003 "$M/shared"
	chmod 2777 "$M/shared"
	about group:2003:EDQUOT
	give inodes 2
	as_owner touch "$M/shared/a"
	as_owner mkdir "$M/shared/d"
	owner_refused EDQUOT touch "$M/shared/b"
	owner_refused EDQUOT mkdir "$M/shared/b"
	owner_refused EDQUOT "$VT" tmpfile "$M/shared" text
	assert_absent "$M/shared/b"
	assert_stat %g 2003 "$M/shared/d"
	no_drift
	no_limit
	give space 65536
	grow write wronly 4K 1M 1 "$M/shared/a"
	all_ended EDQUOT
	assert_le "$(accepted)" 65536 "accepted"
	is_readable
	no_drift
}

# ---- attributes ------------------------------------------------------------

# Where attributes may take blocks they are asked for.
xattr_at() {
	local i k dir=$H/x-$KIND-$1

	as_owner mkdir "$dir"
	for ((i = 0; i < $1; i++)); do
		for ((k = 0; k < 32 / $1; k++)); do
			as_owner touch "$dir/$i-$k"
		done
	done
	give space 40960
	watch_usage space
	make_until xattr "$dir" $((32 / $1)) "$1"
	unwatch
	usage_of "$KIND" "$ID"
	assert_le "$SPACE" "$HARD" "usage"
	if is_on btrfs || is_on tmpfs; then
		all_ended ok
	else
		assert_le "$(accepted)" 10 "attributes"
		assert_le 8 "$(accepted)" "attributes"
	fi
}

# How many blocks XFS takes at once is not for who is inside to say.
t_extent_size() {
	qmnt
	is_on xfs || skip "only XFS has extent sizes"
	about_user
	give space 524288
	as_owner touch "$H/f"
	as_owner "$VT" fsxattr "$H/f" same
	as_owner "$VT" fsxattr "$H/f" noatime
	owner_refused EPERM "$VT" fsxattr "$H/f" extsize 1M
	owner_refused EPERM "$VT" fsxattr "$H/f" cowextsize 1M
	owner_refused EPERM "$VT" fsxattr "$H" extszinherit 1M
	as_owner truncate -s 64M "$H/f"
	as_owner "$VT" write "$H/f" 0 text
	usage_of user 1001
	assert_le "$SPACE" "$HARD" "usage"
	# What the host has said stays, and does no harm to other flags.
	"$VT" fsxattr "$U/home" extszinherit 65536
	as_owner touch "$H/g"
	as_owner "$VT" fsxattr "$H/g" noatime
	owner_refused EPERM "$VT" fsxattr "$H/g" same 131072
	no_drift
}

t_xattrs() {
	qmnt
	touch "$H/probe"
	setfattr -n user.probe -v 1 "$H/probe" || skip "no user attributes below"
	each_level_by_many xattr_at
}

acl_at() {
	local f=$H/acl-$KIND

	as_owner touch "$f" "$f-2"
	give space 0
	if ! as_owner setfacl -m u:7:r "$f" 2>"$D/acl"; then
		grep -q "$("$VT" strerror "$WANT")" "$D/acl"
		give space 4096
		as_owner setfacl -m u:7:r "$f"
	fi
	getfacl -n "$f" >"$D/acl"
	grep -q user:7:r-- "$D/acl"
	usage_of "$KIND" "$ID"
	assert_le "$SPACE" "$HARD" "usage"
}

t_acls() {
	need setfacl
	qmnt
	each_level acl_at
}

# Entries that have no place in the inode: each new one takes a block more.
inherited_at() {
	local d=$M/inherits-$KIND i

	mkdir "$d"
	chmod 2777 "$d"
	chgrp 2002 "$d"
	for i in $(seq 3000 3019); do
		echo "default:user:$i:rwx"
	done | setfacl -M - "$d"
	give space 65536
	for i in $(seq 40); do
		as_owner "$VT" open "$d/f$i" rdwr,creat 2>"$D/refused" || break
		as_owner mkdir "$d/d$i" 2>"$D/refused" || break
		as_owner mkfifo "$d/p$i" 2>"$D/refused" || break
	done
	[ "$i" = 1 ] && fail "nothing was made: $(cat "$D/refused")"
	usage_of "$KIND" "$ID"
	assert_le "$SPACE" "$HARD" "usage"
	no_limit
	"$VT" open "$d/last" rdwr,creat
	getfacl -cn "$d/last" | grep -q '^user:3019:'
}

t_inherited_acls() {
	need setfacl
	qmnt
	each_level inherited_at
}

run_all
