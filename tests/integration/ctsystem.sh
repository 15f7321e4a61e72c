#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctsystem.sh - whole systems in containers: Debian with systemd and with
# sysvinit boots, installs, serves, reboots and stops.
#
#	VEFS_ROOTS	see lib_ct.sh; without it all is skipped
#	VEFS_CYCLES	how often t_*_again boots and stops (3)
# timeout: 1800
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"
# shellcheck source=tests/integration/lib_ct.sh
. "$(dirname "$0")/lib_ct.sh"

HOST_IDS=0
VEFS_CYCLES=${VEFS_CYCLES:-3}
# nobody else's, we hope: for benchmarks
ROUTED=198.18.77.5
ON_BRIDGE=198.18.78
BRIDGE=vefsbr$$

# shellcheck disable=SC2034 # system() reads it
AWAY=away
away() {
	stop_all
	[ ! -e "/sys/class/net/$BRIDGE" ] || ip link delete "$BRIDGE"
}

# Everything was started, and is well.
is_well() {
	assert_eq running "$(vefs exec 101 systemctl is-system-running)"
	assert_eq "" "$(vefs exec 101 systemctl --failed --no-legend)"
}

# Not killed when its time was over: by itself, in less.
stops() {
	vexits 0 stop --timeout $((10 * VEFS_SLOW)) 101
	assert_eq halted "$(state 101 ENDED)"
	assert_clean
}

again() {
	local n

	for ((n = 0; n < VEFS_CYCLES; n++)); do
		boot
		"$1"
		stops
	done
}

another_init() {
	local now

	now=$(state 101 INIT)
	[ "$now" != "$1" ] && [ "$now" != 0 ]
}

booted_again() {
	vefs exec 101 "$1"
}

reboots() {
	local init

	init=$(state 101 INIT)
	vefs exec 101 reboot || assert_eq 8 $?
	until_true another_init "$init"
	until_true booted_again "$1"
}

# ---- the network -------------------------------------------------------------

# postgres ADDRESS: somebody there speaks its language
postgres_answers() {
	python3 -c '
import socket, sys
s = socket.create_connection((sys.argv[1], 5432), 5)
s.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47]))
sys.exit(s.recv(1) not in (b"S", b"N"))' "$1"
}

serves() {
	until_true curl --noproxy '*' -fsS -m 5 -o "$D/page" "http://$1/"
	grep -qi 'welcome to nginx' "$D/page" || fail "not nginx: $(head "$D/page")"
	until_true postgres_answers "$1"
}

install_and_serve() {
	need curl
	vefs --quiet set 101 --net host --save
	boot
	use_our_packages
	# in the host's network it may have no port below 1024
	printf '#!/bin/sh\nexit 101\n' >"$S/root/101/usr/sbin/policy-rc.d"
	chmod 755 "$S/root/101/usr/sbin/policy-rc.d"
	install_in nginx postgresql
	rm "$S/root/101/usr/sbin/policy-rc.d"
	vefs exec 101 "echo \"listen_addresses = '*'\" \
		>>\$(ls -d /etc/postgresql/*/main)/postgresql.conf"
	stops
	# an address that the host routes to it
	vefs --quiet set 101 --net private --ipadd "$ROUTED" --save
	boot
	"$1"
	serves "$ROUTED"
	assert_eq 2 "$(vefs exec 101 \
		'su postgres -c "psql -Atc \"select 1 + 1\""')"
	stops
	# and a cable to a switch
	ip link add "$BRIDGE" type bridge
	ip address add "$ON_BRIDGE.1/24" dev "$BRIDGE"
	ip link set "$BRIDGE" up
	vefs --quiet set 101 --ipdel all --netif_add "eth0,,,,$BRIDGE" --save
	boot
	vefs exec 101 "ip address add $ON_BRIDGE.2/24 dev eth0 &&
		ip link set eth0 up"
	serves "$ON_BRIDGE.2"
	stops
}

nothing_to_see() {
	:
}

# ---- the cases ---------------------------------------------------------------

# shellcheck disable=SC2034 # the frame reads it
t_systemd12_limit=300
t_systemd12() {
	system bookworm
	again is_well
	boot
	reboots 'systemctl is-system-running --wait'
	is_well
	vefs logs 101 | grep -q 'login:' || until_true login_prompt
	stops
}

# shellcheck disable=SC2034 # the frame reads it
t_systemd13_limit=300
t_systemd13() {
	system trixie
	again is_well
	boot
	reboots 'systemctl is-system-running --wait'
	is_well
	stops
}

login_prompt() {
	vefs logs 101 | grep -q 'login:'
}

in_runlevel() {
	assert_eq "N 2" "$(vefs exec 101 runlevel)"
}

# shellcheck disable=SC2034 # the frame reads it
t_sysvinit_limit=300
t_sysvinit() {
	system sysv
	again in_runlevel
	boot
	reboots runlevel
	stops
}

# shellcheck disable=SC2034 # the frame reads it
t_serves12_limit=900
t_serves12() {
	system bookworm
	install_and_serve is_well
}

# shellcheck disable=SC2034 # the frame reads it
t_serves13_limit=900
t_serves13() {
	system trixie
	install_and_serve is_well
}

# shellcheck disable=SC2034 # the frame reads it
t_serves_sysvinit_limit=900
t_serves_sysvinit() {
	system sysv
	install_and_serve nothing_to_see
}

run_all "$@"
