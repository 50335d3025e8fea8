--- client.api: every method of the protocol as a function, pages and their entries.
local codex = require "codex"
local core = require "codex.core"
local kit = require "spec.support.kit"

local function raised(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

describe("client.api", function()
  after_each(kit.cleanup)

  it("calls methods by their names in Lua, with names by the schema", function()
    local client, home = kit.client { script = { "one" } }
    kit.write_file(home.dir .. "/note.txt", "hello")
    local file = client.api.fs.read_file { path = home.dir .. "/note.txt" }
    assert.equal("aGVsbG8=", file.data_base64)
    assert.equal("mock-model", client.api.config.read({}).config.model)
    local thread = client:thread_start()
    thread:run "x"
    local page = client.api.thread.turns_list { thread_id = thread.id }
    assert.equal(1, #page.data)
    assert.equal("completed", page.data[1].status)
    assert.is_table(client.api.account.rate_limits_read and client.api.model.list().data)
    client:close()
  end)

  it("calls a method of one part by its group, which may have methods besides", function()
    local client, home = kit.client()
    local where = home.dir .. "/files"
    os.execute("mkdir " .. kit.quoted(where))
    kit.write_file(where .. "/needle.txt", "")
    local found = client.api.fuzzy_file_search { query = "needle", roots = { where } }
    assert.equal("needle.txt", found.files[1].path)
    assert.is_function(client.api.fuzzy_file_search.session_start)
    client:close()
  end)

  it("has every method of the schema, and only those", function()
    local client = kit.client()
    local names, count = core.methods(), 0
    for name, method in pairs(names) do
      local group, member = name:match "^(.-)%.(.+)$"
      local fn = client.api[group or name]
      if member then fn = fn[member] end
      count = count + 1
      assert.truthy(type(fn) == "function" or getmetatable(fn).__call, method)
    end
    assert.equal(183, count)
    local listed = 0
    for _, group in pairs(client.api) do
      for _ in pairs(group) do
        listed = listed + 1
      end
    end
    assert.equal(count - 1, listed) -- fuzzyFileSearch is its group itself
    client:close()
  end)

  it("checks params before anything is sent, and says where they are wrong", function()
    local client = kit.client()
    local err = raised(client.api.thread.turns_list, { thread_ids = "x" })
    assert.equal("invalid_argument", err.kind)
    assert.truthy(tostring(err):find("thread.turns_list: unknown option 'thread_ids' (did you mean 'thread_id'?)", 1,
      true), tostring(err))
    err = raised(client.api.config.read, 7)
    assert.truthy(tostring(err):find("config.read: expected a table of options, got number", 1, true))
    err = raised(client.api.config.read, {}, { timout = 1 })
    assert.truthy(tostring(err):find("did you mean 'timeout'?", 1, true))
    client:close()
  end)

  it("says what a slip was meant to be", function()
    local client = kit.client()
    local api = client.api
    assert.truthy(tostring(raised(function()
      return api.tread
    end)):find("api: there is no group 'tread' (did you mean 'thread'?)", 1, true))
    assert.truthy(tostring(raised(function()
      return api.thread.turn_list
    end)):find("api.thread: there is no method 'turn_list' (did you mean 'turns_list'?)", 1, true))
    assert.truthy(tostring(raised(function()
      return api.config:read {}
    end)):find("config.read: call it with a dot, not a colon", 1, true))
    assert.truthy(tostring(raised(function()
      return api.config {}
    end)):find "call")
    client:close()
  end)

  it("raises what the server answers, with the protocol's method", function()
    local client = kit.client()
    local err = raised(client.api.thread.read, { thread_id = "nonsense" })
    assert.equal("thread/read", err.method)
    assert.equal("invalid_request", err.kind)
    client:close()
  end)

  it("waits as long as it is told", function()
    local client = codex.new((kit.fake "server:handshake()"))
    local err = raised(client.api.model.list, {}, { timeout = 0.05 })
    assert.equal("timeout", err.kind)
    client:close()
  end)
end)

describe("a paged method", function()
  after_each(kit.cleanup)

  local PAGES = [[
    server:handshake()
    local function page(text)
      local list = server:expect "thread/turns/list"
      server:reply(list, text)
    end
  ]]

  local function fake(body)
    local options, received = kit.fake(PAGES .. body)
    return codex.new(options), received
  end

  local THREE = [[
    page '{"data":[{"id":"a"},{"id":"b"}],"nextCursor":"2"}'
    page '{"data":[],"nextCursor":"3"}'
    page '{"data":[{"id":"c"}],"nextCursor":null}'
  ]]

  it("gives its entries one by one, over all pages", function()
    local client, received = fake(THREE)
    local ids = {}
    for turn in client.api.thread.turns_list.items { thread_id = "t", limit = 2 } do
      ids[#ids + 1] = turn.id
    end
    client:close()
    assert.same({ "a", "b", "c" }, ids)
    local cursors = {}
    for _, line in ipairs(received()) do
      if line:find "turns/list" then cursors[#cursors + 1] = line:match '"cursor":"(.-)"' or "none" end
    end
    assert.same({ "none", "2", "3" }, cursors)
  end)

  it("gives its pages, from any cursor", function()
    local client, received = fake(THREE)
    local sizes = {}
    local params = { thread_id = "t", cursor = "1" }
    for page in client.api.thread.turns_list.pages(params) do
      sizes[#sizes + 1] = #page.data
    end
    client:close()
    assert.same({ 2, 0, 1 }, sizes)
    assert.same({ thread_id = "t", cursor = "1" }, params)
    assert.truthy(table.concat(received()):find('"cursor":"1"', 1, true))
  end)

  it("asks for a page only when it is needed", function()
    local client, received = fake(THREE)
    client.api.thread.turns_list.items { thread_id = "t" }()
    client:close()
    assert.equal(1, select(2, table.concat(received()):gsub("turns/list", "")))
  end)

  it("raises when the server goes in circles", function()
    local client = fake [[
      page '{"data":[],"nextCursor":"2"}' page '{"data":[],"nextCursor":"3"}' page '{"data":[],"nextCursor":"2"}'
    ]]
    local err = raised(function()
      for _ in client.api.thread.turns_list.items { thread_id = "t" } do -- luacheck: ignore
      end
    end)
    assert.equal("protocol", err.kind)
    client:close()
  end)

  it("goes through real lists", function()
    local client = kit.client { script = { { text = "x" } } }
    for _ = 1, 5 do
      client:thread_start():run "x"
    end
    local count = 0
    for thread in client.api.thread.list.items { limit = 2 } do
      assert.equal("string", type(thread.id))
      count = count + 1
    end
    assert.equal(5, count)
    client:close()
  end)
end)
