/* The head of a pcap file and of its records (draft-ietf-opsawg-pcap), little-endian.
 *
 * libpcap writes such files to a FILE, which blocks on a pipe; these few bytes are
 * written where the loop sends them. What is read is left to libpcap.
 */
#ifndef NERV_BINDINGS_PCAP_FORMAT_H
#define NERV_BINDINGS_PCAP_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

enum { PCAP_FILE_HEAD = 24, PCAP_RECORD_HEAD = 16 };

static inline void pcap_put32(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)value;
	to[1] = (uint8_t)(value >> 8);
	to[2] = (uint8_t)(value >> 16);
	to[3] = (uint8_t)(value >> 24);
}

/* `linktype` as pcap-linktype(7) numbers it. */
static inline void pcap_file_head(uint8_t head[PCAP_FILE_HEAD], bool nanoseconds, uint32_t snaplen, uint32_t linktype)
{
	pcap_put32(head, nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4);
	pcap_put32(head + 4, 2 | 4 << 16);	/* version 2.4 */
	pcap_put32(head + 8, 0);
	pcap_put32(head + 12, 0);
	pcap_put32(head + 16, snaplen);
	pcap_put32(head + 20, linktype);
}

/* `time` in nanoseconds since 1970, not before; `kept` of the packet's `length` bytes follow. */
static inline void pcap_record_head(uint8_t head[PCAP_RECORD_HEAD], int64_t time, bool nanoseconds, uint32_t kept,
				    uint32_t length)
{
	pcap_put32(head, (uint32_t)(time / 1000000000));
	pcap_put32(head + 4, (uint32_t)(time % 1000000000 / (nanoseconds ? 1 : 1000)));
	pcap_put32(head + 8, kept);
	pcap_put32(head + 12, length);
}

#endif
