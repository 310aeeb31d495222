# NERV: everything is built under $(BUILD); see README.md for the targets.
BUILD   ?= build
PREFIX  ?= /usr
VERSION := 0.1.0
V       ?= 0
MAKEFLAGS += --no-builtin-rules
Q       := $(if $(filter 1,$(V)),,@)
say      = $(if $(filter 1,$(V)),,@echo "  $(1)	$(2)";)

PKGS_COMMON := jansson thrift_c_glib gobject-2.0 glib-2.0
PKGS_SHELL  := lua5.4 openssl libnl-3.0 libnl-route-3.0 libnftables
PKGS_NVE    := libbpf

WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla \
	-Wno-missing-field-initializers
WERROR  ?=
OPT     ?= -O2 -g
CFLAGS_ALL = -std=gnu11 $(OPT) $(WARN) $(WERROR) $(SAN) $(QUOTE) -I. -I$(BUILD)/gen -MMD -MP -D_GNU_SOURCE \
	-DNERV_VERSION='"$(VERSION)"' -DNERV_DATADIR='"$(PREFIX)/share/nerv"' -DNERV_LIBDIR='"$(PREFIX)/lib/nerv"' $(CFLAGS)
# What the Thrift compiler writes has unused parameters and shadowing of its own.
CFLAGS_GEN = $(filter-out $(WARN) $(WERROR),$(CFLAGS_ALL)) -w

CFLAGS_DEPS = $(shell pkg-config --cflags $(PKGS_COMMON) $(PKGS_SHELL) $(PKGS_NVE) | sed 's/-I/-isystem /g')
LIBS_SHELL  = $(shell pkg-config --libs $(PKGS_COMMON) $(PKGS_SHELL)) -lreadline -lev -lpcap -lpthread
LIBS_NVE    = $(shell pkg-config --libs $(PKGS_COMMON) $(PKGS_NVE)) -lpthread

GEN_STAMP := $(BUILD)/gen/.stamp
# All of the switch but its main: the shell takes the Thrift client out of it.
NVE_SRC    := $(filter-out nve/main.c,$(wildcard nve/*.c))
SHELL_SRC  := $(wildcard shell/*.c bindings/*.c)
BPF_OBJ    := $(patsubst p4/%.bpf.c,$(BUILD)/p4/%.bpf.o,$(wildcard p4/*.bpf.c))
DESCRIPTIONS := $(patsubst p4/%,$(BUILD)/p4/%,$(wildcard p4/*.json))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

.PHONY: all demo paper both-builds check check-long bench fuzz fuzzers lint doc clean install deb check-deb setup test-programs \
	bench-programs
.DELETE_ON_ERROR:

all: $(BUILD)/nervsh $(BUILD)/nerv-nve $(BPF_OBJ) $(DESCRIPTIONS)

setup:
	$(Q)scripts/setup

# PAPER: options of the script, as in `make paper PAPER=--short`.
demo: SCRIPT = scripts/two-nodes.lua
paper: SCRIPT = scripts/paper.lua --out $(BUILD)/paper $(PAPER)
demo paper: setup
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all
	$(BUILD)/nervsh $(SCRIPT)

# Everything twice: as users get it, and with the address and undefined-behaviour sanitizers.
SANITIZE := SAN="-fsanitize=address,undefined -fno-omit-frame-pointer" OPT="-O1 -g"
both-builds: setup
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all test-programs WERROR=-Werror
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all test-programs BUILD=$(BUILD)/san $(SANITIZE) WERROR=-Werror

check: both-builds
	$(Q)BUILD=$(BUILD) tests/run

check-long: both-builds
	$(Q)BUILD=$(BUILD) NERV_ROUNDS=10 tests/run

bench:
	$(Q)scripts/setup bench
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all bench-programs
	$(BUILD)/nervsh tests/bench/bench.lua $(BUILD)/bench.json

# Each target of tests/fuzz for FUZZ_SECONDS, from the inputs that are kept and those that earlier runs found. An input
# that fails lies in $(FUZZ_DIR) then: give it to tests/fuzz/corpus with what mends it.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(FUZZ)
FUZZ_DIR     := $(BUILD)/fuzz
SANITIZE_FUZZ := CC=clang SAN="-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined" OPT="-O1 -g"
fuzz: setup
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) $(TESTS_FUZZ)
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) fuzzers BUILD=$(FUZZ_DIR) $(SANITIZE_FUZZ)
	$(Q)for name in $(FUZZ_TARGETS); do \
		mkdir -p $(FUZZ_DIR)/inputs/$$name && $(BUILD)/tests/fuzz/$$name --unpack $(FUZZ_DIR)/inputs/$$name || exit 1; \
		echo "fuzz $$name: $(FUZZ_SECONDS) s"; \
		$(FUZZ_DIR)/fuzzers/$$name -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=8192 -print_final_stats=1 \
			-verbosity=0 -artifact_prefix=$(FUZZ_DIR)/$$name- $$(ls tests/fuzz/$$name.dict 2>/dev/null | sed s/^/-dict=/) \
			$(FUZZ_DIR)/inputs/$$name || exit 1; \
	done

lint: setup
	$(Q)scripts/lint

# The manual pages: prose from Markdown, the rest from what the programs say of themselves.
doc: $(BUILD)/man/.stamp

$(BUILD)/man/.stamp: scripts/manual.lua $(BUILD)/nervsh $(BUILD)/nerv-nve $(shell find lua archetypes scripts/man -type f) README.md
	$(call say,MAN,$(@D))$(BUILD)/nervsh $< $(@D)
	$(Q)touch $@

clean:
	$(Q)rm -rf $(BUILD)

# Where programs, data and the rest go; `make deb` packs it.
SHARE = $(DESTDIR)$(PREFIX)/share
install: all doc
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/lib/nerv/p4
	install -m 755 $(BUILD)/nervsh $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(BUILD)/nerv-nve $(DESTDIR)$(PREFIX)/sbin/
	install -m 644 $(BPF_OBJ) $(DESCRIPTIONS) $(DESTDIR)$(PREFIX)/lib/nerv/p4/
	find lua archetypes -name '*.lua' -exec install -D -m 644 {} $(SHARE)/nerv/{} \;
	install -D -m 755 -t $(SHARE)/nerv/scripts scripts/make-ca scripts/learning-switch.lua scripts/etarch-chat.lua
	for page in $(BUILD)/man/*; do install -D -m 644 -t $(SHARE)/man/man$${page##*.} $$page || exit; done
	install -D -m 644 scripts/install/nervsh.bash $(SHARE)/bash-completion/completions/nervsh
	ln -sf nervsh $(SHARE)/bash-completion/completions/nerv-nve
	install -D -m 644 scripts/install/nerv.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/nerv.conf
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|' scripts/install/nerv-agent.service.in >$(DESTDIR)$(PREFIX)/lib/systemd/system/nerv-agent.service

deb: all doc
	+scripts/make-deb $(BUILD) $(VERSION)

# In a fresh Debian, by debootstrap: a minute or two, and a mirror.
check-deb: deb
	scripts/check-deb $(BUILD)/nerv_$(VERSION)_$(shell dpkg --print-architecture).deb

# Thrift's generator for C has two faults that nve/generated.awk mends; it says which.
$(GEN_STAMP): nve/standard.thrift nve/generated.awk
	$(Q)mkdir -p $(@D)/raw
	$(call say,THRIFT,$<)thrift --gen c_glib -out $(@D)/raw $<
	$(Q)awk -f nve/generated.awk $(@D)/raw/bm_standard_types.c > $(@D)/bm_standard_types.c
	$(Q)cp $(@D)/raw/bm_standard.[ch] $(@D)/raw/bm_standard_types.h $(@D)/
	$(Q)touch $@

$(BUILD)/gen/%.o: $(GEN_STAMP)
	$(call say,CC,$(@F:.o=.c))$(CC) $(CFLAGS_GEN) $(CFLAGS_DEPS) -c -o $@ $(@:.o=.c)

$(BUILD)/obj/%.o: %.c $(GEN_STAMP)
	$(Q)mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS_ALL) $(CFLAGS_DEPS) -c -o $@ $<

$(BUILD)/gen/libgen.a: $(BUILD)/gen/bm_standard.o $(BUILD)/gen/bm_standard_types.o
	$(Q)rm -f $@
	$(call say,AR,$@)ar rcs $@ $^

$(BUILD)/libnve.a: $(call obj,$(NVE_SRC))
	$(Q)rm -f $@
	$(call say,AR,$@)ar rcs $@ $^

$(BUILD)/nervsh: $(call obj,$(SHELL_SRC)) $(BUILD)/libnve.a $(BUILD)/gen/libgen.a
	$(call say,LD,$@)$(CC) $(SAN) $(LDFLAGS) -rdynamic -o $@ $^ $(LIBS_SHELL)

$(BUILD)/nerv-nve: $(call obj,nve/main.c) $(BUILD)/libnve.a $(BUILD)/gen/libgen.a
	$(call say,LD,$@)$(CC) $(SAN) $(LDFLAGS) -o $@ $^ $(LIBS_NVE)

# Multiarch headers: clang's bpf target does not look for asm/ by itself.
BPF_INCLUDE = -I/usr/include/$(shell $(CC) -print-multiarch)
$(BUILD)/p4/%.bpf.o: p4/%.bpf.c $(wildcard p4/*.h)
	$(Q)mkdir -p $(@D)
	$(call say,BPF,$<)clang -O2 -g -target bpf -mcpu=v3 -Wall -Werror $(BPF_INCLUDE) -Ip4 -c -o $@ $<

$(BUILD)/p4/%.json: p4/%.json
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@

# Tests in C: programs under $(BUILD)/tests, linked with what they use of the two programs. What else lies in
# tests/nve are tools for the scripts there, beside the programs.
TESTS_UNIT := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*.c))
TESTS_NVE  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/nve/test_*.c))
FUZZ       := $(patsubst tests/fuzz/%.c,%,$(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c)))
TESTS_FUZZ := $(addprefix $(BUILD)/tests/fuzz/,$(FUZZ))
TEST_TOOLS := $(patsubst tests/nve/%.c,$(BUILD)/%,$(filter-out tests/nve/test_%,$(wildcard tests/nve/*.c)))

test-programs: $(TESTS_UNIT) $(TESTS_NVE) $(TESTS_FUZZ) $(TEST_TOOLS)
fuzzers: $(addprefix $(BUILD)/fuzzers/,$(FUZZ))

$(BUILD)/libshell.a: $(call obj,$(filter-out shell/main.c,$(SHELL_SRC)))
	$(Q)rm -f $@
	$(call say,AR,$@)ar rcs $@ $^

$(BUILD)/obj/tests/nve/%.o: QUOTE = -iquote nve

$(TESTS_UNIT): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/libshell.a $(BUILD)/libnve.a $(BUILD)/gen/libgen.a
$(TESTS_NVE): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/libnve.a $(BUILD)/gen/libgen.a
$(TESTS_FUZZ): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/obj/tests/fuzz/replay.o $(BUILD)/libshell.a $(BUILD)/libnve.a \
	$(BUILD)/gen/libgen.a
$(TEST_TOOLS): $(BUILD)/%: $(BUILD)/obj/tests/nve/%.o $(BUILD)/libnve.a $(BUILD)/gen/libgen.a

$(TESTS_UNIT) $(TESTS_NVE) $(TESTS_FUZZ) $(TEST_TOOLS):
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(SAN) $(LDFLAGS) -o $@ $^ $(LIBS_SHELL) $(LIBS_NVE)

$(BUILD)/fuzzers/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/libshell.a $(BUILD)/libnve.a $(BUILD)/gen/libgen.a
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(SAN) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LIBS_SHELL) $(LIBS_NVE)

# What the benchmarks measure with: beside the tests, because tests/run runs all that lies there.
bench-programs: $(BUILD)/bench/bare $(BUILD)/bench/echo $(BUILD)/bench/p4/big.bpf.o $(BUILD)/bench/p4/big.json

$(BUILD)/bench/bare $(BUILD)/bench/echo: $(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(SAN) $(LDFLAGS) -o $@ $^ -lpthread

$(BUILD)/bench/p4/%.bpf.o: tests/bench/%.bpf.c $(wildcard p4/*.h)
	$(Q)mkdir -p $(@D)
	$(call say,BPF,$<)clang -O2 -g -target bpf -mcpu=v3 -Wall -Werror $(BPF_INCLUDE) -Ip4 -c -o $@ $<

$(BUILD)/bench/p4/%.json: tests/bench/%.json
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@

-include $(shell find $(BUILD)/obj $(BUILD)/gen -name '*.d' 2>/dev/null)
