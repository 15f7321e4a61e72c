#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctubc.sh - beancounters: as a container reads them, as its host does, and
# over its starts.
# timeout: 300
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"
# shellcheck source=tests/integration/lib_ct.sh
. "$(dirname "$0")/lib_ct.sh"

HOST_IDS=0
UBC=/dev/vefs/user_beancounters

# bean ID ROW FIELD: 2 held, 3 maxheld, 4 barrier, 5 limit, 6 failcnt
bean() {
	vefs ubc "$1" | awk -v row="$2" -v f="$3" '
		{ sub("^ *[^ ]*:", "") } $1 == row { print $f }'
}

bean_is() {
	[ "$(bean "$1" "$2" "$3")" = "$4" ]
}

kept() {
	echo "$S/containers/101/run/beancounters"
}

t_the_container_reads_it() {
	begin --ipadd 10.176.4.5
	vefs exec 101 "cat $UBC" >inside
	assert_eq "Version: 2.5" "$(head -n 1 inside)"
	assert_eq 26 "$(wc -l <inside)"
	grep -q '^ *101:  kmemsize ' inside || fail "$(sed -n 3p inside)"
	assert_eq "400 0 0" "$(vefs exec 101 "stat -c '%a %u %g' $UBC")"
	vefs exec 101 "echo joe:x:1000:1000::/:/bin/sh >>/etc/passwd
		su joe -c 'cat $UBC || echo refused'" >refused 2>&1
	grep -q "ermission denied" refused && grep -qx refused refused ||
		fail "$(cat refused)"
	vefs exec 101 "cat /dev/vefs/vz/veinfo" >veinfo
	awk '{ exit !($1 == 101 && $3 >= 1 && $4 == "10.176.4.5") }' veinfo ||
		fail "$(cat veinfo)"
	vefs exec 101 "cat /dev/vefs/vz/vestat" | grep -q '^ *101 ' ||
		fail "no vestat"
	vexits 8 exec 101 "echo x >$UBC"
	# root of the container in one place: where programs look for it
	vefs exec 101 "cat >/tmp/look" <<'EOF'
mount --rbind /dev/vefs /proc && cat /proc/user_beancounters /proc/vz/veinfo
EOF
	vefs exec 101 "unshare -m sh /tmp/look" >there
	assert_eq 27 "$(wc -l <there)" "lines there"
}

# Programs that copy by sendfile(2), as this cat does, see what others see.
t_what_is_opened_is_copied() {
	begin
	vefs exec 101 "wc -l </proc/mounts; cat /proc/mounts | wc -l" >lines
	assert_eq "$(sed -n 1p lines)" "$(sed -n 2p lines)" "mounts"
	assert_le 5 "$(sed -n 1p lines)" "mounts"
	vefs exec 101 "cat /proc/mounts" | grep -q "/proc/pressure" &&
		fail "pressure is listed"
	vefs exec 101 "stat -c %s /proc/mounts" | grep -qx 4096 || fail "a size"
}

t_rows_are_counted() {
	local before

	begin
	before=$(bean 101 numtcpsock 2)
	assert_eq 0 "$before" "TCP sockets of nobody"
	assert_eq 0 "$(bean 101 numothersock 2)" "sockets of nobody"
	assert_eq 1 "$(bean 101 numpty 2)" "the console"
	assert_le 1 "$(bean 101 numfile 2)" "files"
	assert_le 4096 "$(bean 101 kmemsize 3)" "kernel memory"
	# in its network, with what nobody takes in the buffers
	nsenter -t "$(state 101 INIT)" -n python3 -c '
import socket, time
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("127.0.0.1", 99))
u.sendto(b"x" * 1000, ("127.0.0.1", 99))
a, b = socket.socketpair()
a.send(b"x" * 1000)
l = socket.create_server(("127.0.0.1", 99))
c = socket.create_connection(("127.0.0.1", 99))
s = l.accept()[0]
c.send(b"x" * 10000)
time.sleep(20)' &
	until_true bean_is 101 numtcpsock 2 3
	until_true bean_is 101 numothersock 2 3
	assert_le 10000 "$(bean 101 tcprcvbuf 2)" "received, TCP"
	assert_le 1000 "$(bean 101 dgramrcvbuf 2)" "received, UDP"
	assert_le 1000 "$(bean 101 othersockbuf 2)" "sent, local"
	kill %1
	until_true bean_is 101 numtcpsock 2 0
	assert_eq 3 "$(bean 101 numtcpsock 3)" "the most"
	if nsenter -t "$(state 101 INIT)" -n \
		nft add table t 2>/dev/null; then
		nsenter -t "$(state 101 INIT)" -n sh -c 'nft add chain t c
			nft add rule t c accept; nft add rule t c drop'
		until_true bean_is 101 numiptent 2 2
	fi
}

t_the_host_sees_all() {
	begin
	vefs --quiet create web-1 --template bb
	vefs --quiet create web-2 --template bb
	vefs --quiet start web-1
	vefs ubc >all
	vefs ubc --all | cut -c1-23 | cmp - <(cut -c1-23 all) ||
		fail "--all is something else"
	assert_eq 1 "$(grep -c ^Version all)"
	assert_eq 50 "$(wc -l <all)"
	grep -q '^ *101:  kmemsize' all && grep -q '^ *web-1:  kmemsize' all ||
		fail "$(cat all)"
	assert_eq 26 "$(vefs ubc --match 'web*' | wc -l)"
	assert_eq 50 "$(vefs ubc 101,web-1 | wc -l)"
	vefs --json ubc >json
	python3 - json <<'EOF'
import json, sys
j = json.load(open(sys.argv[1]))
assert [c["ctid"] for c in j] == ["101", "web-1"], j
assert len(j[0]) == 21, len(j[0])
assert j[0]["numproc"]["held"] >= 1 and j[0]["numproc"]["failcnt"] == 0
assert j[0]["kmemsize"]["limit"] is None
EOF
	vexits 31 ubc web-2
	says "not running"
	vexits 1 ubc nobody
	vexits 1 ubc 101 web-2
	says "physpages"
	vexits 2 ubc 101 --all
	vefs --quiet stop 101 web-1
	assert_eq 2 "$(vefs ubc | wc -l)" "of none"
}

# The server's numbers are of a moment ago.
a_failure_is_shown() {
	vefs ubc --failed >failed && [ "$(wc -l <failed)" = 3 ]
}

t_failures_are_shown() {
	begin --numproc 12
	assert_eq 2 "$(vefs ubc --failed | wc -l)"
	vefs exec 101 "i=0; while [ \$i -lt 20 ]; do sleep 5 & i=\$((i + 1))
		done" >said 2>&1 && fail "20 processes of 12"
	until_true a_failure_is_shown
	awk 'NR == 3 { exit !($1 == "101:" && $2 == "numproc" && $4 == 12 &&
		$6 == 12 && $7 >= 1) }' failed || fail "$(cat failed)"
	vefs --json ubc --failed | grep -q '"numproc"' || fail "no JSON of it"
	assert_eq "$(bean 101 numproc 6)" \
		"$(vefs list -H -o numproc.f 101 | tr -d ' ')" "list"
}

few_run() {
	[ "$(bean 101 numproc 2)" -le 4 ]
}

t_they_go_on() {
	local most failed

	begin --numproc 12
	vefs exec 101 "i=0; while [ \$i -lt 20 ]; do sleep 1 & i=\$((i + 1))
		done" >said 2>&1 && fail "20 processes of 12"
	until_true few_run
	vefs exec 101 "exec 5</etc/passwd 6</etc/passwd 7</etc/passwd
		cat $UBC" >/dev/null
	most=$(bean 101 numfile 3)
	failed=$(bean 101 numproc 6)
	assert_le 1 "$failed" "failures"
	kill -KILL "$(server_of 101)"
	since_linux 6 9 && assert_eq "$most" "$(bean 101 numfile 3)" "files"
	vefs --quiet restart 101
	assert_le "$most" "$(bean 101 numfile 3)" "most files"
	assert_eq 12 "$(bean 101 numproc 3)" "most processes"
	assert_eq "$failed" "$(bean 101 numproc 6)" "failures"
	vefs --quiet stop 101
	grep -qx "numproc 12 $failed" "$(kept)" || fail "$(cat "$(kept)")"
	# nobody trusts half of it
	sed -i s/numproc/numprox/ "$(kept)"
	vefs start 101 >said 2>&1
	grep -q "beancounters is damaged" said || fail "$(cat said)"
	assert_eq 0 "$(bean 101 numproc 6)" "failures"
	assert_le "$(bean 101 numproc 3)" 11 "most processes"
}

# The child of the monitor that serves.
server_of() {
	local pid

	for pid in $(pgrep -P "$(state "$1" MONITOR)"); do
		[ "$(cat "/proc/$pid/comm")" != vefs-proc ] || echo "$pid"
	done
}

t_load_is_listed() {
	begin
	vefs list -H -o laverage 101 >load
	grep -Eq '^0\.[0-9]{2}/0\.[0-9]{2}/0\.[0-9]{2} *$' load ||
		fail "$(cat load)"
	vefs list -j -o laverage,numfile 101 |
		python3 -c 'import json, sys
l = json.load(sys.stdin)[0]
assert len(l["laverage"]) == 3 and l["laverage"][0] < 1, l
assert l["numfile"]["held"] >= 1, l' || fail "JSON"
	vefs --quiet stop 101
	assert_eq - "$(vefs list -aH -o laverage | tr -d ' ')"
	vefs list -a -j -o laverage | grep -q '"laverage": null' || fail "null"
}

t_pressure_is_the_groups() {
	local group

	[ -e /proc/pressure/cpu ] || skip "this kernel tells no pressure"
	begin
	group=$(state 101 GROUP)
	group=$(find /sys/fs/cgroup -maxdepth 4 -path "*/vefs/$group/cpu.pressure")
	if [ -z "$group" ]; then
		assert_eq "" "$(vefs exec 101 "ls /proc/pressure")" "the host's"
		return
	fi
	assert_eq "cpu io memory" \
		"$(vefs exec 101 "ls /proc/pressure | xargs")"
	vefs exec 101 "cat /proc/pressure/memory" | grep -q '^full avg10=' ||
		fail "not readable"
	assert_eq 0 "$(vefs exec 101 "stat -c %u /proc/pressure/cpu")"
	# a trigger, as root of the container; opened and closed
	vefs exec 101 "printf 'some 150000 2000000' >/proc/pressure/cpu"
}

# One that does not answer costs seconds, not for ever; others are shown.
t_a_server_that_hangs() {
	local pid

	begin
	pid=$(server_of 101)
	kill -STOP "$pid"
	vexits 1 ubc 101
	says "nobody serves its beancounters"
	assert_eq - "$(vefs list -H -o laverage 101 | tr -d ' ')"
	kill -CONT "$pid"
	assert_eq 26 "$(vefs ubc 101 | wc -l)"
}

run_all
