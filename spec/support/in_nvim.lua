-- luacheck: globals vim
--- Runs inside of Neovim (see nvim.lua): calls the scenario of $SPEC_SCENARIO with the functions below, writes what it
--- returns or raises to $SPEC_REPORT, and quits.

local t = {}

--- Waits until the condition holds, and returns its value; raises when it doesn't come true.
function t.wait(what, condition)
  local value
  vim.wait(20000, function()
    value = condition()
    return value
  end, 5)
  return value or error(("waited in vain for %s; the conversation:\n%s\n%s"):format(what, t.text() or "none",
    table.concat(t.notified, "\n")), 2)
end

--- The buffer of a conversation, by default of the first one.
function t.buffer(number)
  local buffer = vim.fn.bufnr("^codex://" .. (number or 1) .. "$")
  return buffer > 0 and buffer or nil
end

--- All of its text.
function t.text(number)
  local buffer = t.buffer(number)
  return buffer and table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")
end

--- Waits until the text holds some words.
function t.shows(words, number)
  return t.wait(words, function()
    return (t.text(number) or ""):find(words, 1, true)
  end)
end

local function chunks(list)
  return table.concat(vim.tbl_map(function(chunk)
    return chunk[1]
  end, list))
end

--- The conversation's virtual lines.
function t.virtual(number)
  local lines = {}
  local buffer, namespace = t.buffer(number), vim.api.nvim_get_namespaces().codex_nvim
  for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(buffer, namespace, 0, -1, { details = true })) do
    for _, line in ipairs(mark[4].virt_lines or {}) do
      if chunks(line) ~= "" then lines[#lines + 1] = chunks(line) end
    end
  end
  return lines
end

--- Waits until a virtual line is there.
function t.goes_on(line)
  return t.wait(line, function()
    return t.buffer() and vim.tbl_contains(t.virtual(), line)
  end)
end

--- Waits until nothing goes on any more.
function t.idle(number)
  return t.wait("the end", function()
    return t.buffer(number) and #t.virtual(number) == 0
  end)
end

--- The lines of the buffer that a question is about, if it is shown.
function t.preview()
  local buffer = vim.fn.bufnr "^codex://question$"
  return buffer > 0 and vim.api.nvim_buf_get_lines(buffer, 0, -1, false) or nil
end

--- What was told with vim.notify.
t.notified = {}
function vim.notify(text)
  table.insert(t.notified, text)
end

--- From now on vim.ui.select does nothing by itself: waits for the next question, and returns it: `prompt`, `labels`,
--- and `answer(index)`.
function t.select()
  t.asked = t.asked or {}
  vim.ui.select = function(items, options, on_choice)
    local format = options.format_item or tostring
    table.insert(t.asked, {
      prompt = options.prompt,
      labels = vim.tbl_map(format, items),
      answer = function(index)
        on_choice(items[index], items[index] and index)
      end,
    })
  end
  return function()
    return t.wait("a question", function()
      return table.remove(t.asked, 1)
    end)
  end
end

--- Writes what the spec is to know, which may be more than once.
function t.report(value)
  local file = assert(io.open(vim.env.SPEC_REPORT, "w"))
  file:write(vim.fn.json_encode(value))
  file:close()
end

local scenario = assert(loadfile(vim.env.SPEC_SCENARIO))
local ran, result = xpcall(scenario, debug.traceback, t)
if not ran then t.report { failure = result } end
if ran and result ~= nil then t.report(result) end
vim.cmd "qa!"
