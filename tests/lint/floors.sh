#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# floors.sh - the rules of the house that no compiler knows, for the tree in
# the current directory.
#
#	FLAGS="..." OBJECTS=build/opt/obj tests/lint/floors.sh SOURCE.c...
#
# The floors, includes point down only:
#	0 fs/base
#	1 quota, templates (never one another)
#	2 fs, fs/proc
#	3 fs/fuse*, fs/recover, fs/worker, fs/keeper, fs/session
#	4 tools/ct
#	5 tools
#	6 tests, bench
# Only fs/fuse*.c know libfuse's header. Below the tools nobody ends the
# process. A module is stem.c and stem.h, its global names begin with stem; one
# in several files lends itself stempriv_ names, by stempriv.h.
# Prints what breaks a rule, as FILE: WHAT; exits non-zero when something did.
set -u

sources=("$@")
read -ra flags <<<"${FLAGS:-}"
bad=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

MAX_LINES=600

broken()
{
	echo "$*"
	bad=$((bad + 1))
}

floor_of()
{
	case $1 in
	fs/base/*) echo 0 ;;
	quota/* | templates/*) echo 1 ;;
	fs/fuse*.[ch] | fs/recover.[ch] | fs/worker.[ch] | fs/keeper.[ch] | \
		fs/session.[ch]) echo 3 ;;
	fs/*) echo 2 ;;
	tools/ct/*) echo 4 ;;
	tools/*) echo 5 ;;
	tests/* | bench/*) echo 6 ;;
	*) echo "" ;;
	esac
}

# What is linked into everything: no main(), no exit().
is_library()
{
	case $1 in
	fs/* | quota/* | templates/* | tools/ct/*) return 0 ;;
	esac
	return 1
}

files()
{
	local folder

	for folder in fs quota templates tools tests bench; do
		[ -d "$folder" ] || continue
		find "$folder" \( "$@" \)
	done | sort
}

check_includes()
{
	local file included from to

	while IFS=: read -r file included; do
		from=$(floor_of "$file")
		if [ ! -e "$included" ]; then
			# tests and benchmarks may keep headers beside them
			[ "$from" = 6 ] && [ -e "${file%/*}/$included" ] &&
				continue
			broken "$file: includes \"$included\", which is" \
				"not a path from the top"
			continue
		fi
		to=$(floor_of "$included")
		if [ -z "$to" ] || [ "$to" -gt "$from" ]; then
			broken "$file: floor $from includes $included" \
				"of floor $to"
		elif [ "$from" = 1 ] && [ "$to" = 1 ] &&
			[ "${file%%/*}" != "${included%%/*}" ]; then
			broken "$file: includes $included, its neighbour"
		fi
	done < <(files -name '*.[ch]' | xargs -r grep -HE \
		'^[[:space:]]*#[[:space:]]*include[[:space:]]*"' |
		sed -E 's/:[^"]*"([^"]*)".*/:\1/')

	while read -r file; do
		[[ $file == fs/fuse*.[ch] ]] ||
			broken "$file: includes libfuse, only fs/fuse*.c may"
	done < <(files -name '*.[ch]' | xargs -r grep -lE \
		'include[[:space:]]*[<"](fuse3/)?fuse(_[a-z]+)?\.h[>"]')
}

header_alone()
{
	local to=$tmp/${1//\//_}.cc

	# shellcheck disable=SC2086 # flags are words
	gcc $FLOOR_FLAGS -Wall -Wno-unused-function -Werror -fsyntax-only \
		-x c "$1" >"$to" 2>&1 && rm "$to"
	return 0
}

check_headers()
{
	local file guard

	while read -r file; do
		guard=VEFS_${file^^}
		guard=${guard//[\/.-]/_}
		is_library "$file" && ! grep -q "^#ifndef $guard\$" "$file" &&
			broken "$file: its guard is not $guard"
	done < <(files -name '*.h')
	export tmp FLOOR_FLAGS="${flags[*]}"
	export -f header_alone
	files -name '*.h' | xargs -r -n 8 -P "$(nproc)" bash -c \
		'for file; do header_alone "$file"; done' header_alone
	while read -r file; do
		[ -e "$tmp/${file//\//_}.cc" ] || continue
		broken "$file: does not compile alone"
		head -n 5 "$tmp/${file//\//_}.cc"
	done < <(files -name '*.h')
}

check_modules()
{
	local file

	while read -r file; do
		case " ${sources[*]} " in
		*" $file "*) ;;
		*) broken "$file: the Makefile does not list it" ;;
		esac
		is_library "$file" && [ ! -e "${file%.c}.h" ] &&
			broken "$file: has no header ${file%.c}.h"
	done < <(files -name '*.c')
}

# nm_of OPTIONS: of what is compiled of the libraries, as "SOURCE SYMBOL".
nm_of()
{
	sed "s,^,$OBJECTS/,; s,c\$,o," "$tmp/compiled" |
		xargs -r nm -A "$@" | awk -v top="$OBJECTS/" '{
			file = substr($1, length(top) + 1)
			sub(/\.o:.*/, ".c", file)
			print file, $NF
		}'
}

# The objects tell what a module calls and what it gives to all.
check_symbols()
{
	local file stem symbol

	for file in "${sources[@]}"; do
		is_library "$file" || continue
		if [ -f "$OBJECTS/${file%.c}.o" ]; then
			echo "$file"
		else
			broken "$file: not compiled" \
				"($OBJECTS/${file%.c}.o is missing)" >&2
		fi
	done >"$tmp/compiled"
	while read -r file symbol; do
		stem=${file##*/}
		stem=${stem%.c}
		stem=${stem//-/_}
		case $symbol in
		"$stem" | "${stem}_"*) ;;
		"${stem}priv_"*)
			# what a module in two files lends itself
			[ -f "${file%.c}priv.h" ] || broken "$file:" \
				"'$symbol' without ${file%.c}priv.h"
			;;
		*) broken "$file: global name '$symbol' does not" \
			"begin with ${stem}_" ;;
		esac
	done < <(nm_of -g --defined-only)
	while read -r file symbol; do
		case $symbol in
		_exit | _Exit)
			# the end of a forked child
			[ "$(floor_of "$file")" -ge 3 ] && continue
			;;
		esac
		broken "$file: calls $symbol(), only tools may"
	done < <(nm_of -u | grep -E \
		' (_?_?exit|_Exit|quick_exit|abort|v?errx?|error)$')
}

check_files()
{
	local file lines licence

	while read -r file licence lines; do
		[ "$licence" = yes ] ||
			broken "$file: no SPDX line at its top"
		# the Makefile is lists, a name a line
		[ "$lines" -le "$MAX_LINES" ] || [ "$file" = Makefile ] ||
			broken "$file: $lines lines, $MAX_LINES is the limit"
	done < <({
		files -name '*.[ch]' -o -name '*.sh' -o -name '*.awk' \
			-o -name '*.8'
		find Makefile .ci/run .clang-* .editorconfig .gitignore \
			2>/dev/null
	} | xargs -r awk '
		function told() {
			if (file)
				print file, licence, lines
		}
		FNR == 1 { told(); file = FILENAME; licence = "no" }
		FNR <= 3 && /SPDX-License-Identifier: GPL-2.0-or-later/ {
			licence = "yes"
		}
		{ lines = FNR }
		END { told() }')
	while read -r file; do
		broken "$file: is empty"
	done < <(files -type f -size 0)
	while read -r file; do
		broken "$file: blanks at a line's end"
	done < <(files -name '*.sh' -o -name '*.awk' -o -name '*.8' |
		xargs -r grep -lE '[[:blank:]]+$')
}

check_includes
check_headers
check_modules
check_symbols
check_files
[ "$bad" -eq 0 ]
