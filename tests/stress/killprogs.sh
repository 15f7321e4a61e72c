#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# killprogs.sh - programs that people run, each on a mount whose worker is
# killed every 200 ms: they must come to their end, and right.
#
# PROGRAMS="git apt pg"	which of them:
#			git	clones of a repository, checked
#			apt	packages installed in a Debian root, checked
#			pg	postgresql under pgbench, its sums checked
# EVERY=200		ms between two kills
# ROOT=			a Debian root; what `make demo` keeps, where it is
# PACKAGES="git less"	what apt installs
# CLONES=6		how often git clones
# PG_TIME=20		seconds of pgbench
# SEED=N
# timeout: 1800
cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/stress/lib.sh
. ./lib.sh
# shellcheck source=tests/stress/kill_lib.sh
. ./kill_lib.sh

PROGRAMS=${PROGRAMS:-git apt pg}
EVERY=${EVERY:-200}
ROOT=${ROOT:-${VEFS_ROOT:-/var/lib/vefs}/demo/debian}
PACKAGES=${PACKAGES:-git less}
CLONES=${CLONES:-6}
PG_TIME=${PG_TIME:-20}
SEED=${SEED:-$(date +%s)}
KILLER=''

killing_begin()
{
	rm -f "$W/state"
	"$KILL" load mnt="$M" state="$W/state" procs=0 passes=0 forget=0 ||
		return 1
	"$KILL" kill mnt="$M" state="$W/state" keeper="$KEEPER" seed="$SEED" \
		from="$EVERY" to="$EVERY" 2>"$W/kill.log" &
	KILLER=$!
}

# killing_end NAME
killing_end()
{
	local status

	"$KILL" stop state="$W/state"
	k_wait "$KILLER" $((60 * VEFS_SLOW))
	status=$?
	KILLER=''
	k_tell "$W/kill.log"
	k_result "$1-is-served # $(k_kills) kills" "$status" "see above"
	"$KILL" report state="$W/state" | grep 'next answer'
	k_result "$1-was-killed" $(($(k_kills) < 3)) "$(k_kills) kills only"
}

# said NAME COMMAND...: its last lines are told when it fails.
said()
{
	local name=$1

	shift
	if "$@" >"$W/said" 2>&1 </dev/null; then
		st_ok "$name"
		return
	fi
	tail -n 15 "$W/said" | sed 's/^/#  /'
	st_not_ok "$name (SEED=$SEED)"
	return 1
}

# through NAME COMMAND...: while the worker is killed.
through()
{
	local name=$1 status

	shift
	killing_begin || {
		st_not_ok "$name-begins"
		return 1
	}
	said "$name" "$@"
	status=$?
	killing_end "$name"
	return "$status"
}

# unmounted NAME UPPER
unmounted()
{
	k_result "$1-unmount" "$(k_umount >"$W/said" 2>&1; echo $?)" \
		"$(tail -n 1 "$W/said")"
	k_result "$1-work-empty" \
		"$(find "$2.work/work" -mindepth 1 | wc -l)" \
		"$(ls "$2.work/work")"
}

# ---- git

make_repository()
{
	local n

	git init -q "$1" && cd "$1" || return 1
	for n in 1 2 3 4 5; do
		cp -r "$ST_TOP/fs" "$ST_TOP/tests" "part$n" 2>/dev/null || {
			mkdir "part$n" &&
				cp -r "$ST_TOP/fs" "$ST_TOP/tests" "part$n"
		} || return 1
		sed -i "s/static/static \\/* $n *\\//" part*/fs/*.c || return 1
		git add -A && git -c user.name=t -c user.email=t@t \
			-c commit.gpgsign=false commit -q -m "$n" || return 1
	done
}

clones()
{
	local n

	for ((n = 0; n < CLONES; n++)); do
		git clone -q --no-local "$M/source" "$M/clone$n" || return 1
		diff -r --exclude=.git "$M/source" "$M/clone$n" || return 1
		[ -z "$(git -C "$M/clone$n" status --porcelain)" ] || return 1
		git -C "$M/clone$n" gc -q || return 1
	done
}

clones_right()
{
	local n

	for ((n = 0; n < CLONES; n++)); do
		git -C "$M/clone$n" fsck --full --no-dangling || return 1
	done
}

run_git()
{
	command -v git >/dev/null || {
		st_skip "git # not installed"
		return
	}
	# Whose files these are is nothing to refuse.
	export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory \
		GIT_CONFIG_VALUE_0='*'
	mkdir "$W/git.lower"
	said git-repository make_repository "$W/git.lower/source" || return
	cd "$ST_TOP" || return
	said git-mount k_mount "$W/git.lower" "$W/git" || return
	through git-clone clones && said git-fsck clones_right
	unmounted git "$W/git"
}

# ---- apt

# inside COMMAND: by the root's own shell, with its own /proc and /dev.
inside()
{
	# shellcheck disable=SC2016 # for the other shell
	unshare --mount --pid --fork --kill-child --propagation private \
		bash -ec '
			mount -t proc proc "$1/proc"
			mount -t tmpfs -o mode=755 dev "$1/dev"
			cd "$1/dev"
			for n in null:1:3 zero:1:5 random:1:8 urandom:1:9; do
				IFS=: read -r name major minor <<<"$n"
				mknod -m 666 "$name" c "$major" "$minor"
			done
			mkdir -m 1777 shm
			ln -s /proc/self/fd fd
			exec chroot "$1" /usr/bin/env -i HOME=/root \
				LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
				PATH=/usr/sbin:/usr/bin:/sbin:/bin \
				/bin/sh -ec "$2"
		' _ "$M" "$1"
}

dpkg_right()
{
	local odd

	inside 'test -z "$(dpkg --audit)"' || return 1
	# mmdebstrap leaves documentation out
	odd=$(inside 'dpkg --verify || :' | grep -vE '^missing +/usr/share/(doc|man|locale)')
	[ -z "$odd" ] || {
		echo "$odd"
		return 1
	}
	inside 'git --version && echo x | less'
}

run_apt()
{
	[ -x "$ROOT/usr/bin/apt-get" ] || {
		st_skip "apt # no Debian root in $ROOT: sudo make demo"
		return
	}
	said apt-mount k_mount "$ROOT" "$W/apt" || return
	cp -L /etc/resolv.conf "$M/etc/resolv.conf"
	if ! inside "apt-get -qq update && apt-get -qqy install --download-only $PACKAGES" \
		>"$W/said" 2>&1; then
		st_skip "apt # no package archive is reached: $(tail -n 1 "$W/said")"
	else
		through apt-install inside \
			"apt-get -qqy --no-download install $PACKAGES" &&
			said apt-verify dpkg_right
	fi
	unmounted apt "$W/apt"
}

# ---- postgresql

pg()
{
	setpriv --reuid=postgres --regid=postgres --init-groups env -i \
		HOME="$M/pg" PGHOST="$M/pg" LC_ALL=C PATH="$PG_BIN:$PATH" "$@"
}

pg_start()
{
	pg pg_ctl -w -t 120 -D "$M/pg/data" -l "$M/pg/log" \
		-o "-k $M/pg -c listen_addresses=''" start
}

pg_stop()
{
	pg pg_ctl -w -t 120 -D "$M/pg/data" -m "${1:-fast}" stop
}

pg_run()
{
	cd / || return
	pg initdb -k -A trust -D "$M/pg/data" && pg_start &&
		pg pgbench -i -s 5 -q postgres &&
		pg pgbench -c 4 -j 2 -T "$PG_TIME" postgres
}

# All that was moved is somewhere, and no page is torn.
pg_right()
{
	local rows accounts tellers branches history

	cd / || return
	IFS='|' read -r rows accounts tellers branches history < <(
		pg psql -qAt -d postgres -c 'select count(*), sum(abalance),
			(select sum(tbalance) from pgbench_tellers),
			(select sum(bbalance) from pgbench_branches),
			(select sum(delta) from pgbench_history)
			from pgbench_accounts'
	)
	echo "$rows rows, sums $accounts $tellers $branches $history"
	[ "$rows" = 500000 ] && [ "$accounts" = "$tellers" ] &&
		[ "$accounts" = "$branches" ] &&
		[ "$accounts" = "$history" ] || return 1
	pg psql -qAt -d postgres -c 'create extension amcheck' &&
		pg pg_amcheck --heapallindexed --all && pg_stop &&
		pg pg_checksums --check -D "$M/pg/data"
}

run_pg()
{
	local bins=(/usr/lib/postgresql/*/bin)

	PG_BIN=${bins[-1]}
	if [ ! -x "$PG_BIN/pgbench" ] || [ ! -x "$PG_BIN/initdb" ] ||
		! id postgres >/dev/null 2>&1; then
		st_skip "pg # postgresql is not installed"
		return
	fi
	chmod 755 "$W"
	mkdir -p "$W/pg.lower/pg"
	chown postgres: "$W/pg.lower/pg"
	said pg-mount k_mount "$W/pg.lower" "$W/pg" || return
	if through pg-bench pg_run; then
		grep -E '^tps|failed' "$W/said" | sed 's/^/# /'
		said pg-sums pg_right
	fi
	[ ! -f "$M/pg/data/postmaster.pid" ] || pg_stop immediate >"$W/said"
	unmounted pg "$W/pg"
}

# What still has files open there goes before the mount does.
leave()
{
	trap - EXIT
	cd /
	[ -z "$KILLER" ] || kill "$KILLER"
	[ ! -f "$M/pg/data/postmaster.pid" ] || pg_stop immediate >"$W/said"
	k_cleanup
}

st_begin
k_begin
trap leave EXIT
echo "# SEED=$SEED EVERY=$EVERY D=$D"
k_kernel 6 9 || {
	st_skip "killprogs # Linux 6.9, which sends requests again"
	exit 0
}
for program in $PROGRAMS; do
	"run_$program"
done
[ "$FAILED" -eq 0 ]
