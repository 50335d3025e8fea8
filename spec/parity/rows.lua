--- The official Python SDK beside this module: what is there, how it is done here, and the example of a spec that shows
--- it. Nothing stands here that no spec has seen.

local calls = require "spec.parity.calls"

---@class spec.parity.Row
---@field [1] string theirs
---@field [2] string ours
---@field [3] string "spec/x_spec.lua: full words of an example in it"
---@field differs? string why it is otherwise here, where it is on purpose

---@class spec.parity.Group: { [integer]: spec.parity.Row }
---@field title string

local function argument_row(call, argument)
  local ours = {}
  for index, form in ipairs(call.ours) do
    local whole = argument.positional and form:gsub(", {.*}", "") or form:format(argument.ours or argument[1])
    ours[index] = "`" .. whole .. "`"
  end
  return {
    ("`%s(%s)`"):format(call.theirs, argument[1]),
    table.concat(ours, ", "),
    ("spec/parity/arguments_spec.lua: every argument of %s is sent as the table says"):format(call.theirs),
    differs = argument.differs,
  }
end

local function bare_row(call)
  local and_turns = call.always and call.always.excludeTurns and ", but that turns are to be left out" or ""
  local overruled = call.theirs == "Codex.thread_start"
  return {
    ("`%s` without options"):format(call.theirs),
    ("nothing is sent that wasn't said%s"):format(and_turns),
    ("spec/parity/arguments_spec.lua: every argument of %s is left out unless it is given"):format(call.theirs),
    differs = overruled and "theirs sends an approval policy and its reviewer" or nil,
  }
end

local function has_options(call)
  for _, argument in ipairs(call.arguments) do
    if not argument.positional then return true end
  end
  return false
end

local function argument_rows()
  local group = { title = "Arguments, one by one" }
  for _, call in ipairs(calls) do
    if has_options(call) then group[#group + 1] = bare_row(call) end
    for _, argument in ipairs(call.arguments) do
      group[#group + 1] = argument_row(call, argument)
    end
  end
  return group
end

local groups = {}
for _, name in ipairs { "client", "threads", "turns", "inputs", "results", "errors", "accounts", "goals", "edges" } do
  groups[#groups + 1] = require("spec.parity.groups." .. name)
end
groups[#groups + 1] = argument_rows()

---@type spec.parity.Group[]
return groups
