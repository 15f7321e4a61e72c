#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctset.sh - containers that run are changed: limits, devices, network,
# hostname, at once or not at all.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"

HOST_IDS=0
# For measurements between networks, so nobody else's, we hope; and not those of
# another run beside this one.
HOST=$(($$ / 250 % 250)).$(($$ % 250 + 1))
IP=198.18.$HOST
IP2=198.19.$HOST

stop_all() {
	local id

	for id in $(vefs list -1); do
		vefs --quiet stop --fast "$id"
	done
}

# A busybox that runs, as 101, with more OPTIONS.
begin() {
	local r=$D/src name

	need busybox
	! ldd "$(command -v busybox)" >"$D/said" 2>&1 ||
		skip "busybox is not static"
	mkdir -p "$r"/{bin,sbin,dev,proc,sys,tmp,etc,run}
	cp "$(command -v busybox)" "$r/bin/busybox"
	for name in sh ls cat hostname ip sleep stat; do
		ln -s busybox "$r/bin/$name"
	done
	ln -s ../bin/busybox "$r/sbin/init"
	put "$r/etc/inittab" '::respawn:/bin/sleep 1000'$'\n'
	vefs --quiet template import b:1 "$r"
	trap stop_all EXIT
	start 101 "$@"
}

start() {
	vefs --quiet create "$1" --template b "${@:2}"
	vefs --quiet start "$1"
}

# group ID FILE CONTROLLER PART: what the kernel has there
group() {
	local name base

	name=$(sed -n 's/^GROUP="\(.*\)"/\1/p' \
		"$S/containers/$1/run/state")
	for base in "/sys/fs/cgroup/$3" /sys/fs/cgroup; do
		if [ -r "$base/vefs/$name$4/$2" ]; then
			cat "$base/vefs/$name$4/$2"
			return
		fi
	done
}

# memory ID, tasks ID, cpu ID: its limits, the same on v1 and v2
memory() {
	group "$1" memory.limit_in_bytes memory /payload |
		grep . || group "$1" memory.max memory /payload
}

tasks() {
	group "$1" pids.max pids /payload
}

cpu() {
	group "$1" cpu.cfs_quota_us cpu "" | grep . ||
		group "$1" cpu.max cpu "" | cut -d ' ' -f 1
}

line() {
	sed -n "s/^$2=\"\\(.*\\)\"/\\1/p" "$S/containers/$1/vefs.conf"
}

t_limits() {
	begin --ram 256M --numproc 50
	assert_eq "$((256 << 20)) 50" "$(memory 101) $(tasks 101)"
	vefs --quiet set 101 --ram 128M --numproc 30:40 --cpulimit 20
	assert_eq "$((128 << 20)) 40 20000" \
		"$(memory 101) $(tasks 101) $(cpu 101)"
	assert_eq "32768 40 20" \
		"$(vefs list -Ho physpages.l,numproc.l,cpulimit 101 | xargs)"
	# it was not kept, and what else is changed does not take it back
	assert_eq "" "$(line 101 CPULIMIT)"
	vefs --quiet set 101 --cpulimit unlimited --save
	assert_eq "$((128 << 20)) 40" "$(memory 101) $(tasks 101)"
	case $(cpu 101) in
	-1 | max) ;;
	*) fail "still limited: $(cpu 101)" ;;
	esac
	vefs --quiet set 101 --ram 512M --save
	assert_eq "$((512 << 20))" "$(memory 101)"
	assert_eq 0:131072 "$(line 101 PHYSPAGES)"
	assert_eq 50 "$(line 101 NUMPROC)"
	# a line that is gone is no limit
	vefs --quiet set 101 --numproc '' --save
	assert_eq max "$(tasks 101)"
	vefs --quiet stop --fast 101
	vefs --quiet start 101
	assert_eq "$((512 << 20)) max" "$(memory 101) $(tasks 101)"
}

t_hostname() {
	begin --hostname one
	vefs --quiet set 101 --hostname two
	assert_eq two "$(vefs exec 101 hostname)"
	assert_eq "two" "$(vefs list -Ho hostname)"
	assert_eq one "$(line 101 HOSTNAME)"
	vefs --quiet set 101 --hostname three --save
	assert_eq "three three" "$(vefs exec 101 hostname) $(line 101 HOSTNAME)"
}

t_devices() {
	begin
	! vefs exec 101 'ls /dev/loop-control' 2>/dev/null ||
		fail "it is there before"
	[ -c /dev/loop-control ] || skip "no /dev/loop-control"
	vefs --quiet set 101 --devnodes loop-control:rw
	assert_eq "10 237" "$(vefs exec 101 \
		'stat -c "%t %T" /dev/loop-control' |
		(read -r a b && echo $((0x$a)) $((0x$b))))"
	assert_eq 0 "$(vefs exec 101 'exec 3<>/dev/loop-control && echo 0')"
	vefs --quiet set 101 --devnodes loop-control:none
	! vefs exec 101 'ls /dev/loop-control' 2>/dev/null ||
		fail "it is there afterwards"
}

# A container cannot turn what is made for it into something of the host's.
t_devices_and_links() {
	local status=0

	begin
	[ -c /dev/net/tun ] || skip "no /dev/net/tun"
	mkdir "$D/victim"
	chmod 777 "$D/victim"
	# the node's directory becomes a link
	vefs exec 101 "rmdir /dev/net && ln -s $D/victim /dev/net"
	vefs --quiet set 101 --devnodes net/tun:rw 2>"$D/said" || status=$?
	assert_eq 1 "$status"
	grep -q "/dev/net/tun: Not a directory" "$D/said" ||
		fail "told $(cat "$D/said")"
	assert_names "$D/victim" ""
	[ ! -e "$S/containers/101/run/live" ] || fail "it was kept"
	vefs exec 101 "rm /dev/net && mkdir /dev/net"
	vefs --quiet set 101 --devnodes net/tun:rw
	assert_eq 0 "$(vefs exec 101 'exec 3<>/dev/net/tun && echo 0')"
}

# /hidden is a node of loop-control, which it has not been given.
hide_node() {
	local init

	[ -c /dev/loop-control ] || skip "no /dev/loop-control"
	init=$(sed -n 's/^INIT="\(.*\)"/\1/p' "$S/containers/101/run/state")
	mknod -m 666 "/proc/$init/root/dev/hidden" c 10 237
	vefs exec 101 "ln -s dev/hidden /hidden"
	! may_use || skip "its devices have no limits here"
}

# Has it been given that?
may_use() {
	vefs exec 101 "exec 3<>/hidden" 2>/dev/null
}

# What its /dev does not take it is not given; what it has is taken away from it
# whatever it has done to its /dev.
t_devices_without_its_dev() {
	local status=0

	begin
	hide_node
	vefs exec 101 "mkdir /covered && busybox mount -o bind /dev /covered"
	vefs exec 101 "ln -snf covered/hidden /hidden"
	vefs exec 101 "busybox mount -t proc none /dev"
	vefs --quiet set 101 --devnodes loop-control:rw 2>"$D/said" || status=$?
	assert_eq 1 "$status"
	grep -q "its /dev: Invalid cross-device link" "$D/said" ||
		fail "told $(cat "$D/said")"
	! may_use || fail "it may be used all the same"
	vefs exec 101 "busybox umount /dev"
	vefs --quiet set 101 --devnodes loop-control:rw
	may_use || fail "it may not be used"
	vefs exec 101 "busybox mount -t proc none /dev"
	vefs --quiet set 101 --devnodes loop-control:none
	! may_use || fail "it may still be used"
	vefs exec 101 "busybox umount /dev"
}

# One of several that cannot be made: none are, and what was there stays.
t_devices_all_or_nothing() {
	local status=0

	begin
	[ -c /dev/net/tun ] || skip "no /dev/net/tun"
	hide_node
	vefs --quiet set 101 --devnodes fuse:r
	vefs exec 101 "rmdir /dev/net && echo >/dev/net"
	vefs --quiet set 101 --devnodes fuse:rw --devnodes loop-control:rw \
		--devnodes net/tun:rw 2>"$D/said" || status=$?
	assert_eq 1 "$status"
	grep -q "/dev/net/tun: Not a directory" "$D/said" ||
		fail "told $(cat "$D/said")"
	! may_use || fail "it may be used all the same"
	! vefs exec 101 'ls /dev/loop-control' 2>/dev/null ||
		fail "it has its node"
	assert_eq 440 "$(vefs exec 101 'stat -c %a /dev/fuse')"
}

t_network() {
	begin --ipadd "$IP"
	vefs exec 101 'ip addr' | grep -q "$IP" || fail "no address"
	vefs --quiet set 101 --ipadd "$IP2"
	assert_eq "$IP $IP2" "$(vefs list -Ho ip)"
	vefs exec 101 'ip addr' | grep -qF "$IP2" || fail "no address"
	vefs --quiet set 101 --ipdel "$IP2" --save
	! vefs exec 101 'ip addr' | grep -qF "$IP2" || fail "still there"
	assert_eq "$IP" "$(line 101 IP_ADDRESS)"
	vefs --quiet set 101 --ipdel all
	! vefs exec 101 'ip addr' | grep -q "$IP" || fail "still there"
	assert_eq "$IP" "$(line 101 IP_ADDRESS)"
}

# Nobody's hand in its vefs.conf makes the host's network its own to change.
t_whose_network_it_is() {
	begin --userns off --net host
	sed -i 's/^NET=.*/NET="private"/' "$S/containers/101/vefs.conf"
	refused "no network of its own to change: NET is host" \
		set 101 --ipadd "$IP"
	sed -i '/^NET_MODE=/d' "$S/containers/101/run/state"
	refused "no network of its own to change: NET is host" \
		set 101 --ipadd "$IP"
	! ip addr | grep -qF "$IP" || fail "the host has it"
	vefs --quiet set 101 --numproc 40
	assert_eq 40 "$(tasks 101)"
}

# What is saved fits together, and a file in which it does not can be mended
# while it runs in another's network.
t_network_as_a_whole() {
	begin --net host
	refused "NET is host: --net private gives it one" \
		set 101 --ipadd "$IP" --save
	assert_eq "" "$(line 101 IP_ADDRESS)"
	# by an older version, or a hand
	echo "IP_ADDRESS=\"$IP\"" >>"$S/containers/101/vefs.conf"
	assert_eq - "$(vefs list -Ho ip | xargs)"
	vefs --quiet set 101 --numproc 40 --save
	refused "NET is none: .*ipdel all and --netif_del all" set 101 --net none --save
	assert_eq host "$(line 101 NET)"
	vefs --quiet set 101 --net private --ipdel all --save 2>"$D/said"
	assert_eq "private " "$(line 101 NET) $(line 101 IP_ADDRESS)"
	vefs --quiet set 101 --ipadd "$IP2" --save 2>"$D/said"
	grep -q -e "--ipadd is for its next start" "$D/said" ||
		fail "told $(cat "$D/said")"
	assert_eq - "$(vefs list -Ho ip | xargs)"
	vefs --quiet restart --fast 101
	assert_eq "$IP2" "$(vefs list -Ho ip)"
	vefs exec 101 'ip addr' | grep -qF "$IP2" || fail "no address"
}

# The addresses for which the host answers, of those two, on any interface.
answered() {
	ip neigh show proxy | grep -oE "($IP|$IP2) " | sort -u | xargs
}

# state KEY: of 101
state() {
	sed -n "s/^$1=\"\(.*\)\"/\1/p" "$S/containers/101/run/state"
}

# However it ends, also where its network goes by itself, nobody answers for
# what it has got since its start.
t_network_and_its_end() {
	local how monitor n

	begin --ipadd "$IP"
	for how in stop end lost "lost end"; do
		[ -n "$(answered)" ] || skip "no way to others here"
		vefs --quiet set 101 --ipadd "$IP2"
		assert_eq "$IP $IP2" "$(answered)" "$how"
		monitor=$(state MONITOR)
		case $how in lost*) kill -KILL "$monitor" ;; esac
		case $how in *end) kill -KILL "$(state INIT)" ;; esac
		# its monitor sees to the end, or it is seen to now
		for ((n = 0; n < 300 * VEFS_SLOW; n++)); do
			[ "$how" = end ] && kill -0 "$monitor" || break
			sleep 0.1
		done
		[ "$how" = end ] || vefs --quiet stop --fast 101
		assert_eq "" "$(answered)" "$how"
		[ ! -e "$S/containers/101/run/live" ] || fail "$how: live"
		vefs --quiet start 101
	done
}

# When a step fails all is as before: the kernel's limits and vefs.conf.
t_all_or_nothing() {
	begin --ram 256M --numproc 50
	start 102 --ipadd "$IP"
	cp "$S/containers/101/vefs.conf" "$D/before"
	refused "$IP" set 101 --ram 128M --numproc 20 --hostname new \
		--ipadd "$IP" --save
	assert_eq "$((256 << 20)) 50" "$(memory 101) $(tasks 101)"
	cmp "$D/before" "$S/containers/101/vefs.conf"
	assert_ne new "$(vefs exec 101 hostname)"
	vefs exec 102 'ip addr' | grep -q "$IP" || fail "102 has lost it"
}

t_what_is_for_the_next_start() {
	begin
	refused "cannot be changed while container 101 is running" \
		set 101 --features fuse:on
	refused "save is missing" set 101 --onboot yes
	vefs set 101 --features fuse:on --save 2>"$D/said"
	grep -q "features is for its next start" "$D/said" || fail "not told"
	! vefs exec 101 'ls /dev/fuse' 2>/dev/null || fail "it is there"
	vefs --quiet set 101 --numproc 40
	! vefs exec 101 'ls /dev/fuse' 2>/dev/null || fail "it is there"
	vefs --quiet set 101 --capability sys_time:on --setmode restart --save
	vefs exec 101 'ls /dev/fuse' >/dev/null
	# and what was not kept is gone
	assert_eq max "$(tasks 101)"
}

# Ids and names are locked while they are changed, and a mount may lock them to
# claim some: that of the restart is not to wait for itself.
t_restart_that_claims() {
	local conf pid

	begin --name web
	start 102
	conf=$S/containers/102/vefs.conf
	echo 'NAME="web"' >>"$conf"
	pid=$(sed -n 's/^MONITOR="\(.*\)"/\1/p' "${conf%/*}/run/state")
	kill -KILL "$pid"
	while [ -e "/proc/$pid/fd/0" ]; do sleep 0.1; done
	timeout $((60 * VEFS_SLOW)) "$VEFS_BIN/vefs" --root "$S" set 102 \
		--userns on --features fuse:on --setmode restart --save \
		2>"$D/said"
	grep -q "the name web is that of container 101 already" "$D/said" ||
		fail "$(cat "$D/said")"
	assert_eq "CTID 102 exist mounted running" "$(vefs status 102)"
}

t_listed() {
	local n

	begin --name web
	# its init and what that begins
	for ((n = 0; n < 100 * VEFS_SLOW; n++)); do
		[ "$(vefs list -Ho numproc | xargs)" != 2 ] || break
		sleep 0.1
	done
	assert_eq "101 2 running - -" "$(vefs list -H | xargs)"
	assert_eq "CTID 101 exist mounted running" "$(vefs status web)"
	vefs --quiet suspend 101
	assert_eq "CTID 101 exist mounted running suspended" \
		"$(vefs status 101)"
	assert_eq suspended "$(vefs list -Ho status)"
	vefs --quiet resume 101
	assert_eq running "$(vefs list -Ho status)"
	assert_eq "" "$(vefs list -SH)"
	vefs list -Ho uptime | grep -qE '^ *0d00h:0[0-9]m' || fail "no uptime"
}

# throttle ID: how fast it may write.
throttle() {
	group "$1" blkio.throttle.write_bps_device blkio "" | grep . ||
		group "$1" io.max io ""
}

# What it has left to write is not to be waited for.
t_no_io_limit_at_its_end() {
	begin --iolimit 1M
	throttle 101 >"$D/before" || skip "no I/O limits here"
	grep -q 1048576 "$D/before" || skip "no disk with I/O limits"
	mkdir -p "$S/etc"
	{
		echo '#!/bin/bash'
		echo "S=$S"
		declare -f group throttle
		echo "{ throttle 101; echo said; } >$D/after"
	} >"$S/etc/101.umount"
	chmod +x "$S/etc/101.umount"
	vefs --quiet stop --fast 101
	assert_eq said "$(grep -v -e max "$D/after")" "its limits at its end"
}

# kib ID: what its root has
kib() {
	vefs exec "$1" df -Pk / | awk 'END { print $2 }'
}

# What is for its next mount is so after a restart, and whom the host has
# around a mount is called.
t_restart_mounts_anew() {
	local when

	begin --diskspace 30M
	mkdir -p "$S/etc"
	for when in premount mount umount postumount; do
		printf '#!/bin/sh\necho %s >>%s\n' "$when" "$D/ran" \
			>"$S/etc/101.$when"
		chmod +x "$S/etc/101.$when"
	done
	assert_eq 30720 "$(kib 101)" "KiB"
	vefs --quiet set 101 --diskquota no --save
	assert_eq 30720 "$(kib 101)" "KiB before the restart"
	vefs --quiet restart --fast 101
	assert_ne 30720 "$(kib 101)" "KiB without a quota"
	assert_eq "umount postumount premount mount" "$(xargs <"$D/ran")"
	vefs --quiet set 101 --diskquota yes --save --setmode restart
	assert_eq 30720 "$(kib 101)" "KiB with one again"
	# somebody is in there
	cd "$S/root/101" || fail "no $S/root/101"
	vefs --quiet restart --fast 101 2>"$D/said"
	cd /
	grep -q busy "$D/said" || fail "said $(cat "$D/said")"
	assert_eq 30720 "$(kib 101)" "KiB"
	vefs --quiet stop --fast 101
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
}

# What is in use cannot be taken away, and nobody else has it locked.
t_memory_below_use() {
	local status=0

	begin --ram 256M --swap 0
	vefs exec 101 'mkdir -p /shm && mount -t tmpfs shm /shm &&
		dd if=/dev/zero of=/shm/f bs=1M count=24 2>/dev/null'
	vefs set 101 --ram 8M --save >"$D/said" 2>&1 || status=$?
	assert_eq 1 "$status" "exit status"
	grep -q "container 101: it uses [0-9]* bytes" "$D/said" ||
		fail "said $(cat "$D/said")"
	assert_eq "$((256 << 20))" "$(memory 101)"
}

run_all "$@"
