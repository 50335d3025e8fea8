--- The connection's notifications for whoever asks: handlers, and iterators over those that belong to no turn.

local core = require "codex.core"
local errors = require "codex.error"
local failures = require "codex.handler_error"
local hint = require "codex.hint"
local loop = require "codex.loop"
local task = require "codex.task"

local M = {}

-- ---- feeds ----

--- Unread notifications, and who waits for more.
---@class codex.Feed
---@field closed boolean
local Feed = {}
Feed.__index = Feed

---@class codex.FeedFilter
---@field methods? string[] only these
---@field thread_id? string only those that name this thread
---@field outside_turns? boolean only those that belong to no turn

--- Opens a feed of what comes from now on. The client doesn't keep it alive.
---@param client codex.Client
---@param filter codex.FeedFilter
---@return codex.Feed
function M.open(client, filter)
  local handle = client._core:stream(filter.methods, filter.thread_id, filter.outside_turns)
  local feed = setmetatable({ closed = false, _client = client, _handle = handle, _source = {} }, Feed)
  client._feeds[handle:serial()] = feed
  return feed
end

--- What the client calls when there is something to read.
function Feed:_ready()
  task.wake(self._source)
end

--- Takes the next notification, and waits for it.
---@param deadline? number on the core's clock
---@return codex.Event? event
---@return "end"|"broken"|"overflow"|"timeout"|"cancelled"|nil reason why there is none
function Feed:next(deadline)
  if task.give_way() then return nil, "cancelled" end
  while not self.closed do
    local seen = loop.rounds()
    local event, nothing = self._handle:next()
    if event then return event end
    if nothing ~= "empty" then return nil, nothing end
    self._handle:watch()
    local reason = task.park(self._source, deadline, true, seen)
    if reason ~= "woken" then return nil, reason end
  end
  return nil, "end"
end

--- Lets go, and ends the wait of whoever reads.
function Feed:close()
  if self.closed then return end
  self.closed = true
  self._handle:close()
  task.wake(self._source)
end

Feed.__close = Feed.close

local function overflow_error()
  return errors.new("overflow", "the reader fell too far behind: the unread notifications passed the limit")
end

--- Raises why a feed has nothing more, unless it has simply ended.
---@param reason string of `next`
function Feed:raise(reason)
  if reason == "cancelled" then task.raise_cancelled() end
  if reason == "overflow" then error(overflow_error(), 0) end
  if reason == "broken" then
    local kind, _, message = self._client._core:error()
    self._client:_raise(kind, message)
  end
end

-- ---- names ----

local known

--- Raises for a method that looks like a slip in one of the server's notifications. One that is like none of them is
--- let pass, for servers newer than the schema.
---@param label string
---@param method any
function M.check_method(label, method)
  if type(method) ~= "string" then
    errors.argument(("%s: expected a method name, got %s"):format(label, type(method)))
  end
  if not known then
    known = core.notifications()
    for _, name in ipairs(known) do
      known[name] = true
    end
  end
  if known[method] then return end
  local meant = hint(method, known)
  if meant ~= "" then errors.argument(("%s: unknown notification '%s'%s"):format(label, method, meant)) end
end

--- Raises unless all of a list can be notifications, as `check_method` has it.
---@param label string for messages
---@param methods any nil: all
function M.check_methods(label, methods)
  if methods == nil then return end
  if type(methods) ~= "table" then
    errors.argument(("%s: expected a list of methods, got %s"):format(label, type(methods)))
  end
  for index = 1, #methods do
    M.check_method(("%s[%d]"):format(label, index), methods[index])
  end
end

-- What the module can't do without, and why.
local needed = {
  ["account/login/completed"] = "by it a login is known to be over",
  ["error"] = "it tells that the server is trying again",
  ["item/completed"] = "the items of a result come with it",
  ["serverRequest/resolved"] = "by it a question of the server's is known to be off",
  ["thread/goal/cleared"] = "by it a goal is known to be over",
  ["thread/goal/updated"] = "by it a goal is known to be over",
  ["thread/tokenUsage/updated"] = "the usage of a result comes with it",
  ["turn/completed"] = "by it a turn is known to be over",
  ["turn/started"] = "a turn can be interrupted and steered from it on",
}

--- Raises for a method that the server must not be told to keep to itself.
---@param label string
---@param methods? string[]
function M.check_opt_out(label, methods)
  M.check_methods(label, methods)
  for index, method in ipairs(methods or {}) do
    local why = needed[method]
    if why then errors.argument(("%s[%d]: '%s' can't be left out: %s"):format(label, index, method, why)) end
  end
end

-- ---- handlers ----

local function unsubscribe(client, subscription)
  client._subscriptions[subscription] = nil
  subscription.feed:close()
end

-- Hands over what is unread, one by one; runs in a task, which ends with the last of them.
local function deliver(client, subscription)
  local feed = subscription.feed
  while not feed.closed do
    local event, nothing = feed._handle:next()
    if not event then
      if nothing == "empty" then return end
      unsubscribe(client, subscription)
      if nothing == "overflow" then failures.report(client, subscription, overflow_error()) end
      return
    end
    subscription.event = event
    subscription.fn(event)
    task.give_way()
  end
end

local function start_delivery(client, subscription)
  if subscription.delivering then return end
  subscription.delivering = true
  local delivery = task.background(deliver, client, subscription)
  delivery:when_over(function()
    subscription.delivering = false
    if delivery.status ~= "done" then failures.report(client, subscription, delivery:failure(), subscription.event) end
    subscription.event = nil
    if not subscription.feed.closed then subscription.feed._handle:watch() end
  end)
end

-- Those of "handler_error" are asked directly: nothing of it comes from the server.
local function add_error_handler(client, fn)
  local handlers = client._error_handlers
  local function handler(...)
    return fn(...)
  end
  handlers[#handlers + 1] = handler
  return function()
    for index, other in ipairs(handlers) do
      if other == handler then return table.remove(handlers, index) and nil end
    end
  end
end

local function on(client, method, fn)
  task.check_function("on", fn)
  if method == "handler_error" then return add_error_handler(client, fn) end
  if method ~= "*" then M.check_method("on", method) end
  local feed = M.open(client, { methods = method ~= "*" and { method } or nil })
  local subscription = { feed = feed, fn = fn, method = method }
  client._subscriptions[subscription] = true
  feed._ready = function()
    start_delivery(client, subscription)
  end
  feed._handle:watch()
  return function()
    unsubscribe(client, subscription)
  end
end

local function notifications(client, methods)
  M.check_methods("notifications", methods)
  local feed = M.open(client, { methods = methods, outside_turns = true })
  return function()
    local event, reason = feed:next()
    if event then return event end
    feed:close()
    feed:raise(reason)
  end, nil, nil, feed
end

--- Adds the methods to the class of clients.
---@param Client codex.Client
function M.install(Client)
  --- Calls `fn(event)` for every notification of that method from now on, whichever turn it belongs to; `"*"` is for
  --- all. Calls come in order and one at a time, in a task of the subscription's own, so `fn` may wait. What it raises
  --- goes to those who subscribed to `"handler_error"` (`fn(err, event)`), else to stderr, once a subscription.
  ---@param method string
  ---@param fn fun(event: codex.Event)
  ---@return fun() unsubscribe
  function Client:on(method, fn)
    return on(self, method, fn)
  end

  --- Iterates over the notifications that belong to no turn: warnings, status, accounts. The first iterator of a client
  --- also gets what came before it (the last 256 KiB). Ends when the client is closed; raises `transport_closed` when
  --- the server went.
  ---@param methods? string[] the only ones to deliver
  ---@return fun(): codex.Event?
  function Client:notifications(methods)
    return notifications(self, methods)
  end
end

return M
