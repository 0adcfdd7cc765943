-- Limits that several instances of rsp share through Redis or Valkey: one for all requests, one for each client, and
-- one for each API key, in a hook.  Without the store, each instance admits its share.  See docs/many-nodes.md.

listen "127.0.0.1:8000"
upstream "api" { "127.0.0.1:9001" }
store "main" { "redis://127.0.0.1:6379/0", timeout = "1s" }

local plans = { free = "2r/s", paid = "100r/s" }
local keys = { ["key-of-ann"] = "paid", ["key-of-bob"] = "free" }

route {
  path = "/search", to = "api",
  rate_limit = {
    { rate = "10r/s", burst = 20 },                                             -- each client, at this instance
    { rate = "1000r/s", burst = 100, key = "all", status = 503, cluster = true },  -- all clients, at all instances
  },
}

route {
  to = "api",
  on_request = function(req)
    local key = req.headers["X-Api-Key"]
    local plan = keys[key or ""]
    if not plan then
      return respond(401, "an API key is needed, in X-Api-Key\n")
    end
    local good, wait = limit.rate{ name = "api", key = key, rate = plans[plan], burst = 3, cluster = "main" }
    if not good then
      return respond{ status = 429, headers = { ["Retry-After"] = math.ceil(wait) }, body = { error = "too many requests" } }
    end
  end,
}

test("more than the plan allows", function()
  local headers = { ["X-Api-Key"] = "key-of-bob" }
  for _ = 1, 4 do
    assert(simulate{ headers = headers }.status == 200)
  end
  assert(simulate{ headers = headers }.status == 429)
  assert(simulate{ headers = { ["X-Api-Key"] = "key-of-ann" } }.status == 200)
end)

test("clients are told what is left", function()
  local r = simulate{ path = "/search" }
  assert(r.status == 200 and r.headers["ratelimit"] == '"1";r=20;t=1, "2";r=100;t=1', r.headers["ratelimit"])
end)
