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


def own(path):
    with open("/proc/" + path, errors="replace") as f:
        return f.read(8192)


# By the parsers' and the files' order in fuzz_proc.c.
def procs():
    yield 0, "anon 4096\nfile 12\nmax 5\nMemTotal:  4096 kB\n"
    yield 1, "0-3,8,10-11\n"
    yield 2, ("anon 4096\nfile 8192\nfile_mapped 0\ntotal_rss 5\n"
              "usage_usec 4711\nuser_usec 4000\nsystem_usec 711\n"
              "nr_throttled 3\nthrottled_usec 99\nthrottled_time 99\n")
    yield 2, "cpu user system\n0 4711 12\n1 5 6\n"
    yield 2, ("254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n"
              "254:0 Read 4096\n254:0 Write 8192\n254:0 Total 12288\n"
              "Total 12288\n")
    yield 3, own("self/stat")
    yield 3, own("self/stat").replace("(", "(my ) R init")
    yield 4, own("locks") + "1: POSIX  ADVISORY  WRITE 35 fd:00:25 0 EOF\n"
    yield 4, own("net/sockstat") + own("net/sockstat6") + "35\n36\n"
    yield 4, own("net/fib_trie") + own("net/if_inet6")
    yield 4, own("net/netlink")
    yield 5, "\x50" + struct.pack("<IHHII", 0x50, 20, 2, 1, 0).decode() \
        + "\0" * 64
    yield 6, own("self/cgroup") + "--\n" + own("self/mountinfo")
    yield 6, ("0::/a/init.scope\n--\n35 24 0:30 / /sys/fs/cgroup rw - "
              "cgroup2 cgroup2 rw\n")
    yield 7, "Version: 2.5\n uid resource held\n" + "".join(
        "%s %s 1 2 3 4 5\n" % ("101:" if i == 0 else "", n)
        for i, n in enumerate(
            "kmemsize lockedpages privvmpages shmpages dummy numproc "
            "physpages vmguarpages oomguarpages numtcpsock numflock numpty "
            "numsiginfo tcpsndbuf tcprcvbuf othersockbuf dgramrcvbuf "
            "numothersock dcachesize numfile dummy dummy dummy "
            "numiptent".split()))
    yield 8, "vefs-beancounters 1\nnumproc 12 3\nsum " + "0" * 32 + "\n"
    for i, path in enumerate("meminfo stat uptime loadavg cpuinfo cpuinfo "
                             "swaps diskstats partitions cgroups vmstat "
                             "devices filesystems mounts".split()):
        yield 9 + i, own(path)


def words():
    yield 0, ('HOSTNAME="a.b"\nCPUUNITS="1000"\nCPULIMIT="150"\n'
              'PHYSPAGES="65536:65536"\nSWAPPAGES="0:16384"\n'
              'NUMPROC="200"\nIP_ADDRESS="10.0.0.5 fd00::5/64"\n'
              'NETIF="ifname=eth0,mac=02:00:5e:10:00:01,bridge=br0"\n'
              'DEVNODES="fuse:rw"\nDEVICES="c:10:200:rw"\n'
              'CAPABILITY="SYS_TIME:on"\nFEATURES="sysinfo:off"\n'
              'DISKSPACE="1G:2G"\nQUOTATIME="600"\nINIT="/sbin/init -a"\n')
    yield 1, "".join("%c%s\n" % (i, v) for i, v in enumerate(
        ["a.b", "n", "text", "yes", "5", "no", "60", "/sbin/init", "on",
         "1000", "150", "2", "0-1", "all", "65536", "256M", "0:16384",
         "64M", "200", "4", "10M", "500"]))
    yield 1, "".join("%c%s\n" % (41 + i, v) for i, v in enumerate(
        ["private", "all", "10.0.0.5/24", "10.0.0.1", "a.b", "full", "eth0",
         "eth0,02:00:5e:10:00:01,veth1", "fuse:rw", "c:10:200:rw",
         "SYS_TIME:on", "nesting:on", "yes", "1G:2G", "5:6", "600", "10"]))
    for v in ("1G:2G", "unlimited", "7days", "01:02:03", "12m", "0-3,8",
              "02:00:5e:10:00:01", "a 'b c' \"d\" e\\ f", "name:rw",
              "9223372036854775807", "16384P"):
        yield 2, v
    yield 3, ("enforce user on\ngrace group inodes 5\nrecord user 5 1 2 3 4 "
              "5 6 7 8\ndrift user 5 1 2 3 4\nchecked 5 6\n")


if name == "import":
    for t in tars():
        put(b"\0" + t)
        put(b"\0" + gzip.compress(t, mtime=0))
    put(b"\0" + lzma.compress(t))
    for t in image():
        put(b"\1" + t)
elif name == "proc":
    for which, text in procs():
        put(bytes([which]) + text.encode())
elif name == "words":
    for which, text in words():
        put(bytes([which]) + text.encode())
elif name == "command":
    put(b"get\nget user 1\nset user 1 space 4096 8192\n"
        b"set user 1 inodes - 9\ngrace group inodes 60\n"
        b"deadline user 1 space 50\nenforce container off\n"
        b"check\ncheck fix\nget\n")
    put(b"limits user 1 1 2 3 4 5 6\nlimits group 2 - - 0 - - -\n"
        b"next user 0\nnext group 3\ninfo user\n")
    put(b"set container 0 space 0 2305843009213693951\n"
        b"set group 4294967294 inodes 7 6\nget group 4294967295\n")
elif name == "quotadb":
    for page in range(24):
        for at in 0, 8, 10, 12, 14, 16, 20, 24, 48, 96:
            put(b"\1" + struct.pack("<IB", page * 4096 + at, 4) + b"\1\0\0\0")
    put(b"\1" + struct.pack("<IB", 512, 0))
    put(b"\2" + b"".join(struct.pack("<BI8Q", k, 105 * k, 4096, 0, 1 << 20, 0,
                                     1, 0, 9, 0) for k in (0, 1, 2)))
    put(b"\0" + bytes(8192))
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
