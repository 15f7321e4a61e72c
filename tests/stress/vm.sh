#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vm.sh - tests once more on a stock Debian kernel, in a machine that qemu
# makes: those of containers, on control groups v2 alone. Nothing of this
# machine's is changed.
#
#	sudo tests/run.sh stress/vm
#	sudo SUITE=bookworm CGROUPS=hybrid TESTS="unit ctlife" \
#		tests/run.sh stress/vm
#
# SUITE=trixie	whose kernel and userland: mmdebstrap gets them from where
#		apt is set up to get packages; kept in build/vm
# CGROUPS=v2	how control groups are mounted: v2, v1, hybrid (as systemd
#		calls them); 6.12 has no v1 memory and cpuset
# TESTS="..."	what tests/run.sh takes; "unit" and all of containers
# CASES="..."	patterns: only these cases of each script, suites of "unit"
# JOBS=1	scripts at the same time
# CT_LONG=1	what takes minutes, too
# VEFS_CYCLES=	how often ctlife and ctsystem start and stop
# MEMORY=3G CPUS=2
# SWAP=		how much swap there is, 512M say; none
# SLOW=		the factor on all time limits: 8, or 2 where there is KVM
# VEFS_ROOTS=	whole systems for those tests that want some (lib_ct.sh); made
#		by mmdebstrap, too, and kept in build/vm/roots; "none": without
#
# The machine reaches the network by this one's addresses, and packages from
# where this one's apt gets them. What the tests print is printed; what the
# kernel said, when the machine ended before them, too. Without KVM all tests
# take more than an hour. Programs built on a newer Debian than SUITE do not run.
# timeout: 14400
set -u

# Those for which this is the question, whatever they are.
of_containers()
{
	local script

	printf 'unit '
	for script in "$here"/../integration/ct*.sh; do
		printf '%s ' "$(basename "$script" .sh)"
	done
}

here=$(cd "$(dirname "$0")" && pwd)
top=${VEFS_SRC:-$(cd "$here/../.." && pwd)}
SUITE=${SUITE:-trixie}
CGROUPS=${CGROUPS:-v2}
TESTS=${TESTS:-$(of_containers)}
CASES=${CASES:-}
JOBS=${JOBS:-1}
CT_LONG=${CT_LONG:-0}
MEMORY=${MEMORY:-3G}
CPUS=${CPUS:-2}
SWAP=${SWAP:-}
D=${D:-opt}
PACKAGES=linux-image-cloud-amd64,acl,attr,btrfs-progs,busybox-static
PACKAGES+=,ca-certificates,curl,e2fsprogs,file,fuse3,iproute2,iputils-ping
PACKAGES+=,kmod,libarchive13,libcap2-bin,libjansson4,liblmdb0,libmnl0
PACKAGES+=,libnettle8,libseccomp2,libsubunit0,libxxhash0,lmdb-utils,procps
PACKAGES+=,python3,strace,util-linux,xfsprogs
SYSTEM=systemd-sysv,dbus,iproute2,procps,quota
# all that the image knows of us: the rest comes with each run
INIT='#!/bin/bash
mkdir /vm
tar -C /vm -xf /dev/vdb
exec bash /vm/tests/stress/vm_init.sh'

skip()
{
	echo "skip vm # $*"
	exit 0
}

not_ok()
{
	echo "not ok vm - $*"
	exit 1
}

need()
{
	command -v "$1" >/dev/null || skip "no $1: apt-get install $2"
}

# ---- the image: a root, its kernel and initrd ------------------------------

# debian SUITE PACKAGES TARGET: from where apt gets packages, else why not
debian()
{
	local mirror keyring

	read -r mirror keyring < <("$top/tools/deps.sh" mirror)
	[ -n "${mirror:-}" ] || {
		echo "apt has no source of Debian packages" >"$work/said"
		return 1
	}
	timeout 900 mmdebstrap --quiet --mode=root --variant=minbase \
		--keyring="$keyring" --include="$2" "$1" "$3" "$mirror" \
		>"$work/said" 2>&1
}

make_image()
{
	local root=$new/root

	mkdir -p "$new"
	echo "# making the image of $SUITE"
	debian "$SUITE" "$PACKAGES" "$root" ||
		skip "no $SUITE by mmdebstrap: $(tail -n 1 "$work/said")"
	printf '%s\n' "$INIT" >"$root/sbin/vm-init"
	chmod 755 "$root/sbin/vm-init"
	mv "$root"/boot/vmlinuz-* "$new/vmlinuz" &&
		mv "$root"/boot/initrd.img-* "$new/initrd" &&
		truncate -s 8G "$new/root.ext4" &&
		mkfs.ext4 -q -E lazy_itable_init=1 -d "$root" "$new/root.ext4" &&
		rm -rf --one-file-system "$root" &&
		mv "$new" "$image"
}

# ---- what it runs ----------------------------------------------------------

# one_root NAME SUITE PACKAGES
one_root()
{
	local file=$top/build/vm/roots/$1.tar

	[ ! -s "$file" ] || return 0
	mkdir -p "${file%/*}"
	echo "# making the system $1"
	if debian "$2" "$3" "$work/root.tar"; then
		mv "$work/root.tar" "$file"
	else
		echo "# no $2 by mmdebstrap: $(tail -n 1 "$work/said")"
	fi
}

# Those that want whole systems get some.
wants_roots()
{
	local name

	[ -z "${VEFS_ROOTS:-}" ] || return
	for name in $TESTS; do
		grep -qs '^#.*_ROOTS' "$here/../integration/${name##*/}.sh" &&
			return
	done
	return 1
}

make_roots()
{
	VEFS_ROOTS=$top/build/vm/roots
	one_root bookworm bookworm "$SYSTEM"
	one_root trixie trixie "$SYSTEM"
	one_root sysv bookworm sysvinit-core,iproute2,procps
}

# ---- the machine -----------------------------------------------------------

# What the guest finds in /vm, as a tar on a disk.
pack()
{
	local what=(Makefile tests tools fs/base/crash.h "build/$D/tests"
		build/bin)

	[ "$D" = opt ] || what+=("build/$D/bin")
	mkdir "$work/conf"
	printf '%s=%q\n' CGROUPS "$CGROUPS" TESTS "$TESTS" CASES "$CASES" \
		JOBS "$JOBS" CT_LONG "$CT_LONG" D "$D" VEFS_SLOW "$SLOW" \
		VEFS_CYCLES "${VEFS_CYCLES:-}" SWAP "$SWAP" \
		>"$work/conf/vm.conf"
	cp -rL /etc/apt/apt.conf.d "$work/conf/apt.conf.d" || return
	mkdir "$work/conf/roots"
	if [ "$VEFS_ROOTS" != none ]; then
		ln -s "$(realpath "$VEFS_ROOTS")"/*.tar "$work/conf/roots/"
	fi
	tar -cf "$work/vm.tar" -C "$top" "${what[@]}" \
		-C "$work/conf" vm.conf apt.conf.d &&
		tar -rhf "$work/vm.tar" -C "$work/conf" roots
}

# Without KVM: no cmpxchg16b, which qemu 7.2 gets wrong, and no addresses at
# random, which it then crashes at. One thread for all processors: with several
# one may still run the breakpoint that another has put into the kernel's code
# and taken away again, and the kernel panics ("int3"). It changes its code with
# each group of a kind that none other was of.
accelerator()
{
	if [ -w /dev/kvm ] && { [ -d /sys/module/kvm_intel ] ||
		[ -d /sys/module/kvm_amd ]; }; then
		ACCELERATOR=(-accel kvm -cpu host)
		SLOW=${SLOW:-2}
	else
		ACCELERATOR=(-accel "tcg,thread=single,tb-size=512"
			-cpu "max,la57=off,-cx16")
		SLOW=${SLOW:-8}
	fi
}

machine()
{
	local swap=()

	[ -z "$SWAP" ] || swap=(-drive "file=$work/swap,format=raw,if=virtio")
	TMPDIR=$work exec qemu-system-x86_64 -nodefaults -no-user-config \
		-display none -no-reboot -machine q35 "${ACCELERATOR[@]}" \
		-smp "$CPUS" -m "$MEMORY" -kernel "$image/vmlinuz" \
		-initrd "$image/initrd" -append "root=/dev/vda rw quiet \
init=/sbin/vm-init console=ttyS0 panic=-1 norandmaps no_timer_check \
net.ifnames=0 psi=1" \
		-drive "file=$image/root.ext4,format=raw,if=virtio,snapshot=on" \
		-drive "file=$work/vm.tar,format=raw,if=virtio,readonly=on" \
		"${swap[@]}" \
		-netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
		-device virtio-rng-pci -serial "file:$work/console" \
		-serial stdio </dev/null
}

# One line for all unit tests, and none that looks like ours.
shown()
{
	sed -u -E -e 's/\r$//' \
		-e 's/^unit: ([1-9][0-9]* passed, 0 failed, .*)/ok unit: \1/' \
		-e 's/^unit: (.*)/not ok unit: \1/' \
		-e 's/^([0-9]+ passed, .*)/# \1/'
}

# Why the machine ended: where the kernel's trouble began, and its last words.
tell_end()
{
	grep -n -m 1 -A 25 -E 'BUG:|Oops|int3:|cut here|invalid opcode' \
		"$work/console"
	tail -n 20 "$work/console" "$work/qemu"
}

finish()
{
	[ -z "$machine" ] || kill "$machine"
	wait
	rm -rf --one-file-system "$work" "$new"
}

need qemu-system-x86_64 qemu-system-x86
need mmdebstrap mmdebstrap
need mkfs.ext4 e2fsprogs
[ -x "$top/build/$D/tests/vt" ] || not_ok "nothing is built: make"
[ "$(id -u)" = 0 ] || not_ok "a Debian root is made by root"

image=$top/build/vm/$SUITE-$(sha256sum <<<"$PACKAGES $INIT" | cut -c -12)
new=$image.new.$$
work=$(mktemp -d "${VEFS_TMP:-/var/tmp}/vm.XXXXXX") || exit
machine=
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
[ -d "$image" ] || make_image || not_ok "no image of $SUITE"
accelerator
! wants_roots || make_roots
VEFS_ROOTS=${VEFS_ROOTS:-none}
pack || not_ok "what the tests need cannot be packed"
[ -z "$SWAP" ] || truncate -s "$SWAP" "$work/swap" || not_ok "SWAP=$SWAP"

machine > >(tee "$work/said" | shown) 2>"$work/qemu" &
machine=$!
wait "$machine"
machine=
status=$(sed -n 's/^# vm: exit status \([0-9]*\).*/\1/p' "$work/said")
if [ -z "$status" ]; then
	tell_end | sed 's/^/#   /'
	not_ok "the machine ended before its tests"
fi
[ "$status" = 0 ]
