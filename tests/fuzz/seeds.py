# SPDX-License-Identifier: GPL-2.0-or-later
"""seeds.py NAME DIRECTORY - what a fuzzer begins with."""
import gzip
import hashlib
import io
import json
import lzma
import struct
import sys
import tarfile

name, top = sys.argv[1:]
count = 0


def put(data):
    global count
    count += 1
    with open("%s/seed%d" % (top, count), "wb") as f:
        f.write(data)


def tar(entries, fmt=tarfile.PAX_FORMAT):
    b = io.BytesIO()
    t = tarfile.open(fileobj=b, mode="w", format=fmt)
    for e in entries:
        i = tarfile.TarInfo(e[0])
        data = e[2] if len(e) > 2 and isinstance(e[2], bytes) else b""
        i.type = e[1]
        if len(e) > 2 and isinstance(e[2], str):
            i.linkname = e[2]
        if len(e) > 3:
            i.pax_headers = e[3]
        i.size = len(data)
        t.addfile(i, io.BytesIO(data))
    t.close()
    return b.getvalue().rstrip(b"\0") + b"\0" * 1536


R, D, S, L = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE,
              tarfile.LNKTYPE)


def tars():
    every = [(".", D), ("d", D), ("d/f", R, b"data"), ("s", S, "d/f"),
             ("h", L, "d/f"), ("c", tarfile.CHRTYPE), ("p", tarfile.FIFOTYPE),
             ("x", R, b"1", {"SCHILY.xattr.user.a": "v",
                             "mtime": "-12.5",
                             "SCHILY.acl.access": "user::rw-,user:12:r--,"
                             "group::r--,mask::r--,other::---"}),
             ("e", R, b""), ("z", R, b"\0" * 9000), ("l" * 200, R, b"x")]
    for fmt in tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT:
        keep = [e for e in every if len(e[0]) < 100 or
                fmt != tarfile.USTAR_FORMAT]
        yield tar(keep, fmt)
    yield tar([("a", R, b"x", {"GNU.sparse.major": "1",
                               "GNU.sparse.minor": "0",
                               "GNU.sparse.name": "sp",
                               "GNU.sparse.realsize": "100000"})])
    yield tar([("a", D), ("a", R, b"1"), ("a", R, b"2")])


def image():
    layer = tar([("a", D), ("a/b", R, b"1"), ("a/.wh..wh..opq", R, b""),
                 (".wh.c", R, b"")])
    config = b'{"config":{"Env":["A=b"]}}'

    def blob(data):
        h = hashlib.sha256(data).hexdigest()
        files["blobs/sha256/" + h] = data
        return {"digest": "sha256:" + h, "size": len(data)}

    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    m = {"config": blob(config), "layers": [blob(layer)]}
    files["index.json"] = json.dumps(
        {"manifests": [blob(json.dumps(m).encode())]}).encode()
    yield tar([(n, R, d) for n, d in files.items()])
    yield tar([("manifest.json", R, json.dumps(
        [{"Config": "c.json", "Layers": ["l.tar", "m.tar"]}]).encode()),
        ("c.json", R, config), ("l.tar", R, layer), ("m.tar", S, "l.tar")])


def record(table, key, value):
    return struct.pack("<BBH", table, len(key), len(value)) + key + value


def node(mode, first, target=b"", xattrs=b"", parent=1):
    return struct.pack("<4IQ2IqII16sqqIIQQIIHHI", mode, 1, 0, 0, len(target),
                       0, 0, 1, 2, 0, b"o" * 16, 1, 2, 3, 4, 8, parent, 0,
                       len(xattrs), len(first), len(target), 0) \
        + first + target + xattrs


if name == "import":
    for t in tars():
        put(b"\0" + t)
        put(b"\0" + gzip.compress(t, mtime=0))
    put(b"\0" + lzma.compress(t))
    for t in image():
        put(b"\1" + t)
elif name == "command":
    put(b"get\nget user 1\nset user 1 space 4096 8192\n"
        b"set user 1 inodes - 9\ngrace group inodes 60\n"
        b"deadline user 1 space 50\nenforce container off\n"
        b"check\ncheck fix\nget\n")
    put(b"set container 0 space 0 2305843009213693951\n"
        b"set group 4294967294 inodes 7 6\nget group 4294967295\n")
else:
    ino = [struct.pack(">Q", n) for n in range(5)]
    xattr = struct.pack("<IH", 3, 6) + b"user.a" + b"val"
    put(record(1, ino[1], node(0o40755, b"")) +
        record(1, ino[2], node(0o100644, b"f", b"", xattr)) +
        record(1, ino[3], node(0o120777, b"l", b"target")) +
        record(0, ino[1] + b"f", struct.pack("<QBH", 2, 8, 0)) +
        record(0, ino[1] + b"l", struct.pack("<QBH", 3, 10, 0)) +
        record(2, b"source", b"here"))
    put(b"format=1\nserial=1\ncreated=2\nindex_size=3\nindex_sum=" +
        b"0" * 32 + b"\ndigest=" + b"1" * 32 + b"\nnodes=4\nsize=5\n")
    put(struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", t, 6, 2**32 - 1) for t in (1, 4, 32)))
