-- What the scripted model says to examples/tools.lua, one model call after the other: wrong ones as well.
local function call(name, arguments)
  return { namespace = "tickets", name = name, arguments = arguments }
end

return {
  { calls = { call("search", { text = "PRINTER", status = "open" }) } },
  { calls = { call("read", { id = 1 }) } },
  { calls = { call("read", { id = 2 }) } },
  { calls = { call("read", { id = 9 }) } },
  { calls = { call("close", { id = 2 }) } },
  { calls = { call("close", { id = 2, comment = "Works again." }) } },
  "Tickets 1 and 2 are about printers. The one in the lobby works again, so I have closed ticket 2.",
}
