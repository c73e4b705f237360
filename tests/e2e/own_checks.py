"""What own_checks.sh asks beside its list of commands.

  prepare DIR   as root: files of others, and such that have privileges
  own DIR       as the user: attributes, lists, open directories
  others DIR    as the user: what was prepared
  race DIR      as the user: directories are shut by many at once

A line for each call and what came of it.
"""
import ctypes
import errno
import os
import stat
import struct
import sys
import threading
import time

USER, GROUP = 1000, 2000
CAPS = "security.capability"
CAP = bytes.fromhex("0100000200040000000000000000000000000000")
libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long,
                           ctypes.c_long]


def put(name, uid, gid, mode, caps=False):
    with open(name, "w") as f:
        f.write("hello")
    os.chown(name, uid, gid)
    os.chmod(name, mode)
    if caps:
        os.setxattr(name, CAPS, CAP)


def prepare():
    os.chown(".", USER, USER)
    for i in range(12):
        put("caps%d" % i, USER, USER, 0o755, True)
        put("suid%d" % i, USER, USER, 0o6755)
        put("sgid%d" % i, USER, GROUP, 0o2745)
        put("else%d" % i, 0, 0, 0o6757 if i < 7 else 0o6755, i != 9)
    for mode in (0, 0o400, 0o40, 0o4, 0o640, 0o604, 0o660, 0o606, 0o666):
        put("g%o" % mode, 0, GROUP, mode)
        put("o%o" % mode, 0, 0, mode)
    for name, gid, mode in (("sticky", 0, 0o1777), ("shared", GROUP, 0o2775),
                            ("search", 0, 0o711), ("list", 0, 0o744),
                            ("closed", 0, 0o700), ("group", GROUP, 0o750)):
        os.mkdir(name)
        put(name + "/f", 0, 0, 0o644)
        os.chown(name, 0, gid)
        os.chmod(name, mode)


def tell(p):
    try:
        s = os.lstat(p)
    except OSError as e:
        return errno.errorcode[e.errno]
    try:
        caps = len(os.getxattr(p, CAPS))
    except OSError as e:
        caps = errno.errorcode[e.errno]
    return "%o %d:%d %d caps %s" % (s.st_mode, s.st_uid, s.st_gid, s.st_size,
                                    caps)


def t(what, f, *args, show=None):
    try:
        r = f(*args)
    except OSError as e:
        r = errno.errorcode[e.errno]
    print(what, show or "", "->", r, tell(show) if show else "")


def opened(f, flags, fn):
    fd = os.open(f, flags)
    try:
        return fn(fd)
    finally:
        os.close(fd)


def copied(fd):
    return opened("source", os.O_RDONLY,
                  lambda s: os.copy_file_range(s, fd, 5))


def allocated(fd):
    if libc.fallocate(fd, 0, 0, 4096) == 0:
        return 0
    raise OSError(ctypes.get_errno(), "fallocate")


def acl(user):
    """An access list by which the owner may do this, and root all."""
    entries = ((1, user, 2**32 - 1), (2, 7, 0), (4, 0, 2**32 - 1),
               (16, 7, 2**32 - 1), (32, 0, 2**32 - 1))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e)
                                           for e in entries)


def own():
    access = "system.posix_acl_access"
    put("x", -1, -1, 0o644)
    t("setxattr", os.setxattr, "x", "user.a", b"1")
    os.chmod("x", 0o444)
    t("setxattr", os.setxattr, "x", "user.a", b"2")
    os.chmod("x", 0)
    t("getxattr", os.getxattr, "x", "user.a")
    t("removexattr", os.removexattr, "x", "user.a")
    os.chmod("x", 0o644)
    t("getxattr", os.getxattr, "x", "user.a")
    os.mkdir("P")
    put("P/f", -1, -1, 0o644)
    seen = lambda *a, **k: os.stat(*a, **k).st_size
    for user in (0, 7):
        t("setxattr", os.setxattr, "P", access, acl(user))
        t("by a list of %d" % user, seen, "P/f")
    os.chmod("P", 0o700)
    t("removexattr", os.removexattr, "P", access)
    fd, held = os.open("P", os.O_RDONLY), os.open("P/f", os.O_RDONLY)
    os.fchmod(fd, 0)
    t("shut", seen, "P/f")
    t("shut", seen, "P/none")
    t("shut", lambda: seen("f", dir_fd=fd))
    os.fchmod(fd, 0o700)
    t("open again", seen, "P/f")
    t("noatime", lambda: os.close(os.open("P/f", os.O_NOATIME)))
    os.close(held)


def privileges():
    """Who changes a file ends its set-id bits and capabilities."""
    put("source", USER, USER, 0o644)
    for p in ("caps", "suid", "sgid", "else"):
        n = [p + str(i) for i in range(12)]
        for f, flags, fn in (
                (n[0], os.O_WRONLY, lambda fd: os.write(fd, b"x")),
                (n[1], os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, b"x")),
                (n[2], os.O_WRONLY, lambda fd: os.ftruncate(fd, 2)),
                (n[3], os.O_WRONLY | os.O_TRUNC, lambda fd: 0),
                (n[4], os.O_WRONLY, allocated),
                (n[5], os.O_RDWR, copied)):
            t("open, change", opened, f, flags, fn, show=f)
        t("truncate", os.truncate, n[6], 2, show=n[6])
        t("chown", os.chown, n[7], USER, -1, show=n[7])
        t("chgrp", os.chown, n[8], -1, GROUP, show=n[8])
        t("chown nothing", os.chown, n[9], -1, -1, show=n[9])
        t("chmod", os.chmod, n[10], 0o2754, show=n[10])
        t("utime", os.utime, n[11], show=n[11])
        t("utime", os.utime, n[11], (1, 2), show=n[11])


def others():
    """Files that belong to somebody else, by class and group."""
    for mode in (0, 0o400, 0o40, 0o4, 0o640, 0o604, 0o660, 0o606, 0o666):
        for p in ("g%o" % mode, "o%o" % mode):
            for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR,
                          os.O_WRONLY | os.O_TRUNC):
                t("open %o" % flags, opened, p, flags, lambda fd: 0, show=p)
            t("access", lambda: [os.access(p, m) for m in range(8)], show=p)
            t("utime now", os.utime, p, show=p)
            t("chmod", os.chmod, p, 0o777, show=p)
            t("setxattr", os.setxattr, p, "user.a", b"1", show=p)
    for d in ("sticky", "shared", "search", "list", "closed", "group"):
        f, n = d + "/f", d + "/new"
        t("stat", os.stat, d, show=d)
        t("list", lambda: sorted(os.listdir(d)), show=d)
        t("stat", lambda: stat.S_IMODE(os.stat(f).st_mode), show=f)
        t("create", lambda: put(n, USER, -1, 0o640), show=n)
        t("mkdir", os.mkdir, n + "dir", show=n + "dir")
        t("unlink", os.unlink, f, show=f)
        t("rename", os.rename, f, d + "/g", show=f)
        t("rename own", os.rename, n, d + "/h", show=d + "/h")
        t("link", os.link, d + "/h", d + "/i", show=d + "/i")
    os.mkdir("here")
    for mode in (stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR):
        p = "here/%o" % mode
        t("mknod", os.mknod, p, mode | 0o644, 0, show=p)
    t("security", os.setxattr, "here", "security.a", b"1", show="here")
    t("trusted", os.setxattr, "here", "trusted.a", b"1", show="here")
    t("trusted", os.getxattr, "here", "trusted.a", show="here")


def found(*names):
    for n in names:
        try:
            os.stat(n)
            return 1
        except OSError:
            pass
    return 0


def race(seconds=2.0):
    """Shut by eight at once, renamed and removed meanwhile, among others who
    change the directory above: never found afterwards."""
    end = time.time() + seconds
    count = {"shut": 0, "found": 0, "longest": 0.0}
    lock = threading.Lock()
    ready = threading.Barrier(9)

    def shut(fd, names):
        start = time.time()
        os.fchmod(fd, 0)
        with lock:
            count["longest"] = max(count["longest"], time.time() - start)
            count["shut"] += 1
            count["found"] += found(*names)
        os.fchmod(fd, 0o700)

    def shutter(i):
        d = "d%d" % i
        os.mkdir(d)
        put(d + "/f", USER, USER, 0o644)
        fd = os.open(d, os.O_RDONLY)
        held = os.open(d + "/f", os.O_RDONLY)
        names = (d + "/f", d + "x/f")
        ready.wait()
        while time.time() < end:
            found(*names)
            shut(fd, names)
        os.close(held)

    def renamer():
        ready.wait()
        while time.time() < end:
            os.rename("d0", "d0x")
            os.rename("d0x", "d0")

    def churner(i):
        while time.time() < end:
            os.mkdir("c%d" % i)
            os.chmod("c%d" % i, 0)
            os.rmdir("c%d" % i)

    ts = [threading.Thread(target=shutter, args=(i,)) for i in range(8)]
    ts += [threading.Thread(target=churner, args=(i,)) for i in range(2)]
    ts.append(threading.Thread(target=renamer))
    for x in ts:
        x.start()
    for x in ts:
        x.join()
    print("shut %(shut)d times, longest %(longest).3f s" % count)
    if count["found"]:
        sys.exit("found %(found)d times though it was shut" % count)
    if count["longest"] > 5 or count["shut"] < 50:
        sys.exit("that took too long")


os.chdir(sys.argv[2])
os.umask(0o22)
if sys.argv[1] == "prepare":
    prepare()
elif sys.argv[1] == "own":
    own()
elif sys.argv[1] == "others":
    privileges()
    others()
else:
    race()
