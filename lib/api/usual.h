/* SPDX-License-Identifier: ISC */
#ifndef USUAL_H
#define USUAL_H

struct api;
struct llmill_place;

/* What is taken where no option says anything. */

/* Gives a variable of the environment, lent by it; NULL when it is empty or
 * not there. Takes its name with or without a $. */
const char *usual_variable(const char *name);

/* Fill place for an API. */
void usual_place(const struct api *api, struct llmill_place *place);

#endif
