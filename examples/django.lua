-- A Django site: gunicorn for the application, rsp for static files and uploads.
--   python manage.py collectstatic
--   gunicorn shop.wsgi --workers 4 --bind unix:/run/gunicorn/shop.sock
-- In settings.py:
--   STATIC_URL, STATIC_ROOT = "/static/", "/srv/shop/static"
--   MEDIA_URL, MEDIA_ROOT = "/media/", "/srv/shop/media"
--   STORAGES["staticfiles"] = { "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage" }
--   SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")    -- rsp always sets this field itself
-- Host reaches Django as the client sent it, so ALLOWED_HOSTS and CSRF_TRUSTED_ORIGINS are as without a proxy.
-- Docs: docs/files.md, docs/compression.md.

listen "127.0.0.1:8000"
compress = true

upstream "django" { "unix:/run/gunicorn/shop.sock", max_conns = 4 }   -- the number of gunicorn's workers

-- ManifestStaticFilesStorage puts a hash of the content into each name (app.0d8f1c2e3a4b.css), so browsers keep
-- these files permanently.  For other files, browsers ask the server before they use their copy: 304.
local hashed = "*." .. ("[0-9a-f]"):rep(12) .. ".*"
local static = {
  root = "/srv/shop/static",
  hide = { "staticfiles.json" },
  cache_control = { [hashed] = "public, max-age=31536000, immutable", ["*"] = "no-cache" },
}
route { path = "/static/", files = static }
route { exact = "/favicon.ico", files = static }
route { exact = "/robots.txt", files = static }

-- Uploads come from users: no script in them may run as a page of this site.
route {
  path = "/media/",
  files = { root = "/srv/shop/media", cache_control = "public, max-age=3600" },
  response_headers = { set = { ["Content-Security-Policy"] = "script-src 'none'", ["X-Content-Type-Options"] = "nosniff" } },
}

-- A worker of gunicorn serves one request at a time.  With buffering, it gets a complete request, and is
-- free as soon as it has written its response: slow clients occupy no worker.
route {
  to = "django",
  request_buffering = true,
  response_buffering = true,
  limits = { body = "20MB" },
}

test("pages go to Django, files do not", function()
  assert(simulate{ path = "/orders/7/" }.upstream == "django")
  assert(simulate{ path = "/static/app.css" }.upstream == nil)
  assert(simulate{ path = "/media/x.jpg", method = "POST" }.status == 405)
end)

test("scripts in uploads do not run", function()
  assert(simulate{ path = "/media/x.svg" }.headers["content-security-policy"] == "script-src 'none'")
end)
