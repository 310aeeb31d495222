/* The functions of the module `pcap` and the classes behind them. */
#ifndef NERV_BINDINGS_PCAP_LUA_H
#define NERV_BINDINGS_PCAP_LUA_H

#include <lua.h>

int pcap_l_open(lua_State *L);
int pcap_l_create(lua_State *L);

void pcap_reader_class_open(lua_State *L);
void pcap_writer_class_open(lua_State *L);

#endif
