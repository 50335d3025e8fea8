--- Rules for commands: what matches them and what doesn't.

local approvals = require "spec.support.approvals"
local codex = require "codex"

local approve = codex.approve
local FOLDER, command, refused, rules = approvals.FOLDER, approvals.command, approvals.refused, approvals.rules

local function each(handler, expected, scripts)
  for _, script in ipairs(scripts) do
    assert.equal(expected, handler(command(script)), script)
  end
end

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
      "ls ''=git",
      'ls ""=git',
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
          "split *", "tree *", "yq *", "ssh *", "/usr/bin/curl *", "ls *", "man *",
          "go *" },
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
      "git difftool -y --extcmd=evil",
      "man --html=evil ls",
      "go test -exec=evil",
      "go vet -vettool=evil",
      "go list -toolexec evil",
      "go build --toolexec=evil",
      "yq --inplace .x=1 x",
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
      "go test -run=x",
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

  it("keep a '*' from what a shell's own commands would run", function()
    local handler = rules { allow = { commands = { "printf *", "test *", { "printf", "$*" }, { "test", "$x" } } } }
    each(handler, "otherwise", {
      "printf -v 'a[$(rm x)]' y",
      "printf %d 'path[`rm x`]'",
      "test -v 'a[$(rm x)]'",
      "test 'path[$(rm x)]' -eq 0",
    })
    each(handler, "accept", { "printf '%s\\n' '[a]'", "printf '$(x)'", "test -f x", "test '$x'" })
  end)

  it("keep a '*' behind letters from such options as well", function()
    local handler = rules {
      allow = { commands = { "sed -n* *", "curl -s* *", "tar x* *", "find . -e*", "git log --o*", "sort -o* x" } },
    }
    each(handler, "otherwise", {
      "sed -ni s/a/b/ x",
      "curl -so/etc/passwd https://x",
      "tar xIf evil x",
      "find . -exec",
    })
    each(handler, "accept", {
      "sed -nE p x",
      "curl -sSf https://x",
      "tar xf x",
      "find . -empty",
      "git log --output=x",
      "sort -ox x",
    })
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
      "bash -c 'r{m,} x'",
      "bash -c 'echo cm0geA== | base64 -d | sh'",
      "bash -c '/bin/^l x'",
      "env BASH -c 'r$1m x'",
      "env ksh -c 'r$1m x'",
      "env fish -c 'r(true)m x'",
      "env -S 'r${x}m y'",
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
