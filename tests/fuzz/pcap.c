/* Files of packets: whatever they hold is read to an end, and what was read is written and read again as it was. */
#include <errno.h>
#include <string.h>

#include "bindings/pcap_format.h"
#include "bindings/pcap_reader.h"
#include "tests/fuzz/fuzz.h"

enum { PACKETS_MOST = 1000 };

static void add(struct buffer *b, const void *bytes, size_t n)
{
	MUST(buffer_append(b, bytes, n) == 0);
}

/* Reads up to the end; what a file can hold goes to `out`. How many packets that are. */
static size_t read_all(struct pcap_reader *r, struct buffer *out)
{
	uint8_t head[PCAP_RECORD_HEAD];
	struct pcap_packet p;
	size_t count = 0;

	for (int left = PACKETS_MOST; left > 0; left--) {
		if (!pcap_reader_take(r, &p)) {
			if (r->end)
				break;
			pcap_reader_fill(r);
			continue;
		}
		if (p.time < 0 || p.time / 1000000000 > INT32_MAX || p.kept > p.length)
			continue;
		pcap_record_head(head, p.time, true, p.kept, p.length);
		add(out, head, sizeof(head));
		add(out, p.bytes, p.kept);
		count++;
	}
	MUST(r->end >= 0 || r->end == -ENOMEM || *r->why);
	return count;
}

static size_t read_file(const void *bytes, size_t n, struct buffer *out)
{
	struct pcap_reader r;
	FILE *file = fmemopen((void *)(uintptr_t)bytes, n, "r");
	size_t count = 0;
	int linktype;

	MUST(file);
	if (pcap_reader_open(&r, file, n % 2 ? "ip or vlan 7" : NULL)) {
		MUST(*r.why);
		return 0;
	}
	linktype = pcap_reader_linktype(&r);
	MUST(linktype >= 0 && pcap_reader_snaplen(&r) > 0);
	pcap_reader_linktype_name(&r);
	count = read_all(&r, out);
	pcap_reader_close(&r);
	pcap_reader_close(&r);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct buffer first = { 0 }, file = { 0 }, second = { 0 };
	uint8_t head[PCAP_FILE_HEAD];
	size_t count;

	if (!n)
		return 0;
	count = read_file(bytes, n, &first);
	pcap_file_head(head, true, 256 * 1024, 1);
	add(&file, head, sizeof(head));
	add(&file, buffer_bytes(&first), buffer_length(&first));
	if (buffer_length(&file) % 2 == 0) {	/* an odd length means a filter */
		MUST(read_file(buffer_bytes(&file), buffer_length(&file), &second) == count);
		MUST(buffer_length(&first) == buffer_length(&second));
		MUST(memcmp(buffer_bytes(&first), buffer_bytes(&second), buffer_length(&first)) == 0);
	}
	buffer_free(&first);
	buffer_free(&file);
	buffer_free(&second);
	return 0;
}
