# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Shared by run.sh, fio.sh, trees.sh, programs.sh, idle.sh and templates.sh: the
# scratch directory and its cleanup, the peers and how each is mounted. What is
# told of them is report.sh's.
#
# Environment (all optional):
#   VEFS_BIN      directory of mount.vefs       (../build/bin)
#   BENCH_BIN     directory of micro, mkfiles, aside and floor
#                 (../build/opt/bench); what is missing or older than its
#                 sources is compiled with cc
#   BENCH_DIR     measure the disk of this directory, not an ext4 image
#   BENCH_SIZE    of that (sparse) image, in /var/tmp (12G)
#   BENCH_FS      what is in it: ext4 or btrfs, with quotas switched on
#   BENCH_RESULTS where the JSON goes           (bench/results)
#   PEERS         "plain overlayfs fuse-overlayfs vefs"; the table "peer_kind"
#                 has the others
#   BEFORE_BIN    of the peer "before": another build's directory
#   ROUNDS        how often everything is repeated
#   MAX_SECONDS   no new round is begun when it would end after this
#   STAT          of each run: median, best or p99
#   OVERLAY_OPTS, FUSE_OVERLAYFS_OPTS, VEFS_OPTS   added to the mount options
#   VOLATILE=1    give every peer the option "volatile"
#   BUSY=1        keep the CPUs from halting with spinners at idle priority
#   CPUS          "any one": measure with the scheduler free to place client and
#                 daemon, and again with both on CPU 0; or only one of these

bench_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$bench_here/report.sh"
PEERS=${PEERS:-plain overlayfs fuse-overlayfs vefs}
bench_dir=
bench_loop=
bench_group=
work_dir=
micro='' mkfiles='' aside='' floor=''
export micro mkfiles aside floor
bench_spinners=()
bench_pin=()

# The peers' mounts, last first; the disk they are on is not one of them.
bench_mounted()
{
	awk -v under="$work_dir/" 'index($5, under) == 1 { print $5, $3 }' \
		/proc/self/mountinfo | tac
}

# A filesystem that no longer answers is cut off, so that umount returns.
bench_umount()
{
	local target=$1 dev=$2 abort

	timeout -k 5 20 umount "$target" 2>/dev/null && return
	abort=/sys/fs/fuse/connections/${dev#*:}/abort
	[ -w "$abort" ] && echo 1 >"$abort"
	timeout -k 5 20 umount -l "$target" ||
		say "cannot unmount $target: do it by hand, then remove it"
}

bench_umount_all()
{
	local target dev

	while read -r target dev; do
		bench_umount "$target" "$dev"
	done < <(bench_mounted)
}

# The daemons end, and let go of the disk, some time after their umount.
bench_disk_exit()
{
	local i

	for ((i = 0; i < 50; i++)); do
		mountpoint -q "$work_dir" || break
		umount "$work_dir" 2>/dev/null && break
		sleep 0.2
	done
	if mountpoint -q "$work_dir"; then
		say "something still uses $work_dir: detaching it"
		umount -l "$work_dir"
	fi
	losetup -d "$bench_loop"
}

# A control group for what must be known of some processes' memory alone;
# without the controller bench_group stays empty.
bench_group_new()
{
	local top=/sys/fs/cgroup

	if grep -qsw memory "$top/cgroup.subtree_control"; then
		bench_group=$top/vefs-bench.$$
	elif [ -e "$top/memory/memory.stat" ]; then
		bench_group=$top/memory/vefs-bench.$$
	fi
	[ -z "$bench_group" ] || mkdir "$bench_group" || bench_group=
}

# After the last umount, when the daemons are about to end.
bench_group_end()
{
	local i

	[ -n "$bench_group" ] || return
	for ((i = 0; i < 50; i++)); do
		rmdir "$bench_group" 2>/dev/null && break
		sleep 0.1
	done
	[ "$i" -lt 50 ] || say "$bench_group stays: something lives in it"
	bench_group=
}

bench_cleanup()
{
	local status=$?

	trap - EXIT INT TERM HUP
	[ ${#bench_spinners[@]} -gt 0 ] && kill "${bench_spinners[@]}"
	if [ -n "$work_dir" ]; then
		! declare -F bench_before_cleanup >/dev/null ||
			bench_before_cleanup
		bench_umount_all
		[ -n "$(bench_mounted)" ] && exit 1
	fi
	bench_group_end
	[ -n "$bench_loop" ] && bench_disk_exit
	[ -n "$bench_dir" ] && rm -rf --one-file-system "$bench_dir"
	exit "$status"
}

bench_mkfs()
{
	case ${BENCH_FS:-ext4} in
	ext4) mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$1" ;;
	btrfs) mkfs.btrfs -q -f "$1" ;;
	*) die "BENCH_FS: $BENCH_FS is neither ext4 nor btrfs" ;;
	esac
}

# A fresh ext4 in a sparse file: no figure then depends on the age of the
# disk, on its journal, or on what others do there. BENCH_DIR asks for the
# disk as it is.
bench_disk_init()
{
	work_dir=$bench_dir/disk
	mkdir "$work_dir" || die "cannot write to $bench_dir"
	if [ -n "${BENCH_DIR:-}" ]; then
		bench_disk=$(findmnt -no FSTYPE -T "$work_dir")
		return
	fi
	truncate -s "${BENCH_SIZE:-12G}" "$bench_dir/image"
	bench_mkfs "$bench_dir/image" >"$bench_dir/stderr" 2>&1 ||
		die "cannot make an image: $(tail -n 1 "$bench_dir/stderr")" \
			"(or set BENCH_DIR)"
	bench_loop=$(losetup -f --show --direct-io=on "$bench_dir/image") ||
		die "cannot attach a loop device; or set BENCH_DIR"
	mount "$bench_loop" "$work_dir" ||
		die "cannot mount $bench_loop; or set BENCH_DIR"
	bench_disk=${BENCH_FS:-ext4}
	[ "$bench_disk" != btrfs ] || btrfs quota enable "$work_dir" ||
		die "cannot switch on quotas of btrfs"
}

# Sets the variable named like the program to its path: the one from the
# Makefile when it is newer than its sources, NAME*.c, else our own.
bench_program()
{
	local name=$1 built=${BENCH_BIN:-$bench_here/../build/opt/bench}/$1

	if [ ! -x "$built" ] || [ -n "$(find "$bench_here" -maxdepth 1 \
		-name "$name*.[ch]" -newer "$built")" ]; then
		built=$bench_dir/$name
		${CC:-cc} -O2 -std=gnu11 -I"$bench_here/.." -o "$built" \
			"$bench_here/$name"*.c || die "cannot compile $name"
	fi
	printf -v "$name" %s "$built"
}

# What each peer is.
declare -A peer_kind=(
	[plain]="the same files in one directory, nothing mounted"
	[overlayfs]="the kernel's"
	[fuse-overlayfs]="the distribution's"
	[floor]="a FUSE daemon that does nothing but answer (run.sh)"
	[vefs]="VEFS_BIN's, over directories"
	[template]="vefs over a template of its store"
	[five]="vefs over five directories"
	[counted]="vefs with a quota, without limits"
	[limited]="vefs with a quota, limits for everybody that nobody reaches"
	[window]="the same, with quota-window=64M"
	[host]="a limit that btrfs keeps (BENCH_FS=btrfs)"
	[before]="BEFORE_BIN's vefs"
)

is_vefs()
{
	case $1 in
	plain | overlayfs | fuse-overlayfs | floor) return 1 ;;
	esac
}

# Why a peer cannot run here; nothing when it can.
peer_missing()
{
	[ -n "${peer_kind[$1]:-}" ] ||
		die "PEERS: no peer $1; there are ${!peer_kind[*]}"
	case $1 in
	overlayfs)
		grep -qw overlay /proc/filesystems || modprobe -q overlay ||
			echo "the kernel has no overlay filesystem" ;;
	fuse-overlayfs)
		command -v fuse-overlayfs >/dev/null ||
			echo "not installed (apt-get install fuse-overlayfs)" ;;
	floor)
		[ "${0##*/}" = run.sh ] ||
			echo "it knows what run.sh does, no more" ;;
	before)
		[ -x "${BEFORE_BIN:-}/mount.vefs" ] ||
			echo "BEFORE_BIN is no directory with a mount.vefs" ;;
	host)
		[ "$bench_disk" = btrfs ] ||
			echo "only with BENCH_FS=btrfs" ;;
	esac
	! is_vefs "$1" || [ -x "$VEFS_BIN/mount.vefs" ] ||
		echo "no $VEFS_BIN/mount.vefs (build it, or set VEFS_BIN)"
}

bench_peers()
{
	local peer why

	peers=()
	for peer in $PEERS; do
		why=$(peer_missing "$peer")
		if [ -n "$why" ]; then
			skipped "$peer: $why"
		else
			peers+=("$peer")
		fi
	done
	[ ${#peers[@]} -gt 0 ] || die "no peer can run"
}

bench_spin()
{
	local cpu

	for cpu in $(seq 0 $(($(nproc) - 1))); do
		timeout 3600 chrt -i 0 taskset -c "$cpu" \
			sh -c 'while :; do :; done' &
		bench_spinners+=($!)
	done
}

# bench_init "$@": begins the script again in a mount namespace of its own;
# one that somebody else copies from ours would keep our mounts alive.
bench_init()
{
	[ "$(id -u)" = 0 ] ||
		die "mounting and dropping caches needs root: run it with sudo"
	[ -n "${BENCH_NAMESPACE:-}" ] ||
		BENCH_NAMESPACE=1 exec unshare -m --propagation private \
			bash "$0" "$@"
	machine_begin
	bench_dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/vefs-bench.XXXXXX") ||
		die "cannot make a directory in ${BENCH_DIR:-/var/tmp}"
	trap bench_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	bench_disk_init
	bench_program micro
	bench_program mkfiles
	bench_peers
	[[ " ${peers[*]} " != *" floor "* ]] || bench_program floor
	[ "${BUSY:-0}" = 1 ] && bench_spin
	bench_began=$SECONDS
}

# cpus_choose any|one: where client and daemons run from now on.
cpus_choose()
{
	case $1 in
	any) bench_pin=() ;;
	one) bench_pin=(taskset -c 0) ;;
	*) die "CPUS: $1 is neither any nor one" ;;
	esac
}

cpus_text()
{
	if [ "$1" = one ]; then echo "all on one CPU"; else echo "on any CPU"; fi
}

# The option string of an overlay peer; lowers are separated by ":", or are
# "template=...".
peer_options()
{
	local lowers=$2 upper=$3 work=$4 extra=

	[[ $lowers == template=* ]] || lowers=lowerdir=$lowers
	case $1 in
	overlayfs) extra=$OVERLAY_OPTS ;;
	fuse-overlayfs) extra=${FUSE_OVERLAYFS_OPTS:-} ;;
	floor) ;;
	*) extra=${VEFS_OPTS:-} ;;
	esac
	case $1 in
	counted | limited) extra=${extra:+$extra,}quota=$work.quota ;;
	window) extra=${extra:+$extra,}quota=$work.quota,quota-window=64M ;;
	host) extra=${extra:+$extra,}quota=$(peer_quota "$work") ;
		extra=$extra,quota-enforce=host ;;
	esac
	[ "${VOLATILE:-0}" = 1 ] && extra=${extra:+$extra,}volatile
	echo "$lowers,upperdir=$upper,workdir=$work${extra:+,$extra}"
}

# Outside of what the host limits: the directory above.
peer_quota()
{
	echo "$(dirname "$(dirname "$1")")/host.quota"
}

# The peer's own directory; the host limits a subvolume.
peer_dir_make()
{
	if [ "$1" = host ]; then
		btrfs -q subvolume create "$2" || die "cannot make $2"
	else
		mkdir -p "$2"
	fi
}

# Limits which nobody reaches, for the container and, unless the host keeps
# that one, for everybody who writes here.
limits_far()
{
	local target=$1 of

	shift
	for of; do
		# shellcheck disable=SC2086 # two words
		"${ASK:-$bench_here/../build/opt/tests/stress/quota}" ask \
			"$target" set $of space 0 $((1 << 50)) >/dev/null ||
			die "cannot set a limit on $target"
	done
}

# peer_mount PEER LOWERS UPPER WORK TARGET; "plain" is mounted by nobody.
peer_mount()
{
	local peer=$1 target=$5 options program

	options=$(peer_options "$@")
	case $peer in
	plain) return ;;
	overlayfs) program=(mount -t overlay bench) ;;
	fuse-overlayfs) program=(fuse-overlayfs) ;;
	floor) program=("$floor") ;;
	before) program=("$BEFORE_BIN/mount.vefs") ;;
	*) program=("$VEFS_BIN/mount.vefs") ;;
	esac
	if ! timeout 60 "${bench_pin[@]}" "${program[@]}" -o "$options" \
		"$target" 2>"$bench_dir/stderr"; then
		cat "$bench_dir/stderr" >&2
		die "cannot mount $peer on $target with -o $options"
	fi
	mountpoint -q "$target" || die "$peer said yes but $target is no mount"
	case $peer in
	limited | window)
		limits_far "$target" "container 0" "user 0" "group 0" ;;
	host) limits_far "$target" "container 0" ;;
	esac
}

# uppers_remove PEER DIRECTORY: what a round wrote, of no use to the next.
uppers_remove()
{
	rm -rf "${2:?}/upper" "$2/work"
	rm -f "$2"/work.quota* "$2"/../host.quota*
	[ "$1" != plain ] || rm -rf "${2:?}/mnt"
}

# Nothing of a round is left, on the disk or mounted.
round_end()
{
	local peer

	bench_umount_all
	[ -z "$(bench_mounted)" ] || die "a mount stays: stopping"
	for peer in "${peers[@]}"; do
		uppers_remove "$peer" "${work_dir:?}/$peer"
	done
	sync -f "$work_dir"
}

# $chosen: those of $steps, NAME:..., that $STEPS names; without it all.
steps_choose()
{
	local step name

	chosen=("${steps[@]}")
	[ -n "${STEPS:-}" ] || return
	chosen=()
	for name in $STEPS; do
		for step in "${steps[@]}"; do
			[ "${step%%:*}" = "$name" ] && chosen+=("$step")
		done
	done
	[ ${#chosen[@]} -gt 0 ] || die "STEPS: none of these is a step"
}

# Everything on the disk, dentries and inodes forgotten by the kernel.
drop_inodes()
{
	sync -f "$work_dir"
	echo 2 >/proc/sys/vm/drop_caches
	sleep 0.3 # what was forgotten is told to the daemons
}

# The peers, begun at another one each turn.
peers_rotated()
{
	local n=${#peers[@]} i

	for ((i = 0; i < n; i++)); do
		echo "${peers[(i + $1) % n]}"
	done
}

# True when one more round of the mean length so far still fits.
another_round()
{
	local done=$1 wanted=$2 spent=$((SECONDS - bench_began))

	[ "$done" -lt "$wanted" ] || return 1
	[ "$done" -eq 0 ] && return
	[ $((spent + spent / done)) -le "$MAX_SECONDS" ] && return
	say "stopping after $done of $wanted rounds: MAX_SECONDS=$MAX_SECONDS"
	return 1
}

# in_turns STEP...: `measure PEER STEP` of each step on each peer.
in_turns()
{
	local step peer

	for step; do
		turn=$((turn + 1))
		for peer in $(peers_rotated "$turn"); do
			measure "$peer" "$step"
		done
	done
}

# rounds_run COUNT [WHAT]: `measure_all` so often, if there is time for it.
rounds_run()
{
	round=0
	turn=0
	while another_round "$round" "$1"; do
		round=$((round + 1))
		say "${2:+$2, }round $round of $1: ${peers[*]}"
		measure_all
	done
}
