-- Serve clients by address and by country.  The CDN in front of rsp reports the country; rsp accepts the field only
-- from the CDN.

listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:9001" }

local cdn = { "198.51.100.0/24", "127.0.0.0/8" }
trusted = cdn -- req.client is then the client's address, which the CDN reports in X-Forwarded-For

local office = ip.set{ "203.0.113.0/24", "2001:db8:1::/48" }
local countries = { AT = true, CH = true, DE = true }

local function office_only(req)
  if not office.has(req.client) then
    return respond(403, "this is for the office\n")
  end
end

local function by_country(req)
  local country = req.headers["CF-IPCountry"]
  if not countries[country or ""] and not office.has(req.client) then
    return respond(451, "not in your country\n")
  end
end

route { to = "app", on_request = by_country }
route { path = "/admin/", to = "app", on_request = office_only }

test("the office", function()
  assert(simulate{ path = "/admin/", headers = { ["X-Forwarded-For"] = "203.0.113.9" } }.status == 200)
  assert(simulate{ path = "/admin/", headers = { ["X-Forwarded-For"] = "192.0.2.1" } }.status == 403)
  assert(simulate{ path = "/admin/", client = "192.0.2.1", headers = { ["X-Forwarded-For"] = "203.0.113.9" } }.status == 403)
end)

test("countries", function()
  assert(simulate{ headers = { ["CF-IPCountry"] = "CH" } }.status == 200)
  assert(simulate{ headers = { ["CF-IPCountry"] = "XX" } }.status == 451)
end)
