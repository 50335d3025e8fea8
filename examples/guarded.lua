-- Decides by rules what may leave the sandbox; no person is needed.
--
--     codex-lua examples/guarded.lua "Say in README.md how to build this, and commit it."
local codex = require "codex"
local approve = codex.approve

local request = #arg > 0 and table.concat(arg, " ") or "Bring README.md up to date with what is in this folder."

local rules = approve.rules {
  allow = {
    -- Single simple commands only: nothing that a shell would make more of matches. A last `*` is for any number of
    -- words; it doesn't stand for options that run other programs or write files, such as --output.
    commands = { "git status", "git diff *", "git log *", "ls *" },
    paths = { "*.md", "docs/**" },
  },
  deny = { -- wins over what is allowed, and looks everywhere in a command
    commands = { "rm *", "git push *" },
    paths = { ".git" },
  },
  otherwise = function(asked)
    print("not covered by a rule: " .. asked.summary)
    return "decline" -- or codex.approve.prompt(), to ask a person after all
  end,
}

local client <close> = codex.new { approval_handler = rules }
local thread = client:thread_start { sandbox = "read_only" }
local result = thread:run(request)

for _, item in ipairs(result.items) do
  if item.type == "commandExecution" or item.type == "fileChange" then
    print(("%s: %s"):format(item.status, item.command or item.changes[1].path))
  end
end
print(result.final_response)
