"""Backends of a node, each of which answers with its port: ``python -m tests.many_nodes.backends 8001 8002 ...``."""

import sys
import threading

from tests.harness import Backend


def main() -> None:
    for port in sys.argv[1:]:
        Backend(name=port, host="0.0.0.0", port=int(port))
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
