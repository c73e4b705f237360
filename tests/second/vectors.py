"""Does the second decoder agree with each conformance vector?  TAP."""
import glob
import os
import sys

import vfp


def hexed(v):
    return v.hex()


def time(v):
    return f"{v[0]}.{v[1]:09}"


def stat(v):
    out = [str(v[k]) for k in vfp.STAT[:6]]
    out += [time(v[k]) for k in vfp.STAT[6:10]]
    out.append(f"{v['mode']:o}")
    return " ".join(out + [str(v[k]) for k in vfp.STAT[11:]])


def entries(v):
    out = ""
    for e in v:
        out += f"\n  {e['cookie']} {e['id']} {e['dir']} {e['type']} "
        out += e["name"].hex()
        if e["attr"]:
            out += " " + stat(e["attr"])
    return out


SHOW = {"time": time, "stat": stat, "name": hexed, "bytes": hexed}


def said(data):
    try:
        m = vfp.decode(data, 4096)
    except vfp.Refused as r:
        if r.name == "header":
            return "refuse header\n"
        return f"refuse {r.name} {r.at}\n"
    op = vfp.BY_NUMBER[m.number]
    if not (m.is_reply or m.ext_len) and vfp.request(op.name, 1, m.fields)[32:] != data[32:]:
        return "encodes to other bytes\n"
    word = "reply" if m.is_reply else "request"
    last = "status" if m.is_reply else "deadline"
    out = (f"{word} {op.name} flags {m.flags} prio {m.prio} req_id "
           f"{m.req_id} session {m.session} {last} {m.status} credits "
           f"{m.credits}\n")
    if m.is_reply and m.status:
        return out + "".join(f"{k} {v}\n" for k, v in m.fields.items())
    for kind, name in op.reply if m.is_reply else op.request:
        v = m.fields[name]
        if kind == "entries":
            out += f"{name}{entries(v)}\n"
        else:
            out += f"{name} {SHOW.get(kind, str)(v)}\n"
    return out


def main():
    n = 0
    folder = os.path.join(vfp.HERE, "..", "vectors", "*.txt")
    for path in sorted(glob.glob(folder)):
        bad = seen = 0
        with open(path, encoding="ascii") as f:
            blocks = f.read().split("\n\n")
        for b in filter(str.strip, blocks):
            first, rest = b.split("\n", 1)
            seen += 1
            got = said(bytes.fromhex(first[4:]))
            if got.strip() != rest.strip():
                bad += 1
                if bad == 1:
                    print(f"# {first}\n# page: {rest!r}\n# here: {got!r}")
        n += 1
        word = "not ok" if bad or not seen else "ok"
        print(f"{word} {n} - {os.path.basename(path)}: {seen} vectors")
    print(f"1..{n}")
    sys.exit(0)


if __name__ == "__main__":
    main()
