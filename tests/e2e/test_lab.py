#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tests' own tools: a relay that is closed leaves no connection behind on which a peer would wait for ever."""
import socket
import sys
import threading

from lab import Relay, Tap, expect


class Echo:
    """A server that counts the connections it has not seen the end of."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ended = threading.Semaphore(0)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def answer(self, client):
        with client:
            while data := client.recv(4096):
                client.sendall(data)
        self.ended.release()


def through(relay):
    client = socket.create_connection(("127.0.0.1", relay.port))
    client.sendall(b"there")
    expect(client.recv(16) == b"there", "the relay passes on what it gets")
    return client


def closed_while_threads_wait(echo, relay_type=Relay):
    relay = relay_type(echo.port)
    client = through(relay)
    relay.close()
    client.settimeout(10)
    expect(client.recv(16) == b"", "the client sees the end")
    ended = echo.ended.acquire(timeout=10)
    client.close()
    expect(ended, "the server sees the end")


def cut_in_the_middle(echo):
    relay = Relay(echo.port, on_reply=lambda data: None)
    client = socket.create_connection(("127.0.0.1", relay.port))
    client.sendall(b"lost")
    client.settimeout(10)
    expect(client.recv(16) == b"", "the client sees the cut")
    expect(echo.ended.acquire(timeout=10), "the server sees the cut")
    client.close()
    relay.close()


class Forgetful(Relay):
    """The planted bug: sockets are closed under the threads that wait in them."""

    def close(self):
        self.running = False
        for end in [self.listener] + self.open:
            end.close()


def planted(echo):
    try:
        closed_while_threads_wait(echo, Forgetful)
    except (AssertionError, TimeoutError):
        return
    raise AssertionError("a relay that forgets its connections was not noticed")


def main():
    tap = Tap()
    echo = Echo()
    tap.case("a closed relay ends its connections at both ends", closed_while_threads_wait, echo)
    tap.case("a reply that is cut ends the connection at both ends", cut_in_the_middle, echo)
    tap.case("planted: sockets closed under waiting threads", planted, echo)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
