#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctquotatools.sh - Debian's own quota tools inside a container, unmodified:
# what they show is what `vefs quota` shows, what they set holds, who may not
# is refused; also while what answers them is killed.
#
# The root comes by the machine's own mmdebstrap; skipped where that reaches no
# archive. CTQUOTA_ROOTS=DIR: it is looked for, and kept, in DIR/SUITE.tar.
# timeout: 600
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"

CTRUN=${VEFS_PROGS:-$LIB_ROOT/build/${D:-opt}/tests}/ctrun
# shellcheck disable=SC2034 # the frame reads them
{
	t_debian_12_limit=240
	t_debian_13_limit=240
	t_killed_limit=240
	t_worker_killed_limit=240
	t_shifted_limit=240
}

# A root with the tools, as $ROOTS/SUITE.tar
debian_tar() {
	local suite=$1 mirror

	only_vefs "its quotas are asked"
	[ -x "$CTRUN" ] || skip "no $CTRUN: make"
	"$CTRUN" / true 2>"$D/ctrun.err" || grep -q '^ctrun: ' "$D/ctrun.err" ||
		fail "ctrun says nothing"
	! grep -q "cannot be answered for it" "$D/ctrun.err" ||
		skip "$(cat "$D/ctrun.err")"
	ROOTS=${CTQUOTA_ROOTS:-$LIB_WORK/roots}
	mkdir -p "$ROOTS"
	[ ! -e "$ROOTS/$suite.tar" ] || return 0
	need mmdebstrap
	mirror=$("$LIB_ROOT/tools/deps.sh" mirror | cut -d' ' -f1)
	timeout 200 mmdebstrap --quiet --variant=minbase --include=quota \
		--format=tar "$suite" "$ROOTS/$suite.new.tar" \
		${mirror:+"$mirror"} >"$D/said" 2>&1 ||
		skip "no $suite by mmdebstrap: $(tail -n 1 "$D/said")"
	mv "$ROOTS/$suite.new.tar" "$ROOTS/$suite.tar"
}

# Container 101 of SUITE, mounted on $D/m, with the users anna and ben.
container() {
	debian_tar "$1"
	export VEFS_ROOT=$D/store
	vefs --quiet template import "debian:$1" "$ROOTS/$1.tar"
	vefs --quiet create 101 --template "debian:$1" --target "$D/m"
	vefs --quiet mount 101
	RUN=("$CTRUN" "$D/m")
	users
}

users() {
	inside sh -c '
		useradd -m -u 1000 anna
		useradd -m -u 1001 ben
		echo "MAIL_CMD = \"cat >>/tmp/mail\"" >/etc/warnquota.conf
		echo "CC_TO = \"root\"" >>/etc/warnquota.conf' >"$D/useradd" 2>&1
}

# inside COMMAND...: as root
inside() {
	timeout $((60 * VEFS_SLOW)) "${RUN[@]}" "$@"
}

# as NAME COMMAND...: a user
as() {
	local name=$1

	shift
	inside setpriv --reuid="$name" --regid="$name" --init-groups "$@"
}

# What the tools and what the host say, in lines of the same form.
reported_inside() {
	inside sh -c 'repquota -u -n -O csv /; repquota -g -n -O csv /' |
		python3 -c '
import csv, sys
kind = None
for row in csv.reader(sys.stdin):
    if row[0] in ("User", "Group"):
        kind = row[0].lower()
    else:
        print(kind, row[0].lstrip("#"), *row[3:6], *row[7:10])' | sort
}

reported_outside() {
	vefs --json quota report 101 -n >"$D/report.json"
	python3 -c '
import json, sys
said = json.load(open(sys.argv[1]))
kib = lambda n: (n + 1023) // 1024
for kind in "user", "group":
    for r in said[kind + "s"]:
        s, i = r["space"], r["inodes"]
        print(kind, r["id"], kib(s["usage"]), kib(s["soft"]), kib(s["hard"]),
              i["usage"], i["soft"], i["hard"])' "$D/report.json" | sort
}

same_report() {
	reported_outside >"$D/outside"
	reported_inside >"$D/inside"
	[ -s "$D/inside" ] || fail "nothing is reported inside"
	diff "$D/outside" "$D/inside" >"$D/diff" ||
		fail "reports differ: $(head -n 4 "$D/diff" | tr '\n' ';')"
}

# says PATTERN COMMAND...: it works, and says that
says() {
	local pattern=$1

	shift
	"$@" >"$D/out" 2>"$D/err" || fail "$*: $(tail -n 2 "$D/err")"
	grep -qE -e "$pattern" "$D/out" ||
		fail "$*: told '$(cat "$D/out")', not '$pattern'"
}

# fails PATTERN COMMAND...: its status is not 0, and says that
fails() {
	local pattern=$1

	shift
	! "$@" >"$D/out" 2>&1 || fail "$*: it worked"
	grep -qE -e "$pattern" "$D/out" ||
		fail "$*: told '$(cat "$D/out")', not '$pattern'"
}

look_as_root() {
	# its status is 1 when they are on
	fails '^user quota on / \(/dev/simfs\) is on' inside quotaon -pu /
	fails '^group quota on / \(/dev/simfs\) is on' inside quotaon -pg /
	fails 'File exists' inside quotaon -u /
	says '^65536$' inside getconf _PHYS_PAGES
	inside quotasync -a
	inside quotasync -u /
	same_report
}

# More than are looked at one by one, in no order.
many_owners() {
	python3 -c '
import os, sys
for i in range(3000):
    name = f"{sys.argv[1]}/f{i}"
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    os.chown(name, 2000 + i * 7919 % 60000, 0)' "$D/m/tmp"
	same_report
	assert_le 3000 "$(grep -c ^user "$D/inside")"
	rm "$D"/m/tmp/f*
	same_report
	assert_le "$(grep -c ^user "$D/inside")" 100
}

set_as_root() {
	inside setquota -u anna 2000 4000 100 200 /
	inside setquota -g ben 0 0 0 50 /
	inside edquota -p anna ben
	inside setquota -u -t 3600 7200 /
	says 'Block grace time: 01:00; Inode grace time: 02:00' \
		inside repquota -u /
	says '^anna +-- +[0-9]+ +2000 +4000 +[0-9]+ +100 +200' \
		inside repquota -aug
	says '^ben +-- +[0-9]+ +2000 +4000 +[0-9]+ +100 +200' \
		inside repquota -aug
	says '^ben +-- +[0-9]+ +0 +0 +[0-9]+ +0 +50' inside repquota -g /
	inside env EDITOR='sed -i s/4000/5000/' edquota -u ben
	says '^ben +-- +[0-9]+ +2000 +5000 ' inside repquota -u /
	fails 'Numerical result out of range|too big|larger' \
		inside setquota -u ben 0 9000000000000000 0 0 /
	same_report
}

# The limit holds, to the block.
fill_as_anna() {
	fails 'Disk quota exceeded' as anna \
		dd if=/dev/zero of=/home/anna/big bs=4096 count=2000
	assert_eq 4000 "$(reported_inside | awk '/^user 1000 / { print $3 }')"
	# as it tells who is above a limit
	fails '/dev/simfs +4000\* +2000 +4000 +0[01]:[0-9][0-9]' as anna quota
	same_report
	fails 'Disk quota exceeded' as anna \
		sh -c 'echo more >/home/anna/more'
	says 'Over|quota|limit' inside sh -c 'warnquota -u; cat /tmp/mail'
	inside setquota -u -T anna 500 unset /
	says '^anna +\+- .* 00:0[78] ' inside repquota -u /
	as anna rm /home/anna/big
	as anna sh -c 'echo more >/home/anna/more'
}

refused_to_anna() {
	says '/dev/simfs .* 2000 +4000 ' as anna quota
	says 'group anna' as anna quota -v -g
	fails 'Permission denied' as anna quota ben
	fails 'Operation not permitted' as anna setquota -u anna 0 0 0 0 /
	fails 'Operation not permitted' as anna setquota -u -t 1 1 /
	fails 'Operation not permitted' as anna quotaoff -u /
	as anna repquota -u / >"$D/out" 2>&1 || :
	! grep -q '^ben' "$D/out" || fail "anna sees ben"
	same_report
	says '^anna +.. +[0-9]+ +2000 +4000 ' inside repquota -u /
}

everything() {
	look_as_root
	set_as_root
	fill_as_anna
	refused_to_anna
}

# Not in each run: `make stress` does.
long() {
	[ "${CT_LONG:-0}" = 1 ] || skip "takes minutes; CT_LONG=1 runs it"
}

t_debian_12() {
	container bookworm
	everything
	says '/dev/simfs / ext4 .*usrquota' inside cat /proc/mounts
	says ' / / .* fuse' inside cat /proc/self/mountinfo
	many_owners
}

t_debian_13() {
	long
	container trixie
	everything
}

# What answers is killed all the time.
t_killed() {
	long
	container bookworm
	RUN=("$CTRUN" -k $((20 * VEFS_SLOW)) "$D/m")
	everything
	inside sh -c 'for i in $(seq 40); do
		setquota -u ben $i $((2 * i)) 0 $i /
		repquota -u / | grep -qE "^ben .* $i +$((2 * i)) .* $i " ||
			exit 1
	done'
}

worker() {
	local keeper

	for keeper in $(pgrep -f "mount.vefs.*$D/m\$"); do
		pgrep -P "$keeper" && return
	done
}

# So is the worker.
t_worker_killed() {
	long
	local pid killed=0

	container bookworm
	inside sh -c 'for i in $(seq 60); do
		setquota -u ben $i $((2 * i)) 0 $i / || exit 2
		repquota -u / | grep -qE "^ben .* $i +$((2 * i)) .* $i " ||
			exit 1
	done' &
	while kill -0 $! 2>"$D/gone"; do
		if pid=$(worker) && kill -KILL "$pid"; then
			killed=$((killed + 1))
		fi
		sleep 0.2
	done
	wait $!
	assert_le 2 "$killed" "workers killed"
	everything
}

# The host's ids are others.
t_shifted() {
	debian_tar bookworm
	mkdir "$D/root"
	tar -C "$D/root" --numeric-owner -xpf "$ROOTS/bookworm.tar"
	export VEFS_ROOT=$D/store
	mkdir -p "$VEFS_ROOT"
	"$VEFS_BIN/mount.vefs" -o "lowerdir=$D/root,upperdir=$U,workdir=$W" \
		-o "quota=$D/q.mdb,uidmapping=0:100000:65536" \
		-o gidmapping=0:100000:65536 "$D/m"
	RUN=("$CTRUN" -b 100000 "$D/m")
	users
	# no container to ask about
	reported_outside() {
		"${CTRUN%/*}/stress/quota" ask "$D/m" get | awk '
			$1 == "record" && $2 != "container" { print $2, $3,
				int(($4 + 1023) / 1024), int($5 / 1024),
				int($6 / 1024), $8, $9, $10 }' | sort
	}
	everything
}

# Without a quota they are off.
t_no_quota() {
	debian_tar bookworm
	mkdir "$D/root"
	tar -C "$D/root" --numeric-owner -xpf "$ROOTS/bookworm.tar"
	export VEFS_ROOT=$D/store
	mkdir -p "$VEFS_ROOT"
	"$VEFS_BIN/mount.vefs" \
		-o "lowerdir=$D/root,upperdir=$U,workdir=$W" "$D/m"
	RUN=("$CTRUN" "$D/m")
	says 'is off' inside quotaon -pu /
	fails 'Not all specified mountpoints are using quota' inside setquota -u 1 0 0 0 0 /
}

run_all
