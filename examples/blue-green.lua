-- Blue-green: two versions run side by side; a reload moves the clients.  A cookie keeps a client on its
-- version, and the old version serves requests that the new version cannot.
-- Check it and run its tests:  rsp -t examples/blue-green.lua

listen "127.0.0.1:8000"
upstream "blue" { "127.0.0.1:9001", "127.0.0.1:9002", health = "/healthz" }
upstream "green" { "127.0.0.1:9003", "127.0.0.1:9004", health = "/healthz" }

-- 1. blue = 100, green = 0: green is deployed and gets copies of requests, which warm its caches.
-- 2. blue = 95, green = 5: the first clients use green.
-- 3. blue = 0, green = 100: all clients use green; blue stays ready for a rollback.
local weights = { blue = 95, green = 5 }

route {
  split = { to = weights, sticky = true },
  failover = { to = "blue", on = { 502, 503, 504 } },
  mirror = weights.green == 0 and { to = "green", share = 0.05 } or nil,
}

-- These routes always lead to one version, for tests of the new version.
route { host = "green.example.com", to = "green" }

test("shares are what they say", function()
  local seen = { blue = 0, green = 0 }
  for _ = 1, 200 do
    local r = simulate{}
    seen[r.upstream] = seen[r.upstream] + 1
  end
  assert(seen.green >= 8 and seen.green <= 12, seen.green .. " of 200")
end)

test("a client stays with its version", function()
  local first = simulate{}
  local cookie = first.headers["set-cookie"]:match("^[^;]+")
  for _ = 1, 30 do
    local r = simulate{ headers = { Cookie = cookie } }
    assert(r.upstream == first.upstream and not r.headers["set-cookie"])
  end
end)

test("green by name", function()
  assert(simulate{ host = "green.example.com" }.upstream == "green")
end)
