-- Runs hooks in coroutines, within a budget of instructions, and lets them wait.
--
-- Takes the sandbox.  Returns the driver:
--   begin(limit)            the budget, in instructions, of whatever runs outside of coroutines from now on
--   arm(limit, memory)      the budget of each hook from now on
--   run(finish, state, fn, a, b, own)   call fn(a, b) as a hook
--   resume(task, ...)       a wait is over: go on with what it gave
--   cancel(task)            the rest is not needed
--   wait(operation, ...)    for words: give the host something to do, return what it answers
--   charge(work, bytes)     for words: before the host or a C function works for the hook in proportion to its input
--   left()                  for words: instructions that are left to charge
--   counted(work, ...)      for words: charges it, and gives the rest
--   watch(work)             for words: before a C function that may take that long, or not: the clock will tell
--
-- `run` and `resume` return what finish(state, first, second) makes of the hook's results, or
--   "waits", task, operation, ...
--   "failed", message, traceback
--
-- JIT-compiled loops never call a count hook, so nothing is compiled; the interpreter is fast enough.  Past the budget
-- every instruction fails, so that a loop around pcall cannot go on either.

local sandbox = ...
local fail, create, late = sandbox.fail, sandbox.create, sandbox.late
local resume, yield, running = coroutine.resume, coroutine.yield, coroutine.running
local find, sub = string.find, string.sub
local getinfo = debug.getinfo
local sethook, traceback, error, tostring, type = debug.sethook, debug.traceback, error, tostring, type
local collectgarbage = collectgarbage

local STEP, SHORT_STEP = 500, 100
local DONE, WAIT = {}, {}
late.token = WAIT

local clock = sandbox.clock  -- of this thread: os.clock counts those that check passwords, too
local max, min = math.max, math.min
local function used() return collectgarbage("count") end  -- KB
local in_use, share = 0, math.huge  -- KB after the last hook; what a hook may add to that
local too_much = "the configuration needs more memory than there is"
local step = STEP  -- instructions from one look at the budget to the next
local patience = 4  -- looks without one at the clock
local began, before, doubtful = false, 0, 0
local spent, budget, limit, tripped, main = 0, math.huge, math.huge, false, false
local too_long = "the configuration runs too long (an endless loop?)"
local DEEPEST = 4000  -- calls in one another; where the stack is full, each failure costs a quarter of a millisecond

if jit then jit.off() end

-- Instructions that call into C may take long, so the time counts as well: three milliseconds, or ten nanoseconds for each
-- instruction that is allowed.  And what a hook takes of the memory is measured against what there was after the last one.
-- A hook that has taken much is looked at more often: one instruction may copy it all.
local check
local MUCH, VERY_MUCH = 256, 512  -- KB

-- The message has the line where it was first noticed, because from then on every instruction fails.
local function stop(wrong)
  if not tripped then
    local file, line = sandbox.position()
    tripped = (file and file .. ":" .. line .. ": " or "") .. wrong
    sethook(check, "", 1)
  end
  error(tripped, 0)
end

local function look_at_the_clock()
  patience, doubtful = 4, 0
  if not began then
    began = clock()  -- as good as the true beginning, which most hooks never ask for
  elseif before + clock() - began > max(0.003, limit * 1e-8) then
    stop(too_long)
  end
end

-- Where there are long texts, one instruction may compare or convert them.
local function look_often()
  step = SHORT_STEP
  sethook(check, "", step)
end

check = function()
  spent, patience = spent + step, patience - 1
  if not (main or running()) then
    return
  elseif tripped then
    stop(tripped)
  end
  local taken = used() - in_use
  if spent > limit then
    stop(too_long)
  elseif taken > share then
    stop(too_much)
  elseif getinfo(DEEPEST, "l") then
    stop("functions call one another too deep")
  elseif patience <= 0 or taken > MUCH then
    look_at_the_clock()
    if taken > VERY_MUCH and step == STEP and not main then
      look_often()
    end
  end
end
sethook(check, "", STEP)

-- current: the state of the request that the running code works for.
local driver = { current = false }
local tasks, last_task = {}, 0
local idle, count = {}, 0
local hook  -- the function that runs, or has just failed

function driver.begin(instructions)
  main, limit, spent, began, before = true, instructions, 0, false, 0
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

-- What a function of the host's gives that counts its own work, up to what is left: the work, and its results.
function driver.counted(work, ...)
  if work == nil then
    fail((...))
  end
  driver.charge(work)
  return ...
end

-- Work that may be needed, or not: when it could come to half a millisecond, the clock is looked at.
function driver.watch(work)
  doubtful = doubtful + work
  if doubtful > 50000 then
    if tripped then
      stop(tripped)
    end
    look_at_the_clock()
    patience = 0
  end
end

-- Memory ran out, and the hook has caught that.
function late.exhausted()
  stop(too_much)
end

late.charge = driver.charge
if not jit then
  function late.watch_over(co) sethook(co, check, "", STEP) end
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
  too_much = "the hook needs more memory than lua.memory allows"
  too_long = "the hook runs longer than lua.instructions allows (" .. instructions .. ")"
end

local function body(hook, a, b)  -- luacheck: ignore 431
  while true do
    hook, a, b = yield(DONE, hook(a, b))
  end
end

local function restore(co)
  tripped, step = false, STEP
  sethook(check, "", STEP)
  late.unwound()
  if late.watch_over then
    late.watch_over(co)
  end
end

-- What a hook has thrown, as text.  Nothing of the user's may run here, outside of all budgets: no __tostring.
local function message_of(co, problem)
  local kind = type(problem)
  if problem == "not enough memory" then
    problem = too_much
  elseif kind == "table" then
    problem = "error object: table"
  elseif kind == "userdata" then  -- an exception of the host's, or a word
    problem = tostring(problem)
  elseif kind ~= "string" then
    problem = "error object: " .. tostring(problem)
  end
  problem = sub(problem, 1, 4096)
  local _, ours = find(problem, "^%l+:%d+: ")  -- a room's line says nothing to its reader
  if ours then
    problem = sub(problem, ours + 1)
  elseif find(problem, "^[^\n:]*:%d+: ") then
    return problem
  end
  local file, line = sandbox.position_in(co)  -- a tail call, for example, leaves nothing but the hook
  return (file and file .. ":" .. line .. ": " or driver.where()) .. problem
end

local function failed(co, problem)
  if tripped or step ~= STEP then
    restore(co)
  end
  tidy()
  return "failed", message_of(co, problem), traceback(co)
end

local function done(co, finish, state, a, b)
  count = count + 1
  idle[count] = co
  if step ~= STEP then
    restore(co)
  end
  tidy()
  return finish(state, a, b)
end

-- After a resume of co: it is done, or waits, or has failed.
local function settle(co, finish, state, ok, what, a, b, c, d, e, f)
  if not ok then
    return failed(co, what)
  end
  if what == DONE then
    if tripped then
      restore(co)
    end
    return done(co, finish, state, a, b)
  end
  if what ~= WAIT then
    return failed(co, "coroutine.yield outside of a coroutine of its own")
  end
  local much = step ~= STEP or used() - in_use > VERY_MUCH
  if step ~= STEP then
    restore(co)
  end
  tidy()
  last_task = last_task % 2 ^ 53 + 1
  tasks[last_task] = { co = co, finish = finish, state = state, spent = spent, limit = limit, hook = hook,
                       much = much, before = began and before + clock() - began or before }
  return "waits", last_task, a, b, c, d, e, f
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
  driver.current, spent, limit, began, before, hook = state, 0, own or budget, false, 0, fn
  local ok, what, first, second, third, fourth, fifth, sixth = resume(co, fn, a, b)
  if ok and what == DONE and not tripped then
    return done(co, finish, state, first, second)
  end
  return settle(co, finish, state, ok, what, first, second, third, fourth, fifth, sixth)
end

function driver.resume(number, ...)
  local task = tasks[number]
  tasks[number] = nil
  driver.current, spent, limit, hook = task.state, task.spent, task.limit, task.hook
  began, before = false, task.before
  if task.much then
    look_often()
  end
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

local forbidden, cannot

-- fn, which runs next, cannot wait, and why.  All others can, however it ends.
function driver.forbid(fn, reason)
  forbidden, cannot = fn, reason
end

-- Why nothing can be waited for here; nil: it can.
function driver.obstacle()
  return hook == forbidden and cannot or not running() and "which belongs into a hook: on_request, on_start, ..." or nil
end

function driver.wait(operation, a, b, c, d, e)
  if not running() then
    fail(operation .. " cannot wait here: call it in a hook")
  end
  return answered(yield(WAIT, operation, a, b, c, d, e))
end

local BEGUN = 1000  -- instructions, for each wait that begins beside others

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
      driver.charge(BEGUN)
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
  return sub(source, 2) .. ":" .. line .. ": "
end

-- Where a function begins: its source, and the line.
function driver.place(fn)
  local info = debug.getinfo(fn, "S")
  return info.source, info.linedefined
end

return driver
