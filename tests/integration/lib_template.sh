# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lib_template.sh - what the template scripts share. To be sourced after
# lib.sh. S is the store of a case.

# What is in a container is looked at from the host, by its ids: they are the
# host's, unless a script says HOST_IDS=0.
HOST_IDS=${HOST_IDS:-1}

vefs() {
	: "${S:=$D/store}"
	case " $* " in
	*" create "*)
		if [ "$HOST_IDS" = 1 ] && [ -d "$S" ]; then
			mkdir -p "$S/etc"
			echo 'USERNS="off"' >"$S/etc/vefs.conf"
		fi
		;;
	esac
	"$VEFS_BIN/vefs" --root "$S" "$@"
}

# json EXPRESSION: of what comes in, as python indexes it
json() {
	python3 -c "import json, sys; print(json.load(sys.stdin)$1)"
}

assert_empty() {
	local said

	said=$(cat)
	[ -z "$said" ] || {
		lib_why "not empty: $said"
		return 1
	}
}

digest_of() {
	vefs --json template show "$1" | json '["digest"]'
}

same_digest() {
	[ "$(digest_of "$1")" = "$(digest_of "$2")" ] || {
		vefs template diff "$1" "$2"
		lib_why "$1 and $2 differ: $(vefs template diff "$1" "$2" |
			head -n 5)"
		return 1
	}
}

objects() {
	find "$S/objects" -type f | wc -l
}

# refused PATTERN ARGUMENT...: exit status 1 and a message like that
refused() {
	local pattern=$1 status=0

	shift
	vefs "$@" >"$D/refused.out" 2>"$D/refused.err" || status=$?
	[ "$status" = 1 ] || {
		lib_why "exit status $status, not 1: $* $(cat "$D/refused.err")"
		return 1
	}
	grep -qE "$pattern" "$D/refused.err" || {
		lib_why "$*: told '$(cat "$D/refused.err")', not '$pattern'"
		return 1
	}
}

usage_error() {
	local status=0

	vefs "$@" >"$D/usage.out" 2>&1 || status=$?
	[ "$status" = 2 ] || {
		lib_why "exit status $status, not 2: $*"
		return 1
	}
}

# What versions there are, NAME:VERSION... in order
only_versions() {
	local have

	have=$(vefs --json template list | python3 -c 'import json, sys
print(" ".join(sorted(v["name"] + ":" + v["version"]
                      for v in json.load(sys.stdin))))')
	[ "$have" = "$*" ] || {
		lib_why "there is: $have; should be: $*"
		return 1
	}
}

nothing_left() {
	[ -z "$(find "$S/staging" -mindepth 1)" ] || {
		lib_why "left in staging: $(find "$S/staging" | head)"
		return 1
	}
}

# A process that we wanted to kill had ended already: fine.
true_if_gone() {
	[ ! -e "/proc/$1/fd/0" ]
}

# Killed, or done before: nothing else.
killed() {
	[ "$1" = 137 ]
}

# A tree with one of everything; with "plain" nothing that tar keeps badly.
make_tree() {
	local t=$1

	mkdir -p "$t/etc" "$t/usr/bin" "$t/var/empty" "$t/deep/$(
		printf 'd%.0s' {1..120})/$(printf 'e%.0s' {1..120})"
	echo '127.0.0.1 localhost' >"$t/etc/hosts"
	echo 'welcome' >"$t/etc/motd"
	: >"$t/etc/empty"
	ln -s /etc/hosts "$t/etc/abs"
	ln -s ../nowhere "$t/etc/dangling"
	head -c 1500000 /dev/urandom >"$t/usr/bin/prog"
	head -c 1048576 /dev/urandom >"$t/usr/bin/exact"
	ln "$t/usr/bin/prog" "$t/usr/link"
	ln "$t/etc/abs" "$t/etc/abs2"
	chmod 4755 "$t/usr/bin/prog"
	chmod 1777 "$t/var/empty"
	chmod 2775 "$t/usr"
	chown 1000:2000 "$t/etc/motd"
	chown -h 3:4 "$t/etc/dangling"
	echo x >"$t/deep/$(printf 'd%.0s' {1..120})/$(
		printf 'e%.0s' {1..120})/$(printf 'f%.0s' {1..200})"
	truncate -s 400000 "$t/usr/holes"
	printf 'data' | dd of="$t/usr/holes" bs=1 seek=200000 conv=notrunc \
		status=none
	mknod "$t/null" c 1 3
	mknod "$t/disk" b 259 70000
	mkfifo "$t/fifo"
	[ "${2:-}" = plain ] && return
	chown 3000000000:4000000000 "$t/etc/empty"
	touch -d '2001-02-03 04:05:06.123456789 UTC' "$t/etc/hosts"
	touch -h -d '1960-02-03 04:05:06.5 UTC' "$t/etc/dangling"
	touch -d '2345-02-03 04:05:06.000000001 UTC' "$t/etc/motd"
	setfattr -n user.note -v 'some text' "$t/etc/hosts"
	setfattr -n user.bytes -v 0x00ff0a00 "$t/etc/hosts"
	setfattr -n trusted.t -v '' "$t/usr"
	setfattr -h -n trusted.l -v link "$t/etc/abs"
	setfacl -m u:1234:rw,g:4321:r "$t/etc/hosts"
	setfacl -d -m u:77:rwx "$t/var"
	setcap cap_net_raw+ep "$t/usr/bin/exact"
}

tar_tree() {
	local from=$1 to=$2

	shift 2
	tar -C "$from" --xattrs --xattrs-include='*' --acls --numeric-owner \
		-S "$@" --format=posix -cf "$to" .
}

# Export a version and unpack it with tar: $2.tar, $2
out_again() {
	vefs template export "$1" "$2.tar"
	mkdir "$2"
	tar -C "$2" --xattrs --xattrs-include='*' --acls --numeric-owner \
		--same-owner -xpf "$2.tar"
}

# Every path's type, mode, ids, times, links, device, target, attributes and
# content.
same_trees() {
	python3 - "$1" "$2" <<-'END'
		import os, stat, sys

		def tree(top):
		    top = os.fsencode(top)
		    all, first = {}, {}
		    for d, dirs, files in os.walk(top):
		        for n in [b""] * (d == top) + dirs + files:
		            p = os.path.join(d, n) if n else top
		            all[os.path.relpath(p, top)] = p
		    out = {}
		    for name, p in sorted(all.items()):
		        s = os.lstat(p)
		        m = s.st_mode
		        row = [oct(m), s.st_uid, s.st_gid, s.st_mtime_ns]
		        if not stat.S_ISDIR(m):
		            row += [s.st_nlink,
		                    first.setdefault((s.st_dev, s.st_ino), name)]
		        if stat.S_ISLNK(m):
		            row.append(os.readlink(p))
		        elif stat.S_ISREG(m):
		            row += [s.st_size, hash(open(p, "rb").read())
		                    if s.st_size < 1 << 28 else 0]
		        elif not stat.S_ISDIR(m):
		            row.append(s.st_rdev)
		        row.append([(x, os.getxattr(p, x, follow_symlinks=False))
		                    for x in sorted(os.listxattr(
		                        p, follow_symlinks=False))])
		        out[name] = row
		    return out

		a, b = tree(sys.argv[1]), tree(sys.argv[2])
		bad = 0
		for name in sorted(set(a) | set(b)):
		    if a.get(name) != b.get(name):
		        print(name, a.get(name), b.get(name))
		        bad += 1
		sys.exit(bad > 0)
	END
}

# make_image oci|docker DIRECTORY: three layers with whiteouts
make_image() {
	python3 - "$1" "$2" <<-'END'
		import gzip, hashlib, io, json, os, sys, tarfile

		kind, top = sys.argv[1:]
		os.makedirs(top)

		def layer(entries):
		    b = io.BytesIO()
		    t = tarfile.open(fileobj=b, mode="w")
		    for name, what in entries:
		        i = tarfile.TarInfo(name)
		        i.mode = 0o644
		        if what is None:
		            i.type, i.mode = tarfile.DIRTYPE, 0o755
		            t.addfile(i)
		        elif what.startswith("->"):
		            i.type, i.linkname = tarfile.LNKTYPE, what[2:]
		            t.addfile(i)
		        else:
		            i.size = len(what)
		            t.addfile(i, io.BytesIO(what.encode()))
		    t.close()
		    return b.getvalue()

		layers = [
		    layer([("etc", None), ("etc/a", "one"), ("etc/b", "one"),
		           ("opt", None), ("opt/x", "one"), ("opt/sub", None),
		           ("opt/sub/deep", "one"), ("gone", None),
		           ("gone/file", "one"), ("turns", None),
		           ("turns/f", "one"), ("whole", "one")]),
		    layer([("etc/.wh.a", ""), ("etc/c", "two"), (".wh.gone", ""),
		           ("opt/x2", "two"), ("opt/.wh..wh..opq", ""),
		           ("opt/sub", None), ("turns", "two"),
		           (".wh.never", ""), ("link", "->etc/b")]),
		    layer([("etc/a", "three"), ("etc/.wh.a", ""),
		           (".wh..wh.plnk", None), ("whole", None),
		           ("whole/in", "three")]),
		]
		config = json.dumps({"architecture": "amd64", "os": "linux",
		    "config": {"Entrypoint": ["/bin/sh"], "Env": ["A=b"]},
		    "rootfs": {"type": "layers", "diff_ids": []}}).encode()

		def blob(data):
		    h = hashlib.sha256(data).hexdigest()
		    os.makedirs(top + "/blobs/sha256", exist_ok=True)
		    open(top + "/blobs/sha256/" + h, "wb").write(data)
		    return {"mediaType": "x", "digest": "sha256:" + h,
		            "size": len(data)}

		if kind == "oci":
		    open(top + "/oci-layout", "w").write(
		        '{"imageLayoutVersion": "1.0.0"}')
		    m = {"schemaVersion": 2, "config": blob(config),
		         "layers": [blob(gzip.compress(l, mtime=0) if n else l)
		                    for n, l in enumerate(layers)]}
		    open(top + "/index.json", "w").write(json.dumps(
		        {"schemaVersion": 2,
		         "manifests": [blob(json.dumps(m).encode())]}))
		else:
		    names = []
		    for n, l in enumerate(layers):
		        os.makedirs("%s/%064x" % (top, n))
		        names.append("%064x/layer.tar" % n)
		        open("%s/%s" % (top, names[-1]), "wb").write(l)
		    # a later layer that is a link to another, as old dockers do
		    os.rename("%s/%s" % (top, names[0]), top + "/kept.tar")
		    os.symlink("../kept.tar", "%s/%s" % (top, names[0]))
		    open(top + "/config.json", "wb").write(config)
		    open(top + "/manifest.json", "w").write(json.dumps(
		        [{"Config": "config.json", "RepoTags": ["t:1"],
		          "Layers": names}]))
	END
}

# What make_image's layers come to.
check_image() {
	vefs template tree "$1" >"$D/paths"
	sort >"$D/want" <<-'END'
		/
		/etc
		/etc/a
		/etc/b
		/etc/c
		/link
		/opt
		/opt/sub
		/opt/x2
		/turns
		/whole
		/whole/in
	END
	sort "$D/paths" | diff "$D/want" -
	vefs template tree "$1" --long >"$D/long"
	grep -qE '^-.* 2 .* /link$' "$D/long"
	grep -qE ' 5 [^ ]* /etc/a$' "$D/long"
	vefs template verify "$1"
}

# Archives that are refused, and in "list" their names and the message.
bad_tars() {
	python3 - "$1" <<-'END'
		import io, os, sys, tarfile

		top = sys.argv[1]
		rows = []
		S, DIR, L = tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE

		def tar(name, why, entries, fmt=tarfile.PAX_FORMAT):
		    t = tarfile.open(top + "/" + name, "w", format=fmt)
		    for e in entries:
		        i = tarfile.TarInfo(e[0])
		        i.type = e[1] if len(e) > 1 else tarfile.REGTYPE
		        data = b""
		        if i.type == tarfile.REGTYPE:
		            data = e[2] if len(e) > 2 else b"x"
		        elif len(e) > 2:
		            i.linkname = e[2]
		        i.size = len(data)
		        t.addfile(i, io.BytesIO(data))
		    t.close()
		    if why:
		        rows.append((name, why))

		E = "vefs-test-escaped"
		tar("up.tar", "out of the tree", [("a/../../" + E,)])
		tar("up2.tar", "out of the tree", [("..", DIR)])
		tar("up3.tar", "out of the tree", [("../" + E,)])
		tar("abs.tar", "absolute", [("/" + E,)])
		tar("abs2.tar", "absolute", [("//" + E,)])
		tar("sym.tar", "a symlink", [("l", S, "/"), ("l/" + E,)])
		tar("sym2.tar", "a symlink",
		    [("d", DIR), ("l", S, "d"), ("l/x",)])
		tar("sym3.tar", "a symlink",
		    [("l", S, ".."), ("l/d", DIR), ("l/d/x",)])
		tar("file.tar", "not a directory", [("f",), ("f/x",)])
		tar("hard.tar", "out of the tree", [("h", L, "../../etc/passwd")])
		tar("hard2.tar", "out of the tree", [("h", L, "/etc/passwd")])
		tar("hard3.tar", "not come before", [("h", L, "f"), ("f",)])
		tar("hard4.tar", "to a directory", [("d", DIR), ("h", L, "d")])
		tar("hard5.tar", "to a directory", [("h", L, ".")])
		tar("hard6.tar", "not come before",
		    [("l", S, "/etc"), ("h", L, "l/passwd")])
		tar("full.tar", "directory with entries",
		    [("d", DIR), ("d/x",), ("d",)])
		tar("rootfile.tar", "not a directory", [(".",)])
		tar("name.tar", "name of 300 bytes", [("n" * 300,)])
		tar("dev.tar", "device nodes",
		    [("c%d" % n, tarfile.CHRTYPE) for n in range(10001)])
		tar("dup.tar", None,
		    [("b", tarfile.REGTYPE, b"1"), ("b", tarfile.REGTYPE, b"two"),
		     ("d", DIR), ("d",)])
		tar("good.tar", None, [("f%d" % n, tarfile.REGTYPE,
		                        os.urandom(5000)) for n in range(40)],
		    tarfile.USTAR_FORMAT)
		good = open(top + "/good.tar", "rb").read()

		def raw(name, why, data):
		    open(top + "/" + name, "wb").write(data)
		    rows.append((name, why))

		raw("empty", "no tar", b"")
		raw("zeros", "no entries", b"\0" * 10240)
		raw("noise", "no tar", os.urandom(50000))
		raw("cut1", "runcated", good[:20000])
		raw("cut2", "runcated|cut off", good[:5632 * 3 + 100])
		raw("cut3", "cut off", good[:5632 * 3])
		bad = bytearray(good)
		bad[5632 * 2 + 130] ^= 1
		raw("header", "amaged", bytes(bad))
		import gzip
		z = gzip.compress(good)
		raw("cut.gz", "runcated", z[:len(z) // 2])
		z = bytearray(z)
		z[len(z) // 2] ^= 255
		z[len(z) // 2 + 1] ^= 255
		raw("bad.gz", ".", bytes(z))
		with open(top + "/list", "w") as f:
		    for name, why in rows:
		        f.write("%s %s\n" % (name, why))
	END
}

# Docker archives, as directories, that are refused; "list" as above. What is
# outside is the directory "out" beside them.
bad_images() {
	python3 - "$1" <<-'END'
		import io, json, os, sys, tarfile

		top = sys.argv[1]
		rows = []
		S, DIR, L = tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE

		def layer(*entries):
		    b = io.BytesIO()
		    t = tarfile.open(fileobj=b, mode="w")
		    for e in entries:
		        i = tarfile.TarInfo(e[0])
		        i.type = e[1] if len(e) > 1 else tarfile.REGTYPE
		        i.linkname = e[2] if len(e) > 2 else ""
		        t.addfile(i)
		    t.close()
		    return b.getvalue()

		base = layer(("a", DIR), ("a/x",), ("b",))

		def image(name, why, layers, names=None, manifest=None):
		    os.makedirs(top + "/" + name)
		    for n, l in enumerate(layers):
		        open("%s/%s/%d" % (top, name, n), "wb").write(l)
		    names = names or [str(n) for n in range(len(layers))]
		    open(top + "/" + name + "/config", "w").write("{}")
		    open(top + "/" + name + "/manifest.json", "w").write(
		        manifest if manifest is not None else json.dumps(
		            [{"Config": "config", "Layers": names}]))
		    rows.append((name, why))

		out = "out of the tree"
		image("up", out, [base, layer(("../x",))])
		image("hard", out, [base, layer(("h", L, "../../etc/passwd"))])
		image("link", "a symlink", [layer(("l", S, "/tmp")),
		                            layer(("l/x",))])
		image("white1", out, [base, layer(("../.wh.b",))])
		image("white2", out, [base, layer(("a/.wh...",))])
		image("white3", "hides nothing", [base, layer(("a/.wh..",))])
		image("white4", out, [base, layer((".wh.",))])
		image("opaque", out, [base, layer(("../.wh..wh..opq",))])
		image("file1", "is missing", [base], ["../out"])
		image("file2", "is missing", [base], ["/etc/passwd"])
		image("file3", "is missing", [base], ["0", "sym"])
		os.symlink("../out", top + "/file3/sym")
		image("cut", "runcated|damaged", [base, base[:700]])
		image("none", "lacks", [], [])
		image("two", "2 images", [base], None, "[{}, {}]")
		image("text", "no JSON", [base], None, "[{")
		image("odd", "damaged|0 images", [base], None, "{}")
		open(top + "/out", "wb").write(base)
		with open(top + "/list", "w") as f:
		    for name, why in rows:
		        f.write("%s %s\n" % (name, why))
	END
}

# with_libraries PROGRAM: into the tree $D/src, with all it is linked with
with_libraries() {
	local lib

	while read -r lib; do
		[ -e "$D/src$lib" ] || cp -L --parents "$lib" "$D/src"
	done < <(ldd "$1" | grep -oE '/[^ ]+ \(' | tr -d ' (')
}
