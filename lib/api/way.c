/* SPDX-License-Identifier: ISC */
/*
 * What libcurl does not look at by itself, or not early enough: it is read
 * while nothing has been sent and no process forked.
 */
#include "api/way.h"

#include <stdlib.h>

#include "api/backend.h"
#include "base/err.h"
#include "chat/curl_proxy.h"
#include "chat/curl_trust.h"
#include "llmill_run.h"

static const char *
environment(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* A proxy may, too. */
static bool
may_speak_tls(const struct backend *backend)
{
	for (uint32_t i = 0; i < backend->chat.endpoint_count; i++)
		if (backend->urls[i].https ||
		    backend->chat.endpoints[i].proxy != NULL)
			return true;
	return false;
}

static int
resolve_trust(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err)
{
	struct curl_trust_conf trust = {
	    .file = conf->cacert,
	    .file_from = "--cacert",
	    .directory_from = "$SSL_CERT_DIR",
	};

	if (!may_speak_tls(backend) && conf->cacert == NULL)
		return 0;
	if (trust.file == NULL) {
		trust.file = environment("SSL_CERT_FILE");
		trust.file_from = "$SSL_CERT_FILE";
		trust.directory = environment("SSL_CERT_DIR");
	}
	backend->chat.trust = curl_trust_open(&trust, err);
	return backend->chat.trust != NULL ? 0 : -1;
}

int
way_resolve(struct backend *backend, const struct llmill_run_conf *conf,
    struct err *err)
{
	for (uint32_t i = 0; i < backend->chat.endpoint_count; i++)
		if (!backend->urls[i].loopback &&
		    curl_proxy_find(backend->urls[i].https,
			&backend->chat.endpoints[i].proxy, err) == -1)
			return -1;
	return resolve_trust(backend, conf, err);
}

void
way_free(struct backend *backend)
{
	for (uint32_t i = 0; i < backend->chat.endpoint_count; i++) {
		curl_proxy_free(backend->chat.endpoints[i].proxy);
		backend->chat.endpoints[i].proxy = NULL;
	}
	curl_trust_close(backend->chat.trust);
	backend->chat.trust = NULL;
}
