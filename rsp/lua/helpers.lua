-- What the rooms of words have in common.  Takes the sandbox, the driver and the host.

local sandbox, driver, host = ...
local fail, text_of = sandbox.fail, sandbox.text_of
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
    return text_of(value)
  end
  if type(value) ~= "string" then
    fail(what .. ": expected a string, got " .. (value == nil and "nil" or "a " .. type(value)))
  end
  if #value > 1024 then
    driver.watch(#value * 2)  -- it is long for what will be done with it
  end
  return value
end

-- A number for the host, which knows no infinity and nothing that is not a number.
local function within(value, what, least, most)
  if type(value) ~= "number" or not (value >= least and value <= most) then
    fail(what .. ": expected a number from " .. least .. " to " .. most .. ", got " .. tostring(value))
  end
  return value
end

local units = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }

local function seconds(value, what)
  local number = value
  if type(value) == "string" and #value < 32 then
    local digits, unit = match(value, "^([%d%.]+)(%a*)$")
    digits = tonumber(digits)
    number = digits and digits * (unit == "" and 1 or units[unit] or 0 / 0)
  end
  if type(number) ~= "number" or not (number >= 0 and number <= 1e9) then
    fail(what .. ': expected seconds, up to 1e9, or a text such as "10s" or "5m"')
  end
  return number
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

-- Work in proportion to a text is charged before it is done; rate: instructions for a byte.
local function charged(value, rate)
  driver.charge(#value * rate, #value)
  return value
end

-- Work that cannot be known before is charged by the time that it took.
local function taken(began, ...)
  driver.charge((host.clock() - began) * 1e8)
  driver.rest()
  return ...
end

local function timed(service)
  return function(...)
    return taken(host.clock(), service(...))
  end
end

return { sure = sure, text = text, within = within, seconds = seconds, methods = methods, charged = charged, timed = timed }
