#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Containers: how long one takes from nothing to its command and back, many at
# once, and what one costs that does nothing. All are a static busybox.
#
#	run	vefs run -- true, beside podman with crun or runc, that one
#		alone, and lxc, as far as they are installed and run, one
#		after the other in each round
#	start	MANY containers that are down, in parallel; each is then asked
#	memory	of one of those: proportional set size of its processes on the
#		host, and what the machine has less for each
#	sysinfo	sysinfo(2) in a container, and outside
#	idle	IDLE of them run at the same time, all of which answer
#
# usage: ct.sh [-q]   -q: 5 rounds, 10 and no containers. Environment:
#   VEFS_BIN   directory of vefs (../build/bin)
#   BENCH_BIN  directory of procread (../build/opt/bench)
#   BENCH_DIR  where the store is made (/var/tmp)
#   ROUNDS (21), MANY (100), IDLE (300)
#   MAX_SECONDS  no round of `run` begins after half of it
set -u
. "$(dirname "$0")/report.sh"

BENCH_BIN=${BENCH_BIN:-$bench_here/../build/opt/bench}
rounds=21 many=100 idle=300
while getopts q option; do
	case $option in
	q) rounds=5 many=10 idle=0 ;;
	*) die "usage: ${0##*/} [-q]" ;;
	esac
done
ROUNDS=${ROUNDS:-$rounds} MANY=${MANY:-$many} IDLE=${IDLE:-$idle}
MAX_SECONDS=${MAX_SECONDS:-540}
dir='' runtime=''

vefs()
{
	"$VEFS_BIN/vefs" --root "$dir/store" --quiet "$@"
}

cleanup()
{
	local status=$?

	trap - EXIT INT TERM HUP
	[ -n "$dir" ] || exit "$status"
	[ ! -d "$dir/store" ] || vefs stop --all --fast >"$dir/stopped" 2>&1
	if awk -v d="$dir/" 'index($5, d) == 1 { found = 1 }
		END { exit !found }' /proc/self/mountinfo; then
		die "something is still mounted below $dir"
	fi
	rm -rf --one-file-system "$dir"
	exit "$status"
}

# took COMMAND...: sets `us`, to nothing if it fails.
took()
{
	local began ended

	us=
	began=${EPOCHREALTIME/./}
	"$@" </dev/null >"$dir/out" 2>&1 || {
		say "failed: $* ($(tail -n 3 "$dir/out"))"
		return 1
	}
	ended=${EPOCHREALTIME/./}
	us=$((ended - began))
}

# ms US [N]: a Nth of it, in milliseconds; of nothing, nothing.
ms()
{
	[ -z "$1" ] || awk -v us="$1" -v n="${2:-1}" \
		'BEGIN { printf "%.3f", us / 1000 / n }'
}

# ---- run -----------------------------------------------------------------------

make_root()
{
	local r=$dir/root name lib

	mkdir -p "$r"/{bin,sbin,dev,proc,sys,tmp,etc,run,root}
	cp "$(command -v busybox)" "$r/bin/busybox" || die "no busybox"
	for name in sh true sleep cat echo init; do
		ln -s busybox "$r/bin/$name"
	done
	ln -s ../bin/busybox "$r/sbin/init"
	echo '::respawn:/bin/sleep 100000' >"$r/etc/inittab"
	if [ -x "$BENCH_BIN/procread" ]; then
		cp "$BENCH_BIN/procread" "$r/bin/procread"
		ldd "$BENCH_BIN/procread" | grep -o '/[^ ]*' |
			while read -r lib; do
				mkdir -p "$r${lib%/*}" && cp "$lib" "$r$lib"
			done
	fi
	vefs template import bb "$r" || die "no template"
}

run_vefs()
{
	vefs run bb -- true
}

# Limits no higher than ours: a machine may not let us raise them.
run_podman()
{
	podman --runtime "$runtime" run --rm --ulimit nofile=1024:1024 \
		--ulimit nproc=1000:1000 --network none --rootfs "$dir/root" true
}

# The runtime alone: no layers, no network.
run_crun()
{
	crun run --bundle "$dir/bundle" "vefs-bench-$$"
}

run_runc()
{
	runc run --bundle "$dir/bundle" "vefs-bench-$$"
}

run_lxc()
{
	lxc-execute -n "vefs-bench-$$" -P "$dir" -f "$dir/lxc.conf" -- /bin/true
}

make_bundle()
{
	mkdir "$dir/bundle" && (cd "$dir/bundle" && "$1" spec) || return
	jq --arg root "$dir/root" '.root = {path: $root} |
		.process.args = ["/bin/true"] | .process.terminal = false |
		del(.process.rlimits)' "$dir/bundle/config.json" \
		>"$dir/bundle/new" &&
		mv "$dir/bundle/new" "$dir/bundle/config.json"
}

# runs NAME: is it a peer here?
runs()
{
	"run_$1" </dev/null >"$dir/out" 2>&1 && return
	skipped "$1: does not run here: $(head -n 3 "$dir/out" | paste -sd ' ')"
	return 1
}

make_peers()
{
	local name

	peers=(vefs)
	# crun does without v1 and v2 at once
	for name in crun runc; do
		command -v "$name" >/dev/null || continue
		make_bundle "$name" && runs "$name" && {
			runtime=$name
			peers+=("$name")
			break
		}
		rm -rf "$dir/bundle"
	done
	if ! command -v podman >/dev/null || [ -z "$runtime" ]; then
		skipped "podman: not installed, or no runtime (crun, runc)"
	else
		runs podman && peers+=(podman)
	fi
	command -v lxc-execute >/dev/null || {
		skipped "lxc: not installed (apt-get install lxc)"
		return
	}
	printf '%s\n' "lxc.rootfs.path = dir:$dir/root" \
		'lxc.net.0.type = empty' >"$dir/lxc.conf"
	runs lxc && peers+=(lxc)
}

bench_run()
{
	local peer

	for ((round = 1; round <= ROUNDS; round++)); do
		for peer in "${peers[@]}"; do
			took "run_$peer"
			figure "$out" "$round" "$peer" run ms "run -- true" \
				"$(ms "$us")"
		done
		[ $((SECONDS * 2)) -lt "$MAX_SECONDS" ] || break
	done
}

# ---- many ----------------------------------------------------------------------

ids()
{
	seq 1001 $((1000 + $1))
}

available()
{
	awk '/^MemAvailable/ { print $2 }' /proc/meminfo
}

# all_answer N: every one of them runs a command
all_answer()
{
	local n

	vefs exec --all -- echo here </dev/null >"$dir/answers" 2>"$dir/asked"
	n=$(grep -c 'here$' "$dir/answers")
	[ "$n" = "$1" ] ||
		die "$n of $1 answer: $(tail -n 3 "$dir/asked" | paste -sd ' ')"
}

# The processes that serve one container, on the host.
servers_of()
{
	local group

	group=$(sed -n 's/^GROUP="\(.*\)"/\1/p' \
		"$dir/store/containers/$1/run/state")
	cat /sys/fs/cgroup/*/vefs/"$group"/daemon/cgroup.procs \
		/sys/fs/cgroup/vefs/"$group"/daemon/cgroup.procs 2>/dev/null |
		sort -nu
}

# What these have of their own, and their part of what they share.
memory_of()
{
	local pid

	servers_of "$1" | while read -r pid; do
		awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup"
	done | awk '{ n += $1 } END { if (NR) print n }'
}

# bench_many KEY N
bench_many()
{
	local key=$1 n=$2 id before after

	for id in $(ids "$n"); do
		[ -d "$dir/store/containers/$id" ] ||
			vefs create "$id" --template bb || die "no container $id"
	done
	sleep 2
	before=$(available)
	took vefs start --all
	figure "$out" 1 vefs "start_$key" ms \
		"start of $n in parallel, each" "$(ms "$us" "$n")"
	sleep 2
	after=$(available)
	all_answer "$n"
	figure "$out" 1 vefs "memory_$key" KiB \
		"memory that the machine has less, each of $n" \
		$(((before - after) / n))
	figure "$out" 1 vefs "pss_$key" KiB \
		"PSS of all that serves one of $n" "$(memory_of 1001)"
	figure "$out" 1 vefs "servers_$key" count \
		"processes on the host for one" "$(servers_of 1001 | wc -l)"
}

bench_sysinfo()
{
	local n said

	[ -x "$dir/root/bin/procread" ] || {
		skipped "sysinfo: no $BENCH_BIN/procread (make)"
		return
	}
	for n in 1 2 3; do
		said=$("$BENCH_BIN/procread" --sysinfo 5000)
		figure "$out" "$n" native sysinfo us "sysinfo(2)" "${said%% *}"
		said=$(vefs exec 1001 -- /bin/procread --sysinfo 5000)
		figure "$out" "$n" vefs sysinfo us "sysinfo(2)" "${said%% *}"
	done
}

bench_stop()
{
	took vefs stop --all --fast
	figure "$out" 1 vefs "stop_$1" ms "stop of $2 in parallel, each" \
		"$(ms "$us" "$2")"
}

[ "$(id -u)" = 0 ] || die "needs root"
[ -x "$VEFS_BIN/vefs" ] || die "no $VEFS_BIN/vefs: build it"
dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/vefs-ct.XXXXXX") || exit 1
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
machine_begin
make_root
make_peers
out=$(set_file ct "$dir")
set_begin "$out" ct "Containers of a static busybox" native "${peers[@]}"
bench_run
bench_many many "$MANY"
bench_sysinfo
bench_stop many "$MANY"
if [ "$IDLE" -gt 0 ] && [ $((SECONDS * 2)) -lt "$MAX_SECONDS" ]; then
	bench_many idle "$IDLE"
	bench_stop idle "$IDLE"
fi
set_end Containers "$out"
