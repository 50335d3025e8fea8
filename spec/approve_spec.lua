--- Ready-made answers to approvals: what rules match and what they don't, and the log.

local codex = require "codex"
local kit = require "spec.support.kit"

local approve = codex.approve

-- ---- requests as the server makes them ----

local FOLDER = "/work/project"

local function merged(...)
  local all = {}
  for _, source in ipairs { ... } do
    for name, value in pairs(source) do
      all[name] = value
    end
  end
  return all
end

-- A script as the server quotes it in the shell's line.
local function quoted(script)
  if script:find "^[%w+./:@_%]-]+$" then return script end
  if not script:find "'" then return "'" .. script .. "'" end
  return '"' .. script:gsub('[$`"\\]', "\\%0") .. '"'
end

local ids = { thread_id = "t", turn_id = "u", item_id = "i" }

local function command(script, params, fields)
  local all = merged(ids, {
    kind = "command",
    environment_id = "local",
    reason = "because",
    command = "/bin/bash -c " .. quoted(script),
    command_actions = { { type = "unknown", command = script } },
    cwd = FOLDER,
    started_at_ms = 1,
    proposed_execpolicy_amendment = { "x" },
    available_decisions = { "accept", "cancel" },
  }, params or {})
  return merged(ids, {
    kind = "command",
    method = "item/commandExecution/requestApproval",
    params = all,
    command = script,
    thread_cwd = FOLDER,
  }, fields or {})
end

local function file_change(changes, params, fields)
  for index, change in ipairs(changes) do
    if type(change) == "string" then changes[index] = { path = change, kind = { type = "update" }, diff = "" } end
  end
  return merged(ids, {
    kind = "file_change",
    method = "item/fileChange/requestApproval",
    params = merged(ids, { started_at_ms = 1 }, params or {}),
    item = { type = "fileChange", id = "i", changes = changes },
    thread_cwd = FOLDER,
  }, fields or {})
end

local function mcp_tool(server, tool, fields)
  return merged(ids, {
    kind = "mcp_tool",
    method = "mcpServer/elicitation/request",
    params = {},
    server_name = server,
    tool_name = tool,
  }, fields or {})
end

local function left_to_others()
  return "otherwise"
end

-- What rules say: "accept", "decline", or "otherwise".
local function rules(options)
  return approve.rules(merged({ otherwise = left_to_others }, options))
end

local function each(handler, expected, scripts)
  for _, script in ipairs(scripts) do
    assert.equal(expected, handler(command(script)), script)
  end
end

local function refused(fn, message)
  local ok, err = pcall(fn)
  assert.is_false(ok, "nothing was raised")
  assert.is_true(codex.is_error(err, "invalid_argument"), tostring(err))
  assert.truthy(tostring(err):find(message, 1, true), tostring(err))
end

-- ---- specs ----

describe("rules that allow commands", function()
  it("match a single simple command word by word", function()
    local handler = rules { allow = { commands = { "git status", "ls *", "cat src/*.lua", "make -j* check" } } }
    each(handler, "accept", {
      "git status",
      "  git\tstatus  ",
      "'git' status",
      'git "status"',
      "g'it' st\"atus\"",
      "ls",
      "ls src",
      "ls -la src docs",
      "ls 'a b' \"c d\" 'é' '*'",
      "ls ''",
      "ls x=1 a@b c:d,e %f +g",
      "cat src/a.lua",
      "cat src/.lua",
      "cat 'src/a b.lua'",
      "make -j check",
      "make -j8 check",
    })
    each(handler, "otherwise", {
      "",
      " ",
      "git",
      "git statu",
      "git statuss",
      "git Status",
      "git status -s",
      "git status ''",
      "git -c core.pager=evil status",
      "git --git-dir=/tmp/evil status",
      "status git",
      "lsx",
      "cat src/a.lua b",
      "cat src/a.luax",
      "cat",
      "make -j8 -f evil check",
      "make check",
      "/usr/bin/git status",
      "/tmp/evil/git status",
      "./git status",
      "env git status",
      "sudo git status",
      "time git status",
      "command git status",
      "exec git status",
    })
  end)

  it("match nothing that a shell would make something else of", function()
    local handler = rules { allow = { commands = { "git status", "ls *", "echo *", "true" } } }
    each(handler, "otherwise", {
      -- more than one command
      "git status; rm x",
      "git status && rm x",
      "git status || rm x",
      "git status & rm x",
      "git status &",
      "git status | sh",
      "ls |& sh",
      "git status\nrm x",
      "git status\n",
      "\ngit status",
      "git status\r",
      "ls \rrm",
      "ls \0 rm",
      "(git status)",
      "{ git status; }",
      "! git status",
      "ls;",
      -- substitutions
      "ls $(rm x)",
      "ls `rm x`",
      "ls $HOME",
      "ls ${x}",
      'ls "$(rm x)"',
      'ls "`rm x`"',
      'ls "$x"',
      "ls $'a'",
      'ls $"a"',
      "ls <(rm x)",
      "ls =(rm x)",
      "echo $((1))",
      -- redirections
      "ls > x",
      "ls >x",
      "ls 2>&1",
      "ls < x",
      "echo <<x",
      "ls >| x",
      -- assignments
      "PATH=/tmp ls",
      "x=1",
      "a[0]=1 ls",
      "X+=1 ls",
      "'X=1' ls",
      -- what expands
      "ls *",
      "ls *.lua",
      "ls ?",
      "ls [a]",
      "ls {a,b}",
      "ls ~",
      "ls ~root/x",
      "ls x=~",
      "ls !$",
      "ls !!",
      'ls "!!"',
      "ls ^a^b",
      "=ls",
      "ls =git",
      "%1",
      -- comments, escapes, unfinished quotes
      "git status # harmless",
      "ls #",
      "l\\s",
      "ls a\\ b",
      "git \\\nstatus",
      "ls \\",
      'ls "a\\"b"',
      "ls 'a",
      'ls "a',
      "ls 'a''b'",
      -- what isn't ASCII may be a blank somewhere, or look like something else
      "ls\194\160x",
      "git\226\128\131status",
      "ls é",
      "git st\208\176tus",
      "ls \226\128\174x",
      "ls \255",
      "ls '\27[31m'",
      "ls '\127'",
      "ls 'a\nb'",
      "ls '\0'",
    })
  end)

  it("need what the shell gets, and not only what the request says of it", function()
    local handler = rules { allow = { commands = { "git status", "ls *" } } }
    local function accepts(line, script)
      return handler(command(script or "git status", { command = line })) == "accept"
    end
    assert.is_true(accepts "/bin/bash -c 'git status'")
    assert.is_true(accepts "/bin/bash -lc 'git status'")
    assert.is_true(accepts "/usr/bin/zsh -lc 'git status'")
    assert.is_true(accepts '/bin/sh -c "git status"')
    assert.is_true(accepts("/bin/bash -c ls", "ls"))
    assert.is_true(accepts([[/bin/bash -c "ls \"a b\""]], [[ls "a b"]]))
    assert.is_true(accepts([[/bin/bash -c "ls 'hi"'!'"'"]], "ls 'hi!'"))
    for _, line in ipairs {
      "git status",
      "/bin/bash -c 'git status; rm x'",
      "/bin/bash -c 'git status' x",
      "/bin/bash -c git status",
      "/bin/bash -x -c 'git status'",
      "/bin/bash -ic 'git status'",
      "/bin/bash --rcfile x -c 'git status'",
      "/bin/bash 'git status'",
      "/bin/bash -c  'git status'",
      " /bin/bash -c 'git status'",
      "/bin/bash -c 'git status' ",
      "/bin/bash -c 'git status",
      "/bin/bash -c git\\ status",
      "/bin/bash -c \"git $x\"",
      "/bin/bash -c 'git status';rm",
      "bash -c 'git status'",
      "/tmp/bin/bash -c 'git status'",
      "/bin/../tmp/bash -c 'git status'",
      "/bin/env -c 'git status'",
      "/usr/bin/python3 -c 'git status'",
      "<command included NUL byte>",
      "",
    } do
      assert.is_false(accepts(line), line)
    end
    -- the server leaves out parts of pipes where it says what a command does
    local action = { { type = "listFiles", command = "ls -la" } }
    local piped = command("ls -la | xargs rm", { command_actions = action }, { command = "ls -la" })
    assert.equal("otherwise", handler(piped))
    assert.equal("otherwise", handler(command("ls", {}, { command = "ls -la" })))
    assert.equal("otherwise", handler(command("ls", { command_actions = { action[1], action[1] } })))
    assert.equal("accept", handler(command("ls\t-la", { command_actions = action }, { command = "ls -la" })))
    local unparsed = command "ls"
    unparsed.params.command_actions, unparsed.command = nil, nil
    assert.equal("accept", handler(unparsed))
    unparsed.command = unparsed.params.command
    assert.equal("accept", handler(unparsed))
    unparsed.params.command = nil
    assert.equal("otherwise", handler(unparsed))
  end)

  it("are for running it, and nothing besides", function()
    local handler = rules { allow = { commands = { "ls" } } }
    for _, params in ipairs {
      { additional_permissions = { network = { enabled = true } } },
      { network_approval_context = { host = "x", protocol = "https" } },
      { proposed_network_policy_amendments = { { host = "x", action = "allow" } } },
      { approval_id = "a" },
      { kind = "writeStdin" },
      { kind = "humanCommand" },
      { kind = "new" },
      { environment_id = "elsewhere" },
      { something_new = true },
      { command = { "ls" } },
    } do
      assert.equal("otherwise", handler(command("ls", params)))
    end
    assert.equal("otherwise", handler(command("ls", {}, { method = "execCommandApproval" })))
    assert.equal("otherwise", handler(command("ls", {}, { kind = "permissions" })))
  end)

  it("are for the thread's folder", function()
    local handler = rules { allow = { commands = { "ls" } } }
    assert.equal("accept", handler(command "ls"))
    assert.equal("otherwise", handler(command("ls", { cwd = FOLDER .. "/sub" })))
    assert.equal("otherwise", handler(command("ls", { cwd = "/tmp" })))
    assert.equal("otherwise", handler(command("ls", { cwd = FOLDER .. "/../project" })))
    local unknown = command "ls"
    unknown.thread_cwd = nil
    assert.equal("otherwise", handler(unknown))
    unknown.thread_cwd = FOLDER .. "/"
    assert.equal("accept", handler(unknown))
    unknown.thread_cwd, unknown.params.cwd = nil, nil
    assert.equal("otherwise", handler(unknown))
    local elsewhere = rules { allow = { commands = { "ls" } }, cwd = "/tmp/" }
    assert.equal("otherwise", elsewhere(command "ls"))
    assert.equal("accept", elsewhere(command("ls", { cwd = "/tmp" })))
  end)

  it("have a '*' for one word, and for any number at the end", function()
    local handler = rules { allow = { commands = { "a * c", "b * *", "git log *", { "git", "commit", "-m", "*" } } } }
    each(handler, "accept", {
      "a b c",
      "a 'x y' c",
      "b x",
      "b x y z",
      "git log",
      "git log -3 --oneline --stat",
      "git commit -m 'all words'",
      "git commit -m",
      "git commit -m a b",
    })
    each(handler, "otherwise", { "a c", "a b b c", "a b", "b", "git", "git commit" })
  end)

  it("keep a '*' from options that run other programs or write files", function()
    local handler = rules {
      allow = {
        commands = { "git diff *", "git *", "find *", "sort *", "rg *", "tar *", "fd *", "sed *", "x *", "y * z",
          "git archive --output=*", "git diff --*", "git show -*", "git log *put", "curl *", "wget *", "rsync *",
          "split *", "tree *", "yq *", "ssh *", "/usr/bin/curl *", "ls *" },
      },
    }
    each(handler, "otherwise", {
      "git diff --output=/etc/passwd",
      "git diff --output x",
      "git diff --outp=x",
      "git diff --ext-diff",
      "git show --output=x",
      "git log --output",
      "git rebase -x evil",
      "git -c core.pager=evil status",
      "git -ccore.pager=evil status",
      "git --exec-path=/tmp status",
      "git --config-env=a=b status",
      "git grep -O foo",
      "git grep --open-files-in-pager=evil foo",
      "git -C /tmp status",
      "find . -exec rm '{}' ';'",
      "find . -execdir rm",
      "find . -delete",
      "find . -fprintf x",
      "find . -ok rm",
      "sort -o x y",
      "sort -uo x y",
      "sort --compress-program=evil x",
      "rg --pre evil x",
      "tar --to-command=evil -xf x",
      "tar -I evil -xf x",
      "tar xIf evil x",
      "fd -x rm",
      "sed -i s/a/b/ x",
      "x --eval=evil",
      "x --e",
      "y --exec z",
      "curl -o /etc/passwd https://x",
      "curl -so/etc/passwd https://x",
      "curl -O https://x",
      "curl --output x https://x",
      "curl --remote-name-all https://x",
      "curl --create-dirs --output-dir /etc https://x",
      "curl -K x",
      "curl -c x https://x",
      "curl -D x https://x",
      "curl --trace-ascii x https://x",
      "curl --stderr x https://x",
      "curl -w '%output{x}' https://x",
      "/usr/bin/curl -o x https://x",
      "wget -O x https://x",
      "wget -qO- https://x",
      "wget -P /etc https://x",
      "wget -e use_proxy=on https://x",
      "wget -a x https://x",
      "wget --output-document=x https://x",
      "wget --use-askpass=evil https://x",
      "wget --directory-prefix=/etc https://x",
      "rsync -e evil x y",
      "rsync --rsync-path=evil x y",
      "split --filter=evil x",
      "tree -o x",
      "yq -i .x=1 x",
      "ssh -oProxyCommand=evil x",
      "tar --info-script=evil -xf x",
      "tar -xf x --index-file=y",
      "git clone -u evil x",
      "git --no-pager clone -qu evil x",
      "git filter-branch --tree-filter evil",
      "git filter-branch --msg-f evil",
    })
    each(handler, "accept", {
      "curl -sSfL https://x",
      "curl -X POST -H 'a: b' https://x",
      "curl --location --compressed https://x",
      "wget https://x",
      "wget -q --spider https://x",
      "rsync -av x y",
      "tree -L 2",
      "yq .x x",
      "ls -o --directory --color",
      "git add -u",
      "git clone x",
      "git log --stat --filter=blob",
      "git diff --stat",
      "git show -p",
      "git log --pretty=oneline",
      "git archive --output=x.tar",
      "find . -name x",
      "sort -u x",
      "rg --files x",
      "tar -xf x",
      "tar xf INBOX",
      "sed -n p x",
      "x -- y -",
    })
    each(rules { allow = { commands = { "wget -qO- *" } } }, "accept", { "wget -qO- https://x" })
  end)

  it("must make sense", function()
    local function allowing(rule)
      return function()
        approve.rules { allow = { commands = { "ls", rule } } }
      end
    end
    refused(allowing "*", "approve.rules.allow.commands[2]: the command itself must be named")
    refused(allowing "gi* x", "must be named")
    refused(allowing "ls; pwd", "';'")
    refused(allowing "ls $x", "is no part of a rule")
    refused(allowing "ls 'a b'", "is no part of a rule")
    refused(allowing "", "there is no word in it")
    refused(allowing {}, "there is no word in it")
    refused(allowing { "a", 1 }, "approve.rules.allow.commands[2][2]: expected a word as a string, got number")
    refused(allowing(1), "expected a rule as a string or a list of words, got number")
  end)

  it("must be able to match something", function()
    for word, because in pairs {
      ["FOO=1"] = "nothing can match it: to a shell 'FOO=1' is no name of a command",
      ["=ls"] = "'=ls' is no name",
      ["%1"] = "'%1' is no name",
      [""] = "'' is no name",
    } do
      refused(function()
        approve.rules { allow = { commands = { { word, "ls" } } } }
      end, because)
    end
    local function allowing(rule)
      return function()
        approve.rules { allow = { commands = { "pwd", rule } } }
      end
    end
    refused(allowing "FOO=1 ls", "approve.rules.allow.commands[2]: nothing can match it: to a shell 'FOO=1' is no name")
    refused(allowing "ls\npwd", "approve.rules.allow.commands[2]: '\\10' is no part of a rule")
    refused(allowing { "ls", "a\nb" }, "approve.rules.allow.commands[2]: nothing can match it: of control characters "
      .. "only tabs are read, and this has '\\10'")
    for _, text in ipairs { "ls | sh", "ls $x", "ls > x", "ls < x", "ls & pwd", "(ls)", "ls `pwd`", "ls \\x" } do
      refused(allowing(text), "is no part of a rule")
    end
    local quoted_words = { "awk", "{ print $1; x |= 'a' }", "\t" }
    each(rules { allow = { commands = { quoted_words, "ls x=1" } } }, "accept", {
      [[awk '{ print $1; x |= '"'"'a'"'"' }' ']] .. "\t'",
      "ls x=1",
    })
  end)
end)

describe("rules that deny commands", function()
  local handler = rules {
    allow = { commands = { "git *", "ls *", "bash *", "rm *", "echo *", "env *" } },
    deny = { commands = { "rm *", "git push *", "dd of=*", "curl -*X* *" } },
  }

  it("win over those that allow, and look everywhere", function()
    each(handler, "decline", {
      "rm",
      "rm x",
      "rm -rf x",
      "/bin/rm x",
      "../../bin/rm x",
      "RM x",
      "'rm' x",
      "r\"m\" x",
      "r\\m x",
      "\\rm x",
      "r\\\nm x",
      "echo x; rm y",
      "echo x;rm y",
      "echo x&&rm y",
      "echo x\nrm y",
      "ls | xargs rm",
      "(rm x)",
      "{ rm x; }",
      "{rm,-rf,x}",
      "echo $(rm x)",
      "echo `rm x`",
      "x=rm; $x y",
      "env A=b rm x",
      "bash -c 'rm x'",
      "bash -c \"r''m x\"",
      "sudo rm x",
      "find . -exec rm x",
      "echo rm",
      "git push",
      "git push origin main",
      "git -C x push",
      "git -c 'alias.x=a;b' push",
      "GIT PUSH",
      "ls && git push",
      "dd if=x of=y",
      "curl -sX POST x",
      "ls > x; dd of=/dev/sda",
    })
    each(handler, "accept", {
      "git status",
      "ls rmdir",
      "ls -rm",
      "echo push git",
      "env A=b ls",
      "bash script",
    })
    each(handler, "otherwise", { "echo x; ls", "curl x", "dd if=x" })
  end)

  it("look at everything that a request says", function()
    assert.equal("decline", handler(command("ls", { command_actions = { { command = "rm x" } } })))
    assert.equal("decline", handler(command("ls", {}, { command = "rm x" })))
    assert.equal("decline", handler(command("ls", { command = "/bin/fish -c 'rm x'" })))
    assert.equal("decline", handler(command("ls", {}, { item = { command = "rm x" } })))
    assert.equal("decline", handler(command("rm x", { kind = "writeStdin" })))
    assert.equal("decline", handler(command("rm x", { cwd = "/tmp" })))
    local old = command("ls", { command = { "bash", "-c", "rm x" }, command_actions = false })
    old.method = "execCommandApproval"
    assert.equal("decline", handler(old))
    local bare = command "ls"
    bare.params.command, bare.params.command_actions, bare.command = nil, nil, nil
    assert.equal("otherwise", handler(bare))
  end)

  it("leave what they can't see to others", function()
    each(handler, "otherwise", {
      "bash -c 'r$1m x'",
      "bash -c 'r`true`m x'",
      "bash -c '/bin/r? x'",
      "bash -c '/bin/[r]m x'",
      "bash -c '/bin/r* x'",
      "git x 'sh' '$y'",
      "$(echo r)m x",
      "r$'\\x6d' x",
      "echo cm0K | base64 -d | sh",
    })
    -- without rules that deny there is nothing to hide from
    local lenient = rules { allow = { commands = { "bash *" } } }
    assert.equal("accept", lenient(command "bash -c 'echo $1'"))
  end)

  it("must name something, unless they are for everything", function()
    for _, rule in ipairs { { ";" }, "=", "", { "", "'" } } do
      refused(function()
        approve.rules { deny = { commands = { rule } } }
      end, "approve.rules.deny.commands[1]: there is no word in it")
    end
  end)

  it("may deny everything", function()
    local nothing = rules { allow = { commands = { "ls *" } }, deny = { commands = { "*" } } }
    each(nothing, "decline", { "ls", "x; y", "" })
  end)
end)

describe("rules for paths", function()
  local function allows(patterns, path, fields)
    return rules { allow = { paths = patterns } }(file_change({ path }, {}, fields)) == "accept"
  end

  it("match relative to the thread's folder", function()
    for pattern, paths in pairs {
      ["*.md"] = { "README.md", ".md", "a b.md" },
      ["docs/*.txt"] = { "docs/a.txt", "docs//a.txt", "./docs/./a.txt" },
      ["src/**"] = { "src/a", "src/a/b/c.lua", "src/.hidden" },
      ["app/[id]/$types.ts"] = { "app/[id]/$types.ts" },
      ["src/"] = { "src/a", "src/a/b" },
      ["**/*.lua"] = { "a.lua", "a/b/c.lua" },
      ["a/**/z"] = { "a/z", "a/b/z", "a/b/c/z" },
      ["./x"] = { "x" },
      ["src/a*b*c"] = { "src/abc", "src/a1b2c", "src/abbcc" },
    } do
      for _, path in ipairs(paths) do
        assert.is_true(allows({ pattern }, FOLDER .. "/" .. path), pattern .. " " .. path)
        assert.is_true(allows({ pattern }, path), pattern .. " " .. path)
      end
    end
    assert.is_true(allows({ "/etc/*.conf" }, "/etc/x.conf"))
    assert.is_true(allows({ FOLDER .. "/a" }, FOLDER .. "/a"))
    assert.is_true(allows({ "**" }, FOLDER .. "/a/b"))
    assert.is_true(allows({ "a" }, "/root/a", { thread_cwd = "/root/" }))
    assert.is_true(allows({ "root/a" }, "/root/a", { thread_cwd = "/" }))
  end)

  it("match nothing else", function()
    for pattern, paths in pairs {
      ["*.md"] = { "docs/a.md", "README.mdx", "readme.MD", "", "/etc/a.md", "../a.md" },
      ["docs/*.txt"] = { "docs/a/b.txt", "docs/.txt/x", "xdocs/a.txt", "docs/" },
      ["src/**"] = { "src", "srcx/a", "SRC/a", "src/../x", "src/a/../../x", "../project/src/a", "src/..", "src/a/" },
      ["**"] = { "../x", "/etc/passwd", "~/x", "a\\..\\b", "a\0b", "a\nb", "/work/projectx/a", "/work/project", "." },
      ["a/**/z"] = { "a/b", "az", "a/bz" },
      ["**/*.lua"] = { "/a.lua", "/work/a.lua" },
    } do
      for _, path in ipairs(paths) do
        assert.is_false(allows({ pattern }, path), pattern .. " " .. path)
        if path:sub(1, 1) ~= "/" and path ~= "" and path:sub(1, 1) ~= "~" then
          assert.is_false(allows({ pattern }, FOLDER .. "/" .. path), pattern .. " " .. path)
        end
      end
    end
    assert.is_false(allows({ "/etc/*.conf" }, "/etc/x/y.conf"))
    assert.is_false(allows({ "/etc/**" }, "/etc/../root/x"))
    assert.is_false(allows({ "**" }, "/work/a", { thread_cwd = "/work/../work" }))
    assert.is_false(allows({ "**" }, "a", { thread_cwd = "work" }))
    assert.is_false(allows({ "**" }, "a", { thread_cwd = "" }))
    local unknown = file_change { FOLDER .. "/a" }
    unknown.thread_cwd = nil
    assert.equal("otherwise", rules { allow = { paths = { "**" } } }(unknown))
    assert.equal("accept", rules { allow = { paths = { "**" } }, cwd = FOLDER }(unknown))
  end)

  it("must match every path of a change, and all must be known", function()
    local handler = rules { allow = { paths = { "src/**", "*.md" } } }
    local function moved(from, to)
      return { path = from, kind = { type = "update", move_path = to }, diff = "" }
    end
    assert.equal("accept", handler(file_change { "src/a", "x.md" }))
    assert.equal("accept", handler(file_change { moved("src/a", "src/b") }))
    assert.equal("accept", handler(file_change { { path = "src/a", kind = { type = "delete" } } }))
    for _, changes in ipairs {
      {},
      { "src/a", "y" },
      { "y", "src/a" },
      { moved("src/a", "b") },
      { moved("b", "src/a") },
      { moved("src/a", "/etc/x") },
      { { path = "src/a", kind = { type = "chmod" } } },
      { { path = "src/a" } },
      { { kind = { type = "add" } } },
      { { path = 1, kind = { type = "add" } } },
    } do
      assert.equal("otherwise", handler(file_change(changes)))
    end
    assert.equal("otherwise", handler(file_change({ "src/a" }, { grant_root = FOLDER })))
    assert.equal("otherwise", handler(file_change({ "src/a" }, { something_new = 1 })))
    assert.equal("otherwise", handler(file_change({ "src/a" }, {}, { method = "applyPatchApproval" })))
    assert.equal("otherwise", handler(file_change({ "src/a" }, {}, { item = { type = "commandExecution" } })))
    local unknown = file_change { "src/a" }
    unknown.item = nil
    assert.equal("otherwise", handler(unknown))
  end)

  it("deny generously", function()
    local handler = rules {
      allow = { paths = { "**", "/tmp/**" } },
      deny = { paths = { "*.pem", ".git", "secrets/**", "/tmp/x" } },
    }
    for _, path in ipairs {
      "a.pem",
      "x/y/A.PEM",
      "a.pem/b",
      ".git/config",
      "sub/.git/hooks/pre-commit",
      "a/../.git/config",
      "secrets/a",
      "sub/Secrets/a/b",
      "/tmp/x",
      "/tmp/y/../x/z",
    } do
      assert.equal("decline", handler(file_change { path }), path)
    end
    assert.equal("decline", handler(file_change { "a", "b.pem" }))
    assert.equal("decline", handler(file_change { { path = "a", kind = { type = "update", move_path = ".git/x" } } }))
    assert.equal("decline", handler(file_change({ "a" }, { grant_root = "/work/secrets/all" })))
    assert.equal("decline", handler(file_change({}, { file_changes = { ["b.pem"] = {} } }, { item = false })))
    for _, path in ipairs { "a", ".gitignore", "secrets", "/tmp/xx", "a.pemx" } do
      assert.equal("accept", handler(file_change { path }), path)
    end
  end)

  it("must make sense", function()
    for rule, message in pairs {
      ["../x"] = "approve.rules.allow.paths[1]: '..' is no part of a rule",
      ["~/.ssh/**"] = "approve.rules.allow.paths[1]: '~' isn't replaced by a folder: name the folder",
      ["~root/x"] = "approve.rules.allow.paths[1]: '~' isn't replaced by a folder: name the folder",
      ["$HOME/.ssh/**"] = "approve.rules.allow.paths[1]: '$HOME' isn't replaced by a folder: name the folder",
      ["**/*.{pem,key}"] = "approve.rules.allow.paths[1]: '{pem,key}' is no part of a rule",
      ["id_?sa"] = "approve.rules.allow.paths[1]: '?' is no part of a rule, in which only '*' stands for other ",
      ["src\\**"] = "approve.rules.allow.paths[1]: '\\' is no part of a rule",
      ["a/**b"] = "'**' stands alone between slashes",
      [""] = "there is no name in it",
      ["/"] = "there is no name in it",
      [1] = "expected a path as a string, got number",
    } do
      refused(function()
        approve.rules { allow = { paths = { rule } } }
      end, message)
    end
  end)

  it("that allow must be able to match something", function()
    refused(function()
      approve.rules { allow = { paths = { "a\nb" } } }
    end, "approve.rules.allow.paths[1]: nothing can match it: a path with control characters is none to allow")
    local denying = rules { allow = { paths = { "**" } }, deny = { paths = { "a\nb" } } }
    assert.equal("decline", denying(file_change { "a\nb" }))
  end)

  it("take no time to speak of, whatever they are given", function()
    local handler = rules { allow = { paths = { "**/a/**/a/**/a/**/b", "*a*a*a*a*a*b" } } }
    assert.equal("otherwise", handler(file_change { ("a/"):rep(2000) .. "a" }))
    assert.equal("otherwise", handler(file_change { ("a"):rep(20000) }))
  end)
end)

describe("rules for tools of MCP servers", function()
  it("match the server and the tool", function()
    local handler = rules {
      allow = { mcp_tools = { "docs/search", "tickets/*", "x*/get_*" } },
      deny = { mcp_tools = { "tickets/delete*" } },
    }
    local function verdict(...)
      return handler(mcp_tool(...))
    end
    assert.equal("accept", verdict("docs", "search"))
    assert.equal("accept", verdict("tickets", "list"))
    assert.equal("accept", verdict("xyz", "get_it"))
    assert.equal("decline", verdict("tickets", "delete_all"))
    assert.equal("decline", verdict("Tickets", "DELETE"))
    assert.equal("otherwise", verdict("docs", "searchx"))
    assert.equal("otherwise", verdict("Docs", "search"))
    assert.equal("otherwise", verdict("evil", "docs/search"))
    assert.equal("otherwise", verdict(nil, "search"))
    assert.equal("otherwise", verdict("docs", nil))
    local form = { requested_schema = { type = "object", properties = { password = { type = "string" } } } }
    assert.equal("otherwise", verdict("docs", "search", form))
    assert.equal("accept", verdict("docs", "search", { requested_schema = { type = "object", properties = {} } }))
    refused(function()
      approve.rules { allow = { mcp_tools = { "docs" } } }
    end, "approve.rules.allow.mcp_tools[1]: expected 'SERVER/TOOL'")
  end)
end)

describe("rules", function()
  it("decline what no rule is for, or leave it to a handler", function()
    local strict = approve.rules { allow = { commands = { "ls" } } }
    assert.equal("decline", strict(command "pwd"))
    assert.equal("accept", strict(command "ls"))
    assert.equal("decline", approve.rules { otherwise = "deny" }(command "ls"))
    local seen
    local asking = approve.rules {
      deny = { commands = { "rm" } },
      otherwise = function(request)
        seen = request
        return { decision = "cancel" }
      end,
    }
    local request = { kind = "permissions", method = "item/permissions/requestApproval", params = {} }
    assert.same({ decision = "cancel" }, asking(request))
    assert.equal(request, seen)
    assert.equal("decline", asking(command "rm x"))
    assert.same({ decision = "cancel" }, asking { kind = "unknown", method = "x/y", params = {} })
  end)

  it("are checked when they are made", function()
    local function given(options, message)
      refused(function()
        approve.rules(options)
      end, message)
    end
    given({ alow = {} }, "approve.rules: unknown option 'alow' (did you mean 'allow'?)")
    given({ allow = { command = {} } }, "approve.rules.allow: unknown option 'command' (did you mean 'commands'?)")
    given({ deny = { path = {} } }, "approve.rules.deny: unknown option 'path' (did you mean 'paths'?)")
    given({ allow = { commands = "ls" } }, "approve.rules.allow.commands: expected a list of rules, got string")
    given({ allow = { commands = { a = "ls" } } }, "expected a list of rules")
    given({ allow = "ls" }, "approve.rules.allow: expected a table")
    given({ allow = false }, "approve.rules.allow: expected a table")
    given({ otherwise = "allow" }, "approve.rules.otherwise: got 'allow', expected 'deny' or a handler")
    given({ otherwise = 1 }, "approve.rules.otherwise: expected a function, got number")
    given({ cwd = "src" }, "approve.rules.cwd: expected an absolute path")
    given({ cwd = 1 }, "approve.rules.cwd: expected a string, got number")
    given("ls", "approve.rules: expected a table of options, got string")
    given(nil, "approve.rules: expected a table of options, got nil")
    assert.equal("decline", approve.rules {}(command "ls"))
  end)
end)

describe("allow and deny", function()
  it("answer everything alike", function()
    for _, request in ipairs { command "rm", file_change { "a" }, mcp_tool("a", "b"), { kind = "permissions" } } do
      assert.equal("accept", approve.allow()(request))
      assert.equal("decline", approve.deny()(request))
    end
  end)
end)

describe("the log", function()
  after_each(kit.cleanup)

  local function lines_of(path)
    local lines = {}
    for line in kit.read_file(path):gmatch "([^\n]*)\n" do
      lines[#lines + 1] = codex.json.decode(line)
    end
    return lines
  end

  it("has a line for each decision", function()
    local path = kit.folder() .. "/log"
    local decide = rules { allow = { commands = { "ls" } }, otherwise = approve.deny() }
    local handler = approve.log(decide, path)
    assert.equal("accept", handler(command "ls"))
    local change = { path = "a", kind = { type = "add" }, diff = "the text" }
    assert.equal("decline", handler(file_change { change }))
    local granted = { permissions = { network = { enabled = true } }, scope = "turn" }
    local granting = approve.log(function()
      return granted
    end, path)
    local request = merged(ids, { kind = "permissions", params = { permissions = { network = { enabled = true } } } })
    assert.equal(granted, granting(request))
    local tool = mcp_tool("s", "t", { tool_params = { q = { 1, 2 } } })
    assert.equal("decline", handler(tool))
    local lines = lines_of(path)
    assert.equal(4, #lines)
    assert.truthy(lines[1].time:find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$")
    lines[1].time = nil
    assert.same(merged(ids, {
      kind = "command",
      command = "/bin/bash -c ls",
      cwd = FOLDER,
      reason = "because",
      answer = "accept",
    }), lines[1])
    assert.same({ { path = "a", kind = { type = "add" } } }, lines[2].changes)
    assert.equal("decline", lines[2].answer)
    assert.same(granted, lines[3].answer)
    assert.same({ network = { enabled = true } }, lines[3].permissions)
    assert.same({ "s", "t", { q = { 1, 2 } } }, { lines[4].server, lines[4].tool, lines[4].tool_params })
  end)

  it("tells what is asked for besides a command or a change", function()
    local path = kit.folder() .. "/log"
    local handler = approve.log(approve.allow(), path)
    local more = { network = { enabled = true } }
    handler(command("ls", { network_approval_context = { host = "example.com", protocol = "https" } }))
    handler(command("cat", { kind = "writeStdin", additional_permissions = more }))
    handler(file_change({ "a" }, { grant_root = "/" }))
    handler(file_change({}, { file_changes = { b = { type = "delete" } } }, { item = false }))
    local lines = lines_of(path)
    assert.same({ host = "example.com", protocol = "https" }, lines[1].network)
    assert.same({ "writeStdin", more }, { lines[2].command_kind, lines[2].additional_permissions })
    assert.equal("/", lines[3].grant_root)
    assert.same({ { path = "b", kind = { type = "delete" } } }, lines[4].changes)
  end)

  it("tells of answers that are none, of errors and of withdrawn requests", function()
    local path = kit.folder() .. "/log"
    local answer
    local handler = approve.log(function()
      if answer == "raise" then error("no\nidea", 0) end
      return answer
    end, path)
    assert.is_nil(handler(command "ls"))
    answer = false
    assert.is_false(handler(command("ls", {}, { cancelled = true })))
    answer = "raise"
    local ok, err = pcall(handler, command "ls")
    assert.same({ false, "no\nidea" }, { ok, err })
    local lines = lines_of(path)
    assert.equal("nil", lines[1].answer)
    assert.same({ false, true }, { lines[2].answer, lines[2].withdrawn })
    assert.same({ "no\nidea" }, { lines[3].error, lines[3].answer })
  end)

  it("can't be faked by what the model writes", function()
    local path = kit.folder() .. "/log"
    approve.log(approve.deny(), path)(command 'x\n{"answer":"accept"}\n')
    approve.log(approve.deny(), path)(command "x \255")
    assert.equal(2, #lines_of(path))
  end)

  it("doesn't have what a user answers", function()
    local path = kit.folder() .. "/log"
    local questions = { { id = "password", is_secret = true }, { id = "name" } }
    local request = { kind = "user_input", questions = questions, params = { questions = questions } }
    local answers = { password = "hunter2", name = "me" }
    assert.equal(answers, approve.log(function()
      return answers
    end, path)(request))
    pcall(approve.log(function()
      error "hunter2"
    end, path), request)
    assert.is_nil(kit.read_file(path):find("hunter2", 1, true))
    assert.same({ "password", "name" }, lines_of(path)[1].questions)
  end)

  it("writes to an open file, or to anything like one", function()
    local path = kit.folder() .. "/log"
    local file = assert(io.open(path, "w"))
    approve.log(approve.deny(), file)(command "ls")
    assert.equal(1, #lines_of(path))
    file:close()
    local text
    approve.log(approve.allow(), {
      write = function(_, line)
        text = line
        return true
      end,
    })(command "ls")
    assert.equal("accept", codex.json.decode(text).answer)
  end)

  it("has to be written, or nothing is allowed", function()
    local ok, err = pcall(approve.log(approve.allow(), {
      write = function()
        return nil, "disk full"
      end,
    }), command "ls")
    assert.same({ false, "approve.log: disk full" }, { ok, err })
    local folder = kit.folder()
    local handler = approve.log(approve.allow(), folder .. "/log")
    os.remove(folder .. "/log")
    os.execute("mkdir " .. kit.quoted(folder .. "/log"))
    ok, err = pcall(handler, command "ls")
    assert.is_false(ok)
    assert.truthy(err:find "^approve.log: .*Is a directory")
  end)

  it("waits for a handler that waits", function()
    local path = kit.folder() .. "/log"
    local handler = approve.log(function()
      codex.sleep(0)
      return "cancel"
    end, path)
    assert.equal("cancel", codex.run(handler, command "ls"))
    assert.equal("cancel", lines_of(path)[1].answer)
  end)

  it("is checked when it is made", function()
    refused(function()
      approve.log(nil, "x")
    end, "approve.log: expected a function, got nil")
    refused(function()
      approve.log(approve.deny())
    end, "approve.log: expected a path or an open file, got nil")
    refused(function()
      approve.log(approve.deny(), "/nowhere/log")
    end, "approve.log: /nowhere/log: No such file")
  end)
end)

describe("rules and the real server", function()
  after_each(kit.cleanup)

  local function run(cmd, arguments)
    local all = merged({ cmd = cmd, login = false, justification = "x", sandbox_permissions = "require_escalated" },
      arguments or {})
    return { calls = { { name = "exec_command", arguments = all } } }
  end

  it("agree on what a command is, and on the thread's folder", function()
    local seen = {}
    local handler = approve.log(approve.rules { allow = { commands = { "touch *" } } }, {
      write = function()
        return true
      end,
    })
    local folder, other = kit.folder(), kit.folder()
    local client = kit.client {
      script = {
        run "touch one", run("touch two", { login = true }), run("touch three", { shell = "/bin/sh" }),
        run "ls -la | xargs touch four", run("touch five", { workdir = other }), run "touch 'six seven'", "done",
        run("touch eight", { workdir = folder }), run "touch nine", "done", run "touch ten", "done",
      },
      approval_handler = function(request)
        local answer = handler(request)
        seen[#seen + 1] = { request.command, answer, request.thread_cwd }
        return answer
      end,
    }
    local thread = client:thread_start { cwd = folder }
    thread:run "go"
    thread:run("go", { cwd = other })
    thread:run "go"
    assert.same({
      { "touch one", "accept", folder },
      { "touch two", "accept", folder },
      { "touch three", "accept", folder },
      { "ls -la | xargs touch four", "decline", folder },
      { "touch five", "decline", folder },
      { "touch 'six seven'", "accept", folder },
      { "touch eight", "decline", other },
      { "touch nine", "accept", other },
      { "touch ten", "accept", other },
    }, seen)
    assert.truthy(kit.read_file(folder .. "/six seven"))
    assert.truthy(kit.read_file(other .. "/nine"))
    assert.truthy(kit.read_file(other .. "/ten"))
    for _, name in ipairs { "/four", "/five", "/eight" } do
      assert.is_nil(kit.read_file(folder .. name))
      assert.is_nil(kit.read_file(other .. name))
    end
    client:close()
  end)

  it("agree on what a tool of an MCP server is", function()
    local folder = kit.folder()
    local function call(tool, name)
      local arguments = { file = folder .. "/" .. name, text = "hello" }
      return { calls = { { name = tool, namespace = "mcp__spec", arguments = arguments } } }
    end
    local log = folder .. "/log"
    local client = kit.client {
      extra_toml = (kit.mcp_server()),
      script = { call("note", "noted"), call("wipe", "noted"), "Done." },
      approval_handler = approve.log(approve.rules {
        allow = { mcp_tools = { "spec/*" } },
        deny = { mcp_tools = { "*/wipe" } },
      }, log),
    }
    client:thread_start():run "go"
    assert.equal("hello", kit.read_file(folder .. "/noted"))
    local first, second = kit.read_file(log):match "^([^\n]*)\n([^\n]*)\n$"
    first, second = codex.json.decode(first), codex.json.decode(second)
    assert.same({ "spec", "note", "accept" }, { first.server, first.tool, first.answer })
    assert.same({ "spec", "wipe", "decline" }, { second.server, second.tool, second.answer })
    assert.equal("hello", first.tool_params.text)
    client:close()
  end)
end)
