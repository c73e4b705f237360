"""Does vfs-protocol(5) say what the tables of protocol/ say?  TAP."""
import os
import re

import vfp

PROTOCOL = os.path.join(vfp.HERE, "..", "..", "protocol")
KINDS = {"ID": "id", "U32": "u32", "U64": "u64", "TIME": "time",
         "ATTR": "stat", "NAME": "name", "BYTES": "bytes", "BUF": "bytes",
         "SINK": "entries"}
ROW = re.compile(r"OP\((0x\w+), (\w+), \w+, \w+, \w+,\s*REQ\((.*?)\),\s*"
                 r"REP\((.*?)\)\)\n", re.S)


def source(name):
    with open(os.path.join(PROTOCOL, name), encoding="ascii") as f:
        return re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)


def fields(text):
    return [(KINDS[k], n) for k, n in re.findall(r"(\w+)\((\w+)\)", text)]


def differences():
    rows = {m[2]: m for m in ROW.finditer(source("ops.def"))
            if int(m[1], 16) < 0x3f00}
    yield "operations", sorted(set(rows) ^ set(vfp.OPS))
    for name in sorted(set(rows) & set(vfp.OPS)):
        m, op = rows[name], vfp.OPS[name]
        wrong = []
        if int(m[1], 16) != op.number:
            wrong.append("number")
        if fields(m[3]) != op.request:
            wrong.append(f"request {op.request}")
        if fields(m[4]) != op.reply:
            wrong.append(f"reply {op.reply}")
        yield name, wrong
    errors = {int(n): e for n, e in re.findall(r"ERR\(\s*(\d+), (\w+),",
                                               source("err.def"))}
    yield "errors", sorted(set(errors.items()) ^ set(vfp.ERRORS.items()) - {(0, "OK")})
    with open(vfp.PAGE, encoding="utf-8") as f:
        page = f.read()
    rights = re.findall(r"RIGHT\((0x\w+)u, \w+, \"(\w+)\"",
                        source("rights.h"))
    yield "rights", [w for b, w in rights
                     if f".It Li {b} Ta {w} Ta" not in page]


def main():
    n = 0
    for name, wrong in differences():
        n += 1
        print(f"{'not ok' if wrong else 'ok'} {n} - page: {name}")
        for w in wrong:
            print(f"# {w}")
    print(f"1..{n}")


if __name__ == "__main__":
    main()
