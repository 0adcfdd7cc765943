"""wget, curl, aria2 and Python's clients: a tree by its listings, downloads that go on where they ended, decoding."""

import asyncio
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import zipfile

import aiohttp
import httpx
import pytest
import requests

from tests.everywhere import Everywhere
from tests.harness import Backend, answering, wait_until
from tests.paths import public_directory
from tests.soak import short_and_long

SIZE = 16_000_000
ROWS = json.dumps({"rows": [{"number": number, "name": "same"} for number in range(1000)]}).encode()
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(ROWS), ROWS)
# What has to be written otherwise in a URL, in HTML, or in both.  (wget decodes a%2520b twice.)
NAMES = (
    "a b", "a%2Fb", "a?b=c", "a#b", "a&b", "a&amp;b", "<b>bold<b>", "it's", 'say "so"', "100%", "a+b", "a;b=1",
    "http:", "c:d", "-r", "~x", "ü", "日本語", "e\u0301", "[x]", "{y}", "x|y", "^", "`", "$HOME", "*", "a=b", "@", ",",
    "javascript:alert(1)", "&lt;script&gt;", "x" * 200, "\u202egnp.exe", "\U0001f600",
)  # fmt: skip


def write_tree(root, files):
    """So many files of all sizes in folders of folders, and names of all kinds."""
    chance = random.Random(5)
    folders = [root]
    for number in range(files // 20):
        folders.append(chance.choice(folders) / f"folder-{number}")
        folders[-1].mkdir(parents=True)
    for number in range(files):
        content = chance.randbytes(chance.choice([0, 1, 100, 5_000, 70_000 if number % 50 == 0 else 300]))
        (chance.choice(folders) / f"file-{number}.bin").write_bytes(content)
    (root / "odd").mkdir()
    for name in NAMES:
        (root / "odd" / name).mkdir()
        (root / "odd" / name / f"{name} file").write_text(name)


def contents(root):
    """Hashes by name."""
    found = {}
    for folder, _, names in os.walk(os.fsencode(root)):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, os.fsencode(root))] = hashlib.sha256(file.read()).hexdigest()
    return found


@pytest.fixture(scope="module")
def site():
    with public_directory() as directory, Backend(answering(JSON)) as peer:
        big = directory / "big"
        big.mkdir()
        (big / "image.iso").write_bytes(random.Random(6).randbytes(SIZE))
        (big / "page.html").write_text("<p>text</p>\n" * 3000)
        (directory / "tree").mkdir()
        text = f"""
            access_log = {{ path = "access.json", format = "json", fields = {{ range = "request.header.range" }} }}
            upstream "peer" {{ "{peer.address}" }}
            route {{ path = "/tree/", files = {{ root = "tree", list = true }} }}
            route {{ path = "/big/", files = "big", compress = true }}
            route {{ path = "/slow/", files = "big", bandwidth = {{ down = "8MB" }} }}
            route {{ path = "/api", to = "peer", compress = true }}
            route {{ path = "/br", to = "peer", compress = {{ algorithms = {{ "br" }} }} }}
            route {{ path = "/zstd", to = "peer", compress = {{ algorithms = {{ "zstd" }} }} }}
        """
        with Everywhere(directory, text) as rsp:
            rsp.image = hashlib.sha256((big / "image.iso").read_bytes()).hexdigest()
            yield rsp


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, timeout=150, check=False, **more)
    assert done.returncode == 0, (command, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def url(site, way, path):
    return f"{'https' if 'tls' in way else 'http'}://127.0.0.1:{site.ports[way]}{path}"


def logged(site, target, count=1):
    """The lines of the access log for a target, once there are so many."""

    def look():
        lines = map(json.loads, (site.directory / "access.json").read_text().splitlines())
        found[:] = [line for line in lines if line["target"] == target]
        return len(found) >= count

    found = []
    wait_until(look, f"{count} lines of {target}")
    return found


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@short_and_long("files", 500, 20_000)
def test_wget_gets_a_whole_tree(site, tmp_path, program, files):
    root = site.directory / "tree" / str(files)
    root.mkdir()
    write_tree(root, files)
    run(
        program("wget"), "-q", "-r", "-l", "inf", "-np", "-nH", "--cut-dirs=2", "-R", "index.html*", "-e", "robots=off",
        "--restrict-file-names=nocontrol", "-P", "copy", url(site, "h1", f"/tree/{files}/"), cwd=tmp_path,
    )  # fmt: skip
    assert contents(tmp_path / "copy") == contents(root)


@pytest.mark.parametrize("way", ["h1", pytest.param("h1-tls", marks=pytest.mark.soak), "h2-tls"])
def test_curl_goes_on_where_a_download_ended(site, tmp_path, program, way):
    file, target = tmp_path / "image.iso", f"/big/image.iso?curl-{way}"
    file.write_bytes((site.directory / "big" / "image.iso").read_bytes()[: SIZE // 2])
    options = [] if way.startswith("h2") else ["--http1.1"]
    run(program("curl"), "-sSfk", *options, "-C", "-", "-o", str(file), url(site, way, target))
    assert digest(file) == site.image
    (line,) = logged(site, target)
    assert (line["range"], line["status"], line["bytes"]) == (f"bytes={SIZE // 2}-", 206, SIZE - SIZE // 2)


def test_wget_goes_on_where_a_download_ended(site, tmp_path, program):
    """And asks once more when all of it is there, which is answered 416."""
    file, target = tmp_path / "image.iso", "/big/image.iso?wget"
    file.write_bytes((site.directory / "big" / "image.iso").read_bytes()[: SIZE // 2])
    for _ in range(2):
        run(program("wget"), "-q", "-c", "-O", str(file), url(site, "h1", target))
        assert digest(file) == site.image
    assert [line["status"] for line in logged(site, target, 2)] == [206, 416]


def test_aria2_gets_a_file_in_parts(site, tmp_path, program):
    """By eight connections, and then the half that is missing: it knows its own pieces by a file beside it."""
    target, options = "/big/image.iso?aria2", ["-q", "-x", "8", "-s", "8", "-k", "1M", "-c", "-d", str(tmp_path)]
    run(program("aria2c"), *options, "-o", "image.iso", url(site, "h1", target))
    assert digest(tmp_path / "image.iso") == site.image
    assert len({line["range"] for line in logged(site, target, 8)}) >= 8
    half = tmp_path / "half.iso"
    half.write_bytes((site.directory / "big" / "image.iso").read_bytes()[: SIZE // 2])
    run(program("aria2c"), *options, "-o", "half.iso", url(site, "h1", target + "-half"))
    assert digest(half) == site.image
    starts = [
        int(re.findall("[0-9]+", line["range"])[0]) for line in logged(site, target + "-half", 8) if line["range"]
    ]
    assert min(starts) > SIZE // 2 - (2 << 20)


def test_a_download_goes_on_after_a_worker_has_died(site, tmp_path, program):
    """wget asks for the rest by itself."""
    file, target = tmp_path / "image.iso", "/slow/image.iso?died"
    command = [program("wget"), "-q", "-t", "5", "--waitretry=1", "-O", str(file), url(site, "h1", target)]
    with subprocess.Popen(command) as wget:
        wait_until(lambda: file.exists() and file.stat().st_size > 2_000_000, "a part of it")
        os.kill(site.workers()[0], signal.SIGKILL)
        assert wget.wait(60) == 0
    assert digest(file) == site.image
    (line,) = logged(site, target)
    assert line["status"] == 206 and line["bytes"] == SIZE - int(line["range"][6:-1])


def test_a_download_ends_whole_after_a_reload(site, tmp_path, program):
    file = tmp_path / "image.iso"
    command = [program("curl"), "-sSf", "-o", str(file), url(site, "h1", "/slow/image.iso")]
    with subprocess.Popen(command) as curl:
        wait_until(lambda: file.exists() and file.stat().st_size > 1_000_000, "a part of it")
        site.reload()
        assert curl.wait(60) == 0
    assert digest(file) == site.image


def test_wget_and_curl_ask_whether_a_file_is_newer(site, tmp_path, program):
    """-N and -z: by Last-Modified; --etag-compare: by ETag."""
    page = site.directory / "big" / "page.html"
    os.utime(page, (time.time() - 5000,) * 2)
    copy, plain = tmp_path / "page.html", url(site, "h1", "/big/page.html")
    newer = [program("wget"), "-q", "-N", "-P", str(tmp_path), plain]
    run(*newer)
    assert copy.read_bytes() == page.read_bytes() and int(copy.stat().st_mtime) == int(page.stat().st_mtime)
    curl = [program("curl"), "-sSf", "-o", "/dev/null", "-w", "%{http_code}"]
    tag = ["--etag-save", str(tmp_path / "tag"), "--etag-compare", str(tmp_path / "tag")]
    assert run(*curl, "-z", str(copy), plain) == b"304"
    assert [run(*curl, *tag, plain) for _ in range(2)] == [b"200", b"304"]
    run(*newer)
    assert [line["status"] for line in logged(site, "/big/page.html", 5)] == [200, 304, 200, 304, 304]
    page.write_text("<p>new text</p>\n" * 3000)
    run(*newer)
    assert copy.read_bytes() == page.read_bytes()
    assert run(*curl, *tag, plain) == b"200"


def test_git_clones_a_directory(site, tmp_path, program):
    """A bare repository as files: the dumb protocol, which asks for many that are not there."""
    git, bare = program("git"), site.directory / "tree" / "project.git"
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_bytes(random.Random(7).randbytes(300_000))
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    run(git, "init", "-q", str(work))
    run(git, "-C", str(work), "add", "file")
    run(git, "-C", str(work), *author, "commit", "-q", "-m", "one")
    run(git, "clone", "-q", "--bare", str(work), str(bare))
    run(git, "-C", str(bare), "update-server-info")
    run(git, "clone", "-q", url(site, "h1", "/tree/project.git"), str(tmp_path / "copy"))
    assert digest(tmp_path / "copy" / "file") == digest(work / "file")


@pytest.mark.soak
def test_apt_asks_ahead(site, tmp_path, program):
    """It sends up to ten requests before it reads, and compares each package with its digest."""
    folder, names = site.directory / "tree" / "debian", [f"thing-{number}" for number in range(20)]
    folder.mkdir()
    listed = []
    for name in names:
        control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.com>\nDescription: a\n"
        content = tmp_path / name
        (content / "DEBIAN").mkdir(parents=True)
        (content / "DEBIAN" / "control").write_text(control)
        (content / "data").write_bytes(random.Random(name).randbytes(50_000))
        run(program("dpkg-deb"), "--root-owner-group", "-Znone", "-b", str(content), str(folder / f"{name}.deb"))
        package = (folder / f"{name}.deb").read_bytes()
        listed.append(
            f"{control}Filename: ./{name}.deb\nSize: {len(package)}\nSHA256: {hashlib.sha256(package).hexdigest()}\n"
        )
    (folder / "Packages").write_text("\n".join(listed))
    own = tmp_path / "apt"
    for name in ("lists/partial", "cache/archives/partial", "etc"):
        (own / name).mkdir(parents=True)
    (own / "sources.list").write_text(f"deb [trusted=yes] {url(site, 'h1', '/tree/debian/')} ./\n")
    (own / "status").touch()
    told = {
        "Dir::Etc::SourceList": own / "sources.list", "Dir::Etc::SourceParts": own / "etc", "Dir::State::Lists": own / "lists",
        "Dir::State::Status": own / "status", "Dir::Cache": own / "cache", "APT::Sandbox::User": "root",
        "Acquire::http::Proxy": "false",
    }  # fmt: skip
    options = [f"-o{name}={value}" for name, value in told.items()]
    run(program("apt-get"), "-q", *options, "update", cwd=tmp_path)
    run(program("apt-get"), "-q", *options, "download", *names, cwd=own)
    for name in names:
        assert digest(own / f"{name}_1_all.deb") == digest(folder / f"{name}.deb")


@pytest.mark.soak
def test_pip_finds_wheels_in_a_list(site, tmp_path):
    folder = site.directory / "tree" / "wheels"
    folder.mkdir()
    told = {
        "METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0+local\n",
        "WHEEL": "Wheel-Version: 1.0\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(folder / "thing-1.0+local-py3-none-any.whl", "w") as wheel:
        for name, text in told.items():
            wheel.writestr(f"thing-1.0+local.dist-info/{name}", text)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-index", "--no-cache-dir"]
    run(
        *pip,
        "--find-links",
        url(site, "h1", "/tree/wheels/"),
        "-d",
        str(tmp_path),
        "thing",
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull},
    )
    assert digest(tmp_path / "thing-1.0+local-py3-none-any.whl") == digest(folder / "thing-1.0+local-py3-none-any.whl")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
@pytest.mark.parametrize("path", ["/api", "/br", "/zstd", "/big/page.html"])
def test_what_clients_decode(site, program, path):
    """As each of them asks by itself."""
    expected = (site.directory / "big" / "page.html").read_bytes() if path.startswith("/big") else ROWS
    target = f"{path}?decoded"
    plain, secure = url(site, "h1", target), url(site, "h2-tls", target)
    curl = [program("curl"), "-sSfk"]
    got = [run(*curl, plain)]
    got += [run(*curl, "--compressed", *options, to) for to in (plain, secure) for options in (["--http1.1"], [])]
    with httpx.Client(verify=False, http2=True) as client:
        got += [client.get(plain).content, client.get(secure).content]
    got += [requests.get(to, timeout=30, verify=False).content for to in (plain, secure)]

    async def ask():
        async with aiohttp.ClientSession() as session:
            for to in (plain, secure):
                async with session.get(to, ssl=False) as answer:
                    got.append(await answer.read())

    asyncio.run(ask())
    assert got == [expected] * 11
    sizes = [line["bytes"] for line in logged(site, target, 11)]
    assert sizes[0] == len(expected)
    compressed = sum(size < len(expected) / 5 for size in sizes)
    assert (
        compressed >= 6 if path == "/zstd" else compressed == 10
    )  # some have no decoder of zstd, and do not ask for it
