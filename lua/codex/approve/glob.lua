--- Patterns with `*`, for words and for paths. Matching takes at most the product of both lengths.

local M = {}

-- Whether a list matches a list of patterns. `is_star(pattern)`: it stands for any number of entries;
-- `fits(pattern, entry)`: it stands for this one.
local function match(patterns, entries, is_star, fits)
  local p, e, star, resume = 1, 1, nil, nil
  while e <= #entries do
    local pattern = patterns[p]
    if pattern and is_star(pattern) then
      star, resume, p = p, e, p + 1
    elseif pattern and fits(pattern, entries[e]) then
      p, e = p + 1, e + 1
    elseif star then
      resume = resume + 1
      p, e = star + 1, resume
    else
      return false
    end
  end
  while patterns[p] and is_star(patterns[p]) do
    p = p + 1
  end
  return patterns[p] == nil
end

local function pieces_of(pattern)
  local pieces = {}
  for piece in (pattern .. "*"):gmatch "([^*]*)%*" do
    pieces[#pieces + 1] = piece
  end
  return pieces
end

--- Whether a text matches a pattern in which each `*` stands for any number of characters, and all else for itself.
---@param pattern string
---@param text string
---@return boolean
function M.matches(pattern, text)
  local pieces = pieces_of(pattern)
  local first, last = pieces[1], pieces[#pieces]
  if #pieces == 1 then return text == first end
  if #text < #first + #last or text:sub(1, #first) ~= first then return false end
  if text:sub(#text - #last + 1) ~= last then return false end
  local position, stop = #first + 1, #text - #last
  for index = 2, #pieces - 1 do
    local from, to = text:find(pieces[index], position, true)
    if not from or to > stop then return false end
    position = to + 1
  end
  return true
end

local function is_many(pattern)
  return pattern == "**"
end

--- Whether the parts of a path match those of a pattern, in which a part `**` stands for any number of parts.
---@param patterns string[]
---@param parts string[]
---@return boolean
function M.matches_parts(patterns, parts)
  return match(patterns, parts, is_many, M.matches)
end

--- A character for messages: those that can't be seen by their number, as Lua writes them.
---@param character string
---@return string
function M.shown(character)
  return character:find "%c" and ("\\%d"):format(character:byte()) or character
end

--- The parts of a path between its slashes, without empty ones and `.`.
---@param path string
---@return string[]
function M.parts(path)
  local parts = {}
  for part in path:gmatch "[^/]+" do
    if part ~= "." then parts[#parts + 1] = part end
  end
  return parts
end

return M
