-- req.args and req.cookies: tables of text that are made when they are touched, and written back when they are changed;
-- req.log, which the host has.
-- Takes the sandbox, the driver, the host, and tables of what objects.lua, fields.lua and targets.lua have.

local sandbox, driver, host, here, fields, targets = ...
local find, sub, match, gmatch, concat = string.find, string.sub, string.match, string.gmatch, table.concat
local fail = sandbox.fail
local type, pairs, next = type, pairs, next
local get_field, set, opaque = host.get_field, fields.set, fields.opaque
local escape, unescape, split_target, join_target = targets.escape, targets.unescape, targets.split, targets.join
local args_of = targets.args_of
local request_now = here.request_now
local REQUEST = "request"

local function bag(read, write)
  local Bag = { __metatable = false }
  function Bag.__index(_, name)
    return read(request_now())[name]
  end
  function Bag.__newindex(_, name, value)
    local s = request_now()
    if type(name) ~= "string" or (value ~= nil and type(value) ~= "string" and type(value) ~= "number") then
      fail("expected a name and a string")
    end
    write(s, read(s), name, value ~= nil and sandbox.text_of(value) or nil)
  end
  function Bag.__pairs()
    local copy = {}
    for name, value in pairs(read(request_now())) do
      copy[name] = value
    end
    return next, copy, nil
  end
  return opaque(Bag)
end

local args = bag(function(s)
  if s.args == nil then
    local _, query = split_target(s)
    s.args = args_of(query)
  end
  return s.args
end, function(s, known, name, value)
  local path, query = split_target(s)
  local kept = {}
  for pair in gmatch(query or "", "[^&]+") do
    if unescape(match(pair, "^[^=]*")) ~= name then
      kept[#kept + 1] = pair
    end
  end
  if value then
    kept[#kept + 1] = escape(name) .. "=" .. escape(value)
  end
  known[name] = value
  join_target(s, path, kept[1] and concat(kept, "&") or nil)
end)

-- Without the blanks around it.  One pattern for both ends, or for what is in between, would backtrack.
local function trimmed(text)
  local from = find(text, "[^ \t]")
  return from and match(text, "^.*[^ \t]", from) or ""
end

local function cookies_of(text)
  local cookies = {}
  text = text or ""
  driver.charge(#text)
  for pair in gmatch(text, "[^;]+") do
    local equals = find(pair, "=", 1, true)
    local name = equals and trimmed(sub(pair, 1, equals - 1))
    if name and cookies[name] == nil then
      local value = trimmed(sub(pair, equals + 1))
      cookies[name] = match(value, '^"(.*)"$') or value
    end
  end
  return cookies
end

local cookies = bag(function(s)
  if s.cookies == nil then
    s.cookies = cookies_of(get_field(REQUEST, "cookie"))
  end
  return s.cookies
end, function(_, known, name, value)
  if not find(name, "^[%w!#%$%%&'%*%+%-%.%^_`|~]+$") or (value and find(value, "[%z\1-\32\127;,\"\\]")) then
    fail("this is not allowed in a cookie; use url.encode")
  end
  known[name] = value
  local pairs_ = {}
  for key, content in pairs(known) do
    pairs_[#pairs_ + 1] = key .. "=" .. content
  end
  sandbox.sort(pairs_)
  set(REQUEST, "Cookie", pairs_[1] and concat(pairs_, "; ") or nil)
end)

-- What is assigned is for the access log; the host bounds it.
local Log = { __metatable = false }

function Log.__index(_, name)
  request_now()
  return host.get_logged(name)
end

function Log.__newindex(_, name, value)
  request_now()
  local kind = type(value)
  if type(name) ~= "string" or #name > 64 or not find(name, "^[%w_][%w_%.%-]*$") then
    fail("req.log: expected a name of letters, digits, _, . and -")
  end
  if kind ~= "nil" and kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    fail("req.log." .. name .. ": expected a string, a number, a boolean or nil, got a " .. kind)
  end
  local wrong = host.set_logged(name, value)
  if wrong then
    fail("req.log." .. name .. ": " .. wrong)
  end
end

return { args = args, cookies = cookies, cookies_of = cookies_of, log = opaque(Log) }
