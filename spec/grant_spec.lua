--- Which permissions count as those that were asked for, or less.

local codex = require "codex"
local grants = require "codex.grant"

local function at(access, path)
  return { access = access, path = { type = "path", path = path } }
end

local function named(access, value)
  return { access = access, path = { type = "special", value = value } }
end

local function glob(access, pattern)
  return { access = access, path = { type = "glob_pattern", pattern = pattern } }
end

local function files(members)
  return { file_system = members }
end

local function entries(...)
  return files { entries = { ... } }
end

local roots, docs = { kind = "project_roots" }, { kind = "project_roots", subpath = "docs" }

-- Asked for, granted.
local within = {
  { entries(at("write", "/a"), at("read", "/a/b")), entries(at("write", "/a"), at("read", "/a/b")) },
  { entries(at("write", "/a"), at("read", "/a/b")), entries(at("read", "/a")) },
  { entries(at("write", "/a"), at("read", "/a/b")), entries(at("write", "/a/c")) },
  { { network = { enabled = true } }, { network = { enabled = true } } },
  { { network = { enabled = true } }, { network = { enabled = false } } },
  { { network = { enabled = true } }, { network = {} } },
  { { network = { enabled = true } }, { network = codex.null } },
  { { network = { enabled = true } }, {} },
  { { network = { enabled = true } }, nil },
  { {}, {} },
  { files { write = { "/a", "/b" } }, files { write = { "/b" } } },
  { files { write = { "/a" } }, files { write = {} } },
  { files { write = { "/a" } }, files { write = { "/a/b/c", "/a/d" } } },
  { files { write = { "/a/" } }, files { write = { "/a/b" } } },
  { files { write = { "/" } }, files { write = { "/a" } } },
  { files { write = { "/a" } }, files { write = { "/a/..b", "/a/b..", "/a/..." } } },
  { files { read = { "/a" } }, files { read = { "/a/b" } } },
  { entries(at("write", "/a")), entries(at("write", "/a")) },
  { entries(at("write", "/a")), entries(at("read", "/a/b")) },
  { entries(at("write", "/a")), entries(at("deny", "/a")) },
  { entries(at("read", "/a")), entries(at("deny", "/a")) },
  { entries(at("write", "/a"), at("deny", "/a/b")), entries(at("write", "/a"), at("deny", "/a/b")) },
  { entries(at("write", "/a"), at("deny", "/a/b")), files { entries = {} } },
  { entries(named("read", docs)), entries(named("read", docs)) },
  { entries(named("write", docs)), entries(named("read", docs)) },
  { entries(glob("read", "/a/*")), entries(glob("read", "/a/*")) },
}

local beyond = {
  { entries(at("write", "/a"), at("read", "/a/b")), entries(at("write", "/a")) },
  { entries(at("write", "/a"), at("read", "/a/b")), entries(at("write", "/a/b")) },
  { entries(at("write", "/a"), at("deny", "/a/b")),
    entries(at("write", "/a"), at("deny", "/a/b"), at("write", "/a/b/c")) },
  { { network = { enabled = false } }, { network = { enabled = true } } },
  { {}, { network = { enabled = true } } },
  { nil, { network = { enabled = true } } },
  { { network = { enabled = true } }, true },
  { { network = { enabled = true } }, "all" },
  { { network = { enabled = true } }, { network = true } },
  { { network = { enabled = true } }, { network = { enabled = true, more = true } } },
  { { network = { enabled = true } }, { else_ = true } },
  { files { write = { "/a" } }, files { write = { "/" } } },
  { files { write = { "/a" } }, files { write = { "/ab" } } },
  { files { write = { "/a" } }, files { write = { "/a", "/b" } } },
  { files { write = { "/a" } }, files { write = { "/a/../b" } } },
  { files { write = { "/a" } }, files { write = { "/a/b/.." } } },
  { files { write = { "/a" } }, files { write = { "/a/./b" } } },
  { files { write = { "/a" } }, files { write = { "a" } } },
  { files { write = { "a" } }, files { write = { "a/b" } } },
  { files { write = { "/a" } }, files { write = { 5 } } },
  { files { write = { "/a" } }, files { write = "/a/b" } },
  { files { write = { "/a" } }, files { read = { "/b" } } },
  { files { write = { "/a" } }, entries(at("write", "/a")) },
  { files { read = { "/a" } }, files { write = { "/a" } } },
  { entries(at("read", "/a")), entries(at("write", "/a")) },
  { entries(at("deny", "/a")), entries(at("read", "/a")) },
  { entries(at("write", "/a")), entries(at("write", "/")) },
  { entries(at("write", "/a")), entries { access = "write" } },
  { entries(at("write", "/a")), entries(at("write")) },
  { entries(at("write", "/a")), entries "write" },
  { entries(at("write", "/a"), at("deny", "/a/b")), entries(at("write", "/a")) },
  { entries(at("write", "/a"), at("deny", "/a/b")), entries(at("write", "/a"), at("deny", "/a/b/c")) },
  { entries(named("read", docs)), entries(named("read", roots)) },
  { entries(named("read", roots)), entries(named("read", { kind = "root" })) },
  { entries(named("read", docs)), entries(at("read", "/docs")) },
  { entries(glob("read", "/a/*")), entries(glob("read", "/a/b")) },
  { files { glob_scan_max_depth = 2 }, files { glob_scan_max_depth = 3 } },
}

describe("what is granted", function()
  it("is what was asked for, or less", function()
    for index, pair in ipairs(within) do
      assert.is_true(grants.is_within(pair[2], pair[1]), "row " .. index)
    end
  end)

  it("isn't more than what was asked for", function()
    for index, pair in ipairs(beyond) do
      assert.is_false(grants.is_within(pair[2], pair[1]), "row " .. index)
    end
  end)
end)
