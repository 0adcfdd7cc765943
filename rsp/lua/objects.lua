-- req and res as hooks see them.
--
-- There is one of each, and it stands for the request that the code which runs now works for: its state is the driver's
-- current one, which no Lua of the user's can reach, so every assignment is checked and nothing outlives its request.
-- Whatever is not touched is not decoded.
--
-- State of a request: method, target, host, client, ctx, changed; of its response: status, body, filter, changed.
-- "changed": the names of what a hook has assigned and the host does not know yet; nil: nothing.  Fields stay with the
-- host, which is asked for each.

local sandbox, driver, host = ...
local find, lower, match, byte, concat = string.find, string.lower, string.match, string.byte, table.concat
local fail = sandbox.fail
local type, tostring, pairs, ipairs, next = type, tostring, pairs, ipairs, next

local REQUEST, RESPONSE = "request", "response"
local objects = {}

local function assign(s, name, value)
  s[name] = value
  local changed = s.changed
  if changed then
    changed[name] = true
  else
    s.changed = { [name] = true }
  end
end

local function request_now()
  local s = driver.current
  if not s then
    fail("there is no request here")
  end
  if s.method == nil then
    s.method, s.target, s.host, s.client = host.describe()
  end
  return s
end

local function response_now()
  local s = driver.current
  local r = s and s.response
  if not r then
    fail("there is no response here")
  end
  return r
end

local here = { assign = assign, request_now = request_now }
local fields = sandbox.room("fields", sandbox, driver, host, here)
local opaque = fields.opaque
local targets = sandbox.room("targets", driver, here)
local split_target, join_target = targets.split, targets.join
local bags = sandbox.room("bags", sandbox, driver, host, here, fields, targets)
local args, cookies, log = bags.args, bags.cookies, bags.log

-- -- req

local request_headers = fields.headers_of(REQUEST, request_now)
local response_headers = fields.headers_of(RESPONSE, response_now)

local tls  -- req.tls
local proxy  -- req.proxy

local getters = {
  method = function(s) return s.method end,
  target = function(s) return s.target end,
  path = function(s)
    if s.path == nil then
      local path = split_target(s)
      if path == "*" then
        path = "/"
      elseif find(path, "%", 1, true) or find(path, "//", 1, true) or find(path, "/.", 1, true)
          or find(path, "\\", 1, true) then
        driver.charge(#path * 6)
        path = host.normalise(path)
      end
      s.path = path
    end
    return s.path
  end,
  query = function(s)
    local _, query = split_target(s)
    return query or ""
  end,
  args = function() return args end,
  headers = function() return request_headers end,
  cookies = function() return cookies end,
  log = function() return log end,
  host = function(s)
    local name = lower(s.host)
    if byte(name) == 91 then
      return match(name, "^%[[^%]]*%]") or name
    end
    return match(match(name, "^[^:]*"), "^.*[^.]") or ""
  end,
  client = function(s) return s.client end,
  scheme = function() return host.about("scheme") end,
  listener = function() return host.about("listener") end,
  user = function() return host.about("user") end,
  id = function() return host.about("id") end,
  tls = function() return host.about("tls") and tls or nil end,
  proxy = function() return host.about("proxy") and proxy or nil end,
  upstream = function() return host.about("upstream") end,
  peer = function() return host.about("peer") end,
  ctx = function(s)
    local ctx = s.ctx
    if ctx == nil then
      ctx = {}
      s.ctx = ctx
    end
    return ctx
  end,
  body = function(s)
    return function()
      if s.body == nil then
        s.body = driver.wait("body")
      end
      return s.body
    end
  end,
}

local function set_host(s, value)
  if type(value) ~= "string" or #value > 261
      or not (find(value, "^[%w%.%-_]+:?%d*$") or find(value, "^%[[%x:%.]+%]:?%d*$")) then
    fail("req.host: expected a host name, with or without a port")
  end
  assign(s, "host", value)
end

here.set_host = function(value) set_host(request_now(), value) end

local setters = {
  method = function(s, value)
    if type(value) ~= "string" or #value > 64 or not find(value, "^[%u%d%-_]+$") or value == "CONNECT" then
      fail("req.method: expected a method such as \"GET\"")
    end
    if value == "HEAD" or s.method == "HEAD" then
      fail("req.method cannot change from or to HEAD, whose responses have no body")
    end
    assign(s, "method", value)
  end,
  path = function(s, value)
    if type(value) ~= "string" or byte(value) ~= 47 then
      fail("req.path: expected a path that begins with /")
    end
    local _, query = split_target(s)
    s.path = nil
    join_target(s, targets.encoded_path(value), query)
    assign(s, "path_set", true)
  end,
  query = function(s, value)
    if value ~= nil and (type(value) ~= "string" or driver.charge(#value) or find(value, "[%z\1-\32#\127-\255]")) then
      fail("req.query: expected a string without spaces or control characters; see url.build_query")
    end
    local path = split_target(s)
    s.args = nil
    join_target(s, path, value ~= "" and value or nil)
  end,
  host = set_host,
  body = function(s, value)
    if type(value) ~= "string" then
      fail("req.body: expected a string")
    end
    assign(s, "body", value)
  end,
}

local function names(of)
  local list = {}
  for name in pairs(of) do
    list[#list + 1] = name
  end
  sandbox.sort(list)
  return concat(list, ", ")
end

local function object_of(what, now, getters_, setters_)
  local Object = { __metatable = false }
  function Object.__index(_, key)
    local getter = getters_[key]
    if getter == nil then
      fail(what .. "." .. tostring(key) .. ": unknown field; known: " .. names(getters_))
    end
    return getter(now())
  end
  function Object.__newindex(_, key, value)
    local setter = setters_[key]
    if setter == nil and not next(setters_) then
      fail(what .. " is read-only")
    elseif setter == nil then
      fail(what .. "." .. tostring(key) .. " is read-only; these can be assigned: " .. names(setters_)
        .. (what == "req" and ".  For values of your own there is req.ctx" or ""))
    end
    setter(now(), value)
  end
  return opaque(Object)
end

local of_tls = {}
for _, name in ipairs { "version", "cipher", "sni", "alpn", "resumed", "verified", "subject", "issuer", "sans", "serial",
                        "fingerprint", "not_after" } do
  local key = "tls." .. name
  of_tls[name] = function() return host.about(key) end
end
tls = object_of("req.tls", request_now, of_tls, {})

local of_proxy = {}
for _, name in ipairs { "address", "source", "destination", "alpn", "authority", "unique_id", "ssl_version",
                        "ssl_cipher", "ssl_cn", "ssl_verified" } do
  local key = "proxy." .. name
  of_proxy[name] = function() return host.about(key) end
end
for number = 0xe0, 0xef do  -- for each vendor's own use
  local name = string.format("tlv_0x%02x", number)
  local key = "proxy." .. name
  of_proxy[name] = function() return host.about(key) end
end
proxy = object_of("req.proxy", request_now, of_proxy, {})

objects.req = object_of("req", request_now, getters, setters)

-- -- res

local function set_filter(s, value)
  s.filter = value
  assign(s, "filtered", true)
end

objects.res = object_of("res", response_now, {
  status = function(s) return s.status end,
  headers = function() return response_headers end,
  body = function(s)
    if s.body == nil then
      if s.over then
        fail("res.body is no longer available")
      end
      s.body = driver.wait("response_body")
    end
    return s.body
  end,
  filter = function(s) return s.filter end,
  own = function() return host.about("own") end,
  sent = function() return host.about("sent") end,
  duration = function() return host.about("duration") end,
}, {
  status = function(s, value)
    if type(value) ~= "number" or value % 1 ~= 0 or value < 200 or value > 599 then
      fail("res.status: expected a number from 200 to 599")
    end
    assign(s, "status", value)
  end,
  body = function(s, value)
    if type(value) == "function" then
      set_filter(s, value)
      return
    end
    if type(value) ~= "string" then
      fail("res.body: expected a string, or a function for each chunk")
    end
    assign(s, "body", value)
  end,
  filter = function(s, value)
    if type(value) ~= "function" then
      fail("res.filter: expected a function(chunk, last) that returns what is to be sent")
    end
    set_filter(s, value)
  end,
})

-- -- their life

local live = {}  -- states by the host's number, while later phases may want them

function objects.state(id)
  local s = live[id]
  if s == nil then
    s = {}
    live[id] = s
  end
  return s
end

function objects.release(id)
  live[id] = nil
end

objects.escape, objects.unescape, objects.cookies_of = targets.escape, targets.unescape, bags.cookies_of
objects.clean, objects.reserved, objects.key_of = fields.clean, fields.reserved, fields.key_of
return objects
