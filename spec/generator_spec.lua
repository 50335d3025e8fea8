-- The generator on schemas that differ a little from the server's own: what it says of the difference, what stops it.
local cjson = require "cjson"
local codex = require "codex"
local kit = require "spec.support.kit"

local BUNDLE = "codex_app_server_protocol.schemas.json"

local function run(command)
  local pipe = assert(io.popen("env -u LD_PRELOAD -u MAKEFLAGS -u MAKELEVEL " .. command .. " 2>&1; echo status=$?"))
  local output = pipe:read "*a"
  pipe:close()
  local text, status = output:match "^(.-)status=(%d+)%s*$"
  return text, tonumber(status)
end

local schema_text

-- The server's schema, edited: a folder with it.
local function variation(edit)
  if not schema_text then
    local file = assert(io.open(kit.schema() .. "/" .. BUNDLE, "rb"))
    schema_text = file:read "*a"
    file:close()
  end
  local schema = cjson.decode(schema_text)
  if edit then edit(schema.definitions.v2, schema.definitions) end
  local folder = kit.folder()
  local file = assert(io.open(folder .. "/" .. BUNDLE, "wb"))
  file:write(cjson.encode(schema))
  file:close()
  return folder
end

local function generate(folder)
  local out = kit.folder()
  return run(("lua5.4 '%s/src/core/generate.lua' '%s' 1.2.3 '%s/tables.c' '%s/types.lua'"):format(kit.root, folder, out,
    out))
end

local function diff(old, new)
  return run(("lua5.4 '%s/src/core/generate.lua' diff '%s' '%s'"):format(kit.root, old, new))
end

local function make_diff(variables)
  return run(("make -s -C '%s' generate-diff %s"):format(kit.root, variables))
end

-- What the difference is said to be, without the line that names the folders.
local function difference(edit_old, edit_new)
  local text, status = diff(variation(edit_old), variation(edit_new))
  assert.equal(0, status, text)
  return (text:gsub("^From [^\n]*\n\n", ""))
end

local function find(list, value)
  for i, entry in ipairs(list) do
    if entry.properties.method.enum[1] == value then return i end
  end
end

local function method(name, params)
  return {
    type = "object", required = { "id", "method", "params" },
    properties = {
      id = { ["$ref"] = "#/definitions/v2/RequestId" }, method = { type = "string", enum = { name } },
      params = { ["$ref"] = "#/definitions/v2/" .. params },
    },
  }
end

local function add_nap(v2, definitions, name)
  table.insert(definitions.ClientRequest.oneOf, method(name or "thread/nap", "ThreadNapParams"))
  v2.ThreadNapParams = {
    type = "object", required = { "threadId" },
    properties = { threadId = { type = "string" }, seconds = { type = { "integer", "null" } } },
  }
  v2.ThreadNapResponse = { type = "object" }
end

describe("the difference between two schemas", function()
  after_each(kit.cleanup)

  it("is nothing between equal ones, descriptions aside", function()
    assert.equal("Nothing differs.\n", difference(nil, function(v2)
      v2.Turn.description = "Something else"
      v2.ThreadStartParams.properties.cwd.description = "Something else"
      v2.Unreached = { type = "object", properties = { x = { type = "string" } } }
    end))
  end)

  it("names methods that come, go, and change", function()
    local function rename(v2, definitions)
      add_nap(v2, definitions)
      table.remove(definitions.ServerNotification.oneOf, find(definitions.ServerNotification.oneOf, "thread/compacted"))
      local read = definitions.ClientRequest.oneOf[find(definitions.ClientRequest.oneOf, "thread/read")]
      read.properties.params["$ref"] = "#/definitions/v2/ThreadArchiveParams"
      v2.ThreadReadResponse, v2.ThreadLookResponse = nil, v2.ThreadReadResponse
    end
    assert.equal([[
Methods
  - thread/compacted (notification): ContextCompactedNotification
  + thread/nap (request): ThreadNapParams -> ThreadNapResponse
  ~ thread/read (request): ThreadArchiveParams -> ThreadArchiveResponse, was ThreadReadParams -> ThreadReadResponse

Types
  - ContextCompactedNotification
  + ThreadNapParams: { seconds?, threadId }
  + ThreadNapResponse: {}
  - ThreadReadParams
  - ThreadReadResponse
]], difference(nil, rename))
  end)

  it("names fields, what is required, types and defaults", function()
    assert.equal([[
Types
  TurnSteerParams
    - expectedTurnId: string, required
    + extra: map of (integer | null), optional
    ~ input[]: string, was UserInput
    ~ threadId: now optional
    ~ threadId: string | null, was string
  TurnSteerResponse
    ~ now open for others
    ~ turnId: now optional
    ~ turnId: default "x", was none
]], difference(nil, function(v2)
      local params, response = v2.TurnSteerParams, v2.TurnSteerResponse
      for wire in pairs(params.properties) do
        if wire ~= "input" and wire ~= "threadId" and wire ~= "expectedTurnId" then params.properties[wire] = nil end
      end
      params.properties.expectedTurnId, params.required = nil, { "input" }
      params.properties.threadId.type = { "string", "null" }
      params.properties.input.items = { type = "string" }
      params.properties.extra = { type = "object", additionalProperties = { type = { "integer", "null" } } }
      response.additionalProperties, response.required = true, nil
      response.properties.turnId.default = "x"
    end):gsub("    %- [^e][^\n]*\n", ""))
  end)

  it("names values, variants, and what is inside of them", function()
    local function variant_of(union, tag)
      for i, alternative in ipairs(union.oneOf) do
        if alternative.properties.type.enum[1] == tag then return i, alternative.properties end
      end
    end
    assert.equal([[
Types
  AskForApproval
    + value "sometimes"
    ~ <granular>.granular.rules: now optional
  ThreadItem
    ~ <agentMessage>.text: string | null, was string
    - variant plan
  TurnStatus
    + value "asleep"
    - value "interrupted"
]], difference(nil, function(v2)
      v2.TurnStatus.enum = { "asleep", "completed", "failed", "inProgress" }
      table.remove(v2.ThreadItem.oneOf, (variant_of(v2.ThreadItem, "plan")))
      local _, message = variant_of(v2.ThreadItem, "agentMessage")
      message.text.type = { "string", "null" }
      table.insert(v2.AskForApproval.oneOf, { type = "string", enum = { "sometimes" } })
      for _, alternative in ipairs(v2.AskForApproval.oneOf) do
        local granular = alternative.properties and alternative.properties.granular
        if granular then
          for i, wire in ipairs(granular.required) do
            if wire == "rules" then table.remove(granular.required, i) end
          end
        end
      end
    end))
  end)

  it("is told of forms that the tables can't be made of", function()
    local odd = function(v2)
      v2.TurnSteerResponse.properties.turnId = { type = "string", contentEncoding = "base64" }
      v2.ThreadReadResponse, v2.ThreadLookResponse = nil, v2.ThreadReadResponse
    end
    assert.equal([[
Methods
  ~ thread/read (request): ThreadReadParams, was ThreadReadParams -> ThreadReadResponse

Types
  - ThreadReadResponse
  TurnSteerResponse
    ~ turnId: {"contentEncoding":"base64","type":"string"}, was string
]], difference(nil, odd))
  end)
end)

describe("make generate-diff", function()
  after_each(kit.cleanup)

  it("compares folders, and versions of the server with the pinned one", function()
    local old, new = variation(), variation(add_nap)
    local text, status = make_diff(("OLD='%s' NEW='%s'"):format(old, new))
    assert.equal(0, status, text)
    assert.truthy(text:find(("From %s to %s:\n\nMethods\n  + thread/nap"):format(old, new), 1, true), text)
    text, status = make_diff("OLD=" .. codex.schema_version)
    assert.equal(0, status, text)
    assert.truthy(text:find("\n\nNothing differs.\n", 1, true), text)
  end)

  it("says what is wrong with what it was given", function()
    for variables, message in pairs {
      [""] = "make generate-diff OLD=",
      ["OLD=no/such/folder"] = "'no/such/folder' is neither a folder nor a version of the server",
      ["OLD=src"] = "src holds no " .. BUNDLE,
      ["OLD=" .. codex.schema_version .. " NEW=src"] = "src holds no " .. BUNDLE,
    } do
      local text, status = make_diff(variables)
      assert.not_equal(0, status, variables)
      assert.truthy(text:find(message, 1, true), text)
    end
  end)
end)

describe("the generator", function()
  after_each(kit.cleanup)

  it("makes tables and types of a schema that has grown", function()
    local text, status = generate(variation(add_nap))
    assert.equal(0, status, text)
    assert.truthy(text:find("^1.2.3: 283 methods"), text)
  end)

  it("stops at what it doesn't know, and says where", function()
    for message, edit in pairs {
      ["unknown form of schema: 'contentEncoding'"] = function(v2)
        v2.TurnSteerResponse.properties.turnId = { type = "string", contentEncoding = "base64" }
      end,
      ["no result type for 'thread/read'"] = function(v2)
        v2.ThreadReadResponse = nil
      end,
      ["'StrayResponse' is the result of no method"] = function(v2)
        v2.StrayResponse = { type = "object" }
      end,
      ["both called 'thread.turns_list'"] = function(v2, definitions)
        add_nap(v2, definitions, "thread/turnsList")
      end,
      ["an empty default"] = function(v2)
        v2.TurnSteerResponse.properties.turnId.default = {}
      end,
      ["no definition '#/definitions/v2/Gone'"] = function(v2)
        v2.TurnSteerResponse.properties.turnId = { ["$ref"] = "#/definitions/v2/Gone" }
      end,
    } do
      local text, status = generate(variation(edit))
      assert.equal(1, status, message)
      assert.truthy(text:find("generate.lua: ", 1, true) and text:find(message, 1, true), text)
      assert.falsy(text:find("stack traceback", 1, true), text)
    end
  end)

  it("says how it is called", function()
    local text, status = run(("lua5.4 '%s/src/core/generate.lua' x"):format(kit.root))
    assert.equal(2, status)
    assert.truthy(text:find("usage: generate.lua SCHEMA_DIR VERSION TABLES.c TYPES.lua", 1, true), text)
  end)
end)
