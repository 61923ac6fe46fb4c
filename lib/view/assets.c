/* SPDX-License-Identifier: ISC */
#include "view/assets.h"

#define ASSET(name, files)                                                     \
	__asm__(".pushsection .rodata\n"                                       \
		"asset_" name ":\n" files "asset_" name "_end:\n"              \
		".popsection\n")
#define FILE_OF(path) ".incbin \"lib/report/" path "\"\n"

ASSET("page", FILE_OF("report.html"));
ASSET("style", FILE_OF("uplot.css") ".ascii \"\\n\"\n" FILE_OF("report.css"));
ASSET("script", FILE_OF("uplot.js") ".ascii \"\\n\"\n" FILE_OF("report.js"));

extern const char asset_page[] __attribute__((visibility("hidden")));
extern const char asset_page_end[] __attribute__((visibility("hidden")));
extern const char asset_style[] __attribute__((visibility("hidden")));
extern const char asset_style_end[] __attribute__((visibility("hidden")));
extern const char asset_script[] __attribute__((visibility("hidden")));
extern const char asset_script_end[] __attribute__((visibility("hidden")));

struct span
assets_page(void)
{
	return (struct span){asset_page, (size_t)(asset_page_end - asset_page)};
}

struct span
assets_style(void)
{
	return (struct span){
	    asset_style, (size_t)(asset_style_end - asset_style)};
}

struct span
assets_script(void)
{
	return (struct span){
	    asset_script, (size_t)(asset_script_end - asset_script)};
}
