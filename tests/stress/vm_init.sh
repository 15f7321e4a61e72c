#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vm_init.sh - process 1 of the machine that vm.sh makes, in a Debian root and
# with /vm as vm.sh packed it: mounts what a distribution mounts, runs the
# tests, says how they ended, and switches off.
set -u

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LC_ALL=C
cd /vm || exit
# shellcheck source=/dev/null # vm.sh writes it
. ./vm.conf
export D VEFS_SLOW VEFS_SRC=/vm JOBS CT_LONG VEFS_CYCLES
export VEFS_ROOTS=/vm/roots CTQUOTA_ROOTS=/vm/roots
export CK_TIMEOUT_MULTIPLIER=$VEFS_SLOW
export VEFS_PROGS=/vm/build/$D/tests VEFS_VT=/vm/build/$D/tests/vt

mount_at()
{
	local dir=$1

	shift
	mountpoint -q "$dir" && return
	mkdir -p "$dir"
	mount "$@" "$dir"
}

# One hierarchy for each controller, as far as this kernel has them.
mount_v1()
{
	local name enabled top=/sys/fs/cgroup

	mount -t tmpfs -o mode=755 cgroup "$top"
	while read -r name _ _ enabled; do
		[ "$enabled" = 1 ] || continue
		mkdir "$top/$name"
		mount -t cgroup -o "$name" cgroup "$top/$name" 2>/dev/null ||
			rmdir "$top/$name"
	done </proc/cgroups
	mkdir "$top/systemd"
	mount -t cgroup -o none,name=systemd cgroup "$top/systemd"
	[ "$CGROUPS" = hybrid ] || return
	mkdir "$top/unified"
	mount -t cgroup2 cgroup2 "$top/unified"
}

# Given to groups as systemd gives them.
mount_v2()
{
	local name top=/sys/fs/cgroup

	mount -t cgroup2 -o nsdelegate cgroup2 "$top"
	for name in cpuset cpu io memory hugetlb pids; do
		echo "+$name" >"$top/cgroup.subtree_control"
	done
}

# As this emulator has it, and packages from where its machine gets them.
net_up()
{
	ip link set lo up
	ip link set eth0 up &&
		ip address add 10.0.2.15/24 dev eth0 &&
		ip route add default via 10.0.2.2
	echo nameserver 10.0.2.3 >/etc/resolv.conf
	echo '127.0.0.1 localhost vm' >/etc/hosts
	cp apt.conf.d/* /etc/apt/apt.conf.d/
}

# Those of CASES.
some_of()
{
	# shellcheck disable=SC2086 # words
	if [ "$1" = unit ]; then
		"$VEFS_PROGS/unit" $CASES | sed 's/^[0-9]* passed, /unit: &/'
		return "${PIPESTATUS[0]}"
	else
		bash "tests/integration/$1.sh" $CASES
	fi
}

mount_at /proc -t proc proc
mount_at /sys -t sysfs sysfs
mount_at /dev/pts -t devpts -o gid=5,mode=620,ptmxmode=666 devpts
mount_at /dev/shm -t tmpfs -o mode=1777 tmpfs
mount_at /run -t tmpfs -o mode=755 tmpfs
modprobe -a fuse loop tun veth bridge dummy virtio_net
mount_at /sys/fs/fuse/connections -t fusectl fusectl
case $CGROUPS in
v2) mount_v2 ;;
*) mount_v1 ;;
esac
ln -sfn /proc/self/fd /dev/fd
hostname vm
net_up
ulimit -Hn 524288
[ -z "$SWAP" ] || { mkswap -q /dev/vdc && swapon /dev/vdc; }

stty -F /dev/ttyS1 raw -echo
{
	echo "# $(uname -r), control groups: $CGROUPS"
	# shellcheck disable=SC2086 # words
	if [ -z "$CASES" ]; then
		tests/run.sh $TESTS
		status=$?
	else
		set -f
		status=0
		for name in $TESTS; do
			some_of "$name" || status=1
		done
	fi
	echo "# vm: exit status $status"
} </dev/null >/dev/ttyS1 2>&1
sync
busybox poweroff -f
