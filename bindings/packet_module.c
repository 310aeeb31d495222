/* The Lua module `packet`. */
#include "bindings/packet_handle.h"
#include "bindings/packet_lua.h"
#include "shell/registry.h"

static const struct arg open_args[] = {
	{ "options", ARG_TABLE, true, "where, and what",
	  (const struct arg[]){
		  { "link", ARG_STRING, true, "name of the interface", NULL },
		  { "netns", ARG_NETNS, false, "network namespace of the interface", NULL },
		  { "protocol", ARG_INTEGER, false, "ethertype of incoming frames; by default all, both ways", NULL },
		  { "filter", ARG_STRING, false,
		    "expression of pcap-filter(7), as tcpdump takes it; the interface must be up", NULL },
		  { "promiscuous", ARG_BOOLEAN, false, "true: frames for other addresses, too", NULL },
		  { 0 } } },
	{ 0 }
};
static const struct arg build_args[] = {
	{ "layers", ARG_TABLE, true,
	  "list of {type=, FIELD=} and strings, in their order, and payload= and trailer= (bytes behind the packet)",
	  NULL },
	{ 0 }
};
static const struct arg parse_args[] = {
	{ "bytes", ARG_BYTES, true, "the packet", NULL },
	{ "first", ARG_STRING, false, "type of its first layer; by default ethernet", NULL },
	{ 0 }
};

static const struct fn functions[] = {
	{ "open", packet_l_open, open_args, "opens a packet socket on an interface; returns its handle",
	  "link.set{ name = \"lo\", up = true }\n"
	  "local s <close> = packet.open{ link = \"lo\", filter = \"udp port 53 or vlan 7\" }\n"
	  "print(s:recv(0.1))" },
	{ "build", packet_l_build, build_args,
	  "returns the bytes of a packet; lengths, checksums and the numbers of what follows are filled in unless given",
	  "local bytes = packet.build{\n"
	  "  { type = \"ethernet\", src = \"02:00:00:00:00:01\", dst = \"02:00:00:00:00:02\" },\n"
	  "  { type = \"vlan\", id = 7, priority = 3 },\n"
	  "  { type = \"ipv4\", src = \"10.0.0.1\", dst = \"10.0.0.2\", ttl = 9 },\n"
	  "  { type = \"udp\", src_port = 4000, dst_port = 53 },\n"
	  "  \"payload\" }\n"
	  "assert(packet.parse(bytes).udp.checksum_good)" },
	{ "parse", packet_l_parse, parse_args,
	  "returns the layers, outermost first, each {type=, FIELD=, checksum_good= where it can be told}, and payload=, "
	  "trailer= and notes= (texts on what is cut or malformed) of the packet; p.ipv4 is the first ipv4 layer",
	  "local p = packet.parse(\"\\2\\0\\0\\0\\0\\2\\2\\0\\0\\0\\0\\1\\8\\0\\x45\")\n"
	  "print(p.ethernet.src, p.payload, p.notes[1])   -- ipv4: cut: 1 bytes of its header are there, not 20" },
	{ "protocols", packet_l_protocols, NULL,
	  "returns {NAME = {text=, fields= list of {name=, type=, text=, required=}}} of what build and parse know",
	  "for _, f in ipairs(packet.protocols().tcp.fields) do print(f.name, f.type, f.text) end" },
	{ 0 }
};

static int init(lua_State *L)
{
	packet_class_open(L);
	packet_parsed_open(L);
	return 1;
}

NERV_MODULE(packet, .name = "packet", .text = "packets built and parsed; frames of an interface, sent and received raw",
	    .functions = functions, .init = init);
