-- The configuration of this demo.  Check it:  rsp -t site.lua
listen "127.0.0.1:{listen}"
dashboard = "127.0.0.1:{dashboard}"

-- A group of backends.  Requests take turns; a weight of 2 means two turns for the others' one.
upstream "app" {
  "127.0.0.1:{ada}",
  "127.0.0.1:{bob}",
  { "127.0.0.1:{eve}", weight = 2 },
  -- A backend that fails this check gets no requests until it passes again.
  health = { path = "/health", interval = "1s", timeout = "1s", rise = 1, fall = 1 },
}

-- Every request goes to the group.  When a backend fails a request, rsp sends it to another one.
route { to = "app" }

-- One worker tries a new configuration for 3 seconds.  If it has more errors, the others do not follow.
reload = { canary = "3s", requests = 5, max_latency_increase = 0 }

-- rsp -t runs the tests in the file.
test("every path goes to the app", function()
  assert(simulate{ path = "/any" }.upstream == "app")
end)
