-- Authentication by a subrequest, as nginx's auth_request: another service identifies the user.

listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:9001" }
upstream "auth" { "127.0.0.1:9002" }

local function authenticate(req)
  local res, reason = http.get{
    upstream = "auth",
    path = "/check",
    headers = { Authorization = req.headers["Authorization"], ["X-Original-Path"] = req.path },
    timeout = "2s",
  }
  if not res then
    print("auth: " .. reason)
    return respond(503)
  end
  if res.status == 401 then
    return respond{ status = 401, headers = { ["WWW-Authenticate"] = res.headers["WWW-Authenticate"] } }
  elseif res.status ~= 200 then
    return respond(403)
  end
  req.headers["X-User"] = res.headers["X-User"] -- replaces a value from the client
end

route { to = "app", on_request = authenticate }

local function says(status, headers)
  return function() return { status = status, headers = headers, body = "" } end
end

test("a known user goes on, under the name that the service says", function()
  local r = simulate{ headers = { ["X-User"] = "root" }, http = says(200, { ["X-User"] = "ann" }) }
  assert(r.upstream == "app" and r.request.headers["x-user"] == "ann")
end)

test("an unknown user does not", function()
  local r = simulate{ http = says(401, { ["WWW-Authenticate"] = "Bearer" }) }
  assert(r.status == 401 and r.headers["www-authenticate"] == "Bearer" and r.upstream == nil)
  assert(simulate{ http = says(500) }.status == 403)
  assert(simulate{ http = function() end }.status == 503)
end)
