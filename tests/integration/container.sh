#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# container.sh - containers of templates: made, mounted, changed, destroyed;
# and a template as a layer.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"

# A template "t" of everything that a tree can have, from $D/src.
template() {
	local src=$D/src

	mkdir -p "$src/dir/sub" "$src/usr/bin" "$src/many"
	put "$src/f" "text of f"
	put "$src/dir/sub/deep" "deep text"
	put "$src/usr/bin/tool" "#!/bin/sh"$'\n'"echo tool runs"$'\n'
	chmod 755 "$src/usr/bin/tool"
	ln "$src/f" "$src/dir/other name of f"
	ln -s ../f "$src/dir/link"
	mkfifo "$src/fifo"
	mknod "$src/null" c 1 3
	mknod "$src/zero-zero" c 0 0
	setfattr -n user.colour -v red "$src/f"
	chown 7:8 "$src/dir"
	chmod 2751 "$src/dir"
	truncate -s 3M "$src/sparse"
	: >"$src/empty"
	for n in $(seq 300); do
		put "$src/many/n$n" "$n"
	done
	touch -d '2001-02-03 04:05:06.789012345' "$src/f" "$src/dir"
	vefs --quiet template import t:1 "$src"
}

# What is there, without inode numbers; links of folders say nothing.
tree_of() {
	(cd "$1" && find . ! -type d -printf '%p %y %m %U %G %s %T@ %l %n\n' \
		-o -printf '%p %y %m %U %G %T@\n' | sort)
}

same_tree() {
	diff <(tree_of "$1") <(tree_of "$2") >"$D/diff" ||
		fail "the trees differ: $(head -n 4 "$D/diff" | tr '\n' ';')"
}

worker_of() {
	local keeper

	for keeper in $(pgrep -f "mount.vefs.*$1\$"); do
		pgrep -P "$keeper" && return
	done
}

t_template_mount() {
	template
	mkdir -p "$D/m"
	vefs template mount t "$D/m"
	same_tree "$D/src" "$D/m"
	assert_eq red "$(getfattr --only-values -n user.colour "$D/m/f")"
	assert_eq "tool runs" "$("$D/m/usr/bin/tool")"
	assert_eq "0 0" "$(stat -c '%t %T' "$D/m/zero-zero")"
	! touch "$D/m/new" 2>/dev/null || fail "it worked"
	refused "is in use" template remove t:1
	umount "$D/m"
	vefs --quiet template remove t:1
}

# A mount keeps what it needs of the store, and no filesystem from being
# unmounted: it would be, for a moment after its own end too.
t_store_unmounted() {
	new_fs ext4 64M "$D/disk" || skip "no mkfs.ext4"
	S=$D/disk/store
	template
	mkdir -p "$D/m"
	vefs template mount t "$D/m"
	umount "$D/disk"
	drop_caches
	same_tree "$D/src" "$D/m"
	umount "$D/m"
}

t_changes_stay_above() {
	local r=$D/store/root/101

	template
	vefs --quiet create 101 --template t
	vefs --quiet create web --template t:1
	vefs --quiet mount 101
	vefs --quiet mount web
	same_tree "$D/src" "$r"
	chmod 600 "$r/f"
	echo more >>"$r/dir/sub/deep"
	mv "$r/many" "$r/renamed"
	rm "$r/sparse"
	: >"$r/usr/bin/tool"
	setfattr -n user.colour -v blue "$r/dir/other name of f"
	assert_eq blue "$(getfattr --only-values -n user.colour "$r/f")"
	assert_eq 2 "$(stat -c %h "$r/f")"
	same_tree "$D/src" "$D/store/root/web"
	vefs --quiet umount 101
	vefs --quiet mount 101
	assert_eq "600 2" "$(stat -c '%a %h' "$r/dir/other name of f")"
	assert_eq "text of f" "$(cat "$r/f")"
	assert_eq 'deep textmore' "$(cat "$r/dir/sub/deep")"
	assert_eq 300 "$(find "$r/renamed" -type f | wc -l)"
	assert_eq 7 "$(cat "$r/renamed/n7")"
	! stat "$r/sparse" "$r/many" 2>/dev/null || fail "it worked"
	assert_eq 0 "$(stat -c %s "$r/usr/bin/tool")"
	vefs --quiet umount 101
	vefs --quiet umount web
	vefs template verify t >/dev/null
}

t_worker_killed() {
	local r=$D/store/root/101 pid

	template
	vefs --quiet create 101 --template t
	vefs --quiet mount 101
	exec 7<"$r/usr/bin/tool" 8<"$r/f"
	for n in 1 2 3; do
		pid=$(worker_of "$r")
		[ -n "$pid" ] || fail "no worker is found"
		kill -KILL "$pid"
		echo "$n" >>"$r/dir/sub/deep"
		chmod "60$n" "$r/many/n$n"
		assert_eq "$n" "$(cat "$r/many/n$n")"
	done
	assert_eq "#!/bin/sh" "$(head -n 1 <&7)"
	assert_eq "text of f" "$(cat <&8)"
	exec 7<&- 8<&-
	assert_eq $'deep text1\n2\n3' "$(cat "$r/dir/sub/deep")"
	"$VEFS_BIN/vefsd" --upgrade "$r" || fail "no upgrade"
	assert_eq "text of f" "$(cat "$r/f")"
	vefs --quiet umount 101
}

t_below_directories() {
	template
	mkdir -p "$D/l/dir" "$D/u" "$D/w" "$D/m"
	put "$D/l/dir/added" "from a directory"
	mknod "$D/l/empty" c 0 0
	mount_fs "lowerdir=$D/l,template=t,store=$D/store,upperdir=$D/u,workdir=$D/w" "$D/m"
	assert_eq "from a directory" "$(cat "$D/m/dir/added")"
	assert_eq "deep text" "$(cat "$D/m/dir/sub/deep")"
	! stat "$D/m/empty" 2>/dev/null || fail "it worked"
	umount "$D/m"
}

# misused PATTERN ARGUMENT...: exit status 2 and a message like that
misused() {
	local pattern=$1

	shift
	usage_error "$@"
	grep -qE "$pattern" "$D/usage.out" ||
		fail "told '$(cat "$D/usage.out")', not '$pattern'"
}

statuses() {
	vefs list -aH -o status | xargs
}

status_of() {
	statuses | cut -d ' ' -f 1
}

t_refusals() {
	template
	refused "no template nosuch" create 101 --template nosuch
	misused "between 101 and" create 5 --template t
	misused "between 101 and" create 0101 --template t
	misused "between 101 and" create 4294967295 --template t
	misused "number or a name" create 'a b' --template t
	misused "number or a name" mount ../101
	misused "is not NAME" create 101 --template a/b
	misused "must be an absolute path" create 101 --template t --target x
	misused "template is missing" create 101
	vefs --quiet create 101 --template t
	refused "exists already" create 101 --template t
	refused "no container 102: 'vefs list -a'" mount 102
	refused "is not mounted" umount 101
	refused "in use by 101" template remove t:1
	refused "in use by 101" template rename t u
	vefs --quiet mount 101
	refused "mounted already" mount 101
	refused "is mounted: 'vefs umount 101' first" destroy 101
	assert_eq mounted "$(status_of)"
	vefs --quiet umount 101
	exec 9<"$D/store/containers/101"
	flock 9
	local status=0
	vefs mount 101 2>/dev/null || status=$?
	assert_eq 9 "$status"
	exec 9<&-
	vefs --quiet destroy 101
	! stat "$D/store/containers/101" 2>/dev/null || fail "it worked"
	vefs --quiet template remove t:1
}

# What would mount it waits for the daemon before, and nobody for it any more:
# it does not mount what another may have unmounted by then.
t_mount_killed() {
	local n pid

	template
	vefs --quiet create 101 --template t
	exec 9<"$S/containers/101/upper"
	flock 9
	"$VEFS_BIN/vefs" --root "$S" mount 101 9<&- &
	pid=$!
	for ((n = 0; n < 100 * VEFS_SLOW; n++)); do
		pgrep -f "mount.vefs.*$S/root/101\$" >/dev/null && break
		sleep 0.05
	done
	sleep 0.1
	kill -KILL "$pid"
	wait "$pid" || killed $?
	exec 9<&-
	"$VT" gone "$S/root/101" $((10 * VEFS_SLOW))
	! mountpoint -q "$S/root/101" || fail "it is mounted"
	vefs --quiet mount 101
	vefs --quiet umount 101
}

# Two of one mount point: a command on one does nothing to the other.
t_one_target_for_two() {
	template
	vefs --quiet create 101 --template t --target "$D/m"
	vefs --quiet create 102 --template t --target "$D/m"
	vefs --quiet mount 101
	assert_eq "mounted stopped" "$(statuses)"
	refused "something else is mounted there" mount 102
	refused "102 is not mounted" umount 102
	vefs --quiet destroy 102
	assert_eq "text of f" "$(cat "$D/m/f")"
	vefs --quiet umount 101
	vefs --quiet destroy 101
	mkdir -p "$D/m" "$D/real dir"
	ln -s "$D/real dir" "$D/by link"
	vefs --quiet create 101 --template t --target "$D/by link/root"
	vefs --quiet mount 101
	refused "mounted already" mount 101
	refused "is mounted" destroy 101
	vefs --quiet umount 101
	[ ! -e "$D/real dir/root/f" ] || fail "it is still there"
}

# Its mount is not seen at its root, and yet there: nothing may be removed.
t_a_hidden_mount_is_found() {
	local root=$D/store/root/101 pid own

	template
	vefs --quiet create 101 --ostemplate t
	vefs --quiet mount 101
	put "$root/own" "to be kept"
	mount -t tmpfs over "$root"
	assert_eq mounted "$(status_of)"
	refused "101 is in use" destroy 101
	refused "101 is in use" umount 101
	refused "something else is mounted there" mount 101
	umount "$root"
	assert_text "$root/own" "to be kept"
	# detached, and still worked in
	exec 7<"$root/own"
	umount -l "$root"
	assert_eq mounted "$(status_of)"
	refused "101 is in use" destroy 101
	assert_eq "to be kept" "$(cat <&7)"
	exec 7<&-
	# with a vefs.conf that does not say where it is mounted
	vefs --quiet mount 101
	: >"$D/store/containers/101/vefs.conf"
	refused "101 is (mounted|in use)" destroy 101
	umount "$root"
	vefs --quiet destroy 101
	[ ! -e "$D/store/containers/101" ] || fail "it is still there"
}

# copy COMMAND...: it runs in a mount namespace of its own, as `pid`
copy() {
	local own

	own=$(readlink /proc/self/ns/mnt)
	unshare --mount --propagation private "$@" &
	pid=$!
	for _ in {1..500}; do
		[ "$(readlink "/proc/$pid/ns/mnt")" = "$own" ] || break
		sleep 0.01
	done
}

# Who has copied the host's mounts keeps none; who works in one, does.
t_copies_go_with_the_mount() {
	local root=$D/store/root/101 pid

	template
	vefs --quiet create 101 --ostemplate t
	mkdir -p "$root"
	chown 12:34 "$root"
	chmod 2750 "$root"
	vefs --quiet mount 101
	copy sleep 600
	vefs --quiet umount 101
	assert_eq stopped "$(status_of)"
	assert_eq "2750 12 34" "$(stat -c "%a %u %g" "$root")"
	assert_eq 101 "$(ls -A "$D/store/root")"
	assert_eq 0 "$(grep -c "$root" "/proc/$pid/mountinfo")"
	vefs --quiet mount 101
	assert_text "$root/f" "text of f"
	kill "$pid"
	wait "$pid" || killed_by_us $?
	copy sh -c "exec <$root/f; cd $root; : >$D/there; exec sleep 600"
	until_there "$D/there"
	vefs umount 101 >"$D/said" 2>&1
	grep -q "in another mount namespace" "$D/said" || fail "$(cat "$D/said")"
	assert_eq mounted "$(status_of)"
	kill "$pid"
	wait "$pid" || killed_by_us $?
	vefs --quiet destroy 101
	# what is not empty below is not touched
	vefs --quiet create 101 --ostemplate t --target "$D/m"
	put "$D/m/below" "to be kept"
	vefs --quiet mount 101
	copy sleep 600
	vefs --quiet umount 101 2>"$D/said"
	assert_text "$D/m/below" "to be kept"
	assert_eq mounted "$(status_of)"
	kill "$pid"
	wait "$pid" || killed_by_us $?
	vefs --quiet destroy 101
}

until_there() {
	for _ in {1..500}; do
		! compgen -G "$1" >/dev/null || return 0
		sleep 0.01
	done
	fail "there is no $1"
}

killed_by_us() {
	[ "$1" = 143 ]
}

# One whose vefs.conf is gone stands in nobody's way.
# Who was killed while it made or destroyed one leaves nothing for good.
t_killed_makers_leave_nothing() {
	local live

	template
	vefs --quiet create 101 --template t
	mkdir -p "$S/containers/.new-4000001/upper/a" \
		"$S/containers/.gone-4000002/upper/b" \
		"$S/containers/.gone-4000003/upper"
	exec {live}<"$S/containers/.gone-4000003"
	flock "$live"
	refused "there is no container 102" destroy 102
	assert_eq $'.gone-4000003\n101' "$(ls -A "$S/containers")"
	exec {live}<&-
	vefs template gc --dry-run
	assert_eq $'.gone-4000003\n101' "$(ls -A "$S/containers")"
	vefs template gc
	assert_eq 101 "$(ls -A "$S/containers")"
}

# However deep somebody inside has made its directories.
t_deep_trees_go() {
	template
	vefs --quiet create 101 --template t
	python3 - "$S/containers/101/upper" <<-'END'
		import os, sys
		os.chdir(sys.argv[1])
		for i in range(4500):
		    os.mkdir("d")
		    os.chdir("d")
	END
	(ulimit -Sn 256 && vefs --quiet destroy 101)
	assert_eq "" "$(ls -A "$S/containers")"
}

# Between its vefs.conf and its name nobody sees a container.
t_no_template_goes_beside_create() {
	local pid

	command -v strace >/dev/null || skip "no strace"
	template
	# what looks for leaks cannot where it is traced
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 \
		strace -qq -o "$D/trace" -e trace=renameat2 \
		-e inject=renameat2:delay_enter=1500000 \
		"$VEFS_BIN/vefs" --root "$S" create 101 --template t &
	pid=$!
	until_there "$S/containers/.new-*/vefs.conf"
	refused "in use by 101" template remove t:1
	wait "$pid"
	vefs --quiet template show t:1
	vefs --quiet mount 101
	vefs --quiet umount 101
}

t_damaged_conf() {
	local conf=$D/store/containers/102/vefs.conf

	template
	for id in 101 102 103; do
		vefs --quiet create "$id" --template t
	done
	for how in ": >$conf" "rm $conf"; do
		eval "$how"
		assert_eq "stopped damaged stopped" "$(statuses)"
		refused "102: its vefs.conf" mount 102
		refused "102: its vefs.conf" template remove t:1
		vefs --quiet mount 103
		vefs --quiet umount 103
	done
	vefs --quiet destroy 102
	vefs --quiet destroy 101
	vefs --quiet destroy 103
	vefs --quiet template remove t:1
}

run_all "$@"
