-- shared(name, { store = ... }): a dictionary that several instances share, in Redis or Valkey.  Its calls wait.

local sandbox, driver, _, host, help = ...
local fail, position = sandbox.fail, sandbox.position
local sure, within, methods, charged = help.sure, help.within, help.methods, help.charged
local find, pairs, type, tostring, huge, setmetatable = string.find, pairs, type, tostring, math.huge, setmetatable
local MOST_KEYS = 10000

local function store_of(options)
  if type(options) ~= "table" then
    fail('shared: expected a table after the name, as in  shared("sessions", { store = "main" })')
  end
  for key in pairs(options) do
    if key ~= "store" then
      fail("shared: unknown key " .. (type(key) == "string" and '"' .. key .. '"' or tostring(key))
        .. ", expected store; a ttl belongs into set, add or incr")
    end
  end
  return help.store_text(options.store, "shared: store")
end

local function check_name(name)
  if name == "" or name == "rsp" or find(name, "[:%c]") then
    fail("shared: a dictionary in a store needs a name that is not rsp and has no colon: its keys are NAME:KEY there")
  end
end

local function check_number(value)
  if type(value) == "number" and not (value > -huge and value < huge) then
    fail("shared: a store keeps finite numbers, got " .. tostring(value))
  end
end

-- What a call gives: a value, or nil and why not.  One value is one: it may be an argument of another call.
local function received(value, reason)
  if reason ~= nil then
    return nil, reason
  elseif type(value) == "string" and #value > 1000 then
    charged(value, 0.1)
  end
  return value
end

local function dictionary(name, store)
  check_name(name)
  sure(host.wrong_store(store, position()))
  local target = store .. "\0" .. name .. ":"
  local function ask(what, key, ...)
    local obstacle = driver.obstacle()
    if obstacle then
      fail('shared("' .. name .. '"): ' .. what .. " waits for the store, " .. obstacle)
    end
    return received(driver.wait("shared_" .. what, target .. key, ...))
  end
  local function put(what, key, value, ttl)
    help.check_value(value)
    check_number(value)
    return ask(what, help.key_text(key), value, help.ttl_of(ttl))
  end
  local function delete(key)
    return ask("delete", help.key_text(key))
  end
  return methods {
    get = function(key) return ask("get", help.key_text(key)) end,
    set = function(key, value, ttl)
      if value ~= nil then
        return put("set", key, value, ttl)
      end
      local known, reason = delete(key)
      if reason ~= nil then
        return nil, reason
      end
      return known ~= nil
    end,
    add = function(key, value, ttl) return put("add", key, value, ttl) end,
    incr = function(key, by, first, ttl)
      by, first, ttl = help.increment(by, first, ttl)
      check_number(by)
      check_number(first)
      return ask("incr", help.key_text(key), by, first, ttl)
    end,
    delete = delete,
    keys = function(limit) return ask("keys", "", within(limit or 1024, "shared: keys", 0, MOST_KEYS)) end,
  }
end

local dictionaries = setmetatable({}, { __mode = "v" })  -- as in state.lua

function help.stored(name, options)
  local store = store_of(options)
  local id = store .. "\0" .. name
  local known = dictionaries[id]
  if known == nil then
    known = dictionary(name, store)
    dictionaries[id] = known
  end
  return known
end
