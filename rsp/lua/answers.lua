-- Answers that hooks return: respond, redirect, proxy.  Returns the table of them, which phases.lua reads: each is
-- { kind =, ... }, known by the opaque value that the hook returns.

local sandbox, driver, objects, host, help = ...
local base, fail = sandbox.base, sandbox.fail
local text, to_json, charged = help.text, help.to_json, help.charged
local gsub, format, byte, concat, sort = string.gsub, string.format, string.byte, table.concat, sandbox.sort
local type, tostring, pairs, setmetatable = type, tostring, pairs, setmetatable

local answers = setmetatable({}, { __mode = "k" })

local function answer(content)
  local value = newproxy(true)
  local meta = getmetatable(value)
  meta.__tostring, meta.__metatable = function() return content.kind end, false
  answers[value] = content
  if driver.current then
    driver.current.made = true
  end
  return value
end

-- Field lines, and the Content-Type apart.
local function lines_of(headers)
  local lines, content_type = {}, nil
  if headers ~= nil and type(headers) ~= "table" then
    fail("headers: expected a table")
  end
  for name, value in pairs(headers or {}) do
    local key = objects.key_of(name)
    if objects.reserved[key] then
      fail('headers["' .. name .. '"] is set by rsp itself')
    end
    for _, item in ipairs(type(value) == "table" and value or { value }) do
      item = objects.clean(name, item)
      if key == "content-type" then
        content_type = item
      else
        lines[#lines + 1] = name .. ": " .. item .. "\r\n"
      end
    end
  end
  sort(lines)
  return concat(lines), content_type
end

local function status_of(status, what)
  if type(status) ~= "number" or status % 1 ~= 0 or status < 200 or status > 599 then
    fail(what .. ": expected a status from 200 to 599, got " .. tostring(status))
  end
  return status
end

local function responded(status, headers, body)
  local lines, kind = lines_of(headers)
  if type(body) == "table" then
    body, kind = to_json(body), kind or "application/json"
  elseif type(body) == "number" then
    body = sandbox.text_of(body)
  elseif body ~= nil and type(body) ~= "string" then
    fail("respond: expected a string or a table as body, got a " .. type(body))
  end
  return answer { kind = "respond", status = status_of(status, "respond"), type = kind or "text/plain; charset=utf-8",
                  fields = lines, body = body }
end

local respond = newproxy(true)
local Respond = getmetatable(respond)
Respond.__metatable = false
Respond.__newindex = function() fail("respond cannot be assigned to") end
Respond.__call = function(_, status, body, headers)
  if type(status) == "table" then
    local given = status
    for key in pairs(given) do
      if key ~= "status" and key ~= "headers" and key ~= "body" then
        fail('respond: unknown key "' .. tostring(key) .. '"; known: status, headers, body')
      end
    end
    return responded(given.status or 200, given.headers, given.body)
  end
  return responded(status, headers, body)
end
Respond.__index = {
  json = function(value, status, headers)
    local lines = lines_of(headers)
    return answer { kind = "respond", status = status_of(status or 200, "respond.json"), type = "application/json",
                    fields = lines, body = to_json(value) }
  end,
}
base.respond = respond

function base.redirect(url, status)
  if type(url) == "number" then
    fail("redirect: the URL comes first; write redirect(" .. format("%q", tostring(status or "/x")) .. ", " .. url .. ")")
  end
  url = gsub(charged(text(url, "redirect"), 4), "[%z\1-\32\127-\255]", function(c) return format("%%%02X", byte(c)) end)
  status = status or 302
  if status ~= 301 and status ~= 302 and status ~= 303 and status ~= 307 and status ~= 308 then
    fail("redirect: expected 301, 302, 303, 307 or 308, got " .. tostring(status))
  end
  return answer { kind = "respond", status = status, type = "text/plain; charset=utf-8",
                  fields = "Location: " .. url .. "\r\n", body = "" }
end

local function known(name)
  local wrong = host.wrong_upstream(name)
  if wrong then
    fail("proxy: " .. wrong)
  end
end

function base.proxy(target)
  if type(target) == "string" then
    known(target)
    return answer { kind = "proxy", upstream = target }
  end
  if type(target) ~= "table" or not (target.peer or target.upstream) then
    fail('proxy: expected the name of an upstream, or { peer = "10.0.0.9:80" }')
  end
  local upstream = target.upstream
  if upstream ~= nil then
    upstream = text(upstream, "proxy.upstream")
    known(upstream)
  end
  local peer = target.peer and text(target.peer, "proxy.peer")
  local wrong = peer and host.wrong_peer(peer)
  if wrong then
    fail("proxy: peer: " .. wrong)
  end
  return answer { kind = "proxy", upstream = upstream, peer = peer }
end

help.lines_of, help.responded = lines_of, responded
return answers
