"""VFP/1 in Python, from vfs-protocol(5) alone.

The fields of each operation and the error codes are read from the manual
page itself, so what the page leaves out cannot be spoken here.  Nothing of
the C code is used.
"""
import os
import re
import socket
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "..", "..", "man", "vfs-protocol.5")
HDR = struct.Struct("<IHBBQIIHHI")
REPLY = 0x8000
HANDLE = 1 << 62
RESULT = 1 << 63


class Refused(Exception):
    """A message that breaks the rules: which error, at which byte."""

    def __init__(self, name, at=0):
        super().__init__(f"{name} at {at}")
        self.name, self.at = name, at


class Failed(Exception):
    """A reply that says an error."""

    def __init__(self, code, name, body):
        super().__init__(f"{name} ({code}) {body}")
        self.code, self.name, self.body = code, name, body


class Op:
    def __init__(self, name, number):
        self.name, self.number = name, number
        self.request, self.reply = [], []


def load_page(path=PAGE):
    """Operations and errors, as the page has them."""
    ops, errors, op, side = {}, {0: "OK"}, None, None
    with open(path, encoding="utf-8") as f:
        for line in f:
            m = re.match(r"\.It Sy (\w+) Pq 0x([0-9a-f]{4})$", line)
            if m:
                op = ops[m[1]] = Op(m[1], int(m[2], 16))
                continue
            if op and line.startswith(".Dl "):
                text = line[4:].strip()
                if text.startswith(("request:", "reply:")):
                    side = getattr(op, text.split(":")[0])
                    text = text.split(":", 1)[1]
                for part in text.split(","):
                    if part.strip():
                        side.append(tuple(part.split()))
                continue
            m = re.match(r"\.It (\d+) Ta ([A-Z0-9_]+) Ta (E\w+) Ta ", line)
            if m:
                errors[int(m[1])] = m[2]
    return ops, errors


OPS, ERRORS = load_page()
CODES = {name: code for code, name in ERRORS.items()}
BY_NUMBER = {op.number: op for op in OPS.values()}
SIZE = {"u16": 2, "u32": 4, "u64": 8, "id": 8, "time": 16, "stat": 184,
        "name": 16, "bytes": 16, "entries": 16}
STAT = ("id", "parent", "data_version", "meta_version", "size", "alloc",
        "atime", "mtime", "ctime", "btime", "mode", "nlink", "uid", "gid",
        "rdev_major", "rdev_minor")
BRIEF = ("id", "data_version", "meta_version", "size", "nlink", "mode")


def up(n, to):
    return (n + to - 1) // to * to


# --- reading ---------------------------------------------------------------

class Reader:
    """Fields from data[at:end]; offsets count from data's first byte."""

    def __init__(self, data, at=0, end=None):
        self.data, self.at = data, at
        self.end = len(data) if end is None else end
        self.first = self.next = 0

    def take(self, n):
        if n > self.end - self.at:
            raise Refused("MALFORMED", self.at)
        self.at += n
        return self.data[self.at - n:self.at]

    def pad(self, to):
        while self.at % to:
            if self.take(1) != b"\0":
                raise Refused("MALFORMED", self.at - 1)

    def num(self, n):
        self.pad(n)
        return int.from_bytes(self.take(n), "little")

    def zero(self):
        if self.num(4):
            raise Refused("MALFORMED", self.at - 4)

    def time(self):
        sec = self.num(8)
        sec -= (sec >> 63) << 64
        nsec = self.num(4)
        if nsec > 999999999:
            raise Refused("MALFORMED", self.at - 4)
        self.zero()
        return sec, nsec

    def stat(self):
        self.pad(8)
        if self.num(8) != 0xffff:
            raise Refused("MALFORMED", self.at - 8)
        v = {k: self.num(8) for k in STAT[:6]}
        v.update({k: self.time() for k in STAT[6:10]})
        v.update({k: self.num(4) for k in STAT[10:]})
        if self.num(4) != v["mode"] >> 12 & 15:
            raise Refused("MALFORMED", self.at - 4)
        for _ in range(9):
            self.zero()
        return v

    def brief(self):
        v = {k: self.num(8) for k in BRIEF[:4]}
        v.update({k: self.num(4) for k in BRIEF[4:]})
        return v

    def blob(self):
        self.pad(8)
        at = self.at
        n, kind, grant = self.num(4), self.num(2), self.num(2)
        off = self.num(8)
        if kind in (1, 2):
            raise Refused("UNSUPPORTED", at)
        if kind or grant:
            raise Refused("MALFORMED", at + 4)
        if n == 0:
            if off:
                raise Refused("MALFORMED", at + 8)
            return b""
        if off + n > self.end:
            raise Refused("MALFORMED", at)
        if self.first == 0:
            if off < self.at or off % 8:
                raise Refused("MALFORMED", at)
            first = off
        else:
            first = self.first
            if off != self.next:
                raise Refused("MALFORMED", at)
        end = up(off + n, 8)
        if end > self.end or any(self.data[off + n:end]):
            raise Refused("MALFORMED", at)
        self.first, self.next = first, end
        return self.data[off:off + n]

    def name(self):
        s = self.blob()
        check_name(s, self.at - 16)
        return s

    def entries(self):
        s = self.blob()
        try:
            return list(each(entry, s))
        except Refused as r:
            raise Refused(r.name, self.next - up(len(s), 8) + r.at) from r

    def field(self, kind):
        if kind in ("u16", "u32", "u64", "id"):
            return self.num(SIZE[kind])
        return getattr(self, "blob" if kind == "bytes" else kind)()

    def finish(self):
        self.pad(8)
        if self.first and self.first != self.at:
            raise Refused("MALFORMED", self.at)
        if (self.next if self.first else self.at) != self.end:
            raise Refused("MALFORMED", self.next if self.first else self.at)


def check_name(s, at):
    if len(s) > 255:
        raise Refused("NAMETOOLONG", at)
    if not s or b"\0" in s or b"/" in s:
        raise Refused("NAME", at)


# --- records ----------------------------------------------------------------

def texts(r):
    n, m = r.num(2), r.num(2)
    r.zero()
    return r.take(n), r.take(m)


def entry(r):
    at = r.at
    e = {"cookie": r.num(8), "id": r.num(8)}
    reclen, namelen = r.num(2), r.num(2)
    kinds, attrlen = r.num(2), r.num(2)
    e["type"], flags = kinds & 255, kinds >> 8
    if flags & ~1 or attrlen not in (0, 184):
        raise Refused("MALFORMED", at + 20)
    e["dir"] = 0
    if flags & 1:
        e["dir"] = r.num(8)
        if e["dir"] == 0:
            raise Refused("MALFORMED", at + 24)
    e["attr"] = r.stat() if attrlen else None
    e["name"] = r.take(namelen)
    check_name(e["name"], r.at - namelen)
    r.pad(8)
    if r.at - at != reclen:
        raise Refused("MALFORMED", at + 16)
    return e


def found_stat(r):
    err = r.num(4)
    r.zero()
    return err, r.stat()


def found_brief(r):
    err = r.num(4)
    r.zero()
    return err, r.brief()


def ranged_bytes(r):
    err, n = r.num(4), r.num(4)
    return err, r.take(n)


def change(r):
    c = {"seq": r.num(8), "idx": r.num(4), "kind": r.num(2),
         "type": r.num(2)}
    for k in ("id", "parent", "parent2", "data_version", "meta_version"):
        c[k] = r.num(8)
    c["name"], c["name2"] = texts(r)
    return c


def pair(r):
    n = r.num(8)
    return (n,) + texts(r)


def each(record, data):
    r = Reader(data)
    while r.at < r.end:
        yield record(r)
        r.pad(8)


# --- whole messages ---------------------------------------------------------

def extensions(data, at):
    r = Reader(data, at)
    while r.at < r.end:
        here = r.at
        r.num(2)
        flags, n = r.num(2), r.num(4)
        r.take(n)
        r.pad(8)
        if flags & ~1:
            raise Refused("MALFORMED", here + 2)
        if flags & 1:
            raise Refused("UNSUPPORTED_EXT", here)


class Message:
    pass


def header(data, most=1 << 24):
    """The header's fields, or Refused("header")."""
    if len(data) < 32:
        raise Refused("header")
    m = Message()
    (m.len, m.op, m.flags, m.prio, m.req_id, m.session, m.status, m.credits,
     m.ext_len, zero) = HDR.unpack_from(data)
    number, m.is_reply = m.op & ~REPLY, bool(m.op & REPLY)
    ok = (32 <= m.len <= most and m.len % 8 == 0 and zero == 0 and
          m.flags & ~(5 if m.is_reply else 1) == 0 and
          (m.flags & 1) == (m.ext_len != 0) and
          m.ext_len <= (m.len - 32) // 8 and number != 0 and m.prio <= 7)
    if number >= 0x4000:
        ok = ok and not (m.is_reply or m.req_id or m.status or m.prio)
    else:
        ok = ok and m.req_id and not (m.is_reply and m.prio)
    if not ok:
        raise Refused("header")
    m.number = number
    return m


def decode(data, most=1 << 24):
    m = header(data, most)
    if m.len != len(data):
        raise Refused("header")
    end = m.len - m.ext_len * 8
    extensions(data, end)
    m.fields = {}
    r = Reader(data, 32, end)
    if m.number >= 0x4000:
        m.fields = {"a": r.num(8), "b": r.num(8)} if end == 48 else {
            "a": r.num(4), "b": r.num(4)}
    elif m.is_reply and m.status:
        for k, n in (("detail", 8), ("trace_id", 8), ("op_index", 4),
                     ("retry_after_ms", 4)):
            m.fields[k] = r.num(n)
    elif m.number in BY_NUMBER:
        op = BY_NUMBER[m.number]
        for kind, name in op.reply if m.is_reply else op.request:
            m.fields[name] = r.field(kind)
    else:
        return m
    r.finish()
    return m


def fixed_size(fields):
    n = 0
    for kind, _ in fields:
        n = up(n, 4 if SIZE[kind] == 4 else 8) + SIZE[kind]
    return up(n, 8)


def body(fields, values, start):
    """The fixed part and blobs, at offset start of the message."""
    fixed, blobs = b"", b""
    first = start + fixed_size(fields)
    for kind, name in fields:
        v = values.get(name, 0)
        if kind == "u32":
            fixed += struct.pack("<I", v)
            continue
        fixed += bytes(-len(fixed) % 8)
        if kind in ("u64", "id"):
            fixed += struct.pack("<Q", v)
        elif kind == "time":
            fixed += struct.pack("<qII", *(v or (0, 0)), 0)
        elif isinstance(v, Staged):
            fixed += struct.pack("<IHHQ", v.n, 2, 0, v.off)
        else:
            v = v or b""
            fixed += struct.pack("<IHHQ", len(v), 0, 0,
                                 first + len(blobs) if v else 0)
            blobs += v + bytes(-len(v) % 8)
    return fixed + bytes(-len(fixed) % 8) + blobs


class Staged:
    """Bytes that STAGE has put down."""

    def __init__(self, off, n):
        self.off, self.n = off, n


def request(name, req_id, values, prio=4, deadline=0, session=0, tx=0):
    op = OPS[name]
    data = body(op.request, values, 32)
    ext = struct.pack("<HHIQ", 1, 1, 8, tx) if tx else b""
    return HDR.pack(32 + len(data) + len(ext), op.number, 1 if ext else 0,
                    prio, req_id, session, deadline, 0, len(ext) // 8,
                    0) + data + ext


def item(name, values):
    """One operation of a transaction."""
    op = OPS[name]
    data = body(op.request, values, 8)
    return struct.pack("<HHI", op.number, 0, 8 + len(data)) + data


def texts_record(number, a, b=b""):
    data = struct.pack("<QHHI", number, len(a), len(b), 0) + a + b
    return data + bytes(-len(data) % 8)


# --- a connection -----------------------------------------------------------

class Socket:
    """Messages on a stream."""

    def __init__(self, path=None, port=None):
        if path:
            self.s = socket.socket(socket.AF_UNIX)
            self.s.connect(path)
        else:
            self.s = socket.create_connection(("127.0.0.1", port))
        self.s.settimeout(30)

    def send(self, data):
        self.s.sendall(data)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.s.recv(n - len(data))
            if not more:
                raise EOFError("the daemon closed the connection")
            data += more
        return data

    def receive(self):
        head = self.exactly(32)
        return head + self.exactly(header(head).len - 32)

    def close(self):
        self.s.close()


class Client:
    """Requests one after the other; notifications are kept."""

    def __init__(self, transport, max_msg=1 << 20, token=b""):
        self.t, self.req_id, self.session = transport, 0, 0
        self.notes, self.max_msg = [], max_msg
        self.hello = self.call("HELLO", magic=0x31504656, version_min=1,
                               version_max=1, max_msg=max_msg,
                               client=b"second")
        if token:
            self.attach = self.call("ATTACH", token=token)

    def send(self, op, /, _prio=4, _deadline=0, _tx=0, **values):
        self.req_id += 1
        self.t.send(request(op, self.req_id, values, _prio, _deadline,
                            self.session, _tx))
        return self.req_id

    def reply(self, req_id):
        while True:
            m = decode(self.t.receive())
            if m.number >= 0x4000:
                self.notes.append(m)
                continue
            if m.req_id != req_id:
                raise AssertionError("a reply to something else")
            if m.status:
                raise Failed(m.status, ERRORS.get(m.status, "?"), m.fields)
            return m.fields

    def call(self, op, /, **values):
        return self.reply(self.send(op, **values))
