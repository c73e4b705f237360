"""The 64-word transport, from vfs-protocol(5): Bounded IPC."""
import array
import mmap
import select
import socket
import struct

import vfp

MAGIC = 0x4950435f31504656
OUT, IN = 64, 256                       # filled; taken; notification word
TAKEN, WORD = 64, 128
OUT_WORDS, IN_WORDS = 1024, 1536
MOST = 63 * 8
LETTER, ROOM, CHANGED = 1, 2, 4
U64 = struct.Struct("=Q")


class Mailbox:
    """Messages through a page; one thread.

    Or-ing is two steps here: a bit that the daemon or-s in between may be
    lost, so the page is looked at after the word was taken, and the bell is
    always rung.
    """

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        fds = array.array("i")
        data, ancillary, _, _ = self.s.recvmsg(
            16, socket.CMSG_SPACE(fds.itemsize))
        fds.frombytes(ancillary[0][2])
        assert struct.unpack("=QQ", data) == (MAGIC, 4096)
        self.page = mmap.mmap(fds[0], 4096)
        assert self.get(0) == MAGIC
        self.sent = self.got = 0
        self.stream = b""
        self.changed = False

    def get(self, at):
        return U64.unpack_from(self.page, at)[0]

    def put(self, at, v):
        U64.pack_into(self.page, at, v)

    def tell(self, bits):
        self.put(OUT + WORD, self.get(OUT + WORD) | bits)
        self.s.send(b"!")

    def take(self):
        if self.get(IN) == self.got:
            return False
        label = self.get(IN_WORDS)
        assert label >> 48 == 0x5646
        n = label & 0xffff
        self.stream += self.page[IN_WORDS + 8:IN_WORDS + 8 + n]
        self.got += 1
        self.put(IN + TAKEN, self.got)
        self.tell(ROOM)
        return True

    def wait(self, ready):
        """Take letters until ready() says so."""
        while not ready():
            bits = self.get(IN + WORD)
            self.put(IN + WORD, 0)
            self.changed |= bool(bits & CHANGED)
            if self.take() or ready():
                continue
            if not select.select([self.s], [], [], 30)[0]:
                raise TimeoutError("no letter for 30 s")
            if not self.s.recv(4096):
                raise EOFError("the daemon closed the mailbox")

    def send(self, data):
        for i in range(0, len(data), MOST):
            piece = data[i:i + MOST]
            self.wait(lambda: self.get(OUT + TAKEN) == self.sent)
            self.put(OUT_WORDS, 0x5646 << 48 | len(piece))
            self.page[OUT_WORDS + 8:OUT_WORDS + 8 + len(piece)] = piece
            self.sent += 1
            self.put(OUT, self.sent)
            self.tell(LETTER)

    def whole(self):
        return len(self.stream) >= 32 and \
            len(self.stream) >= vfp.header(self.stream[:32]).len

    def receive(self):
        self.wait(lambda: self.changed or self.whole())
        if self.changed:                # the bit is the notification
            self.changed = False
            return vfp.HDR.pack(48, 0x4001, 0, 0, 0, 0, 0, 0, 0, 0) + \
                bytes(16)
        n = vfp.header(self.stream[:32]).len
        data, self.stream = self.stream[:n], self.stream[n:]
        return data

    def close(self):
        self.s.close()
