/* SPDX-License-Identifier: Apache-2.0 */
#include "base/name.h"

#include <string.h>

bool base_name_valid(const char *text)
{
    size_t length = text == NULL ? 0 : strnlen(text, BASE_NAME_SIZE);
    return length > 0 && length < BASE_NAME_SIZE && text[0] != '.' && text[0] != '-' &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
               length;
}
