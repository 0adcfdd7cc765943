-- Forward authentication: another service decides which requests are served: Authelia for two sites, and oauth2-proxy
-- for a third site.  Check it and run its tests:  rsp -t examples/forward-auth.lua

listen "127.0.0.1:8000"

upstream "app" { "127.0.0.1:9001" }
upstream "wiki" { "127.0.0.1:9002" }
upstream "grafana" { "127.0.0.1:9003" }
upstream "authelia" { "127.0.0.1:9091" }
upstream "oauth2_proxy" { "127.0.0.1:4180" }

-- Authelia: a user who is not logged in is redirected to the portal, which is one of the sites.
local authelia = {
  forward = "authelia",
  path = "/api/authz/forward-auth",
  copy = { "Remote-User", "Remote-Groups", "Remote-Name", "Remote-Email" },
}
route { host = "auth.example.com", to = "authelia" }
route { host = "app.example.com", to = "app", auth = authelia }
route { host = "wiki.example.com", to = "wiki", auth = authelia }
route { host = "app.example.com", exact = "/healthz", to = "app" } -- without authentication

-- oauth2-proxy, started with  --reverse-proxy --set-xauthrequest --upstream=static://202
route { host = "grafana.example.com", path = "/oauth2/", to = "oauth2_proxy" }
route {
  host = "grafana.example.com",
  to = "grafana",
  auth = { forward = "oauth2_proxy", path = "/", copy = { "X-Auth-Request-User", "X-Auth-Request-Email" } },
}

local function says(status, headers)
  return function(call)
    assert(call.upstream == "authelia" and call.url == "/api/authz/forward-auth")
    return { status = status, headers = headers }
  end
end

test("a user is let in, under the name that Authelia says", function()
  local r = simulate{
    host = "app.example.com",
    headers = { ["remote_user"] = "root", ["Remote-Groups"] = "admins" },
    http = says(200, { ["Remote-User"] = "ann" }),
  }
  assert(r.upstream == "app" and r.status == 200)
  assert(r.request.headers["remote-user"] == "ann" and not r.request.headers["remote-groups"])
end)

test("others see the portal", function()
  local r = simulate{ host = "wiki.example.com", http = says(302, { Location = "https://auth.example.com/?rd=x" }) }
  assert(r.status == 302 and r.headers["location"] == "https://auth.example.com/?rd=x")
  assert(r.upstream == "authelia" and not r.request.method, "the wiki was not asked")
end)

test("without Authelia there is no way in", function()
  assert(simulate{ host = "app.example.com", http = function() end }.status == 503)
  assert(simulate{ host = "app.example.com", path = "/healthz", http = function() end }.status == 200)
end)

test("oauth2-proxy has its own pages", function()
  local r = simulate{ host = "grafana.example.com", path = "/oauth2/sign_in", http = function() end }
  assert(r.upstream == "oauth2_proxy" and r.status == 200)
end)
