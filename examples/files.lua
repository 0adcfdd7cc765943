-- Files: a site, a single-page application, downloads.  See docs/files.md and docs/compression.md.
-- Check it:  rsp -t examples/files.lua      Ask it:  rsp explain examples/files.lua "GET http://app.example.com/orders/7"

listen "0.0.0.0:8080"

-- rsp compresses a file while it sends it if there is no app.js.br, .zst or .gz.
compress = true

-- A site: /about/ is /srv/www/site/about/index.html.  /srv/www/site may be a link that is switched while rsp runs.
route {
  host = { "example.com", "www.example.com" },
  files = { root = "/srv/www/current", cache_control = { ["*.html"] = "no-cache", ["*"] = "max-age=3600" } },
  security_headers = true,
}
page { status = 404, body = "<!doctype html><title>Not here</title><p>There is no such page." }

-- A single-page application: its API, its assets with a hash in their names, and index.html for all other paths.
local app, dist = "app.example.com", "/srv/app/dist"
upstream "api" { "127.0.0.1:9000" }
route { host = app, path = "/api/", to = "api" }
route {
  host = app,
  path = "/assets/",
  files = { root = dist .. "/assets", cache_control = "max-age=31536000, immutable", hide = { "*.map" } },
}
route { host = app, files = { root = dist, cache_control = "no-cache" }, fallback = "/index.html" }

-- Downloads: directory listings, half a gigabit per second for each client, and no incomplete files.
route {
  host = "downloads.example.com",
  files = { root = "/srv/downloads", index = "", list = true, hide = { "*.part", "incoming/" } },
  bandwidth = { down = "60MB", key = "{client}" },
  compress = false,
}

test("only the application's own host has an API", function()
  assert(simulate{ host = app, path = "/api/orders" }.upstream == "api")
  assert(simulate{ host = "example.com", path = "/api/orders" }.upstream == nil)
end)

test("files are read, not written", function()
  local answer = simulate{ host = "downloads.example.com", path = "/x.iso", method = "PUT" }
  assert(answer.status == 405 and answer.headers["Allow"] == "GET, HEAD")
end)
