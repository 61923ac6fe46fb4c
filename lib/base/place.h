/* SPDX-License-Identifier: ISC */
#ifndef PLACE_H
#define PLACE_H

#include <stdbool.h>

struct err;

/*
 * A file that appears whole or not at all: written beside its place, synced,
 * renamed. The only door to rename().
 */
struct place {
	int fd;		 /* -1 when closed */
	char *path;	 /* where it goes */
	char *part_path; /* path with ".part" behind */
	bool is_new;	 /* of place_open_new */
	bool replaces;	 /* what is at path, although it is */
};

/*
 * Create or truncate path.part, mode 0666 less umask, no symbolic link. A link
 * at path itself is followed: the file it leads to will be replaced.
 * Fails ERR_SYSTEM naming the path, also when something is there that is no
 * regular file (/dev/null must not be replaced); nothing left.
 */
int place_open(struct place *place, const char *path, struct err *err);

/*
 * The same for a file that only its owner may read and that is worth nothing
 * before it is whole: mode 0600, and no .part file stays when it fails or is
 * left. What comes to be at path meanwhile is not replaced: then place_commit
 * fails, unless place->replaces is set. A .part file that is there already is
 * removed: hold a lock.
 */
int place_open_new(struct place *place, const char *path, struct err *err);

/* Give a whole file another name; what has that already is replaced. */
int place_move(const char *from, const char *to, struct err *err);

/* Sync, close, rename into place, sync the directory. On failure the .part
 * file stays. The place is closed either way. Bug if it was not open. */
int place_commit(struct place *place, struct err *err);

/* Rename into place without waiting for the disk: for what is worth nothing
 * after a crash. Replaces what is there. The place is closed either way; on
 * failure the .part file goes. Gives 0, -1 with errno. */
int place_show(struct place *place);

/* Close, and take the .part file away. */
void place_discard(struct place *place);

/* Close and leave the .part file as it is. Takes a closed place calmly. */
void place_leave(struct place *place);

#endif
