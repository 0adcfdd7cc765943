-- Sessions that several instances of rsp share, in Redis or Valkey: a user who logs in at one node is logged in at all
-- nodes.
-- An application writes a session when a user logs in (SET sessions:TOKEN alice EX 3600); rsp reads it for each
-- request and sends the user to the application.  While the store is not available, rsp uses values of the last minute.
-- See docs/many-nodes.md.

listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:9001" }
store "main" { "redis://127.0.0.1:6379/0", timeout = "300ms" }
-- store "main" { "redis+sentinel://10.0.0.5:26379,10.0.0.6:26379,10.0.0.7:26379/mymaster/0",
--   username = "rsp", password_file = "/etc/rsp/redis-password" }

local sessions = shared("sessions", { store = "main" })
local seen = shared("seen")  -- this instance's own memory

local function user_of(token)
  local user, reason = sessions.get(token)
  if reason then
    return seen.get(token), reason
  elseif user then
    seen.set(token, user, "1m")
  end
  return user
end

route { path = "/login", to = "app" }

route {
  path = "/logout", to = "app",
  on_request = function(req)
    local token = req.cookies.session
    if token then
      seen.delete(token)
      sessions.delete(token)
    end
  end,
}

route {
  to = "app",
  on_request = function(req)
    req.headers["X-User"] = nil  -- a client must not set this field
    local token = req.cookies.session
    local user, reason = nil, nil
    if token and #token <= 128 then
      user, reason = user_of(token)
    end
    if reason and not user then
      return respond{ status = 503, headers = { ["Retry-After"] = 5 }, body = "please try again\n" }
    elseif not user then
      return redirect "/login"
    end
    req.headers["X-User"] = user
  end,
}

test("a session is known until it is over", function()
  local headers = { Cookie = "session=t1" }
  assert(simulate{ path = "/cart", headers = headers }.status == 302)
  sessions.set("t1", "alice", "1h")
  local r = simulate{ path = "/cart", headers = headers }
  assert(r.upstream == "app" and r.request.headers["x-user"] == "alice")
  simulate{ path = "/logout", headers = headers }
  assert(simulate{ path = "/cart", headers = headers }.status == 302)
end)

test("the store is not available", function()
  sessions.set("t2", "bob")
  local known, new = { Cookie = "session=t2" }, { Cookie = "session=t3" }
  assert(simulate{ path = "/cart", headers = known }.upstream == "app")
  assert(simulate{ path = "/cart", headers = known, store = false }.request.headers["x-user"] == "bob")
  assert(simulate{ path = "/cart", headers = new, store = false }.status == 503)
end)
