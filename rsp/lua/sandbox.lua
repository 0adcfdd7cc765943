-- What user code may reach.  Takes the host's services, returns the base library (libraries.lua has the standard ones), the
-- environment that user chunks run in, a loader for files, and a function that freezes what is shared between requests.
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
local concat, select_, tostring_, raw_pcall = table.concat, select, tostring, pcall
local sub, find, match, gmatch, gsub, byte = string.sub, string.find, string.match, string.gmatch, string.gsub, string.byte
local raw_getmetatable, raw_next, raw_pairs = debug.getmetatable, next, pairs
local raw_create, raw_resume, raw_yield = coroutine.create, coroutine.resume, coroutine.yield
local raw_status, raw_running = coroutine.status, coroutine.running

local frozen = false

-- A line of the user's own code, if that is what it is.
local function user_line(info)
  if sub(info.source, 1, 1) == "@" and info.currentline > 0 then
    return sub(info.source, 2), info.currentline
  end
end

-- The innermost of them, however deep we are: file and line, or nil and 0.
local function position()
  for level = 2, 30 do
    local info = getinfo(level, "Sl")
    if info == nil then
      break
    end
    local file, line = user_line(info)
    if file then
      return file, line
    end
  end
  return nil, 0
end

-- The same for a coroutine that has failed.
local function position_in(co)
  for level = 0, 30 do
    local info = getinfo(co, level, "Sl")
    if info == nil then
      break
    end
    local file, line = user_line(info)
    if file then
      return file, line
    end
  end
  return nil, 0
end

-- An error at that line.
local function fail(message)
  local file, line = position()
  raw_error((file and file .. ":" .. line .. ": " or "") .. tostring_(message), 0)
end

-- A library: what a file adds to it while it is loaded is visible for all, and nothing can be added later.
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
  local function each(_, key) return raw_next(content, key) end
  meta.__pairs = function() return each, proxy, nil end
  meta.__tostring = function() return "library " .. name end
  meta.__metatable = false
  return proxy
end

string.dump = nil

local base = {}
for name in gmatch([[assert error ipairs next rawequal rawget rawset select setmetatable getmetatable tonumber tostring
                     type unpack _VERSION]], "%S+") do
  base[name] = _G[name]
end

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

-- What driver.lua adds: token, the first value of a yield that is its business; charge; exhausted, which ends the hook.
local late = {}

local function caught(good, ...)
  if good then
    return true, ...
  elseif ... == "not enough memory" then
    late.exhausted()
  end
  return false, plain((...))
end

function base.pcall(...)
  return caught(raw_pcall(...))
end

-- The handler runs when all is unwound: where the failure is that of the budget, that was found in a debug hook, and what
-- runs on top of it cannot be stopped by another one.
local function handled(handler, good, ...)
  if good then
    return true, ...
  end
  return false, select_(2, caught(raw_pcall(handler, select_(2, caught(false, ...)))))
end

function base.xpcall(fn, handler, ...)
  return handled(handler, raw_pcall(fn, ...))
end

function base.print(...)
  local parts = {}
  for i = 1, select_("#", ...) do
    parts[i] = tostring_((select_(i, ...)))
  end
  local line = concat(parts, "\t")
  late.charge(100 + #line)
  services.print(line)
end

-- Coroutines of the user's own: what waits inside one of them (driver.lua) makes all of them wait.  Those of the driver are
-- not to be had: a hook could go on with the hook of another request.
local own = setmetatable({}, { __mode = "k" })
local DEEPEST = 190  -- coroutines that resume one another: each takes of the C stack
local depth = 0

-- Where debug hooks belong to a coroutine (Lua 5.1), the budget's has to be set.
local function create(fn)
  local co = raw_create(fn)
  if late.watch_over then
    late.watch_over(co)
  end
  return co
end

function late.unwound()  -- a hook was stopped, wherever it was
  depth = 0
end

local function left(...)
  depth = depth - 1
  return ...
end

local function resume(co, ...)
  if not own[co] then
    fail("expected a coroutine that coroutine.create has made")
  elseif depth >= DEEPEST then
    fail("coroutines are nested too deep")
  end
  depth = depth + 1
  return left(raw_resume(co, ...))
end

local function pass_on(co, ok, first, ...)
  if ok and first == late.token and first ~= nil then
    return pass_on(co, resume(co, raw_yield(first, ...)))
  end
  if not ok then
    return caught(false, first)
  end
  return ok, first, ...
end

local coroutines = { status = raw_status, yield = raw_yield }
function coroutines.create(fn)
  local co = create(fn)
  own[co] = true
  return co
end
function coroutines.running()
  local co = raw_running()
  return own[co] and co or nil
end
function coroutines.resume(co, ...)
  return pass_on(co, resume(co, ...))
end
local function unwrap(ok, ...)
  if not ok then
    raw_error((...), 0)
  end
  return ...
end
function coroutines.wrap(fn)
  local co = coroutines.create(fn)
  return function(...)
    return unwrap(pass_on(co, resume(co, ...)))
  end
end
base.coroutine = library("coroutine", coroutines)

local env = {}
local chunks = {}  -- of files

local function load_text(text, name)
  if raw_type(text) ~= "string" then
    fail("bad argument #1 to 'load' (string expected)")
  end
  if byte(text) == 27 then
    return nil, "bytecode is not allowed"
  end
  late.charge(#text * 3)
  local chunk, message = raw_load(text, name or "=(load)")
  if chunk == nil then
    return nil, message
  end
  if not frozen and byte(name or "") == 64 then  -- "@": a file
    chunks[#chunks + 1] = chunk
  end
  return raw_setfenv(chunk, env)
end

function base.load(text, name) return load_text(text, name) end
function base.loadstring(text, name) return load_text(text, name) end

local function load_source(text, path)
  return load_text((gsub(text, "^#[^\n]*", "")), "@" .. path)
end

local function load_file(path)
  local text, message = services.read(path)
  if text == nil then
    return nil, message
  end
  return load_source(text, path)
end

local function only_at_load(word)
  if frozen then
    fail(word .. " can be called only while the configuration is loaded, not in a hook")
  end
end

function base.dofile(name)
  only_at_load("dofile")
  if raw_type(name) ~= "string" or name == "" then
    fail("dofile: expected the name of a file such as \"conf.d/shop.lua\"")
  end
  local path = services.resolve(name)
  local text, message = services.read(path)
  if text == nil then
    fail(message)
  end
  local chunk
  chunk, message = load_source(text, path)
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
  if raw_type(name) ~= "string" or not match(name, "^[%w_%-]+[%w_%-%.]*$") or find(name, "..", 1, true) then
    fail("require: expected a module name such as \"lib.peers\"")
  end
  local stem = gsub(name, "%.", "/")
  local tried = {}
  for _, candidate in ipairs({ stem .. ".lua", stem .. "/init.lua" }) do
    local path = services.resolve(candidate)
    local text, reason = services.read(path)
    if text ~= nil then
      local chunk, message = load_source(text, path)
      if chunk == nil then
        raw_error(message, 0)
      end
      local result = chunk(name)
      loaded[name] = result == nil and true or result
      return loaded[name]
    end
    tried[#tried + 1] = reason
  end
  fail("module '" .. name .. "' not found: " .. concat(tried, "; "))
end

local function freeze()
  frozen = true
end

return { position = position, position_in = position_in, fail = fail, env = env, base = base, library = library,
         load_file = load_file, freeze = freeze, late = late, create = create, chunks = chunks }
