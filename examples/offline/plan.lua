-- What the scripted model says to examples/plan.lua: it asks, plans, and has done it.
local questions = {
  {
    id = "readers",
    header = "Readers",
    question = "Who is the README for?",
    options = {
      { label = "Users (Recommended)", description = "what it is, and how to start" },
      { label = "Developers", description = "how it is built" },
    },
  },
}

return function(_, context)
  if context.input_text == "Carry the plan out." then return "README.md is there." end
  if context.step == 1 then
    return { calls = { { name = "request_user_input", arguments = { questions = questions } } } }
  end
  local answers = context.outputs[1].output
  local readers = answers:find "Users" and "users" or "developers"
  return "That is all I need.\n<proposed_plan>\n1. Write README.md for " .. readers .. ".\n</proposed_plan>"
end
