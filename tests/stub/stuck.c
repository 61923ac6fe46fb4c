/* SPDX-License-Identifier: ISC */
/*
 * LD_PRELOAD: a call into libc or OpenSSL that never returns. STUCK_IN names
 * it; STUCK_ONCE names a file, and who can remove it is stuck: one process,
 * once. Of the calls only those for the network count, which are a worker's.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REAL(name)                                                             \
	do {                                                                   \
		if (real_##name == NULL)                                       \
			*(void **)&real_##name = dlsym(RTLD_NEXT, #name);      \
	} while (0)

static int (*real_connect)(int, const struct sockaddr *, socklen_t);
static int (*real_poll)(struct pollfd *, nfds_t, int);
static ssize_t (*real_send)(int, const void *, size_t, int);
static int (*real_getaddrinfo)(
    const char *, const char *, const struct addrinfo *, struct addrinfo **);
static int (*real_SSL_connect)(void *);

static void
get_stuck(const char *in)
{
	const char *wanted = getenv("STUCK_IN");
	const char *once = getenv("STUCK_ONCE");

	if (wanted == NULL || once == NULL || strcmp(wanted, in) != 0 ||
	    unlink(once) == -1)
		return;
	for (;;)
		pause();
}

static bool
is_internet(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
	       address.ss_family == AF_INET;
}

int
connect(int fd, const struct sockaddr *address, socklen_t size)
{
	REAL(connect);
	if (address->sa_family == AF_INET)
		get_stuck("connect");
	return real_connect(fd, address, size);
}

int
poll(struct pollfd *fds, nfds_t count, int timeout)
{
	REAL(poll);
	for (nfds_t i = 0; i < count; i++)
		if (fds[i].fd >= 0 && is_internet(fds[i].fd))
			get_stuck("poll");
	return real_poll(fds, count, timeout);
}

ssize_t
send(int fd, const void *data, size_t size, int flags)
{
	REAL(send);
	if (is_internet(fd))
		get_stuck("send");
	return real_send(fd, data, size, flags);
}

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
    struct addrinfo **list)
{
	REAL(getaddrinfo);
	get_stuck("getaddrinfo");
	return real_getaddrinfo(name, service, hints, list);
}

int SSL_connect(void *ssl);

int
SSL_connect(void *ssl)
{
	REAL(SSL_connect);
	get_stuck("SSL_connect");
	return real_SSL_connect(ssl);
}
