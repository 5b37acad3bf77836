/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

/** @file UTF-8 (RFC 3629), and text of strangers made fit for a terminal. */

#include <stddef.h>
#include <stdint.h>

/**
 * Length of the UTF-8 character at @p at; 0 for overlong forms, surrogates, what lies beyond
 * U+10FFFF, and what is cut off.
 *
 * @param left  bytes from @p at to the end of the text; > 0
 */
size_t base_utf8_length(const uint8_t *at, size_t left);

/**
 * Make a text harmless, in place: valid UTF-8 of one line, that neither moves a terminal's cursor
 * nor turns the direction of reading. Control characters (also those beyond ASCII, U+0080 …
 * U+009F) and invisible ones become a space each, bytes that are not UTF-8 a question mark each.
 */
void base_utf8_make_printable(char *text);

#endif
