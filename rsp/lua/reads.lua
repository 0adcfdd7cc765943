-- Globals that functions index or call, found without running them: hooks run when requests come, which is late for a
-- typing mistake.
--
-- Takes what sandbox.lua returns; returns a function that lists { name =, file =, line = } of those that are nil.  A
-- global that is compared or tested somewhere is left out: the file looks whether it exists.  Only LuaJIT shows its
-- bytecode.  Its versions number instructions differently, so samples tell the numbers.

local sandbox = ...
local available, util = pcall(require, "jit.util")
if not available then
  return function() return {} end
end
local funcinfo, funcbc, funck = util.funcinfo, util.funcbc, util.funck
local floor, min, compile = math.floor, math.min, loadstring
local MOST = 200000  -- instructions: a file has few, a list of many hooks is not read to its end
local FAR = 200  -- instructions from a function to its call

-- Operation and operands: A, B, C, and D, which is B and C together.
local function decoded(code, at)
  local word = funcbc(code, at) % 2 ^ 32
  return word % 256, floor(word / 256) % 256, floor(word / 2 ^ 24), floor(word / 65536)
end

local function operations(...)
  local set = {}
  for _, sample in ipairs({ ... }) do
    set[(decoded(compile(sample[1]), sample[2]))] = true
  end
  return set
end

local reads = operations({ "return x", 1 })
local indexes = operations({ "return x.y", 2 }, { "return x[1]", 2 }, { "local k return x[k]", 3 }, { "x.y = 1", 3 })
local calls = operations({ "x()", 2 }, { "return x()", 2 }, { "x(...)", 3 }, { "return x(...)", 3 })
local tests = operations({ "if x then end", 2 }, { "if not x then end", 2 }, { "return not x", 2 },
  { "local a, b a = x or b", 3 }, { "local a, b a = x and b", 3 })

-- Whether what instruction ``at`` has put into ``slot`` is indexed or called before anything else happens to it.  Calls
-- of lower slots take it as an argument.
local function is_used(code, at, slot, last)
  for next = at + 1, min(last, at + FAR) do
    local operation, a, b, d = decoded(code, next)
    if indexes[operation] and b == slot then
      return true
    elseif calls[operation] and a <= slot then
      return a == slot
    elseif a == slot or tests[operation] and d == slot then
      return false
    end
  end
  return false
end

return function()
  local used, looked, left = {}, {}, MOST
  local function walk(code, is_main)
    local info = funcinfo(code)
    local last = min(info.bytecodes - 1, left)
    left = left - last
    for at = 1, last do
      local operation, a, _, d = decoded(code, at)
      if reads[operation] then
        local name = funck(code, -d - 1)
        if not is_used(code, at, a, last) then
          looked[name] = true
        elseif not is_main then
          used[#used + 1] = { name = name, file = info.source:sub(2), line = funcinfo(code, at).currentline }
        end
      end
    end
    for number = -1, -info.gcconsts, -1 do
      local inner = funck(code, number)
      if type(inner) == "proto" and left > 0 then
        walk(inner, false)
      end
    end
  end
  for _, chunk in ipairs(sandbox.chunks) do
    walk(chunk, true)
  end
  local found = {}
  for _, one in ipairs(used) do
    if not looked[one.name] and sandbox.env[one.name] == nil then
      found[#found + 1] = one
      looked[one.name] = true
    end
  end
  return found
end
