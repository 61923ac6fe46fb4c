/* SPDX-License-Identifier: ISC */
/*
 * The authorities, as the list that OpenSSL keeps of them. Where libcurl has
 * the very same OpenSSL in it, each connection takes that list; elsewhere
 * libcurl is told where they stand and reads them itself, once per process.
 */
#include "chat/curl_trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "chat/curl_impl.h"

struct curl_trust {
	X509_STORE *store; /* NULL: libcurl reads the files */
	char *file;	   /* NULL none */
	char *directory;
};

/* Is the OpenSSL that libcurl uses the one that we see? */
static bool
is_shared(void)
{
	static const char name[] = "OpenSSL/";
	const char *theirs = curl_version_info(CURLVERSION_NOW)->ssl_version;
	const char *ours = OpenSSL_version(OPENSSL_VERSION_STRING);

	return theirs != NULL && strncmp(theirs, name, strlen(name)) == 0 &&
	       strcmp(theirs + strlen(name), ours) == 0;
}

/* Add what stands in a text. Gives how many there were; -1 when one of them is
 * damaged. */
static int
add_certificates(X509_STORE *store, struct span pem)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
	STACK_OF(X509_INFO) *list = PEM_X509_INFO_read_bio(bio, NULL, NULL, "");
	int count = list != NULL ? 0 : -1;

	for (int i = 0; i < sk_X509_INFO_num(list); i++) {
		X509_INFO *info = sk_X509_INFO_value(list, i);

		if (info->x509 == NULL)
			continue;
		if (X509_STORE_add_cert(store, info->x509) == 1)
			count++;
	}
	sk_X509_INFO_pop_free(list, X509_INFO_free);
	BIO_free(bio);
	ERR_clear_error();
	return count;
}

static int
read_file(
    X509_STORE *store, const struct curl_trust_conf *conf, struct err *err)
{
	int fd = open(conf->file, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	struct buf pem;
	int count = 0;
	int done = -1;

	buf_init(&pem, CURL_TRUST_MAX_BYTES);
	if (fd != -1)
		done = fd_read_all(fd, &pem);
	if (done == -1)
		err_set(err, ERR_USAGE, "%s: cannot read %s: %s",
		    conf->file_from, conf->file, strerror(errno));
	else
		count = add_certificates(store, buf_span(&pem));
	if (done == 0 && count <= 0)
		done = err_set(err, ERR_USAGE,
		    count == 0 ? "%s: there is no certificate in %s (PEM, with "
				 "lines that say BEGIN and END CERTIFICATE)"
			       : "%s: a certificate in %s is damaged",
		    conf->file_from, conf->file);
	buf_free(&pem);
	fd_close(&fd);
	return done;
}

/* OpenSSL looks into it when it needs to. A colon stands between several. */
static int
take_directory(
    X509_STORE *store, const struct curl_trust_conf *conf, struct err *err)
{
	struct stat now;

	if (strchr(conf->directory, ':') == NULL &&
	    (stat(conf->directory, &now) == -1 || !S_ISDIR(now.st_mode) ||
		access(conf->directory, R_OK | X_OK) == -1))
		return err_set(err, ERR_USAGE,
		    "%s: %s is no directory that can be read",
		    conf->directory_from, conf->directory);
	X509_STORE_load_path(store, conf->directory);
	return 0;
}

/* Those that libcurl was built to trust. Gives false when they are not where
 * it says: it shall say so itself. */
static bool
take_system(X509_STORE *store)
{
	const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

	if (info->cainfo == NULL ||
	    X509_STORE_load_file(store, info->cainfo) != 1)
		return false;
	if (info->capath != NULL)
		X509_STORE_load_path(store, info->capath);
	return true;
}

/* Gives 0; trust->store is NULL again when it cannot be used. */
static int
fill_store(struct curl_trust *trust, const struct curl_trust_conf *conf,
    struct err *err)
{
	bool usable = is_shared();

	if (conf->file != NULL && read_file(trust->store, conf, err) == -1)
		return -1;
	if (conf->directory != NULL &&
	    take_directory(trust->store, conf, err) == -1)
		return -1;
	if (conf->file == NULL && conf->directory == NULL && usable)
		usable = take_system(trust->store);
	/* As libcurl does: one that is named need not be a root. */
	X509_STORE_set_flags(trust->store,
	    X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
	if (usable)
		return 0;
	X509_STORE_free(trust->store);
	trust->store = NULL;
	return 0;
}

struct curl_trust *
curl_trust_open(const struct curl_trust_conf *conf, struct err *err)
{
	struct curl_trust *trust = calloc(1, sizeof(*trust));

	if (trust == NULL)
		goto no_memory;
	trust->store = X509_STORE_new();
	if (conf->file != NULL)
		trust->file = strdup(conf->file);
	if (conf->directory != NULL)
		trust->directory = strdup(conf->directory);
	if (trust->store == NULL ||
	    (conf->file != NULL) != (trust->file != NULL) ||
	    (conf->directory != NULL) != (trust->directory != NULL))
		goto no_memory;
	if (fill_store(trust, conf, err) == 0)
		return trust;
	goto fail;

no_memory:
	err_set_memory(err, "certificates");
fail:
	curl_trust_close(trust);
	return NULL;
}

void
curl_trust_close(struct curl_trust *trust)
{
	if (trust == NULL)
		return;
	X509_STORE_free(trust->store);
	free(trust->file);
	free(trust->directory);
	free(trust);
}

/* A connection begins. */
static CURLcode
lend_store(CURL *easy, void *context, void *arg)
{
	const struct curl_trust *trust = arg;

	(void)easy;
	SSL_CTX_set1_cert_store(context, trust->store);
	return CURLE_OK;
}

int
curl_trust_set(CURL *easy, const struct curl_trust *trust)
{
	const char *file;
	const char *directory;

	if (trust == NULL)
		return 0;
	file = trust->store == NULL ? trust->file : NULL;
	directory = trust->store == NULL ? trust->directory : NULL;
	if (trust->store == NULL && file == NULL && directory == NULL)
		return 0;
	if (trust->store != NULL &&
	    (curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, lend_store) !=
		    0 ||
		curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, trust) != 0 ||
		curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L) != 0))
		return -1;
	return curl_easy_setopt(easy, CURLOPT_CAINFO, file) ||
	       curl_easy_setopt(easy, CURLOPT_CAPATH, directory) ||
	       curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, file) ||
	       curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, directory);
}
