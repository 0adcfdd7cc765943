-- A gateway for an API.  A single-page application of another origin calls it with tokens of an identity provider; the
-- services behind it see the name of the user but no token; limits protect them from too many calls.

listen "127.0.0.1:8000"
upstream "orders" { "127.0.0.1:9001" }
upstream "catalog" { "127.0.0.1:9002" }

local app = { -- the application's pages, and the calls that they may make
  origins = { "https://app.example.com" },
  methods = { "PUT", "DELETE" },
  headers = { "Authorization", "Content-Type" },
  expose = { "RateLimit", "RateLimit-Policy" },
}
local issuer, audience = "https://id.example.com/", "https://api.example.com"
local jwks = "https://id.example.com/jwks.json"
local user = { set = { ["X-User"] = "{user}" }, remove = { "Authorization" } }
local calm = { rate = "10r/s", burst = 20 } -- for each client

route { path = "/catalog", to = "catalog", strip = true, methods = { "GET" }, cors = app, rate_limit = calm }
route {
  path = "/orders", to = "orders", strip = true, cors = app, rate_limit = calm,
  auth = { jwt = { jwks = jwks, issuer = issuer, audience = audience } },
  request_headers = user,
}
route {
  path = "/orders/reports", to = "orders", rewrite = "/reports", cors = app,
  rate_limit = { rate = "30r/m", burst = 5 }, -- expensive requests
  auth = { jwt = { jwks = jwks, issuer = issuer, audience = audience, claims = { role = { "accountant", "admin" } } } },
  request_headers = user,
}

local page = { Origin = "https://app.example.com" }

test("browsers may ask, from the application's pages alone", function()
  local asked = { Origin = page.Origin, ["Access-Control-Request-Method"] = "PUT",
                  ["Access-Control-Request-Headers"] = "authorization" }
  local r = simulate{ method = "OPTIONS", path = "/orders/1", headers = asked }
  assert(r.status < 300 and r.headers["access-control-allow-origin"] == page.Origin)
  asked.Origin = "https://evil.example"
  r = simulate{ method = "OPTIONS", path = "/orders/1", headers = asked }
  assert(r.headers["access-control-allow-origin"] == nil)
end)

test("orders need a token, and pages may read why", function()
  local r = simulate{ path = "/orders/1", headers = page }
  assert(r.status == 401 and r.headers["www-authenticate"]:find("^Bearer"))
  assert(r.headers["access-control-allow-origin"] == page.Origin)
end)

test("the catalog is open", function()
  local r = simulate{ path = "/catalog/shoes", headers = page }
  assert(r.status == 200 and r.upstream == "catalog" and r.request.path == "/shoes")
end)
