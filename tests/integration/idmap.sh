#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# idmap - ids on disk are not the ids shown: mappings, squashing, and a user
# namespace on top.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

MAP=uidmapping=0:100000:65536,gidmapping=0:200000:65536

owned() {
	put "$1" text
	chown "$2:$3" "$1"
}

t_shown() {
	differs overlay "has idmapped layers instead"
	owned "$L/root" 0 0
	owned "$L/five" 5 6
	mkdir "$L/d"
	chown 7:8 "$L/d"
	mnt "$MAP"
	assert_stat '%u %g' "100000 200000" "$M/root"
	assert_stat '%u %g' "100005 200006" "$M/five"
	assert_stat '%u %g' "100007 200008" "$M/d"
	assert_eq "100005" "$(find "$M" -name five -printf %U)"
}

t_created() {
	differs overlay "has idmapped layers instead"
	mkdir "$L/d"
	chmod 777 "$L/d"
	mnt "$MAP"
	as_user 101000 201001 "$VT" open "$M/d/f" wronly,creat
	as_user 101000 201001 "$VT" mkdir "$M/d/sub" 755
	as_user 101000 201001 "$VT" symlink x "$M/d/s"
	as_user 101000 201001 "$VT" mknod "$M/d/p" p 600
	for n in f sub s p; do
		assert_stat '%u %g' "101000 201001" "$M/d/$n"
		assert_stat '%u %g' "1000 1001" "$U/d/$n"
	done
	remnt "$MAP"
	for n in f sub s p; do
		assert_stat '%u %g' "101000 201001" "$M/d/$n"
	done
}

t_chown() {
	differs overlay "has idmapped layers instead"
	owned "$L/f" 5 6
	mnt "$MAP"
	chown 100007:200008 "$M/f"
	assert_stat '%u %g' "100007 200008" "$M/f"
	assert_stat '%u %g' "7 8" "$U/f"
	chown 100009 "$M/f"
	assert_stat '%u %g' "9 8" "$U/f"
	differs fuse-overlayfs "takes the overflow id"
	# EOVERFLOW is what idmapped mounts say, EINVAL a user namespace.
	if "$VT" chown "$M/f" 42 200008 2>"$D/message"; then
		fail "an id without a place on disk was taken"
	fi
	grep -qE 'EINVAL|EOVERFLOW' "$D/message"
	assert_stat '%u %g' "100009 200008" "$M/f"
}

t_copy_up_keeps_disk_ids() {
	differs overlay "has idmapped layers instead"
	owned "$L/f" 5 6
	owned "$L/g" 5 6
	mnt "$MAP"
	chmod 640 "$M/f"
	printf x >>"$M/g"
	assert_stat '%u %g' "5 6" "$U/f"
	assert_stat '%u %g' "5 6" "$U/g"
	assert_stat '%u %g' "100005 200006" "$M/g"
	remnt "$MAP"
	assert_stat '%u %g' "100005 200006" "$M/f"
}

t_unmapped_is_nobody() {
	differs overlay "has idmapped layers instead"
	owned "$L/f" 70000 70000
	mnt "$MAP"
	assert_stat '%u %g' "65534 65534" "$M/f"
	assert_text "$M/f" text
}

t_permissions() {
	differs overlay "has idmapped layers instead"
	owned "$L/mine" 5 6
	chmod 600 "$L/mine"
	owned "$L/group" 0 6
	chmod 660 "$L/group"
	mnt "$MAP"
	as_user 100005 200006 "$VT" write "$M/mine" 0 T
	as_user 100077 200006 "$VT" write "$M/group" 0 T
	assert_errno EACCES as_user 5 6 "$VT" open "$M/mine"
	assert_errno EACCES as_user 100006 200006 "$VT" open "$M/mine"
	assert_text "$M/mine" Text
	assert_text "$M/group" Text
}

t_several_runs() {
	differs overlay "has idmapped layers instead"
	owned "$L/a" 3 3
	owned "$L/b" 1500 1500
	owned "$L/c" 500 500
	mnt "uidmapping=0:100000:10:1000:300000:1000,gidmapping=0:0:2000"
	assert_stat '%u %g' "100003 3" "$M/a"
	assert_stat '%u %g' "300500 1500" "$M/b"
	assert_stat '%u %g' "65534 500" "$M/c"
	chown 300001:7 "$M/a"
	assert_stat '%u %g' "1001 7" "$U/a"
}

t_acl_entries() {
	differs overlay "has idmapped layers instead"
	differs fuse-overlayfs "does not translate them"
	owned "$L/f" 5 6
	mkdir "$L/d"
	setfacl -m u:7:rw,g:8:r "$L/f"
	setfacl -d -m u:9:rwx "$L/d"
	mnt "$MAP"
	getfacl -cpn "$M/f" | grep -qx 'user:100007:rw-'
	getfacl -cpn "$M/f" | grep -qx 'group:200008:r--'
	getfacl -cpn "$M/d" | grep -qx 'default:user:100009:rwx'
	setfacl -m u:100011:rwx "$M/f"
	getfacl -cpn "$U/f" | grep -qx 'user:11:rwx'
	getfacl -cpn "$U/f" | grep -qx 'user:7:rw-'
	as_user 100000 200000 touch "$M/d/new"
	getfacl -cpn "$M/d/new" | grep -q '^user:100009:'
	getfacl -cpn "$U/d/new" | grep -q '^user:9:'
	as_user 100011 200077 "$VT" write "$M/f" 0 T
	remnt "$MAP"
	getfacl -cpn "$M/f" | grep -qx 'user:100011:rwx'
	if setfacl -m u:42:r "$M/f"; then
		fail "an entry without a place on disk was taken"
	fi
}

# Root of the host is not in the map: it acts as the container's root.
t_root_of_the_host() {
	differs overlay "has idmapped layers instead"
	differs fuse-overlayfs "becomes nobody"
	mkdir "$L/d"
	mnt "$MAP"
	touch "$M/d/f"
	mkdir "$M/d/sub"
	ln -s x "$M/d/s"
	for n in f sub s; do
		assert_stat '%u %g' "100000 200000" "$M/d/$n"
		assert_stat '%u %g' "0 0" "$U/d/$n"
	done
}

t_capability_owner() {
	need setcap
	differs overlay "has idmapped layers instead"
	differs fuse-overlayfs "does not translate them"
	put "$L/f" x
	mnt "$MAP"
	setcap -n 100000 cap_net_raw=ep "$M/f"
	getcap -n "$M/f" | grep -q 'cap_net_raw=ep.*rootid=100000'
	chmod 755 "$M/f"
	remnt "$MAP"
	getcap -n "$M/f" | grep -q 'cap_net_raw=ep.*rootid=100000'
	if getcap -n "$U/f" | grep -q 'rootid=100000'; then
		fail "the shown id landed on disk"
	fi
}

# A template's program with a capability, run inside.
t_capability_of_a_template() {
	need setcap
	differs overlay "has idmapped layers instead"
	differs fuse-overlayfs "does not translate them"
	"$VT" userns 100000 200000 65536 true || skip "no user namespaces"
	cp "$(type -P cat)" "$L/cat"
	setcap cap_dac_read_search=ep "$L/cat"
	put "$L/secret" secret
	chmod 600 "$L/secret"
	chown 5:5 "$L/secret"
	mnt "$MAP"
	assert_eq secret "$("$VT" userns 100000 200000 65536 setpriv --reuid=1000 \
		--clear-groups --bounding-set=-all,+dac_read_search \
		"$M/cat" "$M/secret")"
	chmod 755 "$M/cat"
	remnt "$MAP"
	assert_eq secret "$("$VT" userns 100000 200000 65536 setpriv --reuid=1000 \
		--clear-groups --bounding-set=-all,+dac_read_search \
		"$M/cat" "$M/secret")"
	getcap -n "$M/cat" | grep -q 'rootid=100000'
	if getcap -n "$U/cat" | grep -q rootid; then
		fail "the shown id landed on disk"
	fi
}

t_squash_to_root() {
	differs overlay "knows no squashing"
	owned "$L/f" 5 6
	mnt squash_to_root
	assert_stat '%u %g' "0 0" "$M/f"
	printf x >>"$M/f"
	assert_stat '%u %g' "0 0" "$M/f"
	assert_text "$M/f" textx
}

t_squash_to_ids() {
	differs overlay "knows no squashing"
	owned "$L/f" 5 6
	mkdir "$L/d"
	mnt squash_to_uid=1000,squash_to_gid=1001
	assert_stat '%u %g' "1000 1001" "$M/f"
	assert_stat '%u %g' "1000 1001" "$M/d"
	put "$M/new" x
	assert_stat '%u %g' "1000 1001" "$M/new"
	assert_eq "" "$(find "$M" -not -uid 1000)"
}

# A container's view: root inside owns what is root's on disk.
t_in_a_user_namespace() {
	differs overlay "has idmapped layers instead"
	"$VT" userns 100000 200000 65536 true || skip "no user namespaces"
	owned "$L/f" 0 0
	chmod 600 "$L/f"
	owned "$L/five" 5 5
	mnt "$MAP"
	chmod 755 "$D"
	"$VT" userns 100000 200000 65536 bash -eu -c '
		cd "$1"
		[ "$(stat -c "%u %g" f five | xargs)" = "0 0 5 5" ]
		[ "$(cat f)" = text ]
		echo more >>f
		echo new >n
		chown 7:8 n
		[ "$(stat -c "%u %g" n)" = "7 8" ]
		chown 9 five
		mkdir d
		chmod 2755 d
		mv five d/
		' - "$M"
	assert_stat '%u %g' "0 0" "$U/f"
	assert_stat '%u %g' "7 8" "$U/n"
	assert_stat '%u %g' "9 5" "$U/d/five"
	assert_stat '%u %g %a' "0 0 2755" "$U/d"
	assert_text "$M/f" $'textmore\n'
}

run_all
