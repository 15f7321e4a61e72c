#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run.sh - every linter over the tree in the current directory.
#
#	FLAGS="-std=gnu11 -I. ..." OBJECTS=build/opt/obj \
#		tests/lint/run.sh SOURCE.c...
#
# SOURCES are what the Makefile compiles, FLAGS how, OBJECTS where to. Prints
# "ok lint STEP" or "not ok lint STEP" after what was wrong; a step whose
# program is missing is not ok. LINT="STEP..." runs only those.
#
# TIDY_NODES=N ends clang's search of a function after N steps, 225000 if not
# given: most of its time goes into a few dozen functions that come so far.
#
# The verdict is that of Debian 12's programs. What another version finds is
# printed, and the step is "skip lint STEP # VERSION".
set -u

here=$(cd "$(dirname "$0")" && pwd)
sources=("$@")
read -ra flags <<<"${FLAGS:-}"
flags+=('-DVEFS_VERSION="0"')
jobs=$(nproc)
failed=0
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export LC_ALL=C

folders=()
for folder in fs quota templates tools tests bench; do
	[ -d "$folder" ] && folders+=("$folder")
done

c_files()
{
	find "${folders[@]}" -name '*.[ch]' | sort
}

shell_files()
{
	find "${folders[@]}" -name '*.sh' | sort
	[ ! -f .ci/run ] || echo .ci/run
	[ ! -f bench/compare ] || echo bench/compare
}

# need PROGRAM VERSION: is it there? Is it another version than Debian 12's?
other_version=
need()
{
	command -v "$1" >/dev/null || {
		echo "$1 is not installed: sudo make deps"
		return 1
	}
	"$1" --version | grep -qE "(^|[^0-9.])$2([^0-9]|\$)" ||
		other_version="not $1 $2, which judges"
}

step_format()
{
	need clang-format 14 || return
	c_files | xargs -r clang-format --dry-run -Werror 2>"$out/format" &&
		return
	sed -nE 's/^([^:]+):[0-9]+:.*Wclang-format.*/\1: make format/p' \
		"$out/format" | sort -u
	grep -v 'Wclang-format' "$out/format" | grep 'error'
	return 1
}

tidy_one()
{
	local to=$LINT_OUT/${1//\//_}

	# shellcheck disable=SC2086 # flags are words
	clang-tidy --quiet "$1" -- $LINT_FLAGS >"$to.tidy" 2>"$to.err" ||
		cat "$to.err" >>"$to.tidy"
}

# clang-tidy ends with 0 on warnings. A leak that it sees may be one that a
# cleanup attribute takes care of: those go, with the notes that follow. So do
# shifts, of which version 14 miscounts the width; gcc and UBSan know better.
step_tidy()
{
	need clang-tidy 14 || return
	export LINT_OUT=$out LINT_FLAGS="${flags[*]}"
	[ -z "${TIDY_NODES:-}" ] || LINT_FLAGS+=" -Xclang -analyzer-config \
-Xclang max-nodes=$TIDY_NODES"
	export -f tidy_one
	printf '%s\0' "${sources[@]}" |
		xargs -0 -r -n 1 -P "$jobs" bash -c 'tidy_one "$0"' || return
	awk '/: (warning|error): / {
			show = !/Potential (memory )?leak|left shift is undef/
			bad += show
		}
		show
		END { exit bad > 0 }' "$out"/*.tidy
}

step_cppcheck()
{
	local queue

	need cppcheck 2.10 || return
	# It reads no system headers; these macros declare members.
	queue=$(echo '#include <sys/queue.h>' | ${CC:-gcc} -M -x c - |
		grep -oE '[^ ]*/sys/queue\.h')
	# Neither does it know the cleanup attribute: no leaks, no unread
	# values from TAKE_FD.
	cppcheck --quiet --std=c11 -j "$jobs" --error-exitcode=1 \
		--enable=warning,performance,portability --inline-suppr \
		--suppress=memleak --suppress=resourceLeak \
		--suppress=missingIncludeSystem \
		--suppress="*:$queue" --include="$queue" \
		-I. -D_GNU_SOURCE -D__linux__ -D__x86_64__ \
		"${sources[@]}"
}

# gcc's analyzer, on what we ship and before the optimiser has hidden it; leaks
# as above.
step_analyzer()
{
	local shipped=() s

	need gcc 12 || return

	for s in "${sources[@]}"; do
		case $s in
		tests/* | bench/*) ;;
		*) shipped+=("$s") ;;
		esac
	done
	[ ${#shipped[@]} -gt 0 ] || return 0
	printf '%s\0' "${shipped[@]}" | xargs -0 -n 1 -P "$jobs" \
		gcc "${flags[@]}" -O0 -fanalyzer -Werror \
		-Wno-analyzer-malloc-leak -Wno-analyzer-fd-leak \
		-Wno-analyzer-file-leak -c -o /dev/null
}

step_shellcheck()
{
	need shellcheck 0.9 || return
	shell_files | xargs -r -n 4 -P "$jobs" shellcheck -x
}

step_floors()
{
	"$here/floors.sh" "${sources[@]}"
}

step_man()
{
	local page said status=0

	need groff 1 || return
	for page in tools/*.8; do
		[ -f "$page" ] || continue
		# blanks on a line of two fonts are not printed
		said=$(groff -man -Tutf8 -ww -z "$page" 2>&1
			grep -HnE '^\.[BIR][BIR] [^"]*\. +[A-Z][a-z]* [a-z]' "$page")
		[ -z "$said" ] && continue
		echo "$said"
		status=1
	done
	return "$status"
}

step_selftest()
{
	"$here/selftest.sh"
}

for step in ${LINT:-format floors shellcheck man cppcheck analyzer tidy \
	selftest}; do
	began=$SECONDS
	other_version=
	"step_$step" >"$out/said" 2>&1
	status=$?
	[ "$status" -eq 0 ] || cat "$out/said"
	took="($((SECONDS - began)) s)"
	if [ "$status" -eq 0 ]; then
		echo "ok lint $step $took"
	elif [ -n "$other_version" ]; then
		echo "skip lint $step # $other_version $took"
	else
		echo "not ok lint $step $took"
		failed=$((failed + 1))
	fi
done
[ "$failed" -eq 0 ]
