-- Request shadowing: a tenth of the traffic goes to the next version as well; no client waits for it.

listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:9001" }
upstream "next" { "127.0.0.1:9002" }

local results = shared("shadow")
local safe = { GET = true, HEAD = true }

function on_request(req)
  -- Requests that change data are not copied.
  req.ctx.shadow = safe[req.method] and split({ yes = 10, no = 90 }, req.id or tostring(math.random())) == "yes"
  req.ctx.target = req.target
end

-- The client already has its response, so a slow copy delays no client.
function on_log(req, res)
  if not req.ctx.shadow then
    return
  end
  local shadow = http.request{
    upstream = "next",
    method = req.method,
    path = req.ctx.target,
    headers = { Cookie = req.headers["Cookie"], ["X-Shadow"] = "1" },
    timeout = "5s",
  }
  local same = shadow and shadow.status == res.status
  results.incr(same and "same" or "different", 1, { ttl = "1d" })
  if not same then
    print("shadow: " .. req.method .. " " .. req.ctx.target .. ": " .. res.status .. ", next: "
      .. (shadow and shadow.status or "no answer"))
  end
end

route { to = "app" }

test("the shadow never decides", function()
  local asked = 0
  for number = 1, 100 do
    local r = simulate{
      path = "/page",
      headers = { ["X-Request-Id"] = "id-" .. number },
      http = function(call)
        asked = asked + 1
        assert(call.url == "/page" and call.upstream == "next")
        return { status = 500 }
      end,
    }
    assert(r.status == 200 and r.upstream == "app")
  end
  assert(asked > 0 and asked < 40)
  assert(results.get("different") == asked)
end)
