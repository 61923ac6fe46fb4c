/* SPDX-License-Identifier: ISC */
/*
 * The roof of P1: processes that do nothing but post the same requests with
 * libcurl and throw the answers away. No coordinator, no database, no retry.
 *
 *	bare URL PROCESSES REQUESTS BODY
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <curl/curl.h>

static size_t
drop(char *data, size_t size, size_t count, void *arg)
{
	(void)data, (void)arg;
	return size * count;
}

/* Gives how many of so many requests failed. */
static long
post(const char *url, const char *body, long requests)
{
	struct curl_slist *headers =
	    curl_slist_append(NULL, "Content-Type: application/json");
	CURL *curl = curl_easy_init();
	long failed = 0;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	for (long i = 0; i < requests; i++)
		failed += curl_easy_perform(curl) != CURLE_OK;
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	return failed;
}

int
main(int argc, char *argv[])
{
	long processes;
	long requests;
	int status = 0;

	if (argc != 5) {
		fprintf(stderr, "usage: bare URL PROCESSES REQUESTS BODY\n");
		return 2;
	}
	processes = atol(argv[2]);
	requests = atol(argv[3]);
	for (long i = 0; i < processes; i++)
		if (fork() == 0) {
			long mine =
			    requests / processes + (i < requests % processes);

			_exit(post(argv[1], argv[4], mine) > 0);
		}
	for (int one; wait(&one) > 0;)
		status |= one;
	return status != 0;
}
