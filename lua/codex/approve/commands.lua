--- Rules for commands: which of them a request's command matches.

local errors = require "codex.error"
local glob = require "codex.approve.glob"
local shell = require "codex.approve.shell"

require "codex.interpreted"()

local M = {}

-- ---- allowing ----

local function list_of(text)
  local list = {}
  for word in text:gmatch "%S+" do
    list[#list + 1] = word
  end
  return list
end

-- Options by which common programs run other programs, or write where they are told to: a `*` doesn't stand for them.
-- This can't be complete; it is for rules that were meant to be harmless.
local long_options = list_of [[command compress-program config config-env config-file checkpoint-action editor eval
  exec exec-batch exec-path ext-diff git-dir hostname-bin import in-place init-command init-file load
  open-files-in-pager out outfile output output-directory output-file pager plugin post-checkout pre preload
  preprocessor rcfile receive-pack require rsh rsh-command script sequence-editor shell template textconv to-command
  toolexec upload-pack use-compress-program vettool work-tree]]

-- Those of find(1) and go, which have one dash.
local one_dash_options = {}
for _, name in ipairs(list_of "delete exec execdir fls fprint fprint0 fprintf ok okdir toolexec vettool") do
  one_dash_options[name] = true
end

-- Those of one command, or of one that another word has come after. Short ones by their letters, which may stand
-- together behind one dash.
local own_options = {
  curl = {
    letters = "cDJKoOw",
    long = list_of [[alt-svc cookie-jar dump-header etag-save hsts libcurl output-dir remote-header-name remote-name
      remote-name-all ssl-sessions stderr trace trace-ascii write-out]],
  },
  fd = { letters = "xX" },
  git = {
    letters = "cCoOx",
    long = list_of "commit-filter env-filter extcmd index-filter msg-filter parent-filter tag-name-filter tree-filter",
  },
  ["git clone"] = { letters = "u" },
  iconv = { letters = "o" },
  man = { letters = "PH", long = { "html" } },
  rsync = { letters = "e", long = { "rsync-path" } },
  scp = { letters = "FoS" },
  sed = { letters = "i" },
  shuf = { letters = "o" },
  sort = { letters = "o" },
  split = { long = { "filter" } },
  ssh = { letters = "EFo" },
  tar = { letters = "FI", long = list_of "index-file info-script new-volume-script rmt-command" },
  tree = { letters = "o" },
  wget = {
    letters = "aeoOP",
    long = list_of [[append-output directory-prefix execute hsts-file output-document rejected-log save-cookies
      use-askpass warc-file]],
  },
  yq = { letters = "i", long = { "inplace" } },
}

-- Builtins of shells that run what stands in `$()` within a word: bash for `-v 'a[$(rm x)]'`, zsh for numbers.
local evaluating = {}
for _, name in ipairs(list_of "declare export let print printf read readonly test typeset unset") do
  evaluating[name] = true
end

local function is_among(name, list)
  for _, known in ipairs(list) do
    if known:sub(1, #name) == name then return true end -- programs take abbreviations
  end
  return false
end

local function is_risky_of(own, long, short)
  if not own then return false end
  if long then return own.long ~= nil and is_among(long, own.long) end
  return own.letters ~= nil and short:find("[" .. own.letters .. "]") ~= nil
end

-- word: what stands at the index, or how it begins.
local function is_risky(words, index, word)
  local command = words[1]:match "[^/]*$"
  if evaluating[command] and word:find "[$`]" then return true end
  local long, short = word:match "^%-%-([^=]+)", word:match "^%-([^-].*)"
  if command == "tar" and index == 2 then short = short or not long and word end -- its letters need no dash there
  if not long and not short then return false end
  if long and is_among(long, long_options) or short and one_dash_options[short:match "^[^=]*"] then return true end
  if is_risky_of(own_options[command], long, short) then return true end
  for before = 2, index - 1 do
    if is_risky_of(own_options[command .. " " .. words[before]], long, short) then return true end
  end
  return false
end

-- Whether a word of a rule is for what it matches, whatever that does: it has no `*`, or names such an option before.
local function means_it(pattern, words, index)
  local named = pattern:match "^[^*]*"
  return named == pattern or is_risky(words, index, named)
end

-- Whether the words of a command are those of a rule, from the first on.
local function is_allowed_by(rule, words)
  for index, word in ipairs(words) do
    local pattern = rule[index]
    if pattern == nil and not rule.open then return false end
    if pattern and not glob.matches(pattern, word) then return false end
    if not (pattern and means_it(pattern, words, index)) and is_risky(words, index, word) then return false end
  end
  return #words >= #rule
end

local function words_of(where, rule)
  local words = {}
  if type(rule) == "table" then
    for index, word in ipairs(rule) do
      if type(word) ~= "string" then
        errors.argument(("%s[%d]: expected a word as a string, got %s"):format(where, index, type(word)))
      end
      words[index] = word
    end
  elseif type(rule) == "string" then
    local odd = rule:match "[%z\1-\8\10-\31\127;&|<>()$`\"'\\]"
    if odd then
      local message = "%s: '%s' is no part of a rule, which is words and '*'; words with others in them go into a list"
      errors.argument(message:format(where, glob.shown(odd)))
    end
    for word in rule:gmatch "%S+" do
      words[#words + 1] = word
    end
  else
    errors.argument(("%s: expected a rule as a string or a list of words, got %s"):format(where, type(rule)))
  end
  if not words[1] then errors.argument(where .. ": there is no word in it") end
  return words
end

-- Raises for words that no command has which is read here.
local function check_words(where, words)
  if words[1]:find("*", 1, true) then
    errors.argument(where .. ": the command itself must be named; '*' is for what comes after it")
  end
  if shell.is_odd_command(words[1]) then
    errors.argument(("%s: nothing can match it: to a shell '%s' is no name of a command"):format(where, words[1]))
  end
  local control = table.concat(words):match(shell.CONTROL)
  if control then
    local message = "%s: nothing can match it: of control characters only tabs are read, and this has '%s'"
    errors.argument(message:format(where, glob.shown(control)))
  end
end

--- Compiles a rule that allows commands. Raises for what isn't one, or could never match.
---@param where string for messages
---@param rule string|string[]
---@return table
function M.allowing(where, rule)
  local words = words_of(where, rule)
  check_words(where, words)
  if words[#words] == "*" then
    words[#words] = nil
    words.open = true
  end
  return words
end

-- Whether a text is another way to write the command with these words.
local function says_the_same(text, line, script, words)
  if text == line or text == script then return true end
  local other = type(text) == "string" and shell.simple_command(text)
  return other and table.concat(other, "\0") == table.concat(words, "\0") and #other == #words
end

-- Whether everything that a request says of its command is one and the same.
local function agrees(request, script, words)
  local params = request.params
  local actions = params.command_actions
  if request.command ~= nil and not says_the_same(request.command, params.command, script, words) then return false end
  if type(actions) ~= "table" or #actions == 0 then return actions == nil or next(actions) == nil end
  return #actions == 1 and says_the_same(actions[1].command, params.command, script, words)
end

-- What the parameters of a plain command hold. With others it is something else: a wish for more permissions, for a
-- host, input for a command that runs; or a newer server's, of which nothing is known here.
local plain_params = {
  available_decisions = true,
  command = true,
  command_actions = true,
  cwd = true,
  environment_id = true,
  item_id = true,
  kind = true,
  proposed_execpolicy_amendment = true,
  reason = true,
  started_at_ms = true,
  thread_id = true,
  turn_id = true,
}

local function is_plain(params)
  for name in pairs(params) do
    if not plain_params[name] then return false end
  end
  local here = params.environment_id == nil or params.environment_id == "local"
  return here and (params.kind == nil or params.kind == "command") and type(params.command) == "string"
end

--- The words of the one simple command that a request is about, and nothing else; nil where it isn't that, or can't be
--- known.
---@param request codex.ServerRequest
---@return string[]?
function M.plain_words(request)
  if request.method ~= "item/commandExecution/requestApproval" or not is_plain(request.params) then return nil end
  local script = shell.script(request.params.command)
  local words = script and shell.simple_command(script)
  return words and agrees(request, script, words) and words or nil
end

-- ---- refusing ----

--- Compiles a rule that refuses commands. Raises for what isn't one.
---@param where string for messages
---@param rule string|string[]
---@return string[]
function M.refusing(where, rule)
  local words, all = {}, shell.all_words(table.concat(words_of(where, rule), " "))
  if not all[1] then errors.argument(where .. ": there is no word in it") end
  for _, word in ipairs(all) do
    if word:find "[^*]" then words[#words + 1] = word end
  end
  return words
end

local function add_texts(texts, params)
  local command = params.command
  texts[#texts + 1] = type(command) == "table" and table.concat(command, " ") or command
  for _, action in ipairs(type(params.command_actions) == "table" and params.command_actions or {}) do
    texts[#texts + 1] = action.command
  end
end

--- All words that may be part of the command, however it is written: a list for each of its texts.
---@param request codex.ServerRequest
---@return string[][]
function M.all_words(request)
  local texts, lists = {}, {}
  add_texts(texts, request.params)
  if request.item then add_texts(texts, request.item) end
  texts[#texts + 1] = request.command
  for index, text in ipairs(texts) do
    lists[index] = shell.all_words(tostring(text))
  end
  return lists
end

local function names(pattern, word)
  return glob.matches(pattern, word) or glob.matches(pattern, word:match "[^/]*$")
end

--- Whether the words of a refusing rule are among these, in the rule's order, whatever is between them.
---@param rule string[]
---@param words string[]
---@return boolean
function M.is_refused_by(rule, words)
  local next_one = 1
  for _, word in ipairs(words) do
    if rule[next_one] and names(rule[next_one], word) then next_one = next_one + 1 end
  end
  return next_one > #rule
end

--- Whether a command is so written that words of it may be hidden from the rules that refuse: a shell is given text of
--- which it may make other words.
---@param words string[]
---@return boolean
function M.may_hide(words)
  local has_shell, has_text = false, false
  for _, word in ipairs(words) do
    has_shell = has_shell or shell.is_shell_name(word)
    has_text = has_text or not shell.is_plain(word)
  end
  return has_shell and has_text
end

M.is_allowed_by = is_allowed_by

return M
