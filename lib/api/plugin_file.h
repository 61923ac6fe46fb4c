/* SPDX-License-Identifier: ISC */
#ifndef PLUGIN_FILE_H
#define PLUGIN_FILE_H

struct err;

/*
 * May the code in this file be run by us? Gives its absolute path, for the
 * caller to free, or NULL: ERR_USAGE when it is not there, no regular file, or
 * when all users can change it or put another in its place; ERR_MEMORY.
 */
char *plugin_file_find(const char *name, struct err *err);

#endif
