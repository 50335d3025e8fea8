--- Every method of the protocol as a function: `client.api.thread.turns_list { thread_id = id }` is
--- `thread/turns/list`. The names come from the schema; types.lua has the types.

local core = require "codex.core"
local errors = require "codex.error"
local hint = require "codex.hint"
local options_of = require "codex.options"
local pages = require "codex.pages"

require "codex.interpreted"()

local M = {}

---@class codex.RequestOptions
---@field timeout? number seconds to wait for the answer, in place of the client's `request_timeout`

-- ---- names ----

-- group → name → method; a method of one part is under the empty name of its group
local groups

local function read_names()
  groups = {}
  for name, method in pairs(core.methods()) do
    local group, member = name:match "^([^.]+)%.(.+)$"
    group, member = group or name, member or ""
    groups[group] = groups[group] or {}
    groups[group][member] = method
  end
  return groups
end

local function sorted_names(set)
  local names = {}
  for name in pairs(set) do
    if name ~= "" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function raise_unknown(what, path, name, known)
  errors.argument(("%s: there is no %s '%s'%s"):format(path, what, tostring(name), hint(name, sorted_names(known))))
end

-- ---- calls ----

local function call(client, label, method, params, options)
  options_of.check_table(label, params)
  options = options or {}
  options_of.check_names(label, options, { timeout = true })
  options_of.check_seconds(label, options, "timeout")
  return client:_call(method, params, { label = label, timeout = options.timeout })
end

-- A copy of params for each page, with its cursor.
local function fetcher(client, label, method, params, options)
  options_of.check_table(label, params)
  local page_params = {}
  for name, value in pairs(params or {}) do
    page_params[name] = value
  end
  return function(cursor)
    page_params.cursor = cursor
    return call(client, label, method, page_params, options)
  end, page_params.cursor
end

local Paged = {
  __call = function(paged, ...)
    return paged._call(...)
  end,
}

local function make_paged(client, label, method, fn)
  local paged = { _call = fn }
  function paged.pages(params, options)
    return pages.each(fetcher(client, label, method, params, options))
  end
  function paged.items(params, options)
    local fetch, cursor = fetcher(client, label, method, params, options)
    return pages.items(fetch, cursor, core.list_member(method))
  end
  return setmetatable(paged, Paged)
end

local function make_method(client, label, method, group)
  local function fn(params, options)
    if params == group then errors.argument(("%s: call it with a dot, not a colon"):format(label)) end
    return call(client, label, method, params, options)
  end
  return core.list_member(method) and make_paged(client, label, method, fn) or fn
end

local function make_group(client, name, methods)
  local group = {}
  for member, method in pairs(methods) do
    if member ~= "" then group[member] = make_method(client, name .. "." .. member, method, group) end
  end
  local single = methods[""] and make_method(client, name, methods[""])
  return setmetatable(group, {
    __index = function(_, member)
      raise_unknown("method", "api." .. name, member, methods)
    end,
    __call = single and function(_, ...)
      return single(...)
    end,
  })
end

--- The groups of a client; each is made when it is first asked for.
---@param client codex.Client
---@return codex.Api
function M.new(client)
  return setmetatable({}, {
    __index = function(api, name)
      local methods = (groups or read_names())[name]
      if not methods then raise_unknown("group", "api", name, groups) end
      local group = make_group(client, name, methods)
      rawset(api, name, group)
      return group
    end,
    __pairs = function(api)
      for name in pairs(groups or read_names()) do
        local _ = api[name]
      end
      return next, api, nil
    end,
  })
end

return M
