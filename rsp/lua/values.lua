-- Values that the host has decoded, from MessagePack: a C library reads what clients send, and tables are made of it here,
-- within the memory of the hook that asked.  Takes the driver, what stands for null in lists, and the
-- metatable of empty lists; returns the function.

local driver, null, Array = ...
local byte, sub, ldexp, rest = string.byte, string.sub, math.ldexp, driver.rest

-- Bytes of the number, or of the length, behind each kind.
local sizes = {
  [0xcc] = 1, [0xcd] = 2, [0xce] = 4, [0xcf] = 8, [0xd0] = 1, [0xd1] = 2, [0xd2] = 4, [0xd3] = 8,
  [0xd9] = 1, [0xda] = 2, [0xdb] = 4, [0xdc] = 2, [0xdd] = 4, [0xde] = 2, [0xdf] = 4,
}
local value

local function number(text, at, size)
  local sum = 0
  for index = at, at + size - 1 do
    sum = sum * 256 + byte(text, index)
  end
  return sum
end

local function signed(text, at, size)
  local high = number(text, at, size > 4 and 4 or size)
  if byte(text, at) >= 128 then
    high = high - 256 ^ (size > 4 and 4 or size)
  end
  return size > 4 and high * 4294967296 + number(text, at + 4, 4) or high
end

local function float(text, at)
  local a, b, c, d, e, f, g, h = byte(text, at, at + 7)
  local sign = a >= 128 and -1 or 1
  local exponent = a % 128 * 16 + (b - b % 16) / 16
  local fraction = (((((b % 16 * 256 + c) * 256 + d) * 256 + e) * 256 + f) * 256 + g) * 256 + h
  if exponent == 0 then
    return sign * ldexp(fraction, -1074)
  elseif exponent == 2047 then
    return fraction == 0 and sign / 0 or 0 / 0
  end
  return sign * ldexp(fraction + 4503599627370496, exponent - 1075)
end

local function list(text, at, size)
  rest()
  local items, item = {}, nil
  if size == 0 then
    return setmetatable(items, Array), at  -- or it would be encoded as {}
  end
  for index = 1, size do
    item, at = value(text, at)
    if item == nil then
      item = null
    end
    items[index] = item
  end
  return items, at
end

local function map(text, at, size)
  rest()
  local items, key, item = {}, nil, nil
  for _ = 1, size do
    key, at = value(text, at)
    item, at = value(text, at)
    items[key] = item
  end
  return items, at
end

value = function(text, at)
  local kind = byte(text, at)
  at = at + 1
  if kind < 0x80 then
    return kind, at
  elseif kind < 0x90 then
    return map(text, at, kind - 0x80)
  elseif kind < 0xa0 then
    return list(text, at, kind - 0x90)
  elseif kind < 0xc0 then
    local behind = at + kind - 0xa0
    return sub(text, at, behind - 1), behind
  elseif kind == 0xc0 then
    return nil, at
  elseif kind <= 0xc3 then
    return kind == 0xc3, at
  elseif kind == 0xcb then
    return float(text, at), at + 8
  elseif kind >= 0xe0 then
    return kind - 256, at
  end
  local size = sizes[kind]
  local behind = at + size
  if kind >= 0xd0 and kind <= 0xd3 then
    return signed(text, at, size), behind
  end
  local many = size == 8 and number(text, at, 4) * 4294967296 + number(text, at + 4, 4) or number(text, at, size)
  if kind <= 0xcf then
    return many, behind
  elseif kind <= 0xdb then
    return sub(text, behind, behind + many - 1), behind + many
  elseif kind <= 0xdd then
    return list(text, behind, many)
  end
  return map(text, behind, many)
end

-- Paid for already, by the size of what was decoded: at most this many instructions for a byte.
local ADVANCE = 64

return function(packed)
  local left = driver.left()
  driver.charge(-ADVANCE * #packed)
  rest()
  local result = value(packed, 1)
  driver.charge(driver.left() - left)
  rest()
  return result
end
