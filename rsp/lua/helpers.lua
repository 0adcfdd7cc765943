-- What the rooms of words have in common.  Takes the sandbox and the driver.

local sandbox, driver = ...
local fail = sandbox.fail
local type, tostring, tonumber, pairs, match = type, tostring, tonumber, pairs, string.match

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

return { sure = sure, text = text, seconds = seconds, methods = methods, rested = rested }
