/* SPDX-License-Identifier: ISC */
/*
 * Descriptors between processes (SCM_RIGHTS). All that is clumsy about
 * control messages is here, so that nobody else has to look at one.
 */
#include "wire/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/must.h"

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(PACKET_FDS_MAX * sizeof(int))];
};

int
packet_send(int fd, const void *data, size_t size, const int *fds,
    size_t fd_count, int flags)
{
	union control control = {0};
	struct iovec part = {.iov_base = (void *)data, .iov_len = size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	MUST(fd_count <= PACKET_FDS_MAX);
	if (fd_count > 0) {
		struct cmsghdr *head;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, fd_count * sizeof(int));
	}
	do
		sent = sendmsg(fd, &message, flags | MSG_NOSIGNAL);
	while (sent == -1 && errno == EINTR);
	return sent == -1 ? -1 : 0;
}

int
packet_receive(
    int fd, void *data, size_t size, int *fds, size_t fd_count, int flags)
{
	union control control;
	struct iovec part = {.iov_base = data, .iov_len = size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	const struct cmsghdr *head;
	ssize_t got;

	MUST(fd_count <= PACKET_FDS_MAX);
	for (size_t i = 0; i < fd_count; i++)
		fds[i] = -1;
	if (fd_count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_LEN(fd_count * sizeof(int));
	}
	do
		got = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
	while (got == -1 && errno == EINTR);
	if (got <= 0)
		return (int)got;
	MUST((size_t)got == size && (message.msg_flags & MSG_TRUNC) == 0);
	head = CMSG_FIRSTHDR(&message);
	if (head != NULL)
		memcpy(fds, CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
	return 1;
}
