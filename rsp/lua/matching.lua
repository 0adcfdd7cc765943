-- find, match, gmatch and gsub.  What a pattern may cost is known from its form and the size of the text: what is cheap is
-- left to Lua's own matcher, what may take long to patterns.py, which counts its steps.
--
-- Takes the sandbox, the driver and the host.  Returns the functions, and text(value, position, name): an argument as text.

local sandbox, driver, host = ...
local fail, watch, charge, counted, left = sandbox.fail, driver.watch, driver.charge, driver.counted, driver.left
local byte, sub, raw_find, raw_gsub = string.byte, string.sub, string.find, string.gsub
local concat, type, tostring, tonumber, select = table.concat, type, tostring, tonumber, select
local floor, ceil, sqrt, huge = math.floor, math.ceil, math.sqrt, math.huge
local getmetatable = debug.getmetatable
local functions = {}

-- Text as C takes it.
local function text(value, position, name)
  if type(value) == "string" then
    return value
  elseif type(value) == "number" then
    return tostring(value)
  end
  fail("bad argument #" .. position .. " to '" .. name .. "' (string expected, got " .. (value == nil and "no value"
    or type(value)) .. ")")
end

-- What a pattern may cost: for a text of n bytes, at most cost times as many steps as there are ways to divide n between
-- its repetitions, of which there are "power", and the place where it begins.
--   small, big   up to these sizes of the text it is not worth counting; it is short enough for C
local shapes, shape_count = {}, 0
local SHORT, LONG = 2000, 4e6  -- steps, of some two to five nanoseconds: 10 us, 20 ms

-- From p on, what is behind the ] of a set.
local function set_end(pattern, p)
  if byte(pattern, p) == 94 then
    p = p + 1
  end
  repeat
    local char = byte(pattern, p)
    p = p + (char == 37 and 2 or 1)
  until char == nil or byte(pattern, p) == 93
  return p + 1
end

-- The largest n for which there are at most so many ways: n + power over power of them.
local function largest(ways, power)
  if ways < 1 then
    return -1
  elseif power == 0 then
    return huge
  elseif power == 1 then
    return ways - 1
  elseif power == 2 then
    return sqrt(2 * ways) - 2
  end
  local n, found = 0, 1
  repeat
    n = n + 1
    found = found * (n + power) / n
  until found > ways
  return n - 1
end

local function new_shape(pattern)
  local p, power, cost, fixed, longest = 1, 1, 1, 1, 1
  local set = 1  -- the largest one
  if byte(pattern) == 94 then
    p, power = 2, 0
  end
  while true do
    local char = byte(pattern, p)
    if char == nil then
      break
    end
    local following = byte(pattern, p + 1)
    if char == 37 then
      p = p + 2
      if following == 98 then  -- %b
        power, p = power + 1, p + 2
      elseif following and following >= 48 and following <= 57 then  -- %1
        power = power + 1
      end
    elseif char == 91 then
      local after = set_end(pattern, p + 1)
      if after - p > set then set = after - p end
      p = after
    else
      p = p + 1
    end
    local suffix = byte(pattern, p)
    if suffix == 42 or suffix == 43 or suffix == 45 then
      power, fixed, p = power + 1, 0, p + 1
    elseif suffix == 63 then
      cost, p = cost * 2, p + 1
    end
    fixed = fixed + 1
    if fixed > longest then longest = fixed end
  end
  cost = cost * longest * set
  return { plain = not raw_find(pattern, "[%^%$%*%+%?%.%(%[%%%-]"), power = power, cost = cost,
           small = largest(SHORT / cost, power), big = largest(LONG / cost, power) }
end

-- What a call may cost, in units of ten nanoseconds.
local function work_of(shape, size)
  local power = shape.power
  if power > 2 then
    return LONG / 4  -- the clock will tell
  end
  return shape.cost * (power == 2 and size * size / 2 or power == 1 and size or 1) / 4
end

local function shape_of(pattern)
  local shape = new_shape(pattern)
  if #pattern <= 128 then
    if shape_count >= 500 then
      shapes, shape_count = {}, 0
    end
    shapes[pattern], shape_count = shape, shape_count + 1
  end
  return shape
end

local function truncated(number)
  return number < 0 and ceil(number) or floor(number)
end

-- Where to begin, as a number from 1 to the size and one more.
local function start_of(init, size)
  init = truncated(tonumber(init) or 1)
  if init < 0 then
    init = size + init + 1
  end
  return init >= 1 and (init <= size and init or size + 1) or 1
end

local function place(first, ...)
  if first == nil then
    return nil
  end
  return first, ...
end

local function find(s, pattern, init, plain)
  if type(s) ~= "string" or type(pattern) ~= "string" then
    s, pattern = text(s, 1, "find"), text(pattern, 2, "find")
  end
  local shape, size = shapes[pattern] or shape_of(pattern), #s
  if size <= shape.small then
    return raw_find(s, pattern, init, plain)
  elseif plain or shape.plain then
    if size * #pattern > LONG then
      watch(size / 2)
      return place(host.find(s, pattern, start_of(init, size)))
    end
    watch(size * #pattern / 8)
    return raw_find(s, pattern, init, true)
  elseif size <= shape.big then
    watch(work_of(shape, size))
    return raw_find(s, pattern, init)
  end
  return place(counted(host.search(s, pattern, start_of(init, size), left())))
end
functions.find = find

local function captured(s, first, last, ...)
  if first == nil then
    return nil
  elseif select("#", ...) == 0 then
    return sub(s, first, last)
  end
  return ...
end

local raw_match, raw_gmatch = string.match, string.gmatch

function functions.match(s, pattern, init)
  if type(s) ~= "string" or type(pattern) ~= "string" then
    s, pattern = text(s, 1, "match"), text(pattern, 2, "match")
  end
  if #s <= (shapes[pattern] or shape_of(pattern)).small then
    return raw_match(s, pattern, init)
  end
  return captured(s, find(s, pattern, init))
end

-- Behind a match: an empty one is not met again.
local function behind(first, last)
  return last >= first and last + 1 or first + 1
end

function functions.gmatch(s, pattern)
  s, pattern = text(s, 1, "gmatch"), text(pattern, 2, "gmatch")
  if #s <= (shapes[pattern] or shape_of(pattern)).small then
    return raw_gmatch(s, pattern)
  end
  if byte(pattern) == 94 then  -- is no anchor here
    pattern = "%" .. pattern
  end
  local at = 1
  local function go_on(first, last, ...)
    at = first and behind(first, last) or #s + 2
    return captured(s, first, last, ...)
  end
  return function()
    if at <= #s + 1 then
      return go_on(find(s, pattern, at))
    end
  end
end

-- What stands for a match in gsub's result: of a text with %1 and the like.
local function expanded(by, whole, ...)
  local captures, count = { ... }, select("#", ...)
  local size = #by
  local made = raw_gsub(by, "%%(.?)", function(char)
    local number = tonumber(char)
    if number == nil then
      return char
    end
    local capture = number == 0 and whole or captures[number]
    if number == 1 and count == 0 then
      capture = whole
    elseif capture == nil then
      fail("invalid capture index in replacement string")
    end
    size = size + #tostring(capture)
    charge(1, size)
    return capture
  end)
  return made
end

local function replacement(by, kind, whole, ...)
  local value
  if kind == "string" then
    return expanded(by, whole, ...)
  elseif kind == "table" then
    local key = ...
    if select("#", ...) == 0 then key = whole end
    value = by[key]
  elseif select("#", ...) == 0 then
    value = by(whole)
  else
    value = by(...)
  end
  if not value then
    return whole
  elseif type(value) ~= "string" and type(value) ~= "number" then
    fail("invalid replacement value (a " .. type(value) .. ")")
  end
  return tostring(value)
end

local function replaced(s, pattern, by, kind, most)
  local out, pieces, size, at, count = {}, 0, 0, 1, 0
  local constant = kind == "string" and not raw_find(by, "%", 1, true)
  local anchored = byte(pattern) == 94
  local function take(first, last, ...)
    if first == nil then
      return false
    end
    local piece = constant and by or replacement(by, kind, sub(s, first, last), ...)
    out[pieces + 1], out[pieces + 2], pieces = sub(s, at, first - 1), piece, pieces + 2
    size = size + #piece
    at = last + 1
    if last < first then
      out[pieces + 1], pieces = sub(s, first, first), pieces + 1
      at = first + 1
    end
    return not anchored
  end
  while count < most and at <= #s + 1 do
    local before = pieces
    local more = take(find(s, pattern, at))
    if pieces > before then count = count + 1 end
    if not more then break end
  end
  out[pieces + 1] = sub(s, at)
  charge((#s + size) / 64, #s + size)
  return concat(out), count
end

function functions.gsub(s, pattern, by, most)
  s, pattern = text(s, 1, "gsub"), text(pattern, 2, "gsub")
  local kind = type(by)
  if kind == "number" then
    by, kind = tostring(by), "string"
  elseif kind ~= "string" and kind ~= "table" and kind ~= "function" then
    fail("bad argument #3 to 'gsub' (string/function/table expected, got " .. (by == nil and "no value" or kind) .. ")")
  end
  local shape, size = shapes[pattern] or shape_of(pattern), #s
  if size <= shape.big and size <= 131072 and (kind == "string" and (size + 1) * (#by + 8) <= 1e6
      or kind == "table" and getmetatable(by) == nil) then
    if size > 64 then
      watch(work_of(shape, size) + size * 5)
    end
    return raw_gsub(s, pattern, by, most)
  end
  return replaced(s, pattern, by, kind, most and truncated(tonumber(most) or 0) or huge)
end

return { functions = functions, text = text }
