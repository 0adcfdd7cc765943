-- What user code may reach.  Takes the host's services, returns the environment that user chunks run in.
--
-- services.read(path)     -> text | nil, message       files, read by the host
-- services.resolve(name)  -> path of a sibling file     relative to the main file
-- services.print(text)                                  where print goes
--
-- Nothing of the host may become reachable: no io, ffi, debug, no os beyond the clock and the environment, no
-- bytecode (string.dump, load of "\27"), no way to the real globals.

local services = ...
local raw_load, raw_setfenv, raw_error, raw_type = loadstring, setfenv, error, type
local concat, select_, tostring_ = table.concat, select, tostring

local env = {}

local function copy(from, names)
  local to = {}
  for name in names:gmatch("%S+") do
    to[name] = from[name]
  end
  return to
end

string.dump = nil
getmetatable("").__metatable = false

local base = copy(_G, [[assert error ipairs next pairs pcall rawequal rawget rawset select setmetatable
                        getmetatable tonumber tostring type unpack xpcall _VERSION]])
base.string = copy(string, "byte char find format gmatch gsub len lower match rep reverse sub upper")
base.table = copy(table, "concat foreach foreachi getn insert maxn remove sort move")
base.math = copy(math, [[abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max min
                         modf pi pow rad random randomseed sin sinh sqrt tan tanh]])
base.coroutine = copy(coroutine, "create resume running status wrap yield")
base.bit = bit and copy(bit, "tobit tohex bnot band bor bxor lshift rshift arshift rol ror bswap") or nil
base.os = copy(os, "clock date difftime getenv time")

function base.print(...)
  local parts = {}
  for i = 1, select_("#", ...) do
    parts[i] = tostring_((select_(i, ...)))
  end
  services.print(concat(parts, "\t"))
end

local function load_text(text, name)
  if raw_type(text) ~= "string" then
    raw_error("bad argument #1 to 'load' (string expected)", 3)
  end
  if text:byte(1) == 27 then
    return nil, "bytecode is not allowed"
  end
  local chunk, message = raw_load(text, name or "=(load)")
  if chunk == nil then
    return nil, message
  end
  return raw_setfenv(chunk, env)
end

function base.load(text, name) return load_text(text, name) end
function base.loadstring(text, name) return load_text(text, name) end

local function load_file(path)
  local text, message = services.read(path)
  if text == nil then
    return nil, message
  end
  return load_text((text:gsub("^#[^\n]*", "")), "@" .. path)
end

function base.dofile(name)
  local chunk, message = load_file(services.resolve(name))
  if chunk == nil then
    raw_error(message, 0)
  end
  return chunk()
end

local loaded = {}
function base.require(name)
  if loaded[name] ~= nil then
    return loaded[name]
  end
  if raw_type(name) ~= "string" or not name:match("^[%w_%-]+[%w_%-%.]*$") or name:find("..", 1, true) then
    raw_error("require: expected a module name such as \"lib.peers\"", 2)
  end
  local stem = name:gsub("%.", "/")
  local tried = {}
  for _, candidate in ipairs({ stem .. ".lua", stem .. "/init.lua" }) do
    local path = services.resolve(candidate)
    local text = services.read(path)
    if text ~= nil then
      local chunk, message = load_file(path)
      if chunk == nil then
        raw_error(message, 0)
      end
      local result = chunk(name)
      loaded[name] = result == nil and true or result
      return loaded[name]
    end
    tried[#tried + 1] = path
  end
  raw_error("module '" .. name .. "' not found: no file " .. concat(tried, ", no file "), 2)
end

return env, base, load_file
