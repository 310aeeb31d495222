/* What libnftables says of commands that fail, as a fault. No Lua. */
#ifndef NERV_BINDINGS_NFT_ERROR_H
#define NERV_BINDINGS_NFT_ERROR_H

#include "bindings/netlink.h"

/* Sets the fault from the first complaint of `text`: the line it is about, nft's words,
 * and its hint as the kernel's words. Returns the negative errno that nft names in words,
 * or -EINVAL. */
int nft_explain(const char *text, struct fault *f);

#endif
