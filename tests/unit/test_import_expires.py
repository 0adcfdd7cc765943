"""Times of ``expires`` that rsp does not have are reported, not taken for others."""

import pytest

from rsp.importing.lua import write
from rsp.importing.nginx.reader import read


@pytest.mark.parametrize("said", ["modified 1h", "modified +24h", "@15h"])
@pytest.mark.parametrize("body", ["root /srv;", "proxy_pass http://127.0.0.1:9001;"])
def test_a_time_that_depends_on_the_file_or_the_day_is_reported(said, body, tmp_path):
    path = tmp_path / "nginx.conf"
    path.write_text(f"server {{ listen 80; location / {{ expires {said}; {body} }} }}")
    site = read(path, path.read_text())
    assert not site.whole
    assert "max-age" not in write(site).text
