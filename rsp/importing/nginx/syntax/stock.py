"""Files that come with nginx and its packages, as far as they matter here, for machines that do not have them.

Words are set apart by spaces, so that a split is all the parsing that they need.
"""

from typing import Final

# nginx's and Debian's, by the end of their names.
_FILES: Final = {
    "mime.types": "",
    "fastcgi_params": "",
    "fastcgi.conf": "",
    "fastcgi_params.conf": "",
    "uwsgi_params": "",
    "scgi_params": "",
    "koi-utf": "",
    "koi-win": "",
    "win-utf": "",
    "proxy_params": "proxy_set_header Host $http_host ; proxy_set_header X-Real-IP $remote_addr ; "
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for ; proxy_set_header X-Forwarded-Proto $scheme ;",
    "snippets/fastcgi-php.conf": r"fastcgi_split_path_info ^(.+?\.php)(/.*)$ ; "
    "try_files $fastcgi_script_name =404 ; fastcgi_index index.php ;",
    "snippets/snakeoil.conf": "ssl_certificate /etc/ssl/certs/ssl-cert-snakeoil.pem ; "
    "ssl_certificate_key /etc/ssl/private/ssl-cert-snakeoil.key ;",
    "options-ssl-nginx.conf": "ssl_protocols TLSv1.2 TLSv1.3 ;",
}


def stock(pattern: str) -> str | None:
    """What is in the file that an ``include`` names, if it is one of these."""
    if pattern.endswith(("modules-enabled/*.conf", "/modules/*.conf")):
        return ""
    for name, text in _FILES.items():
        if pattern == name or pattern.endswith(f"/{name}"):
            return text
    return None
