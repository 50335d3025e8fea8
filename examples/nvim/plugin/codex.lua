-- The commands. Nothing is loaded before the first of them is used.
if vim.g.loaded_codex then return end
vim.g.loaded_codex = true

local command = vim.api.nvim_create_user_command

command("Codex", function(call)
  require("codex_nvim").ask(call.args, { new = call.bang })
end, { nargs = "*", bang = true, desc = "Ask Codex; with ! in a new conversation" })

command("CodexSend", function(call)
  require("codex_nvim").send(call.line1, call.line2, call.args)
end, { nargs = "*", range = "%", desc = "Send lines of this buffer to Codex, with a question" })

command("CodexSteer", function(call)
  require("codex_nvim").steer(call.args)
end, { nargs = "+", desc = "Add to what Codex was asked, while it works" })

command("CodexStop", function()
  require("codex_nvim").stop()
end, { desc = "Stop what Codex does" })
