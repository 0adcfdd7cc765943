-- The standard libraries as user code has them.  No hook can stop a C function, and jumping out of one is not safe.  So
-- no function of this room and of matching.lua works for long: its arguments are bounded, what it may cost is counted
-- before it is called (driver.watch, driver.charge), and what C cannot bound is done in Lua, or by the host.  And none of
-- them calls Lua from C, which could go on until the C stack is full: gsub's functions, __tostring, __index and the like
-- are called from here.
--
-- Takes the sandbox, the driver and the host.

local sandbox, driver, host = ...
local base, library, fail = sandbox.base, sandbox.library, sandbox.fail
local watch, charge = driver.watch, driver.charge
local raw_format, concat = string.format, table.concat
local raw_insert, raw_remove, raw_sort = table.insert, table.remove, table.sort
local type, tostring, tonumber, select, unpack, next, pcall = type, tostring, tonumber, select, unpack, next, pcall
local rawget, rawset, error, floor, pairs = rawget, rawset, error, math.floor, pairs
local getmetatable, getinfo = debug.getmetatable, debug.getinfo

local matching = sandbox.room("matching", sandbox, driver, host)
local text = matching.text
local SMALL = 1024  -- bytes, or items: what C does with fewer is not worth counting

local function copy(from, names)
  local to = {}
  for name in string.gmatch(names, "%S+") do
    to[name] = from[name]
  end
  return to
end

-- -- texts

local strings = copy(string, "byte char len sub")
for name, fn in pairs(matching.functions) do
  strings[name] = fn
end

for _, name in ipairs { "lower", "upper", "reverse" } do
  local raw = string[name]
  strings[name] = function(s)
    if type(s) == "string" and #s > SMALL then
      watch(#s / 4)
    end
    return raw(s)
  end
end

function strings.rep(s, n, separator)
  s, n = text(s, 1, "rep"), tonumber(n) or fail("bad argument #2 to 'rep' (number expected)")
  separator = separator and text(separator, 3, "rep") or ""
  local size = (#s + #separator) * n
  if not (size > 0) then
    return ""
  elseif size > SMALL then
    charge(size / 64, size)
  end
  if separator == "" or n < 2 then
    return string.rep(s, n)
  end
  return string.rep(s .. separator, n - 1) .. s
end

-- Nothing that C would call Lua for, and short.
local function simple(value)
  local kind = type(value)
  return kind == "number" or kind == "string" and #value < SMALL
end

function strings.format(pattern, ...)
  local count, first, second = select("#", ...), ...
  if count <= 2 and simple(pattern) and simple(first) and (count == 1 or simple(second)) then
    return raw_format(pattern, ...)
  end
  local given, size = { ... }, #text(pattern, 1, "format")
  for index = 1, count do
    local value = given[index]
    local kind = type(value)
    if kind == "table" or kind == "userdata" then
      value = tostring(value)
      given[index], kind = value, type(value)
    end
    if kind == "string" then
      size = size + #value
    end
  end
  if size > SMALL or count > 8 then
    watch(count * 100)
    charge(size / 16, size)
  end
  return raw_format(pattern, unpack(given, 1, count))
end

function base.tonumber(value, ...)
  if type(value) == "string" and #value > 64 then
    charge(#value / 8)
  end
  return tonumber(value, ...)
end

-- -- tables

local tables = copy(table, "getn move")

local function list_of(list, name)
  if type(list) ~= "table" then
    fail("bad argument #1 to '" .. name .. "' (table expected, got " .. (list == nil and "no value" or type(list)) .. ")")
  end
  return list
end

function tables.insert(list, ...)
  if select("#", ...) == 2 then
    local position, size = tonumber((...)), #list_of(list, "insert")
    if position and not (position >= 1 and position <= 2 ^ 53) then
      fail("bad argument #2 to 'insert' (position out of bounds)")
    elseif position and position > size then
      rawset(list, floor(position), (select(2, ...)))
      return
    elseif position and size - position > SMALL then
      watch((size - position) / 2)
    end
  end
  return raw_insert(list, ...)
end

function tables.remove(list, ...)
  local size = #list_of(list, "remove")
  if size > SMALL and select("#", ...) > 0 then
    watch(size)
  end
  return raw_remove(list, ...)
end

function tables.concat(list, separator, first, last)
  local size = #list_of(list, "concat")
  if size > 64 then
    watch(size * 5)
  end
  return concat(list, separator, first, last)
end

function tables.maxn(list)
  local most = 0
  for key in next, list_of(list, "maxn") do
    if type(key) == "number" and key > most then
      most = key
    end
  end
  return most
end

function tables.foreach(list, fn)
  for key, value in next, list_of(list, "foreach") do
    local result = fn(key, value)
    if result ~= nil then
      return result
    end
  end
end

function tables.foreachi(list, fn)
  for index = 1, #list_of(list, "foreachi") do
    local result = fn(index, list[index])
    if result ~= nil then
      return result
    end
  end
end

-- The order that makes C's quicksort quadratic cannot be had on purpose when the list is shuffled first.
local seed = (os.time() + floor(os.clock() * 1e6)) % 2147483646 + 1

local function shuffle(list, size)
  for index = size, 2, -1 do
    seed = seed * 16807 % 2147483647
    local other = seed % index + 1
    list[index], list[other] = list[other], list[index]
  end
end

local sorting = false
local unwound = sandbox.late.unwound

function sandbox.late.unwound()
  sorting = false
  unwound()
end

function tables.sort(list, before)
  local size = #list_of(list, "sort")
  if before ~= nil and type(before) ~= "function" then
    fail("bad argument #2 to 'sort' (function expected, got " .. type(before) .. ")")
  elseif sorting then  -- its comparisons are called from C
    fail("table.sort cannot be called from a comparison of table.sort")
  end
  if before and getinfo(before, "S").what == "C" then  -- nothing would look at the clock
    local compare = before
    before = function(a, b) return (compare(a, b)) end
  end
  if size > 16 and before == nil then
    shuffle(list, size)
    watch(size * 40)
  end
  sorting = true
  local good, message = pcall(raw_sort, list, before)
  sorting = false
  if not good then
    error(message, 0)
  end
end

-- -- the clock

local clock = copy(os, "clock difftime getenv")

function clock.date(format, ...)
  if #(format == nil and "" or text(format, 1, "date")) > 256 then
    fail("bad argument #1 to 'date' (longer than 256 bytes)")
  end
  return os.date(format, ...)
end

function clock.time(fields)
  if type(fields) ~= "table" then
    return os.time(fields)
  end
  return os.time { year = rawget(fields, "year"), month = rawget(fields, "month"), day = rawget(fields, "day"),
                   hour = rawget(fields, "hour"), min = rawget(fields, "min"), sec = rawget(fields, "sec"),
                   isdst = rawget(fields, "isdst") }
end

-- As tostring, but with all digits of a whole number: it gives fourteen, so 10^15 and 10^15 + 1 would be one key.
function sandbox.text_of(value)
  if type(value) == "number" and value % 1 == 0 and value >= -2 ^ 53 and value <= 2 ^ 53 then
    return raw_format("%.0f", value)
  end
  return tostring(value)
end

sandbox.sort = tables.sort  -- for the other rooms, for the same reasons
base.string, base.table = library("string", strings), library("table", tables)
base.math = library("math", copy(math, [[abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log
                        log10 max min modf pi pow rad random randomseed sin sinh sqrt tan tanh]]))
base.bit = bit and library("bit", copy(bit, "tobit tohex bnot band bor bxor lshift rshift arshift rol ror bswap")) or nil
base.os = library("os", clock)

getmetatable("").__index = strings
getmetatable("").__metatable = false
