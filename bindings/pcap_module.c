/* The Lua module `pcap`. */
#include "bindings/pcap_lua.h"
#include "shell/registry.h"

static const struct arg open_args[] = {
	{ "path", ARG_STRING, true, "of a regular file", NULL },
	{ "options", ARG_TABLE, false, "what to read of it",
	  (const struct arg[]){
		  { "filter", ARG_STRING, false, "expression of pcap-filter(7): only packets that match", NULL },
		  { 0 } } },
	{ 0 }
};
static const struct arg create_args[] = {
	{ "path", ARG_ANY, true, "a path; \"-\" for standard output; or the number of an open descriptor", NULL },
	{ "options", ARG_TABLE, false, "the file's properties",
	  (const struct arg[]){
		  { "snaplen", ARG_INTEGER, false, "bytes of each packet to keep; by default 262144", NULL },
		  { "linktype", ARG_INTEGER, false,
		    "what packets begin with, as pcap-linktype(7) numbers it; by default 1, Ethernet", NULL },
		  { "nanoseconds", ARG_BOOLEAN, false, "false: times in microseconds", NULL },
		  { 0 } } },
	{ 0 }
};

static const struct fn functions[] = {
	{ "open", pcap_l_open, open_args, "opens a pcap or pcapng file; returns a reader: for p in reader do ... end",
	  "local path = os.tmpname()\n"
	  "pcap.create(path):write((\"\\0\"):rep(60))\n"
	  "for p in pcap.open(path) do print(p.time, p.length, packet.parse(p.bytes).ethernet.dst) end\n"
	  "os.remove(path)" },
	{ "create", pcap_l_create, create_args,
	  "makes a pcap file; returns a writer, whose packets are there for a reader at once",
	  "local path = os.tmpname()\n"
	  "local w <close> = pcap.create(path, { snaplen = 96 })\n"
	  "w:write{ bytes = (\"\\0\"):rep(60), time = 1700000000.5 }\n"
	  "os.remove(path)" },
	{ 0 }
};

static int init(lua_State *L)
{
	pcap_reader_class_open(L);
	pcap_writer_class_open(L);
	return 1;
}

NERV_MODULE(pcap, .name = "pcap", .text = "files of packets, read and written", .functions = functions, .init = init);
