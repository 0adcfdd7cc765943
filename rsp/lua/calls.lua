-- Words that wait: sleep, parallel, dns, file, http; and simulate, for tests.

local sandbox, driver, objects, host, help = ...
local base, library, fail = sandbox.base, sandbox.library, sandbox.fail
local text, within, seconds, to_json, lines_of = help.text, help.within, help.seconds, help.to_json, help.lines_of
local find, lower, sub, concat, sort = string.find, string.lower, string.sub, table.concat, sandbox.sort
local type, tostring, pairs, ipairs, setmetatable, rawget, unpack = type, tostring, pairs, ipairs, setmetatable, rawget, unpack

function base.sleep(time)
  driver.wait("sleep", seconds(time, "sleep"))
end

function base.parallel(functions)
  if type(functions) ~= "table" then
    fail("parallel: expected a table of functions")
  end
  local results = driver.parallel(functions)
  if functions[1] ~= nil then
    return unpack(results, 1, #functions)
  end
  return results
end

base.dns = library("dns", {
  resolve = function(name, kind) return driver.wait("resolve", text(name, "dns.resolve"), kind or "any") end,
})

base.file = library("file", {
  kind = function(path)
    if sub(text(path, "file.kind"), 1, 1) ~= "/" then
      fail('file.kind: expected an absolute path, got "' .. path .. '"')
    end
    return driver.wait("kind", path)
  end,
})

local CallHeaders = { __metatable = false, __index = function(headers, name)
  return type(name) == "string" and rawget(headers, lower(name)) or nil
end }

local function reply(status, fields, body)
  if status == nil then
    return nil, fields
  end
  local headers, lists, list = {}, {}, host.fields_of(fields)
  for index = 1, #list, 2 do
    local name, value = lower(list[index]), list[index + 1]
    if not headers[name] then
      headers[name] = value
    elseif lists[name] then
      lists[name][#lists[name] + 1] = value
    else
      lists[name] = { headers[name], value }
    end
  end
  for name, values in pairs(lists) do
    headers[name] = concat(values, ", ")
  end
  return { status = status, headers = setmetatable(headers, CallHeaders), body = body, ok = status < 400,
           json = function() return help.from_json(body, "res.json") end }
end

local call_keys = { url = true, upstream = true, path = true, args = true, headers = true, body = true, json = true,
                    timeout = true, method = true, host = true, max_body = true }

local function build_query(args)
  local parts = {}
  for name, value in pairs(args) do
    for _, item in ipairs(type(value) == "table" and value or { value }) do
      parts[#parts + 1] = objects.escape(sandbox.text_of(name)) .. "=" .. objects.escape(sandbox.text_of(item))
    end
  end
  sort(parts)
  return concat(parts, "&")
end

local function call(method, spec, more)
  if type(spec) == "string" then
    local given = { url = spec }
    for key, value in pairs(more or {}) do
      given[key] = value
    end
    spec = given
  end
  if type(spec) ~= "table" then
    fail("http: expected a URL, or a table such as { upstream = \"auth\", path = \"/check\" }")
  end
  for key in pairs(spec) do
    if not call_keys[key] then
      fail('http: unknown key "' .. tostring(key) .. '"')
    end
  end
  local lines, kind = lines_of(spec.headers)
  local body = spec.body
  if spec.json ~= nil then
    body, kind = to_json(spec.json), kind or "application/json"
  end
  if kind then
    lines = lines .. "Content-Type: " .. kind .. "\r\n"
  end
  local url = text(spec.url or spec.path or (spec.upstream and "/"), "http: url")
  if find(url, "[%z\1-\32\127-\255]") then
    fail("http: spaces, control characters and non-ASCII characters must be encoded in a URL; see url.encode")
  end
  if spec.args then
    url = url .. (find(url, "?", 1, true) and "&" or "?") .. build_query(spec.args)
  end
  local limit = seconds(spec.timeout or 5, "http: timeout")
  local plan = { method = text(spec.method or method, "http: method"), url = url, fields = lines,
                 upstream = spec.upstream and text(spec.upstream, "http: upstream"),
                 body = body and text(body, "http: body") or "", timeout = limit,
                 host = spec.host and text(spec.host, "http: host"),
                 max_body = within(spec.max_body or 1048576, "http: max_body", 0, 2 ^ 40) }
  return reply(driver.wait("http", plan))
end

base.http = library("http", {
  get = function(spec, more) return call("GET", spec, more) end,
  post = function(spec, more) return call("POST", spec, more) end,
  request = function(spec, more) return call("GET", spec, more) end,
})

local tls_texts = { version = true, cipher = true, alpn = true, sni = true, subject = true, issuer = true, serial = true,
                    fingerprint = true }

-- Whether the client comes over TLS, or how; nil: as the first listener has it.
local function simulated_tls(given)
  if given == nil or type(given) == "boolean" then
    return given
  elseif type(given) ~= "table" then
    fail('simulate: tls: expected true, false or a table such as { sni = "shop" }')
  end
  local plan = {}
  for name, value in pairs(given) do
    if tls_texts[name] then
      plan[name] = text(value, "simulate: tls: " .. name)
    elseif name == "not_after" and type(value) == "number" or
        (name == "resumed" or name == "verified") and type(value) == "boolean" then
      plan[name] = value
    elseif name == "sans" and type(value) == "table" then
      plan.sans = {}
      for index, item in ipairs(value) do
        plan.sans[index] = text(item, "simulate: tls: sans")
      end
    else
      fail('simulate: tls: ' .. tostring(name) .. ': expected a key of req.tls, with a value as it has')
    end
  end
  return plan
end

local function simulated_store(given)
  if given ~= nil and type(given) ~= "boolean" then
    fail("simulate: store: expected false for stores that are not available, or nothing")
  end
  return given
end

function base.simulate(request)
  if type(request) ~= "table" then
    fail('simulate: expected a table such as { path = "/api/x" }')
  end
  local response = request.response or {}
  local lines, kind = lines_of(request.headers)
  local response_lines, response_kind = lines_of(response.headers)
  local plan = {
    method = request.method or (request.body and "POST" or "GET"), path = request.path or "/",
    host = request.host or "localhost", client = request.client or "127.0.0.1", body = request.body or "",
    fields = kind and lines .. "Content-Type: " .. kind .. "\r\n" or lines,
    status = response.status or 200, response_body = response.body or "",
    response_fields = response_kind and response_lines .. "Content-Type: " .. response_kind .. "\r\n" or response_lines,
    http = request.http, tls = simulated_tls(request.tls), store = simulated_store(request.store),
  }
  local result = driver.wait("simulate", plan)
  local answer_ = reply(result.status, result.fields, result.body)
  local sent = result.peer_fields and reply(0, result.peer_fields, result.peer_body) or {}
  return { upstream = result.upstream, peer = result.peer, route = result.route, status = result.status,
           headers = answer_.headers, body = result.body, hooks = result.hooks, log = result.log,
           request = { method = result.peer_method, path = result.peer_target, headers = sent.headers or {},
                       body = sent.body, host = sent.headers and sent.headers.host } }
end

help.build_query = build_query
