"""The second client at work: vfs-protocol(5) against a running daemon.

	client.py TRANSPORT ADDRESS [MAX_MSG] [TOKEN]

TRANSPORT: unix, tcp, ipc.  Prints TAP.
"""
import os
import struct
import sys

import vfp
from vfp import Failed, Staged

ROOT = 1
DIR, FILE, LINK = 0o040755, 0o100644, 0o120777
CHANGES = 10000
N_CHANGED = 0x4001


class Small(vfp.Client):
    """Requests that do not fit a message go through the staging buffer."""

    def send(self, op_name, /, **kw):
        op = vfp.OPS[op_name]
        keys = {n for _, n in op.request}
        blobs = [n for k, n in op.request if k in ("name", "bytes")]
        values = {k: v for k, v in kw.items() if k in keys}
        if len(vfp.request(op_name, 1, values)) + 16 > self.max_msg:
            at = 0
            for n in blobs:
                data = kw.get(n) or b""
                if data:
                    self.stage(at, data)
                    kw[n] = Staged(at, len(data))
                    at += len(data)
        return super().send(op_name, **kw)

    def stage(self, at, data):
        room = self.max_msg - 32 - vfp.fixed_size(vfp.OPS["STAGE"].request)
        room -= room % 8 + 16
        for i in range(0, len(data), room):
            self.call("STAGE", off=at + i, data=data[i:i + room])


n_tests = n_failed = 0


def check(what, good, said=""):
    global n_tests, n_failed
    n_tests += 1
    n_failed += not good
    print(f"{'ok' if good else 'not ok'} {n_tests} - {what}", flush=True)
    if not good and said != "":
        print(f"# {said!r:.300}")


def refused(what, want, call, /, *args, **kw):
    try:
        got = call(*args, **kw)
    except Failed as f:
        got = f.name
    check(what, got == want, got)


def names(c, top):
    name = b"n" * 254 + b"\xff"
    r = c.call("CREATE", dir=top, mode=FILE, flags=1, name=name)
    check("a name of 255 bytes is made", r["created"] == 1)
    again = c.call("LOOKUP", dir=top, name=name)
    check("and found", again["attr"]["id"] == r["attr"]["id"])
    long = b"m" * 255
    c.call("RENAME", dir=top, dir2=top, name=name, name2=long)
    refused("and gone after a rename", "NOENT", c.call, "LOOKUP", dir=top,
            name=name)
    paths = c.call("PATHS_OF", id=r["attr"]["id"])["links"]
    check("the id knows its name", [p["name"] for p in paths] == [long])
    refused("256 bytes are refused", "NAMETOOLONG", c.call, "LOOKUP",
            dir=top, name=b"x" * 256)
    target = b"t" * 4095
    r = c.call("CREATE", dir=top, mode=LINK, flags=1, name=b"link",
               target=target)
    if c.max_msg > 8192:
        got = c.call("READLINK", id=r["attr"]["id"])["target"]
        check("a link's target of 4,095 bytes", got == target)


def listing(c, top):
    d = c.call("CREATE", dir=top, mode=DIR, flags=1,
               name=b"many")["attr"]["id"]
    want = {b"entry-%05d-%s" % (i, b"x" * (i % 100)) for i in range(5000)}
    for batch in batches(sorted(want), 500):
        ops = b"".join(vfp.item("CREATE", dict(dir=d, mode=FILE, flags=1,
                                               name=n)) for n in batch)
        c.call("TX_EXEC", nops=len(batch), ops=ops)
    seen, cookie, fence, calls = [], 0, 0, 0
    while True:
        r = c.call("DIR_READ", dir=d, cookie=cookie, fence=fence)
        fence, cookie = r["fence"], r["next_cookie"]
        seen += [e["name"] for e in r["entries"]]
        calls += 1
        if r["eof"]:
            break
    seen = [n for n in seen if n not in (b".", b"..")]
    check("5,000 entries, each once", sorted(seen) == sorted(want),
          len(seen))
    print(f"# {calls} messages")


def batches(items, n):
    return (items[i:i + n] for i in range(0, len(items), n))


def transaction(c, top):
    """64 operations: a tree of directories, files and their bytes."""
    tx, tx_id = c.call("TX_BEGIN")["tx"], os.urandom(16)
    ops = [("CREATE", dict(dir=top, mode=DIR, flags=1, name=b"tree"))]
    for i in range(21):
        ops.append(("CREATE", dict(dir=vfp.RESULT, mode=DIR, flags=1,
                                   name=b"d%d" % i)))
        ops.append(("CREATE", dict(dir=vfp.RESULT + len(ops) - 1, mode=FILE,
                                   flags=1, name=b"f")))
        ops.append(("WRITE", dict(id=vfp.RESULT + len(ops) - 1,
                                  data=b"%d" % i)))
    for name, values in ops:
        c.call("TX_ADD", tx=tx, nops=1, ops=vfp.item(name, values))
    refused("nothing of it is seen before the commit", "NOENT", c.call,
            "LOOKUP", dir=top, name=b"tree")
    r = c.call("TX_COMMIT", tx=tx, tx_id=tx_id, durability=1)
    check("64 operations are committed", len(ops) == 64 and r["seq"] > 0)
    f = c.call("WALK", dir=top, path=b"tree/d20/f")["attr"]
    got = c.call("READ", id=f["id"], count=100)
    check("and there", got["data"] == b"20" and f["size"] == 2)
    again = c.call("TX_STATUS", tx_id=tx_id)
    check("the commit is known by its name", again["state"] == 1 and
          again["seq"] == r["seq"])


def content(c, top):
    data = bytes((i * 7 + i // 251) & 255 for i in range(1 << 20))
    r = c.call("CREATE", dir=top, mode=FILE, flags=5, name=b"big")
    h = r["handle"]
    piece = min(c.max_msg, 65536) * 64
    for off in range(0, len(data), piece):
        c.call("WRITE", id=h, off=off, data=data[off:off + piece])
    got, room = b"", (c.max_msg - 128) // 8 * 8
    while True:
        r = c.call("READ", id=h, off=len(got), count=min(room, 1 << 20))
        got += r["data"]
        if r["eof"]:
            break
    check("1 MiB is written and read", got == data, len(got))
    c.call("UNLINK", dir=top, name=b"big")
    check("and is there without a name",
          c.call("STAT", id=h)["attr"]["size"] == len(data))
    c.call("CLOSE", handles=struct.pack("<Q", h))
    refused("a closed handle is none", "BAD_HANDLE", c.call, "STAT", id=h)
    refused("nor is one that was never given", "BAD_HANDLE", c.call, "STAT",
            id=vfp.HANDLE + (77 << 22) + 5)


def watch(c, other, top):
    """Changes come by another connection; this one is told."""
    d = c.call("CREATE", dir=top, mode=DIR, flags=1,
               name=b"watched")["attr"]["id"]
    at = c.call("SETTLE")
    seq, idx = at["seq"], at["idx"]
    c.call("WATCH", subtree=d, seq=seq, idx=idx)
    for k in range(CHANGES // 500):
        ops = b"".join(vfp.item("CREATE", dict(
            dir=d, mode=FILE, flags=1, name=b"c%d-%d" % (k, i)))
            for i in range(500))
        other.call("TX_EXEC", nops=500, ops=ops)
    seen = []
    while len(seen) < CHANGES:
        while not any(m.number == N_CHANGED for m in c.notes):
            c.notes.append(vfp.decode(c.t.receive()))
        c.notes = [m for m in c.notes if m.number != N_CHANGED]
        while True:
            r = c.call("JOURNAL_READ", subtree=d, seq=seq, idx=idx,
                       mask=1 << 1)
            seq, idx = r["seq"], r["idx"]
            seen += [x["name"] for x in vfp.each(vfp.change, r["records"])]
            if not r["more"]:
                break
    want = [b"c%d-%d" % (k, i) for k in range(CHANGES // 500)
            for i in range(500)]
    check("10,000 changes are told, in order, each once", seen == want,
          len(seen))


def manners(c):
    refused("an unknown operation", "UNKNOWN_OP", unknown, c, 0x3ffe)
    refused("one of providers", "UNSUPPORTED", unknown, c, 0x0701)
    check("the connection goes on", c.call("PING", cookie=5)["cookie"] == 5)


def unknown(c, number):
    c.req_id += 1
    c.t.send(vfp.HDR.pack(32, number, 0, 4, c.req_id, 0, 0, 0, 0, 0))
    return c.reply(c.req_id)


def connect(kind, address):
    if kind == "unix":
        return vfp.Socket(path=address)
    if kind == "tcp":
        return vfp.Socket(port=int(address))
    if kind == "ipc":
        import ipc
        return ipc.Mailbox(address)
    sys.exit(f"no transport {kind}")


def main():
    kind, address = sys.argv[1:3]
    most = int(sys.argv[3]) if len(sys.argv) > 3 else 1 << 20
    token = bytes.fromhex(sys.argv[4]) if len(sys.argv) > 4 else b""
    c = Small(connect(kind, address), most, token)
    other = Small(connect(kind, address), most, token)
    top = c.call("CREATE", dir=ROOT, mode=DIR, flags=1,
                 name=b"second-%s-%d" % (kind.encode(), most))
    top = top["attr"]["id"]
    manners(c)
    names(c, top)
    transaction(c, top)
    content(c, top)
    listing(c, top)
    watch(c, other, top)
    print(f"1..{n_tests}")
    sys.exit(n_failed > 0)


if __name__ == "__main__":
    main()
