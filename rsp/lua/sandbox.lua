-- What user code may reach.  Takes the host's services, returns the base library, the environment that user chunks run
-- in, a loader for files, and a function that freezes what is shared between requests.
--
-- services.read(path)     -> text | nil, message       files, read by the host
-- services.resolve(name)  -> path of a sibling file     relative to the main file
-- services.print(text)                                  where print goes
--
-- Nothing of the host may become reachable: no io, ffi, debug, no os beyond the clock and the environment, no
-- bytecode (string.dump, load of "\27"), no way to the real globals.  Libraries and _G are userdata: what is written to
-- them goes through a check that no rawset can go around.

local services = ...
local raw_load, raw_setfenv, raw_error, raw_type, getinfo = loadstring, setfenv, error, type, debug.getinfo
local concat, select_, tostring_ = table.concat, select, tostring
local raw_pcall, raw_xpcall = pcall, xpcall
local raw_getmetatable, raw_next, raw_pairs = debug.getmetatable, next, pairs
local raw_create, raw_resume, raw_yield, raw_status = coroutine.create, coroutine.resume, coroutine.yield, coroutine.status

local frozen = false

-- The innermost line of the user's own code, however deep we are: file and line, or nil and 0.
local function position()
  for level = 2, 30 do
    local info = getinfo(level, "Sl")
    if info == nil then
      break
    end
    if info.source:sub(1, 1) == "@" and info.currentline > 0 then
      return info.source:sub(2), info.currentline
    end
  end
  return nil, 0
end

-- An error at that line.
local function fail(message)
  local file, line = position()
  raw_error((file and file .. ":" .. line .. ": " or "") .. tostring_(message), 0)
end

local function copy(from, names)
  local to = {}
  for name in names:gmatch("%S+") do
    to[name] = from[name]
  end
  return to
end

-- A library: what a file adds to it while it is loaded is there for all, and nothing can be added later.
local function library(name, content)
  local proxy = newproxy(true)
  local meta = raw_getmetatable(proxy)
  meta.__index = content
  meta.__newindex = function(_, key, value)
    if frozen then
      fail('"' .. name .. "." .. tostring_(key) .. '" cannot be assigned here: other requests would see it')
    end
    content[key] = value
  end
  meta.__pairs = function() return raw_next, content, nil end
  meta.__tostring = function() return "library " .. name end
  meta.__metatable = false
  return proxy
end

string.dump = nil
getmetatable("").__metatable = false

local base = copy(_G, [[assert error ipairs next rawequal rawget rawset select setmetatable getmetatable tonumber
                        tostring type unpack _VERSION]])
base.string = library("string", copy(string, "byte char find format gmatch gsub len lower match rep reverse sub upper"))
base.table = library("table", copy(table, "concat foreach foreachi getn insert maxn remove sort move"))
base.math = library("math", copy(math, [[abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log
                        log10 max min modf pi pow rad random randomseed sin sinh sqrt tan tanh]]))
base.bit = bit and library("bit", copy(bit, "tobit tohex bnot band bor bxor lshift rshift arshift rol ror bswap")) or nil
base.os = library("os", copy(os, "clock date difftime getenv time"))

function base.pairs(value)
  local meta = raw_getmetatable(value)
  local each = raw_type(meta) == "table" and meta.__pairs
  if each then
    return each(value)
  end
  return raw_pairs(value)
end

-- What is caught is never an object of the host's.
local function plain(problem)
  return raw_type(problem) == "userdata" and tostring_(problem) or problem
end

local function caught(good, ...)
  if good then
    return true, ...
  end
  return false, plain((...))
end

function base.pcall(...)
  return caught(raw_pcall(...))
end

function base.xpcall(fn, handler, ...)
  return raw_xpcall(fn, function(problem) return handler(plain(problem)) end, ...)
end

function base.print(...)
  local parts = {}
  for i = 1, select_("#", ...) do
    parts[i] = tostring_((select_(i, ...)))
  end
  services.print(concat(parts, "\t"))
end

-- Coroutines of the user's own: what waits inside one of them (driver.lua) makes all of them wait.
local waits = {}  -- the first value of a yield that is the driver's business

local function pass_on(co, ok, first, ...)
  if ok and first == waits.token and first ~= nil then
    return pass_on(co, raw_resume(co, raw_yield(first, ...)))
  end
  if not ok then
    return false, plain(first)
  end
  return ok, first, ...
end

local coroutines = { create = raw_create, running = coroutine.running, status = raw_status, yield = raw_yield }
function coroutines.resume(co, ...)
  return pass_on(co, raw_resume(co, ...))
end
local function unwrap(ok, ...)
  if not ok then
    raw_error((...), 0)
  end
  return ...
end
function coroutines.wrap(fn)
  local co = raw_create(fn)
  return function(...)
    return unwrap(pass_on(co, raw_resume(co, ...)))
  end
end
base.coroutine = library("coroutine", coroutines)

local env = {}

local function load_text(text, name)
  if raw_type(text) ~= "string" then
    fail("bad argument #1 to 'load' (string expected)")
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

local function only_at_load(word)
  if frozen then
    fail(word .. " belongs to the loading of the configuration, not into a hook")
  end
end

function base.dofile(name)
  only_at_load("dofile")
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
  only_at_load("require")
  if raw_type(name) ~= "string" or not name:match("^[%w_%-]+[%w_%-%.]*$") or name:find("..", 1, true) then
    fail("require: expected a module name such as \"lib.peers\"")
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
  fail("module '" .. name .. "' not found: no file " .. concat(tried, ", no file "))
end

local function freeze()
  frozen = true
end

return { position = position, fail = fail, env = env, base = base, library = library, load_file = load_file, freeze = freeze, waits = waits }
