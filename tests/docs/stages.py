"""What pages take for granted: the site whose commands they show, and peers at the addresses that they name."""

from tests.docs.pages import Command, File

_SITE = """
listen "0.0.0.0:80"
listen "0.0.0.0:8080" { http2 = "prior-knowledge" }
listen "0.0.0.0:443" { tls = true }
certificate { "/etc/rsp/example.com.pem", key = "/etc/rsp/example.com.key" }
metrics = "127.0.0.1:9145"
dashboard = "127.0.0.1:9146"
admin = "/run/rsp/rsp-1.sock"
compress = true
upstream "app" { "10.0.0.1:8000", "10.0.0.2:8000" }
route { path = "/static/", files = "/srv/www/static" }
route { host = "staff.example.com", to = "app", client_ca = "/etc/rsp/ca.pem" }
route { to = "app" }
"""
_APPLICATION = Command("the stage", "python3 -m http.server 8000")
_RUNNING = (
    "mkdir -p /etc/rsp/tls /srv/www/static /srv/app/releases /opt/rsp /run/rsp",
    'ln -s "$(dirname "$(command -v rsp)")" /opt/rsp/bin',
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=example.com"
    " -addext subjectAltName=DNS:example.com,DNS:staff.example.com -keyout /etc/rsp/example.com.key"
    " -out /etc/rsp/example.com.pem 2> /dev/null",
    "cp /etc/rsp/example.com.pem /etc/rsp/ca.pem; cp /etc/rsp/example.com.pem ann.pem; cp /etc/rsp/example.com.key ann.key",
    "export CURL_CA_BUNDLE=/etc/rsp/example.com.pem  # as if an authority had issued it",
    "export RENEWED_LINEAGE=/etc/rsp/live; mkdir /etc/rsp/live; cp /etc/rsp/example.com.pem /etc/rsp/live/fullchain.pem",
    "cp /etc/rsp/example.com.key /etc/rsp/live/privkey.pem",
    "rsp -w 2 site.lua",
    "ln -s /run/rsp/rsp-1.sock /run/site.sock; ln -s /run/rsp/rsp-1.sock /run/rsp/admin.sock",
)
#: Pages that bring what they need, beside those of howto/ and coming-from/, and pages for which an instance runs.
WHOLE = ("README.md", "start.md", "import.md", "commands.md", "demo.md", "install.md")
STAGED = (
    "compression.md", "dashboard.md", "fastcgi.md", "files.md", "http2.md", "metrics.md", "operations.md", "tls.md",
    "trace.md",
)  # fmt: skip


def stage(name: str) -> list[File | Command]:
    if name == "README.md":
        return [_APPLICATION]
    if name not in STAGED:
        return []
    return [File("the stage", "site.lua", _SITE), _APPLICATION, *(Command("the stage", text) for text in _RUNNING)]
