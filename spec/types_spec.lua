-- lua/codex/types.lua, the protocol's types for editors: it hangs together, says everything that the tables know, and
-- says it in the way that the language server understands.
local codex = require "codex"
local core = require "codex.core"
local kit = require "spec.support.kit"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local function lines_of(path)
  local lines = {}
  for line in read(path):gmatch "([^\n]*)\n" do
    lines[#lines + 1] = line
  end
  return lines
end

local path = kit.root .. "/lua/codex/types.lua"

-- What a line declares: a class or alias.
local function declared_by(line)
  return line:match "^%s*%-%-%-@class ([%w_.]+)" or line:match "^%s*%-%-%-@alias ([%w_.]+)"
end

local function declared_in(lines, into)
  for _, line in ipairs(lines) do
    local name = declared_by(line)
    if name then into[name] = line end
  end
  return into
end

-- What the module's other files declare.
local function declared_by_module()
  local declared = {}
  local list = io.popen(("ls '%s'/lua/codex/*.lua"):format(kit.root))
  for file in list:lines() do
    if file ~= path then declared_in(lines_of(file), declared) end
  end
  list:close()
  return declared
end

-- The lines that belong to a class or alias, by its name: fields, alternatives, overloads.
local function members()
  local of, current = {}, nil
  for _, line in ipairs(lines_of(path)) do
    current = declared_by(line) or line ~= "" and current or nil
    if current then
      of[current] = of[current] or {}
      table.insert(of[current], line)
    end
  end
  return of
end

local function has_line(list, line)
  for _, other in ipairs(list or {}) do
    if other == line then return true end
  end
  return false
end

-- The part of an annotation that holds types.
local function types_in(line)
  return line:match "^%-%-%-@field %S+ (.*)$" or line:match "^%-%-%-@class [%w_.]+: (.*)$"
    or line:match "^%-%-%-@alias [%w_.]+ (.*)$" or line:match "^%-%-%-@overload (.*)$"
    or line:match '^%-%-%-| "[^"]*"()' and "" or line:match "^%-%-%-| (.*)$"
end

local builtin = {}
for name in ("any boolean integer number string table fun params options nil lightuserdata"):gmatch "%a+" do
  builtin[name] = true
end

-- "turn/completed" → TurnCompleted
local function class_of(method)
  return (method:gsub("%f[%a]%a", string.upper):gsub("[/_]", ""))
end

describe("types.lua", function()
  it("is Lua without anything to run, for a meta module", function()
    local text = read(path)
    assert.truthy(text:find "^%-%-%-@meta codex%.types\n")
    assert.truthy(text:find(codex.schema_version, 1, true))
    assert.same({}, assert(loadfile(path))())
    for _, line in ipairs(lines_of(path)) do
      if line ~= "" and line ~= "return {}" and not line:find "^%-%-%-" then error(line) end
    end
  end)

  it("declares every name once that it uses, beside those of the module", function()
    local own, others, seen = declared_in(lines_of(path), {}), declared_by_module(), {}
    for _, line in ipairs(lines_of(path)) do
      local name = declared_by(line)
      if name then
        if seen[name] or others[name] then error("twice: " .. line) end
        seen[name] = true
      end
      for used in (types_in(line) or ""):gsub('"[^"]*"', ""):gmatch "[%a_][%w_.]*" do
        if not builtin[used] and not own[used] and not others[used] then error(used .. " in " .. line) end
      end
    end
  end)

  it("has no line that reads as an annotation but isn't one", function()
    local known = { meta = true, class = true, field = true, alias = true, overload = true }
    for _, line in ipairs(lines_of(path)) do
      local tag = line:match "^%-%-%-%s*@(%w*)"
      if tag and not known[tag] or line:find "^%-%-%-%s+|" or line:find "%c" then error(line) end
    end
  end)

  it("has every request under its name, pages and items where the answer comes in pages", function()
    local of = members()
    for name, method in pairs(core.methods()) do
      local group, member = name:match "^([^.]+)%.?(.*)$"
      local class = "codex.Api." .. class_of((group:gsub("_%a", function(s) return s:upper() end)))
      assert.truthy(has_line(of["codex.Api"], ("---@field %s %s"):format(group, class)), name)
      local text = table.concat(of[class] or {}, "\n")
      local own = member == "" and text or text:match("\n%-%-%-@field " .. member .. " ([^\n]*)")
      assert.is_string(own, name)
      if core.list_member(method) then text = table.concat(assert(of[own], own), "\n") end
      assert.equal(core.list_member(method) ~= nil, text:find("@field pages fun(", 1, true) ~= nil
        and text:find("@field items fun(", 1, true) ~= nil, name)
      if core.list_member(method) or member == "" then own = text:match "%-%-%-@overload (fun[^\n]*)" end
      assert.truthy(own and own:find "^fun%(params%??: .*, options%?: codex%.RequestOptions%): codex%.protocol%.", name)
    end
  end)

  it("has no requests that there aren't", function()
    local methods, groups = core.methods(), {}
    for line in table.concat(members()["codex.Api"], "\n"):gmatch "@field ([^\n]*)" do
      local group, class = line:match "^(%S+) (%S+)$"
      groups[class] = group
    end
    for class, lines in pairs(members()) do
      for _, line in ipairs(groups[class] and lines or {}) do
        local member = line:match "^%-%-%-@field (%S+)"
        if member and not methods[groups[class] .. "." .. member] then error(line) end
      end
    end
  end)

  it("has an event for every notification", function()
    local of = members()
    for _, method in ipairs(core.notifications()) do
      local lines = of["codex.Event." .. class_of(method)]
      assert.truthy(has_line(lines, ('---@field method "%s"'):format(method)), method)
      assert.truthy(lines[1]:find ": codex%.Event$", method)
      assert.truthy(table.concat(lines, "\n"):find "@field params codex%.protocol%.", method)
      assert.truthy(has_line(of["codex.AnyEvent"], "---| codex.Event." .. class_of(method)), method)
    end
  end)

  it("has the fields of params with the names in Lua, and no others", function()
    local of = members()
    for _, method in pairs(core.methods()) do
      local name = class_of(method) .. "Params"
      local expected, found = {}, {}
      for _, in_lua in pairs(core.fields(method)) do
        expected[in_lua] = true
      end
      for _, line in ipairs(of["codex.protocol." .. name] or {}) do
        local field = line:match '^%-%-%-@field %["(%w+)"%]' or line:match "^%-%-%-@field ([%w_]+)"
        if field then found[field] = true end
      end
      if next(found) then assert.same(expected, found, method) end
    end
  end)

  it("says what is required, what may be missing, defaults, values, variants, and what is inside", function()
    local of = members()
    local function says(name, ...)
      for _, line in ipairs { ... } do
        assert.truthy(has_line(of[name], line), name .. ": " .. line)
      end
    end
    says("codex.protocol.TurnStartParams", "---@field thread_id string", "---@field model? string",
      "---@field input codex.protocol.UserInput[]")
    says("codex.protocol.Model", "--- Default: `\"text\"`, `\"image\"`.",
      "---@field input_modalities? codex.protocol.InputModality[]", "--- Deprecated: use `service_tiers` instead. "
      .. "Default: empty.")
    says("codex.protocol.TurnStatus", '---| "inProgress"', '---| "interrupted"')
    says("codex.protocol.ThreadItem", "---| codex.protocol.ThreadItem.AgentMessage")
    says("codex.protocol.ThreadItem.AgentMessage", '---@field type "agentMessage"', "---@field text string",
      "---@field completed_at_ms? integer")
    says("codex.protocol.AskForApproval", '---| "never"', "---| codex.protocol.AskForApproval.Granular")
    says("codex.protocol.AskForApproval.Granular",
      "---@field granular codex.protocol.AskForApproval.Granular.Granular")
    says("codex.protocol.UserInput.Image", '---@field type "image"', "---@field url? string")
    says("codex.protocol.Config", "---@field [string] any")
    says("codex.protocol.CommandExecParams", "---@field env? table<string, string|lightuserdata>")
    says("codex.Event.TurnCompleted", "---@field params codex.protocol.TurnCompletedNotification")
    says("codex.Api.Thread.TurnsList", "---@overload fun(params: codex.protocol.ThreadTurnsListParams, "
      .. "options?: codex.RequestOptions): codex.protocol.ThreadTurnsListResponse")
    says("codex.Api.Account", "---@field logout fun(params?: {}, options?: codex.RequestOptions): "
      .. "codex.protocol.LogoutAccountResponse")
  end)

  it("is no part of the host program", function()
    local program = read(os.getenv "CODEX_LUA" or kit.root .. "/build/codex-lua")
    assert.falsy(program:find("---@meta codex.types", 1, true))
    assert.truthy(program:find("---@class codex.Client", 1, true))
  end)
end)
