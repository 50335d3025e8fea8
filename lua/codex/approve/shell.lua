--- What can be known of a shell's command line without a shell.
---
--- Reading is strict where something is to be allowed: what isn't fully understood is nothing. It is generous where
--- something is to be refused.

local M = {}

local shells = { bash = true, dash = true, sh = true, zsh = true }
local shell_folders = { "/bin/", "/usr/bin/", "/usr/local/bin/", "/opt/homebrew/bin/" }

local function is_shell(path)
  for _, folder in ipairs(shell_folders) do
    if path:sub(1, #folder) == folder and shells[path:sub(#folder + 1)] then return true end
  end
  return false
end

-- The literal text of a piece in double quotes, in which the server escapes what the shell would look at.
local function unescape(piece)
  local rest = piece:gsub('\\[$`"\\]', "")
  if rest:find "[\\$`]" then return nil end
  return (piece:gsub('\\([$`"\\])', "%1"))
end

-- The end of a piece in double quotes that begins at `from`, and its literal text.
local function double_quoted(line, from)
  local position = from + 1
  while true do
    local at = line:find('["\\]', position)
    if not at then return nil end
    if line:sub(at, at) == '"' then
      local text = unescape(line:sub(from + 1, at - 1))
      return text and at, text
    end
    position = at + 2
  end
end

-- The end of a quoted or bare piece of a word, and its literal text; nil where there is none.
local function piece_at(line, from)
  local first = line:sub(from, from)
  if first == '"' then return double_quoted(line, from) end
  if first == "'" then
    local _, to, text = line:find("^'([^']*)'", from)
    return to, text
  end
  local _, to = line:find("^[%w+./:@_=,%%%]-]+", from)
  return to, to and line:sub(from, to)
end

-- The words of a line as the server joins them: one blank between two, everything unusual in quotes.
local function joined_words(line)
  local words, word, position = {}, nil, 1
  while position <= #line do
    local to, text = piece_at(line, position)
    if to then
      word, position = (word or "") .. text, to + 1
    elseif word and line:sub(position, position) == " " then
      words[#words + 1], word, position = word, nil, position + 1
    else
      return nil
    end
  end
  if not word then return nil end
  words[#words + 1] = word
  return words
end

--- What a shell is given to run, from the line `SHELL -c SCRIPT` (or `-lc`) that the server says it starts. Nil where
--- the line isn't exactly that, or the shell is none of the usual ones in the usual places.
---@param line string
---@return string? script
function M.script(line)
  local words = joined_words(line)
  if not words or #words ~= 3 or not is_shell(words[1]) then return nil end
  if words[2] ~= "-c" and words[2] ~= "-lc" then return nil end
  return words[3]
end

-- What a word of a simple command may hold outside of quotes: nothing that any of the shells looks at.
local BARE = "^[%w+./:@_=,%%-]+"

-- As piece_at, for what a model wrote.
local function strict_piece_at(script, from)
  local to = select(2, script:find(BARE, from))
  if to then return to, script:sub(from, to) end
  local text
  to, text = select(2, script:find("^'([^']*)'", from))
  -- two of them side by side are a quote mark to a zsh that is told so
  if to and script:sub(to + 1, to + 1) ~= "'" then return to, text end
  return select(2, script:find('^"([^"\\$`!]*)"', from))
end

--- The control characters of which no simple command has any, as a pattern.
M.CONTROL = "[%z\1-\8\10-\31\127]"

--- Whether the shell may read a first word as something else than the name of a command.
---@param word string
---@return boolean
function M.is_odd_command(word)
  return word == "" or word:find "^%%" ~= nil or word:find("=", 1, true) ~= nil
end

--- The words of a script that is one simple command, with their quotes taken off. Nil for everything else: operators,
--- redirections, substitutions, variables, assignments, globs, braces, tildes, history, comments, escapes, more than
--- one line, control characters, and anything but ASCII outside of quotes.
---@param script string
---@return string[]?
function M.simple_command(script)
  if script:find(M.CONTROL) then return nil end
  local words, word, starts, position = {}, nil, true, 1
  while position <= #script do
    local to, text = strict_piece_at(script, position)
    if to then
      -- zsh replaces `=name` by the path of a command, behind empty quotes too
      if starts and script:sub(position, position) == "=" then return nil end
      word, position = (word or "") .. text, to + 1
    else
      to = select(2, script:find("^[ \t]+", position))
      if not to then return nil end
      if word then words[#words + 1] = word end
      word, position = nil, to + 1
    end
    starts = word == nil or word == ""
  end
  if word then words[#words + 1] = word end
  if not words[1] or M.is_odd_command(words[1]) then return nil end
  return words
end

--- Everything in a text that may be a word to some shell, in order, in lower case: quotes and escapes are taken off,
--- and whatever separates words anywhere separates them here.
---@param text string
---@return string[]
function M.all_words(text)
  local plain = text:lower():gsub("\\\r?\n", ""):gsub("['\"\\]", "")
  local words = {}
  for word in plain:gmatch "[^%s%c;&|<>(){}%[%]$`=,!]+" do
    words[#words + 1] = word
  end
  return words
end

local word_makers = { ash = true, busybox = true, csh = true, env = true, eval = true, fish = true, ksh = true,
  mksh = true, tcsh = true }

--- Whether a word names a shell, or another of the programs that make commands of a word.
---@param word string
---@return boolean
function M.is_shell_name(word)
  local name = word:match("[^/]*$"):lower()
  return shells[name] == true or word_makers[name] == true
end

--- Whether a shell takes a text as it stands, but for quotes: it puts nothing together in it, and runs nothing more.
---@param text string
---@return boolean
function M.is_plain(text)
  return not text:find "[^%w+./:@_=,%%'\" \t-]"
end

return M
