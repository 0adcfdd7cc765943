-- A single-page application (Vite or another bundler) and its API on one host.
-- /srv/app/current is a link to the latest release.  To publish a release, switch the link in one step:
--   ln -sfn releases/43 /srv/app/next && mv -T /srv/app/next /srv/app/current
-- Docs: docs/files.md, docs/compression.md.

listen "127.0.0.1:8000"
compress = true
security_headers = true

upstream "api" { "127.0.0.1:9001" }

-- JSON, server-sent events and WebSockets.
route { path = "/api", to = "api", timeouts = { read = "1h" } }

-- The bundler names these files by their content, so browsers keep them permanently.  This route has no
-- `fallback`: a page that asks for a script of a previous release gets 404, and not HTML in place of the script.
route {
  path = "/assets",
  files = { root = "/srv/app/current/assets", hide = { "*.map" }, cache_control = "public, max-age=31536000, immutable" },
}

-- All other paths are pages of the application: if no file matches, rsp sends index.html.  Browsers check each
-- time whether it has changed, so they see a new release at once.
route { files = { root = "/srv/app/current", cache_control = "no-cache" }, fallback = "/index.html" }

test("the API answers below /api", function()
  assert(simulate{ path = "/api/orders/7" }.upstream == "api")
  assert(simulate{ path = "/api/orders", method = "POST", body = "{}" }.upstream == "api")
end)

test("a script that does not exist is not index.html", function()
  assert(simulate{ path = "/assets/app-0a1b2c3d.js" }.status == 404)
end)

test("pages cannot be posted to", function()
  local r = simulate{ path = "/orders/7", method = "POST" }
  assert(r.status == 405 and r.headers["allow"] == "GET, HEAD")
end)
