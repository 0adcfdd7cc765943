-- State that all workers share: shared, limit.

local sandbox, driver, _, host, help = ...
local base, library, fail = sandbox.base, sandbox.library, sandbox.fail
local sure, text, within, seconds, methods = help.sure, help.text, help.within, help.seconds, help.methods
local charged, timed = help.charged, help.timed
local match, byte, type, tostring, tonumber = string.match, string.byte, type, tostring, tonumber
local setmetatable = setmetatable

local function key_text(key)
  if type(key) == "number" then
    key = sandbox.text_of(key)
  end
  if type(key) ~= "string" or #key > 512 then
    fail("shared: expected a string of up to 512 bytes as key, got " .. (type(key) == "string" and "a longer one"
      or "a " .. type(key)))
  end
  return key
end

local function ttl_of(options)
  if type(options) == "table" then
    options = options.ttl
  end
  return options and seconds(options, "ttl") or 0
end

local function check_value(value)
  local kind = type(value)
  if kind == "string" and #value > 1000 then
    charged(value, 0.1)
    return
  end
  if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    fail("shared: expected a string, a number or a boolean, got a " .. kind .. " (json.encode makes a string)")
  end
end

-- What incr is given: by how much, what a new key begins with, and how long it lasts.
local function increment(by, first, ttl)
  if type(first) == "table" then
    first, ttl = first.init, first.ttl
  end
  by = by == nil and 1 or by
  if type(by) ~= "number" or (first ~= nil and type(first) ~= "number") then
    fail("shared: incr adds numbers")
  end
  return by, first or 0, ttl_of(ttl)
end

local shared_keys = timed(host.shared_keys)

local function name_text(name, what)
  if #text(name, what) > 255 then
    fail(what .. ": expected a name of up to 255 bytes")
  end
  return name
end

local function dictionary(name)
  local prefix = name_text(name, "shared") .. "\0"
  if byte(prefix) < 8 and #prefix > 1 then  -- limits, timers and outages have their own keys
    fail("shared: the name begins with a control character")
  end
  return methods {
    get = function(key)
      local value = sure(host.shared_get(prefix .. key_text(key)))
      if type(value) == "string" and #value > 1000 then
        charged(value, 0.1)
      end
      return value
    end,
    set = function(key, value, ttl)
      if value == nil then
        sure(host.shared_delete(prefix .. key_text(key)))
        return true
      end
      check_value(value)
      return sure(host.shared_set(prefix .. key_text(key), value, ttl_of(ttl), false))
    end,
    add = function(key, value, ttl)
      check_value(value)
      return sure(host.shared_set(prefix .. key_text(key), value, ttl_of(ttl), true))
    end,
    incr = function(key, by, first, ttl)
      by, first, ttl = increment(by, first, ttl)
      return sure(host.shared_incr(prefix .. key_text(key), by, first, ttl))
    end,
    delete = function(key) return sure(host.shared_delete(prefix .. key_text(key))) end,
    keys = function(limit) return sure(shared_keys(prefix, within(limit or 1024, "shared: keys", 0, 2 ^ 31))) end,
  }
end

-- Names may come from what clients send, so a dictionary is remembered only as long as a hook holds it, or the collector
-- has not been there.
local dictionaries = setmetatable({}, { __mode = "v" })

function base.shared(name, options)
  if options ~= nil then
    return help.stored(name_text(name, "shared"), options)
  end
  local known = dictionaries[name]
  if known == nil then
    known = dictionary(name)
    dictionaries[name] = known
  end
  return known
end

help.key_text, help.ttl_of, help.check_value, help.increment = key_text, ttl_of, check_value, increment

local rates, rates_count, rate_units = {}, 0, { s = 1, m = 60, h = 3600, d = 86400 }

-- Seconds between two requests at a rate.
local function interval_of(rate)
  local known = rates[rate]
  if known == nil then
    local number, unit = match(type(rate) == "string" and #rate <= 32 and rate or "", "^([%d%.]+)r?/([smhd])$")
    number = tonumber(number)
    if number == nil or not (number >= 1e-6 and number <= 1e9) then
      fail('limit.rate: rate: expected a text such as "10r/s" or "600r/m", got ' .. tostring(rate))
    end
    known = rate_units[unit] / number
    if rates_count >= 100 then
      rates, rates_count = {}, 0
    end
    rates[rate], rates_count = known, rates_count + 1
  end
  return known
end

local function limited_key(word, key)
  if type(key) ~= "string" then
    fail(word .. ": key: expected a string, got " .. (key == nil and "nil" or "a " .. type(key)))
  end
  return #key > 512 and host.sha256(charged(key, 0.3)) or key
end

-- What the host knows a store by: a name, a URL, or "" for the only store of the file.
local function store_text(store, what)
  if store == true then
    return ""
  elseif type(store) ~= "string" or store == "" or #store > 1024 then
    fail(what .. ': expected true, the name of a store, or a URL such as "redis://127.0.0.1:6379/0", got '
      .. (type(store) == "string" and "a text of " .. #store .. " bytes" or "a " .. type(store)))
  end
  return store
end

help.store_text = store_text

-- Seconds until a limit of several instances lets the request pass.
local function cluster_rate(cluster, key, interval, burst, cost)
  local obstacle = driver.obstacle()
  if obstacle then
    fail("limit.rate: with cluster it may wait for the store, " .. obstacle)
  end
  local target = store_text(cluster, "limit.rate: cluster") .. "\0" .. key
  local wait = sure(host.cluster_rate(target, interval, burst, cost))
  if wait == false then
    return driver.wait("cluster_rate", target, interval, burst, cost)
  end
  return wait
end

base.limit = library("limit", {
  rate = function(options)
    local key = limited_key("limit.rate", options.key)
    if options.store ~= nil then
      fail('limit.rate: unknown key "store"; for one limit of several instances write cluster = "main"')
    end
    local interval = interval_of(options.rate)
    local burst = within(options.burst or 0, "limit.rate: burst", 0, 1e9)
    local cost = within(options.cost or 1, "limit.rate: cost", 0, 1e9)
    key = "\1" .. name_text(options.name or options.rate, "limit.rate") .. "\0" .. key
    local cluster, wait = options.cluster
    if cluster then
      wait = cluster_rate(cluster, key, interval, burst, cost)
    else
      wait = sure(host.shared_rate(key, interval, interval * burst, cost))
    end
    if wait > 0 then
      return false, wait
    end
    return true
  end,
  conn = function(options)
    local key, max = limited_key("limit.conn", options.key), within(options.max, "limit.conn: max", 1, 2 ^ 31)
    return sure(host.hold("\2" .. name_text(options.name or "", "limit.conn") .. "\0" .. key, max))
  end,
})
