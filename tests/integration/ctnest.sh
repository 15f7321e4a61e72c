#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctnest.sh - containers in a container: user namespaces with a /proc of their
# own, and (CT_LONG=1, VEFS_ROOTS) podman.
# timeout: 1200
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"
# shellcheck source=tests/integration/lib_ct.sh
. "$(dirname "$0")/lib_ct.sh"

HOST_IDS=0
NESTED='unshare -U -r -p -f --mount-proc'
# who is no root
ANNA='/bin/setpriv --reuid 1000 --regid 1000 --clear-groups'

nest() {
	need setpriv
	busybox_root
	take setpriv
	begin "$@"
}

t_not_unless_asked_for() {
	nest
	vexits 8 exec 101 "$NESTED true"
	says 'Operation not permitted|mounting'
	vexits 0 exec 101 'unshare -U -r true'
	vexits 8 exec 101 'ls /dev/.vefs'
}

t_a_proc_of_its_own() {
	nest --features nesting:on
	assert_eq "1 0" "$(vefs exec 101 \
		"$ANNA $NESTED sh -c 'echo \$\$ \$(id -u)'")"
	# its own processes, and nothing of the host's to write
	assert_eq 1 "$(vefs exec 101 \
		"$ANNA $NESTED sh -c 'echo /proc/[0-9]*'" | wc -w)"
	vexits 8 exec 101 "$NESTED sh -c 'echo 1 >/proc/sys/kernel/panic'"
	vexits 8 exec 101 "$NESTED sh -c 'echo b >/proc/sysrq-trigger'"
	vexits 8 exec 101 "$NESTED cat /proc/kcore"
	vexits 0 exec 101 "$ANNA $NESTED sh -c \
		'unshare -n -m sh -c \"mount -t sysfs s /sys\"'"
	# what makes it possible is the root's to see, and no way to write
	vexits 8 exec 101 "$ANNA ls /dev/.vefs"
	vexits 8 exec 101 'echo 1 >/dev/.vefs/proc/sys/kernel/panic'
	vexits 8 exec 101 'echo b >/dev/.vefs/proc/sysrq-trigger'
	vexits 8 exec 101 'cat /dev/.vefs/proc/kcore'
	vexits 8 exec 101 'echo 1 >/dev/.vefs/sys/kernel/mm/ksm/run'
	# /proc itself is as it was
	vexits 8 exec 101 'grep -q . /proc/keys'
	vexits 0 exec 101 'grep -q simfs /proc/diskstats'
}

# Where it cannot have a /sys of its own.
t_in_the_hosts_network() {
	nest --features nesting:on --net host
	vexits 0 exec 101 "$ANNA $NESTED true"
	# nothing of what the host has mounted there
	vexits 8 exec 101 "grep -E ' /sys/(fs/cgroup/|kernel/)' \
		/proc/self/mountinfo"
	vexits 8 exec 101 'mount -o remount,rw,bind /sys'
}

# What it sees of control groups is its own, and it may divide it.
t_groups_of_its_own() {
	begin
	vexits 0 exec 101 'grep -v ":/$" /proc/self/cgroup; cd /sys/fs/cgroup &&
		! ls -d vefs */vefs 2>&1 | grep -v "No such file"'
	assert_eq "" "$(cat "$D/said")" "its groups"
	# nobody who is not in it
	vexits 0 exec 101 'for pid in $(cat /sys/fs/cgroup/cgroup.procs); do
		[ $pid != 0 ] || echo $pid; done'
	assert_eq "" "$(cat "$D/said")" "in its groups"
	vefs exec 101 'mkdir /sys/fs/cgroup/mine &&
		echo $$ >/sys/fs/cgroup/mine/cgroup.procs &&
		grep ^0:: /proc/self/cgroup' >mine
	assert_eq 0::/mine "$(cat mine)"
	until_true vexits 0 exec 101 'rmdir /sys/fs/cgroup/mine'
}

# ---- podman -------------------------------------------------------------------

# shellcheck disable=SC2034 # the frame reads it
t_podman_limit=900
t_podman() {
	[ "${CT_LONG:-0}" = 1 ] || skip "takes minutes; CT_LONG=1 runs it"
	system bookworm --ram 1G --net host --features nesting:on,tun:on
	boot
	use_our_packages
	install_in podman crun uidmap slirp4netns netavark iptables busybox
	vefs --quiet stop 101
	vefs --quiet set 101 --net private --ram 512M --save
	boot
	# as vefs-create(8) advises
	vefs exec 101 - <<-'END'
		set -e
		useradd -m anna
		sed -i /anna/d /etc/subuid /etc/subgid
		usermod --add-subuids 10000-65000 --add-subgids 10000-65000 anna
		cat >>/etc/containers/containers.conf <<-'CONF'
			[containers]
			pids_limit = 0
			volumes = [ "/proc/meminfo:/proc/meminfo:ro",
				"/proc/stat:/proc/stat:ro" ]
		CONF
		mkdir -p /image/bin /image/etc
		cp -L /bin/busybox /image/bin
		ldd /bin/busybox | grep -o '/[^ ]*' | while read -r lib; do
			mkdir -p /image${lib%/*}
			cp -L $lib /image$lib
		done
		for name in sh id free cat ps ip; do
			ln -s busybox /image/bin/$name
		done
		echo root:x:0:0::/:/bin/sh >/image/etc/passwd
		tar -C /image -cf /image.tar .
	END
	podman_runs ''
	podman_runs 'su - anna -c'
	vexits 0 stop 101
	assert_clean
}

# podman_runs AS...: containers, with their own processes, root and network
podman_runs() {
	local as=$1

	: "${as:=sh -c}"
	vexits 0 exec 101 "$as 'podman import /image.tar t'"
	assert_eq "uid=0(root) gid=0 1" "$(vefs exec 101 \
		"$as 'podman run --rm t sh -c \"id; echo \\\$\\\$\"'" \
		2>"$D/podman" | xargs)" "$(cat "$D/podman")"
	assert_eq 524288 "$(vefs exec 101 "$as 'podman run --rm t free'" \
		2>"$D/podman" | awk '/^Mem/ { print $2 }')"
	vefs exec 101 "$as 'podman run --rm t ip addr'" 2>"$D/podman" |
		grep -qE 'eth0|tap0' || fail "no network: $(cat "$D/podman")"
}

run_all "$@"
