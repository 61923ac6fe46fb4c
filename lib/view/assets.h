/* SPDX-License-Identifier: ISC */
#ifndef ASSETS_H
#define ASSETS_H

#include "base/buf.h"

/* What the report page is made of: the files of lib/report, as they lay there
 * when the program was built. */
struct span assets_page(void);	 /* report.html */
struct span assets_style(void);	 /* uplot.css, report.css */
struct span assets_script(void); /* uplot.js, report.js */

#endif
