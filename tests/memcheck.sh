#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Wrapper for "meson test --wrapper": run a test program under valgrind's memcheck, and a script as it is (the shell's own leaks
# are not ours).
case $(head -c 4 "$1" | tr -d '\177') in
ELF) exec valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,possible \
    --errors-for-leak-kinds=definite "$@" ;;
*) exec "$@" ;;
esac
