"""examples/django.lua with a real Django project: collectstatic, gunicorn, a form with an upload, the admin's pages."""

import gzip
import os
import re
import secrets
import subprocess
import sys
import threading

import pytest

from tests.everywhere import HOST, WAYS, Everywhere
from tests.harness import as_root, run_rsp, wait_until
from tests.paths import ROOT

SETTINGS = """
from pathlib import Path

HERE = Path(__file__).parent
SECRET_KEY = "only for tests"
ROOT_URLCONF = "shop"
ALLOWED_HOSTS = ["site.example"]
INSTALLED_APPS = ["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
                  "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.contrib.sessions.middleware.SessionMiddleware",
              "django.middleware.http.ConditionalGetMiddleware", "django.middleware.common.CommonMiddleware",
              "django.middleware.csrf.CsrfViewMiddleware",
              "django.contrib.auth.middleware.AuthenticationMiddleware",
              "django.contrib.messages.middleware.MessageMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
    "context_processors": ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
                           "django.contrib.messages.context_processors.messages"]}}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
STATIC_URL, STATIC_ROOT, STATICFILES_DIRS = "/static/", HERE / "static", [HERE / "assets"]
MEDIA_URL, MEDIA_ROOT = "/media/", HERE / "media"
STORAGES = {"default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
"""
SHOP = """
from django.contrib import admin
from django.core.files.storage import default_storage
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template import engines
from django.urls import path

PAGE = '''{% load static %}<link rel="stylesheet" href="{% static 'site.css' %}"><h1>{{ name }}</h1>
<form method="post" enctype="multipart/form-data">{% csrf_token %}<input type="file" name="file"></form>'''


def page(request, name="home"):
    if request.method == "POST":
        saved = default_storage.save(request.FILES["file"].name, request.FILES["file"])
        return redirect(default_storage.url(saved))
    return HttpResponse(engines["django"].from_string(PAGE).render({"name": name}, request))


def seen(request):
    return JsonResponse({"url": request.build_absolute_uri(), "secure": request.is_secure(),
                         "client": request.META["HTTP_X_FORWARDED_FOR"], "rows": [{"name": "same"}] * 200})


def export(request):
    return StreamingHttpResponse((f"{number},row\\n" for number in range(50_000)), content_type="text/csv")


urlpatterns = [path("", page), path("orders/<name>/", page), path("seen/", seen), path("export/", export),
               path("admin/", admin.site.urls)]
"""
STYLE = "body { background: url('logo.svg') }\n" * 100
HASHED = r"\.[0-9a-f]{12}\."


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("django")
    folder.chmod(0o755)
    (folder / "shop_settings.py").write_text(SETTINGS)
    (folder / "shop.py").write_text(SHOP)
    (folder / "assets").mkdir()
    (folder / "media").mkdir()
    (folder / "assets" / "site.css").write_text(STYLE)
    (folder / "assets" / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    (folder / "assets" / "favicon.ico").write_bytes(b"\0\0\1\0icon")
    told = {**os.environ, "DJANGO_SETTINGS_MODULE": "shop_settings"}
    collect = [sys.executable, "-m", "django", "collectstatic", "--noinput"]
    done = subprocess.run(collect, cwd=folder, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    socket = f"unix:{folder}/shop.sock"
    application = "django.core.wsgi:get_wsgi_application()"
    serve = [sys.executable, "-m", "gunicorn", application, "-b", socket, "--workers=1", "--log-level=warning"]
    with subprocess.Popen(serve, cwd=folder, env=told) as gunicorn:
        try:
            wait_until((folder / "shop.sock").exists, "gunicorn")
            text = (ROOT / "examples" / "django.lua").read_text()
            checked = run_rsp(folder, "-t", "site.lua", text=text)
            assert checked.returncode == 0, checked.stderr
            for old, new in (
                ("unix:/run/gunicorn/shop.sock", socket),
                ("/srv/shop", str(folder)),
                ('listen "127.0.0.1:8000"', ""),
            ):
                assert old in text
                text = text.replace(old, new)
            with Everywhere(folder, as_root() + text) as rsp:
                yield rsp
        finally:
            gunicorn.terminate()


@pytest.mark.parametrize("way", WAYS)
def test_a_page_and_its_static_files(site, way):
    """Every file that a page names is there, under a name that stays right for good."""
    page = site.ask(way, "/orders/7/")
    assert page.status == 200 and b"<h1>7</h1>" in page.body
    (name,) = re.findall('href="(/static/[^"]+)"', page.body.decode())
    assert re.search(HASHED, name)
    style = site.ask(way, name, ("Accept-Encoding", "gzip"))
    assert style["cache-control"] == "public, max-age=31536000, immutable"
    assert style["content-type"] == "text/css; charset=utf-8"
    assert (style["content-encoding"], style["vary"]) == ("gzip", "Accept-Encoding")
    text = gzip.decompress(style.body).decode()
    (image,) = set(re.findall(r'url\("?([^")]+)"?\)', text))  # collectstatic has changed it
    assert re.search(HASHED, image)
    assert site.ask(way, f"/static/{image}")["content-type"].startswith("image/svg+xml")
    again = site.ask(way, name, ("Accept-Encoding", "gzip"), ("If-None-Match", style["etag"]))
    assert (again.status, again.body, again["etag"]) == (304, b"", style["etag"])


@pytest.mark.parametrize("way", WAYS)
def test_what_django_sees(site, way):
    answer = site.ask(way, "/seen/?q=a%20b", ("X-Forwarded-Proto", "gopher"), ("Accept-Encoding", "gzip"))
    scheme = "https" if way.endswith("tls") else "http"
    text = gzip.decompress(answer.body).decode()
    assert len(answer.body) < len(text) / 5
    assert f'"url": "{scheme}://{HOST}/seen/?q=a%20b", "secure": {str(scheme == "https").lower()}' in text
    assert '"client": "127.0.0.1"' in text
    # Django has made a strong ETag of its own bytes; of the compressed ones it is a weak one, which Django knows as well.
    assert answer["etag"].startswith('W/"') and answer["vary"] == "Accept-Encoding"
    fields = (("If-None-Match", answer["etag"]), ("Accept-Encoding", "gzip"))
    again = site.ask(way, "/seen/?q=a%20b", *fields)
    assert (again.status, again.body, again["etag"], again["vary"]) == (304, b"", answer["etag"], "Accept-Encoding")


@pytest.mark.parametrize("way", WAYS)
def test_an_upload_by_a_form(site, way):
    """Django compares Origin with the scheme and the host that it believes it has."""
    page = site.ask(way, "/")
    token = re.search('csrfmiddlewaretoken" value="([^"]+)"', page.body.decode())[1]
    cookie = page["set-cookie"].partition(";")[0]
    content = secrets.token_bytes(200_000)
    body = (
        (
            f'--b\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token}\r\n'
            f'--b\r\nContent-Disposition: form-data; name="file"; filename="photo {way}.jpg"\r\n\r\n'
        ).encode()
        + content
        + b"\r\n--b--\r\n"
    )
    origin = f"{'https' if way.endswith('tls') else 'http'}://{HOST}"
    fields = (("Content-Type", "multipart/form-data; boundary=b"), ("Cookie", cookie))
    done = site.ask(way, "/", *fields, ("Origin", origin), method="POST", body=body)
    assert (done.status, done["location"].partition("%20")[0]) == (302, "/media/photo"), done.body[:500]
    photo = site.ask(way, done["location"])
    assert (photo.status, photo.body, photo["content-type"]) == (200, content, "image/jpeg")
    assert photo["content-security-policy"] == "script-src 'none'"
    part = site.ask(way, done["location"], ("Range", "bytes=-100"))
    assert (part.status, part.body) == (206, content[-100:])
    other = site.ask(way, "/", *fields, ("Origin", "https://evil.example"), method="POST", body=body)
    assert other.status == 403


def test_the_pages_of_the_admin(site):
    page = site.ask("h2-tls", "/admin/login/")
    names = re.findall('(?:href|src)="(/static/admin/[^"]+)"', page.body.decode())
    assert len(names) > 3
    for name in names:
        answer = site.ask("h2-tls", name)
        assert answer.status == 200 and answer["content-type"].split(";")[0] in ("text/css", "text/javascript")


def test_other_names(site):
    assert site.ask("h1", "/favicon.ico").body == b"\0\0\1\0icon"
    assert site.ask("h1", "/static/site.css")["cache-control"] == "no-cache"
    assert site.ask("h1", "/static")["location"] is None  # which is Django's: no such page
    for path in ("/static/staticfiles.json", "/static/", "/static/admin/", "/static/../shop.py", "/static/%2e%2e/shop.py",
                 "/media/", "/robots.txt", "/orders"):  # fmt: skip
        assert site.ask("h1", path).status in (400, 404), path
    assert site.ask("h1", "/orders/7")["location"] == "/orders/7/"  # CommonMiddleware's
    assert site.ask("h1", "/static/site.css", method="POST", body=b"x").status == 405


@pytest.mark.parametrize("way", ["h1", "h2-tls"])
def test_slow_clients_hold_no_worker(site, way):
    """gunicorn has one, which serves one request at a time."""
    slow = site.connect("h1")
    slow.sendall(b"POST / HTTP/1.1\r\nHost: site.example\r\nContent-Length: 1000\r\n\r\nx")  # and nothing more
    reader = site.connect("h1")
    reader.sendall(b"GET /export/ HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")  # and reads nothing
    assert site.ask(way, "/orders/9/").status == 200
    slow.close()
    received = b"".join(iter(lambda: reader.recv(65536), b""))
    reader.close()
    assert b"49999,row\n" in received


def test_many_at_once(site):
    """Pages and files, over all ways, from several clients."""
    wrong = []

    def browse(way):
        for number in range(5):
            page = site.ask(way, f"/orders/{number}/")
            style = site.ask(way, re.search('href="([^"]+)"', page.body.decode())[1])
            if f"<h1>{number}</h1>".encode() not in page.body or style.status != 200:
                wrong.append((way, number))

    threads = [threading.Thread(target=browse, args=(way,)) for way in WAYS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
