-- Remove and set fields in both directions.

listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:9001" }

local internal = regex("^x-(internal|debug)-", "i")

function on_request(req)
  for name in pairs(req.headers) do
    if internal.test(name) then
      req.headers[name] = nil -- only backends may set these fields
    end
  end
  req.cookies.tracking = nil
end

function on_response(_, res)
  res.headers["Server"] = nil
  res.headers["X-Powered-By"] = nil
  res.headers["X-Content-Type-Options"] = "nosniff"
  res.headers["Strict-Transport-Security"] = "max-age=31536000"
  local cookies = res.headers:all("Set-Cookie")
  for index, value in ipairs(cookies) do
    if not value:lower():find("samesite") then
      cookies[index] = value .. "; SameSite=Lax"
    end
  end
  res.headers["Set-Cookie"] = cookies
end

route { to = "app" }

test("requests", function()
  local r = simulate{ headers = { ["X-Internal-User"] = "root", Cookie = "a=1; tracking=x", ["X-Other"] = "1" } }
  local sent = r.request.headers
  assert(not sent["x-internal-user"] and sent["cookie"] == "a=1" and sent["x-other"] == "1")
end)

test("responses", function()
  local r = simulate{ response = { headers = { Server = "secret/1.0", ["Set-Cookie"] = "a=1" } } }
  assert(not r.headers["server"] and r.headers["x-content-type-options"] == "nosniff")
  assert(r.headers["set-cookie"] == "a=1; SameSite=Lax")
end)
