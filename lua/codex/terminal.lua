--- A terminal to ask a person at: one question at a time, whoever asks. Nothing here blocks the loop, nothing stays
--- open between questions, and a terminal whose echo was off for a secret gets it back however the program ends.

local core = require "codex.core"
local errors = require "codex.error"
local loop = require "codex.loop"
local notices = require "codex.notice"
local task = require "codex.task"

local M = {}

-- Bytes of a line; what a terminal itself takes is less.
local MOST_LINE = 65536

local DEFAULT_COLUMNS = 80

---@class codex.Terminal
---@field path string
---@field queue table[] who asks, in order: the first has the terminal
---@field ended? boolean its input was ended: nobody is there any more
---@field told table<string, boolean> what was said
local terminals = {}

--- The terminal at a path, or the one that the program was started at.
---@param path? string
---@return codex.Terminal
function M.at(path)
  path = path or "/dev/tty"
  if not terminals[path] then terminals[path] = { path = path, queue = {}, told = {} } end
  return terminals[path]
end

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- ---- a question ----

---@class codex.terminal.Session
---@field terminal codex.Terminal
---@field columns integer
---@field is_screen boolean whether it is shown at the terminal itself
local Session = {}
Session.__index = Session

--- Shows a text.
---@param text string
function Session:write(text)
  self.output:write(text)
  if self.output.flush then self.output:flush() end
end

--- How many others wait for the terminal.
---@return integer
function Session:others()
  return #self.terminal.queue - 1
end

local function take_line(session)
  local line, rest = session.typed:match "^([^\r\n]*)[\r\n](.*)$"
  if line then session.typed = rest end
  return line
end

-- Waits for something to be typed: nil, or why nothing will be.
local function wait_for_input(session)
  local place = session.place
  loop.watch(session.fd, function()
    loop.watch(session.fd, nil)
    task.wake(place)
  end)
  local reason = task.park(place, nil, true)
  loop.watch(session.fd, nil)
  if reason == "cancelled" then return "cancelled" end
  if place.withdrawn then return "withdrawn" end
  -- who reads in the background is stopped
  if not core.terminal_is_ours(session.fd) then return "background" end
end

local function read_more(session)
  local text = core.terminal_read(session.fd)
  if not text or #session.typed + #text > MOST_LINE then return "ended" end
  session.typed = session.typed .. text
end

--- Waits for a line. What is typed shows up, or doesn't after `hide`.
---@return string? line
---@return "ended"|"withdrawn"|"background"|"cancelled"|nil reason why there is none
function Session:read_line()
  if self.place.withdrawn then return nil, "withdrawn" end
  while true do
    local line = take_line(self)
    if line then return line end
    local reason = wait_for_input(self) or read_more(self)
    if reason == "ended" then self.terminal.ended = true end
    if reason then return nil, reason end
  end
end

--- Forgets what was typed before anybody could read the question.
function Session:forget()
  core.terminal_forget(self.fd)
  self.typed = ""
end

-- ---- secrets ----

-- Waits for a line or the end of its input, which comes with the end of this process at the latest, and puts the
-- terminal's settings back.
local RESTORE = "trap '' HUP INT QUIT TERM TSTP TTOU; read -r line; stty %s <%s 2>/dev/null"

local function settings(path)
  local pipe = io.popen("stty -g <" .. path .. " 2>/dev/null", "r")
  local line = pipe and pipe:read "*l"
  if pipe then pipe:close() end
  return line and line:find "^[%w:=;-]+$" and line
end

--- Stops showing what is typed, until `reveal` or the end of the question.
---@return boolean hidden false where that can't be done
function Session:hide()
  local path = quoted(self.terminal.path)
  local before = settings(path)
  if not before then return false end
  self.guard = io.popen(RESTORE:format(quoted(before), path), "w")
  local status = self.guard and os.execute("stty -echo <" .. path .. " 2>/dev/null")
  return status == true or status == 0
end

--- Shows again what is typed.
function Session:reveal()
  local guard = self.guard
  if not guard then return end
  self.guard = nil
  -- a line, since a process that was started meanwhile may keep the pipe open
  guard:write "\n"
  guard:close()
end

-- ---- taking turns ----

local function leave(terminal, place)
  for index, waiting in ipairs(terminal.queue) do
    if waiting == place then table.remove(terminal.queue, index) end
  end
  if terminal.queue[1] then task.wake(terminal.queue[1]) end
end

-- Waits for the terminal: nil, or why it won't be had.
local function line_up(terminal, place)
  terminal.queue[#terminal.queue + 1] = place
  while not place.withdrawn and terminal.queue[1] ~= place do
    local reason, failure = task.try_park(place, nil, true)
    if failure then
      leave(terminal, place)
      error(failure, 0)
    end
    if reason == "cancelled" then return reason end
  end
  return place.withdrawn and "withdrawn" or nil
end

-- Inside of an editor the terminal is the editor's.
local function has_screen_of_its_own()
  return rawget(_G, "vim") == nil
end

local function start(terminal, place, output)
  if terminal.ended then return nil, "ended" end
  local fd = has_screen_of_its_own() and core.terminal_open(terminal.path)
  if not fd then return nil, "missing" end
  local screen = not output and io.open(terminal.path, "w")
  local session = setmetatable({
    terminal = terminal,
    place = place,
    fd = fd,
    typed = "",
    output = output or screen,
    screen = screen,
    is_screen = not output,
    columns = core.terminal_columns(fd) or DEFAULT_COLUMNS,
  }, Session)
  if session.output and core.terminal_is_ours(fd) then
    -- whoever reads standard input would take the answers
    session.other_reader = loop.watcher(0)
    loop.watch(0, nil)
    return session
  end
  core.terminal_close(fd)
  if screen then screen:close() end
  return nil, session.output and "background" or "missing"
end

local function stop(session)
  session:reveal()
  loop.watch(session.fd, nil)
  core.terminal_close(session.fd)
  if session.screen then session.screen:close() end
  if session.other_reader then loop.watch(0, session.other_reader) end
end

local function watch_for_withdrawal(request, place)
  if not request.when_cancelled then return end
  request:when_cancelled(function()
    place.withdrawn = true
    task.wake(place)
  end)
end

--- Calls `fn(session)` once the terminal is free, and returns what it returns first.
---@param terminal codex.Terminal
---@param request codex.ServerRequest what is asked about: it may be withdrawn
---@param output? { write: function } where to show it; default the terminal
---@param fn fun(session: codex.terminal.Session): any, string? an answer; or nil and why the session gave none
---@return any answer
---@return "missing"|"ended"|"withdrawn"|"background"|nil reason why there is none
function M.ask(terminal, request, output, fn)
  local place = {}
  watch_for_withdrawal(request, place)
  local reason, session = line_up(terminal, place), nil
  if not reason then
    session, reason = start(terminal, place, output)
  end
  local ok, answer, why = true, nil, nil
  if session then
    pcall(io.stdout.flush, io.stdout) -- what was printed before comes before; it may have been closed
    ok, answer, why = task.attempt(fn, session)
    stop(session)
  end
  leave(terminal, place)
  if not ok then error(answer, 0) end
  reason = reason or why
  if reason == "cancelled" then task.raise_cancelled() end
  return answer, reason
end

local reasons = {
  missing = "there is no terminal to ask at",
  ended = "the terminal's input has ended",
  background = "the program is in the background of its terminal",
}

--- Says why nobody was asked, once for each reason.
---@param terminal codex.Terminal
---@param reason? string
---@param so string what is done without
function M.explain(terminal, reason, so)
  if not reasons[reason] or terminal.told[reason] then return end
  terminal.told[reason] = true
  notices.give(("%s: %s"):format(reasons[reason], so))
end

--- Raises for options that don't say where to ask.
---@param label string
---@param options { input?: any, output?: any }
function M.check(label, options)
  local input, output = options.input, options.output
  if input ~= nil and type(input) ~= "string" then
    errors.argument(("%s.input: expected the path of a terminal, got %s"):format(label, type(input)))
  end
  local ok, write = pcall(function()
    return output.write
  end)
  if output ~= nil and not (ok and type(write) == "function") then
    errors.argument(("%s.output: expected something to write to, got %s"):format(label, type(output)))
  end
end

return M
