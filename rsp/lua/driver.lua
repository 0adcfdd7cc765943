-- Runs hooks in coroutines, within a budget of instructions, and lets them wait.
--
-- Takes the sandbox.  Returns the driver:
--   begin(limit)            the budget, in instructions, of whatever runs outside of coroutines from now on
--   arm(limit, memory)      the budget of each hook from now on
--   run(finish, state, fn, a, b, own)   call fn(a, b) as a hook
--   resume(task, ...)       a wait is over: go on with what it gave
--   cancel(task)            nobody needs the rest
--   wait(operation, ...)    for words: give the host something to do, return what it answers
--   charge(work, bytes)     for words: before the host or a C function works for the hook in proportion to its input
--   left()                  for words: instructions that are left to charge
--
-- `run` and `resume` return what finish(state, first, second) makes of the hook's results, or
--   1, task, operation, ...     it waits
--   2, message, traceback       it failed
--
-- JIT-compiled loops never call a count hook, so nothing is compiled; the interpreter is fast enough.  Past the budget
-- every instruction fails, so that a loop around pcall cannot go on either.

local sandbox = ...
local fail = sandbox.fail
local create, resume, yield, running = coroutine.create, coroutine.resume, coroutine.yield, coroutine.running
local sethook, traceback, error, tostring, type = debug.sethook, debug.traceback, error, tostring, type
local collectgarbage = collectgarbage

local STEP = 500
local DONE, WAIT = {}, {}
sandbox.waits.token = WAIT

local clock, max, min = os.clock, math.max, math.min
local function used() return collectgarbage("count") end  -- KB
local in_use, share = 0, math.huge  -- KB after the last hook; what one may add to that
local too_much = "the hook needs more memory than lua.memory allows"
local looks = 0  -- at the budget
local began = false
local spent, budget, limit, tripped, main = 0, math.huge, math.huge, false, false
local too_long = "the configuration runs too long (an endless loop?)"

if jit then jit.off() end

-- Instructions that call into C may take long, so the time counts as well: three milliseconds, or ten nanoseconds for each
-- instruction that is allowed.  And what a hook takes of the memory is measured against what there was after the last one.
local check

-- The message has the line where it was first noticed, because from then on every instruction fails.
local function stop(wrong)
  if not tripped then
    local file, line = sandbox.position()
    tripped = (file and file .. ":" .. line .. ": " or "") .. wrong
    sethook(check, "", 1)
  end
  error(tripped, 0)
end

check = function()
  spent, looks = spent + STEP, looks + 1
  if not (main or running()) then
    return
  end
  local wrong = tripped
  if spent > limit then
    wrong = too_long
  elseif used() > in_use + share then
    wrong = too_much
  elseif looks % 4 == 0 then
    if not began then
      began = clock()  -- as good as the true beginning, which most hooks never ask for
    elseif clock() - began > max(0.003, limit * 1e-8) then
      wrong = too_long
    end
  end
  if wrong then
    stop(wrong)
  end
end
sethook(check, "", STEP)

-- current: the state of the request that the running code works for.
local driver = { current = false }
local tasks, last_task = {}, 0
local idle, count = {}, 0
local hook  -- the function that runs, or has just failed

function driver.begin(instructions)
  main, limit, spent, began = true, instructions, 0, false
end

-- After a call of the host's that may take long: it is not the hook's time.
function driver.rest()
  began = false
end

-- work: in instructions, each of them for ten nanoseconds; bytes: what the result takes of the memory.  The hook ends here
-- if that is more than it may have.
function driver.charge(work, bytes)
  spent = spent + work
  if spent > limit then
    stop(too_long)
  elseif used() + (bytes or 0) / 1024 > in_use + share then
    stop(too_much)
  end
end

-- Instructions that the hook may still charge.
function driver.left()
  return limit - spent
end

-- Garbage of one hook is not to be the next one's lack of memory: the collector would wait for twice of what was in use.
-- So memory is looked at after each stretch of a hook, however short: one call may have taken megabytes.
local half, watermark = math.huge, math.huge  -- KB

function driver.collect()
  collectgarbage()
  in_use = used()
  watermark = max(half, min(in_use * 1.3, in_use / 2 + half))
end

local function tidy()
  in_use = used()
  if in_use > watermark then
    driver.collect()
  end
end

-- memory: in KB, all that there may be.
function driver.arm(instructions, memory)
  main, budget = false, instructions
  half, watermark, share = memory / 2, memory / 2, memory / 8
  in_use = used()
  too_long = "the hook runs longer than lua.instructions allows (" .. instructions .. ")"
end

local function body(hook, a, b)  -- luacheck: ignore 431
  while true do
    hook, a, b = yield(DONE, hook(a, b))
  end
end

local function restore()
  tripped = false
  sethook(check, "", STEP)
end

local function failed(co, message)
  if tripped then
    restore()
  end
  tidy()
  if message == "not enough memory" then
    message = too_much
  end
  if type(message) ~= "string" then
    message = "error object: " .. tostring(message)
  end
  if not message:find("^[^\n]-:%d+: ") then  -- nothing else is known than the hook, after a tail call for example
    message = driver.where() .. message
  end
  return 2, message, traceback(co)
end

local function done(co, finish, state, a, b)
  count = count + 1
  idle[count] = co
  tidy()
  return finish(state, a, b)
end

-- After a resume of co: it is done, or waits, or has failed.
local function settle(co, finish, state, ok, what, a, b, c, d)
  if not ok then
    return failed(co, what)
  end
  if what == DONE then
    if tripped then
      restore()
    end
    return done(co, finish, state, a, b)
  end
  if what ~= WAIT then
    return failed(co, "coroutine.yield outside of a coroutine of its own")
  end
  tidy()
  last_task = last_task + 1
  tasks[last_task] = { co = co, finish = finish, state = state, spent = spent, limit = limit, hook = hook }
  return 1, last_task, a, b, c, d
end

-- own: another budget than that of all.
function driver.run(finish, state, fn, a, b, own)
  local co
  if count > 0 then
    co = idle[count]
    count = count - 1
  else
    co = create(body)
  end
  driver.current, spent, limit, began, hook = state, 0, own or budget, false, fn
  local ok, what, first, second, third, fourth = resume(co, fn, a, b)
  if ok and what == DONE and not tripped then
    return done(co, finish, state, first, second)
  end
  return settle(co, finish, state, ok, what, first, second, third, fourth)
end

function driver.resume(number, ...)
  local task = tasks[number]
  tasks[number] = nil
  driver.current, spent, limit, began, hook = task.state, task.spent, task.limit, false, task.hook
  return settle(task.co, task.finish, task.state, resume(task.co, ...))
end

function driver.cancel(number)
  tasks[number] = nil
end

-- May fail in the hook: the host's answer is true and values, or false and a message.
local function answered(good, ...)
  if good then
    return ...
  end
  fail((...))
end

function driver.wait(operation, a, b, c)
  if not running() then
    fail(operation .. " cannot wait here: it belongs into a hook")
  end
  return answered(yield(WAIT, operation, a, b, c))
end

-- Several functions at once, as coroutines of one task: what each of them waits for is begun, then all are waited for.
-- The host's answer to the operation "any" is the number of the member whose wait is over, and its answer.
function driver.parallel(functions)
  local results, waiting, members = {}, 0, {}
  local function go_on(key, co, ok, first, ...)
    if not ok then
      error(first, 0)
    end
    if first == WAIT then
      waiting = waiting + 1
      local number = driver.wait("start", ...)
      members[number] = { key = key, co = co }
    else
      results[key] = first
    end
  end
  for key, fn in pairs(functions) do
    if type(fn) ~= "function" then
      fail("parallel: expected functions, got a " .. type(fn) .. " at " .. tostring(key))
    end
    local co = create(fn)
    go_on(key, co, resume(co))
  end
  while waiting > 0 do
    local number, good, a, b = driver.wait("any")
    local member = members[number]
    members[number] = nil
    waiting = waiting - 1
    go_on(member.key, member.co, resume(member.co, good, a, b))
  end
  return results
end

-- Where the hook begins that runs, or has just ended: what a message begins with.
function driver.where()
  local source, line = driver.place(hook)
  return source:sub(2) .. ":" .. line .. ": "
end

-- Where a function begins: its source, and the line.
function driver.place(fn)
  local info = debug.getinfo(fn, "S")
  return info.source, info.linedefined
end

return driver
