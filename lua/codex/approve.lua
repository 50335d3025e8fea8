--- Ready-made answers to what the agent asks to be allowed: handlers for `approval_handler`, to be put together as one
--- likes.
---
---     approval_handler = codex.approve.log(codex.approve.rules {
---       allow = { commands = { "git status", "ls *" }, paths = { "src/**", "*.md" } },
---       deny = { commands = { "git push *" }, paths = { ".github/**" } },
---       otherwise = codex.approve.prompt(),
---     }, "approvals.log")
---
--- Each is a function of one request. What is accepted runs outside of the sandbox.

local log = require "codex.approve.log"
local options_of = require "codex.options"

local M = {}

---@alias codex.ApprovalHandler fun(request: codex.ServerRequest): codex.ApprovalAnswer?

---@alias codex.ApprovalAnswer
---| "accept"
---| "accept_for_session" # and what is the same later on in this session
---| "decline" # the agent goes on without it
---| "cancel" # the turn is interrupted
---| boolean
---| table # in the shape of the protocol's response

--- Declines everything.
---@return codex.ApprovalHandler
function M.deny()
  return function()
    return "decline"
  end
end

--- Accepts everything, one request at a time.
---@return codex.ApprovalHandler
function M.allow()
  return function()
    return "accept"
  end
end

---@class codex.approve.PromptOptions
---@field input? string the terminal to ask at, as a path; default the one that the program was started at
---@field output? { write: fun(self: any, text: string) } where the questions are shown; default that terminal
---@field color? boolean default: at a terminal, unless the environment has a NO_COLOR that isn't empty
---@field max_lines? integer of a diff or command to show at once, default 200; the rest is shown on request

--- Asks at the terminal, one question at a time: shows the command as the shell gets it, the diff, the permissions or
--- the tool's parameters, and takes y (accept), n (decline), a (accept for the session) or c (cancel), as far as the
--- request does: see its `decisions`. One that has none isn't asked about, and left to the safe answer. Other tasks go
--- on meanwhile. What the model wrote is shown without its control characters and other invisible ones; a line typed
--- before a question is shown doesn't answer it. A request that is withdrawn while it is shown is left for the next.
---
--- Without a terminal, in the background of one, and after Ctrl-D it declines, and says so once on stderr.
---@param options? codex.approve.PromptOptions
---@return codex.ApprovalHandler
function M.prompt(options)
  return require("codex.approve.prompt").new(options)
end

---@class codex.approve.RuleLists
---@field commands? (string|string[])[]
---@field paths? string[]
---@field mcp_tools? string[] as `SERVER/TOOL`; `*` stands for any characters in either

---@class codex.approve.Rules
---@field allow? codex.approve.RuleLists
---@field deny? codex.approve.RuleLists they win over those that allow
---@field otherwise? "deny"|codex.ApprovalHandler who decides about everything else; default "deny"
---@field cwd? string absolute: where commands must run, and what paths are relative to; default the thread's folder

--- Decides by rules; what no rule is for, permissions always, is declined or goes to `otherwise`.
---
--- **Commands.** A rule is the words of a command with blanks between them, or a list of words. Only a single simple
--- command can match a rule that allows, word by word from the first on. In a rule, `*` within a word stands for any
--- characters; as a word of its own for exactly one word; as the last word for any number of words, none included: so
--- `ls *` is for `ls`, `ls src` and `ls -l src`. A `*` doesn't stand for options by which common programs run others
--- or write files (`--output`, `-exec`, `-delete`, git's `-c`, curl's `-o`, sed's `-i`, …): a rule that means these
--- has to name them. That list can't be complete. And what a program is for is no option: `wget *` saves what it
--- fetches, `tar *` unpacks, and some run whatever they are given (`env`, `xargs`, `make`, `git bisect run`, shells and
--- other interpreters, sed and awk among them): name their arguments too. The first word has no `*`, and `git` is
--- whatever the server finds under that name on its PATH; a command with slashes matches only a rule with the same. A
--- command that runs in another folder than the thread's isn't matched: many programs do what files there tell them to.
--- So they do in the thread's own, in which the agent may be able to write: a rule for `make test` is one for whatever
--- the agent writes into the Makefile.
---
--- Everything else goes to `otherwise`: operators, redirections, variables, substitutions, assignments, globs, braces,
--- tildes, history, comments, escapes, more than one line, control characters, anything but ASCII outside of quotes, a
--- shell that isn't a usual one, requests for more than to run it (permissions, a host, input for a command that runs),
--- and wherever the line that the shell gets and what the request says of it differ.
---
--- Rules that deny are generous: the words of a rule, in its order but with anything between them, anywhere in the
--- command's text, behind folders (`/bin/rm`), in quotes, in capitals. So `rm *` also declines `echo x; sudo rm y`, and
--- `echo rm`. Options that mean the same in other words (`-rf`, `-fr`) are different words. Where a shell or `env` is
--- given text that may become other words nothing is allowed; from other programs that run what they are given (`ssh`,
--- awk, interpreters) words can be hidden: allow none of them.
---
--- The server tells its questions apart by ids that come from the model's provider. Of two commands that it asks about
--- under the same id it may take the answer to one for the other's: no rule holds against a provider that does that.
---
--- **Paths** are for changes of files. Every path that a change touches, the new name of a file included, must match:
--- relative to the thread's folder, or absolute where the rule begins with `/`. `*` stands for any characters but `/`,
--- `**` for any number of folders: `*.md` is for those right in the folder, `**/*.md` for all below it, `src/**` for
--- all below `src`. A path with `..` isn't matched. Links are not resolved: a rule for a folder in which the agent can
--- make a link to another one is a rule for that one too. A rule that denies also matches in any folder, below what it
--- names, and in capitals.
---
--- Raises `invalid_argument` for a rule that makes no sense, or could never match: one that allows `A=1 make`, for
--- example, since no command with an assignment is matched.
---@param rules codex.approve.Rules
---@return codex.ApprovalHandler
function M.rules(rules)
  options_of.check_names("approve.rules", rules, { allow = true, deny = true, otherwise = true, cwd = true })
  return require("codex.approve.rules").new(rules)
end

--- Has a handler decide, and writes down each decision before it is returned: a line of JSON with `time` (UTC),
--- `kind`, the ids, what was asked for, and `answer`, or `error` where the handler raised. Questions for users are
--- written down without their answers. When a line can't be written, the error is raised: what isn't written down
--- isn't allowed.
---@param handler codex.ApprovalHandler
---@param file string|{ write: function } a path, to whose end it is written, or an open file
---@return codex.ApprovalHandler
function M.log(handler, file)
  return log.new(handler, file)
end

return M
