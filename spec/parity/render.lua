--- Writes the table of rows.lua into the README, between its two markers: `lua spec/parity/render.lua README.md`.

local M = {}

M.BEGIN, M.END = "<!-- parity: written by `make parity` -->\n", "<!-- /parity -->\n"

local function cell(text)
  return (text:gsub("|", "\\|"))
end

-- "spec/turn_spec.lua: a turn can be steered" with a link to the file.
local function shown_by(spec)
  local path, words = spec:match "^(%S+): (.*)$"
  return ("[%s](%s): %s"):format(path:match "([^/]+)_spec%.lua$", path, words)
end

local function row_line(row, has_reasons)
  local cells = { cell(row[1]), cell(row[2]), cell(shown_by(row[3])) }
  if has_reasons then table.insert(cells, 3, cell(row.differs or "")) end
  return "| " .. table.concat(cells, " | ") .. " |"
end

local function count(group)
  local differing = 0
  for _, row in ipairs(group) do
    if row.differs then differing = differing + 1 end
  end
  return #group, differing
end

local function group_lines(lines, group)
  local rows, differing = count(group)
  local summary = ("<details><summary>%s: %d, of which %d differ</summary>"):format(group.title, rows, differing)
  lines[#lines + 1] = differing > 0 and summary or summary:gsub(", of which 0 differ", "")
  lines[#lines + 1] = ""
  local heads = differing > 0 and { "there", "here", "why otherwise", "shown by" } or { "there", "here", "shown by" }
  lines[#lines + 1] = "| " .. table.concat(heads, " | ") .. " |"
  lines[#lines + 1] = ("|---"):rep(#heads) .. "|"
  for _, row in ipairs(group) do
    lines[#lines + 1] = row_line(row, differing > 0)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "</details>"
end

--- The table as text.
---@param groups spec.parity.Group[]
---@return string
function M.table(groups)
  local rows, differing = 0, 0
  for _, group in ipairs(groups) do
    local more, more_differing = count(group)
    rows, differing = rows + more, differing + more_differing
  end
  local count_line = "%d things, each shown by a spec; %d of them are otherwise here on purpose."
  local lines = { count_line:format(rows, differing), "" }
  for _, group in ipairs(groups) do
    group_lines(lines, group)
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The README with the table in its place; raises where the markers are missing.
---@param readme string
---@param groups spec.parity.Group[]
---@return string
function M.into(readme, groups)
  local _, first = readme:find(M.BEGIN, 1, true)
  local last = first and readme:find(M.END, first, true)
  assert(last, "the markers of the table are missing")
  return readme:sub(1, first) .. "\n" .. M.table(groups) .. "\n" .. readme:sub(last)
end

local function main(path)
  local file = assert(io.open(path))
  local readme = file:read "*a"
  file:close()
  local text = M.into(readme, require "spec.parity.rows")
  file = assert(io.open(path, "w"))
  assert(file:write(text))
  assert(file:close())
end

if arg and arg[0] and arg[0]:find "parity/render%.lua$" then main(assert(arg[1], "which README?")) end

return M
