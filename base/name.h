/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_NAME_H
#define BASE_NAME_H

/** @file Names of lots, stations, testers, grants and permits: fit for URLs, files and logs. */

#include <stdbool.h>

#define BASE_NAME_SIZE 65 /**< with NUL */

/** 1 to 64 of A-Z a-z 0-9 . _ - and the first no dot or dash. NULL is no name. */
bool base_name_valid(const char *text);

#endif
