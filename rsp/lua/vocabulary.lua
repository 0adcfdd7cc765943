-- The vocabulary of configuration files.  Every word records what it is given and where; nothing is checked here.
--
-- Takes what sandbox.lua returns.  Returns the list of declarations, each
-- { kind =, name =, value =, file =, line = }, and a function that freezes the environment.  Globals that a file assigns
-- are declarations too: they may be settings, or hooks.  Those have top = true where the file itself assigns them, not a
-- function or a module that it requires.

local sandbox = ...
local env, base, fail, position = sandbox.env, sandbox.base, sandbox.fail, sandbox.position
local declarations = {}
local globals = setmetatable({}, { __index = base })
local frozen = false
local requiring = 0  -- modules that are being loaded, one by another
local getinfo = debug.getinfo
local hooks = { on_request = true, on_upstream = true, on_response = true, on_error = true, on_log = true,
                on_start = true, on_reload = true }

local function declare(kind, name, value, file, line)
  local declaration = { kind = kind, name = name, value = value, file = file, line = line }
  declarations[#declarations + 1] = declaration
  return declaration
end

local function word(name, fn)
  base[name] = function(...)
    if frozen then
      fail(name .. " can be called only while the configuration is loaded, not in a hook")
    end
    return fn(...)
  end
end

-- What comes behind a word may be a string and a table: route "/x" { to = "y" } is route { path = "/x", to = "y" }.
local function headed(declaration, key)
  if type(declaration.value) ~= "string" then
    return nil
  end
  return function(more)
    if type(more) ~= "table" then
      fail(declaration.kind .. ': expected a table after "' .. declaration.value .. '"')
    end
    local whole = { [key] = declaration.value }
    for name, value in base.pairs(more) do
      if whole[name] ~= nil then
        fail(declaration.kind .. ' "' .. declaration.value .. '": "' .. name .. '" is given twice')
      end
      whole[name] = value
    end
    declaration.value = whole
    declaration.file, declaration.line = position()
  end
end

word("listen", function(value)
  return headed(declare("listen", "", value, position()), 1)
end)

-- What has a name and a table behind it.
local function named(kind, example)
  word(kind, function(name)
    local file, line = position()
    if type(name) ~= "string" then
      fail(kind .. ": expected a name, as in  " .. example)
    end
    local declaration = declare(kind, name, nil, file, line)
    return function(value)
      declaration.value = value
      declaration.file, declaration.line = position()
    end
  end)
end

named("upstream", 'upstream "app" { "127.0.0.1:8000" }')
named("store", 'store "main" { "redis://10.0.0.5:6379/0" }')

word("route", function(value)
  return headed(declare("route", "", value, position()), "path")
end)

word("certificate", function(value)
  return headed(declare("certificate", "", value, position()), 1)
end)

word("page", function(value)
  declare("page", "", value, position())
end)

-- Work that comes back: every("10s", fn), in one worker or, with { workers = "all" }, in each.
word("every", function(interval, fn, options)
  if type(fn) ~= "function" then
    fail('every: expected an interval and a function, as in  every("10s", function() ... end)')
  end
  local workers = options
  if type(options) == "table" then
    for key in base.pairs(options) do
      if key ~= "workers" then
        fail('every: unknown key "' .. tostring(key) .. '"; known: workers')
      end
    end
    workers = options.workers
  end
  local value = { interval = interval, workers = workers, run = fn }
  declare("every", "", value, position())
end)

word("test", function(name, fn)
  if type(name) ~= "string" or type(fn) ~= "function" then
    fail('test: expected a name and a function, as in  test("api goes to api", function() ... end)')
  end
  local value = { name = name, run = fn }
  declare("test", name, value, position())
end)

-- on_request(function(req) ... end) says the same as  function on_request(req) ... end.
for name in pairs(hooks) do
  word(name, function(fn)
    if type(fn) ~= "function" then
      fail(name .. ": expected a function, as in  function " .. name .. "(...) ... end")
    end
    declare("hook", name, fn, position())
  end)
end

-- How words are written that people assign.
local shown = {  -- with the value that was assigned, or else with that of an example
  listen = 'listen "%s"', certificate = 'certificate { "%s", key = "key.pem" }', store = 'store "main" { "%s" }',
  upstream = 'upstream "app" { "%s" }',
}
local examples = { listen = "0.0.0.0:8080", certificate = "cert.pem", upstream = "10.0.0.1:8000" }

local function assign(_, name, value)
  if frozen then
    fail('global "' .. tostring(name) .. '" is assigned in a hook, where other requests would see it; use local, or '
      .. "use req.ctx for this request, shared(...) for all of them")
  end
  if hooks[name] and type(value) == "function" then
    declare("hook", name, value, position())
    return
  end
  if base[name] ~= nil and not sandbox.tools[name] then
    local more = shown[name] and (type(value) == "string" and value or examples[name])
    fail('"' .. tostring(name) .. '" is a function of the configuration and cannot be assigned'
      .. (more and "; write  " .. shown[name]:format(more) or ""))
  end
  if name ~= "dns" or type(value) ~= "table" then  -- the setting and the library have one name
    globals[name] = value
  end
  if type(name) == "string" and value ~= nil then
    local declaration = declare(type(value) == "function" and "function" or "global", name, value, position())
    local info = getinfo(2, "S")
    declaration.top = requiring == 0 and info ~= nil and info.what == "main"
  end
end

-- A module may have globals of its own.
local require_ = base.require
local function required(good, ...)
  requiring = requiring - 1
  if not good then
    error((...), 0)
  end
  return ...
end

function base.require(name)
  requiring = requiring + 1
  return required(pcall(require_, name))
end

base._G = sandbox.library("_G", globals)
debug.getmetatable(base._G).__newindex = assign
setmetatable(env, { __index = globals, __newindex = assign, __metatable = false })

-- A name that the file itself reads and nothing defines: "tls = on".  Once for each; functions and modules may look.
local missed = {}
setmetatable(base, { __index = function(_, name)
  if frozen or requiring > 0 or type(name) ~= "string" or missed[name] then
    return nil
  end
  local info = getinfo(2, "Sl")
  if info and info.what == "main" and info.source:sub(1, 1) == "@" then
    missed[name] = true
    declare("undefined", name, nil, info.source:sub(2), info.currentline)
  end
end })

return declarations, function()
  frozen = true
  sandbox.freeze()
end
