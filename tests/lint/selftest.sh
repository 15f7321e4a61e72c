#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# selftest.sh - do the linters see what they are there to see?
#
# Makes a small tree that breaks no rule, then for every rule a copy that
# breaks just that one, and runs the lint step over it. Prints the rules that
# went unseen; exits non-zero when there are any.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unseen=0
spdx='SPDX-License-Identifier: GPL-2.0-or-later'

# put FILE: the text on stdin, with the licence's line above it.
put()
{
	mkdir -p "$(dirname "$1")"
	case $1 in
	*.[ch]) echo "/* $spdx */" >"$1" ;;
	*.sh) printf '#!/bin/sh\n# %s\n' "$spdx" >"$1" ;;
	*.8) printf '.\\" %s\n' "$spdx" >"$1" ;;
	esac
	cat >>"$1"
}

header()
{
	local guard

	guard=$(echo "VEFS_$1" | tr 'a-z/.' 'A-Z__')
	printf '#ifndef %s\n#define %s\n\n' "$guard" "$guard"
	cat
	printf '\n#endif\n'
}

good_tree()
{
	rm -rf "$tmp/tree"
	mkdir "$tmp/tree"
	cd "$tmp/tree" || exit
	cp "$top/.clang-format" "$top/.clang-tidy" "$top/.shellcheckrc" .
	printf '# %s\n' "$spdx" >Makefile
	echo 'int one_get(void);' | header fs/base/one.h | put fs/base/one.h
	put fs/base/one.c <<'END'
#include "fs/base/one.h"

int one_get(void)
{
	return 1;
}
END
	echo 'int two_get(void);' | header fs/two.h | put fs/two.h
	put fs/two.c <<'END'
#include "fs/two.h"

#include "fs/base/one.h"

int two_get(void)
{
	return 1 + one_get();
}
END
	echo 'int fuse_run(void);' | header fs/fuse.h | put fs/fuse.h
	echo 'int usage_get(void);' | header quota/usage.h |
		put quota/usage.h
	echo 'int pool_get(void);' | header templates/pool.h |
		put templates/pool.h
	echo 'exit 0' | put tools/run.sh
	put tools/page.8 <<'END'
.TH PAGE 8
.SH NAME
page \- a page
END
}

# lint STEP: over the tree, with every source in it but those UNLISTED.
lint()
{
	local sources object source

	mapfile -t sources < <(find . -name '*.c' ! -name "${UNLISTED:-}" |
		sed 's,^\./,,' | sort)
	for source in "${sources[@]}"; do
		object=obj/${source%.c}.o
		mkdir -p "$(dirname "$object")"
		gcc -I. -w -c -o "$object" "$source" 2>/dev/null ||
			rm -f "$object"
	done
	FLAGS='-std=gnu11 -I. -D_GNU_SOURCE' OBJECTS=obj LINT=$1 \
		"$here/run.sh" "${sources[@]}" >"$tmp/said" 2>&1
	grep -q "^ok lint $1 " "$tmp/said"
}

# sees STEP WORD RULE: STEP must fail now and say WORD.
sees()
{
	if lint "$1"; then
		echo "unseen by $1: $3"
		unseen=$((unseen + 1))
	elif ! grep -q -- "$2" "$tmp/said"; then
		echo "$1 does not say '$2' of: $3"
		sed 's/^/    /' "$tmp/said" | head -n 20
		unseen=$((unseen + 1))
	fi
	good_tree
}

good_tree
for step in format floors shellcheck man cppcheck analyzer tidy; do
	lint "$step" && continue
	# another version may have another taste
	grep -q "^skip lint $step # " "$tmp/said" && continue
	echo "$step finds fault with a faultless tree:"
	cat "$tmp/said"
	unseen=$((unseen + 1))
done

# ---- floors ----------------------------------------------------------------

sed -i '/one.h"/a #include "fs/two.h"' fs/base/one.c
sees floors 'floor 0 includes fs/two.h' 'an include that points up'

sed -i '/one.h"/a #include "fs/fuse.h"' fs/two.c
sees floors 'floor 2 includes fs/fuse.h' 'the core includes the glue'

put quota/usage.c <<'END'
#include "quota/usage.h"
#include "templates/pool.h"

int usage_get(void)
{
	return 0;
}
END
sees floors 'its neighbour' 'quota includes templates'

sed -i '/one.h"/a #include <fuse_lowlevel.h>' fs/two.c
sees floors 'includes libfuse, only' 'libfuse in the core'

sed -i 's,"fs/base/one.h","one.h",' fs/base/one.c
sees floors 'not a path from the top' 'an include relative to its file'

cat >>fs/two.c <<'END'

int helper(void);
int helper(void)
{
	return 0;
}
END
sees floors "global name 'helper'" 'a global name without its stem'

sed -i 's,one_get,onepriv_get,' fs/base/one.? fs/two.c
sees floors 'without fs/base/onepriv.h' 'a private name without its header'

sed -i 's,return 1;,__builtin_exit(1);,' fs/base/one.c
sees floors 'calls exit' 'a library that ends the process'

rm fs/two.h
sed -i '/two.h"/d' fs/two.c
sees floors 'has no header' 'a module without a header'

sed -i 's,int two_get(void),int two_get(pid_t),' fs/two.h
sees floors 'does not compile alone' 'a header that needs another first'

sed -i 's,VEFS_FS_TWO_H,TWO_H,' fs/two.h
sees floors 'its guard' 'a header guard of another name'

sed -i 1d fs/two.c
sees floors 'no SPDX' 'a file without a licence'

yes '/* long */' | head -n 600 >>fs/two.c
sees floors '600 is the limit' 'a file that is too long'

UNLISTED=two.c
sees floors 'does not list it' 'a source that the Makefile forgot'
UNLISTED=

# ---- the others ------------------------------------------------------------

if clang-format --version | grep -q 'version 14'; then
	sed -i 's,return 1,return  1,' fs/two.c
	sees format 'fs/two.c: make format' 'two blanks'
fi

sed -i 's,return 1 + one_get();,return one_get() == one_get();,' fs/two.c
sees tidy 'misc-redundant-expression' 'the same on both sides'

{
	printf '\nint two_long(void)\n{\n\tint n = 0;\n\n'
	yes '	n += one_get();' | head -n 90
	printf '\treturn n;\n}\n'
} >>fs/two.c
sees tidy 'readability-function-size' 'a function of 94 lines'

cat >>fs/two.c <<'END'

int two_many(int a, int b, int c, int d, int e, int f, int g)
{
	return a + b + c + d + e + f + g;
}
END
sees tidy 'readability-function-size' 'seven parameters'

sed -i 's,return 1 + one_get();,int n; if (one_get()) n = 1; return n;,' \
	fs/two.c
sees tidy 'UndefReturn' 'a value that may be undefined'

sed -i 's,return 1 + one_get();,int n[2] = { 0 }; return n[2];,' fs/two.c
sees cppcheck 'arrayIndexOutOfBounds' 'an index behind the end'

sed -i -e '/one.h"/a #include <stdlib.h>' -e 's,return 1 + one_get();,\
	char *p = malloc(1); free(p); free(p); return 0;,' fs/two.c
sees analyzer 'double-free' 'a double free'
echo 'rm $1/*' | put tools/run.sh
sees shellcheck SC2086 'an unquoted variable'

echo '.BR one (8). Its text follows' >>tools/page.8
sees man 'Its text' 'text on the line of a macro of two fonts'

echo '.XX no macro' >>tools/page.8
sees man XX 'an unknown macro in a manual page'

[ "$unseen" -eq 0 ]
