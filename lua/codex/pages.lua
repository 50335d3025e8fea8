--- Pages: what the server lists a page at a time, each with the cursor of the next.

local errors = require "codex.error"

local M = {}

---@alias codex.FetchPage fun(cursor?: string): table one page: `data`, and `next_cursor` unless it is the last

--- Iterates over pages, each asked for when the one before has been dealt with. Raises what `fetch` does, and
--- `protocol` when the server names a page for the next that was there already, which would go on for ever.
---@param fetch codex.FetchPage
---@param cursor? string of the page to begin with
---@return fun(): table?
function M.each(fetch, cursor)
  local seen, over = {}, false
  return function()
    if over then return nil end
    local page = fetch(cursor)
    if type(page) ~= "table" then errors.raise("protocol", "the server's answer is not a page of a list") end
    if cursor ~= nil then seen[cursor] = true end
    cursor = page.next_cursor
    over = cursor == nil or seen[cursor] == true
    if over and cursor ~= nil then
      errors.raise("protocol", "the server names a page as the next one that it has given out before")
    end
    return page
  end
end

--- Iterates over what all pages hold, one by one. Raises as `each` does.
---@param fetch codex.FetchPage
---@param cursor? string of the page to begin with
---@param member? string which member of a page is the list; default `data`
---@return fun(): any
function M.items(fetch, cursor, member)
  local next_page = M.each(fetch, cursor)
  local data, index = {}, 0
  return function()
    while data[index + 1] == nil do
      local page = next_page()
      if not page then return nil end
      data, index = page[member or "data"] or {}, 0
    end
    index = index + 1
    return data[index]
  end
end

return M
