#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctwrong.sh - containers whose vefs.conf has become wrong while they run, or
# says something else than what they were started with: all of them end, and
# nothing of them is left. They are a busybox.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"
# shellcheck source=tests/integration/lib_ct.sh
. "$(dirname "$0")/lib_ct.sh"

HOST_IDS=0

# A line of vefs.conf that has become wrong (a device was taken out) keeps nobody
# from working in what runs, nor from ending it. It is told where it counts.
t_wrong_line() {
	local conf how

	begin
	conf=$S/containers/101/vefs.conf
	cp "$conf" "$D/right"
	spoil
	assert_eq ok "$(vefs exec 101 echo ok)"
	vexits 0 suspend 101
	vexits 0 resume 101
	vexits 1 set 101 --numproc 40 --save
	says "DEVNODES in its vefs.conf: /dev/vefs-nosuch: No such"
	vexits 0 stop 101
	says "DEVNODES in its vefs.conf: /dev/vefs-nosuch: No such"
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
	assert_clean
	vexits 1 start 101
	says "DEVNODES in its vefs.conf: /dev/vefs-nosuch: No such"
	assert_eq 1 "$(grep -c DEVNODES "$D/said")" "how often it is told"
	assert_clean
	for how in "stop --fast 101" "stop --all" "kill 101"; do
		begin_spoiled
		# shellcheck disable=SC2086 # words
		vexits 0 $how
		until_true status_is 101 "unmounted down"
		assert_clean
	done
	# it ends, and cannot be what it is to be
	begin_spoiled
	vexits 1 restart --fast 101
	says "DEVNODES in its vefs.conf: /dev/vefs-nosuch: No such"
	until_true status_is 101 "unmounted down"
	assert_clean
	# a whole file
	cp "$D/right" "$conf"
	mkdir -p "$S/etc"
	vefs --quiet start 101
	mkdir "$S/etc/vefs.conf"
	vexits 0 stop 101
	assert_clean
	rmdir "$S/etc/vefs.conf"
	# its first lines
	vefs --quiet start 101
	sed -i '/^OSTEMPLATE=\|^VE_ROOT=/d' "$conf"
	assert_eq ok "$(vefs exec 101 echo ok)"
	vexits 32 start 101
	vexits 0 stop --fast 101
	says "does not say OSTEMPLATE and VE_ROOT"
	assert_clean
	vexits 1 start 101
}

spoil() {
	echo 'DEVNODES="vefs-nosuch:rw"' >>"$S/containers/101/vefs.conf"
}

begin_spoiled() {
	cp "$D/right" "$S/containers/101/vefs.conf"
	vefs --quiet start 101
	spoil
}

# Nor does it let anything of it stay on the host when its monitor was killed.
t_wrong_line_and_no_monitor() {
	local conf how monitor

	begin
	conf=$S/containers/101/vefs.conf
	cp "$conf" "$D/right"
	for how in "stop --fast 101" "kill 101" "stop --all"; do
		vefs --quiet stop --fast 101
		begin_spoiled
		monitor=$(state 101 MONITOR)
		kill -KILL "$monitor"
		until_true test ! -e "/proc/$monitor/fd/0"
		# shellcheck disable=SC2086 # words
		vexits 0 $how
		says "DEVNODES in its vefs.conf: /dev/vefs-nosuch: No such"
		assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
		assert_clean
		cp "$D/right" "$conf"
		vefs --quiet start 101
	done
	vefs --quiet stop --fast 101
}

# The host does not answer for one that is gone.
t_answers_go_with_it() {
	local ip line monitor

	ip=198.18.$(($$ / 250 % 250)).$(($$ % 250 + 1))
	begin --ipadd "$ip"
	cp "$S/containers/101/vefs.conf" "$D/right"
	ip neigh show proxy | grep -qwF "$ip" ||
		skip "the host does not answer for $ip"
	for line in 'DEVNODES="vefs-nosuch:rw"' 'NET="host"'; do
		monitor=$(state 101 MONITOR)
		kill -KILL "$monitor"
		until_true test ! -e "/proc/$monitor/fd/0"
		echo "$line" >>"$S/containers/101/vefs.conf"
		vexits 0 stop --fast --timeout 5 101
		assert_clean
		! ip neigh show proxy | grep -wF "$ip" || fail "$line"
		cp "$D/right" "$S/containers/101/vefs.conf"
		vefs --quiet start 101
	done
	vefs --quiet stop --fast 101
}

run_all "$@"
