# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lib_ct.sh - what the scripts that run containers share. To be sourced after
# lib_template.sh.
#
#	VEFS_ROOTS	a directory with bookworm.tar, trixie.tar, sysv.tar: whole
#			systems, as made by mmdebstrap --variant=minbase and
#			--include=systemd-sysv,dbus,iproute2,procps, or
#			sysvinit-core

AWAY=stop_all # what takes away what a case with a system has left

# A busybox root in $D/src. Its init says "booted" on the console and leaves a
# shell there.
busybox_root() {
	local r=$D/src name

	[ ! -e "$r/etc/inittab" ] || return 0
	need busybox
	mkdir -p "$r"/{bin,sbin,dev,proc,sys,tmp,etc,run,root,var}
	cp "$(command -v busybox)" "$r/bin/busybox"
	ldd "$r/bin/busybox" >"$D/said" 2>&1 && skip "busybox is not static"
	for name in $(busybox --list); do
		[ "$name" = busybox ] || ln -s busybox "$r/bin/$name"
	done
	ln -s ../bin/busybox "$r/sbin/init"
	printf '%s\n' '::sysinit:/bin/echo booted' \
		'console::respawn:/bin/sh' >"$r/etc/inittab"
	echo root:x:0:0:root:/root:/bin/sh >"$r/etc/passwd"
	echo root:x:0: >"$r/etc/group"
}

# take PROGRAM...: the machine's own, and its libraries, into that root
take() {
	local r=$D/src name path lib

	for name; do
		path=$(command -v "$name") || continue
		rm -f "$r/bin/$name"
		cp -L "$path" "$r/bin/$name"
		ldd "$path" >"$D/libs" || continue
		grep -o '/[^ ]*' "$D/libs" | while read -r lib; do
			mkdir -p "$r${lib%/*}"
			cp -L "$lib" "$r$lib"
		done
	done
}

# It is imported as "bb".
busybox_template() {
	busybox_root
	vefs --quiet template import bb "$D/src"
	trap stop_all EXIT
}

# begin [OPTIONS OF CREATE]: it runs, as 101
begin() {
	busybox_template
	vefs --quiet create 101 --template bb "$@"
	vefs --quiet start 101
}

# system SUITE [OPTIONS OF CREATE]: 101 is one, down
system() {
	[ -n "${VEFS_ROOTS:-}" ] || skip "VEFS_ROOTS is not set"
	[ -r "$VEFS_ROOTS/$1.tar" ] || skip "no $VEFS_ROOTS/$1.tar"
	vefs --quiet template import "$1" "$VEFS_ROOTS/$1.tar"
	trap '"$AWAY"' EXIT
	vefs --quiet create 101 --template "$1" "${@:2}"
}

boot() {
	vexits 0 start --wait --timeout $((120 * VEFS_SLOW)) 101
}

# This machine's packages: where they come from is its administrator's.
use_our_packages() {
	local r=$S/root/101 codename

	codename=$(sed -n 's/^VERSION_CODENAME=//p' "$r/etc/os-release")
	cp /etc/resolv.conf /etc/hosts "$r/etc/"
	rm -f "$r"/etc/apt/sources.list
	cp -r /etc/apt/apt.conf.d /etc/apt/sources.list.d "$r/etc/apt/"
	[ ! -e /etc/apt/sources.list ] || cp /etc/apt/sources.list "$r/etc/apt/"
	# its own are links, which would lead out
	rm -rf "$r/etc/ssl/certs"
	mkdir -p "$r/etc/ssl"
	cp -rL /etc/ssl/certs "$r/etc/ssl/"
	find "$r/etc/apt" -name '*.list' -o -name '*.sources' | while read -r f; do
		sed -i "s/$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)/$codename/g" "$f"
	done
}

install_in() {
	vefs exec 101 apt-get -q update >"$D/apt" 2>&1 ||
		skip "no packages: $(grep -E '^(E|W|Err)' "$D/apt" | head -n 1 |
			sed 's|//[^ /]*|//...|g')"
	vefs exec 101 DEBIAN_FRONTEND=noninteractive apt-get -qy \
		--no-install-recommends install "$@" >"$D/apt" 2>&1 ||
		fail "apt-get install: $(tail -n 5 "$D/apt")"
}

# Whatever a case has left. What does not end is the frame's to tell.
stop_all() {
	local id

	for id in "$S"/containers/*; do
		[ -e "$id/run/state" ] || continue
		if timeout 60 "$VEFS_BIN/vefs" --root "$S" stop --fast \
			"${id##*/}" >/dev/null 2>&1; then
			echo "stopped what was left: ${id##*/}"
		fi
	done
}

# state ID KEY: of its last start
state() {
	sed -n "s/^$2=\"\\(.*\\)\"/\\1/p" "$S/containers/$1/run/state"
}

# exits STATUS COMMAND...: with just this one; what it said is in $D/said
exits() {
	local want=$1 status=0

	shift
	timeout $((60 * VEFS_SLOW)) "$@" >"$D/said" 2>&1 || status=$?
	[ "$status" = "$want" ] ||
		fail "exit status $status, not $want: $* ($(cat "$D/said"))"
}

# vexits STATUS ARGUMENT...: the same of vefs
vexits() {
	exits "$1" "$VEFS_BIN/vefs" --root "$S" "${@:2}"
}

# says PATTERN: what the last one said
says() {
	grep -qE "$1" "$D/said" || fail "told '$(cat "$D/said")', not '$1'"
}

# In the background a function of the shell would be one more process.
own() {
	exec "$VEFS_BIN/vefs" --root "$S" "$@"
}

# until_true COMMAND...: comes true within some seconds
until_true() {
	local n

	for ((n = 0; n < 150 * VEFS_SLOW; n++)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	fail "never came true: $*"
}

status_is() {
	[ "$(vefs status "$1" | cut -d ' ' -f 4-)" = "$2" ]
}

# in_group CONTROLLER FILE...: the first of these files that the group of 101's
# processes has
in_group() {
	local name base f

	name=$(state 101 GROUP)/payload
	for f in "${@:2}"; do
		for base in "/sys/fs/cgroup/$1" /sys/fs/cgroup; do
			[ -r "$base/vefs/$name/$f" ] || continue
			cat "$base/vefs/$name/$f"
			return
		done
	done
	fail "no $* of $name"
}

# What there is of containers of this store outside of it.
left_of_them() {
	local id group net

	for id in "$S"/containers/*; do
		[ -e "$id/run/state" ] || continue
		group=$(state "${id##*/}" GROUP)
		net=$(state "${id##*/}" NET)
		find /sys/fs/cgroup -maxdepth 4 -type d -name "$group" \
			-path '*/vefs/*'
		ip -o link | awk -v n=" ve${net}[.@:]" '$0 ~ n'
		find "$id/run" -name control
	done
	awk -v d="$S/" 'index($5, d) == 1 { print "mounted: " $5 }' \
		/proc/self/mountinfo
	"$VT" pids "$S" | sed 's/^/process: /'
}

nothing_runs() {
	[ -z "$(left_of_them)" ]
}

# All are down, and nothing but their files is there. The last process may be
# about to end.
assert_clean() {
	local n

	for ((n = 0; n < 100 * VEFS_SLOW; n++)); do
		nothing_runs && return
		sleep 0.1
	done
	fail "left: $(left_of_them)"
}

# on_pty COMMAND...: with a terminal of 33 rows and 99 columns. On standard
# input a step a line: "expect REGEX", "send TEXT" (as in python), "resize R C",
# "slowly SECONDS" (from now on 2000 bytes at a time, with a pause before each).
# What was seen, all of it, is in $D/said.
on_pty() {
	# A script on standard input would hide the steps.
	python3 -c '
import fcntl, os, pty, re, select, struct, sys, termios, time
seen = b""
end = time.monotonic() + 20 * float(sys.argv[2])
def give_up(why):
    open(sys.argv[1], "wb").write(seen)
    sys.exit("%s; seen: %r" % (why, seen[-400:]))
def more():
    global seen
    if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
        give_up("nothing more came")
    try:
        time.sleep(pause)
        data = os.read(fd, 2000 if pause else 65536)
    except OSError:
        data = b""
    seen += data
    return data
pid, fd = pty.fork()
if pid == 0:
    time.sleep(0.05)
    os.execvp(sys.argv[3], sys.argv[3:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
at = 0
pause = 0
for line in sys.stdin:
    word, _, rest = line.rstrip("\n").partition(" ")
    if word == "send":
        os.write(fd, eval("b\"" + rest + "\""))
    elif word == "slowly":
        pause = float(rest)
    elif word == "resize":
        r, c = map(int, rest.split())
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", r, c, 0, 0))
    else:
        while True:
            m = re.search(rest.encode(), seen[at:])
            if m:
                at += m.end()
                break
            if not more():
                give_up("it ended before " + rest)
while more():
    pass
open(sys.argv[1], "wb").write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
' "$D/said" "$VEFS_SLOW" "$@"
}

# The same with vefs.
vefs_on_pty() {
	on_pty "$VEFS_BIN/vefs" --root "$S" "$@"
}
