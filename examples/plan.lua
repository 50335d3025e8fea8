-- Plan mode: the agent looks around, asks what it can't find out by itself, and proposes a plan. You answer, and say
-- whether it is to be carried out.
--
--     codex-lua --offline=examples/offline/plan.lua examples/plan.lua
--     codex-lua examples/plan.lua "Give the program in this folder an option --version."
--
-- Where nobody is at a terminal, first options are taken: those that the agent recommends.
local codex = require "codex"

local wish = #arg > 0 and table.concat(arg, " ") or "Write a README for this folder."

local function take_the_first(request)
  local answers = {}
  for _, question in ipairs(request.questions) do
    local option = question.options and question.options[1]
    answers[question.id] = option and option.label -- without an answer the agent makes an assumption
    print(("%s  -> %s"):format(question.question, answers[question.id] or "no answer"))
  end
  return answers
end

local at_terminal = os.execute "test -t 0"
local answer = at_terminal and codex.ask.prompt() or take_the_first

local client <close> = codex.new { user_input_handler = answer }
local thread = client:thread_start { sandbox = "read_only" }

local function mode(name)
  return { mode = name, settings = { model = thread.model } }
end

local plan
for event in thread:turn(wish, { collaboration_mode = mode "plan" }):stream { "item/completed" } do
  local item = event.params.item
  if item.type == "agentMessage" then print(item.text) end
  if item.type == "plan" then plan = item.text end
end
if plan then print(plan) end

-- A question of our own, asked in the same way.
local go = plan and answer {
  questions = {
    {
      id = "go",
      header = "Plan",
      question = "Is the plan to be carried out?",
      options = { { label = "No", description = "" }, { label = "Yes", description = "files are changed" } },
    },
  },
}
if go and go.go == "Yes" then
  local result = thread:run("Carry the plan out.", {
    collaboration_mode = mode "default", -- or the thread would stay in plan mode
    sandbox = "workspace_write",
  })
  print(result.final_response)
end
