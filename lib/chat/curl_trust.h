/* SPDX-License-Identifier: ISC */
#ifndef CURL_TRUST_H
#define CURL_TRUST_H

struct err;

/*
 * Which authorities may vouch for a server. They are read once, before
 * processes are forked: then all share the pages, and none loses the time.
 */
#define CURL_TRUST_MAX_BYTES ((size_t)64 << 20) /* Debian's list: 0.2 MB */

struct curl_trust;

/* Where they stand; lent for the call. */
struct curl_trust_conf {
	const char *file;      /* certificates in PEM form; NULL none */
	const char *directory; /* of them, named by openssl-rehash(1) */
	const char *file_from; /* "--cacert", for error texts */
	const char *directory_from;
};

/*
 * Take the authorities in file and directory and no others; with neither, the
 * system's.
 * Fails ERR_USAGE: unreadable, over CURL_TRUST_MAX_BYTES, no certificate or a
 * damaged one in file; ERR_MEMORY.
 * Cost: 38 ms for Debian's list of 140 authorities.
 */
struct curl_trust *curl_trust_open(
    const struct curl_trust_conf *conf, struct err *err);
void curl_trust_close(struct curl_trust *trust);

#endif
