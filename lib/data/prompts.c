/* SPDX-License-Identifier: ISC */
/*
 * All records in one block that workers map: the bytes of each record one
 * after the other, behind them the table of offsets. A plain record is its
 * text and nothing else; one that has more carries a head, and the top bit of
 * its offset says so.
 */
#include "data/prompts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/must.h"

#define ROOM_FIRST                                                             \
	((size_t)1 << 20)	     /* doubles; untouched pages cost nothing  \
				      */
#define COUNT_MAX 4294967294u	     /* the id, index + 1, fits 32 bits */
#define HAS_HEAD ((uint64_t)1 << 63) /* in an offset */
#define NONE UINT64_MAX		     /* a size in a head: no such span */

/* Stands before custom_id, fields, body and text of a record. */
struct head {
	uint64_t line;
	uint64_t custom_id_size;
	uint64_t fields_size;
	uint64_t body_size;
	uint64_t file;
};

/* Memory that grows; the block itself or the table while it is built. */
struct region {
	int fd; /* memfd behind it; -1: anonymous */
	char *data;
	size_t size;
	size_t room;
};

struct prompts {
	struct region block;
	struct region table; /* of uint64_t; part of the block once sealed */
	const uint64_t *offsets;
	uint64_t records_end; /* where the last record ends */
	uint32_t count;
	struct share share;
	bool drops;	      /* what is another part's */
	uint64_t seen;	      /* records, dropped ones too */
	struct sha256 digest; /* of these, where some are dropped */
	struct prompts_list list;
	bool keeps_places;
	bool sealed;
	char **names;
	uint32_t name_count;
};

/* May a file of ours grow to size? Asked first, because the kernel answers a
 * file over the limit with a deadly SIGXFSZ. */
static bool
file_may_have(size_t size)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) == -1)
		return true;
	return limit.rlim_cur == RLIM_INFINITY || size <= limit.rlim_cur;
}

/* Leave the memfd: what is there moves to anonymous memory of room bytes. */
static int
region_go_anonymous(struct region *region, size_t room)
{
	char *data = mmap(NULL, room, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (data == MAP_FAILED)
		return -1;
	if (region->data != NULL) {
		memcpy(data, region->data, region->size);
		munmap(region->data, region->room);
	}
	fd_close(&region->fd);
	region->data = data;
	region->room = room;
	return 0;
}

static int
region_open(struct region *region, bool sealable)
{
	region->fd = -1;
	if (sealable && file_may_have(ROOM_FIRST))
		region->fd = memfd_create(
		    "llmill-prompts", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (region->fd != -1 && ftruncate(region->fd, ROOM_FIRST) == 0) {
		char *data = mmap(NULL, ROOM_FIRST, PROT_READ | PROT_WRITE,
		    MAP_SHARED, region->fd, 0);

		if (data != MAP_FAILED) {
			region->data = data;
			region->room = ROOM_FIRST;
			return 0;
		}
	}
	return region_go_anonymous(region, ROOM_FIRST);
}

static void
region_close(struct region *region)
{
	if (region->data != NULL)
		munmap(region->data, region->room);
	region->data = NULL;
	fd_close(&region->fd);
}

/* Make room for size more bytes. */
static int
region_reserve(struct region *region, size_t size)
{
	size_t room = region->room;
	char *data;

	if (size <= room - region->size)
		return 0;
	while (size > room - region->size) {
		if (room > SIZE_MAX / 4) {
			errno = ENOMEM;
			return -1;
		}
		room *= 2;
	}
	if (region->fd != -1 &&
	    (!file_may_have(room) || ftruncate(region->fd, (off_t)room) == -1))
		return region_go_anonymous(region, room);
	data = mremap(region->data, region->room, room, MREMAP_MAYMOVE);
	if (data == MAP_FAILED)
		return -1;
	region->data = data;
	region->room = room;
	return 0;
}

static void
region_put(struct region *region, const void *data, size_t size)
{
	if (size > 0)
		memcpy(region->data + region->size, data, size);
	region->size += size;
}

struct prompts *
prompts_new(struct err *err)
{
	struct prompts *prompts = calloc(1, sizeof *prompts);

	if (prompts == NULL) {
		err_set_memory(err, "prompts");
		return NULL;
	}
	prompts->block.fd = -1;
	prompts->table.fd = -1;
	prompts->share = SHARE_WHOLE;
	if (region_open(&prompts->block, true) == -1 ||
	    region_open(&prompts->table, false) == -1) {
		err_set_errno(err, "no memory for the prompts");
		prompts_free(prompts);
		return NULL;
	}
	return prompts;
}

void
prompts_free(struct prompts *prompts)
{
	if (prompts == NULL)
		return;
	region_close(&prompts->table);
	region_close(&prompts->block);
	for (uint32_t i = 0; i < prompts->name_count; i++)
		free(prompts->names[i]);
	free(prompts->names);
	free(prompts);
}

void
prompts_take_share(struct prompts *prompts, struct share share)
{
	MUST(prompts->seen == 0 && share.number < share.count);
	prompts->share = share;
	prompts->drops = share.count > 1;
	sha256_begin(&prompts->digest);
}

void
prompts_recall_share(struct prompts *prompts, struct share share,
    const struct prompts_list *list)
{
	MUST(prompts->seen == 0 && share.number < share.count);
	prompts->share = share;
	prompts->list = *list;
}

struct share
prompts_share(const struct prompts *prompts)
{
	return prompts->share;
}

const struct prompts_list *
prompts_list(const struct prompts *prompts)
{
	MUST(prompts->sealed);
	return &prompts->list;
}

int64_t
prompts_id(const struct prompts *prompts, uint32_t index)
{
	return share_id(prompts->share, index);
}

void
prompts_keep_places(struct prompts *prompts)
{
	prompts->keeps_places = true;
}

int
prompts_name_input(
    struct prompts *prompts, const char *name, uint32_t *file, struct err *err)
{
	char **names = reallocarray(
	    prompts->names, (size_t)prompts->name_count + 1, sizeof *names);

	if (names == NULL)
		return err_set_memory(err, "names of inputs");
	prompts->names = names;
	names[prompts->name_count] = strdup(name);
	if (names[prompts->name_count] == NULL)
		return err_set_memory(err, "names of inputs");
	*file = prompts->name_count++;
	return 0;
}

const char *
prompts_input_name(const struct prompts *prompts, uint32_t file)
{
	return file < prompts->name_count ? prompts->names[file] : NULL;
}

static uint64_t
span_mark(struct span span)
{
	return span.data == NULL ? NONE : span.size;
}

/* Append head and spans of a record that is more than text. */
static void
block_put_head(struct region *block, const struct record *record)
{
	const struct head head = {
	    .line = record->line,
	    .custom_id_size = span_mark(record->custom_id),
	    .fields_size = span_mark(record->fields),
	    .body_size = span_mark(record->body),
	    .file = record->file,
	};

	region_put(block, &head, sizeof head);
	region_put(block, record->custom_id.data, record->custom_id.size);
	region_put(block, record->fields.data, record->fields.size);
	region_put(block, record->body.data, record->body.size);
}

/* Count a record of the list. Gives whether it is one of ours. */
static bool
count_record(struct prompts *prompts, const struct record *record)
{
	uint64_t number = prompts->seen++;

	if (!prompts->drops)
		return true;
	digest_record(&prompts->digest, record);
	return number % prompts->share.count == prompts->share.number;
}

int
prompts_add(
    struct prompts *prompts, const struct record *record, struct err *err)
{
	bool has_head =
	    prompts->keeps_places || record->custom_id.data != NULL ||
	    record->fields.data != NULL || record->body.data != NULL;
	size_t size = record->text.size + record->custom_id.size +
		      record->fields.size + record->body.size +
		      sizeof(struct head);
	struct region *block = &prompts->block;
	uint64_t offset;

	MUST(!prompts->sealed);
	if (prompts->seen == COUNT_MAX)
		return err_set(err, ERR_INPUT,
		    "more than %u prompts in one list", COUNT_MAX);
	if (!count_record(prompts, record))
		return 0;
	if (region_reserve(block, size) == -1 ||
	    region_reserve(&prompts->table, sizeof offset) == -1)
		return err_set_memory(err, "prompts");
	offset = block->size;
	if (has_head) {
		offset |= HAS_HEAD;
		block_put_head(block, record);
	}
	region_put(block, record->text.data, record->text.size);
	region_put(&prompts->table, &offset, sizeof offset);
	prompts->offsets = (const uint64_t *)(const void *)prompts->table.data;
	prompts->records_end = block->size;
	prompts->count++;
	return 0;
}

/* Map the memfd read-only in place of the writable map, then seal it. */
static int
block_seal(struct region *block)
{
	char *data;

	if (ftruncate(block->fd, (off_t)block->size) == -1)
		return -1;
	/* Private: kernels before 6.7 refuse a shared map of a sealed file. */
	data = mmap(NULL, block->size, PROT_READ, MAP_PRIVATE, block->fd, 0);
	if (data == MAP_FAILED)
		return -1;
	munmap(block->data, block->room);
	block->data = data;
	block->room = block->size;
	(void)fcntl(block->fd, F_ADD_SEALS,
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	fd_close(&block->fd);
	return 0;
}

int
prompts_seal(struct prompts *prompts, struct err *err)
{
	static const char zeros[sizeof(uint64_t)];
	struct region *block = &prompts->block;
	size_t table_at;
	size_t padding;

	MUST(!prompts->sealed);
	padding = -block->size % sizeof(uint64_t);
	if (region_reserve(block, padding + prompts->table.size + 1) == -1)
		return err_set_memory(err, "prompts");
	region_put(block, zeros, padding);
	table_at = block->size;
	region_put(block, prompts->table.data, prompts->table.size);
	if (block->size == 0)
		region_put(block, zeros, sizeof zeros);
	region_close(&prompts->table);
	prompts->table.size = 0;
	if (block->fd != -1 && block_seal(block) == -1)
		return err_set_errno(err, "cannot seal the prompts");
	(void)mprotect(block->data, block->room, PROT_READ);
	if (prompts->drops)
		sha256_end_hex(&prompts->digest, prompts->list.digest);
	if (prompts->list.count == 0)
		prompts->list.count = prompts->seen;
	prompts->offsets =
	    (const uint64_t *)(const void *)(block->data + table_at);
	prompts->sealed = true;
	return 0;
}

uint64_t
prompts_seen(const struct prompts *prompts)
{
	return prompts->seen;
}

uint32_t
prompts_count(const struct prompts *prompts)
{
	return prompts->count;
}

size_t
prompts_bytes(const struct prompts *prompts)
{
	return prompts->block.size + prompts->table.size;
}

/* Take the next span of a record; size NONE gives none. */
static struct span
cut(const char **at, uint64_t size)
{
	struct span span = {*at, size};

	if (size == NONE)
		return (struct span){NULL, 0};
	*at += size;
	return span;
}

struct record
prompts_at(const struct prompts *prompts, uint32_t index)
{
	struct record record = {0};
	uint64_t offset;
	uint64_t end;
	const char *at;

	MUST(index < prompts->count);
	offset = prompts->offsets[index];
	end = index + 1 < prompts->count
		  ? prompts->offsets[index + 1] & ~HAS_HEAD
		  : prompts->records_end;
	at = prompts->block.data + (offset & ~HAS_HEAD);
	if (offset & HAS_HEAD) {
		struct head head;

		memcpy(&head, at, sizeof head);
		at += sizeof head;
		record.custom_id = cut(&at, head.custom_id_size);
		record.fields = cut(&at, head.fields_size);
		record.body = cut(&at, head.body_size);
		record.file = (uint32_t)head.file;
		record.line = head.line;
	}
	record.text.data = at;
	record.text.size = (size_t)(prompts->block.data + end - at);
	return record;
}
