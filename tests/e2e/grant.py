"""What a token's holder can do: grant.py SOCKET TOKEN WHAT ARG...

Prints the answer, or the name of the error.
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "second"))
import vfp  # noqa: E402


def main():
    sock, token, what = sys.argv[1:4]
    args = sys.argv[4:]
    try:
        c = vfp.Client(vfp.Socket(path=sock), token=bytes.fromhex(token))
        print(DO[what](c, *args))
    except vfp.Failed as f:
        print(f.name)


def walk(c, path):
    r = c.call("WALK", dir=c.attach["root"], path=path.encode())
    return r["attr"]["id"]


def make(c, name):
    r = c.call("CREATE", dir=c.attach["root"], mode=0o100644, flags=1,
               name=name.encode())
    return r["created"]


def opens(c, n):
    """So many handles beside the root's."""
    for _ in range(int(n)):
        c.call("WALK", dir=c.attach["root"], flags=1, path=b"src/f")
    return n


def begins(c, n):
    for _ in range(int(n)):
        c.call("TX_BEGIN", flags=0, idle_ms=0)
    return n


def stat(c, number):
    return c.call("STAT", id=int(number))["attr"]["id"]


def wait(c, fifo, number):
    """Says that it is there; asks again when told to."""
    print(c.attach["root_id"], flush=True)
    with open(fifo, encoding="ascii") as f:
        f.read()
    return stat(c, number)


DO = {"walk": walk, "make": make, "stat": stat, "wait": wait,
      "opens": opens, "begins": begins}

if __name__ == "__main__":
    main()
