-- Routes by what a request says of itself: its fields, its cookies, its query.
-- Check it and run its tests:  rsp -t examples/by_request.lua

listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:9001", "127.0.0.1:9002" }
upstream "beta" { "127.0.0.1:9003" }
upstream "mobile" { "127.0.0.1:9004" }

-- Crawlers are refused, but for those of search engines.
route {
  headers = { ["User-Agent"] = { regex = "(?i)bot|crawler|spider", except = { contains = { "Googlebot", "bingbot" } } } },
  respond = { status = 403, body = "no crawlers, please\n" },
}

-- The API wants a key of ours, and has a second version.
route { path = "/api", headers = { ["X-Api-Key"] = { except = { regex = "^[0-9a-f]{32}$" } } }, respond = { status = 401 } }
route { path = "/api", query = { v = { regex = "^2([.]|$)" } }, to = "beta" }

-- People who have joined the beta have one of these cookies; the field names the choice to the application.
route { cookies = { beta = { "1", "yes" } }, to = "beta", request_headers = { set = { ["X-Beta"] = "1" } } }

route { headers = { ["User-Agent"] = { contains = { "iPhone", "Android" } } }, to = "mobile" }
route { to = "app" }

local function asked(request)
  local result = simulate(request)
  return result.upstream or result.status
end

test("crawlers are refused", function()
  assert(asked{ headers = { ["User-Agent"] = "EvilBot/1" } } == 403)
  assert(asked{ headers = { ["User-Agent"] = "Mozilla/5.0 (compatible; Googlebot/2.1)" } } == "app")
end)

test("the API wants a key", function()
  local key = ("0123456789abcdef"):rep(2)
  assert(asked{ path = "/api/x" } == 401)
  assert(asked{ path = "/api/x", headers = { ["X-Api-Key"] = key .. "0" } } == 401)
  assert(asked{ path = "/api/x", headers = { ["X-Api-Key"] = key } } == "app")
  assert(asked{ path = "/api/x?v=2.1", headers = { ["X-Api-Key"] = key } } == "beta")
  assert(asked{ path = "/api/x?v=20", headers = { ["X-Api-Key"] = key } } == "app")
end)

test("a cookie and a telephone choose", function()
  assert(asked{ headers = { Cookie = "a=b; beta=yes" } } == "beta")
  assert(asked{ headers = { Cookie = "a=b; beta=no" } } == "app")
  assert(asked{ headers = { ["User-Agent"] = "Mozilla/5.0 (Linux; Android 16)" } } == "mobile")
end)
