/* The files under /proc/sys, by a mount of proc that is ours alone.
 *
 * The kernel remembers each entry of /proc/sys that it has looked up until the network
 * namespace ends to which it belongs, and keeps those of all namespaces that have one name in
 * one list: with 6,000 namespaces an open() there took 2 ms and more (measured, kernel 6.18).
 * What it remembers belongs to the mount, so ours is replaced after some use. Where the kernel
 * gives us none, the usual /proc serves.
 *
 * There is one for each Lua state, which owns it. Knows nothing of operations. */
#ifndef NERV_BINDINGS_PROC_SYS_H
#define NERV_BINDINGS_PROC_SYS_H

struct lua_State;
struct proc_sys;

/* On the loop's thread: the state's; it lives until that is closed. May raise for want of memory. */
struct proc_sys *proc_sys_of(struct lua_State *L);

/* On any thread, in whose network namespace the path ("/proc/sys/...") is looked up: a descriptor,
 * or a negative errno. Replacing the mount may take a millisecond. */
int proc_sys_open(struct proc_sys *p, const char *path, int flags);

#endif
