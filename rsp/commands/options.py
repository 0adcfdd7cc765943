"""The command line of ``rsp`` itself: its options, its commands, and its help.

Command lines of the commands are in the commands' own modules.  Completion and manual pages are made of all of them.
"""

import argparse
import signal
from typing import Final, NamedTuple

from rsp import __version__
from rsp.commands.arguments import file_name, worker_count


class Command(NamedTuple):
    """``module`` has ``parser()``, which makes the command's parser, and ``main(arguments)``; it is imported when it is
    used.
    """

    module: str
    summary: str


COMMANDS: Final = {
    "demo": Command("rsp.commands.demo.command", "try rsp with backends of its own and a live page"),
    "init": Command("rsp.commands.init.command", "write a first configuration for what is found here"),
    "import": Command("rsp.commands.importing", "translate a configuration of nginx, Caddy or HAProxy"),
    "explain": Command("rsp.commands.explain", "show how a request would be handled"),
    "certificate": Command("rsp.commands.certificate", "create a self-signed certificate for HTTPS"),
    "completion": Command("rsp.commands.completion", "print a completion script for bash, zsh or fish"),
    "man": Command("rsp.commands.man.command", "print or write the manual pages"),
}
SIGNALS: Final = {
    "reload": signal.SIGHUP,
    "quit": signal.SIGQUIT,
    "stop": signal.SIGINT,
    "reopen": signal.SIGUSR1,
    "upgrade": signal.SIGUSR2,
}
DESCRIPTION: Final = "Really Simple Proxy: an HTTP reverse proxy and load balancer, configured in Lua."
EPILOG: Final = """\
signals to the master:
  TERM        finish running requests, for at most timeouts.shutdown, then stop; a second TERM stops at once
  QUIT        finish running requests, without a time limit, then stop
  INT         stop at once
  HUP         reload the configuration; if it is not valid, the current one stays in use
  USR1        reopen the log files
  USR2        upgrade: a new master of the installed version takes over
  WINCH       stop the workers; the master keeps running
  TTIN, TTOU  start one more worker, stop one worker

exit status:
  0 success; 1 rsp cannot start; 2 invalid command line; 3 stopped, but timeouts.shutdown cut off some requests

environment:
  RSP_PURE=1  run the Python sources even if compiled modules are installed (rsp -V shows which are in use)
  for a node of a site (FILE is a URL such as etcd://10.0.0.5:2379/rsp/site; see docs/many-nodes.md):
  RSP_SITE_USERNAME, RSP_SITE_PASSWORD_FILE, RSP_SITE_TOKEN_FILE   credentials for the engine
  RSP_SITE_CA, RSP_SITE_CERTIFICATE, RSP_SITE_KEY                  PEM files for TLS (etcds://, consuls://, rediss://)
  RSP_NODE    name of the node (default: the host name)
  RSP_STATE   directory for local copies (default: $STATE_DIRECTORY, /var/lib/rsp, or below ~/.local/state)

use rspctl to inspect and control a running instance: rspctl --help

documentation: docs/configuration.md, docs/lua.md, docs/http.md, docs/http2.md, docs/grpc.md, docs/tls.md,
  docs/files.md, docs/compression.md, docs/balancing.md, docs/operations.md, docs/logs.md,
  docs/metrics.md, docs/dashboard.md, docs/tracing.md, docs/many-nodes.md;
  with comments: rsp.lua, examples/observe.lua
"""


def parser() -> argparse.ArgumentParser:
    summaries = "\n".join(f"  {name:<12}{command.summary}" for name, command in COMMANDS.items())
    made = argparse.ArgumentParser(
        prog="rsp",
        description=DESCRIPTION,
        usage="rsp [-h] [-w N] [-t | -T | -s SIGNAL] FILE\n       rsp COMMAND [-h] ...",
        epilog=f"commands:\n{summaries}\n\n{EPILOG}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "file",
        metavar="FILE",
        type=file_name,
        nargs="?",
        help="configuration file, in Lua; or the URL of a site: etcd://host:2379/rsp/site",
    )
    add_options(made)
    return made


def add_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("-c", "--config", type=file_name, metavar="FILE", help="the same")
    made.add_argument(
        "-w",
        "--workers",
        metavar="N",
        type=worker_count,
        help='number of workers; "auto": the number of usable CPU cores within the CPU quota (overrides the file)',
    )
    group = made.add_mutually_exclusive_group()
    group.add_argument(
        "-t", action="store_true", help="check the configuration, run the tests in it, and exit with status 0 or 1"
    )
    group.add_argument("-T", action="store_true", help="as -t, and print the configuration with all defaults")
    signals = f"send a signal to the running instance: {', '.join(SIGNALS)}"
    group.add_argument("-s", metavar="SIGNAL", choices=list(SIGNALS), help=signals)
    made.add_argument(
        "-v", "--version", action="version", version=f"rsp {__version__}", help="print the version and exit"
    )
    made.add_argument("-V", action="store_true", help="print the versions of all components and exit")
