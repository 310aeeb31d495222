/* libpcap's offline reading, in batches. */
#include "bindings/pcap_reader.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <string.h>

enum { BATCH_BYTES = 256 * 1024, LINKTYPE_RAW = 101 };

struct item {
	int64_t time;
	uint32_t length, kept;
};

static int set_filter(struct pcap_reader *r, const char *filter)
{
	struct bpf_program program;
	int ret;

	if (pcap_compile(r->pcap, &program, filter, 1, PCAP_NETMASK_UNKNOWN)) {
		snprintf(r->why, sizeof(r->why), "filter '%s': %s", filter, pcap_geterr(r->pcap));
		return -EINVAL;
	}
	ret = pcap_setfilter(r->pcap, &program);
	pcap_freecode(&program);
	if (!ret)
		return 0;
	snprintf(r->why, sizeof(r->why), "filter '%s': %s", filter, pcap_geterr(r->pcap));
	return -EINVAL;
}

int pcap_reader_open(struct pcap_reader *r, FILE *file, const char *filter)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	int ret;

	_Static_assert(PCAP_WHY >= PCAP_ERRBUF_SIZE, "libpcap's texts must have room");
	memset(r, 0, sizeof(*r));
	r->pcap = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!r->pcap) {
		fclose(file);
		snprintf(r->why, sizeof(r->why), "%s", why);
		return -EBADMSG;
	}
	ret = filter ? set_filter(r, filter) : 0;
	if (ret)
		pcap_reader_close(r);
	return ret;
}

/* Times out of range, which a file may hold, become the nearest one. */
static int64_t nanoseconds(const struct timeval *t)
{
	int64_t time;

	if (__builtin_mul_overflow((int64_t)t->tv_sec, (int64_t)1000000000, &time) ||
	    __builtin_add_overflow(time, (int64_t)t->tv_usec, &time))
		return t->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return time;
}

static int keep(struct pcap_reader *r, const struct pcap_pkthdr *head, const u_char *bytes)
{
	const struct item item = { nanoseconds(&head->ts), head->len, head->caplen };

	if (!buffer_reserve(&r->batch, sizeof(item) + item.kept))
		return -ENOMEM;
	buffer_append(&r->batch, &item, sizeof(item));
	return buffer_append(&r->batch, bytes, item.kept);
}

void pcap_reader_fill(struct pcap_reader *r)
{
	struct pcap_pkthdr *head;
	const u_char *bytes;

	while (!r->end && buffer_length(&r->batch) < BATCH_BYTES) {
		int ret = pcap_next_ex(r->pcap, &head, &bytes);

		if (ret == 1) {
			r->end = keep(r, head, bytes);
		} else if (ret == PCAP_ERROR_BREAK) {
			r->end = 1;
		} else {
			r->end = -EBADMSG;
			snprintf(r->why, sizeof(r->why), "%s", pcap_geterr(r->pcap));
		}
	}
}

int pcap_reader_take(struct pcap_reader *r, struct pcap_packet *packet)
{
	struct item item;

	buffer_consume(&r->batch, r->taken);
	r->taken = 0;
	if (!buffer_length(&r->batch))
		return 0;
	memcpy(&item, buffer_bytes(&r->batch), sizeof(item));
	packet->time = item.time;
	packet->length = item.length;
	packet->kept = item.kept;
	packet->bytes = (const uint8_t *)buffer_bytes(&r->batch) + sizeof(item);
	r->taken = sizeof(item) + item.kept;
	return 1;
}

/* In files DLT_RAW, whose number differs from system to system, has one of its own. */
int pcap_reader_linktype(const struct pcap_reader *r)
{
	int dlt = pcap_datalink(r->pcap);

	return dlt == DLT_RAW ? LINKTYPE_RAW : dlt;
}

const char *pcap_reader_linktype_name(const struct pcap_reader *r)
{
	return pcap_datalink_val_to_name(pcap_datalink(r->pcap));
}

int pcap_reader_snaplen(const struct pcap_reader *r)
{
	return pcap_snapshot(r->pcap);
}

void pcap_reader_close(struct pcap_reader *r)
{
	if (r->pcap)
		pcap_close(r->pcap);
	r->pcap = NULL;
	buffer_free(&r->batch);
}
