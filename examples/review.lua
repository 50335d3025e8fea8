-- Reviews what has changed in a git repository, and prints what it finds, the worst first, as a compiler would.
--
--     codex-lua examples/review.lua [FOLDER [REVISION]]
--
-- The answer is structured: a JSON Schema says what it must look like, and what comes is a Lua table. The exit status
-- is 1 when there is something to put right before a commit.
local codex = require "codex"

local folder, revision = arg[1] or ".", arg[2] or "HEAD"

local schema = {
  type = "object",
  properties = {
    summary = { type = "string" },
    findings = {
      type = "array",
      items = {
        type = "object",
        properties = {
          file = { type = "string" },
          line = { type = "integer", minimum = 1 },
          severity = { enum = { "error", "warning", "note" } },
          message = { type = "string" },
        },
        required = { "file", "severity", "message" },
      },
    },
  },
  required = { "summary", "findings" },
}

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function git_diff()
  local pipe <close> = io.popen(("git -C %s diff %s -- 2>&1"):format(quoted(folder), quoted(revision)))
  local diff = pipe:read "a"
  if not pipe:close() then error("git: " .. diff, 0) end
  return diff
end

local function review(diff)
  local client <close> = codex.new { cwd = folder }
  local thread = client:thread_start { sandbox = "read_only", ephemeral = true }
  return thread:run("Review this diff; look at the files around it where you need to.\n\n" .. diff, {
    output_schema = schema,
    strict = true, -- the model's API wants every property required; those that need not be may be null
  })
end

local diff = git_diff()
if diff == "" then
  print("nothing has changed since " .. revision)
  return
end

local result = review(diff)
if result.parse_error then error(result.parse_error) end

local order = { error = 1, warning = 2, note = 3 }
local findings = result.parsed.findings
table.sort(findings, function(a, b)
  return order[a.severity] < order[b.severity]
end)

print(result.parsed.summary)
for _, finding in ipairs(findings) do
  local line = finding.line ~= codex.null and finding.line or 1
  print(("%s:%d: %s: %s"):format(finding.file, line, finding.severity, finding.message))
end
if findings[1] and findings[1].severity == "error" then os.exit(1, true) end
