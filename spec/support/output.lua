--- busted's output in this project: a line for each spec file, failures in full as soon as their file is through, and
--- the totals into the file that $CODEX_SPEC_TOTALS names.

return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()
  local shown = { failures = 0, errors = 0 }
  local tests, started

  local function show(kind, word)
    for i = shown[kind] + 1, #handler[kind] do
      local problem = handler[kind][i]
      local trace = problem.trace or {}
      local message = problem.message
      if type(message) ~= "string" then message = tostring(message) end
      io.stdout:write("\n", word, ": ", problem.name or "?", "\n", message, "\n", trace.traceback or "", "\n\n")
    end
    shown[kind] = #handler[kind]
  end

  local function show_problems()
    show("failures", "FAILED")
    show("errors", "ERROR")
    io.stdout:flush()
  end

  function handler.file_start()
    tests, started = 0, busted.monotime and busted.monotime() or os.time()
    return nil, true
  end

  function handler.test_end()
    tests = (tests or 0) + 1
    return nil, true
  end

  function handler.file_end(file)
    local took = (busted.monotime and busted.monotime() or os.time()) - started
    show_problems()
    io.stdout:write(string.format("%-50s %4d  %6.2f s\n", file.name, tests, took))
    io.stdout:flush()
    return nil, true
  end

  function handler.suite_end()
    show_problems()
    for _, pending in ipairs(handler.pendings) do io.stdout:write("pending: ", pending.name, "\n") end
    local path = os.getenv("CODEX_SPEC_TOTALS")
    if path then
      local file = assert(io.open(path, "wb"))
      file:write(handler.successesCount, " ", handler.failuresCount + handler.errorsCount, "\n")
      file:close()
    end
    return nil, true
  end

  busted.subscribe({ "file", "start" }, handler.file_start)
  busted.subscribe({ "file", "end" }, handler.file_end)
  busted.subscribe({ "test", "end" }, handler.test_end)
  busted.subscribe({ "suite", "end" }, handler.suite_end)
  return handler
end
