# codex-lua: `make demo` and `make test` install what is missing (Debian packages, the pinned server), build, and run.
#
#   make                     build/codex-lua, build/libcodex.a, build/5.4/codex/core.so
#   make modules             build/<version>/codex/core.so for each Lua
#   make demo                one real turn through the real app-server, offline
#   make test                everything that must be green; SPECS=spec/x_spec.lua and FILTER=words for a part of it,
#                            JOBS=1 for one thing after the other (default: as many at once as there are cores)
#   make test SANITIZE=1     the same under AddressSanitizer and UndefinedBehaviorSanitizer, in build/sanitize
#   make test LUA=luajit     the specs on another Lua
#   make test-all            the specs on each Lua, one after the other
#   make bench               measures, decides nothing
#   make generate            the protocol's tables and types, from the pinned server's own schema
#   make generate-diff OLD=0.168.0 NEW=0.169.0
#                            what the protocol's schemas differ in; versions or folders, NEW is the pinned version
#   make parity              the README's table of the official Python SDK beside this module, from spec/parity
#   make lint, make format   luacheck and clang-format: look, or rewrite
#   make V=1                 shows the commands
#   make clean               removes what was built; the server stays (make distclean removes that too)
#
# Variables: LUA (lua5.4, lua5.3, lua5.2, lua5.1, luajit), CC, CFLAGS, CODEX_BIN (a codex in place of the pinned one).

CODEX_VERSION = 0.169.0
LUA = lua5.4

# --- which Lua, and where things go ---------------------------------------------------------------

LUAS = lua5.4 lua5.3 lua5.2 lua5.1 luajit
# What the host carries in itself, and what is meant where nothing is said.
HOST_LUA = lua5.4
OTHER_LUAS = $(filter-out $(HOST_LUA),$(LUAS))
ifeq ($(filter $(LUA),$(LUAS)),)
  $(error LUA=$(LUA): there are $(LUAS))
endif
# $(call version_of,lua5.1): 5.1
version_of = $(patsubst lua%,%,$(filter-out luajit,$(1)))$(filter luajit,$(1))
LUA_VERSION = $(call version_of,$(LUA))
# $(call lua_cflags,lua5.4): where its headers are
lua_cflags = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(1)))

ROOT := $(CURDIR)
BUILD = build$(if $(SANITIZE),/sanitize)
OBJECTS = $(BUILD)/objects
SERVER = build/server/$(CODEX_VERSION)
# found from here, named from the root: a path with spaces would be several to make
PINNED_CODEX = $(patsubst %,$(ROOT)/%,$(firstword $(wildcard $(SERVER)/node_modules/@openai/codex-*/vendor/*/bin/codex)))

# --- compiling ------------------------------------------------------------------------------------

CC = gcc
CFLAGS = -O2 -g
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Werror
SANITIZERS = $(if $(SANITIZE),-fsanitize=address$(,)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
COMPILE = $(CC) -std=c11 -D_GNU_SOURCE $(CFLAGS) -fPIC -fvisibility=hidden $(WARNINGS) $(SANITIZERS) \
  -Iinclude -Isrc -MMD -MP
LINK = $(CC) $(CFLAGS) $(SANITIZERS) $(LDFLAGS)
, := ,

# Recipes show one short line; V=1 shows the commands themselves.
Q = $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)  $(patsubst $(ROOT)/%,%,$@)")

# $(call objects,folder of sources,folder of objects): the objects of all C files of a folder
objects = $(patsubst $(1)/%.c,$(OBJECTS)/$(2)/%.o,$(wildcard $(1)/*.c))

CORE = $(call objects,src/core,core) $(call objects,src/io,io)
MODULE = $(call objects,src/lua,lua-$(LUA_VERSION))
HOST = $(call objects,src/host,host) $(call objects,src/lua,lua-5.4) $(OBJECTS)/host/embedded.o
CORE_SPEC = $(call objects,spec/core,spec-core)
IO_SPEC = $(call objects,spec/io,spec-io) $(OBJECTS)/spec-core/test.o
BENCH = $(patsubst spec/bench/%.c,$(BUILD)/bench/%,$(wildcard spec/bench/*.c))
LUA_FILES = $(shell find lua -name '*.lua' | LC_ALL=C sort)
# Types are for editors: no program needs them.
EMBEDDED = $(filter-out lua/codex/types.lua,$(LUA_FILES)) $(filter-out src/host/embed.lua,$(wildcard src/host/*.lua))

LIBRARY = $(BUILD)/libcodex.a
CORE_SO = $(BUILD)/$(LUA_VERSION)/codex/core.so
PROGRAM = $(BUILD)/codex-lua

all: $(LIBRARY) $(CORE_SO) $(PROGRAM)

$(LIBRARY): $(CORE)
	$(call say,AR )
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# A module is never linked with a Lua library: it uses the one of the program that loads it.
$(CORE_SO): $(MODULE) $(LIBRARY) $(BUILD)/module.symbols
	@mkdir -p $(@D)
	$(call say,LD )
	$(Q)$(LINK) -shared -o $@ $(MODULE) $(LIBRARY) -Wl,--version-script=$(BUILD)/module.symbols

# The host exports what C modules need, and nothing else, so that no symbol of ours shadows one of theirs.
$(PROGRAM): $(HOST) $(LIBRARY) $(BUILD)/host.symbols
	$(call say,LD )
	$(Q)$(LINK) -o $@ $(HOST) $(LIBRARY) -Wl,--dynamic-list=$(BUILD)/host.symbols \
	  -L$(shell pkg-config --variable=libdir $(HOST_LUA)) -l:lib$(HOST_LUA).a -lm -ldl

$(BUILD)/module.symbols:
	@mkdir -p $(@D)
	$(Q)echo '{ global: luaopen_codex_core; local: *; };' >$@

$(BUILD)/host.symbols:
	@mkdir -p $(@D)
	$(Q)echo '{ lua_*; luaL_*; luaopen_*; };' >$@

$(OBJECTS)/embedded.c: src/host/embed.lua $(EMBEDDED)
	@mkdir -p $(@D)
	$(call say,LUA)
	$(Q)$(HOST_LUA) src/host/embed.lua $@ $(EMBEDDED)

$(OBJECTS)/host/embedded.o: $(OBJECTS)/embedded.c
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(COMPILE) -Isrc/host -c -o $@ $<

$(OBJECTS)/core/%.o: src/core/%.c
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(COMPILE) -c -o $@ $<

$(OBJECTS)/io/%.o: src/io/%.c
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(COMPILE) -c -o $@ $<

$(OBJECTS)/lua-$(LUA_VERSION)/%.o: src/lua/%.c
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(COMPILE) $(call lua_cflags,$(LUA)) -c -o $@ $<

ifneq ($(LUA_VERSION),5.4)
$(OBJECTS)/lua-5.4/%.o: src/lua/%.c
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(COMPILE) $(call lua_cflags,$(HOST_LUA)) -c -o $@ $<
endif

$(OBJECTS)/host/%.o: src/host/%.c
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(COMPILE) $(call lua_cflags,$(HOST_LUA)) \
	  -DCODEX_SERVER_VERSION='"$(CODEX_VERSION)"' -c -o $@ $<

# --- C specs and benchmarks -----------------------------------------------------------------------

$(OBJECTS)/spec-core/%.o: spec/core/%.c
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(COMPILE) -c -o $@ $<

$(OBJECTS)/spec-io/%.o: spec/io/%.c
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(COMPILE) -c -o $@ $<

# No Lua library here: that the core needs none is thereby proved.
$(BUILD)/spec/core: $(CORE_SPEC) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LD )
	$(Q)$(LINK) -o $@ $(CORE_SPEC) $(LIBRARY) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc

$(BUILD)/spec/io: $(IO_SPEC) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LD )
	$(Q)$(LINK) -o $@ $(IO_SPEC) $(LIBRARY)

$(BUILD)/bench/%: spec/bench/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(COMPILE) -MF $(OBJECTS)/bench-$*.d -o $@ $< $(LIBRARY)

$(BUILD)/examples/run: examples/c/run.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(COMPILE) -MF $(OBJECTS)/example-run.d -o $@ $< $(LIBRARY)

# A program that embeds Lua 5.4 has the module's C half in itself.
$(BUILD)/examples/embed: examples/embed/embed.c $(call objects,src/lua,lua-5.4) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(COMPILE) $(call lua_cflags,$(HOST_LUA)) -MF $(OBJECTS)/example-embed.d -o $@ $^ -Wl,-E \
	  -L$(shell pkg-config --variable=libdir $(HOST_LUA)) -l:lib$(HOST_LUA).a -lm -ldl

# Of each Lua, and with the C half linked in; what a shared module finds in the program, C modules find, too.
STATES = $(BUILD)/spec/states-$(LUA_VERSION)
$(STATES): spec/states/states.c $(MODULE) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,CC )
	$(Q)$(COMPILE) $(call lua_cflags,$(LUA)) -MF $(OBJECTS)/states-$(LUA_VERSION).d -o $@ $^ -pthread \
	  $(shell pkg-config --libs $(LUA))

C_EXAMPLES = $(BUILD)/examples/run $(BUILD)/examples/embed

C_SPECS = $(if $(CORE_SPEC),$(BUILD)/spec/core) $(if $(IO_SPEC),$(BUILD)/spec/io)

-include $(wildcard $(OBJECTS)/*.d $(OBJECTS)/*/*.d)

# --- running --------------------------------------------------------------------------------------

# A CODEX_BIN of the user's own wins over the pinned server, which is then not brought at all.
run-demo run-test run-bench: export CODEX_BIN := $(or $(CODEX_BIN),$(PINNED_CODEX))
run-test run-bench: export LUA_PATH = $(ROOT)/?.lua;$(ROOT)/lua/?.lua;$(ROOT)/lua/?/init.lua;;
run-test run-bench: export LUA_CPATH = $(ROOT)/$(BUILD)/$(LUA_VERSION)/?.so;;
run-test run-bench: export CODEX_LUA := $(ROOT)/$(PROGRAM)
run-test run-bench: export CODEX_BUILD := $(ROOT)/$(BUILD)
run-test: export CODEX_STATES := $(ROOT)/$(STATES)

SPECS = spec
JOBS = $(shell nproc)
BUSTED = $(LUA) $(shell command -v busted) -o spec/support/output.lua $(if $(FILTER),--filter '$(FILTER)')
# A spec file that hangs is interrupted, and says where; the longest take a minute on a busy machine.
LIMITED = timeout --foreground --signal=INT --kill-after=20 300
HAND_WRITTEN_C = $(filter-out src/core/schema_tables.c,$(wildcard include/*.h src/*/*.[ch] spec/*/*.[ch] examples/*/*.[ch]))
LUACHECK = luacheck --no-color --quiet $(wildcard lua spec examples src/core/*.lua src/core/*/*.lua src/host/*.lua)
CLANG_FORMAT = clang-format --dry-run --Werror $(HAND_WRITTEN_C)

# Lua itself isn't built with sanitizers, so they are preloaded into it.
WITH_SANITIZERS = $(if $(SANITIZE),LD_PRELOAD=$$(realpath $$($(CC) -print-file-name=libasan.so)))
run-test: export ASAN_OPTIONS = halt_on_error=1:abort_on_error=0:detect_leaks=1:strict_string_checks=1
run-test: export UBSAN_OPTIONS = halt_on_error=1:print_stacktrace=1
run-test: export LSAN_OPTIONS = suppressions="$(ROOT)/$(BUILD)/leaks":print_suppressions=0

run-demo: $(PROGRAM)
	@$(PROGRAM) --offline examples/hello.lua

# What no Lua has a part in need not be tested with each.
OTHER_LUA = $(filter $(OTHER_LUAS),$(LUA))

# Leaks that aren't ours: the shells and tools that specs run under the preloaded sanitizer.
run-test: $(LIBRARY) $(CORE_SO) $(PROGRAM) $(if $(OTHER_LUA),,$(C_SPECS)) $(C_EXAMPLES) $(STATES)
	@printf 'leak:bash\nleak:dash\nleak:/bin/sh\n' >$(BUILD)/leaks
	@$(LUA) spec/support/run.lua $(BUILD) $(JOBS) $(if $(OTHER_LUA),,$(foreach spec,$(C_SPECS),'counts=$(spec)')) \
	  $(if $(OTHER_LUA)$(SANITIZE),,'check=$(LUACHECK)' 'check=$(CLANG_FORMAT)') \
	  "busted=$(LIMITED) env $(WITH_SANITIZERS) $(BUSTED)" $(SPECS)

run-bench: $(LIBRARY) $(CORE_SO) $(PROGRAM) $(BENCH)
	@$(LUA) spec/bench/run.lua

# --- what people call -----------------------------------------------------------------------------
# Packages come before anything that asks pkg-config, hence the second make.

# Each Lua with its headers.
PACKAGES_lua5.4 = lua5.4 liblua5.4-dev
PACKAGES_lua5.3 = lua5.3 liblua5.3-dev
PACKAGES_lua5.2 = lua5.2 liblua5.2-dev
PACKAGES_lua5.1 = lua5.1 liblua5.1-0-dev
PACKAGES_luajit = luajit libluajit-5.1-dev
DEMO_PACKAGES = gcc libc6-dev make pkg-config $(PACKAGES_$(HOST_LUA)) lua-cjson lua-socket
TEST_PACKAGES = $(DEMO_PACKAGES) lua-busted lua-check clang-format luarocks neovim libluajit-5.1-dev \
  lua-luv lua-cqueues lua-copas $(PACKAGES_$(LUA))
# npm is needed once, and only if the pinned server isn't there; any npm will do, Debian's only if there is none.
NPM = $(if $(or $(CODEX_BIN),$(wildcard $(SERVER)/.complete),$(shell command -v npm)),,npm)
AGAIN = @+$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

demo:
	@.ci/packages $(DEMO_PACKAGES) $(NPM)
	$(AGAIN) server
	$(AGAIN) run-demo

test:
	@.ci/packages $(TEST_PACKAGES) $(NPM)
	$(AGAIN) server
	$(AGAIN) run-test

# Each in a make of its own, all of them even if one fails.
TEST_EACH_LUA = $(LUAS:%=test-%)
test-all:
	@$(MAKE) --no-print-directory --keep-going -j1 $(TEST_EACH_LUA)

$(TEST_EACH_LUA):
	@echo "$(@:test-%=%)"
	@$(MAKE) --no-print-directory test LUA=$(@:test-%=%)

modules:
	@.ci/packages $(DEMO_PACKAGES) $(foreach lua,$(OTHER_LUAS),$(PACKAGES_$(lua)))
	$(AGAIN) $(LUAS:%=module-%)

# What they share is built before them: each is a make of its own.
$(LUAS:%=module-%): $(LIBRARY) $(BUILD)/module.symbols
	@$(MAKE) --no-print-directory LUA=$(@:module-%=%) build/$(call version_of,$(@:module-%=%))/codex/core.so

bench:
	@.ci/packages $(DEMO_PACKAGES) $(NPM)
	$(AGAIN) server
	$(AGAIN) run-bench

server:
	$(if $(CODEX_BIN),,@.ci/server $(CODEX_VERSION) $(SERVER))

GENERATE = $(HOST_LUA) src/core/generate.lua
# $(call schema,version or folder): the folder of its schema; of the pinned version it is what CODEX_BIN says, if set
schema = "$$(.ci/schema '$(1)' $(if $(filter $(CODEX_VERSION),$(1)),'$(CODEX_BIN)'))"

generate:
	folder=$(call schema,$(CODEX_VERSION)) && \
	  $(GENERATE) "$$folder" $(CODEX_VERSION) src/core/schema_tables.c lua/codex/types.lua

NEW = $(CODEX_VERSION)
generate-diff:
	$(if $(OLD),,$(error say what to compare with: make generate-diff OLD=version or folder of a schema))
	$(Q)old=$(call schema,$(OLD)) && new=$(call schema,$(NEW)) && $(GENERATE) diff "$$old" "$$new"

parity:
	$(HOST_LUA) spec/parity/render.lua README.md

lint:
	$(LUACHECK)
	$(CLANG_FORMAT)

format:
	clang-format -i $(HAND_WRITTEN_C)

clean:
	rm -rf $(filter-out build/server,$(wildcard build/*))

distclean:
	rm -rf build

.PHONY: all modules $(LUAS:%=module-%) demo test test-all $(TEST_EACH_LUA) bench server generate generate-diff parity lint format clean distclean run-demo run-test run-bench
.DELETE_ON_ERROR:
