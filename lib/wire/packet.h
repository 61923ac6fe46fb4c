/* SPDX-License-Identifier: ISC */
#ifndef PACKET_H
#define PACKET_H

#include <stddef.h>

/*
 * Small messages that carry descriptors between related processes, over a
 * socket that keeps packets apart (AF_UNIX, SOCK_SEQPACKET). Both ends are
 * one program: a packet is a plain struct.
 */
#define PACKET_FDS_MAX 4

/*
 * Send one packet; the descriptors stay open here.
 * Takes flags MSG_DONTWAIT or 0.
 * Gives 0, or -1 with errno.
 */
int packet_send(int fd, const void *data, size_t size, const int *fds,
    size_t fd_count, int flags);

/*
 * Receive one packet.
 * Gives 1 with fds filled: born close-on-exec, the taker owns them, -1 for
 * those that did not come (not sent, or too many open here); 0 at the end;
 * -1 with errno. Bug if the packet has another size.
 */
int packet_receive(
    int fd, void *data, size_t size, int *fds, size_t fd_count, int flags);

#endif
