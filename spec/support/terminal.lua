--- Programs under a pseudo-terminal, that of util-linux's script(1): what is written to it is typed there.

local kit = require "spec.support.kit"

local terminal = {}

-- A program that doesn't get on in that many seconds has failed.
local PATIENCE = 20

-- The terminal's own end of the program has no preloaded sanitizer; a command line that wants one says so.
local START = [[script -qfec "$1" /dev/null >"$2/out" 2>&1; echo $? >"$2/ended" && mv "$2/ended" "$2/status"]]

---@class spec.Terminal
local Terminal = {}
Terminal.__index = Terminal

--- Starts a shell's command line under a terminal of its own.
---@param line string
---@param folder? string where
---@return spec.Terminal
function terminal.start(line, folder)
  local files = kit.folder()
  local command = ("cd %s && exec env -u LD_PRELOAD sh -c %s sh %s %s"):format(kit.quoted(folder or kit.root),
    kit.quoted(START), kit.quoted(line), kit.quoted(files))
  return setmetatable({ files = files, input = io.popen(command, "w"), position = 1 }, Terminal)
end

--- Types.
---@param text string
function Terminal:type(text)
  self.input:write(text)
  self.input:flush()
end

--- Everything shown until now.
---@return string
function Terminal:output() return kit.read_file(self.files .. "/out") or "" end

--- Waits until a text is shown, after those that were waited for before.
---@param text string
---@return string before what was shown between them
function Terminal:shows(text)
  local from = self.position
  local seen = kit.eventually(function()
    return self:output():find(text, from, true)
  end, PATIENCE)
  assert(seen, "did not show '" .. text .. "' but:\n" .. self:output():sub(from))
  self.position = seen + #text
  return self:output():sub(from, seen - 1)
end

--- Waits for the end: the exit status, nil if it didn't come.
---@return integer? status
function Terminal:status()
  local status = kit.eventually(function()
    return kit.read_file(self.files .. "/status")
  end, PATIENCE)
  if status then self:close() end
  return tonumber(status)
end

--- Waits for a program that is ended by other means.
function Terminal:close() self.input:close() end

return terminal
