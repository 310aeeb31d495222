/* Tables, descriptions, values and message scanning, in memory: no privileges, no kernel. TAP on stdout.
 *	test_tables NVE_VLAN.json */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "tables.h"
#include "values.h"

static unsigned int count, failures;

static void ok(bool good, const char *text)
{
	printf("%sok %u - %s\n", good ? "" : "not ", ++count, text);
	failures += !good;
}

static void is_code(int ret, int code, const char *text)
{
	if (-ret != NVE_KIND_TABLE + code)
		printf("# got %d (%s)\n", ret, nve_error_name(ret));
	ok(-ret == NVE_KIND_TABLE + code, text);
}

struct fixture {
	struct nve_desc *d;
	void *store;
	struct nve_tables *ts;
	struct nve_error e;
};

static int setup(struct fixture *f, const char *text)
{
	int ret = nve_desc_parse(text, strlen(text), &f->d, &f->e);

	f->store = NULL;
	f->ts = NULL;
	if (!ret)
		ret = nve_store_memory_new(f->d, &f->store);
	if (!ret)
		ret = nve_tables_new(f->d, &nve_store_memory_ops, f->store, &f->ts, &f->e);
	if (!ret)
		ret = nve_tables_preset(f->ts, &f->e);
	if (ret)
		printf("# %s\n", f->e.text);
	return ret;
}

static void teardown(struct fixture *f)
{
	nve_tables_free(f->ts);
	nve_store_memory_free(f->store);
	nve_desc_free(f->d);
}

/* tags: (port, vid) -> to_port(out) */
static int add_tag(struct nve_tables *ts, unsigned int port, unsigned int vid, unsigned int out, uint32_t *handle)
{
	uint8_t b[6] = { (uint8_t)(port >> 8), (uint8_t)port, (uint8_t)(vid >> 8), (uint8_t)vid, (uint8_t)(out >> 8), (uint8_t)out };
	struct nve_key k[2] = { { .value = { b, 2 } }, { .value = { b + 2, 2 } } };
	struct nve_blob data = { b + 4, 2 };
	struct nve_error e;

	return nve_table_add(ts, "tags", k, 2, "to_port", &data, 1, handle, &e);
}

static void test_handles(struct nve_tables *ts)
{
	struct nve_error e;
	struct nve_entry en;
	uint32_t h = 9, n;

	ok(!add_tag(ts, 2, 100, 1, &h) && h == 0, "the first handle is 0");
	ok(!add_tag(ts, 2, 101, 1, &h) && h == 1, "the second is 1");
	ok(!add_tag(ts, 2, 102, 1, &h) && h == 2, "the third is 2");
	is_code(add_tag(ts, 2, 101, 3, &h), NVE_DUPLICATE_ENTRY, "the same key is DUPLICATE_ENTRY");
	ok(!nve_table_delete(ts, "tags", 1, &e), "an entry is deleted");
	is_code(nve_table_delete(ts, "tags", 1, &e), NVE_INVALID_HANDLE, "its handle is INVALID_HANDLE while the index is free");
	ok(!add_tag(ts, 2, 105, 1, &h) && h == 0x01000001, "the lowest free index is used again with the next version");
	is_code(nve_table_delete(ts, "tags", 1, &e), NVE_EXPIRED_HANDLE, "then the old handle is EXPIRED_HANDLE");
	is_code(nve_table_get(ts, "tags", 1, &en, &e), NVE_EXPIRED_HANDLE, "also for reading");
	is_code(nve_table_get(ts, "tags", 77, &en, &e), NVE_INVALID_HANDLE, "a handle never given is INVALID_HANDLE");
	ok(!nve_table_count(ts, "tags", &n, &e) && n == 3, "three entries");
	ok(!nve_table_clear(ts, "tags", false, &e) && !nve_table_count(ts, "tags", &n, &e) && n == 0, "clear empties the table");
	ok(!add_tag(ts, 2, 100, 1, &h) && h == 0, "and handles begin at 0 again");
	nve_table_clear(ts, "tags", false, &e);
}

static void test_version_wraps(struct nve_tables *ts)
{
	struct nve_error e;
	uint32_t h = 0;
	int i, ret = 0;

	for (i = 0; i < 256 && !ret; i++) {
		ret = add_tag(ts, 1, 1, 1, &h);
		if (!ret && h != (uint32_t)i << 24)
			ret = -1;
		if (!ret)
			ret = nve_table_delete(ts, "tags", h, &e);
	}
	ok(!ret && !add_tag(ts, 1, 1, 1, &h) && h == 0, "after 256 uses the version is 0 again");
	nve_table_clear(ts, "tags", false, &e);
}

static void test_values(struct nve_tables *ts)
{
	static const uint8_t two[2] = { 0, 2 }, one[1] = { 2 }, wide[2] = { 0xff, 0xff }, three[3] = { 0, 0, 7 };
	struct nve_key k[2] = { { .value = { two, 2 } }, { .value = { two, 2 } } }, bad[2] = { k[0], k[1] };
	struct nve_blob d = { two, 2 }, dd[2] = { d, d }, large = { wide, 2 }, padded = { three, 3 };
	struct nve_entry en;
	struct nve_error e;
	uint32_t h;

	is_code(nve_table_add(ts, "tagz", k, 2, "to_port", &d, 1, &h, &e), NVE_INVALID_TABLE_NAME, "unknown table");
	ok(strstr(e.text, "'tags'") != NULL, "the text names the nearest one");
	is_code(nve_table_add(ts, "tags", k, 2, "to_prt", &d, 1, &h, &e), NVE_INVALID_ACTION_NAME, "unknown action");
	is_code(nve_table_add(ts, "tags", k, 2, "to_tag", dd, 2, &h, &e), NVE_INVALID_ACTION_NAME, "an action of another table");
	is_code(nve_table_add(ts, "tags", k, 1, "to_port", &d, 1, &h, &e), NVE_BAD_MATCH_KEY, "too few key fields");
	bad[1].value = (struct nve_blob){ one, 1 };
	is_code(nve_table_add(ts, "tags", bad, 2, "to_port", &d, 1, &h, &e), NVE_BAD_MATCH_KEY, "a key field that is too short");
	bad[1].value = (struct nve_blob){ wide, 2 };
	is_code(nve_table_add(ts, "tags", bad, 2, "to_port", &d, 1, &h, &e), NVE_BAD_MATCH_KEY, "a key value over its bits");
	bad[1] = k[1];
	bad[1].match = NVE_MATCH_LPM;
	is_code(nve_table_add(ts, "tags", bad, 2, "to_port", &d, 1, &h, &e), NVE_BAD_MATCH_KEY, "another match kind");
	is_code(nve_table_add(ts, "tags", k, 2, "to_port", dd, 2, &h, &e), NVE_BAD_ACTION_DATA, "too many parameters");
	is_code(nve_table_add(ts, "tags", k, 2, "to_port", &large, 1, &h, &e), NVE_BAD_ACTION_DATA, "a parameter over its bits");
	ok(!nve_table_add(ts, "tags", k, 2, "to_port", &padded, 1, &h, &e), "leading zeros of a parameter do not matter");
	ok(!nve_table_find(ts, "tags", k, 2, &en, &e) && en.handle == h, "an entry is found by its key");
	ok(nve_trim(nve_unpack(en.action->params, 0, en.data)).len == 1, "its data is shown without leading zeros");
	ok(!nve_table_modify(ts, "tags", h, "NoAction", NULL, 0, &e) && !nve_table_get(ts, "tags", h, &en, &e) &&
	   strcmp(en.action->name, "NoAction") == 0, "modify changes the action and keeps the handle");
	k[1].value = (struct nve_blob){ (const uint8_t *)"\0\11", 2 };
	is_code(nve_table_find(ts, "tags", k, 2, &en, &e), NVE_BAD_MATCH_KEY, "a key that is not there is BAD_MATCH_KEY");
	nve_table_clear(ts, "tags", false, &e);
}

static void test_defaults(struct nve_tables *ts)
{
	static const uint8_t port[1] = { 5 };
	struct nve_blob d = { port, 1 };
	struct nve_entry en;
	struct nve_error e;

	ok(!nve_default_get(ts, "tags", &en, &e) && strcmp(en.action->name, "NoAction") == 0, "the described default entry");
	ok(!nve_default_set(ts, "tags", "to_port", &d, 1, &e) && !nve_default_get(ts, "tags", &en, &e) &&
	   strcmp(en.action->name, "to_port") == 0 && en.data[1] == 5, "another default entry");
	ok(!nve_default_reset(ts, "tags", &e) && !nve_default_get(ts, "tags", &en, &e) &&
	   strcmp(en.action->name, "NoAction") == 0, "reset brings the described one back");
}

static void test_counters(struct nve_tables *ts)
{
	struct nve_count c = { 7, 700 }, got = { 0, 0 };
	struct nve_error e;
	uint32_t h;

	add_tag(ts, 1, 1, 1, &h);
	ok(!nve_table_count_set(ts, "tags", h, &c, &e) && !nve_table_count_get(ts, "tags", h, &got, &e) && got.packets == 7 &&
	   got.bytes == 700, "a direct counter is written and read");
	nve_table_delete(ts, "tags", h, &e);
	is_code(nve_table_count_get(ts, "tags", h, &got, &e), NVE_INVALID_HANDLE, "no counter without an entry");
	add_tag(ts, 1, 2, 1, &h);
	ok(!nve_table_count_get(ts, "tags", h, &got, &e) && got.packets == 0, "a new entry at the same index counts from 0");
	ok(!nve_counter_set(ts, "verdicts", 3, &c, &e) && !nve_counter_get(ts, "verdicts", 3, &got, &e) && got.bytes == 700,
	   "a counter array");
	ok(nve_counter_get(ts, "verdicts", 8, &got, &e) == -(NVE_KIND_COUNTER + NVE_INVALID_INDEX), "INVALID_INDEX");
	ok(nve_counter_get(ts, "verdict", 0, &got, &e) == -(NVE_KIND_COUNTER + NVE_INVALID_COUNTER_NAME), "INVALID_COUNTER_NAME");
	ok(!nve_tables_reset(ts, &e) && !nve_counter_get(ts, "verdicts", 3, &got, &e) && got.packets == 0,
	   "a reset zeroes counters");
}

/* A second set of tables over the same store: what a successor sees. */
static void test_adoption(struct fixture *f)
{
	struct nve_tables *ts = NULL;
	struct nve_entry en;
	struct nve_error e;
	uint32_t h, n = 0;

	add_tag(f->ts, 1, 1, 1, &h);
	add_tag(f->ts, 1, 2, 2, &h);
	nve_table_delete(f->ts, "tags", 0, &e);
	ok(!nve_tables_new(f->d, &nve_store_memory_ops, f->store, &ts, &e), "tables over a store in use");
	ok(!nve_table_count(ts, "tags", &n, &e) && n == 1 && !nve_table_get(ts, "tags", 1, &en, &e) && en.data[1] == 2,
	   "have its entries");
	ok(!add_tag(ts, 1, 1, 1, &h) && h == 0x01000000, "and the versions of freed handles");
	nve_tables_free(ts);
}

static const char small[] =
	"{\"header_types\":[{\"name\":\"m\",\"id\":0,\"fields\":[[\"a\",16,false],[\"b\",12,false]]}],"
	"\"headers\":[{\"name\":\"m\",\"id\":0,\"header_type\":\"m\",\"metadata\":true}],"
	"\"actions\":[{\"name\":\"I.go\",\"id\":7,\"runtime_data\":[{\"name\":\"p\","
	"\"bitwidth\":9}]},{\"name\":\"NoAction\",\"id\":8,\"runtime_data\":[]}],"
	"\"pipelines\":[{\"name\":\"ingress\",\"id\":0,\"tables\":["
	"{\"name\":\"I.fixed\",\"id\":0,\"match_type\":\"exact\",\"type\":\"simple\",\"max_size\":2,"
	"\"key\":[{\"match_type\":\"exact\",\"target\":[\"m\",\"a\"]}],"
	"\"action_ids\":[7,8],\"actions\":[\"I.go\",\"NoAction\"],\"default_entry\":{\"action_id\":7,"
	"\"action_const\":true,\"action_data\":[\"0x1\"],\"action_entry_const\":true},"
	"\"entries\":[{\"match_key\":[{\"match_type\":\"exact\",\"key\":\"0x0102\"}],\"action_entry\":{\"action_id\":7,"
	"\"action_data\":[\"0x1ff\"]},\"priority\":1}]},"
	"{\"name\":\"I.two\",\"id\":1,\"match_type\":\"exact\",\"type\":\"simple\",\"max_size\":2,"
	"\"key\":[{\"match_type\":\"exact\",\"target\":[\"m\",\"b\"]}],"
	"\"action_ids\":[7,8],\"actions\":[\"I.go\",\"NoAction\"],\"default_entry\":{\"action_id\":8,"
	"\"action_const\":true,\"action_data\":[]}},"
	"{\"name\":\"I.none\",\"id\":2,\"match_type\":\"exact\",\"type\":\"simple\",\"key\":[],\"action_ids\":[7],\"actions\":[\"I.go\"]}"
	"]}],\"counter_arrays\":[]}";

static void test_small(void)
{
	static const uint8_t v[3][2] = { { 0, 1 }, { 0, 2 }, { 0, 3 } };
	struct nve_blob d = { v[0], 2 };
	struct nve_key k = { .value = { v[0], 2 } };
	struct nve_entry en;
	struct nve_count c;
	struct fixture f;
	uint32_t h;
	int i, ret = 0;

	ok(!setup(&f, small), "a description with const entries");
	ok(!nve_table_get(f.ts, "fixed", 0, &en, &f.e) && en.data[0] == 1 && en.data[1] == 0xff && en.key[1] == 2,
	   "has them in the table");
	is_code(nve_table_add(f.ts, "fixed", &k, 1, "go", &d, 1, &h, &f.e), NVE_IMMUTABLE_TABLE_ENTRIES, "which takes no others");
	is_code(nve_table_delete(f.ts, "fixed", 0, &f.e), NVE_IMMUTABLE_TABLE_ENTRIES, "nor loses one");
	is_code(nve_default_set(f.ts, "fixed", "go", &d, 1, &f.e), NVE_DEFAULT_ENTRY_IS_CONST, "a const default entry");
	is_code(nve_default_set(f.ts, "two", "go", &d, 1, &f.e), NVE_DEFAULT_ACTION_IS_CONST, "a const default action");
	is_code(nve_table_add(f.ts, "none", &k, 1, "go", &d, 1, &h, &f.e), NVE_NO_TABLE_KEY, "a table with no key takes no entry");
	is_code(nve_default_get(f.ts, "none", &en, &f.e), NVE_NO_DEFAULT_ENTRY, "and has no default entry until one is set");
	ok(!nve_default_set(f.ts, "none", "go", &d, 1, &f.e), "which can be set");
	for (i = 0; i < 2 && !ret; i++) {
		k.value.data = v[i];
		ret = nve_table_add(f.ts, "two", &k, 1, "go", &d, 1, &h, &f.e);
	}
	is_code(ret ? ret : nve_table_add(f.ts, "two", &k, 1, "go", &d, 1, &h, &f.e), NVE_DUPLICATE_ENTRY,
	   "a duplicate in a full table is a duplicate");
	k.value.data = v[2];
	is_code(nve_table_add(f.ts, "two", &k, 1, "go", &d, 1, &h, &f.e), NVE_TABLE_FULL, "a new key is TABLE_FULL");
	is_code(nve_table_count_get(f.ts, "two", 0, &c, &f.e), NVE_COUNTERS_DISABLED, "no direct counters");
	teardown(&f);
}

static void test_take(void)
{
	struct fixture a, b;
	struct nve_entry en;
	struct nve_error e;
	uint32_t h, lost = 9;
	char *text = strdup(small), *p = strstr(text, "\"id\":7");
	static const uint8_t v[2] = { 0, 1 };
	struct nve_blob d = { v, 2 };
	struct nve_key k = { .value = { v, 2 } };

	/* The same program with another number for its action. */
	for (; p; p = strstr(p, "\"id\":7"))
		p[5] = '9';
	for (p = strstr(text, "[7"); p; p = strstr(p, "[7"))
		p[1] = '9';
	for (p = strstr(text, "action_id\":7"); p; p = strstr(p, "action_id\":7"))
		p[11] = '9';
	ok(!setup(&a, small) && !setup(&b, text), "two programs");
	nve_table_add(a.ts, "two", &k, 1, "go", &d, 1, &h, &e);
	nve_table_delete(a.ts, "two", h, &e);
	nve_table_add(a.ts, "two", &k, 1, "go", &d, 1, &h, &e);
	ok(!nve_tables_take(b.ts, a.ts, &lost, &e) && lost == 0, "entries go from one to the other");
	ok(!nve_table_get(b.ts, "two", 0x01000000, &en, &e) && en.action->id == 9 && en.data[1] == 1, "with handle, action and data");
	free(text);
	teardown(&a);
	teardown(&b);
}

static void refuse(const char *from, const char *to, const char *word, const char *what)
{
	char *text = malloc(sizeof(small) + strlen(to)), *p;
	struct nve_desc *d = NULL;
	struct nve_error e = { "" };
	int ret;

	p = strstr(small, from);
	memcpy(text, small, (size_t)(p - small));
	strcpy(text + (p - small), to);
	strcat(text, p + strlen(from));
	ret = nve_desc_parse(text, strlen(text), &d, &e);
	if (!ret)
		ret = nve_tables_check(d, &e);
	if (ret >= 0 || !strstr(e.text, word))
		printf("# %d: %s\n", ret, e.text);
	ok(ret < 0 && strstr(e.text, word), what);
	nve_desc_free(d);
	free(text);
}

static void test_refused(void)
{
	refuse("\"match_type\":\"exact\",\"target\":[\"m\",\"a\"]", "\"match_type\":\"ternary\",\"target\":[\"m\",\"a\"]", "I.fixed",
	       "a ternary key is refused by table and kind");
	refuse("[\"m\",\"a\"]", "[\"m\",\"z\"]", "m.z", "a key that no header has");
	refuse("\"0x1ff\"", "\"0x3ff\"", "0x3ff", "entry data over its bits");
	refuse("\"id\":7", "\"id\":70", "action", "an action id that is not there");
	refuse("\"bitwidth\":9", "\"bitwidth\":0", "bits", "a parameter of 0 bits");
	refuse("\"counter_arrays\":[]", "\"register_arrays\":[{\"name\":\"seen\"}]", "seen", "registers");
	refuse("\"type\":\"simple\"", "\"type\":\"indirect\"", "profile", "action profiles");
	refuse("{\"header", "[\"header", "line", "no JSON");
}

static bool parses(const char *text, unsigned int bits, const char *hex)
{
	struct nve_field f = { (char *)(uintptr_t)"f", bits, NVE_MATCH_EXACT };
	uint8_t out[256], want[256];
	struct nve_error e;

	if (nve_value_parse(text, &f, out, &e))
		return !hex;
	return hex && !nve_parse_hex(hex, want, nve_field_bytes(&f)) && memcmp(out, want, nve_field_bytes(&f)) == 0;
}

static void test_parse(void)
{
	struct nve_field lpm = { (char *)(uintptr_t)"dst", 32, NVE_MATCH_LPM };
	struct nve_key_bytes b;
	struct nve_error e;
	struct nve_key k;

	ok(parses("10.1.2.3", 32, "0a010203"), "an IPv4 address");
	ok(parses("aa:bb:cc:dd:ee:0f", 48, "aabbccddee0f"), "a MAC address");
	ok(parses("fe80::1", 128, "fe800000000000000000000000000001"), "an IPv6 address");
	ok(parses("340282366920938463463374607431768211455", 128, "ffffffffffffffffffffffffffffffff"), "a wide decimal number");
	ok(parses("511", 9, "1ff") && parses("512", 9, NULL), "nine bits");
	ok(parses("0x", 9, NULL) && parses("", 9, NULL) && parses("-1", 9, NULL) && parses("1x", 9, NULL), "no numbers");
	ok(!nve_key_parse("10.0.0.0/8", &lpm, &b, &k, &e) && k.prefix == 8 && k.value.data[0] == 10, "a prefix");
	ok(nve_key_parse("10.0.0.0/33", &lpm, &b, &k, &e) < 0, "a prefix that is too long");
}

/* bm_mt_add_entry as the Python client sends it */
static const char golden[] =
	"80010001000000187374616e646172643a626d5f6d745f6164645f656e7472790000000008000100000000"
	"0b000200000007666f72776172640f00030c000000010800010000000" "00c00020b0001000000040a0000010000"
	"0b0004000000087365745f646d61630f00050b0000000100000006001122334455" "0c000608000100000000" "00" "00";

static int scan_drip(const uint8_t *data, size_t len, size_t step, uint64_t *pos)
{
	struct nve_frame f = { 0 };
	size_t n;
	int ret = 0;

	for (n = 0; ret == 0 && n <= len; n += step)
		ret = nve_frame_scan(&f, data, n);
	if (ret == 0)
		ret = nve_frame_scan(&f, data, len);
	*pos = f.pos;
	return ret;
}

static void test_frame(void)
{
	static uint8_t data[4096];
	uint32_t seed = 1;
	uint64_t pos;
	size_t len = strlen(golden) / 2, step;
	bool same = true, sane = true;
	int i, ret;

	nve_parse_hex(golden, data, (unsigned int)len);
	ok(scan_drip(data, len, len, &pos) == 1 && pos == len, "a golden request is whole");
	for (step = 1; step < 9; step++)
		same &= scan_drip(data, len, step, &pos) == 1 && pos == len;
	ok(same, "also when it comes in pieces");
	ok(scan_drip(data, len - 1, 1, &pos) == 0, "one byte less is not whole");
	data[1] = 2;
	ok(scan_drip(data, len, len, &pos) == -EBADMSG, "another version");
	nve_parse_hex(golden, data, (unsigned int)len);
	for (i = 0; i < 200000; i++) {
		seed = seed * 1664525u + 1013904223u;
		data[12 + (seed >> 8) % (len - 12)] = (uint8_t)(seed >> 24);
		ret = scan_drip(data, len, 1 + (seed >> 4) % 7, &pos);
		sane &= ret == 0 || ret == -EBADMSG || ret == -EMSGSIZE || (ret == 1 && pos <= len);
		if (i % 16 == 0)
			nve_parse_hex(golden, data, (unsigned int)len);
	}
	ok(sane, "200,000 damaged requests");
	memset(data, 0, sizeof(data));
	nve_parse_hex("8001000100000001780000000" "0", data, 13);
	for (i = 13; i + 3 < 4096; i += 3)
		data[i] = 12;
	ok(scan_drip(data, sizeof(data), 64, &pos) == -EBADMSG, "deep nesting is refused");
}

int main(int argc, char **argv)
{
	struct nve_desc *d = NULL;
	struct nve_error e;
	struct fixture f;

	if (argc != 2 || nve_desc_load(argv[1], &d, &e)) {
		fprintf(stderr, "usage: test_tables NVE_VLAN.json\n");
		return 2;
	}
	ok(strcmp(d->program, "nve_vlan") == 0 && d->n_tables == 3, "the VLAN edge's description");
	ok(!setup(&f, d->text), "tables for it");
	test_handles(f.ts);
	test_version_wraps(f.ts);
	test_values(f.ts);
	test_defaults(f.ts);
	test_counters(f.ts);
	test_adoption(&f);
	teardown(&f);
	nve_desc_free(d);
	test_small();
	test_take();
	test_refused();
	test_parse();
	test_frame();
	printf("1..%u\n", count);
	return failures ? 1 : 0;
}
