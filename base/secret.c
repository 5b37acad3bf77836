/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static size_t round_to_pages(size_t length)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (length + page - 1) / page * page;
}

/* Pages given back are kept for the next secret, wiped, still locked and left out of dumps: to map,
 * lock and unmap one costs some hundred times as much as to wipe it, and a grant needs several. The
 * one state of the process here; each place is taken and given back in one atomic operation. So few
 * that an idle process locks little. */
#define KEPT_MAX 8U
static _Atomic(uint8_t *) kept[KEPT_MAX];

/* Stands in a page that is kept. A forked child finds a zero instead, as the kernel wipes these
 * pages there, and knows by it that its own copy of the page is not locked: locks are not
 * inherited. */
#define KEPT_MARK 0x4BU

static void unmap(uint8_t *data, size_t mapped)
{
    size_t guard = round_to_pages(1);
    (void)munmap(data - guard, mapped + 2 * guard);
}

static bool forget_kept(void)
{
    bool any = false;
    for (size_t i = 0; i < KEPT_MAX; i++) {
        uint8_t *data = atomic_exchange(&kept[i], NULL);
        if (data != NULL) {
            unmap(data, round_to_pages(1));
            any = true;
        }
    }
    return any;
}

/* Kept pages count against the limit too: they make room before anything is refused. */
static bool lock_pages(uint8_t *data, size_t mapped)
{
    return mlock(data, mapped) == 0 || (forget_kept() && mlock(data, mapped) == 0);
}

static uint8_t *take_kept(void)
{
    for (size_t i = 0; i < KEPT_MAX; i++) {
        uint8_t *data = atomic_load(&kept[i]) == NULL ? NULL : atomic_exchange(&kept[i], NULL);
        if (data == NULL) {
            continue;
        }
        if (data[0] == KEPT_MARK || lock_pages(data, round_to_pages(1))) {
            data[0] = 0;
            return data;
        }
        unmap(data, round_to_pages(1));
    }
    return NULL;
}

static bool keep(uint8_t *data)
{
    data[0] = KEPT_MARK;
    for (size_t i = 0; i < KEPT_MAX; i++) {
        uint8_t *empty = NULL;
        if (atomic_compare_exchange_strong(&kept[i], &empty, data)) {
            return true;
        }
    }
    return false;
}

/* Between two pages that nobody may touch, so that whoever reads past a secret's neighbours, or
 * past the secret, ends there. */
static enum base_status map_pages(size_t mapped, uint8_t **ret_data, struct base_err *err)
{
    size_t guard = round_to_pages(1);
    uint8_t *all = mmap(NULL, mapped + 2 * guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) {
        return base_err_errno(
            err, BASE_E_NOMEM, errno, "cannot map %zu bytes for a secret", mapped);
    }
    uint8_t *data = all + guard;
    if (mprotect(data, mapped, PROT_READ | PROT_WRITE) != 0) {
        int errnum = errno;
        unmap(data, mapped);
        return base_err_errno(
            err, BASE_E_NOMEM, errnum, "cannot map %zu bytes for a secret", mapped);
    }
    if (!lock_pages(data, mapped)) {
        int errnum = errno;
        unmap(data, mapped);
        return base_err_errno(err, BASE_E_NOMEM, errnum,
            "cannot lock %zu bytes of memory for a secret (raise the memlock limit)", mapped);
    }
    /* Second line behind mlock: neither a core dump nor a forked child gets these pages. */
    (void)madvise(data, mapped, MADV_DONTDUMP);
    (void)madvise(data, mapped, MADV_WIPEONFORK);
    *ret_data = data;
    return BASE_OK;
}

enum base_status base_secret_init(struct base_secret *secret, size_t length, struct base_err *err)
{
    memset(secret, 0, sizeof(*secret));
    if (length == 0 || length > (size_t)1 << 20) {
        return base_err_set(err, BASE_E_ARG, "secret", (int64_t)length,
            "a secret of %zu bytes is not supported", length);
    }
    size_t mapped = round_to_pages(length);
    uint8_t *data = mapped == round_to_pages(1) ? take_kept() : NULL;
    enum base_status status = data != NULL ? BASE_OK : map_pages(mapped, &data, err);
    if (status == BASE_OK) {
        secret->data = data;
        secret->length = length;
        secret->mapped = mapped;
    }
    return status;
}

enum base_status base_secret_copy(
    struct base_secret *secret, const void *data, size_t length, struct base_err *err)
{
    enum base_status status = base_secret_init(secret, length, err);
    if (status == BASE_OK) {
        memcpy(secret->data, data, length);
    }
    return status;
}

void base_secret_done(struct base_secret *secret)
{
    if (secret == NULL || secret->data == NULL) {
        return;
    }
    base_wipe(secret->data, secret->mapped);
    if (secret->mapped != round_to_pages(1) || !keep(secret->data)) {
        unmap(secret->data, secret->mapped);
    }
    memset(secret, 0, sizeof(*secret));
}

void base_wipe(void *data, size_t length)
{
    explicit_bzero(data, length);
}

bool base_equal_ct(const void *a, const void *b, size_t length)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < length; i++) {
        difference |= (uint8_t)(x[i] ^ y[i]);
    }
    return difference == 0;
}

/* Read to end of file, straight into locked memory: stdio would leave a copy in its buffer. */
static enum base_status read_all(
    struct base_secret *secret, int fd, size_t max_length, bool one_line, struct base_err *err)
{
    enum base_status status = base_secret_init(secret, max_length + 1, err);
    if (status != BASE_OK) {
        return status;
    }
    size_t used = 0;
    while (used <= max_length) {
        /* One line is read byte by byte, so that what follows it stays for the next reader. */
        ssize_t got = read(fd, secret->data + used, one_line ? 1 : max_length + 1 - used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            int errnum = errno;
            base_secret_done(secret);
            return base_err_errno(
                err, BASE_E_IO, errnum, "cannot read a secret from file descriptor %d", fd);
        }
        if (got == 0 || (one_line && secret->data[used] == '\n')) {
            break;
        }
        used += (size_t)got;
    }
    if (used == 0 || used > max_length) {
        base_secret_done(secret);
        return base_err_set(err, BASE_E_ARG, "secret", (int64_t)used, "%s",
            used == 0 ? "the secret read is empty" : "the secret read is longer than its limit");
    }
    memset(secret->data + used, 0, secret->mapped - used);
    secret->length = used;
    return BASE_OK;
}

enum base_status base_secret_read_fd(
    struct base_secret *ret_secret, int fd, size_t max_length, struct base_err *err)
{
    return read_all(ret_secret, fd, max_length, true, err);
}

enum base_status base_secret_read_file(
    struct base_secret *ret_secret, const char *path, size_t max_length, struct base_err *err)
{
    memset(ret_secret, 0, sizeof(*ret_secret));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return base_err_errno(err, errno == ENOENT ? BASE_E_NOTFOUND : BASE_E_IO, errno,
            "cannot open secret file %s", path);
    }
    struct stat info;
    enum base_status status = BASE_OK;
    if (fstat(fd, &info) != 0) {
        status = base_err_errno(err, BASE_E_IO, errno, "cannot examine secret file %s", path);
    } else if (!S_ISREG(info.st_mode) || (info.st_mode & 077) != 0 ||
               (info.st_uid != geteuid() && info.st_uid != 0)) {
        status = base_err_set(err, BASE_E_CONFIG, "mode", info.st_mode & 07777,
            "secret file %s has mode %04o or another owner: make it yours with mode 0600", path,
            (unsigned)(info.st_mode & 07777));
    } else {
        status = read_all(ret_secret, fd, max_length, false, err);
    }
    (void)close(fd);
    return status;
}

/* Wait for a whole line, or for a signal that would end the program. The signal is only seen, not
 * taken: it comes into effect when it is unblocked, after the terminal is as it was. */
static enum base_status wait_for_line(int fd, const sigset_t *ending, struct base_err *err)
{
    int signals = signalfd(-1, ending, SFD_CLOEXEC);
    if (signals < 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot watch for signals");
    }
    struct pollfd watched[2] = { { .fd = fd, .events = POLLIN },
        { .fd = signals, .events = POLLIN } };
    int ready = 0;
    do {
        ready = poll(watched, 2, -1);
    } while (ready < 0 && errno == EINTR);
    int errnum = errno;
    (void)close(signals);
    if (ready < 0) {
        return base_err_errno(err, BASE_E_IO, errnum, "cannot wait for the terminal");
    }
    if (watched[1].revents != 0) {
        return base_err_set(err, BASE_E_CANCELLED, "signal", 0, "the question was cancelled");
    }
    return BASE_OK;
}

static enum base_status ask(struct base_secret *ret_secret, int fd, const char *prompt,
    size_t max_length, const sigset_t *ending, struct base_err *err)
{
    if (write(fd, prompt, strlen(prompt)) < 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot write to the terminal");
    }
    enum base_status status = wait_for_line(fd, ending, err);
    return status == BASE_OK ? read_all(ret_secret, fd, max_length, true, err) : status;
}

enum base_status base_secret_prompt(
    struct base_secret *ret_secret, const char *prompt, size_t max_length, struct base_err *err)
{
    memset(ret_secret, 0, sizeof(*ret_secret));
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before;
    if (fd < 0 || tcgetattr(fd, &before) != 0) {
        int errnum = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return base_err_errno(err, BASE_E_CONFIG, errnum, "no terminal to ask for a secret on");
    }
    sigset_t ending;
    sigset_t old;
    (void)sigemptyset(&ending);
    (void)sigaddset(&ending, SIGINT);
    (void)sigaddset(&ending, SIGQUIT);
    (void)sigaddset(&ending, SIGTERM);
    (void)sigaddset(&ending, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &ending, &old);
    struct termios quiet = before;
    quiet.c_lflag &= (tcflag_t) ~(ECHO | ECHOE | ECHOK | ECHONL);
    quiet.c_lflag |= ICANON;
    (void)tcsetattr(fd, TCSAFLUSH, &quiet);
    enum base_status status = ask(ret_secret, fd, prompt, max_length, &ending, err);
    (void)tcsetattr(fd, TCSAFLUSH, &before);
    (void)!write(fd, "\n", 1);
    (void)close(fd);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return status;
}

void base_secret_harden_process(void)
{
    const struct rlimit none = { 0, 0 };
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
