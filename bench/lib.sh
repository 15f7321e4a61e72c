# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Shared by run.sh, trees.sh, idle.sh and templates.sh: the scratch directory
# and its cleanup, the peers and how each is mounted, facts about the machine.
#
# Environment (all optional):
#   VEFS_BIN      directory of mount.vefs       (../build/bin)
#   BENCH_BIN     directory of micro, mkfiles and aside (../build/opt/bench);
#                 what is missing or older than its source is compiled with cc
#   BENCH_DIR     measure the disk of this directory, not an ext4 image
#   BENCH_SIZE    of that (sparse) image, in /var/tmp (12G)
#   BENCH_RESULTS where the JSON goes           (bench/results)
#   PEERS         "plain overlayfs fuse-overlayfs vefs"; "before" is another
#                 build of vefs, to compare versions: of the directory
#   BEFORE_BIN
#   ROUNDS        how often everything is repeated
#   MAX_SECONDS   no new round is begun when it would end after this
#   STAT          of each run: median, best or p99
#   OVERLAY_OPTS, FUSE_OVERLAYFS_OPTS, VEFS_OPTS   added to the mount options
#   VOLATILE=1    give every peer the option "volatile"
#   BUSY=1        keep the CPUs from halting with spinners at idle priority
#   CPUS          "any one": measure with the scheduler free to place client and
#                 daemon, and again with both on CPU 0; or only one of these

bench_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VEFS_BIN=${VEFS_BIN:-$bench_here/../build/bin}
BENCH_RESULTS=${BENCH_RESULTS:-$bench_here/results}
PEERS=${PEERS:-plain overlayfs fuse-overlayfs vefs}
OVERLAY_OPTS=${OVERLAY_OPTS-metacopy=on,redirect_dir=on,index=on}
bench_dir=
bench_loop=
bench_group=
work_dir=
micro='' mkfiles='' aside=''
export micro mkfiles aside
bench_spinners=()
bench_pin=()
bench_skipped=()

say()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die()
{
	say "$*"
	exit 1
}

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
		bench_umount_all
		[ -n "$(bench_mounted)" ] && exit 1
	fi
	bench_group_end
	[ -n "$bench_loop" ] && bench_disk_exit
	[ -n "$bench_dir" ] && rm -rf --one-file-system "$bench_dir"
	exit "$status"
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
	mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 \
		"$bench_dir/image" ||
		die "cannot make an ext4 image; or set BENCH_DIR"
	bench_loop=$(losetup -f --show --direct-io=on "$bench_dir/image") ||
		die "cannot attach a loop device; or set BENCH_DIR"
	mount "$bench_loop" "$work_dir" ||
		die "cannot mount $bench_loop; or set BENCH_DIR"
	bench_disk=ext4
}

# Sets the variable named like the program to its path: the one from the
# Makefile when it is newer than its source, else our own.
bench_program()
{
	local name=$1 built=${BENCH_BIN:-$bench_here/../build/opt/bench}/$1
	local source=$bench_here/$1.c

	if [ ! -x "$built" ] || [ "$source" -nt "$built" ]; then
		built=$bench_dir/$name
		${CC:-cc} -O2 -std=gnu11 -o "$built" "$source" ||
			die "cannot compile $source"
	fi
	printf -v "$name" %s "$built"
}

# Why a peer cannot run here; nothing when it can.
peer_missing()
{
	case $1 in
	overlayfs)
		grep -qw overlay /proc/filesystems || modprobe -q overlay ||
			echo "the kernel has no overlay filesystem" ;;
	fuse-overlayfs)
		command -v fuse-overlayfs >/dev/null ||
			echo "not installed (apt-get install fuse-overlayfs)" ;;
	vefs)
		[ -x "$VEFS_BIN/mount.vefs" ] ||
			echo "no $VEFS_BIN/mount.vefs (build it, or set VEFS_BIN)" ;;
	before)
		[ -x "${BEFORE_BIN:-}/mount.vefs" ] ||
			echo "BEFORE_BIN is no directory with a mount.vefs" ;;
	esac
}

bench_peers()
{
	local peer why

	peers=()
	for peer in $PEERS; do
		why=$(peer_missing "$peer")
		if [ -n "$why" ]; then
			say "without $peer: $why"
			bench_skipped+=("$peer: $why")
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
	machine_idle=$(machine_idle_percent)
	machine_load=$(cut -d' ' -f1-3 /proc/loadavg)
	bench_dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/vefs-bench.XXXXXX") ||
		die "cannot make a directory in ${BENCH_DIR:-/var/tmp}"
	trap bench_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	bench_disk_init
	bench_program micro
	bench_program mkfiles
	bench_peers
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

# How idle all CPUs were over two seconds, before anything of ours runs.
machine_idle_percent()
{
	local before after

	before=$(head -1 /proc/stat)
	sleep 2
	after=$(head -1 /proc/stat)
	printf '%s\n%s\n' "$before" "$after" | awk '
		{ idle[NR] = $5 + $6; for (i = 2; i <= 9; i++) sum[NR] += $i }
		END { printf "%.0f", 100 * (idle[2] - idle[1]) / (sum[2] - sum[1]) }'
}

machine_steal_ticks()
{
	awk '/^cpu / { print $9 }' /proc/stat
}

vefs_version()
{
	[ -x "$VEFS_BIN/mount.vefs" ] || return
	"$VEFS_BIN/mount.vefs" --version 2>/dev/null | head -1
}

# The name a peer has in tables.
peer_label()
{
	if [ "$1" = plain ]; then echo "$bench_disk"; else echo "$1"; fi
}

# The option string of an overlay peer; lowers are separated by ":".
peer_options()
{
	local lowers=$2 upper=$3 work=$4 extra=

	case $1 in
	overlayfs) extra=$OVERLAY_OPTS ;;
	fuse-overlayfs) extra=${FUSE_OVERLAYFS_OPTS:-} ;;
	vefs | before) extra=${VEFS_OPTS:-} ;;
	esac
	[ "${VOLATILE:-0}" = 1 ] && extra=${extra:+$extra,}volatile
	echo "lowerdir=$lowers,upperdir=$upper,workdir=$work${extra:+,$extra}"
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
	vefs) program=("$VEFS_BIN/mount.vefs") ;;
	before) program=("$BEFORE_BIN/mount.vefs") ;;
	*) die "PEERS: no peer named $peer" ;;
	esac
	if ! timeout 20 "${bench_pin[@]}" "${program[@]}" -o "$options" \
		"$target" 2>"$bench_dir/stderr"; then
		cat "$bench_dir/stderr" >&2
		die "cannot mount $peer on $target with -o $options"
	fi
	mountpoint -q "$target" || die "$peer said yes but $target is no mount"
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

# sample SAMPLES ROUND PEER JSON: what was measured, as one line.
sample()
{
	printf '{"round":%d,"peer":"%s",%s\n' "$2" "$(peer_label "$3")" \
		"${4#\{}" >>"$1"
}

# Facts for the head of a table, one "name<TAB>value" a line.
machine_facts()
{
	printf 'kernel\t%s\n' "$(uname -srm)"
	printf 'cpu\t%s x %s\n' "$(nproc)" "$(awk -F': ' \
		'/model name/ { print $2; exit }' /proc/cpuinfo)"
	printf 'memory\t%s MiB\n' \
		"$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)"
	printf 'disk\t%s\n' "$bench_disk"
	printf 'load at start\t%s, CPUs %s %% idle%s\n' "$machine_load" \
		"$machine_idle" \
		"$([ "${BUSY:-0}" = 1 ] && echo '; then kept awake')"
	printf 'load at end\t%s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
	printf 'overlayfs options\t%s\n' "${OVERLAY_OPTS:-defaults}"
	[ "${VOLATILE:-0}" = 1 ] && printf 'durability\tvolatile, all peers\n'
	command -v fuse-overlayfs >/dev/null && printf 'fuse-overlayfs\t%s\n' \
		"$(fuse-overlayfs --version 2>&1 |
			awk '/^fuse-overlayfs/ { print $NF }')"
	[ -n "$(vefs_version)" ] && printf 'vefs\t%s\n' "$(vefs_version)"
	printf 'when\t%s\n' "$(date -u +%FT%TZ)"
	local skipped
	for skipped in "${bench_skipped[@]}"; do
		printf 'not measured\t%s\n' "$skipped"
	done
}

facts_list()
{
	machine_facts | awk -F'\t' '{ printf "- %s: %s\n", $1, $2 }'
}

# results_save NAME SAMPLES: facts and samples as one JSON document.
results_save()
{
	local out

	mkdir -p "$BENCH_RESULTS" || die "cannot make $BENCH_RESULTS"
	out=$BENCH_RESULTS/$1-$(date -u +%Y%m%d-%H%M%S).json
	{
		printf '{"machine":{'
		machine_facts | awk -F'\t' '{
			gsub(/["\\]/, "\\\\&", $2)
			if ($1 == "not measured")
				$1 = $1 " " ++skipped
			printf "%s\"%s\":\"%s\"", (NR > 1 ? "," : ""), $1, $2
		}'
		printf '},\n"samples":[\n'
		sed '$!s/$/,/' "$2"
		printf ']}\n'
	} >"$out"
	say "samples: $out"
}

# table SET SAMPLES: the Markdown table and what became of the goals.
table()
{
	local labels=() peer

	for peer in "${peers[@]}"; do
		labels+=("$(peer_label "$peer")")
	done
	awk -v peers="${labels[*]}" -v set="$1" -v stat="${STAT:-median}" \
		-v disk="$bench_disk" \
		-f "$bench_here/table.awk" "$bench_here/goals.txt" "$2"
}
