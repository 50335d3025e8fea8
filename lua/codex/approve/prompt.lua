--- `codex.approve.prompt`: asks a person at the terminal.

local core = require "codex.core"
local errors = require "codex.error"
local options_of = require "codex.options"
local show = require "codex.show"
local terminals = require "codex.terminal"

require "codex.interpreted"()

local M = {}

local DEFAULT_LINES = 200

-- What stands before each row of what the model wrote: the first of a line, and those that go on with it.
local GUTTER, CONTINUED = "  | ", "  : "

local colors = { ["+"] = "\27[32m", ["-"] = "\27[31m", ["@"] = "\27[36m", bold = "\27[1m", off = "\27[0m" }

-- ---- a page: what is shown of a request ----

local Page = {}
Page.__index = Page

local function new_page(session, with_color)
  return setmetatable({ session = session, with_color = with_color, rows = {} }, Page)
end

function Page:paint(color, text)
  return self.with_color and color and color .. text .. colors.off or text
end

--- A line of our own.
function Page:say(text)
  self.rows[#self.rows + 1] = { self:paint(colors.bold, text) }
end

--- A line of our own with something in it that isn't.
function Page:tell(name, text)
  if text == nil or text == "" then return end
  for index, row in ipairs(show.rows(show.line(text), self.session.columns - 12)) do
    self.rows[#self.rows + 1] = { ("  %-8s %s"):format(index == 1 and name or "", row), quoted = true }
  end
end

--- What the model wrote. Where it is a diff, `prefix` stands before each line that has none of its own.
function Page:quote(text, prefix)
  local rows, continued = show.rows(text, self.session.columns - #GUTTER - 1)
  local color
  for index, row in ipairs(rows) do
    if continued[index] then
      row = (prefix or ""):gsub(".", " ") .. row
    else
      row = (prefix or "") .. row
      color = prefix and colors[row:sub(1, 1)]
    end
    self.rows[#self.rows + 1] = { (continued[index] and CONTINUED or GUTTER) .. self:paint(color, row), quoted = true }
  end
end

-- The rows, of those that aren't our own only the first so many; and how many were left out.
function Page:shown(most)
  local lines, quoted, left_out = {}, 0, 0
  for _, row in ipairs(self.rows) do
    quoted = quoted + (row.quoted and 1 or 0)
    if row.quoted and quoted > most then
      left_out = left_out + 1
    else
      lines[#lines + 1] = row[1]
    end
  end
  return table.concat(lines, "\n") .. "\n", left_out
end

-- ---- by kind ----

local pages = {}

-- The lines of a table of permissions or the like, as they would be written in Lua.
local function flattened(value, name, lines)
  if type(value) ~= "table" then
    lines[#lines + 1] = name .. " = " .. (value == core.null and "null" or tostring(value))
    return lines
  end
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    return tostring(a) < tostring(b)
  end)
  for _, key in ipairs(keys) do
    local inner = type(key) == "number" and ("%s[%d]"):format(name, key) or name .. "." .. tostring(key)
    flattened(value[key], inner, lines)
  end
  if #keys == 0 then lines[#lines + 1] = name .. " = {}" end
  return lines
end

-- One line each: the values may hold line ends.
local function quote_table(page, name, value)
  for _, line in ipairs(flattened(value, name, {})) do
    page:quote(show.line(line))
  end
end

local command_titles = {
  writeStdin = "The agent wants to type into a command that runs:",
  network = "A command wants to use the network:",
}

function pages.command(page, request)
  local params = request.params
  local network = params.network_approval_context
  page:say(network and command_titles.network or command_titles[params.kind] or "The agent wants to run a command:")
  if network then page:tell("host", ("%s (%s)"):format(tostring(network.host), tostring(network.protocol))) end
  local command = request.command
  page:quote(command or "(the server didn't say which)")
  if show.is_foreign(command or "") then page:tell("note", "it has letters that may look like others") end
  page:tell("in", request.cwd)
  page:tell("reason", request.reason)
  if params.additional_permissions then
    page:say "It wants these permissions as well:"
    quote_table(page, "permissions", params.additional_permissions)
  end
end

local change_words = { add = "new", delete = "deleted", update = "changed" }
local change_prefixes = { add = "+", delete = "-", update = "" }

local function show_change(page, change)
  local kind = type(change.kind) == "table" and change.kind or {}
  page:tell(change_words[kind.type] or "file", change.path)
  page:tell("moved to", kind.move_path)
  page:quote(tostring(change.diff), change_prefixes[kind.type] or "")
end

function pages.file_change(page, request)
  local changes = request.item and request.item.changes
  page:say "The agent wants to change files:"
  for _, change in ipairs(type(changes) == "table" and changes or {}) do
    show_change(page, change)
  end
  if request.params.file_changes then quote_table(page, "changes", request.params.file_changes) end
  if not changes and not request.params.file_changes then page:say "  (the server didn't say which)" end
  page:tell("reason", request.reason)
  if request.params.grant_root then page:tell("and all", "files below " .. tostring(request.params.grant_root)) end
end

function pages.permissions(page, request)
  page:say "The agent asks for permissions:"
  quote_table(page, "permissions", request.params.permissions or {})
  page:tell("in", request.cwd)
  page:tell("reason", request.reason)
end

function pages.mcp_tool(page, request)
  page:say "The agent wants to use a tool of an MCP server:"
  page:tell("server", request.server_name)
  page:tell("tool", request.tool_name)
  page:tell("says", request.message)
  page:tell("which", request.tool_description)
  if request.tool_params ~= nil then quote_table(page, "params", request.tool_params) end
end

local function other_page(page, request)
  page:say "The agent asks:"
  page:tell("kind", request.kind)
  page:quote(tostring(request.summary or request.method))
end

-- ---- asking ----

local answers = {
  y = "accept",
  yes = "accept",
  n = "decline",
  no = "decline",
  a = "accept_for_session",
  always = "accept_for_session",
  c = "cancel",
  cancel = "cancel",
}

local choices = {
  { "accept", "[y]es" },
  { "decline", "[n]o" },
  { "accept_for_session", "[a]lways in this session" },
  { "cancel", "[c]ancel the turn" },
}

-- What the request takes, of that.
local function taken_by(request)
  local taken = {}
  for _, decision in ipairs(request.decisions) do
    taken[decision] = true
  end
  return taken
end

local function choices_line(session, taken, left_out)
  local words = {}
  for _, choice in ipairs(choices) do
    if taken[choice[1]] then words[#words + 1] = choice[2] end
  end
  if left_out > 0 then words[#words + 1] = ("[m]ore (%d lines)"):format(left_out) end
  local others = session:others()
  local waiting = others > 0 and (" (%d more to ask)"):format(others) or ""
  return ("Allow it? %s%s: "):format(table.concat(words, ", "), waiting)
end

local function say_withdrawn(session, reason)
  if reason == "withdrawn" then session:write "\n(withdrawn: it doesn't matter any more)\n" end
  if reason == "ended" then session:write "\n" end
end

-- Asks until there is an answer.
local function ask(session, request, page, most)
  local taken = taken_by(request)
  local text, left_out = page:shown(most)
  session:forget()
  session:write("\n" .. text .. choices_line(session, taken, left_out))
  while true do
    local line, reason = session:read_line()
    if not line then
      say_withdrawn(session, reason)
      return nil, reason
    end
    local word = line:lower():match "^%s*(.-)%s*$"
    local answer = answers[word]
    if answer and taken[answer] then return answer end
    if left_out > 0 and (word == "m" or word == "more") then
      text, left_out = page:shown(math.huge)
      session:write("\n" .. text)
    end
    session:write(choices_line(session, taken, left_out))
  end
end

local function wants_color(session, option)
  if option ~= nil then return option end
  return session.is_screen and (os.getenv "NO_COLOR" or "") == ""
end

local option_names = { input = true, output = true, color = true, max_lines = true }

local function check(options)
  options_of.check_names("approve.prompt", options, option_names)
  terminals.check("approve.prompt", options)
  options_of.check_type("approve.prompt", options, "color", "boolean")
  options_of.check_type("approve.prompt", options, "max_lines", "number")
  local most = options.max_lines
  if most and (most < 1 or most ~= most) then
    errors.argument "approve.prompt.max_lines: must be at least 1"
  end
end

--- What `codex.approve.prompt` does.
---@param options? codex.approve.PromptOptions
---@return codex.ApprovalHandler
function M.new(options)
  options = options or {}
  check(options)
  local terminal = terminals.at(options.input)
  return function(request)
    if not request.decisions then return nil end
    local answer, reason = terminals.ask(terminal, request, options.output, function(session)
      local page = new_page(session, wants_color(session, options.color))
      local fill = pages[request.kind] or other_page
      fill(page, request)
      return ask(session, request, page, options.max_lines or DEFAULT_LINES)
    end)
    terminals.explain(terminal, reason, "what the agent asks for is declined")
    if reason == "withdrawn" then return nil end
    return answer or "decline"
  end
end

return M
