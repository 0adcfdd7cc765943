-- JSON Web Tokens: signature, expiry, audience and issuer are verified here; backends see only the user's name.
-- This is for a secret that the issuer and rsp share.  For public keys, use auth = { jwt = ... } in a route:
-- see gateway.lua.

listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:9001" }

local key = os.getenv("JWT_KEY") or "a secret of 32 bytes or more, for HS256"

local function verify(req)
  local claims, reason = jwt.verify(req.headers["Authorization"], key, {
    algorithms = { "HS256" }, -- with RS256 or ES256 the key is the public one, in PEM
    audience = "shop",
  })
  if not claims then
    return respond{ status = 401, headers = { ["WWW-Authenticate"] = 'Bearer error="invalid_token"' }, body = reason .. "\n" }
  end
  req.headers["Authorization"] = nil
  req.headers["X-User"] = claims.sub
end

route { to = "app", on_request = verify }
route { path = "/public/", to = "app" }

-- Tokens of the tests: header.claims.signature
local function token(claims)
  local function part(value)
    return base64.encode_url(json.encode(value))
  end
  local text = part{ alg = "HS256", typ = "JWT" } .. "." .. part(claims)
  local raw = hmac.sha256(key, text):gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end)
  return "Bearer " .. text .. "." .. base64.encode_url(raw)
end

test("a good token", function()
  local r = simulate{ headers = { Authorization = token{ sub = "ann", aud = "shop", exp = os.time() + 60 } } }
  assert(r.upstream == "app" and r.request.headers["x-user"] == "ann" and not r.request.headers["authorization"])
end)

test("bad tokens", function()
  assert(simulate{}.status == 401)
  assert(simulate{ headers = { Authorization = token{ sub = "ann", aud = "shop", exp = os.time() - 60 } } }.status == 401)
  assert(simulate{ headers = { Authorization = token{ sub = "ann", aud = "bank" } } }.status == 401)
  assert(simulate{ headers = { Authorization = token{ sub = "ann", aud = "shop" } .. "x" } }.status == 401)
  assert(simulate{ path = "/public/logo.png" }.status == 200)
end)
