"""Which TCP ports answer: a program of the standard library that runs wherever there is a Python.

    python3 scan.py < question

The question is JSON, [[address, port], ...]; the answer is the list of those that took the connection.
"""

import json
import select
import socket
import sys
import time

AT_ONCE = 1000
SECONDS = 3


def main() -> None:
    question = json.load(sys.stdin)
    waiting = iter(question)
    open_sockets: dict[int, tuple[socket.socket, list[object], float]] = {}
    answered = []
    poll = select.epoll()
    more = True
    while more or open_sockets:
        while more and len(open_sockets) < AT_ONCE:
            target = next(waiting, None)
            if target is None:
                more = False
                break
            connection = socket.socket()
            connection.setblocking(False)
            poll.register(connection, select.EPOLLOUT)
            connection.connect_ex((target[0], target[1]))
            open_sockets[connection.fileno()] = (connection, target, time.monotonic())
        now = time.monotonic()
        late = [number for number, (_, _, since) in open_sockets.items() if now - since > SECONDS]
        for number, event in [*poll.poll(0.05), *((number, select.EPOLLERR) for number in late)]:
            found = open_sockets.pop(number, None)
            if found is None:
                continue
            connection, target, _ = found
            if not event & (select.EPOLLERR | select.EPOLLHUP):
                answered.append(target)
            poll.unregister(number)
            connection.close()
    json.dump(answered, sys.stdout, separators=(",", ":"))


main()
