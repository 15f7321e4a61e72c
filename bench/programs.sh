#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs that people run in containers, side by side: databases, npm, apt.
# What is not installed is left out, and said so. No network is used.
#
#	sqlite	so many transactions of one row, each synced; then queries
#	pgbench	postgresql on the tree: initdb, and transactions
#	npm	`npm ci` of a project whose packages are local files
#	apt	apt-get install of packages, local files too, in a Debian root
#
# usage: programs.sh [-q]    -q: 1 round of fewer. Environment: see lib.sh, and
#   TRANSACTIONS  of sqlite (500)
#   PG_SECONDS    of pgbench (3)
#   PACKAGES      of npm (150) and, a tenth, of apt
#   ROOT          a Debian root directory (what `make demo` keeps)
#   STEPS         only these, in this order (see the table "steps" below)
set -u
. "$(dirname "$0")/lib.sh"

transactions=500 pg_seconds=3 packages=150
rounds=${ROUNDS:-3}
while getopts q option; do
	case $option in
	q) rounds=${ROUNDS:-1} transactions=100 pg_seconds=1 packages=40 ;;
	*) die "usage: ${0##*/} [-q]   (see ${0%/*}/README.md)" ;;
	esac
done
TRANSACTIONS=${TRANSACTIONS:-$transactions}
PG_SECONDS=${PG_SECONDS:-$pg_seconds}
PACKAGES=${PACKAGES:-$packages}
ROOT=${ROOT:-${VEFS_ROOT:-/var/lib/vefs}/demo/debian}
MAX_SECONDS=${MAX_SECONDS:-540}
PG_PORT=$((40000 + $$ % 20000))

# NAME:UNIT:TITLE; missing_NAME says why not, lower_NAME makes what is below,
# before_NAME is not timed, step_NAME is. Those of a speed print it themselves.
steps=(
	"sqlite:ms:sqlite, $TRANSACTIONS transactions"
	"sqlite_read:ms:sqlite, 20 queries of 20,000 rows, cold"
	"initdb:ms:postgresql, initdb"
	"pgbench:tx/s:pgbench, 2 clients, $PG_SECONDS s"
	"npm:ms:npm ci, $PACKAGES packages"
	"apt:ms:apt-get install of $((PACKAGES / 10)) packages"
)

# ---- sqlite -----------------------------------------------------------------

missing_sqlite()
{
	command -v sqlite3 >/dev/null ||
		echo "not installed (apt-get install sqlite3)"
}
missing_sqlite_read() { missing_sqlite; }

lower_sqlite()
{
	sqlite3 "$1/rows.db" "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT,
		b TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1
		FROM n WHERE i < 20000) INSERT INTO t SELECT i, i * 7919 % 20000,
		hex(zeroblob(100)) FROM n; CREATE INDEX ta ON t(a);"
}
lower_sqlite_read() { [ -e "$1/rows.db" ] || lower_sqlite "$1"; }

step_sqlite()
{
	awk -v n="$TRANSACTIONS" 'BEGIN { for (i = 0; i < n; i++)
		printf "INSERT INTO t(a, b) VALUES(%d, hex(randomblob(50)));\n",
			i }' | sqlite3 "$1/rows.db"
}

before_sqlite_read() { drop_inodes; }
step_sqlite_read()
{
	local i

	for ((i = 0; i < 20; i++)); do
		echo "SELECT count(*), sum(length(b)) FROM t WHERE a > $i * 50;"
	done | sqlite3 "$1/rows.db" >/dev/null
}

# ---- postgresql -------------------------------------------------------------

pg_bin() { printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1; }

as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }

missing_initdb()
{
	[ -x "$(pg_bin)/initdb" ] && getent passwd postgres >/dev/null ||
		echo "not installed (apt-get install postgresql)"
}

missing_pgbench()
{
	local why

	why=$(missing_initdb)
	[ -n "$why" ] || command -v pgbench >/dev/null ||
		why="not installed (apt-get install postgresql-contrib)"
	echo "$why"
}

lower_initdb() { mkdir "$1/pg" && chown postgres: "$1/pg"; }
lower_pgbench() { [ -d "$1/pg" ] || lower_initdb "$1"; }

step_initdb()
{
	as_postgres "$(pg_bin)/initdb" -A trust -D "$1/pg/data" >/dev/null
}

pg_ctl()
{
	as_postgres "$(pg_bin)/pg_ctl" -s -w -t 60 -D "$1/pg/data" \
		-l "$1/pg/log" "${@:2}"
}

before_pgbench()
{
	[ -d "$1/pg/data" ] || step_initdb "$1" || return
	pg_ctl "$1" -o "-c listen_addresses= -p $PG_PORT -k $1/pg" start &&
		pg_bench "$1" -i -q -s 2 >/dev/null 2>&1
}

pg_bench() { as_postgres pgbench -h "$1/pg" -p "$PG_PORT" "${@:2}" postgres; }

step_pgbench()
{
	pg_bench "$1" -c 2 -j 2 -n -T "$PG_SECONDS" |
		awk '/^tps/ { print "figure " $3; found = 1 } END { exit !found }'
}

after_pgbench() { pg_ctl "$1" -m fast stop; }

# ---- npm --------------------------------------------------------------------

missing_npm()
{
	command -v npm >/dev/null || echo "not installed (apt-get install npm)"
}

# Packages of 30 files each, packed, and a project that has them all.
lower_npm()
{
	local i f

	mkdir -p "$1/npm/tar" "$work_dir/pack"
	for ((i = 0; i < PACKAGES; i++)); do
		rm -rf "$work_dir/pack/package"
		mkdir -p "$work_dir/pack/package"
		"$mkfiles" source 30 "$work_dir/pack/package" || return
		printf '{"name":"p%d","version":"1.0.0"}\n' "$i" \
			>"$work_dir/pack/package/package.json"
		tar -czf "$1/npm/tar/p$i.tgz" -C "$work_dir/pack" package ||
			return
	done
	rm -rf "$work_dir/pack"
	for f in package package-lock; do
		for ((i = 0; i < PACKAGES; i++)); do
			echo "p$i $(openssl dgst -sha512 -binary \
				"$1/npm/tar/p$i.tgz" | base64 -w 0)"
		done | jq -Rn --arg of "$f" '[inputs | split(" ")] as $p |
			($p | map({key: .[0], value: "file:tar/\(.[0]).tgz"}) |
				from_entries) as $d |
			{name: "bench", version: "1.0.0"} +
			if $of == "package" then {dependencies: $d}
			else {lockfileVersion: 3, requires: true, packages:
				({"": {name: "bench", version: "1.0.0",
					dependencies: $d}} + ($p |
				map({key: "node_modules/\(.[0])", value: {
					version: "1.0.0",
					resolved: "file:tar/\(.[0]).tgz",
					integrity: "sha512-\(.[1])"}}) |
				from_entries))} end' >"$1/npm/$f.json" || return
	done
}

step_npm()
{
	(cd "$1/npm" && HOME=$1/npm npm ci --offline --no-audit --no-fund \
		--ignore-scripts --cache "$1/npm/cache" --loglevel error)
}

# ---- apt --------------------------------------------------------------------

missing_apt()
{
	[ -x "$ROOT/usr/bin/apt-get" ] ||
		echo "no Debian root in $ROOT (make demo makes one, or ROOT=)"
	command -v dpkg-deb >/dev/null || echo "no dpkg-deb"
}

# The root, and packages of 200 files each.
lower_apt()
{
	local i dir=$work_dir/pack

	cp -a "$ROOT" "$1/root" && mkdir -p "$1/root/debs" || return
	for ((i = 0; i < PACKAGES / 10; i++)); do
		rm -rf "$dir"
		mkdir -p "$dir/DEBIAN" "$dir/usr/share/bench$i"
		printf '%s\n' "Package: bench$i" "Version: 1" \
			"Architecture: all" "Maintainer: nobody <n@localhost>" \
			"Description: of a benchmark" >"$dir/DEBIAN/control"
		"$mkfiles" source 200 "$dir/usr/share/bench$i" &&
			dpkg-deb -Zgzip --root-owner-group -b "$dir" \
				"$1/root/debs/bench$i.deb" >/dev/null || return
	done
	rm -rf "$dir"
}

# By the root's own apt, with its own /proc and /dev.
step_apt()
{
	unshare --mount --pid --fork --kill-child --propagation private \
		bash -ec '
			mount -t proc proc "$1/proc"
			mount -t tmpfs -o mode=755 dev "$1/dev"
			for n in null:1:3 zero:1:5 random:1:8 urandom:1:9; do
				IFS=: read -r name major minor <<<"$n"
				mknod -m 666 "$1/dev/$name" c "$major" "$minor"
			done
			ln -s /proc/self/fd "$1/dev/fd"
			exec chroot "$1" /usr/bin/env -i HOME=/root LC_ALL=C \
				DEBIAN_FRONTEND=noninteractive \
				PATH=/usr/sbin:/usr/bin:/sbin:/bin /bin/sh -c \
				"apt-get -q -y \
				-o APT::Sandbox::User=root install /debs/*.deb"
		' _ "$1/root"
}

# A server that an interrupted run has left keeps its mount busy.
bench_before_cleanup()
{
	local file pid

	for file in "$work_dir"/*/mnt/pg/data/postmaster.pid; do
		[ ! -e "$file" ] || ! read -r pid <"$file" || kill -INT "$pid"
	done
	sleep 0.5
}

# ---- all --------------------------------------------------------------------

steps_choose()
{
	local step name why

	chosen=()
	for name in ${STEPS:-"${steps[@]%%:*}"}; do
		for step in "${steps[@]}"; do
			[ "${step%%:*}" = "$name" ] || continue
			why=$("missing_$name")
			if [ -n "$why" ]; then
				skipped "$name: $why"
			else
				chosen+=("$step")
			fi
		done
	done
	[ ${#chosen[@]} -gt 0 ] || {
		say "none of these programs is installed"
		exit 0
	}
}

base_make()
{
	local step

	mkdir "$work_dir/base"
	for step in "${chosen[@]}"; do
		"lower_${step%%:*}" "$work_dir/base" ||
			die "cannot make what ${step%%:*} needs"
	done
}

round_begin()
{
	local peer dir

	for peer in "${peers[@]}"; do
		dir=$work_dir/$peer
		if [ "$peer" = plain ]; then
			mkdir -p "$dir"
			cp -a "$work_dir/base" "$dir/mnt" || die "disk full?"
			continue
		fi
		[ -d "$dir" ] || peer_dir_make "$peer" "$dir"
		mkdir -p "$dir/upper" "$dir/work" "$dir/mnt"
		[ -d "$dir/lower" ] || cp -a "$work_dir/base" "$dir/lower" ||
			die "disk full?"
	done
	drop_inodes
	for peer in "${peers[@]}"; do
		dir=$work_dir/$peer
		peer_mount "$peer" "$dir/lower" "$dir/upper" "$dir/work" \
			"$dir/mnt"
		chmod 755 "$dir" "$dir/mnt"
	done
}

# aside_of WHAT STEP TARGET: before and after, where there is such a thing.
aside_of()
{
	declare -F "$1_$2" >/dev/null || return 0
	timeout -k 5 120 bash -c '"$@"' _ "$1_$2" "$3" \
		>"$bench_dir/output" 2>&1 </dev/null ||
		say "$1 $2: $(tail -n 1 "$bench_dir/output")"
}

measure()
{
	local peer=$1 step unit title value status target

	IFS=: read -r step unit title <<<"$2"
	target=$work_dir/$peer/mnt
	aside_of before "$step" "$target"
	sync -f "$work_dir"
	"$micro" -m 256
	timeout -k 5 120 "${bench_pin[@]}" bash -c \
		'begin=$EPOCHREALTIME; "$1" "$2"; status=$?
		echo "$begin $EPOCHREALTIME" >&3; exit $status' timed \
		"step_$step" "$target" \
		>"$bench_dir/output" 2>&1 3>"$bench_dir/times" </dev/null
	status=$?
	value=$(awk '{ printf "%.3f", ($2 - $1) * 1000 }' "$bench_dir/times")
	[ "$unit" = ms ] ||
		value=$(sed -n 's/^figure //p' "$bench_dir/output")
	[ "$status" = 0 ] || {
		say "$peer: $step: status $status:" \
			"$(tail -n 1 "$bench_dir/output")"
		value=
	}
	figure "$out" "$round" "$peer" "$step" "$unit" "$title" "$value"
	aside_of after "$step" "$target"
}

measure_all()
{
	round_begin
	in_turns "${chosen[@]}"
	round_end
}

steps_choose
bench_init "$@"
[ "${CPUS:-any}" = one ] && cpus_choose one
chmod 755 "$bench_dir"
mapfile -t functions < <(compgen -A function)
export -f "${functions[@]}"
export work_dir bench_dir TRANSACTIONS PG_SECONDS PG_PORT PACKAGES
base_make
out=$(set_file programs "$bench_dir")
set_begin "$out" programs "Programs, $(cpus_text "${CPUS:-any}")" "${peers[@]}"
bench_began=$SECONDS
rounds_run "$rounds"
set_end Programs "$out"
