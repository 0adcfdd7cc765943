-- Tools: codecs, signatures, cookies, time, tokens, addresses, patterns, users, shares.

local sandbox, driver, objects, host, help = ...
local base, library, fail = sandbox.base, sandbox.library, sandbox.fail
local sure, text, methods, charged, timed = help.sure, help.text, help.methods, help.charged, help.timed
local build_query, unpacked = help.build_query, help.unpacked
local find, lower, gsub, match, concat = string.find, string.lower, string.gsub, string.match, table.concat
local sort, floor = sandbox.sort, math.floor
local counted, left = driver.counted, driver.left
local type, tostring, pairs, ipairs = type, tostring, pairs, ipairs
local DIGEST = 0.3  -- instructions for a byte
local LONGEST_TOKEN = 65536

base.base64 = library("base64", {
  encode = function(value) return host.base64_encode(charged(text(value, "base64.encode"), 0.3), false) end,
  decode = function(value) return host.base64_decode(charged(text(value, "base64.decode"), 0.6)) end,
  encode_url = function(value) return host.base64_encode(charged(text(value, "base64.encode_url"), 0.4), true) end,
})

function base.sha256(value)
  return host.sha256(charged(text(value, "sha256"), DIGEST))
end

base.hmac = library("hmac", {
  sha256 = function(key, value)
    return host.hmac_sha256(charged(text(key, "hmac.sha256: key"), DIGEST), charged(text(value, "hmac.sha256"), DIGEST))
  end,
  equal = function(a, b) return host.equal(charged(text(a, "hmac.equal"), 0.2), text(b, "hmac.equal")) end,
})

base.url = library("url", {
  encode = function(value) return objects.escape(text(value, "url.encode")) end,
  decode = function(value) return objects.unescape(text(value, "url.decode")) end,
  build_query = build_query,
  parse_query = function(query)
    local found = {}
    for pair in string.gmatch(charged(text(query, "url.parse_query"), 1), "[^&]+") do
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
    if not find(charged(text(name, "cookie.build"), 2), "^[%w!#%$%%&'%*%+%-%.%^_`|~]+$")
        or find(charged(text(value, "cookie.build"), 1), "[%z\1-\32\127;,\"\\]") then
      fail("cookie.build: this is not allowed in a cookie; use url.encode")
    end
    local parts = { name .. "=" .. value }
    local given = {}
    for key in pairs(options or {}) do given[#given + 1] = key end
    sort(given)
    for _, key in ipairs(given) do
      if attributes[key] then
        parts[#parts + 1] = attributes[key] .. "=" .. gsub(charged(sandbox.text_of(options[key]), 1), "[%z\1-\31\127;]", "")
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

-- A library that is imported when it is first used: a second of every start is too much for what few configurations need.
local imported = {}

local function needs(name)
  if not imported[name] then
    host.import(name)
    imported[name] = true
    driver.rest()
  end
end

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
    if #token > LONGEST_TOKEN then
      return nil, "the token is too long"
    end
    needs("jwt")
    driver.charge(10000 + 5 * #token, 2 * #token)
    local claims, message = host.jwt_verify((gsub(token, "^[Bb]earer +", "")), text(key, "jwt.verify: key"),
      algorithms or "HS256", options.audience or "", options.issuer or "", options.leeway or 0)
    if claims == nil then
      return nil, message
    end
    return unpacked(claims)
  end,
})

-- Sets and patterns that are made while the file is loaded have a number; others are known by their text, and are made again
-- when the host has forgotten them.
local function price_of(known, rate)
  return type(known) == "string" and #known * rate or 0
end

local function networks(list, what)
  return sure(host.networks(charged(text(list, what), 50)))
end

local function in_networks(known, address, what)
  driver.charge(200 + price_of(known, 50))
  return host.in_networks(known, text(address, what))
end

base.ip = library("ip", {
  set = function(list)
    local known = networks(type(list) == "table" and concat(list, ",") or list, "ip.set")
    return methods { has = function(address) return in_networks(known, address, "ip.set") end }
  end,
  matches = function(address, network) return in_networks(networks(network, "ip.matches"), address, "ip.matches") end,
})

function base.regex(pattern, flags)
  needs("re2")
  local known, cost = host.regex(charged(text(pattern, "regex"), 100), flags or "")
  if known == nil then
    fail(cost)
  end
  local function watched(subject, what)
    subject = text(subject, what)
    driver.watch(#subject * cost)
    return subject
  end
  return methods {
    test = function(subject) return sure(host.regex_test(known, watched(subject, "regex.test"))) end,
    match = function(subject) return sure(host.regex_match(known, watched(subject, "regex.match"))) end,
    replace = function(subject, by)
      return counted(host.regex_replace(known, text(subject, "regex.replace"), text(by, "regex.replace"), left()))
    end,
    split = function(subject) return counted(host.regex_split(known, text(subject, "regex.split"), left())) end,
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
    fail("split: all shares are 0")
  end
  key = key or (driver.current and objects.req.client)
  if key == nil then
    fail("split: expected a key, because there is no client here")
  end
  local salt = concat(names, ",")
  local at = host.share(charged(salt .. "\0" .. sandbox.text_of(key), DIGEST)) * total
  for _, name in ipairs(names) do
    at = at - shares[name]
    if at < 0 then
      return name
    end
  end
  return names[#names]
end
