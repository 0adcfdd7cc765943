-- JSON: json.encode, json.decode.  Adds to the helpers what the other rooms make JSON with.

local sandbox, driver, _, host, help = ...
local base, library, fail = sandbox.base, sandbox.library, sandbox.fail
local text = help.text
local find, gsub, format, byte, concat, sort = string.find, string.gsub, string.format, string.byte, table.concat, sandbox.sort
local error, type, tostring, pairs, setmetatable = error, type, tostring, pairs, setmetatable

local null = newproxy(true)
local Null = getmetatable(null)
Null.__tostring, Null.__metatable = function() return "null" end, false
local Array = { __metatable = false }
local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quoted(value)
  if #value > 1000 then
    driver.charge(#value, #value)
  end
  if not find(value, '[%z\1-\31"\\\127]') then
    return '"' .. value .. '"'
  end
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
      error("json.encode: " .. tostring(value) .. " is not a number in JSON", 0)
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
    error("json.encode: a " .. kind .. " cannot be represented in JSON", 0)
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

local unpacked = sandbox.room("values", driver, null, Array)

-- Of client's text, for the most part: what it would cost is known before it is decoded.
local function from_json(source, what)
  local packed, work = host.json_decode(text(source, what), driver.left())
  driver.rest()
  if packed == nil then
    driver.charge(#source / 16)
    return nil, what .. ": " .. work
  end
  driver.charge(work, #source)
  return unpacked(packed)
end

base.json = library("json", {
  null = null,
  array = function(list) return setmetatable(list, Array) end,
  encode = function(value) return to_json(value) end,
  decode = function(source) return from_json(source, "json.decode") end,
})

help.to_json, help.from_json, help.unpacked = to_json, from_json, unpacked
