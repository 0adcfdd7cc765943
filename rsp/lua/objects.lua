-- req and res as hooks see them.
--
-- Both are empty tables; what they stand for is a state that only this file can reach, so every assignment is checked
-- and nothing outlives its request.  Whatever is not touched is not decoded.
--
-- State of a request: method, target, host, fields (the field lines, each with its CRLF), client, ctx, changed;
-- of a response: status, fields, body, filter, changed.  "changed" is a sum of the bits below.

local sandbox, driver, host = ...
local find, sub, lower, gsub, match = string.find, string.sub, string.lower, string.gsub, string.match
local byte, char, format, concat = string.byte, string.char, string.format, table.concat
local error, type, tostring, tonumber, setmetatable, pairs, next = error, type, tostring, tonumber, setmetatable, pairs, next

local METHOD, TARGET, HOST, FIELDS, BODY, STATUS, FILTER, PATH = 1, 2, 4, 8, 16, 32, 64, 128
local objects = {}
local states = {}   -- by object
local function add(s, bit_)
  if s.changed % (bit_ + bit_) < bit_ then
    s.changed = s.changed + bit_
  end
end

local function state_of(object)
  local s = states[object]
  if s == nil then
    error("this request is over; what is to outlive it belongs into shared(...)", 3)
  end
  if s.method == nil and s.status == nil then
    s.method, s.target, s.host, s.fields, s.client = host.describe(s.id)
  end
  return s
end

-- -- fields

-- Name as given -> what to look for in a lowered block, and the name in lower case; false for what is no name.
local keys, keys_count = {}, 0

local function key_of(name)
  local key = keys[name]
  if key == nil then
    if type(name) ~= "string" or not find(name, "^[%w!#%$%%&'%*%+%-%.%^_`|~]+$") then
      error(tostring(name) .. " is no name of a field", 3)
    end
    if keys_count > 1000 then
      keys, keys_count = {}, 0
    end
    key = { "\n" .. lower(name) .. ":", lower(name) }
    keys[name] = key
    keys_count = keys_count + 1
  end
  return key
end

-- Blocks come again and again: what they look like in lower case is remembered.
local lowered_blocks, lowered_count = {}, 0

local function lowered(s)
  local fields = s.fields
  local low = lowered_blocks[fields]
  if low == nil then
    low = "\n" .. lower(fields)
    if s.changed % (FIELDS + FIELDS) < FIELDS and #fields <= 2048 then
      if lowered_count >= 256 then
        lowered_blocks, lowered_count = {}, 0
      end
      lowered_blocks[fields] = low
      lowered_count = lowered_count + 1
    end
  end
  return low
end

local function trimmed(text, from, to)
  while from <= to do
    local c = byte(text, from)
    if c ~= 32 and c ~= 9 then break end
    from = from + 1
  end
  while to >= from do
    local c = byte(text, to)
    if c ~= 32 and c ~= 9 then break end
    to = to - 1
  end
  return sub(text, from, to)
end

-- Rules of rsp's own: framing and the connection are not for hooks to write; a request knows some fields apart.
local reserved = { connection = true, ["content-length"] = true, ["keep-alive"] = true, ["proxy-connection"] = true,
                   te = true, trailer = true, ["transfer-encoding"] = true, upgrade = true }
local apart = { host = true, ["content-length"] = true, ["transfer-encoding"] = true, connection = true,
                upgrade = true, te = true, expect = true, ["x-request-id"] = true, forwarded = true,
                ["x-forwarded-for"] = true, ["x-forwarded-proto"] = true, ["x-forwarded-host"] = true }

local function all(s, key, first_only)
  local low, fields, values = lowered(s), s.fields, nil
  local from, colon = find(low, key[1], 1, true)
  while from do
    local stop = find(low, "\r", colon, true)
    local value = trimmed(fields, colon, stop - 2)
    if values == nil then
      if first_only then
        return value
      end
      values = { value }
    else
      values[#values + 1] = value
    end
    from, colon = find(low, key[1], stop, true)
  end
  return values
end

local function get(s, name)
  local key = key_of(name)
  local low, fields = lowered(s), s.fields
  local from, colon = find(low, key[1], 1, true)
  if from == nil then
    if s.method then
      if key[2] == "host" then
        return s.host
      end
      return apart[key[2]] and host.field(s.id, key[2]) or nil
    end
    return apart[key[2]] and host.response_field(s.id, key[2]) or nil
  end
  local stop = find(low, "\r", colon, true)
  local value = trimmed(fields, colon, stop - 2)
  if find(low, key[1], stop, true) and key[2] ~= "set-cookie" then
    return concat(all(s, key), key[2] == "cookie" and "; " or ", ")
  end
  return value
end

local function clean(name, value)
  if type(value) == "number" then
    value = tostring(value)
  elseif type(value) ~= "string" then
    error('headers["' .. name .. '"]: expected a string, got a ' .. type(value), 4)
  end
  if find(value, "[%z\1-\8\10-\31\127]") then
    error('headers["' .. name .. '"]: a control character or line break in the value', 4)
  end
  return value
end

local function without(s, key)
  local low, fields = lowered(s), s.fields
  local from, colon = find(low, key[1], 1, true)
  if from == nil then
    return fields
  end
  local kept, last = {}, 1
  while from do
    local stop = find(low, "\r", colon, true)
    kept[#kept + 1] = sub(fields, last, from - 1)
    last = stop + 1
    from, colon = find(low, key[1], stop, true)
  end
  kept[#kept + 1] = sub(fields, last)
  return concat(kept)
end

local function writable(s, name)
  local key = key_of(name)
  if reserved[key[2]] then
    error('headers["' .. name .. '"] is rsp\'s own to write', 4)
  end
  return key
end

local function set(s, name, value)
  local key = writable(s, name)
  if s.method and key[2] == "host" then
    objects.set_host(s, value)
    return
  end
  if s.method and apart[key[2]] then
    s.set = s.set or {}
    s.set[key[2]] = true
  end
  local lines
  if type(value) == "table" then
    lines = {}
    for index = 1, #value do
      lines[index] = name .. ": " .. clean(name, value[index]) .. "\r\n"
    end
    lines = concat(lines)
  elseif value ~= nil then
    lines = name .. ": " .. clean(name, value) .. "\r\n"
  end
  local kept = without(s, key)
  s.fields = lines and kept .. lines or kept
  add(s, FIELDS)
end

local methods = {}
function methods.all(headers, name)
  local s = state_of(headers)
  local found = all(s, key_of(name))
  if found == nil then
    local value = get(s, name)
    found = value and { value } or {}
  end
  return found
end
function methods.add(headers, name, value)
  local s = state_of(headers)
  writable(s, name)
  s.fields = s.fields .. name .. ": " .. clean(name, value) .. "\r\n"
  add(s, FIELDS)
end

local function each(text, position)
  local from, to, name, value = find(text, "^([^:]+):[ \t]*([^\r]*)\r\n", position[1])
  if from == nil then
    return nil
  end
  position[1] = to + 1
  return name, (gsub(value, "[ \t]+$", ""))
end

local Headers = { __metatable = false }
function Headers.__index(headers, name)
  local method = methods[name]
  if method then
    return method
  end
  return get(state_of(headers), name)
end
function Headers.__newindex(headers, name, value)
  set(state_of(headers), name, value)
end
function Headers.__pairs(headers)
  local text, position = state_of(headers).fields, { 1 }
  return function() return each(text, position) end
end

-- -- what is in a target

local function unescape(text)
  if find(text, "[%%+]") then
    text = gsub(gsub(text, "+", " "), "%%(%x%x)", function(hex) return char(tonumber(hex, 16)) end)
  end
  return text
end

local function escape(text)
  return (gsub(text, "[^%w%-%._~]", function(c) return format("%%%02X", byte(c)) end))
end
objects.escape, objects.unescape = escape, unescape

local function split_target(s)
  local at = find(s.target, "?", 1, true)
  if at then
    return sub(s.target, 1, at - 1), sub(s.target, at + 1)
  end
  return s.target, nil
end

local function join_target(s, path, query)
  s.target = query and path .. "?" .. query or path
  add(s, TARGET)
end

local function args_of(query)
  local args = {}
  if query then
    for pair in string.gmatch(query, "[^&]+") do
      local name, value = match(pair, "^([^=]*)=(.*)$")
      name = unescape(name or pair)
      if args[name] == nil then
        args[name] = unescape(value or "")
      end
    end
  end
  return args
end
objects.args_of = args_of

-- Args and cookies: tables of text that are made when they are touched, and written back when they are changed.
local function bag(read, write)
  local Bag = { __metatable = false }
  function Bag.__index(object, name)
    return read(state_of(object))[name]
  end
  function Bag.__newindex(object, name, value)
    local s = state_of(object)
    if type(name) ~= "string" or (value ~= nil and type(value) ~= "string" and type(value) ~= "number") then
      error("expected a name and a string", 2)
    end
    write(s, read(s), name, value ~= nil and tostring(value) or nil)
  end
  function Bag.__pairs(object)
    return next, read(state_of(object)), nil
  end
  return Bag
end

local Args = bag(function(s)
  if s.args == nil then
    local _, query = split_target(s)
    s.args = args_of(query)
  end
  return s.args
end, function(s, args, name, value)
  local path, query = split_target(s)
  local kept = {}
  for pair in string.gmatch(query or "", "[^&]+") do
    if unescape(match(pair, "^[^=]*")) ~= name then
      kept[#kept + 1] = pair
    end
  end
  if value then
    kept[#kept + 1] = escape(name) .. "=" .. escape(value)
  end
  args[name] = value
  join_target(s, path, kept[1] and concat(kept, "&") or nil)
end)

local function cookies_of(text)
  local cookies = {}
  for pair in string.gmatch(text or "", "[^;]+") do
    local name, value = match(pair, "^[ \t]*([^=]-)[ \t]*=[ \t]*(.-)[ \t]*$")
    if name and cookies[name] == nil then
      cookies[name] = match(value, '^"(.*)"$') or value
    end
  end
  return cookies
end
objects.cookies_of = cookies_of

local Cookies = bag(function(s)
  if s.cookies == nil then
    s.cookies = cookies_of(get(s, "cookie"))
  end
  return s.cookies
end, function(s, cookies, name, value)
  if not find(name, "^[%w!#%$%%&'%*%+%-%.%^_`|~]+$") or (value and find(value, "[%z\1-\32\127;,\"\\]")) then
    error("this cannot stand in a cookie; see url.encode", 3)
  end
  cookies[name] = value
  local pairs_ = {}
  for key, content in pairs(cookies) do
    pairs_[#pairs_ + 1] = key .. "=" .. content
  end
  table.sort(pairs_)
  set(s, "Cookie", pairs_[1] and concat(pairs_, "; ") or nil)
end)

-- -- req

local function proxy(meta, slot)
  return function(s)
    local object = s[slot]
    if object == nil then
      object = setmetatable({}, meta)
      states[object] = s
      s[slot] = object
    end
    return object
  end
end

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
  args = proxy(Args, "args_object"),
  headers = proxy(Headers, "headers_object"),
  cookies = proxy(Cookies, "cookies_object"),
  host = function(s)
    local name = lower(s.host)
    if byte(name) == 91 then
      return match(name, "^%[[^%]]*%]") or name
    end
    return (gsub(match(name, "^[^:]*"), "%.+$", ""))
  end,
  client = function(s) return s.client end,
  scheme = function(s) return host.about(s.id, "scheme") end,
  id = function(s) return host.about(s.id, "id") end,
  tls = function(s) return host.about(s.id, "tls") end,
  upstream = function(s) return host.about(s.id, "upstream") end,
  peer = function(s) return host.about(s.id, "peer") end,
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
        s.body = driver.wait("body", s.id)
      end
      return s.body
    end
  end,
}

local function encoded_path(path)
  return (gsub(path, "[^%w%-%._~!%$&'%(%)%*%+,;=:@/]", function(c) return format("%%%02X", byte(c)) end))
end

function objects.set_host(s, value)
  if type(value) ~= "string" or not find(value, "^[%w%.%-_:%[%]]+$") then
    error("req.host: expected a host name, with or without a port", 4)
  end
  s.host = value
  add(s, HOST)
end

local setters = {
  method = function(s, value)
    if type(value) ~= "string" or not find(value, "^[%u%d%-_]+$") or value == "CONNECT" then
      error("req.method: expected a method such as \"GET\"", 3)
    end
    if value == "HEAD" or s.method == "HEAD" then
      error("req.method cannot change from or to HEAD, whose answers have no body", 3)
    end
    s.method = value
    add(s, METHOD)
  end,
  path = function(s, value)
    if type(value) ~= "string" or byte(value) ~= 47 then
      error("req.path: expected a path that begins with /", 3)
    end
    local _, query = split_target(s)
    s.path = nil
    join_target(s, encoded_path(value), query)
    add(s, PATH)
  end,
  query = function(s, value)
    if value ~= nil and (type(value) ~= "string" or find(value, "[%z\1-\32#\127-\255]")) then
      error("req.query: expected a string without spaces or control characters; see url.build_query", 3)
    end
    local path = split_target(s)
    s.args = nil
    join_target(s, path, value ~= "" and value or nil)
  end,
  host = function(s, value) objects.set_host(s, value) end,
  body = function(s, value)
    if type(value) ~= "string" then
      error("req.body: expected a string", 3)
    end
    s.body = value
    add(s, BODY)
  end,
}

local function names(of)
  local list = {}
  for name in pairs(of) do
    list[#list + 1] = name
  end
  table.sort(list)
  return concat(list, ", ")
end

local function object_of(what, getters_, setters_)
  local Object = { __metatable = false }
  function Object.__index(object, key)
    local getter = getters_[key]
    if getter == nil then
      error(what .. "." .. tostring(key) .. ": there is " .. names(getters_), 2)
    end
    return getter(state_of(object))
  end
  function Object.__newindex(object, key, value)
    local setter = setters_[key]
    if setter == nil then
      error(what .. "." .. tostring(key) .. " cannot be assigned; what can: " .. names(setters_)
        .. (what == "req" and ".  For values of your own there is req.ctx" or ""), 2)
    end
    setter(state_of(object), value)
  end
  return Object
end

local Req = object_of("req", getters, setters)

-- -- res

local Res = object_of("res", {
  status = function(s) return s.status end,
  headers = proxy(Headers, "headers_object"),
  body = function(s)
    if s.body == nil then
      if s.over then
        error("res.body is gone by now", 3)
      end
      s.body = driver.wait("response_body", s.id)
    end
    return s.body
  end,
  filter = function(s) return s.filter end,
  sent = function(s) return host.about(s.id, "sent") end,
  duration = function(s) return host.about(s.id, "duration") end,
}, {
  status = function(s, value)
    if type(value) ~= "number" or value % 1 ~= 0 or value < 200 or value > 599 then
      error("res.status: expected a number from 200 to 599", 3)
    end
    s.status = value
    add(s, STATUS)
  end,
  body = function(s, value)
    if type(value) == "function" then
      s.filter = value
      add(s, FILTER)
      return
    end
    if type(value) ~= "string" then
      error("res.body: expected a string, or a function for each chunk", 3)
    end
    s.body = value
    add(s, BODY)
  end,
  filter = function(s, value)
    if type(value) ~= "function" then
      error("res.filter: expected a function(chunk, last) that returns what is to be sent", 3)
    end
    s.filter = value
    add(s, FILTER)
  end,
})

-- -- their life

local live = {}  -- requests by the host's number, while later phases may want them

function objects.request(id, method, target, host_name, fields, client)
  local req = setmetatable({}, Req)
  local s = { id = id, method = method, target = target, host = host_name, fields = fields, client = client,
              changed = 0, object = req }
  states[req] = s
  return req, s
end

function objects.of(id)
  local s = live[id]
  if s == nil then
    local _
    _, s = objects.request(id)
    live[id] = s
  end
  return s
end

function objects.keep(s)
  live[s.id] = s
end

local function forget(s)
  states[s.object] = nil
  if s.headers_object then states[s.headers_object] = nil end
  if s.args_object then states[s.args_object] = nil end
  if s.cookies_object then states[s.cookies_object] = nil end
end
objects.forget = forget

function objects.response(id, status, fields)
  local res = setmetatable({}, Res)
  local s = { id = id, status = status, fields = fields, changed = 0, object = res }
  states[res] = s
  return res, s
end

function objects.release(id)
  local s = live[id]
  if s then
    live[id] = nil
    forget(s)
    if s.response then
      forget(s.response)
    end
  end
end

objects.bits = { METHOD = METHOD, TARGET = TARGET, HOST = HOST, FIELDS = FIELDS, BODY = BODY, STATUS = STATUS,
                 FILTER = FILTER, PATH = PATH }
objects.clean, objects.reserved, objects.key_of = clean, reserved, key_of
return objects
