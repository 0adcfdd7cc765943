"""PHP-FPM for tests, as careless as it can be configured: it looks for other scripts (``cgi.fix_pathinfo``), and runs
files of every kind (``security.limit_extensions``)."""

import os
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness import is_root, wait_until

PROGRAMS = ("php-fpm", "php-fpm8.4", "php-fpm8.3", "php-fpm8.2")


def write_scripts(www: Path, scripts: dict[str, str]) -> None:
    for name, text in scripts.items():
        (www / name).parent.mkdir(parents=True, exist_ok=True)
        (www / name).write_text(f"<?php {text}")


@contextmanager
def php_fpm(directory: Path, program: str, children: int = 4) -> Iterator[str]:
    """Gives the path of its socket."""
    directory.chmod(0o755)
    address = f"{directory}/fpm.sock"
    text = textwrap.dedent(
        f"""\
        [global]
        error_log = {directory}/fpm.log
        daemonize = no
        [www]
        {"user = root" if is_root() else ""}
        {"group = root" if is_root() else ""}
        listen = {address}
        pm = static
        pm.max_children = {children}
        pm.status_path = /status
        ping.path = /ping
        security.limit_extensions =
        php_admin_value[upload_max_filesize] = 64M
        php_admin_value[post_max_size] = 80M
        """
    )
    (directory / "fpm.conf").write_text(text)
    command = [program, "-n", "-d", "cgi.fix_pathinfo=1", "-F", "-y", f"{directory}/fpm.conf", *(["-R"] * is_root())]
    with (directory / "fpm.out").open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            wait_until(lambda: os.path.exists(address) or process.poll() is not None, "PHP-FPM")
            assert process.poll() is None, (directory / "fpm.out").read_text()
            yield address
        finally:
            process.terminate()
