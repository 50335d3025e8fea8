--- Lists that the server gives out in pages.

local errors = require "codex.error"

local M = {}

--- Iterates over pages. A server that gives the same cursor again would never come to an end: that raises `protocol`.
---@param fetch fun(cursor: string?): table one page: its `next_cursor` is absent in the last one
---@param cursor? string where to begin
---@return fun(): table?
function M.each(fetch, cursor)
  local seen, over = {}, false
  return function()
    if over then return nil end
    local page = fetch(cursor)
    if type(page) ~= "table" then errors.raise("protocol", "the server's page is not an object") end
    cursor = page.next_cursor
    over = cursor == nil
    if not over and seen[cursor] then errors.raise("protocol", "the server gave the same page twice") end
    if not over then seen[cursor] = true end
    return page
  end
end

--- Iterates over the entries of all pages, one by one; a page is asked for when the one before has been gone through.
---@param fetch fun(cursor: string?): table
---@param member string the page's list
---@param cursor? string where to begin
---@return fun(): any
function M.items(fetch, member, cursor)
  local next_page = M.each(fetch, cursor)
  local list, index = {}, 0
  return function()
    while list and index >= #list do
      local page = next_page()
      list, index = page and (page[member] or {}), 0
    end
    if not list then return nil end
    index = index + 1
    return list[index]
  end
end

return M
