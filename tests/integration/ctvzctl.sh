#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctvzctl.sh - words that vzctl has: passwords of users in a container, its name
# servers while it runs, the packet filter.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"
# shellcheck source=tests/integration/lib_ct.sh
. "$(dirname "$0")/lib_ct.sh"

HOST_IDS=0
UPPER=

# A root in which passwords can be set: by the machine's own programs.
with_passwords() {
	local name

	busybox_root
	UPPER=$D/store/containers/101/upper
	: >"$D/src/etc/shadow"
	chmod 640 "$D/src/etc/shadow"
	echo 'root:*:19000:0:99999:7:::' >"$D/src/etc/shadow"
	mkdir -p "$D/src/home"
	if ! busybox --list | grep -qx chpasswd; then
		# as much of one as is needed
		cat >"$D/src/bin/chpasswd" <<-'END'
			#!/bin/sh
			while IFS= read -r line; do
				grep -q "^${line%%:*}:" /etc/passwd || exit 1
				sed "/^${line%%:*}:/d" /etc/shadow >/etc/shadow.new
				echo "${line%%:*}:\$1\$${line#*:}:1::::::" \
					>>/etc/shadow.new
				chmod 640 /etc/shadow.new
				mv /etc/shadow.new /etc/shadow
			done
		END
		chmod 755 "$D/src/bin/chpasswd"
	fi
	if ! busybox --list | grep -qx adduser; then
		cat >"$D/src/bin/adduser" <<-'END'
			#!/bin/sh
			echo "$2:x:1000:1000::/home/$2:/bin/sh" >>/etc/passwd
			echo "$2:!:1::::::" >>/etc/shadow
		END
		chmod 755 "$D/src/bin/adduser"
	fi
}

# has_password USER: it begins as a hash does
has_password() {
	grep -qE "^$1:[\$A-Za-z0-9./]" "$UPPER/etc/shadow"
}

line() {
	sed -n "s/^$2=\"\\(.*\\)\"/\\1/p" "$S/containers/$1/vefs.conf"
}

t_password_while_it_runs() {
	with_passwords
	begin
	vexits 0 set 101 --userpasswd root:secret
	says 'the password of root is set'
	has_password root || fail "$(cat "$UPPER/etc/shadow")"
	# a user that was not there
	vexits 0 set 101 --userpasswd 'anna:a:b "c $d'
	vefs exec 101 'grep -q ^anna: /etc/passwd'
	has_password anna || fail "$(cat "$UPPER/etc/shadow")"
	# with other words
	vexits 0 set 101 --numproc 99 --userpasswd anna:other --save
	assert_eq 99 "$(line 101 NUMPROC)"
	! grep -qr other "$S/containers/101/vefs.conf" || fail "it was kept"
}

t_password_while_it_does_not() {
	with_passwords
	busybox_template
	vefs --quiet create 101 --template bb
	vexits 0 set 101 --userpasswd anna:secret
	has_password anna || fail "$(cat "$UPPER/etc/shadow")"
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
	assert_clean
	vefs --quiet mount 101
	vexits 0 set 101 --userpasswd root:secret
	has_password root || fail "$(cat "$UPPER/etc/shadow")"
	assert_eq "CTID 101 exist mounted down" "$(vefs status 101)"
	vefs --quiet umount 101
	# no scripts, no network
	assert_clean
}

# Whose command line has this in it; not our own.
who_shows() {
	local f

	for f in /proc/[0-9]*/cmdline; do
		if tr '\0' ' ' <"$f" 2>/dev/null | grep -q -- "$1"; then
			[ "${f//[!0-9]/}" = "$BASHPID" ] || echo "$f"
		fi
	done
}

# Nobody reads it where processes are listed.
t_password_is_not_shown() {
	with_passwords
	cat >"$D/src/bin/chpasswd" <<-'END'
		#!/bin/sh
		sleep 2
		cat >/told
	END
	chmod 755 "$D/src/bin/chpasswd"
	begin
	echo root:hidden-word-1 >"$D/secret"
	own set 101 --userpasswd - <"$D/secret" &
	sleep 1
	assert_eq "" "$(who_shows hidden-word-1)"
	wait $!
	assert_eq root:hidden-word-1 "$(vefs exec 101 cat /told)"
	own set 101 --userpasswd root:hidden-word-2 &
	sleep 1
	assert_eq "" "$(who_shows hidden-word-2)"
	wait $!
	assert_eq root:hidden-word-2 "$(vefs exec 101 cat /told)"
}

t_password_is_refused() {
	local bad

	with_passwords
	begin
	for bad in root root: :x -x:y 'a/b:c' "a:$(printf 'x%.0s' {1..600})" \
		$'a:b\nc' 'a b:c'; do
		vexits 2 set 101 --userpasswd "$bad"
		says '^vefs: --userpasswd'
	done
	exits 2 sh -c "echo | '$VEFS_BIN/vefs' --root '$S' set 101 \
		--userpasswd -"
	printf '#!/bin/sh\nexit 1\n' >"$D/sh"
	vefs exec 101 'rm -f /bin/chpasswd; cat >/bin/chpasswd
		chmod 755 /bin/chpasswd' <"$D/sh"
	vexits 74 set 101 --userpasswd root:secret
	says 'the password of root is as it was'
	vefs --quiet suspend 101
	vexits 1 set 101 --userpasswd root:secret
	says 'is suspended'
	vefs --quiet resume 101
}

# The container's programs end when they like, or not at all; nobody who works on
# it waits for that.
stubborn_passwords() {
	with_passwords
	cat >"$D/src/bin/chpasswd" <<-'END'
		#!/bin/sh
		trap : INT TERM HUP QUIT
		echo here >/told
		while :; do sleep 0.1; done
	END
	chmod 755 "$D/src/bin/chpasswd"
}

t_password_that_takes_for_ever() {
	local pid status sig

	stubborn_passwords
	begin
	# it is not locked meanwhile
	own set 101 --userpasswd root:secret &
	pid=$!
	until_true test -e "$UPPER/told"
	vexits 0 set 101 --numproc 99
	vexits 0 stop --fast 101
	status=0
	wait "$pid" || status=$?
	assert_eq 74 "$status"
	assert_clean
	# who sets it can be told to end, and takes it with him
	vefs --quiet start 101
	for sig in TERM INT; do
		vefs exec 101 rm -f /told
		# not by the shell, which has its children ignore ^C
		python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$VEFS_BIN/vefs" --root "$S" \
			set 101 --userpasswd root:secret >"$D/said" 2>&1 &
		pid=$!
		until_true test -e "$UPPER/told"
		kill "-$sig" "$pid"
		status=0
		wait "$pid" || status=$?
		assert_eq 74 "$status"
		says 'may be as it was: .* was broken off'
		! vefs exec 101 'pgrep -f [c]hpasswd' || fail "$sig: it runs"
	done
	vefs --quiet stop --fast 101
	assert_clean
}

# The same of one that runs for that only.
t_password_that_takes_for_ever_alone() {
	local pid status

	stubborn_passwords
	busybox_template
	vefs --quiet create 101 --template bb
	own set 101 --userpasswd root:secret >"$D/said" 2>&1 &
	pid=$!
	until_true test -e "$UPPER/told"
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	assert_eq 74 "$status"
	says 'may be as it was: .* was broken off'
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
	assert_clean
}

# Nobody has to tell it.
# shellcheck disable=SC2034
t_password_has_a_minute_limit=240
t_password_has_a_minute() {
	local status=0

	[ "${CT_LONG:-0}" = 1 ] || skip "takes a minute; CT_LONG=1 runs it"
	stubborn_passwords
	begin
	timeout $((180 * VEFS_SLOW)) "$VEFS_BIN/vefs" --root "$S" \
		set 101 --userpasswd root:secret >"$D/said" 2>&1 || status=$?
	assert_eq 74 "$status"
	says 'took more than a minute, and was killed'
	vefs --quiet stop --fast 101
	assert_clean
}

# Links of the container's lead nowhere.
t_password_and_links() {
	with_passwords
	echo 'root:*:1::::::' >"$D/victim"
	ln -sf "$D/victim" "$D/src/etc/shadow"
	busybox_template
	vefs --quiet create 101 --template bb
	vefs --quiet set 101 --userpasswd root:secret || echo "it is refused"
	assert_text "$D/victim" 'root:*:1::::::'$'\n'
	assert_clean
}

t_names_while_it_runs() {
	local etc

	begin --nameserver 192.0.2.1
	etc=$S/root/101/etc
	grep -q '^nameserver 192.0.2.1$' "$etc/resolv.conf"
	vefs --quiet set 101 --nameserver 192.0.2.2 --nameserver 192.0.2.3 \
		--searchdomain example.org
	assert_eq "nameserver 192.0.2.2 nameserver 192.0.2.3" \
		"$(vefs exec 101 'grep nameserver /etc/resolv.conf' | xargs)"
	assert_eq "search example.org" \
		"$(vefs exec 101 'grep search /etc/resolv.conf')"
	assert_eq 192.0.2.1 "$(line 101 NAMESERVER)"
	vefs --quiet set 101 --hostname web.example.org --save
	assert_eq web.example.org "$(vefs exec 101 'cat /etc/hostname')"
	grep -q 'web.example.org web' "$etc/hosts" || fail "$(cat "$etc/hosts")"
	# as it was kept
	vefs --quiet restart --wait 101
	assert_eq "nameserver 192.0.2.1" \
		"$(vefs exec 101 'grep nameserver /etc/resolv.conf')"
}

t_packet_filter() {
	busybox_template
	vexits 0 create 101 --template bb --netfilter full
	! grep -q netfilter "$D/said" || fail "$(cat "$D/said")"
	vexits 0 set 101 --netfilter stateless --save
	says 'netfilter stateless: it is kept, and changes nothing'
	assert_eq stateless "$(line 101 NETFILTER)"
	vexits 2 set 101 --netfilter some --save
	says 'it is disabled, stateless, stateful or full'
}

run_all "$@"
