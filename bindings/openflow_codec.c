/* The Lua module `openflow_codec`: OpenFlow messages as tables and as bytes, and what they may hold. */
#include <lauxlib.h>
#include <stdio.h>

#include "bindings/openflow_field.h"
#include "bindings/openflow_lua.h"
#include "shell/registry.h"

enum ofp_type ofp_check_type(lua_State *L, int idx)
{
	const char *name = lua_tostring(L, idx), *names[OFP_TYPES + 1];
	int type = ofp_type_named(name);
	char hint[80];
	size_t n = 0;

	if (type >= 0)
		return (enum ofp_type)type;
	for (int i = 0; i < OFP_TYPES; i++)
		if (ofp_messages[i])
			names[n++] = ofp_messages[i]->name;
	names[n] = NULL;
	nerv_error(L, "openflow: unknown message '%s'%s", name, ofp_hint(hint, sizeof(hint), name, names));
	return OFP_HELLO;
}

void ofp_encode_arguments(lua_State *L, struct ofp_writer *w, int idx, uint32_t xid)
{
	enum ofp_type type = ofp_check_type(L, idx);

	w->L = L;
	if (!lua_istable(L, ++idx)) {
		lua_newtable(L);
		idx = lua_gettop(L);
	}
	ofp_encode(w, type, idx, xid);
}

static int l_encode(lua_State *L)
{
	struct ofp_writer w;
	lua_Integer xid = luaL_optinteger(L, 3, 0);

	lua_settop(L, 2);
	w.what = NULL;
	ofp_encode_arguments(L, &w, 1, (uint32_t)xid);
	lua_pushlstring(L, (const char *)w.bytes, w.n);
	return 1;
}

static int l_decode(lua_State *L)
{
	size_t n;
	const char *bytes = lua_tolstring(L, 1, &n);
	const char *fault = ofp_decode(L, (const uint8_t *)bytes, n);

	if (!fault)
		return 1;
	lua_pushnil(L);
	lua_pushfstring(L, "openflow_codec.decode: %s", fault);
	lua_pushliteral(L, "EPROTO");
	return 3;
}

static void set_string(lua_State *L, const char *key, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

static int l_fields(lua_State *L)
{
	static const char *const types[] = {
		[OXM_NUMBER] = "integer", [OXM_PORT] = "port", [OXM_VLAN] = "vlan", [OXM_MAC] = "mac",
		[OXM_IPV4] = "address4", [OXM_IPV6] = "address6",
	};

	lua_newtable(L);
	for (int i = 0; i < OXM_MOST; i++) {
		const struct oxm_field *f = &oxm_fields[i];

		if (!f->name)
			continue;
		lua_createtable(L, 0, 6);
		set_string(L, "type", types[f->kind]);
		set_string(L, "text", f->text);
		lua_pushinteger(L, f->bits);
		lua_setfield(L, -2, "bits");
		lua_pushinteger(L, i);
		lua_setfield(L, -2, "number");
		lua_pushboolean(L, f->maskable);
		lua_setfield(L, -2, "maskable");
		if (f->need.field)
			set_string(L, "needs", f->need.field);
		lua_setfield(L, -2, f->name);
	}
	return 1;
}

static const char *item_type(const struct ofp_item *i)
{
	switch (i->kind) {
	case OFP_NUMBER:
		return "integer";
	case OFP_MAC:
		return "mac";
	case OFP_TEXT:
		return "string";
	case OFP_BYTES:
		return "bytes";
	case OFP_DURATION:
		return "seconds";
	case OFP_FLAGS:
	case OFP_STRUCT:
	case OFP_LIST:
	case OFP_VARIANTS:
	case OFP_MATCH:
	case OFP_OXM:
	case OFP_VERSIONS:
		return "table";
	default:
		return "any";
	}
}

static void push_names(lua_State *L, const struct ofp_name *names)
{
	lua_newtable(L);
	for (lua_Integer i = 1; names->name; names++, i++) {
		lua_pushstring(L, names->name);
		lua_rawseti(L, -2, i);
	}
}

static void add_item(lua_State *L, const char *name, const char *type, const char *text, const struct ofp_item *i);
static void add_items(lua_State *L, const struct ofp_layout *l);
static void push_items(lua_State *L, const struct ofp_layout *l);

/* The names of flags, or all that elements of a list may hold, as a list of descriptions. */
static void push_inner(lua_State *L, const struct ofp_item *i)
{
	if (i->of) {
		push_items(L, i->of);
		return;
	}
	lua_newtable(L);
	for (const struct ofp_name *n = i->names; i->kind == OFP_FLAGS && n->name; n++)
		add_item(L, n->name, "boolean", "a flag", NULL);
	for (const struct ofp_layout *const *v = i->variants; v && *v; v++)
		add_items(L, *v);
}

static void add_item(lua_State *L, const char *name, const char *type, const char *text, const struct ofp_item *i)
{
	lua_createtable(L, 0, 6);
	set_string(L, "name", name);
	set_string(L, "type", type);
	set_string(L, "text", text);
	if (i) {
		lua_pushboolean(L, i->required);
		lua_setfield(L, -2, "required");
		lua_pushboolean(L, i->kind == OFP_MATCH || i->kind == OFP_OXM);
		lua_setfield(L, -2, "is_match");
		lua_pushboolean(L, i->of != NULL);
		lua_setfield(L, -2, "is_list");
	}
	if (i && i->names && i->kind != OFP_FLAGS) {
		push_names(L, i->names);
		lua_setfield(L, -2, "names");
	}
	if (i && (i->of || i->variants || i->kind == OFP_FLAGS)) {
		push_inner(L, i);
		lua_setfield(L, -2, "items");
	}
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

static void add_instructions(lua_State *L)
{
	static const struct ofp_item actions = { .kind = OFP_VARIANTS, .variants = ofp_actions };

	add_item(L, "actions", "table", "list of actions, done at once: { { output = 1 } }", &actions);
	add_item(L, "write_actions", "table", "list of actions, done after the last table", &actions);
	add_item(L, "clear_actions", "boolean", "forget the actions that tables have written", NULL);
	add_item(L, "goto_table", "integer", "the table that comes next", NULL);
	add_item(L, "write_metadata", "any", "metadata, or \"metadata/mask\"", NULL);
	add_item(L, "meter", "integer", "the meter that frames go through first", NULL);
	add_item(L, "other_instructions", "table", "list of { type =, data = }", NULL);
}

/* Adds the items of a structure to the list on top. */
static void add_items(lua_State *L, const struct ofp_layout *l)
{
	luaL_checkstack(L, 8, "openflow");
	for (const struct ofp_item *i = l->items; !ofp_ends(i); i++) {
		if (i->kind == OFP_INSTRUCTIONS)
			add_instructions(L);
		else if (i->name)
			add_item(L, i->name, i->kind == OFP_PAD ? "boolean" : item_type(i), i->text, i);
	}
}

static void push_items(lua_State *L, const struct ofp_layout *l)
{
	lua_newtable(L);
	add_items(L, l);
}

static void push_messages(lua_State *L)
{
	lua_newtable(L);
	for (int i = 0; i < OFP_TYPES; i++) {
		if (!ofp_messages[i])
			continue;
		lua_newtable(L);
		set_string(L, "text", ofp_messages[i]->text);
		push_items(L, ofp_messages[i]);
		lua_setfield(L, -2, "items");
		lua_setfield(L, -2, ofp_messages[i]->name);
	}
}

static void push_statistics(lua_State *L)
{
	lua_newtable(L);
	for (const struct ofp_multipart *m = ofp_multiparts; m->name; m++) {
		lua_newtable(L);
		push_items(L, m->request);
		lua_setfield(L, -2, "request");
		push_items(L, m->reply);
		lua_setfield(L, -2, "reply");
		lua_pushboolean(L, m->list);
		lua_setfield(L, -2, "list");
		lua_setfield(L, -2, m->name);
	}
}

static int l_describe(lua_State *L)
{
	lua_createtable(L, 0, 3);
	push_messages(L);
	lua_setfield(L, -2, "messages");
	push_statistics(L);
	lua_setfield(L, -2, "statistics");
	lua_newtable(L);
	for (const struct ofp_layout *const *a = ofp_actions; *a; a++)
		set_string(L, (*a)->name, (*a)->items->text);
	lua_setfield(L, -2, "actions");
	return 1;
}

static const struct fn functions[] = {
	{ "encode", l_encode,
	  (const struct arg[]){
		  { "message", ARG_STRING, true, "its name: \"flow_mod\"", NULL },
		  { "items", ARG_TABLE, false, "what is in it", NULL },
		  { "xid", ARG_INTEGER, false, "its number; by default 0", NULL }, { 0 } },
	  "returns an OpenFlow 1.3 message's bytes; misuse raises, and says where",
	  "local bytes = openflow_codec.encode(\"flow_mod\", { match = { in_port = 1 }, actions = { { output = 2 } } })\n"
	  "print(#bytes)" },
	{ "decode", l_decode,
	  (const struct arg[]){ { "bytes", ARG_BYTES, true, "one whole message", NULL }, { 0 } },
	  "returns a message as a table: { message =, xid = ... }; or nil, message, code",
	  "local m = openflow_codec.decode(openflow_codec.encode(\"flow_mod\", { match = { eth_type = \"0x0880\" } }))\n"
	  "assert(m.match.eth_type == 0x0880)" },
	{ "fields", l_fields, NULL,
	  "returns what a match may hold: name -> { type, bits, maskable, needs, text, number }",
	  "print(openflow_codec.fields().ipv4_src.needs)" },
	{ "describe", l_describe, NULL,
	  "returns { messages, statistics, actions }: the items of each message and statistics, and each action in a line",
	  "for name, text in pairs(openflow_codec.describe().actions) do print(name, text) end" },
	{ "finish_frames", ofp_l_finish_frames,
	  (const struct arg[]){ { "bytes", ARG_BYTES, true, "what a switch sends, from a message's start on", NULL }, { 0 } },
	  "computes what checksums senders left to their devices, in the frames of packet_in; returns the whole messages, "
	  "and the bytes of the last one that is not whole yet",
	  "print(#openflow_codec.finish_frames(openflow_codec.encode(\"packet_in\", { data = \"frame\" })))" },
	{ "channel", ofp_l_channel,
	  (const struct arg[]){ { "stream", ARG_ANY, true, "an open stream, which is the channel's afterwards", NULL }, { 0 } },
	  "returns a channel over a stream: messages in and out; openflow.listen is what controllers use",
	  "local a, b = stream.pair()\n"
	  "local channel <close> = openflow_codec.channel(a)\n"
	  "print(channel, b:close())" },
	{ 0 }
};

static int init(lua_State *L)
{
	ofp_channel_open(L);
	return 1;
}

NERV_MODULE(openflow_codec, .name = "openflow_codec", .text = "OpenFlow 1.3 messages as tables and as bytes",
	    .functions = functions, .init = init);
