-- A rate limit for each API key, exact over all workers, and a limit of concurrent requests for each client.

listen "127.0.0.1:8000"
upstream "api" { "127.0.0.1:9001" }

local plans = { free = "2r/s", paid = "100r/s" }
local keys = { ["key-of-ann"] = "paid", ["key-of-bob"] = "free" }

local function limited(req)
  local key = req.headers["X-Api-Key"]
  local plan = keys[key or ""]
  if not plan then
    return respond(401, "an API key is needed, in X-Api-Key\n")
  end
  local good, wait = limit.rate{ key = key, rate = plans[plan], burst = 3 }
  if not good then
    return respond{
      status = 429,
      headers = { ["Retry-After"] = math.ceil(wait) },
      body = { error = "too many requests", plan = plan },
    }
  end
  if not limit.conn{ key = key, max = 10 } then
    return respond(429, "too many requests at once\n")
  end
end

route { to = "api", on_request = limited }

test("more than the plan allows", function()
  local headers = { ["X-Api-Key"] = "key-of-bob" }
  for _ = 1, 4 do
    assert(simulate{ headers = headers }.status == 200)
  end
  local r = simulate{ headers = headers }
  assert(r.status == 429 and r.headers["retry-after"] == "1")
  assert(simulate{ headers = { ["X-Api-Key"] = "key-of-ann" } }.status == 200)
  assert(simulate{}.status == 401)
end)
