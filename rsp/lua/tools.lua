-- Tools: codecs, signatures, cookies, time, tokens, addresses, patterns, users, shares.

local sandbox, driver, objects, host, help = ...
local base, library, fail = sandbox.base, sandbox.library, sandbox.fail
local sure, text, methods, rested, build_query = help.sure, help.text, help.methods, help.rested, help.build_query
local find, lower, gsub, match, concat = string.find, string.lower, string.gsub, string.match, table.concat
local sort, floor = sandbox.sort, math.floor
local counted, left = driver.counted, driver.left
local type, tostring, pairs, ipairs = type, tostring, pairs, ipairs

base.base64 = library("base64", {
  encode = function(value) return host.base64_encode(text(value, "base64.encode"), false) end,
  decode = function(value) return host.base64_decode(text(value, "base64.decode")) end,
  encode_url = function(value) return host.base64_encode(text(value, "base64.encode_url"), true) end,
})

function base.sha256(value)
  return host.sha256(text(value, "sha256"))
end

base.hmac = library("hmac", {
  sha256 = function(key, value)
    return host.hmac_sha256(text(key, "hmac.sha256: key"), text(value, "hmac.sha256"))
  end,
  equal = function(a, b) return host.equal(text(a, "hmac.equal"), text(b, "hmac.equal")) end,
})

base.url = library("url", {
  encode = function(value) return objects.escape(text(value, "url.encode")) end,
  decode = function(value) return objects.unescape(text(value, "url.decode")) end,
  build_query = build_query,
  parse_query = function(query)
    local found = {}
    for pair in string.gmatch(text(query, "url.parse_query"), "[^&]+") do
      local name, value = match(pair, "^([^=]*)=(.*)$")
      name = objects.unescape(name or pair)
      found[name] = found[name] or {}
      found[name][#found[name] + 1] = objects.unescape(value or "")
    end
    return found
  end,
})

local attributes = { path = "Path", domain = "Domain", max_age = "Max-Age", expires = "Expires", same_site = "SameSite" }

base.cookie = library("cookie", {
  parse = function(value) return objects.cookies_of(text(value, "cookie.parse")) end,
  build = function(name, value, options)
    if not find(text(name, "cookie.build"), "^[%w!#%$%%&'%*%+%-%.%^_`|~]+$")
        or find(text(value, "cookie.build"), "[%z\1-\32\127;,\"\\]") then
      fail("cookie.build: this cannot stand in a cookie; see url.encode")
    end
    local parts = { name .. "=" .. value }
    local given = {}
    for key in pairs(options or {}) do given[#given + 1] = key end
    sort(given)
    for _, key in ipairs(given) do
      if attributes[key] then
        parts[#parts + 1] = attributes[key] .. "=" .. gsub(sandbox.text_of(options[key]), "[%z\1-\31\127;]", "")
      elseif key == "secure" or key == "http_only" then
        if options[key] then parts[#parts + 1] = key == "secure" and "Secure" or "HttpOnly" end
      else
        fail('cookie.build: unknown key "' .. tostring(key) .. '"')
      end
    end
    return concat(parts, "; ")
  end,
})

base.time = library("time", {
  now = function() return host.now() end,
  monotonic = function() return host.monotonic() end,
  http = function(value) return host.http_date(value or host.now()) end,
  iso = function(value) return base.os.date("!%Y-%m-%dT%H:%M:%SZ", floor(value or host.now())) end,
})

base.jwt = library("jwt", {
  verify = function(token, key, options)
    if type(key) == "table" then
      options, key = key, key.key or key.secret
    end
    options = options or {}
    local algorithms = options.algorithms or options.algorithm or options.alg
    if type(algorithms) == "table" then
      algorithms = concat(algorithms, ",")
    end
    if type(token) ~= "string" then
      return nil, "no token"
    end
    return rested(host.jwt_verify((gsub(token, "^[Bb]earer +", "")), text(key, "jwt.verify: key"), algorithms or "HS256",
      options.audience or "", options.issuer or "", options.leeway or 0))
  end,
})

base.ip = library("ip", {
  set = function(list)
    list = type(list) == "table" and list or { list }
    local number = sure(host.networks(concat(list, ",")))
    return methods { has = function(address) return host.in_networks(number, text(address, "ip.set")) end }
  end,
  matches = function(address, network)
    return host.in_networks(sure(host.networks(text(network, "ip.matches"))), text(address, "ip.matches"))
  end,
})

function base.regex(pattern, flags)
  local number = sure(host.regex(text(pattern, "regex"), flags or ""))
  return methods {
    test = function(subject) return sure(host.regex_test(number, text(subject, "regex.test"))) end,
    match = function(subject) return sure(host.regex_match(number, text(subject, "regex.match"))) end,
    replace = function(subject, by)
      return counted(host.regex_replace(number, text(subject, "regex.replace"), text(by, "regex.replace"), left()))
    end,
    split = function(subject) return counted(host.regex_split(number, text(subject, "regex.split"), left())) end,
  }
end

-- Users from an htpasswd file, which is read while the configuration is loaded.
function base.basic_auth(options)
  if type(options) == "string" then
    options = { file = options }
  end
  local source, message = sandbox.read_beside(options.file)
  if source == nil then
    fail("basic_auth: " .. tostring(message))
  end
  local number = sure(host.htpasswd(source))
  local realm = gsub(options.realm or "restricted", '[%z\1-\31"\\\127]', "")
  return methods {
    user = function(req)
      local scheme, given = match(req.headers["authorization"] or "", "^(%a+) +([%w+/=]+)$")
      if not scheme or lower(scheme) ~= "basic" then
        return nil
      end
      return driver.wait("password", number, given)
    end,
    ask = function()
      return help.responded(401, { ["WWW-Authenticate"] = 'Basic realm="' .. realm .. '", charset="UTF-8"' }, nil)
    end,
  }
end

-- The same share of clients gets the same answer each time: split{ a = 90, b = 10 }.
function base.split(shares, key)
  local names, total = {}, 0
  for name, share in pairs(shares) do
    if type(share) ~= "number" or share < 0 then
      fail("split: expected a share for each name, as in  split{ a = 90, b = 10 }")
    end
    names[#names + 1], total = name, total + share
  end
  sort(names, function(a, b) return tostring(a) < tostring(b) end)
  if total <= 0 then
    fail("split: the shares are 0 in all")
  end
  key = key or (driver.current and objects.req.client)
  if key == nil then
    fail("split: expected a key, because there is no client here")
  end
  local salt = concat(names, ",")
  local at = host.share(salt .. "\0" .. sandbox.text_of(key)) * total
  for _, name in ipairs(names) do
    at = at - shares[name]
    if at < 0 then
      return name
    end
  end
  return names[#names]
end
