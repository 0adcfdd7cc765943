-- The phases of a request, as the host calls them.  Each function returns nothing when there is nothing to tell, or what
-- driver.lua says, or what came out, whose name is the first result:
--   "change", method, target, path_set, host, body                   what on_request has assigned to req; nil: nothing
--   "proxy", upstream, peer, method, target, path_set, host, body    where it sends the request, and the same
--   "change", status, body, filtered                                 what on_response has assigned to res
--   "respond", status, type, fields, body                            the answer that it gives
--   "peer", index                                                    of the one that on_upstream has chosen
--   "chunk", text                                                    what a filter makes of its chunk

local driver, objects, answers, functions, services = ...
local warn = services.warn
local type, tostring, rawequal, rawget, sub = type, tostring, rawequal, rawget, string.sub
local run, req, res = driver.run, objects.req, objects.res
local phases = {}

-- For messages.  Nothing of the user's may run here, outside of all budgets: no __tostring, no __eq, no __index.
local function shown(value)
  local kind = type(value)
  if kind == "string" then
    return '"' .. sub(value, 1, 200) .. '"'
  end
  return kind == "table" and "a table" or tostring(value)
end

local function answer_of(s, value, phase)
  local known = value ~= nil and answers[value]
  if s.made then
    s.made = nil
    if not known then
      warn(driver.where() .. "this hook made an answer, but did not return it: say  return respond(...)")
    end
  end
  if known or value == nil or value == true then
    return known
  end
  return nil, phase .. " returned " .. shown(value)
    .. "; expected nothing, or respond(...), redirect(...), proxy(...)"
    .. (type(value) == "number" and "; write return respond(" .. shown(value) .. ")" or "")
end

-- Where a peer cannot be chosen any more.
local function response_of(s, value, phase)
  local answer, wrong = answer_of(s, value, phase)
  if answer and answer.kind ~= "respond" then
    return nil, phase .. " returned proxy(...): it is too late for that"
  end
  return answer, wrong
end

local function failed(wrong)
  return "failed", driver.where() .. wrong, ""
end

local function respond(answer)
  return "respond", answer.status, answer.type, answer.fields, answer.body
end

local UNCHANGED = {}

local function changes_of(s)
  local changed = s.changed or UNCHANGED
  s.changed = nil
  return changed.method and s.method, changed.target and s.target, changed.path_set, changed.host and s.host,
    changed.body and s.body
end

local function finish_request(s, value)
  if value == nil and not s.changed and not s.made then
    return
  end
  local answer, wrong = answer_of(s, value, "on_request")
  if wrong then
    return failed(wrong)
  elseif not answer then
    if s.changed then
      return "change", changes_of(s)
    end
  elseif answer.kind == "respond" then
    s.changed = nil
    return respond(answer)
  else
    return "proxy", answer.upstream, answer.peer, changes_of(s)
  end
end

-- id: 0 if no later phase will want the same req.
function phases.request(number, id, method, target, host, client)
  if id == 0 then
    local s = { method = method, target = target, host = host, client = client }
    return run(finish_request, s, functions[number], req)
  end
  local s = objects.state(id)
  s.method, s.target, s.host, s.client = method, target, host, client
  s.path, s.args, s.cookies = nil, nil, nil
  return run(finish_request, s, functions[number], req)
end

local function finish_response(s, value)
  local r = s.response
  if value == nil and not r.changed and not s.made then
    return
  end
  local answer, wrong = response_of(s, value, "on_response")
  if wrong then
    return failed(wrong)
  elseif answer then
    return respond(answer)
  end
  local changed = r.changed
  if changed then
    r.changed = nil
    return "change", changed.status and r.status, changed.body and r.body, changed.filtered
  end
end

local function respond_to(s, status)
  local r = s.response
  if r == nil then
    s.response = { status = status }
  else
    r.status = status
  end
end

-- fresh: no hook has seen this response yet.
function phases.response(number, id, status, fresh)
  local s = objects.state(id)
  if fresh then
    s.response = nil
  end
  respond_to(s, status)
  return run(finish_response, s, functions[number], req, res)
end

-- The number under which a filter is called, for the response that has just got one.
local filters, last_filter = {}, 0

function phases.filter_of(id)
  last_filter = last_filter % 2 ^ 53 + 1
  filters[last_filter] = objects.state(id).response.filter
  return last_filter
end

local function finish_filter(_, value)
  if value ~= nil and type(value) ~= "string" then
    return failed("a filter returned a " .. type(value) .. "; expected a string, or nothing for nothing")
  elseif value then
    return "chunk", value
  end
end

function phases.filter(number, id, chunk, last)
  local filter = filters[number]
  driver.forbid(filter, "and a filter cannot wait: call it in on_response, before the filter")
  return run(finish_filter, objects.state(id), filter, chunk, last)
end

function phases.forget_filter(number)
  filters[number] = nil
end

local function finish_error(s, value)
  local answer, wrong = response_of(s, value, "on_error")
  if wrong then
    return failed(wrong)
  elseif answer then
    return respond(answer)
  end
end

function phases.error(number, id, status, reason)
  local s = objects.state(id)
  return run(finish_error, s, functions[number], req, { status = status, reason = reason })
end

-- Whose results matter to nothing.
local function finish() end

function phases.log(number, id, status)
  local s = objects.state(id)
  respond_to(s, status)
  s.response.over = true
  return run(finish, s, functions[number], req, res)
end

-- A hook chooses a peer of its list, its index, or its address.
local function finish_upstream(s, value)
  if value == nil then
    return
  end
  local peers = s.peers
  s.peers = nil
  for index = 1, #peers do
    local peer = peers[index]
    if rawequal(peer, value) or rawequal(index, value) or rawequal(rawget(peer, "address"), value) then
      return "peer", index
    end
  end
  return failed("on_upstream returned " .. shown(value) .. "; expected one of the peers, or nothing")
end

-- peers: a list of tables that the host has made.
function phases.upstream(number, id, peers)
  local s = objects.state(id)
  local own = {}  -- the hook may sort its list, or take peers out
  for index = 1, #peers do
    own[index] = peers[index]
  end
  s.peers = own
  return run(finish_upstream, s, functions[number], req, peers)
end

-- What belongs to no request: on_start, on_reload, timers, tests.  instructions: its budget, where it has its own.
function phases.plain(number, instructions)
  return run(finish, false, functions[number], nil, nil, instructions)
end

phases.resume, phases.cancel, phases.release = driver.resume, driver.cancel, objects.release
return phases
