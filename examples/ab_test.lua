-- An A/B test: each variant gets half of the clients.  A cookie keeps a client on its variant, and a field tells the
-- application the variant.

listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:9001" }

local variants = { a = 50, b = 50 }
local counts = shared("ab")

function on_request(req)
  local variant = req.cookies.variant
  if not variants[variant or ""] then
    variant = split(variants, req.client .. (req.headers["User-Agent"] or ""))
    req.ctx.new = true
  end
  req.ctx.variant = variant
  req.headers["X-Variant"] = variant
end

function on_response(req, res)
  if req.ctx.new then
    res.headers:add("Set-Cookie", cookie.build("variant", req.ctx.variant, { path = "/", max_age = 2592000, http_only = true }))
  end
end

function on_log(req, res)
  if res.status < 400 then
    counts.incr(req.ctx.variant .. " " .. req.path, 1, { ttl = "30d" })
  end
end

route { to = "app" }

-- The counts, for clients on this machine.
local function report(req)
  if not ip.matches(req.client, "127.0.0.0/8") then
    return respond(403)
  end
  local found = {}
  for _, key in ipairs(counts.keys()) do
    found[key] = counts.get(key)
  end
  return respond.json(found)
end

route { path = "/-/ab", to = "app", on_request = report }

test("a variant is given once", function()
  local first = simulate{ path = "/buy", client = "192.0.2.1" }
  local given = first.headers["set-cookie"]:match("variant=(%a)")
  assert(first.request.headers["x-variant"] == given)
  local again = simulate{ path = "/buy", client = "192.0.2.99", headers = { Cookie = "variant=" .. given } }
  assert(again.request.headers["x-variant"] == given and not again.headers["set-cookie"])
  assert(json.decode(simulate{ path = "/-/ab" }.body)[given .. " /buy"] == 2)
end)
