-- The words that hooks are written with, beyond req and res: answers, calls that wait, state that is shared, and tools.
--
-- Takes the sandbox, the driver, the objects and the host's services.  Returns the table of answers, which phases.lua
-- reads: each answer is { kind =, ... }, known by the opaque value that the hook returns.

local sandbox, driver, objects, host = ...
local base, library = sandbox.base, sandbox.library
local find, lower, gsub, match, format = string.find, string.lower, string.gsub, string.match, string.format
local byte, concat, sort, floor = string.byte, table.concat, table.sort, math.floor
local fail = sandbox.fail
local error, type, tostring, tonumber, pairs, setmetatable, rawget = error, type, tostring, tonumber, pairs, setmetatable, rawget

local before = {}
for name in pairs(base) do
  before[name] = true
end

-- What a service gives: a value, or nil and why not.
local function sure(value, message)
  if value == nil and message ~= nil then
    fail(message)
  end
  return value
end

local function text(value, what)
  if type(value) == "number" then
    return tostring(value)
  end
  if type(value) ~= "string" then
    fail(what .. ": expected a string, got " .. (value == nil and "nil" or "a " .. type(value)))
  end
  return value
end

local units = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }

local function seconds(value, what)
  if type(value) == "number" and value >= 0 then
    return value
  end
  local number, unit = match(type(value) == "string" and value or "", "^([%d%.]+)(%a*)$")
  number = tonumber(number)
  if number == nil or (unit ~= "" and units[unit] == nil) then
    fail(what .. ': expected seconds, or a text such as "10s" or "5m"')
  end
  return number * (units[unit] or 1)
end

-- Methods that can be called with a dot or a colon: d.get("x") and d:get("x").
local function methods(list)
  local self = newproxy(true)
  local known = {}
  for name, fn in pairs(list) do
    known[name] = function(first, ...)
      if first == self then
        return fn(...)
      end
      return fn(first, ...)
    end
  end
  local meta = getmetatable(self)
  meta.__index, meta.__metatable = known, false
  meta.__newindex = function() fail("this cannot be assigned to") end
  return self
end

-- Long work of the host's is not the hook's own.
local function rested(...)
  driver.rest()
  return ...
end

-- -- json

local null = newproxy(true)
local Null = getmetatable(null)
Null.__tostring, Null.__metatable = function() return "null" end, false
local Array = { __metatable = false }
local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quoted(value)
  return '"' .. gsub(value, '[%z\1-\31"\\\127]', function(c)
    return escapes[c] or format("\\u%04x", byte(c))
  end) .. '"'
end

local function encode(value, out, depth)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = quoted(value)
  elseif kind == "number" then
    if value ~= value or value == 1 / 0 or value == -1 / 0 then
      error("json.encode: " .. tostring(value) .. " is no number in JSON", 0)
    end
    out[#out + 1] = value % 1 == 0 and value < 1e15 and value > -1e15 and format("%d", value) or format("%.17g", value)
  elseif kind == "boolean" or value == null then
    out[#out + 1] = tostring(value)
  elseif kind == "table" then
    if depth > 64 then
      error("json.encode: tables are nested too deep", 0)
    end
    if #value > 0 or debug.getmetatable(value) == Array then
      out[#out + 1] = "["
      for index = 1, #value do
        if index > 1 then out[#out + 1] = "," end
        encode(value[index], out, depth + 1)
      end
      out[#out + 1] = "]"
    else
      local names = {}
      for name in pairs(value) do
        names[#names + 1] = name
      end
      sort(names, function(a, b) return tostring(a) < tostring(b) end)
      out[#out + 1] = "{"
      for index = 1, #names do
        if index > 1 then out[#out + 1] = "," end
        out[#out + 1] = quoted(tostring(names[index])) .. ":"
        encode(value[names[index]], out, depth + 1)
      end
      out[#out + 1] = "}"
    end
  else
    error("json.encode: a " .. kind .. " has no form in JSON", 0)
  end
end

local function to_json(value)
  local out = {}
  local good, message = pcall(encode, value, out, 0)
  if not good then
    fail(message)
  end
  return concat(out)
end

base.json = library("json", {
  null = null,
  array = function(list) return setmetatable(list, Array) end,
  encode = function(value) return to_json(value) end,
  decode = function(source) return rested(host.json_decode(text(source, "json.decode"), null)) end,
})

-- -- answers

local answers = setmetatable({}, { __mode = "k" })

local function answer(content)
  local value = newproxy(true)
  local meta = getmetatable(value)
  meta.__tostring, meta.__metatable = function() return content.kind end, false
  answers[value] = content
  return value
end

-- Field lines, and the Content-Type apart.
local function lines_of(headers)
  local lines, content_type = {}, nil
  if headers ~= nil and type(headers) ~= "table" then
    fail("headers: expected a table")
  end
  for name, value in pairs(headers or {}) do
    local key = objects.key_of(name)
    if objects.reserved[key] then
      fail('headers["' .. name .. '"] is rsp\'s own to write')
    end
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      one = objects.clean(name, one)
      if key == "content-type" then
        content_type = one
      else
        lines[#lines + 1] = name .. ": " .. one .. "\r\n"
      end
    end
  end
  sort(lines)
  return concat(lines), content_type
end

local function status_of(status, what)
  if type(status) ~= "number" or status % 1 ~= 0 or status < 200 or status > 599 then
    fail(what .. ": expected a status from 200 to 599, got " .. tostring(status))
  end
  return status
end

local function responded(status, headers, body)
  local lines, kind = lines_of(headers)
  if type(body) == "table" then
    body, kind = to_json(body), kind or "application/json"
  elseif type(body) == "number" then
    body = tostring(body)
  elseif body ~= nil and type(body) ~= "string" then
    fail("respond: expected a string or a table as body, got a " .. type(body))
  end
  return answer { kind = "respond", status = status_of(status, "respond"), type = kind or "text/plain; charset=utf-8",
                  fields = lines, body = body }
end

local respond = newproxy(true)
local Respond = getmetatable(respond)
Respond.__metatable = false
Respond.__newindex = function() fail("respond cannot be assigned to") end
Respond.__call = function(_, status, body, headers)
  if type(status) == "table" then
    local given = status
    for key in pairs(given) do
      if key ~= "status" and key ~= "headers" and key ~= "body" then
        fail('respond: unknown key "' .. tostring(key) .. '"; there is status, headers, body')
      end
    end
    return responded(given.status or 200, given.headers, given.body)
  end
  return responded(status, headers, body)
end
Respond.__index = {
  json = function(value, status, headers)
    local lines = lines_of(headers)
    return answer { kind = "respond", status = status_of(status or 200, "respond.json"), type = "application/json",
                    fields = lines, body = to_json(value) }
  end,
}
base.respond = respond

function base.redirect(url, status)
  url = gsub(text(url, "redirect"), "[%z\1-\32\127-\255]", function(c) return format("%%%02X", byte(c)) end)
  status = status or 302
  if status ~= 301 and status ~= 302 and status ~= 303 and status ~= 307 and status ~= 308 then
    fail("redirect: expected 301, 302, 303, 307 or 308, got " .. tostring(status))
  end
  return answer { kind = "respond", status = status, type = "text/plain; charset=utf-8",
                  fields = "Location: " .. url .. "\r\n", body = "" }
end

function base.proxy(target)
  if type(target) == "string" then
    return answer { kind = "proxy", upstream = target }
  end
  if type(target) ~= "table" or (target.peer == nil and target.upstream == nil) then
    fail('proxy: expected the name of an upstream, or { peer = "10.0.0.9:80" }')
  end
  return answer { kind = "proxy", upstream = target.upstream, peer = target.peer and text(target.peer, "proxy.peer") }
end

-- -- what waits

function base.sleep(time)
  driver.wait("sleep", seconds(time, "sleep"))
end

function base.parallel(functions)
  if type(functions) ~= "table" then
    fail("parallel: expected a table of functions")
  end
  local results = driver.parallel(functions)
  if functions[1] ~= nil then
    return unpack(results, 1, #functions)
  end
  return results
end

base.dns = library("dns", {
  resolve = function(name, kind) return driver.wait("resolve", text(name, "dns.resolve"), kind or "any") end,
})

local CallHeaders = { __metatable = false, __index = function(headers, name)
  return type(name) == "string" and rawget(headers, lower(name)) or nil
end }

local function reply(status, fields, body)
  if status == nil then
    return nil, fields
  end
  local headers = {}
  for name, value in string.gmatch(fields, "([^:\r\n]+):[ \t]*([^\r]*)\r\n") do
    name, value = lower(name), gsub(value, "[ \t]+$", "")
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  return { status = status, headers = setmetatable(headers, CallHeaders), body = body, ok = status < 400,
           json = function() return rested(host.json_decode(body, null)) end }
end

local call_keys = { url = true, upstream = true, path = true, args = true, headers = true, body = true, json = true,
                    timeout = true, method = true, host = true, max_body = true }

local function build_query(args)
  local parts = {}
  for name, value in pairs(args) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      parts[#parts + 1] = objects.escape(tostring(name)) .. "=" .. objects.escape(tostring(one))
    end
  end
  sort(parts)
  return concat(parts, "&")
end

local function call(method, spec, more)
  if type(spec) == "string" then
    local given = { url = spec }
    for key, value in pairs(more or {}) do
      given[key] = value
    end
    spec = given
  end
  if type(spec) ~= "table" then
    fail("http: expected a URL, or a table such as { upstream = \"auth\", path = \"/check\" }")
  end
  for key in pairs(spec) do
    if not call_keys[key] then
      fail('http: unknown key "' .. tostring(key) .. '"')
    end
  end
  local lines, kind = lines_of(spec.headers)
  local body = spec.body
  if spec.json ~= nil then
    body, kind = to_json(spec.json), kind or "application/json"
  end
  if kind then
    lines = lines .. "Content-Type: " .. kind .. "\r\n"
  end
  local url = text(spec.url or spec.path or (spec.upstream and "/"), "http: url")
  if find(url, "[%z\1-\32\127-\255]") then
    fail("http: spaces, control characters and what is not ASCII have to be encoded in a URL; see url.encode")
  end
  if spec.args then
    url = url .. (find(url, "?", 1, true) and "&" or "?") .. build_query(spec.args)
  end
  local limit = seconds(spec.timeout or 5, "http: timeout")
  local plan = { method = spec.method or method, upstream = spec.upstream, url = url, fields = lines,
                 body = body and text(body, "http: body") or "", timeout = limit, host = spec.host,
                 max_body = spec.max_body or 1048576 }
  return reply(driver.wait("http", plan))
end

base.http = library("http", {
  get = function(spec, more) return call("GET", spec, more) end,
  post = function(spec, more) return call("POST", spec, more) end,
  request = function(spec, more) return call("GET", spec, more) end,
})

-- -- shared state

local function key_text(key)
  if type(key) == "number" then
    key = tostring(key)
  end
  if type(key) ~= "string" or #key > 512 then
    fail("shared: expected a string of up to 512 bytes as key, got " .. (type(key) == "string" and "a longer one"
      or "a " .. type(key)))
  end
  return key
end

local function ttl_of(options)
  if type(options) == "table" then
    options = options.ttl
  end
  return options and seconds(options, "ttl") or 0
end

local dictionaries = {}

local function dictionary(name)
  local prefix = text(name, "shared") .. "\0"
  return methods {
    get = function(key) return sure(host.shared_get(prefix .. key_text(key))) end,
    set = function(key, value, ttl)
      local kind = type(value)
      if value ~= nil and kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
        fail("shared: expected a string, a number or a boolean, got a " .. kind .. " (json.encode makes a string)")
      end
      if value == nil then
        sure(host.shared_delete(prefix .. key_text(key)))
        return true
      end
      return sure(host.shared_set(prefix .. key_text(key), value, ttl_of(ttl), false))
    end,
    add = function(key, value, ttl)
      local kind = type(value)
      if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
        fail("shared: expected a string, a number or a boolean, got a " .. kind .. " (json.encode makes a string)")
      end
      return sure(host.shared_set(prefix .. key_text(key), value, ttl_of(ttl), true))
    end,
    incr = function(key, by, first, ttl)
      if type(first) == "table" then
        first, ttl = first.init, first.ttl
      end
      by = by == nil and 1 or by
      if type(by) ~= "number" or (first ~= nil and type(first) ~= "number") then
        fail("shared: incr adds numbers")
      end
      return sure(host.shared_incr(prefix .. key_text(key), by, first or 0, ttl_of(ttl)))
    end,
    delete = function(key) return sure(host.shared_delete(prefix .. key_text(key))) end,
    keys = function(limit) return sure(host.shared_keys(prefix, limit or 1024)) end,
  }
end

function base.shared(name)
  local known = dictionaries[name]
  if known == nil then
    known = dictionary(name)
    dictionaries[name] = known
  end
  return known
end

local rates, rate_units = {}, { s = 1, m = 60, h = 3600, d = 86400 }

-- Seconds between two requests at a rate.
local function interval_of(rate)
  local known = rates[rate]
  if known == nil then
    local number, unit = match(tostring(rate), "^([%d%.]+)r?/([smhd])$")
    number = tonumber(number)
    if number == nil or number <= 0 then
      fail('limit.rate: rate: expected a text such as "10r/s" or "600r/m", got ' .. tostring(rate))
    end
    known = rate_units[unit] / number
    rates[rate] = known
  end
  return known
end

base.limit = library("limit", {
  rate = function(options)
    local key = options.key
    if type(key) ~= "string" then
      fail("limit.rate: key: expected a string, got " .. (key == nil and "nil" or "a " .. type(key)))
    end
    if #key > 512 then
      key = host.sha256(key)
    end
    local interval = interval_of(options.rate)
    local wait = sure(host.shared_rate("\1" .. (options.name or options.rate) .. "\0" .. key, interval,
      interval * (options.burst or 0), options.cost or 1))
    if wait > 0 then
      return false, wait
    end
    return true
  end,
  conn = function(options)
    local key, max = options.key, options.max
    if type(key) ~= "string" then
      fail("limit.conn: key: expected a string, got " .. (key == nil and "nil" or "a " .. type(key)))
    end
    if type(max) ~= "number" or max < 1 then
      fail("limit.conn: max: expected a number, got " .. tostring(max))
    end
    if #key > 512 then
      key = host.sha256(key)
    end
    return sure(host.hold("\2" .. (options.name or "") .. "\0" .. key, max))
  end,
})

-- -- tools

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
        parts[#parts + 1] = attributes[key] .. "=" .. gsub(tostring(options[key]), "[%z\1-\31\127;]", "")
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
    test = function(subject) return host.regex_test(number, text(subject, "regex.test")) end,
    match = function(subject) return host.regex_match(number, text(subject, "regex.match")) end,
    replace = function(subject, by)
      return host.regex_replace(number, text(subject, "regex.replace"), text(by, "regex.replace"))
    end,
    split = function(subject) return host.regex_split(number, text(subject, "regex.split")) end,
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
      return responded(401, { ["WWW-Authenticate"] = 'Basic realm="' .. realm .. '", charset="UTF-8"' }, nil)
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
  local at = host.share(salt .. "\0" .. tostring(key)) * total
  for _, name in ipairs(names) do
    at = at - shares[name]
    if at < 0 then
      return name
    end
  end
  return names[#names]
end

function base.simulate(request)
  if type(request) ~= "table" then
    fail('simulate: expected a table such as { path = "/api/x" }')
  end
  local response = request.response or {}
  local lines, kind = lines_of(request.headers)
  local response_lines, response_kind = lines_of(response.headers)
  local plan = {
    method = request.method or (request.body and "POST" or "GET"), path = request.path or "/",
    host = request.host or "localhost", client = request.client or "127.0.0.1", body = request.body or "",
    fields = kind and lines .. "Content-Type: " .. kind .. "\r\n" or lines,
    status = response.status or 200, response_body = response.body or "",
    response_fields = response_kind and response_lines .. "Content-Type: " .. response_kind .. "\r\n" or response_lines,
    http = request.http,
  }
  local result = driver.wait("simulate", plan)
  local answer_ = reply(result.status, result.fields, result.body)
  local sent = result.peer_fields and reply(0, result.peer_fields, result.peer_body) or {}
  return { upstream = result.upstream, peer = result.peer, route = result.route, status = result.status,
           headers = answer_.headers, body = result.body, hooks = result.hooks, log = result.log,
           request = { method = result.peer_method, path = result.peer_target, headers = sent.headers or {},
                       body = sent.body, host = sent.headers and sent.headers.host } }
end

-- A file may have variables of these names, as files had before there were hooks.
sandbox.tools = {}
for name in pairs(base) do
  sandbox.tools[name] = not before[name]
end

return answers
