/* SPDX-License-Identifier: ISC */
#ifndef LOCK_H
#define LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/*
 * One coordinator per database: an open-file-description lock on DB.lock,
 * which names its holder (pid, host, job). The kernel drops it with the
 * holder, so a stale file is no obstacle. The holder removes the file on a
 * clean end; whoever locks a file that is no longer at its path starts over.
 *
 * Where other hosts mount the file system too, the kernel may know nothing of
 * their locks: there the file counts as well, which its holder refreshes. One
 * of another host is honoured until it is 10 minutes old, but for that of our
 * own batch job, which was started again on another node.
 */
struct lock {
	int fd;	      /* -1: not held */
	char *path;   /* of the lock file */
	bool is_file; /* the kernel has no part in it */
};

/* Which lock it is, for another process that is to act under it. */
struct lock_token {
	dev_t device;
	ino_t inode;
};

/* Fails as stat does, silently: then nothing counts as held. */
struct lock_token lock_token(const struct lock *lock);

/* Is it still the one of its database? Somebody may have stolen it. */
bool lock_token_holds(const struct lock_token *token, const char *db_path);

#define LOCK_SOCKET_BYTES 108 /* as sun_path in struct sockaddr_un */
#define LOCK_REFRESH_NS (60 * CLOCK_S)

/* How a lock is to be taken; all zero: at once. */
struct lock_wish {
	bool shared;		  /* other hosts mount the file system */
	bool steal;		  /* from another host */
	bool by_file;		  /* where the kernel has no locks, the file is
				     one by being there */
	int64_t wait_ns;	  /* for whoever has it on this host, */
	int64_t wait_foreign_ns;  /* and on another */
	bool (*hurry)(void *arg); /* wait no longer? NULL: as long as said */
	void *arg;
};

/* The same as lock_take. */
int lock_take_as(struct lock *lock, const char *db_path,
    const struct lock_wish *wish, struct err *err);

/* Write into the lock file at which socket orders are taken. */
void lock_show_socket(const struct lock *lock, const char *path);

/* We are alive: to be said every LOCK_REFRESH_NS. */
void lock_refresh(const struct lock *lock);

/*
 * Take the lock of the database at path (its directory exists).
 * Tries again for up to 1 s: a dying holder's children may still have it.
 * Fails ERR_BUSY naming pid and host of the holder; ERR_SYSTEM otherwise.
 */
int lock_take(struct lock *lock, const char *db_path, struct err *err);

/* Is the database locked by somebody now? Creates nothing, waits for nothing.
 */
int lock_is_held(const char *db_path);

/* What the lock file says of its holder. */
struct lock_holder {
	int64_t pid;			/* 0 unknown */
	char host[256];			/* "" unknown */
	char job[64];			/* of Slurm; "" none */
	char socket[LOCK_SOCKET_BYTES]; /* where it takes orders; "" none */
};

/* The same as lock_is_held, and who it is. */
bool lock_find_holder(const char *db_path, struct lock_holder *holder);

/* Remove the file, let go. */
void lock_release(struct lock *lock);

#endif
