-- A maintenance page that can be turned on and off at run time, for all clients except the operators.
--   curl -X POST http://127.0.0.1:8000/-/maintenance/on     (from this machine)

listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:9001" }

local switch = shared("maintenance")
local staff = ip.set{ "127.0.0.0/8", "10.0.0.0/8" }
local page = [[<!doctype html><title>Back soon</title><h1>Back soon</h1><p>We are working on it.</p>
]]

function on_request(req)
  local order = req.path:match("^/%-/maintenance/(%a+)$")
  if order and req.method == "POST" and staff.has(req.client) then
    switch.set("on", order == "on")
    return respond(200, order .. "\n")
  end
  if switch.get("on") and not staff.has(req.client) then
    return respond{
      status = 503,
      headers = { ["Content-Type"] = "text/html; charset=utf-8", ["Retry-After"] = 300, ["Cache-Control"] = "no-store" },
      body = page,
    }
  end
end

route { to = "app" }

test("on and off", function()
  local visitor = "192.0.2.1"
  assert(simulate{ client = visitor }.status == 200)
  assert(simulate{ client = visitor, method = "POST", path = "/-/maintenance/on" }.upstream == "app")
  assert(simulate{ method = "POST", path = "/-/maintenance/on" }.body == "on\n")
  local r = simulate{ client = visitor }
  assert(r.status == 503 and r.body:find("Back soon") and r.headers["retry-after"] == "300")
  assert(simulate{ client = "10.1.2.3" }.status == 200)
  simulate{ method = "POST", path = "/-/maintenance/off" }
  assert(simulate{ client = visitor }.status == 200)
end)
