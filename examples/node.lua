-- A Next.js site (or another Node application) as two processes, with WebSockets, server-sent events and uploads.
--   PORT=9001 node server.js
--   PORT=9002 node server.js
-- WebSockets and streamed pages need no settings.  Docs: docs/routes.md.

listen "127.0.0.1:8000"

upstream "site" { "127.0.0.1:9001", "127.0.0.1:9002", health = "/api/health" }

-- The same processes for requests that need the state of one process: a client stays with its process.
upstream "live" { "127.0.0.1:9001", "127.0.0.1:9002", sticky = "node" }

-- Next.js trusts this field as its own; from a client it is an attack (CVE-2025-29927).
local clean = { remove = { "x-middleware-subrequest" } }

-- The names of build files depend on their content, so browsers keep them permanently.
route {
  path = "/_next/static", first = true, to = "site",
  request_headers = clean,
  response_headers = { set = { ["Cache-Control"] = "public, max-age=31536000, immutable" } },
}

-- Socket.IO begins with GET and POST, then upgrades; a connection may be idle for a day.
route { path = "/socket.io", to = "live", request_headers = clean, timeouts = { tunnel = "24h" } }

-- Server-sent events: a minute without an event is normal.
route { exact = "/api/events", methods = { "GET" }, to = "live", request_headers = clean, timeouts = { read = "1h" } }

-- Uploads of up to 100 MB to /api/<album>/photos; everything else is small.
route {
  regex = [[^/api/(?P<album>[a-z0-9-]+)/photos$]], methods = { "POST" }, to = "site",
  request_headers = { remove = clean.remove, set = { ["X-Album"] = "{album}" } },
  limits = { body = "100MB" },
}

route { to = "site", request_headers = clean, limits = { body = "1MB" } }

-- Redirect to the canonical name of the site.
route {
  host = { "www.example.com", "example.org", "www.example.org" },
  redirect = { to = "https://example.com{uri}", status = 308 },
}

test("files of a build are kept by browsers, others as Next.js says", function()
  local immutable = "public, max-age=31536000, immutable"
  assert(simulate{ path = "/_next/static/chunks/main-0a1b.js" }.headers["cache-control"] == immutable)
  assert(simulate{ path = "/_next/image?url=%2Fa.png&w=640" }.headers["cache-control"] == nil)
end)

test("a client cannot pretend to be middleware", function()
  for _, path in ipairs { "/", "/_next/static/x.js", "/socket.io/", "/api/events", "/dashboard" } do
    local r = simulate{ path = path, headers = { ["x-middleware-subrequest"] = "middleware" } }
    assert(r.request.headers["x-middleware-subrequest"] == nil)
  end
end)

test("each request goes where it belongs", function()
  assert(simulate{ path = "/socket.io/?EIO=4&transport=polling" }.upstream == "live")
  assert(simulate{ path = "/api/events" }.upstream == "live")
  assert(simulate{ path = "/api/events", method = "POST" }.upstream == "site")
  local r = simulate{ path = "/api/summer-2026/photos", method = "POST", body = "jpeg" }
  assert(r.route:find("regex") and r.request.headers["x-album"] == "summer-2026")
  assert(simulate{ path = "/api/summer-2026/photos" }.route == "any host /")
end)

test("other names lead to the one", function()
  assert(simulate{ host = "www.example.org", path = "/a?b=c" }.headers["location"] == "https://example.com/a?b=c")
end)
