-- What runs where: the module on every Lua from 5.1 on, the rest on 5.4.
std = "min"
max_line_length = 120
cache = false

files["lua"] = { read_globals = { "vim" } }
files["lua/codex/types.lua"] = { max_line_length = false } -- an annotation can't be continued
files["spec"] = { std = "min+busted" }
files["spec/bench"] = { std = "lua54" }
files["spec/lua54"] = { std = "lua54+busted" }
files["spec/parity/groups"] = { max_line_length = false } -- full names of examples, to be found by searching
files["spec/support"] = { std = "min", self = false }
files["examples"] = { std = "lua54" }
files["examples/embed"] = { std = "lua54", read_globals = { "loop", "quit" } }
files["examples/nvim"] = { std = "luajit", globals = { "vim" } }
files["src"] = { std = "lua54" }
