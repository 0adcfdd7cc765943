-- What stands in a target: its path, its query, the arguments in that, and how they are escaped.  Takes the
-- driver and a table of what objects.lua has: assign.

local driver, here = ...
local find, sub, gsub, match, gmatch = string.find, string.sub, string.gsub, string.match, string.gmatch
local char, format = string.char, string.format
local tonumber, setmetatable = tonumber, setmetatable
local assign = here.assign

-- Patterns are C functions, so what they cost is charged: in instructions for a byte.
local ESCAPED, UNESCAPED = {}, {}
for code = 0, 255 do
  ESCAPED[char(code)] = format("%%%02X", code)
end
setmetatable(UNESCAPED, { __index = function(known, hex)
  known[hex] = char(tonumber(hex, 16))
  return known[hex]
end })

local function unescape(text)
  if find(text, "%", 1, true) or find(text, "+", 1, true) then
    driver.charge(#text * 2, #text)
    text = gsub(gsub(text, "+", " "), "%%(%x%x)", UNESCAPED)
  end
  return text
end

local function escape(text)
  driver.charge(#text * 4, #text)
  return (gsub(text, "[^%w%-%._~]", ESCAPED))
end

local function split_target(s)
  local at = find(s.target, "?", 1, true)
  if at then
    return sub(s.target, 1, at - 1), sub(s.target, at + 1)
  end
  return s.target, nil
end

local function join_target(s, path, query)
  assign(s, "target", query and path .. "?" .. query or path)
end

local function args_of(query)
  local args = {}
  if query then
    driver.charge(#query)
    for pair in gmatch(query, "[^&]+") do
      local name, value = match(pair, "^([^=]*)=(.*)$")
      name = unescape(name or pair)
      if args[name] == nil then
        args[name] = unescape(value or "")
      end
    end
  end
  return args
end

local function encoded_path(path)
  driver.charge(#path * 4, #path)
  return (gsub(path, "[^%w%-%._~!%$&'%(%)%*%+,;=:@/]", ESCAPED))
end

return { escape = escape, unescape = unescape, split = split_target, join = join_target, args_of = args_of,
         encoded_path = encoded_path }
