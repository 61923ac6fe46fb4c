/* SPDX-License-Identifier: ISC */
#ifndef LLMILL_ABI_H
#define LLMILL_ABI_H

/* Around what the library shows to others, also to C++. */
#ifdef __cplusplus
#define LLMILL_BEGIN                                                           \
	extern "C" {                                                           \
	_Pragma("GCC visibility push(default)")
#define LLMILL_END                                                             \
	_Pragma("GCC visibility pop")                                          \
	}
#else
#define LLMILL_BEGIN _Pragma("GCC visibility push(default)")
#define LLMILL_END _Pragma("GCC visibility pop")
#endif

#endif
