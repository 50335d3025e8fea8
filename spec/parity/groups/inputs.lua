return {
  title = "Inputs",
  { "`str`, `TextInput(text)`", "a string, `codex.text(s)`", "spec/turn_params_spec.lua: what a turn sends is its input, whatever its form" },
  {
    "`ImageInput(url)`",
    "`codex.image(url)`",
    "spec/turn_spec.lua: a turn sends its inputs to the model",
  },
  {
    "`LocalImageInput(path)`: the server reads it",
    "`codex.local_image(path)`; one that can't be read is refused before anything is sent",
    "spec/input_spec.lua: a local file that can't be read is refused before anything is sent",
    differs = "the server tells the model, not the caller",
  },
  {
    "`SkillInput(name, path)`",
    "`codex.skill(name, path)`",
    "spec/turn_params_spec.lua: what a turn sends is its input, whatever its form",
  },
  {
    "`MentionInput(name, path)`",
    "`codex.mention(name, path)`",
    "spec/turn_params_spec.lua: what a turn sends is its input, whatever its form",
  },
  {
    "no sound",
    "`codex.audio(url)`, `codex.local_audio(path)`",
    "spec/input_spec.lua: inputs of sound go to the server as they are",
    differs = "the protocol has it",
  },
  {
    "`Input`, `InputItem`, `RunInput`: an item, or a list",
    "an item, or a list, which may hold strings",
    "spec/turn_params_spec.lua: what a turn sends is its input, whatever its form",
  },
  {
    "`ExternalMessage(tool_name, content, namespace=None)`: a `toolOutput`, with an empty input",
    "`codex.external_message { tool_name =, content =, namespace = }`",
    "spec/input_spec.lua: an external message is a turn of its own, with an item that holds it",
  },
  {
    "`content` is a string or a list of parts",
    "a string, or a list of strings, items and parts",
    "spec/input_spec.lua: an external message is a turn of its own, with an item that holds it",
  },
  {
    "an external message must be the whole input, and can't steer: `TypeError`",
    "`invalid_argument`",
    "spec/input_spec.lua: an external message is the whole input, and doesn't steer",
  },
  {
    "a blank `tool_name`: `ValueError` that names it",
    "`invalid_argument` that names it",
    "spec/input_spec.lua: an external message needs a name and a content",
  },
  {
    "on a busy thread it joins the running turn, whose id is answered",
    "it waits, or joins with `when_busy = \"steer\"`: the turn that runs is returned",
    "spec/input_spec.lua: an external message waits for the running turn, or joins it if told so",
    differs = "as for any other input",
  },
  {
    'what isn\'t an item: `TypeError` "unsupported input item"',
    "`invalid_argument` with its place in the list",
    "spec/options_spec.lua: options refuse an input of another type within a list",
  },
}
