-- Canary by cookie: clients with canary=1, and one client in twenty, get the new version.
-- Check it and run its tests:  rsp -t examples/canary.lua

listen "127.0.0.1:8000"
upstream "stable" { "127.0.0.1:9001", "127.0.0.1:9002" }
upstream "canary" { "127.0.0.1:9003" }

function on_request(req)
  local choice = req.cookies.canary
  if choice == "1" or (choice ~= "0" and split{ canary = 5, stable = 95 } == "canary") then
    return proxy "canary"
  end
end

route { to = "stable" }

test("the cookie decides", function()
  assert(simulate{ headers = { Cookie = "canary=1" } }.upstream == "canary")
  assert(simulate{ headers = { Cookie = "canary=0" } }.upstream == "stable")
end)

test("a client stays where it is", function()
  local first = simulate{ client = "192.0.2.7" }.upstream
  for _ = 1, 10 do
    assert(simulate{ client = "192.0.2.7" }.upstream == first)
  end
end)
