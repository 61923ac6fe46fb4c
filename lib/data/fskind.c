/* SPDX-License-Identifier: ISC */
/*
 * What statfs says about a directory, as far as it matters to SQLite.
 */
#include "data/fskind.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

/* From linux/magic.h and the file systems' own headers. */
static const struct {
	uint32_t magic;
	const char *name;
} kinds[] = {
    {0x00006969, "nfs"},
    {0x0BD00BD0, "lustre"},
    {0x47504653, "gpfs"},
    {0x19830326, "beegfs"},
    {0x00C36400, "ceph"},
    {0xAAD7AAEA, "panfs"},
    {0x5346414F, "afs"},
    {0xFF534D42, "cifs"},
    {0xFE534D42, "smb2"},
    {0x0000517B, "smb"},
    {0x01161970, "gfs2"},
    {0x7461636F, "ocfs2"},
    {0x01021997, "9p"},
    {0x65735546, "fuse"},
    {0x20030528, "orangefs"},
    {0x6B414653, "afs"}, /* the kernel's own */
    {0x73757245, "coda"},
    {0x786F4256, "vboxsf"},
};
#define KIND_COUNT (sizeof kinds / sizeof *kinds)

const char *
fskind_network(const char *directory)
{
	const char *said = getenv("LLMILL_FSTYPE");

	if (said != NULL && *said != '\0')
		return strcmp(said, "local") == 0 ? NULL : said;
	return fskind_seen(directory);
}

const char *
fskind_seen(const char *directory)
{
	struct statfs fs;

	if (statfs(directory, &fs) == -1)
		return NULL;
	for (size_t i = 0; i < KIND_COUNT; i++)
		if ((uint32_t)fs.f_type == kinds[i].magic)
			return kinds[i].name;
	return NULL;
}
