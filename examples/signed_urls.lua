-- Signed URLs: /files/x?expires=1735689600&signature=... is valid until that time, for any client that has the URL.
-- Make a signed URL:  /-/sign?path=/files/x, from this machine.

listen "127.0.0.1:8000"
upstream "files" { "127.0.0.1:9001" }

local secret = os.getenv("URL_SECRET") or "change me"
local lifetime = 3600

local function signature(path, expires)
  return hmac.sha256(secret, path .. "\n" .. expires)
end

local function check(req)
  local expires = tonumber(req.args.expires)
  local given = req.args.signature
  if not expires or not given then
    return respond(403, "a signature is needed\n")
  end
  if not hmac.equal(given, signature(req.path, req.args.expires)) then
    return respond(403, "the signature is wrong\n")
  end
  if expires < time.now() then
    return respond(410, "this link has expired\n")
  end
  req.args.expires, req.args.signature = nil, nil
end

local function sign(req)
  if not ip.matches(req.client, "127.0.0.0/8") then
    return respond(403)
  end
  local path = req.args.path or "/files/"
  local expires = string.format("%d", math.floor(time.now()) + (tonumber(req.args.lifetime) or lifetime))
  return respond(200, path .. "?" .. url.build_query{ expires = expires, signature = signature(path, expires) } .. "\n")
end

route { path = "/files/", to = "files", on_request = check }
route { path = "/-/sign", to = "files", on_request = sign }

test("a link that was signed", function()
  local link = simulate{ path = "/-/sign?path=/files/report.pdf" }.body:gsub("%s", "")
  local r = simulate{ path = link .. "&page=2" }
  assert(r.upstream == "files" and r.request.path == "/files/report.pdf?page=2")
  assert(simulate{ path = (link:gsub("report", "salary")) }.status == 403)
  assert(simulate{ path = "/files/report.pdf" }.status == 403)
end)

test("a link that is old", function()
  local link = simulate{ path = "/-/sign?path=/files/report.pdf&lifetime=-1" }.body:gsub("%s", "")
  assert(simulate{ path = link }.status == 410)
end)
