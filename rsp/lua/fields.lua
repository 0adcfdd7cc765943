-- Header fields as hooks see them: one object for the request's, one for the response's.  They stay with the host, which
-- is asked for each.  Takes the sandbox, the driver, the host, and a table of what objects.lua has: now, set_host.

local sandbox, driver, host, here = ...
local fail = sandbox.fail
local find, gsub, lower, sub, concat = string.find, string.gsub, string.lower, string.sub, table.concat
local type, tostring, pairs = type, tostring, pairs
local get_field, set_field = host.get_field, host.set_field
local REQUEST, RESPONSE = "request", "response"

-- Userdata, because rawset and the like cannot write into it.
local function opaque(meta)
  local object = newproxy(true)
  local own = getmetatable(object)
  for key, value in pairs(meta) do
    own[key] = value
  end
  return object
end

-- Name as given -> in lower case.
local keys, keys_count = {}, 0
local LONGEST = 64  -- bytes of a name that is remembered

local function key_of(name)
  local key = keys[name]
  if key == nil then
    if type(name) ~= "string" or #name > 1000 or not find(name, "^[%w!#%$%%&'%*%+%-%.%^_`|~]+$") then
      fail(sub(tostring(name), 1, 100) .. " is not a valid field name")
    end
    key = lower(name)
    if #name <= LONGEST then
      if keys_count > 1000 then
        keys, keys_count = {}, 0
      end
      keys[name] = key
      keys_count = keys_count + 1
    end
  end
  return key
end

-- Framing and the connection are not for hooks to write.
local reserved = { connection = true, ["content-length"] = true, ["keep-alive"] = true, ["proxy-connection"] = true,
                   te = true, trailer = true, ["transfer-encoding"] = true, upgrade = true }
for _, name in ipairs { "content-length", "keep-alive", "proxy-connection", "transfer-encoding" } do
  for _, dash in ipairs { "_", "." } do  -- CGI-like backends take them for the same
    reserved[gsub(name, "%-", dash)] = true
  end
end

local CONTROL = "[%z\1-\8\10-\31\127]"

local function has_control(value)
  if #value > 1000 then
    driver.charge(#value)
  end
  return find(value, CONTROL) ~= nil
end

local function clean(name, value)
  if type(value) == "number" then
    value = sandbox.text_of(value)
  elseif type(value) ~= "string" then
    fail('headers["' .. name .. '"]: expected a string, got a ' .. type(value))
  end
  if has_control(value) then
    fail('headers["' .. name .. '"]: the value contains a control character or a line break')
  end
  return value
end

local function set(which, name, value)
  local key = keys[name] or key_of(name)
  if type(value) == "string" and not reserved[key] and key ~= "host" and not has_control(value) then
    set_field(which, key, name .. ": " .. value .. "\r\n")  -- what most do
    return
  end
  if reserved[key] then
    fail('headers["' .. name .. '"] is set by rsp itself')
  end
  if key == "host" and which == REQUEST then
    here.set_host(value)
  elseif type(value) == "table" then
    local lines = {}
    for index = 1, #value do
      lines[index] = name .. ": " .. clean(name, value[index]) .. "\r\n"
    end
    set_field(which, key, concat(lines))
  elseif value == nil then
    set_field(which, key, "")
  else
    set_field(which, key, name .. ": " .. clean(name, value) .. "\r\n")
  end
end

-- Names and values in turn.
local function each_of(list)
  local at = -1
  return function()
    at = at + 2
    return list[at], list[at + 1]
  end
end

local function headers_of(which, check)
  local methods = {}
  function methods.all(_, name)
    check()
    return host.all_fields(which, key_of(name))
  end
  function methods.add(_, name, value)
    check()
    local key = key_of(name)
    if reserved[key] then
      fail('headers["' .. name .. '"] is set by rsp itself')
    end
    host.add_field(which, key, name .. ": " .. clean(name, value) .. "\r\n")
  end
  local Headers = { __metatable = false }
  function Headers.__index(_, name)
    local method = methods[name]
    if method then
      return method
    end
    local s = driver.current
    if not s or (which == RESPONSE and not s.response) then
      check()
    end
    return get_field(which, name)
  end
  function Headers.__newindex(_, name, value)
    check()
    set(which, name, value)
  end
  function Headers.__pairs()
    check()
    return each_of(host.each_field(which))
  end
  return opaque(Headers)
end

return { opaque = opaque, key_of = key_of, reserved = reserved, clean = clean, set = set, headers_of = headers_of }
