/* The functions of the module `pcap` and the classes behind them. */
#ifndef NERV_BINDINGS_PCAP_LUA_H
#define NERV_BINDINGS_PCAP_LUA_H

#include <lua.h>

/* How examples begin that need a file with a packet. */
#define PCAP_EXAMPLE_FILE \
	"local path = os.tmpname()\n" \
	"local w = pcap.create(path)\n" \
	"w:write((\"\\0\"):rep(60))\n" \
	"w:close()\n"

int pcap_l_open(lua_State *L);
int pcap_l_create(lua_State *L);

void pcap_reader_class_open(lua_State *L);
void pcap_writer_class_open(lua_State *L);

#endif
