"""Keeps a tree from "vfsctl changes --json" alone, and compares it.

changes.py STATE apply < lines     apply records; the cursor is in STATE
changes.py STATE cursor            print it
changes.py STATE tree              "path type id links", as find prints them
"""
import json
import pickle
import sys

ROOT = 1
TYPES = {"dir": "d", "file": "f", "link": "l", "fifo": "p", "socket": "s",
         "char": "c", "block": "b"}


class Tree:
    def __init__(self):
        self.cursor = "oldest"
        self.names = {}                 # (directory, name) -> id
        self.types = {}
        self.records = 0

    def drop(self, place, number):
        if self.names.get(place) == number:
            del self.names[place]

    def drop_below(self, top):
        for place in [p for p in self.names if p[0] == top]:
            number = self.names.pop(place, None)
            if number is not None:
                self.drop_below(number)

    def apply(self, r):
        kind, number = r["kind"], r["id"]
        place = (r["parent"], r["name"])
        self.records += 1
        self.types[number] = TYPES[r["type"]]
        if kind in ("create", "link"):
            if r["name"]:
                self.names[place] = number
        elif kind in ("unlink", "remove-tree"):
            if kind == "remove-tree":
                self.drop_below(number)
            self.drop(place, number)
        elif kind in ("rename", "exchange"):
            self.drop(place, number)
            self.names[(r["parent2"], r["name2"])] = number
        elif kind == "delete":
            self.types.pop(number, None)

    def tree(self):
        below, links = {}, {}
        for (parent, name), number in self.names.items():
            below.setdefault(parent, []).append((name, number))
            links[number] = links.get(number, 0) + 1
        out, todo = [], [(ROOT, "")]
        while todo:
            top, path = todo.pop()
            for name, number in below.get(top, ()):
                kind, n = self.types[number], links[number]
                if kind == "d":
                    n = 2 + sum(self.types[i] == "d"
                                for _, i in below.get(number, ()))
                    todo.append((number, path + name + "/"))
                out.append(f"{path}{name} {kind} {number} {n}")
        return sorted(out, key=lambda s: s.encode("utf-8", "surrogateescape"))


def main():
    path, what = sys.argv[1:]
    try:
        with open(path, "rb") as f:
            t = pickle.load(f)
    except FileNotFoundError:
        t = Tree()
    if what == "apply":
        for line in sys.stdin:
            r = json.loads(line)
            if "cursor" in r:
                t.cursor = r["cursor"]
            else:
                t.apply(r)
        with open(path, "wb") as f:
            pickle.dump(t, f)
        print(t.records)
    elif what == "cursor":
        print(t.cursor)
    else:
        for line in t.tree():
            sys.stdout.buffer.write(
                (line + "\n").encode("utf-8", "surrogateescape"))


main()
