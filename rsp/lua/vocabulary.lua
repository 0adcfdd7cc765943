-- The vocabulary of configuration files.  Every word records what it is given and where; nothing is checked here.
--
-- Takes the environment and the base library of sandbox.lua; returns the list of declarations, each
-- { kind =, name =, value =, file =, line = }.  Globals that a file assigns are declarations too: they may be settings.

local env, base, getinfo = ...
local declarations = {}
local globals = {}

-- The innermost frame of the user's own code: words may be called from helper functions and from tail calls.
local function position()
  for level = 3, 20 do
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

local function declare(kind, name, value, file, line)
  local declaration = { kind = kind, name = name, value = value, file = file, line = line }
  declarations[#declarations + 1] = declaration
  return declaration
end

-- What comes behind a word may be a string and a table: route "/x" { to = "y" } is route { path = "/x", to = "y" }.
local function headed(declaration, key)
  if type(declaration.value) ~= "string" then
    return nil
  end
  return function(more)
    if type(more) ~= "table" then
      error(declaration.kind .. ': expected a table behind "' .. declaration.value .. '"', 2)
    end
    local whole = { [key] = declaration.value }
    for name, value in base.pairs(more) do
      whole[name] = value
    end
    declaration.value = whole
    declaration.file, declaration.line = position()
  end
end

function base.listen(value)
  return headed(declare("listen", "", value, position()), 1)
end

function base.upstream(name)
  local file, line = position()
  if type(name) ~= "string" then
    error('upstream: expected a name, as in  upstream "app" { "127.0.0.1:8000" }', 2)
  end
  local declaration = { kind = "upstream", name = name, file = file, line = line }
  declarations[#declarations + 1] = declaration
  return function(value)
    declaration.value = value
    declaration.file, declaration.line = position()
  end
end

function base.route(value)
  return headed(declare("route", "", value, position()), "path")
end

function base.page(value)
  declare("page", "", value, position())
end

base._G = env
setmetatable(env, {
  __index = function(_, name)
    local value = globals[name]
    if value == nil then
      value = base[name]
    end
    return value
  end,
  __newindex = function(_, name, value)
    if base[name] ~= nil then
      error('"' .. tostring(name) .. '" is a word of the configuration and cannot be assigned', 2)
    end
    globals[name] = value
    if type(value) ~= "function" and type(name) == "string" then
      declare("global", name, value, position())
    end
  end,
  __metatable = false,
})

return declarations
