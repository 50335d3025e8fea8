--- What somebody should hear although nobody asked for it: a line on stderr; in Neovim, whose screen that would spoil,
--- a notification.

local M = {}

--- Says it, or has it said once the editor comes to it.
---@param text string without "codex: " and a line end
function M.give(text)
  local vim = rawget(_G, "vim")
  if type(vim) ~= "table" or not vim.schedule then
    io.stderr:write("codex: ", text, "\n")
    return
  end
  vim.schedule(function()
    vim.notify("codex: " .. text, vim.log.levels.WARN)
  end)
end

return M
