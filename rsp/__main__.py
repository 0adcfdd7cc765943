"""``python -m rsp``: the same program as the ``rsp`` console script."""

import sys

from rsp.cli import main

if __name__ == "__main__":
    sys.exit(main())
