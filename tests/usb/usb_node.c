/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/usb_node.h"

#include <string.h>
#include <umockdev.h>

/* One request of the board, without the mutex while it is executed. */
static void execute(
    struct usb_node *node, const struct usb_probe_job *job, struct sim_link_batch *batch)
{
    node->executing = true;
    g_mutex_unlock(node->mutex);
    usb_probe_compute(node->probe, job, batch);
    g_mutex_lock(node->mutex);
    node->executing = false;
    g_cond_broadcast(node->changed);
    if (usb_probe_finish(node->probe, usb_node_now_us(), batch) == SIM_LINK_CUT && !node->gone) {
        usb_node_cut(node);
    }
    if (!node->gone && usb_probe_get_opts(node->probe)->hid && node->context != NULL) {
        GSource *source = g_idle_source_new();
        g_source_set_callback(source, hidraw_wake, node, NULL);
        g_source_attach(source, node->context);
        g_source_unref(source);
    }
}

static gpointer work(gpointer user)
{
    struct usb_node *node = user;
    struct sim_link_batch batch = { 0 };
    struct usb_probe_job job;
    g_mutex_lock(node->mutex);
    while (!node->quit) {
        if (!node->gone && !node->held && usb_probe_take_job(node->probe, &job)) {
            execute(node, &job, &batch);
        } else {
            g_cond_wait(node->changed, node->mutex);
        }
    }
    g_mutex_unlock(node->mutex);
    sim_link_batch_done(&batch);
    return NULL;
}

void usb_node_work(struct usb_node *node)
{
    node->context = g_main_context_get_thread_default();
    if (usb_probe_has_job(node->probe)) {
        g_cond_broadcast(node->changed);
    }
}

void usb_node_quiet(struct usb_node *node)
{
    while (node->executing) {
        g_cond_wait(node->changed, node->mutex);
    }
}

void usb_node_init(struct usb_node *node, struct usb_probe *probe, GMutex *mutex)
{
    memset(node, 0, sizeof(*node));
    node->probe = probe;
    node->mutex = mutex;
    node->changed = g_new0(GCond, 1);
    g_cond_init(node->changed);
    usbfs_init(node);
    hidraw_init(node);
    node->thread = g_thread_new("board", work, node);
}

void usb_node_done(struct usb_node *node)
{
    g_mutex_lock(node->mutex);
    node->quit = true;
    g_cond_broadcast(node->changed);
    g_mutex_unlock(node->mutex);
    (void)g_thread_join(node->thread);
    hidraw_done(node);
    usbfs_done(node);
    g_cond_clear(node->changed);
    g_free(node->changed);
}

void usb_node_unplug(struct usb_node *node)
{
    usb_node_quiet(node);
    node->gone = true;
    usb_probe_reset(node->probe);
    sim_probe_power_on(sim_link_board(usb_probe_link(node->probe))->probe);
    usbfs_unplug(node);
    hidraw_unplug(node);
}

void usb_node_cut(struct usb_node *node)
{
    usb_node_unplug(node);
    if (node->on_gone != NULL) {
        node->on_gone(node->user);
    }
}

void usb_node_later(int (*fn)(void *user), void *user, void (*done)(void *user), int64_t at_us)
{
    GSource *source = g_timeout_source_new(0);
    g_source_set_ready_time(source, at_us);
    g_source_set_callback(source, fn, user, done);
    g_source_attach(source, g_main_context_get_thread_default());
    g_source_unref(source);
}

int64_t usb_node_now_us(void)
{
    return g_get_monotonic_time();
}
