/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_USB_NODE_H
#define TESTS_USB_NODE_H

/**
 * @file
 * What the kernel would do between a host's library and a probe: usbfs and hidraw nodes, answered
 * live through umockdev. Handlers run in umockdev's worker thread; the mutex guards a probe's state
 * against the thread that plugs and unplugs.
 */

#include "tests/usb/usb_probe.h"

/* Of GLib and umockdev, so that this header needs neither. */
struct _GCond;
struct _GMainContext;
struct _GQueue;
struct _GThread;
struct _UMockdevIoctlBase;
struct _UMockdevIoctlClient;
union _GMutex;

struct usb_node {
    struct usb_probe *probe;     /**< borrowed */
    union _GMutex *mutex;        /**< borrowed; held while the probe is used */
    bool gone;                   /**< unplugged: nothing but ENODEV from now on */
    void (*on_gone)(void *user); /**< a fault unplugged it; the mutex is held */
    void *user;

    /* The board's requests are executed by a thread of its own, so that no board waits for another
     * one's. */
    struct _GThread *thread;
    struct _GCond *changed;        /**< a request has come, or one is done */
    struct _GMainContext *context; /**< of umockdev's thread; NULL until it was seen */
    bool executing;                /**< the thread uses the board; the mutex is not held */
    bool held; /**< no further request is begun: somebody else wants the board */
    bool quit;

    /* usbfs */
    struct _UMockdevIoctlBase *usb_handler;
    struct _GQueue *urbs; /**< of struct usbfs_urb, in order of submission; done ones included */
    struct _UMockdevIoctlClient *claimed_by; /**< a reference; NULL = nobody */
    unsigned idle_reaps;                     /**< empty ones since the last that was not */

    /* hidraw */
    struct _UMockdevIoctlBase *hid_handler;
    int pty;                /**< umockdev's end of the node, -1 none */
    bool rung;              /**< one byte waits in the pty */
    struct _GQueue *reads;  /**< of UMockdevIoctlClient, waiting for a report */
    struct _GQueue *writes; /**< of UMockdevIoctlClient, waiting to be taken */
};

/** Time of the replies, in microseconds. */
int64_t usb_node_now_us(void);

/** Run @p fn with the node in umockdev's thread, the caller's, at @p at_us. */
void usb_node_later(int (*fn)(void *user), void *user, void (*done)(void *user), int64_t at_us);

/** Called by handlers: note umockdev's thread, and let the board's thread look for requests. */
void usb_node_work(struct usb_node *node);

/** Wait until nobody uses the board. The mutex is held, and again at the end. */
void usb_node_quiet(struct usb_node *node);

/** A fault cut the connection; the mutex is held. */
void usb_node_cut(struct usb_node *node);

/** Make both handlers. */
void usb_node_init(struct usb_node *node, struct usb_probe *probe, union _GMutex *mutex);
void usb_node_done(struct usb_node *node);

/** The device is unplugged; the mutex is held. */
void usb_node_unplug(struct usb_node *node);

/* --- usbfs.c --- */

void usbfs_init(struct usb_node *node);
void usbfs_done(struct usb_node *node);
/** Requests in flight end with ESHUTDOWN and can still be reaped. */
void usbfs_unplug(struct usb_node *node);

/* --- hidraw.c --- */

void hidraw_init(struct usb_node *node);
void hidraw_done(struct usb_node *node);
void hidraw_unplug(struct usb_node *node);
/** Wake whoever waits for a report, if there is one. */
void hidraw_ring(struct usb_node *node);
/** In umockdev's thread, without the mutex: whatever can go on. @p user is the node. */
int hidraw_wake(void *user);

#endif
