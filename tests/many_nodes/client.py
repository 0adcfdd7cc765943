"""Requests from a node, one after the other on connections that are kept: ``python -m tests.many_nodes.client``.

Arguments: host, port, connections, pause between two requests of a connection in seconds.  Writes ``begins`` when each
connection has had an answer, and each name that answers when it is another one than before.  Ends with the first line
on standard input, and writes what came of them as JSON: ``good``, ``failed`` (with reasons), ``longest`` (seconds),
``after`` (names that answered last, by connection).  Nothing is asked twice.
"""

import json
import socket
import sys
import threading
import time


class Count:
    def __init__(self, connections: int) -> None:
        self.connections = connections
        self.begun = False
        self.lock = threading.Lock()
        self.good = 0
        self.failed: dict[str, int] = {}
        self.longest = 0.0
        self.last: dict[int, str] = {}

    def fail(self, reason: str) -> None:
        with self.lock:
            self.failed[reason] = self.failed.get(reason, 0) + 1


def visit(number: int, where: tuple[str, int], pause: float, count: Count, over: threading.Event) -> None:
    sock, used = None, 0
    while not over.is_set():
        began = time.monotonic()
        stage = "connect"
        try:
            if sock is None:
                sock, used = socket.create_connection(where, 5), 0
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(5)
            stage = "request on a kept connection" if used else "request"
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            head, _, body = sock.recv(65536).partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise OSError(head[:20].decode("latin-1") or "closed")
            used += 1
            with count.lock:
                count.good += 1
                before = count.last.get(number)
                count.last[number] = body.decode()
                if len(count.last) == count.connections and not count.begun:
                    count.begun = True
                    print("begins", flush=True)
                elif before is not None and before != count.last[number]:
                    print(count.last[number], flush=True)
            if b"\r\nConnection: close" in head:
                sock.close()
                sock = None
        except OSError as error:
            count.fail(f"{stage}: {error}")
            if sock is not None:
                sock.close()
                sock = None
        with count.lock:
            count.longest = max(count.longest, time.monotonic() - began)
        time.sleep(pause)


def main() -> None:
    host, port, connections, pause = sys.argv[1:]
    count, over = Count(int(connections)), threading.Event()
    threads = [
        threading.Thread(target=visit, args=(number, (host, int(port)), float(pause), count, over), daemon=True)
        for number in range(int(connections))
    ]
    for thread in threads:
        thread.start()
    sys.stdin.readline()
    over.set()
    for thread in threads:
        thread.join(10)
    print(
        json.dumps({"good": count.good, "failed": count.failed, "longest": count.longest, "after": count.last}),
        flush=True,
    )


if __name__ == "__main__":
    main()
