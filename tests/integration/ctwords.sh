#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctwords.sh - the words in which a container is configured: create, set --save,
# list, status, names and ids of containers that do not run.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"

# Each has ids of its own here, as it is where nothing else is said.
HOST_IDS=0

template() {
	mkdir -p "$D/src/etc"
	put "$D/src/f" "text"
	put "$D/src/own" "of a user"
	chown 1000:1000 "$D/src/own"
	vefs --quiet template import t:1 "$D/src"
}

conf_of() {
	echo "$S/containers/$1/vefs.conf"
}

# has ID LINE...: its vefs.conf does
has() {
	local line

	for line in "${@:2}"; do
		grep -qxF "$line" "$(conf_of "$1")" ||
			fail "no $line in $(conf_of "$1"): $(cat "$(conf_of "$1")")"
	done
}

has_not() {
	! grep -q "$2" "$(conf_of "$1")" || fail "$2 is in $(conf_of "$1")"
}

# misused PATTERN ARGUMENT...: exit status 2 and a message like that
misused() {
	local pattern=$1

	shift
	usage_error "$@"
	grep -qE -- "$pattern" "$D/usage.out" ||
		fail "told '$(cat "$D/usage.out")', not '$pattern'"
}

# ended STATUS PATTERN ARGUMENT...
ended() {
	local status=0

	vefs "${@:3}" >"$D/ended.out" 2>&1 || status=$?
	assert_eq "$1" "$status" "exit status of ${*:3}"
	grep -qE -- "$2" "$D/ended.out" ||
		fail "told '$(cat "$D/ended.out")', not '$2'"
}

# Nothing of a container is there: no file, no name, no ids.
nothing_made() {
	local dir

	for dir in containers names idranges; do
		[ ! -d "$S/$dir" ] || assert_names "$S/$dir" ""
	done
}

t_create_with_words() {
	template
	vefs --quiet create 101 --template t --name web --hostname web.example \
		--description 'my "web"' --ram 512M --swap 0 --numproc 200 \
		--cpuunits 500 --cpulimit 150% --cpus 1 --cpumask 0 \
		--ioprio 3 --iolimit 10 --iopslimit 100 \
		--ipadd 10.9.0.5 --ipadd fd00::5 --nameserver 9.9.9.9 \
		--nameserver 1.1.1.1 --searchdomain example \
		--netif_add eth0,,,,br0 --devnodes null:rw \
		--capability sys_time:on --features fuse:on \
		--onboot yes --bootorder 5 --stop-timeout 9 \
		--init '/bin/sh -c "a b"' --diskspace 1G --diskinodes 1000 \
		--kmemsize 1M:2M --disabled no
	has 101 'NAME="web"' 'HOSTNAME="web.example"' \
		'DESCRIPTION="my \"web\""' 'NUMPROC="200"' 'CPUUNITS="500"' \
		'CPULIMIT="150%"' 'CPUS="1"' 'IOPRIO="3"' 'IOLIMIT="10485760"' \
		'IP_ADDRESS="10.9.0.5 fd00::5"' 'NAMESERVER="9.9.9.9 1.1.1.1"' \
		'NETIF="ifname=eth0,bridge=br0"' 'DEVNODES="null:rw"' \
		'CAPABILITY="sys_time:on"' 'FEATURES="fuse:on"' 'ONBOOT="yes"' \
		'BOOTORDER="5"' 'STOP_TIMEOUT="9"' \
		'INIT="/bin/sh -c \"a b\""' 'DISKSPACE="1048576:1048576"' \
		'DISKINODES="1000:1000"' 'KMEMSIZE="1M:2M"' 'SWAPPAGES="0:0"'
	assert_eq "101 web web.example 100 3 10485760 200 10.9.0.5 fd00::5" \
		"$(vefs list -aH -o ctid,name,hostname,cpulimit,ioprio,iolimit,numproc.l,ip | xargs)"
}

# Each is told, and nothing is made.
t_create_refuses() {
	local o

	template
	for o in "--cpuunits 7" "--cpulimit x" "--cpus 0.5" "--ram 1" \
		"--swap x" "--numproc 0" "--ioprio 8" "--iolimit x" \
		"--iopslimit -1" "--ipadd 1.2.3" "--ipdel 1.2.3.4" \
		"--nameserver x" "--searchdomain -x" "--netif_add lo" \
		"--net bridge" "--devnodes ../x:r" "--devices c:1:r" \
		"--capability x:on" "--features x:on" "--onboot 2" \
		"--bootorder x" "--stop-timeout x" "--init sh" "--userns x" \
		"--hostname a/b" "--name 5" "--name a/b" "--cpumask 2-1" \
		"--kmemsize 2:1" "--physpages x" "--diskspace 2:1"; do
		# shellcheck disable=SC2086 # an option and its value
		misused "vefs: ${o%% *}" create 101 --template t $o
	done
	misused "no such option" create 101 --template t --nosuch 1
	misused "its value is missing" create 101 --template t --ram
	refused "no sample 'nosuch': .* is in $S/etc/vefs.d$" create 101 --template t --config nosuch
	refused "no sample's name" create 101 --template t --config ../x
	refused "no template nosuch" create 101 --template nosuch --name web
	nothing_made
}

t_names() {
	template
	vefs --quiet create 101 --template t --name web
	vefs --quiet create mail --template t
	refused "web is the name of container 101" create web --template t
	refused "name web is that of container 101" \
		create 102 --template t --name web
	refused "name mail is that of container mail" \
		create 102 --template t --name mail
	vefs --quiet mount web
	assert_eq "CTID 101 exist mounted down" "$(vefs status web)"
	assert_text "$S/root/101/f" text
	vefs --quiet umount web
	vefs --quiet set web --name www --save
	refused "no container web" mount web
	assert_eq "101 www" "$(vefs list -aH -o ctid,name www | xargs)"
	refused "that of container mail" set 101 --name mail --save
	has 101 'NAME="www"'
	assert_eq www "$(ls "$S/names")"
	vefs --quiet set www --name '' --save
	has_not 101 NAME
	assert_eq "" "$(ls "$S/names")"
	vefs --quiet set 101 --name web --save
	vefs --quiet destroy web
	assert_eq "" "$(ls "$S/names")"
	vefs --quiet create web --template t
	vefs --quiet destroy web
	vefs --quiet destroy mail
	nothing_made
}

# Ids on the host: one range each, whose root is not the host's.
t_ids() {
	local a b r=$D/store/root/101

	template
	vefs --quiet create 101 --template t
	vefs --quiet create 102 --template t
	a=$(sed -n 's/^UIDBASE="\(.*\)"/\1/p' "$(conf_of 101)")
	b=$(sed -n 's/^UIDBASE="\(.*\)"/\1/p' "$(conf_of 102)")
	assert_ne "$a" "$b"
	assert_eq 101 "$(readlink "$S/idranges/$a")"
	vefs --quiet mount 101
	assert_stat %u:%g "$a:$a" "$r/f"
	assert_stat %u:%g "$((a + 1000)):$((a + 1000))" "$r/own"
	put "$r/new" x
	chown "$((a + 5)):$a" "$r/new"
	assert_stat %u:%g 5:0 "$S/containers/101/upper/new"
	vefs --quiet umount 101
	vefs --quiet destroy 101
	assert_eq "$b" "$(ls "$S/idranges")"
	# without
	vefs --quiet create 103 --template t --userns off
	has_not 103 UIDBASE
	vefs --quiet mount 103
	assert_stat %u:%g 1000:1000 "$S/root/103/own"
	vefs --quiet umount 103
	# one from before there were any, and then with
	sed -i '/USERNS/d' "$(conf_of 103)"
	vefs --quiet mount 103
	assert_stat %u 0 "$S/root/103/f"
	vefs --quiet umount 103
	vefs --quiet set 103 --userns on --save
	a=$(sed -n 's/^UIDBASE="\(.*\)"/\1/p' "$(conf_of 103)")
	assert_eq 103 "$(readlink "$S/idranges/$a")"
	vefs --quiet mount 103
	assert_stat %u "$a" "$S/root/103/f"
	vefs --quiet umount 103
	# a vefs.conf that says nothing leaves none behind
	: >"$(conf_of 103)"
	vefs --quiet destroy 103
	vefs --quiet destroy 102
	nothing_made
}

base_of() {
	sed -n 's/^UIDBASE="\(.*\)"/\1/p' "$(conf_of "$1")"
}

# One that was away, or was copied, has no ids that are another's.
t_ids_of_one_put_back() {
	local a

	template
	vefs --quiet create 101 --template t --name web
	a=$(base_of 101)
	cp -a "$S/containers/101" "$D/kept"
	vefs --quiet destroy 101
	# put back while nobody has its ids: they are its own, and its name
	cp -a "$D/kept" "$S/containers/101"
	vefs --quiet mount 101
	assert_eq 101 "$(readlink "$S/idranges/$a")"
	assert_eq 101 "$(readlink "$S/names/web")"
	vefs --quiet create 102 --template t
	assert_ne "$a" "$(base_of 102)"
	vefs --quiet umount web
	# by another name: the old one is not there
	mv "$S/containers/101" "$S/containers/104"
	rm "$S/containers/104/quota.mdb"
	vefs --quiet mount 104
	assert_eq 104 "$(readlink "$S/idranges/$a")"
	vefs --quiet umount web
	vefs --quiet destroy web
	# when another has them
	vefs --quiet create 103 --template t --name web
	assert_eq "$a" "$(base_of 103)"
	cp -a "$D/kept" "$S/containers/101"
	refused "101: the ids on the host from $a on are container 103's" mount 101
	refused "'vefs set 101 --userns on --save' gives" start 101
	vefs --quiet set 101 --userns on --save
	assert_ne "$a" "$(base_of 101)"
	assert_ne "$(base_of 102)" "$(base_of 101)"
	vefs mount 101 >/dev/null 2>"$D/said"
	grep -q "the name web is that of container 103 already" "$D/said" ||
		fail "$(cat "$D/said")"
	assert_stat %u "$(base_of 101)" "$S/root/101/f"
	assert_eq 103 "$(readlink "$S/names/web")"
	vefs --quiet umount 101
	for a in 101 102 103; do
		vefs --quiet destroy "$a"
	done
	assert_eq "" "$(ls "$S/idranges")"
}

t_set_saves() {
	template
	vefs --quiet create 101 --template t --ram 1G
	echo '# a comment of mine' >>"$(conf_of 101)"
	vefs --quiet set 101 --ram 2G --cpuunits 2000 --ipadd 10.9.0.5 \
		--save
	has 101 '# a comment of mine' 'CPUUNITS="2000"' 'IP_ADDRESS="10.9.0.5"'
	assert_eq $((2 << 18)) "$(vefs list -aH -o physpages.l | xargs)"
	vefs --quiet set 101 --ipdel all --ipadd 10.9.0.6 --save
	has 101 'IP_ADDRESS="10.9.0.6"'
	vefs --quiet set 101 --cpuunits '' --save
	has_not 101 CPUUNITS
	vefs --quiet set 101 --features fuse:on --capability chown:off --save
	has 101 'FEATURES="fuse:on"' 'CAPABILITY="chown:off"'
}

# An empty value takes a line away, whatever the option does to it else.
t_set_empty() {
	local what

	template
	vefs --quiet create 101 --template t --capability sys_time:on \
		--features fuse:on --devices c:1:7:rw --devnodes null:r \
		--ram 64M --iolimit 5 --nameserver 10.0.0.1 --diskspace 10G \
		--diskinodes 1000 --quotatime 60 --quotaugidlimit 5 --cpus 1 \
		--ipadd 10.0.0.5 --netif_add eth0
	for what in capability:CAPABILITY features:FEATURES devices:DEVICES \
		devnodes:DEVNODES ram:PHYSPAGES iolimit:IOLIMIT \
		nameserver:NAMESERVER diskspace:DISKSPACE cpus:CPUS \
		diskinodes:DISKINODES quotatime:QUOTATIME \
		quotaugidlimit:QUOTAUGIDLIMIT; do
		grep -q "^${what#*:}=" "$(conf_of 101)" || fail "no $what"
		vefs --quiet set 101 "--${what%:*}" '' --save
		has_not 101 "${what#*:}"
	done
	# at once, where it is mounted
	vefs --quiet mount 101
	vefs --quiet set 101 --diskspace 10G --save
	vefs quota show 101 | grep -q "10485760 *10485760"
	vefs --quiet set 101 --diskspace '' --save
	vefs quota show 101 | grep -q "1k-blocks.*unlimited *unlimited"
	vefs --quiet umount 101
	for what in ipadd ipdel netif_add netif_del; do
		usage_error set 101 "--$what" '' --save
	done
	grep -q '^IP_ADDRESS="10.0.0.5"' "$(conf_of 101)"
	grep -q '^NETIF="ifname=eth0' "$(conf_of 101)"
}

# All or nothing; and without --save nothing that does not run changes.
t_set_refuses() {
	template
	vefs --quiet create 101 --template t
	cp "$(conf_of 101)" "$D/before"
	misused "--ioprio 9" set 101 --ram 1G --ioprio 9 --save
	misused "nothing is to be set" set 101 --save
	misused "setmode" set 101 --ram 1G --setmode x --save
	misused "does not have that address" set 101 --ipdel 10.9.0.5 --save
	ended 31 "101 is not running: with --save" set 101 --ram 1G
	ended 1 "no container 999" set 999 --ram 1G --save
	ended 1 "no sample 'x'" set 101 --applyconfig x --save
	cmp "$D/before" "$(conf_of 101)"
	echo 'CPUUNITS="x"' >>"$(conf_of 101)"
	ended 1 "101: CPUUNITS in its vefs.conf: it is a number from 8" \
		set 101 --ram 1G --save
	has_not 101 PHYSPAGES
	vefs --quiet set 101 --cpuunits 100 --save
	has 101 'CPUUNITS="100"'
}

# The quota of one that is mounted changes at once.
t_set_quota() {
	template
	vefs --quiet create 101 --template t --diskspace 1G
	vefs --quiet mount 101
	vefs --quiet set 101 --diskspace 1M:2M
	assert_eq "1024 2048" \
		"$(vefs list -aH -o diskspace.s,diskspace.h | xargs)"
	has 101 'DISKSPACE="1048576:1048576"'
	assert_errno ENOSPC dd if=/dev/zero of="$S/root/101/big" bs=1M count=3
	rm "$S/root/101/big"
	vefs --quiet set 101 --diskspace 1G --diskinodes 4:5 --save
	has 101 'DISKINODES="4:5"'
	assert_eq "1048576 4 5" "$(vefs list -aH \
		-o diskspace.h,diskinodes.s,diskinodes.h | xargs)"
	dd if=/dev/zero of="$S/root/101/big" bs=1M count=3 status=none
	vefs --quiet umount 101
	vefs --quiet mount 101
	assert_eq "1048576 4 5" "$(vefs list -aH \
		-o diskspace.h,diskinodes.s,diskinodes.h | xargs)"
	# one that is not mounted: from its next mount on
	vefs --quiet umount 101
	vefs --quiet set 101 --diskinodes unlimited --save
	assert_eq "unlimited" "$(vefs list -aH -o diskinodes.h | xargs)"
}

# Less than there is: that is told, as 'quota set' does.
t_set_below_usage() {
	local how

	template
	vefs --quiet create 101 --template t
	vefs --quiet mount 101
	head -c 100000 /dev/urandom >"$S/root/101/big"
	for how in mounted unmounted; do
		vefs set 101 --diskspace 4K --save >"$D/said" 2>&1
		grep -q "container 101: its space, .* is above the hard limit" \
			"$D/said" || fail "$how: $(cat "$D/said")"
		! grep -q inodes "$D/said" || fail "inodes were not set"
		vefs set 101 --diskspace 1G --diskinodes 1:1000 --save \
			>"$D/said" 2>&1
		grep -q "its inodes, .* is above the soft limit" "$D/said" ||
			fail "$how: $(cat "$D/said")"
		! grep -q space "$D/said" || fail "$(cat "$D/said")"
		[ "$how" = unmounted ] || vefs --quiet umount 101
	done
}

t_samples() {
	template
	mkdir -p "$S/etc/vefs.d"
	cat >"$S/etc/vefs.d/mine.sample" <<-'EOF'
		# what I like
		CPUUNITS="700"
		HOSTNAME="not.this"
		VE_ROOT="/vz/root/$VEID"
		OSTEMPLATE="t"
		PHYSPAGES="0:1G"
	EOF
	echo 'CPUUNITS="900"' >"$S/etc/vefs.d/ve-theirs.conf-sample"
	vefs --quiet create 101 --config mine --ram 2G
	has 101 '# what I like' 'CPUUNITS="700"' 'ORIGIN_SAMPLE="mine"' \
		'OSTEMPLATE="t:1"'
	has_not 101 HOSTNAME
	assert_eq $((2 << 18)) "$(vefs list -aH -o physpages.l | xargs)"
	assert_eq "$S/root/101" "$(vefs list -aH -o root)"
	vefs --quiet set 101 --applyconfig theirs --save
	has 101 'CPUUNITS="900"' 'PHYSPAGES="0:524288"'
	echo 'CONFIGFILE="mine"' >"$S/etc/vefs.conf"
	vefs --quiet create 102
	has 102 'CPUUNITS="700"'
	echo 'IOPRIO="x"' >>"$S/etc/vefs.d/mine.sample"
	refused "IOPRIO" create 103
	[ ! -e "$S/containers/103" ] || fail "it was made"
}

t_shipped_samples() {
	local sample

	template
	mkdir -p "$S/etc"
	cp -r "$LIB_ROOT/tools/samples" "$S/etc/vefs.d"
	for sample in basic small unlimited; do
		vefs --quiet create "$sample" --template t --config "$sample"
		vefs --quiet mount "$sample"
		vefs --quiet umount "$sample"
	done
	assert_eq "262144 65536 unlimited" \
		"$(vefs list -aH -o physpages.l | xargs)"
}

# The global configuration is below each container's own.
t_global() {
	template
	mkdir -p "$S/etc"
	printf 'USERNS="off"\nCPUUNITS="300"\nIOPRIO="1"\n' >"$S/etc/vefs.conf"
	vefs --quiet create 101 --template t --ioprio 2
	has_not 101 UIDBASE
	assert_eq "300 2" "$(vefs list -aH -o cpuunits,ioprio | xargs)"
	echo 'CPUUNITS="x"' >"$S/etc/vefs.conf"
	ended 1 "CPUUNITS in the global configuration: it is a number" \
		set 101 --ram 1G --save
}

t_list() {
	template
	vefs --quiet create 102 --template t --name b --hostname h.b \
		--description "two words" --cpuunits 2000 --onboot yes
	vefs --quiet create 101 --template t --name a --cpuunits 100
	vefs --quiet create zed --template t --name c --cpuunits 300
	assert_eq "" "$(vefs list -H)"
	assert_eq "      CTID      NPROC STATUS    IP_ADDR         HOSTNAME" \
		"$(vefs list)"
	assert_eq "101 102 zed" "$(vefs list -a -1 | xargs)"
	assert_eq "101 102 zed" "$(vefs list -S1 | xargs)"
	assert_eq "102 zed 101" "$(vefs list -a1 -s -cpuunits | xargs)"
	assert_eq "101 zed 102" "$(vefs list -a1 -scpuunits | xargs)"
	assert_eq "102" "$(vefs list -a1 -N 'b*' | xargs)"
	assert_eq "102" "$(vefs list -a1 -h 'h.*' | xargs)"
	assert_eq "102" "$(vefs list -a1 -d 'two*' | xargs)"
	assert_eq "101 - stopped - a" "$(vefs list -nH 101 | xargs)"
	assert_eq "102 two words yes t:1" \
		"$(vefs list -Ho ctid,description,onboot,ostemplate b | xargs)"
	vefs --quiet mount 101
	assert_eq "mounted stopped stopped" "$(vefs list -aHo status | xargs)"
	vefs --quiet umount 101
	misused "no such field" list -o nosuch
	misused "no such field" list -s nosuch
	misused "no such option" list -x
	ended 1 "no container 999" list 999 101
	vefs list -L | grep -q '^diskspace.s ' || fail "no field"
	assert_eq "102 b 2000 True" "$(vefs list -j 102 | python3 -c '
import json, sys
c = json.load(sys.stdin)[0]
print(c["ctid"], c["name"], c["cpuunits"], c["onboot"])')"
	assert_eq '{"physpages": {"limit": null}}' "$(vefs --json list -a \
		-o physpages.l | python3 -c '
import json, sys
print(json.dumps(json.load(sys.stdin)[0]))')"
}

t_status() {
	template
	assert_eq "CTID 101 deleted unmounted down" "$(vefs status 101)"
	vefs --quiet create 101 --template t
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
	vefs --quiet mount 101
	assert_eq "CTID 101 exist mounted down" "$(vefs status 101)"
	assert_eq True "$(vefs --json status 101 | json '["mounted"]')"
	vefs --quiet umount 101
	misused "between 101 and" status 7
}

# Many at once: names, ids and containers stay each other's.
t_at_once() {
	local i pids=() failed=0

	template
	for i in 101 102 103 104 105 106 107 108; do
		vefs --quiet create "$i" --template t --name "n$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || failed=$((failed + 1))
	done
	assert_eq 0 "$failed"
	assert_eq 8 "$(find "$S/idranges" -type l -printf '%l\n' | sort -u |
		wc -l)"
	assert_eq 8 "$(sed -n 's/^UIDBASE=//p' "$S"/containers/*/vefs.conf |
		sort -u | wc -l)"
	# one id by many: one of them makes it, and it keeps its ids
	pids=()
	for i in 1 2 3 4 5 6; do
		vefs --quiet create 200 --template t 2>/dev/null &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || failed=$((failed + 1))
	done
	assert_eq 5 "$failed"
	assert_eq 200 "$(readlink "$S/idranges/$(sed -n \
		's/^UIDBASE="\(.*\)"/\1/p' "$(conf_of 200)")")"
	for i in 101 102 103 104 105 106 107 108 200; do
		vefs --quiet destroy "$i" &
	done
	wait
	nothing_made
}

# An address in a network that is not its own: never saved.
t_network_as_a_whole() {
	template
	ended 1 "NET is none: --net private gives it one" \
		create 101 --template t --net none --ipadd 10.0.0.1
	vefs --quiet create 101 --template t --ipadd 10.0.0.1
	ended 1 "container 101: .* NET is none: --net private gives it one" \
		set 101 --net none --save
	ended 1 "NET is host: .*--ipdel all" set 101 --net host --save
	has 101 'IP_ADDRESS="10.0.0.1"'
	has_not 101 NET=
	vefs --quiet set 101 --net host --ipdel all --save
	ended 1 "NET is host: .*--netif_del all" \
		set 101 --netif_add eth0 --save
	vefs --quiet set 101 --net private --netif_add eth0 --save
	has 101 'NET="private"'
}

run_all "$@"
