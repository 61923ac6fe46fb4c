/* SPDX-License-Identifier: ISC */
#ifndef PAGE_H
#define PAGE_H

/*
 * Text for people on stdout: 80 columns, a label on the left and a paragraph
 * beside it. Whether it came out is say_end's to tell.
 */

/* Print label behind two blanks, and text from column indent on, wrapped; a
 * label too long for that stands on a line of its own. */
void page_entry(const char *label, unsigned indent, const char *text);

#endif
