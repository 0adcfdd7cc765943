"""Times of nginx.conf that rsp cannot take as they are: they are said, and never the default."""

import pytest

from rsp.importing.lua import write
from rsp.importing.nginx.reader import read


@pytest.fixture
def made(tmp_path):
    """What a location with this time becomes."""

    def make(time):
        path = tmp_path / "nginx.conf"
        path.write_text(f"server {{ location / {{ proxy_pass http://127.0.0.1:1; proxy_read_timeout {time}; }} }}\n")
        return read(path, path.read_text())

    return make


@pytest.mark.parametrize(("time", "ours"), [("999999999s", "999999999s"), ("100y", "1000000000s"), ("1h", "3600s")])
def test_a_time_for_ever_is_not_the_default(made, time, ours):
    site = made(time)
    assert site.whole
    assert f'timeouts = {{ response = "{ours}", read = "{ours}", tunnel = "{ours}" }}' in write(site).text


def test_a_time_of_a_template_that_rsp_could_not_read_is_reported(made):
    assert [lost.text for lost in made("${TIMEOUT}h").untranslated] == ["proxy_read_timeout ${TIMEOUT}h;"]
