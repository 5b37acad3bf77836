/* SPDX-License-Identifier: Apache-2.0 */
/* Holds 16 bytes, read as hex from standard input, in a secret buffer until standard input ends.
 * Only for the test that proves that its memory scan sees secret pages. */
#include "base/hex.h"
#include "base/secret.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    struct base_secret text = { 0 };
    struct base_secret held = { 0 };
    base_secret_harden_process();
    char digits[33] = { 0 };
    if (base_secret_read_fd(&text, STDIN_FILENO, 32, NULL) != BASE_OK || text.length != 32 ||
        base_secret_init(&held, 16, NULL) != BASE_OK) {
        return 2;
    }
    memcpy(digits, text.data, 32);
    if (base_hex_decode(digits, 16, held.data, NULL) != BASE_OK) {
        return 2;
    }
    base_wipe(digits, sizeof(digits));
    base_secret_done(&text);
    (void)puts("holding");
    (void)fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    base_secret_done(&held);
    return 0;
}
