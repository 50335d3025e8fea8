--- Runs every kind of test, several at once, and adds up what they count; the last line is `N passed, N failed`.
---
---     lua spec/support/run.lua FOLDER AT_ONCE KIND=COMMAND… [SPECS…]
---
--- KIND is `check` (silent when all is well; counts only when it fails), `counts` (prints `N passed, N failed`) or
--- `busted` (with the output handler next to this file), which runs once for each spec file in SPECS: files, folders.
--- What a job prints is shown when it is over; of those that fail, when all are.
---
--- FOLDER/totals gets both numbers, FOLDER/jobs the scripts, logs and totals of the single jobs; see pool.sh.

local folder, at_once = arg[1], arg[2]
local work = folder .. "/jobs"
local jobs = {}

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function say(...)
  io.stdout:write(...)
  io.stdout:flush()
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read("*a")
  file:close()
  return text
end

local function write(path, ...)
  local file = assert(io.open(path, "wb"))
  assert(file:write(...))
  assert(file:close())
end

-- ---- what there is to do ----

-- These take longer than their size suggests.
local LONG = { ["spec/examples_spec.lua"] = true, ["spec/interrupt_spec.lua"] = true,
  ["spec/luarocks_spec.lua"] = true, ["spec/scale_spec.lua"] = true }

-- The spec files in these files and folders. Large ones take long, by and large: begun first, none of them is left to
-- run alone at the end.
local function spec_files(paths)
  local files = {}
  for _, path in ipairs(paths) do
    local before, list = #files, io.popen("find " .. quoted(path) .. " -type f -name '*_spec.lua'")
    for file in list:lines() do
      files[#files + 1] = { path = file, size = LONG[file] and math.huge or #read(file) }
    end
    list:close()
    if #files == before then error("no spec file: " .. path, 0) end
  end
  table.sort(files, function(a, b) return a.size > b.size or a.size == b.size and a.path < b.path end)
  return files
end

local function add(kind, name, command) jobs[#jobs + 1] = { kind = kind, name = name, command = command } end

local specs = {}
for i = 3, #arg do
  if not arg[i]:find "^%a+=" then specs[#specs + 1] = arg[i] end
end
for i = 3, #arg do
  local kind, command = arg[i]:match "^(%a+)=(.*)$"
  if kind == "busted" then
    for _, file in ipairs(spec_files(specs)) do add(kind, file.path, command .. " " .. quoted(file.path)) end
  elseif kind then
    add(kind, command, command)
  end
end

-- ---- doing it ----

--- How a job ended, by its kind: what it says to have passed and failed; nil when it doesn't say.
local counted = {}

function counted.check() return 0, 0 end

function counted.counts(job) return job.log:match ".*%f[%d](%d+) passed, (%d+) failed" end

function counted.busted(job) return read(job.files .. ".totals"):match "(%d+) (%d+)" end

local passed, failed, unhappy = 0, 0, {}

--- status: nil when the job didn't come to its end.
local function finish(job, status)
  job.over, job.log = true, read(job.files .. ".log")
  local p, f = counted[job.kind](job)
  p, f = tonumber(p), tonumber(f)
  local how = not status and "no end" or not p and "no totals, status " .. status or "status " .. status
  if (status ~= 0 or not p) and (f or 0) == 0 then f = 1 end
  passed, failed = passed + (p or 0), failed + f
  if f == 0 then return say(job.log) end
  job.how = how
  unhappy[#unhappy + 1] = job
  say("FAILED (", how, "): ", job.name, "\n")
end

local function run_all()
  os.execute("rm -rf " .. quoted(work) .. " && mkdir -p " .. quoted(work))
  for i, job in ipairs(jobs) do
    job.files = work .. "/" .. i
    write(job.files .. ".sh", "export CODEX_SPEC_TOTALS=", quoted(job.files .. ".totals"), "\n", job.command, "\n")
  end
  local pool = io.popen(("exec spec/support/pool.sh %s %d %s"):format(quoted(work), #jobs, quoted(at_once)))
  while true do
    local index, status = (pool:read "*l" or ""):match "^(%d+) (%d+)$"
    if not index then break end
    finish(jobs[tonumber(index)], tonumber(status))
  end
  pool:close()
  for _, job in ipairs(jobs) do
    if not job.over then finish(job) end
  end
end

local ok, problem = pcall(run_all) -- Ctrl-C makes an error of itself
for _, job in ipairs(unhappy) do say("\n---- ", job.name, " (", job.how, ")\n", job.log) end
if not ok then
  say(problem, "\n")
  failed = failed + 1
end
write(folder .. "/totals", passed, " ", failed, "\n")
say(string.format("%d passed, %d failed\n", passed, failed))
os.exit(failed == 0 and 0 or 1)
