/* Reads packets from pcap and pcapng files by libpcap, some at a time. No Lua.
 *
 * Reading blocks as files do: the Lua class reads on a worker thread, and regular files
 * only. One thread at a time may use a reader.
 */
#ifndef NERV_BINDINGS_PCAP_READER_H
#define NERV_BINDINGS_PCAP_READER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bindings/stream_buffer.h"

enum { PCAP_WHY = 256 };	/* libpcap's texts are of this size */

struct pcap;

struct pcap_packet {
	int64_t time;		/* nanoseconds since 1970 */
	uint32_t length;	/* on the wire */
	uint32_t kept;		/* bytes of it that the file has */
	const uint8_t *bytes;	/* valid until the next call that takes or closes */
};

/* Zeroed memory is a closed reader. */
struct pcap_reader {
	struct pcap *pcap;
	struct buffer batch;	/* packets that were read, from the one taken last on */
	size_t taken;		/* bytes of that one */
	int end;		/* 1: the file's end was read; or a negative errno, which `why` explains */
	char why[PCAP_WHY];
};

/* Takes over `file`, on failure too. `filter` is an expression of pcap-filter(7) or
 * NULL. 0; or -EBADMSG when it is no such file and -EINVAL when that is no filter, with
 * the reason in `why`. */
int pcap_reader_open(struct pcap_reader *r, FILE *file, const char *filter);

/* Reads on: some packets, or to the end. Call it when there is none to take. */
void pcap_reader_fill(struct pcap_reader *r);

/* Takes the next packet. 1; or 0 when pcap_reader_fill() has to be called first, or, if
 * `end` is set, there is none any more. */
int pcap_reader_take(struct pcap_reader *r, struct pcap_packet *packet);

/* What the packets begin with, as pcap-linktype(7) numbers it. */
int pcap_reader_linktype(const struct pcap_reader *r);
/* The name of that, such as "EN10MB", or NULL. */
const char *pcap_reader_linktype_name(const struct pcap_reader *r);
/* Bytes of a packet that the file holds at most. */
int pcap_reader_snaplen(const struct pcap_reader *r);

/* Idempotent. */
void pcap_reader_close(struct pcap_reader *r);

#endif
